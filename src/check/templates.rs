//! Every name that a template or an expression reads is there.

use std::ops::Range;

use super::scope::Site;
use super::sites::{Setter, Space, gear_fields};
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, list, nearest};
use crate::recipe::model::{Declared, Group, Input, InputType, Map, Parse, Recipe};
use crate::recipe::template::{ROOTS, Read};
use crate::recipe::vocabulary::Action;

/// Fields of every saved output.
const OUTPUT: &[&str] = &["ok", "error", "duration", "tries"];

/// Looks at every template and expression of a recipe: that the names that it reads are there at its
/// place, that nothing is read by a computed name, and that no value from outside becomes shell
/// syntax.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let Whole { recipe, sites, .. } = whole;
    for site in &sites.all {
        let analysis = site.text.analyse();
        for read in &analysis.reads {
            if let Some(wrong) = wrong(read, site, &sites.spaces) {
                findings.push(wrong.finding(recipe, site));
            }
        }
    }
}

/// What is wrong with a reading.
struct Wrong {
    code: Code,
    range: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Wrong {
    fn new(read: &Read, message: String) -> Self {
        Self {
            code: Code::UnknownName,
            range: read.range.clone(),
            message,
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The nearest of `names`, else all of them.
    fn one_of<'a>(
        self,
        name: &str,
        names: impl IntoIterator<Item = &'a str> + Clone,
        none: &str,
    ) -> Self {
        if let Some(similar) = nearest(name, names.clone()) {
            return self.help(format!("did you mean `{similar}`?"));
        }
        let names: Vec<&str> = names.into_iter().collect();
        match names.len() {
            0 => self.help(none),
            1..=12 => self.help(format!("there is {}", list(names, "and"))),
            _ => self,
        }
    }

    fn finding(self, recipe: &Recipe, site: &Site<'_>) -> Finding {
        let place = site.text.place(&recipe.sources, self.range);
        let mut finding = Finding::new(self.code, place, self.message);
        finding.help = self.help;
        finding
    }
}

fn wrong(read: &Read, site: &Site<'_>, spaces: &[Space<'_>]) -> Option<Wrong> {
    let scope = &site.scope;
    let (root, rest) = read.path.split_first()?;
    if !scope.names.contains(root) {
        return Some(absent(root, read, site, spaces));
    }
    let space = scope.space.and_then(|space| spaces.get(space));
    match (root.as_str(), rest) {
        ("device", rest) => declared(&scope.home.device, rest, read),
        ("job", rest) => declared(&scope.home.job, rest, read),
        ("env", []) | ("item" | "index" | "result", _) => None,
        ("run", [field, ..]) => field_of(read, field, &["id", "dir", "stage"]),
        ("error", [field, ..]) => field_of(
            read,
            field,
            &["kind", "message", "state", "step", "output", "cause"],
        ),
        ("outcome", [field, ..]) => field_of(read, field, &["kind", "message", "state", "step"]),
        ("host", [field, ..]) => field_of(read, field, &["name", "address", "user"]),
        ("let", [name, ..]) => (!scope.home.lets.contains_key(name)).then(|| {
            Wrong::new(read, format!("unknown constant `let.{name}`")).one_of(
                name,
                scope.home.lets.keys().map(String::as_str),
                "constants are declared under `let`",
            )
        }),
        ("gear", rest) => gear(read, rest, site),
        ("params", rest) => {
            let params = space.and_then(|space| space.params)?;
            params_member(params, rest, read)
        }
        ("vars", rest) => vars(read, rest, space?),
        (root, []) => read
            .computed
            .is_some()
            .then(|| computed(read, root))
            .filter(|_| root == "let"),
        _ => None,
    }
}

/// A name that is not there at this place, or at none.
fn absent(root: &str, read: &Read, site: &Site<'_>, spaces: &[Space<'_>]) -> Wrong {
    let scope = &site.scope;
    if ROOTS.contains(&root) {
        let wrong = Wrong::new(read, format!("`{root}` is not there {}", scope.place));
        return wrong.help(match root {
            "params" => "`params` are the arguments of a procedure",
            "vars" => "`vars` are of a stage or a procedure; `let` is for constants of the run",
            "host" => "`host` is of steps that run on a host",
            "item" | "index" => "`item` and `index` are there where `for_each` is",
            "error" => "`error` is there in stages and procedures",
            "outcome" => "`outcome` is there in exit steps",
            "result" => "`result` is there in `until` and `abort_when`",
            _ => "`gear` is there in stages, procedures and hosts",
        });
    }
    let wrong = Wrong::new(read, format!("unknown name `{root}`"));
    let space = scope.space.and_then(|space| spaces.get(space));
    let is_in = |candidate: &str| match candidate {
        "vars" => space.is_some_and(|space| space.vars.contains_key(root)),
        "params" => space
            .and_then(|space| space.params)
            .is_some_and(|params| params.contains_key(root)),
        "let" => scope.home.lets.contains_key(root),
        "device" => scope.home.device.members.contains_key(root),
        "job" => scope.home.job.members.contains_key(root),
        "gear" => scope.home.gear.contains_key(root),
        _ => false,
    };
    let holder = ["vars", "params", "let", "device", "job", "gear"]
        .into_iter()
        .find(|holder| scope.names.contains(holder) && is_in(holder));
    if let Some(holder) = holder {
        return wrong.help(format!("write `{holder}.{root}`"));
    }
    match root {
        "null" | "nil" | "None" | "undefined" => wrong.help("write `none`"),
        "yes" | "on" | "TRUE" => wrong.help(format!("write `true`, or the text `'{root}'`")),
        "no" | "off" | "FALSE" => wrong.help(format!("write `false`, or the text `'{root}'`")),
        _ => match nearest(root, scope.names.iter()) {
            Some(similar) => wrong.help(format!("did you mean `{similar}`?")),
            None if read.path.len() == 1 => wrong.help(format!("a text needs quotes: `'{root}'`")),
            None => wrong.help(format!("there is {}", list(scope.names.iter(), "and"))),
        },
    }
}

fn field_of(read: &Read, field: &str, fields: &[&'static str]) -> Option<Wrong> {
    (!fields.contains(&field)).then(|| {
        let whole = read.path.first().map_or("", String::as_str);
        Wrong::new(read, format!("`{whole}` has no `{field}`")).one_of(
            field,
            fields.iter().copied(),
            "",
        )
    })
}

fn computed(read: &Read, whole: &str) -> Wrong {
    Wrong {
        code: Code::ComputedMember,
        range: read.computed.clone().unwrap_or_else(|| read.range.clone()),
        message: format!("a member of `{whole}` is taken by a computed name"),
        help: Some("write the name out, and choose with `if`".into()),
    }
}

/// A member of `device` or `job`.
fn declared(group: &Group, rest: &[String], read: &Read) -> Option<Wrong> {
    let depth = read.path.len() - rest.len();
    let so_far = || read.path.get(..depth).unwrap_or_default().join(".");
    let Some((name, rest)) = rest.split_first() else {
        return read.computed.is_some().then(|| computed(read, &so_far()));
    };
    match group.members.get(name) {
        Some(Declared::Group(inner)) => declared(inner, rest, read),
        Some(Declared::Input(input)) => member(input, rest, read),
        None => Some(
            Wrong::new(read, format!("unknown input `{}.{name}`", so_far())).one_of(
                name,
                group.members.keys().map(String::as_str),
                "what a recipe reads it declares: under `device` or `job`",
            ),
        ),
    }
}

fn params_member(params: &Map<Input>, rest: &[String], read: &Read) -> Option<Wrong> {
    let Some((name, rest)) = rest.split_first() else {
        return read.computed.is_some().then(|| computed(read, "params"));
    };
    match params.get(name) {
        Some(input) => member(input, rest, read),
        None => Some(
            Wrong::new(read, format!("unknown parameter `params.{name}`")).one_of(
                name,
                params.keys().map(String::as_str),
                "the procedure has no `params`",
            ),
        ),
    }
}

/// A member of an input's value.
fn member(input: &Input, rest: &[String], read: &Read) -> Option<Wrong> {
    let (name, deeper) = rest.split_first()?;
    let has = |wanted: InputType| input.types.contains(&wanted);
    if has(InputType::Any) {
        return None;
    }
    let is_number = name.parse::<i64>().is_ok();
    if has(InputType::List) && is_number {
        return match &input.items {
            Some(items) => member(items, deeper, read),
            None => None,
        };
    }
    let whole = || {
        let depth = read.path.len() - rest.len();
        read.path.get(..depth).unwrap_or_default().join(".")
    };
    if has(InputType::Map) {
        return match input.keys.as_ref().and_then(|keys| keys.get(name)) {
            Some(inner) => member(inner, deeper, read),
            None if input.open => None,
            None => Some(
                Wrong::new(read, format!("`{}` has no `{name}`", whole())).one_of(
                    name,
                    input
                        .keys
                        .iter()
                        .flat_map(|keys| keys.keys().map(String::as_str)),
                    "its members are declared under `keys`",
                ),
            ),
        };
    }
    let what = if has(InputType::List) {
        "a list: its items have numbers"
    } else {
        "no map: it has no members"
    };
    Some(Wrong::new(read, format!("`{}` is {what}", whole())))
}

fn gear(read: &Read, rest: &[String], site: &Site<'_>) -> Option<Wrong> {
    let all = &site.scope.home.gear;
    let Some((name, rest)) = rest.split_first() else {
        return read.computed.is_some().then(|| computed(read, "gear"));
    };
    let Some(gear) = all.get(name) else {
        return Some(Wrong::new(read, format!("unknown gear `{name}`")).one_of(
            name,
            all.keys().map(String::as_str),
            "gear is declared under `gear`",
        ));
    };
    let Some(field) = rest.first() else {
        return read
            .computed
            .is_some()
            .then(|| computed(read, &format!("gear.{name}")));
    };
    let fields = gear_fields(gear.kind);
    (!fields.contains(&field.as_str())).then(|| {
        Wrong::new(read, format!("`gear.{name}` has no `{field}`")).one_of(
            field,
            fields.iter().copied(),
            "",
        )
    })
}

fn vars(read: &Read, rest: &[String], space: &Space<'_>) -> Option<Wrong> {
    let Some((name, rest)) = rest.split_first() else {
        return read.computed.is_some().then(|| computed(read, "vars"));
    };
    let Some(setters) = space.vars.get(name.as_str()) else {
        return Some(
            Wrong::new(read, format!("nothing sets `vars.{name}`")).one_of(
                name,
                space.vars.keys().copied(),
                "`save`, `set` and `vars` give it a value",
            ),
        );
    };
    let field = rest.first()?;
    let mut fields: Vec<&'static str> = OUTPUT.to_vec();
    for setter in setters {
        match setter {
            Setter::Output(action, parse) if !action.output.is_empty() => {
                fields.extend(
                    action
                        .output
                        .iter()
                        .filter(|field| parsed(action, *parse, field)),
                );
            }
            Setter::Outputs if field.parse::<i64>().is_ok() => return None,
            Setter::Outputs => {
                return Some(
                    Wrong::new(
                        read,
                        format!("`vars.{name}` is a list: its items have numbers"),
                    )
                    .help(format!(
                        "write `vars.{name}[0].{field}` or `vars.{name} | map(attribute='{field}')`"
                    )),
                );
            }
            Setter::Output(..) | Setter::Value => return None,
        }
    }
    (!fields.contains(&field.as_str())).then(|| {
        let wrong = Wrong::new(read, format!("`vars.{name}` has no `{field}`"));
        let gives = |setter: &Setter| matches!(setter, Setter::Output(action, _) if action.output.contains(&field.as_str()));
        if setters.iter().any(gives) {
            return wrong.help(format!("it is there with `parse: {field}`"));
        }
        wrong.one_of(field, fields.iter().copied(), "")
    })
}

/// Whether a field is there: `json` and `lines` of an action that parses are with `parse` alone.
fn parsed(action: &Action, parse: Parse, field: &str) -> bool {
    let parses = || action.modifiers().any(|modifier| modifier.name == "parse");
    match field {
        "json" => parse == Parse::Json || !parses(),
        "lines" => parse == Parse::Lines || !parses(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::case;

    #[test]
    fn what_is_there_is_not_complained_about() {
        case(
            r#"
- run: echo {{ device.host }} {{ job.data.url }} {{ let.word }} {{ env.HOME }} {{ run.id }}
  host: control
  save: ran
- log: "{{ vars.ran.stdout }} {{ vars.ran.ok }} {{ device.shape.width }} {{ device.any.x.y }}"
- log: "{{ gear.card.media }} {{ gear.power.present }} {{ error.message }} {{ device.cmds[0] }}"
- log: "{{ item }} {{ index }}"
  for_each: device.cmds
  when: item != 'x'
- set: { mine: { a: 1 } }
- log: "{{ vars.mine.a }} {{ job.data }} {{ vars.mine[vars.ran.stdout] }}"
- run: { argv: [ls, "{{ host.address }}"] }
- wait: { tcp: "a:1", until: result.ok }
  timeout: 1m
- commands: "{{ device.cmds }}"
- commands: [reboot, "x {{ run.id }} {{ let.word }} {{ 'a' if job.data.url else 'b' }}"]
- run: ls {{ let.word | raw }} {{ gear.card.media | raw }}
"#,
            &[],
        );
    }

    #[test]
    fn what_parse_gives_is_there_with_it_alone() {
        case(
            r#"
- run: ls
  save: ran
- run: ls
  parse: json
  save: read
- log: "{{ vars.ran.json }} {{ vars.read.json }} {{ vars.read.lines }}"
"#,
            &[
                "TF0403 `vars.ran.json`: `vars.ran` has no `json` (it is there with `parse: json`)",
                "TF0403 `vars.read.lines`: `vars.read` has no `lines` (it is there with `parse: lines`)",
            ],
        );
    }

    #[test]
    fn unknown_names_have_a_place_and_a_suggestion() {
        case(
            r#"
- log: "{{ device.hsot }} {{ job.dta.url }} {{ job.data.ulr }}"
- log: "{{ device.shape.widht }} {{ device.host.x }} {{ let.wrod }}"
- log: "{{ vars.nothing }} {{ gear.crad.media }} {{ gear.power.media }} {{ run.name }}"
- run: ls
  save: ran
- log: "{{ vars.ran.stdot }} {{ host }} {{ devcie.host }} {{ ran }} {{ word }} {{ error.kidn }}"
- log: x
  when: on == null
- log: "{{ outcome.kind }} {{ item }} {{ params.x }} {{ result }}"
"#,
            &[
                "TF0403 `device.hsot`: unknown input `device.hsot` (did you mean `host`?)",
                "TF0403 `job.dta.url`: unknown input `job.dta` (did you mean `data`?)",
                "TF0403 `job.data.ulr`: unknown input `job.data.ulr` (did you mean `url`?)",
                "TF0403 `device.shape.widht`: `device.shape` has no `widht` (did you mean `width`?)",
                "TF0403 `device.host.x`: `device.host` is no map: it has no members ()",
                "TF0403 `let.wrod`: unknown constant `let.wrod` (did you mean `word`?)",
                "TF0403 `vars.nothing`: nothing sets `vars.nothing` (there is `ran`)",
                "TF0403 `gear.crad.media`: unknown gear `crad` (did you mean `card`?)",
                "TF0403 `gear.power.media`: `gear.power` has no `media` (there is `present` and `kind`)",
                "TF0403 `run.name`: `run` has no `name` (there is `id`, `dir` and `stage`)",
                "TF0403 `vars.ran.stdot`: `vars.ran` has no `stdot` (did you mean `stdout`?)",
                "TF0403 `host`: `host` is not there in a stage (`host` is of steps that run on a host)",
                "TF0403 `devcie.host`: unknown name `devcie` (did you mean `device`?)",
                "TF0403 `ran`: unknown name `ran` (write `vars.ran`)",
                "TF0403 `word`: unknown name `word` (write `let.word`)",
                "TF0403 `error.kidn`: `error` has no `kidn` (did you mean `kind`?)",
                "TF0403 `on`: unknown name `on` (write `true`, or the text `'on'`)",
                "TF0403 `null`: unknown name `null` (write `none`)",
                "TF0403 `outcome.kind`: `outcome` is not there in a stage (`outcome` is there in exit steps)",
                "TF0403 `item`: `item` is not there in a stage (`item` and `index` are there where `for_each` is)",
                "TF0403 `params.x`: `params` is not there in a stage (`params` are the arguments of a procedure)",
                "TF0403 `result`: `result` is not there in a stage (`result` is there in `until` and `abort_when`)",
            ],
        );
    }

    #[test]
    fn members_are_not_taken_by_computed_names() {
        case(
            r#"
- set: { name: host }
- log: "{{ device[vars.name] }} {{ job.data[vars.name] }} {{ vars[vars.name] }} {{ gear[vars.name].media }}"
"#,
            &[
                "TF0404 `vars.name`: a member of `device` is taken by a computed name (write the name out, and choose with `if`)",
                "TF0404 `vars.name`: a member of `job.data` is taken by a computed name (write the name out, and choose with `if`)",
                "TF0404 `vars.name`: a member of `vars` is taken by a computed name (write the name out, and choose with `if`)",
                "TF0404 `vars.name`: a member of `gear` is taken by a computed name (write the name out, and choose with `if`)",
            ],
        );
    }
}
