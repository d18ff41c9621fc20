//! Which action a step has, and whether its other keys go with it.

use super::cx::Cx;
use super::step::Place;
use crate::diagnostic::{Code, Finding, nearest};
use crate::recipe::vocabulary::{
    self, ACTIONS, Action, BLAME_ACTIONS, BLAME_MODIFIERS, DRIVER_ACTIONS, DRIVER_MODIFIERS, LATER,
    MODIFIERS, PROBE_MODIFIERS, Places,
};
use crate::recipe::yaml::{Key, Node};

impl Cx<'_> {
    /// The one key of a step that names an action.
    pub(super) fn action_of<'n>(
        &mut self,
        node: &Node,
        entries: &'n [(Key, Node)],
    ) -> Option<(&'n Key, &'n Node, &'static Action)> {
        let mut found: Option<(&Key, &Node, &'static Action)> = None;
        let mut stranger = None;
        for (key, value) in entries {
            if let Some(action) = vocabulary::action(&key.name) {
                if let Some((first, _, _)) = found {
                    let finding = Finding::new(
                        Code::OneOf,
                        key.span,
                        format!("a step has one action: `{}` or `{}`", first.name, key.name),
                    )
                    .related(first.span, "the first action")
                    .help("write two steps");
                    self.push(finding);
                } else {
                    found = Some((key, value, action));
                }
            } else if MODIFIERS.iter().all(|modifier| modifier.name != key.name) {
                stranger.get_or_insert((key, value));
            }
        }
        if found.is_some() {
            return found;
        }
        let Some((key, value)) = stranger else {
            self.push(
                Finding::new(Code::MissingKey, node.span, "this step has no action")
                    .help("a step is `ACTION: …`, with modifiers beside it"),
            );
            return None;
        };
        let name = key.name.as_str();
        if LATER.contains(&name) {
            self.push(
                Finding::new(
                    Code::NotYet,
                    key.span,
                    format!("`{name}` is not in this version"),
                )
                .help("`capture` logs a serial line"),
            );
        } else {
            let similar = nearest(name, ACTIONS.iter().map(|action| action.name));
            let mut finding = Finding::new(
                Code::UnknownAction,
                key.span,
                format!("unknown action `{name}`"),
            )
            .suggest(similar);
            if similar.is_none() {
                finding = finding.help(format!(
                    "actions are {}",
                    crate::diagnostic::list(ACTIONS.iter().map(|action| action.name), "and")
                ));
            }
            self.push(finding);
        }
        Some((key, value, &vocabulary::UNKNOWN))
    }

    /// Complains about an action in a list where it can't stand.
    pub(super) fn placed(&mut self, key: &Key, action: &Action, place: Place) {
        let name = action.name;
        let allowed = match place {
            Place::Driver => Some(DRIVER_ACTIONS),
            Place::Blame => Some(BLAME_ACTIONS),
            Place::Probe(actions) => Some(actions),
            _ => None,
        };
        let message = match (place, action.places) {
            (Place::Driver | Place::Blame | Place::Probe(_), _)
                if action.name != vocabulary::UNKNOWN.name =>
            {
                let Some(allowed) = allowed.filter(|allowed| !allowed.contains(&name)) else {
                    return;
                };
                let what = match place {
                    Place::Driver => "a driver",
                    Place::Blame => "`blame`",
                    _ => "a probe",
                };
                format!(
                    "{what} is made of {}",
                    crate::diagnostic::list(allowed.iter().copied(), "and")
                )
            }
            (Place::Exit | Place::Between, Places::NotExit) => {
                format!("`{name}` stands in `do` and `enter` only")
            }
            (Place::Exit | Place::Between | Place::Do { .. }, Places::Enter) => {
                format!("`{name}` stands in `enter` only: it lives as long as its scope")
            }
            _ => return,
        };
        self.push(
            Finding::new(
                Code::Misplaced,
                key.span,
                format!("`{name}` has no place here"),
            )
            .help(message),
        );
    }

    /// Complains about keys that the action does not take.
    pub(super) fn modifiers_fit(&mut self, node: &Node, at: &Key, action: &Action, place: Place) {
        for (key, value) in node.entries() {
            let name = key.name.as_str();
            if key == at || vocabulary::action(name).is_some() {
                continue;
            }
            let Some(modifier) = MODIFIERS.iter().find(|modifier| modifier.name == name) else {
                if self.is_split_expression(node, key, value) {
                    continue;
                }
                if action.name == vocabulary::UNKNOWN.name {
                    continue;
                }
                let known: Vec<&str> = action.modifiers().map(|modifier| modifier.name).collect();
                let mut finding = Finding::new(
                    Code::UnknownKey,
                    key.span,
                    format!("a step has no modifier `{name}`"),
                );
                finding = if action.fields.param(name).is_some() {
                    finding.help(format!(
                        "`{name}` is a parameter: write it inside `{}`, as in `{}: {{ {name}: … }}`",
                        action.name, action.name
                    ))
                } else {
                    let similar = nearest(name, known.iter().copied());
                    match similar {
                        Some(_) => finding.suggest(similar),
                        None => finding.help(format!(
                            "`{}` takes {}",
                            action.name,
                            crate::diagnostic::list(known, "and")
                        )),
                    }
                };
                self.push(finding);
                continue;
            };
            let allowed = match place {
                Place::Driver => DRIVER_MODIFIERS.contains(&name),
                Place::Blame => BLAME_MODIFIERS.contains(&name),
                Place::Probe(_) => PROBE_MODIFIERS.contains(&name),
                _ => true,
            };
            if action.name == vocabulary::UNKNOWN.name {
                continue;
            }
            if !action.takes(modifier) {
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        format!("`{}` takes no `{name}`", action.name),
                    )
                    .help(format!(
                        "`{}` takes {}",
                        action.name,
                        crate::diagnostic::list(
                            action.modifiers().map(|modifier| modifier.name),
                            "and"
                        )
                    )),
                );
            } else if !allowed {
                let what = match place {
                    Place::Driver => {
                        "a driver's steps are one try of the gear's step: put it there"
                    }
                    Place::Blame => {
                        "a probe of `blame` is tried once, changes nothing, and has its key as name"
                    }
                    _ => "a probe's steps are one try of the `wait`: put it there",
                };
                self.push(
                    Finding::new(
                        Code::Misplaced,
                        key.span,
                        format!("`{name}` has no place here"),
                    )
                    .help(what),
                );
            }
        }
    }
}
