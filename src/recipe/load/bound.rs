//! The bound on one try of a step.

use std::time::Duration;

use super::cx::Cx;
use super::defaults::Defaults;
use super::step::Place;
use crate::diagnostic::{Code, Finding};
use crate::recipe::model::{Items, Step, StepTimeout, Templated};
use crate::recipe::yaml::{Key, Node};

/// Bound on a probe of `blame` that has none.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bound on one try of an exit step that has none.
const EXIT_TIMEOUT: Duration = Duration::from_secs(60);

impl Cx<'_> {
    /// The bound on one try: the step's own, the nearest default, or the action's.
    pub(super) fn timeout(
        &mut self,
        step: &mut Step,
        node: &Node,
        key: &Key,
        place: Place,
        defaults: &Defaults,
    ) -> StepTimeout {
        let action = step.action;
        if let Some(own) = node.get("timeout") {
            if place == Place::Blame && own.text() == Some("none") {
                self.push(
                    Finding::new(
                        Code::MissingBound,
                        own.span,
                        "a probe of `blame` has a bound",
                    )
                    .help("leave `timeout` out for 5 s, or give one of at most 30 s"),
                );
                return StepTimeout::After(Templated::Literal(PROBE_TIMEOUT));
            }
            if place == Place::Exit && own.text() == Some("none") {
                self.push(
                    Finding::new(
                        Code::MissingBound,
                        own.span,
                        "an exit step has a bound of its own",
                    )
                    .help("nothing else bounds it: leave `timeout` out for 60 s, or give one"),
                );
                return StepTimeout::After(Templated::Literal(EXIT_TIMEOUT));
            }
            // `none` is no bound where one is required.
            if !(action.bound_required && own.text() == Some("none")) {
                return self.step_timeout(own).unwrap_or(StepTimeout::None);
            }
        }
        match place {
            // `sleep` is a bound itself.
            Place::Exit if action.name != "sleep" => {
                return StepTimeout::After(Templated::Literal(EXIT_TIMEOUT));
            }
            Place::Blame => return StepTimeout::After(Templated::Literal(PROBE_TIMEOUT)),
            Place::Exit | Place::Driver | Place::Probe(_) => {}
            Place::Do { .. } | Place::Enter | Place::Between => {
                if action.takes_defaults
                    && let Some(timeout) = &defaults.timeout
                {
                    step.places.add("timeout", timeout.span, timeout.span);
                    return timeout.value.clone();
                }
            }
        }
        if action.bound_required {
            if !matches!(place, Place::Do { bounded: true }) {
                self.push(
                    Finding::new(
                        Code::MissingBound,
                        key.span,
                        format!("`{}` has no bound", action.name),
                    )
                    .help("give the step a `timeout` (or the leaf that it is in)"),
                );
            }
            return StepTimeout::None;
        }
        let follows = step.params.contains_key("follow");
        match action.timeout {
            Some(each) if action.name == "commands" => StepTimeout::PerLine(each),
            Some(bound) if !follows => StepTimeout::After(Templated::Literal(bound)),
            _ => StepTimeout::None,
        }
    }

    /// In exit steps `for_each` goes over a list whose length has a bound.
    pub(super) fn bounded_items(&mut self, items: Option<&Items>, node: &Node) {
        let Some(Items::Expr(expr)) = items else {
            return;
        };
        if !self.names.limited_lists.contains(expr.text.trim()) {
            self.push(
                Finding::new(
                    Code::MissingBound,
                    node.span,
                    "in exit steps the number of items needs a bound",
                )
                .help("go over a literal list, or an input with `max_items`"),
            );
        }
    }
}
