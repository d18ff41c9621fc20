//! What the declared types say about values: comparisons that never hold, lists where a text is
//! wanted, and the other way round.

use super::scope::{Site, Text};
use super::sites::{Setter, Space};
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, list, nearest};
use crate::recipe::model::{Declared, Group, Input, InputType};
use crate::recipe::template::{Compared, Read, Style};
use crate::recipe::{ErrorKind, Value};

/// Looks at every template and expression of a recipe.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let sites = &whole.sites;
    for site in &sites.all {
        let analysis = site.text.analyse();
        for compared in &analysis.comparisons {
            never_equal(whole, site, compared, findings);
        }
        if let Text::Template(template) = site.text
            && matches!(template.style, Style::Value | Style::Url)
            && !is_whole(&template.text)
        {
            for read in &analysis.reads {
                in_text(whole, site, &template.text, read, findings);
            }
        }
    }
    for items in &sites.items {
        if let [site] = items.as_slice()
            && let Text::Expr(expr) = site.text
            && let [read] = expr.reads().as_slice()
            && expr.text.trim() == read.path.join(".")
        {
            no_list(whole, site, read, findings);
        }
    }
}

fn is_whole(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("{{") && text.ends_with("}}") && text.matches("{{").count() == 1
}

/// The declared input that is read.
fn input<'r>(site: &Site<'r>, spaces: &[Space<'r>], path: &[String]) -> Option<&'r Input> {
    let (root, rest) = path.split_first()?;
    let (mut input, rest) = match root.as_str() {
        "device" => of_group(&site.scope.home.device, rest)?,
        "job" => of_group(&site.scope.home.job, rest)?,
        "params" => {
            let (name, rest) = rest.split_first()?;
            let space = spaces.get(site.scope.space?)?;
            (space.params?.get(name)?, rest)
        }
        _ => return None,
    };
    for name in rest {
        input = input.keys.as_ref()?.get(name)?;
    }
    Some(input)
}

fn of_group<'r, 'p>(group: &'r Group, path: &'p [String]) -> Option<(&'r Input, &'p [String])> {
    let mut group = group;
    let mut rest = path;
    loop {
        let (name, deeper) = rest.split_first()?;
        match group.members.get(name)? {
            Declared::Group(inner) => (group, rest) = (inner, deeper),
            Declared::Input(input) => return Some((input, deeper)),
        }
    }
}

fn only(input: &Input, types: &[InputType]) -> bool {
    input.types.iter().all(|it| types.contains(it))
}

/// How a message calls the type of an input.
fn type_name(input: &Input) -> &'static str {
    match input.types.first() {
        Some(InputType::String) => "a text",
        Some(InputType::Integer) => "a whole number",
        Some(InputType::Number) => "a number",
        Some(InputType::Boolean) => "true or false",
        Some(InputType::Duration) => "a number of seconds",
        Some(InputType::Size) => "a number of bytes",
        Some(InputType::Url) => "a URL",
        Some(InputType::Path) => "a path",
        Some(InputType::List) => "a list",
        Some(InputType::Map) => "a map",
        Some(InputType::Any) | None => "anything",
    }
}

fn never_equal(whole: &Whole<'_>, site: &Site<'_>, compared: &Compared, findings: &mut Findings) {
    let value = &compared.value;
    if value.is_null() {
        return;
    }
    let path = &compared.of.path;
    let name = path.join(".");
    let shown = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let place = site
        .text
        .place(&whole.recipe.sources, compared.range.clone());
    let words = words(path);
    let mut help = None;
    if !words.is_empty() {
        if value.as_str().is_some_and(|text| words.contains(&text)) {
            return;
        }
        help = nearest(&shown, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        help = help.or_else(|| Some(format!("it is {}", list(words.iter().copied(), "or"))));
    } else if let Some(input) = input(site, &whole.sites.spaces, path) {
        if !input.allowed.is_empty() {
            if input.allowed.contains(value) {
                return;
            }
            let allowed: Vec<String> = input
                .allowed
                .iter()
                .map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
                .collect();
            let names = || allowed.iter().map(String::as_str);
            help = nearest(&shown, names()).map(|word| format!("did you mean `{word}`?"));
            help = help.or_else(|| Some(format!("it is {}", list(names(), "or"))));
        } else if differs(input, value) {
            help = Some(format!("it is declared as {}", type_name(input)));
        }
    } else if is_printed(site, &whole.sites.spaces, path) {
        match value.as_str() {
            Some(text) if text.is_empty() || text.ends_with('\n') => return,
            Some(_) => help = Some(format!("output ends with a newline: write `{name} | trim`")),
            None => help = Some("it is a text; the exit status is in `exit`".to_owned()),
        }
    } else if is_number(site, &whole.sites.spaces, path) && value.is_string() {
        help = Some("it is a whole number: write it without quotes".to_owned());
    }
    if let Some(help) = help {
        findings.push(
            Finding::new(
                Code::NeverEqual,
                place,
                format!("`{name}` is never `{shown}`"),
            )
            .help(help),
        );
    }
}

/// The words that a value can be, where the language says so.
fn words(path: &[String]) -> Vec<&'static str> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let kinds = || ErrorKind::ALL.iter().map(|kind| kind.word());
    match path.as_slice() {
        ["error", "kind"] | ["vars", _, "error", "kind"] => kinds().collect(),
        ["outcome", "kind"] => kinds().chain(["ok", "failure", "unrecoverable"]).collect(),
        ["gear", _, "kind"] => vec!["power", "mux", "serial"],
        _ => Vec::new(),
    }
}

/// Whether no value of the input's types equals this one.
fn differs(input: &Input, value: &Value) -> bool {
    use InputType::{Boolean, Duration, Integer, List, Map, Number, Path, Size, String, Url};
    match value {
        Value::String(_) => only(
            input,
            &[Integer, Number, Boolean, Duration, Size, List, Map],
        ),
        Value::Number(_) | Value::Bool(_) => only(input, &[String, Url, Path, List, Map]),
        _ => false,
    }
}

/// Whether this is what a program has printed, as it was.
fn is_printed(site: &Site<'_>, spaces: &[Space<'_>], path: &[String]) -> bool {
    let [root, name, field] = path else {
        return false;
    };
    root == "vars" && matches!(field.as_str(), "stdout" | "stderr") && is_output(site, spaces, name)
}

/// Whether a field of saved output is a number wherever it comes from.
fn is_number(site: &Site<'_>, spaces: &[Space<'_>], path: &[String]) -> bool {
    let [root, name, field] = path else {
        return false;
    };
    root == "vars"
        && matches!(field.as_str(), "exit" | "status" | "tries")
        && is_output(site, spaces, name)
}

/// Whether a name of `vars` is one step's output wherever it is set.
fn is_output(site: &Site<'_>, spaces: &[Space<'_>], name: &str) -> bool {
    let setters = site
        .scope
        .space
        .and_then(|space| spaces.get(space))
        .and_then(|space| space.vars.get(name));
    setters.is_some_and(|setters| {
        setters
            .iter()
            .all(|setter| matches!(setter, Setter::Output(..)))
    })
}

/// A list or a map in a longer text.
fn in_text(whole: &Whole<'_>, site: &Site<'_>, text: &str, read: &Read, findings: &mut Findings) {
    let before = text.get(..read.range.start).unwrap_or_default().trim_end();
    let after = text.get(read.range.end..).unwrap_or_default().trim_start();
    if !before.ends_with("{{") || !after.starts_with("}}") {
        return;
    }
    let Some(input) = input(site, &whole.sites.spaces, &read.path) else {
        return;
    };
    if input.types.is_empty() || !only(input, &[InputType::List, InputType::Map]) {
        return;
    }
    let name = read.path.join(".");
    let place = site.text.place(&whole.recipe.sources, read.range.clone());
    let what = type_name(input);
    let finding = Finding::new(
        Code::ListInText,
        place,
        format!("`{name}` is {what}, which has no place in a longer text"),
    );
    findings.push(finding.help(if only(input, &[InputType::List]) {
        format!("join its items, as in `{{{{ {name} | join(' ') }}}}`")
    } else {
        format!("take one of its members, or write `{{{{ {name} | tojson }}}}`")
    }));
}

/// A `for_each` over what is no list.
fn no_list(whole: &Whole<'_>, site: &Site<'_>, read: &Read, findings: &mut Findings) {
    let Some(input) = input(site, &whole.sites.spaces, &read.path) else {
        return;
    };
    if input.types.is_empty()
        || input
            .types
            .iter()
            .any(|it| matches!(it, InputType::List | InputType::Any))
    {
        return;
    }
    let place = site.text.place(&whole.recipe.sources, read.range.clone());
    findings.push(
        Finding::new(
            Code::NoList,
            place,
            format!(
                "`for_each` goes over a list, and `{}` is {}",
                read.path.join("."),
                type_name(input)
            ),
        )
        .help("declare the input as a list, or leave `for_each` out"),
    );
}

#[cfg(test)]
mod tests {
    use super::super::example::told;

    #[track_caller]
    fn case(step: &str, expected: &[&str]) {
        let text = format!(
            "recipe: example
summary: X
device:
  s: {{ type: string, default: x }}
  n: {{ type: integer, default: 1 }}
  l: {{ type: list, items: string, default: [] }}
  e: {{ type: string, enum: [sd, usb], default: sd }}
stages:
  provision:
    timeout: 1h
    do:
      - log: \"{{{{ device }}}}\"
      - run: x
        save: ran
      - log: \"{{{{ vars.ran.ok }}}}\"
      - {step}
"
        );
        assert_eq!(told(&text), expected, "{text}");
    }

    #[test]
    fn what_is_compared_can_be_equal() {
        let when = |expr: &str| format!("run: x\n        when: {expr}");
        for good in [
            "device.e == 'sd'",
            "device.e != none",
            "device.n == 3",
            "device.s == '3'",
            "vars.ran.exit == 0",
            "vars.ran.stdout == ''",
            "vars.ran.stdout == '0\\n'",
            "vars.ran.stdout | trim == '0'",
        ] {
            case(&when(good), &[]);
        }
        case(&when("device.e == 'ssd'"), &["TF0406 'ssd'"]);
        case(&when("device.n == '3'"), &["TF0406 '3'"]);
        case(&when("device.s == 3"), &["TF0406 3"]);
        case(&when("vars.ran.exit != '0'"), &["TF0406 '0'"]);
        case(&when("vars.ran.stdout == '0'"), &["TF0406 '0'"]);
        case(&when("vars.ran.stdout == 0"), &["TF0406 0"]);
        case(
            &when("vars.ran.error.kind == 'timout'"),
            &["TF0406 'timout'"],
        );
    }

    #[test]
    fn a_list_has_no_place_in_a_text() {
        case("log: \"all: {{ device.l }}\"", &[]);
        case("run: \"x {{ device.l }}\"", &[]);
        case("run: [x, \"-l {{ device.s }}\", \"{{ device.l }}\"]", &[]);
        case("run: [x, \"-l {{ device.l }}\"]", &["TF0407 device.l"]);
        case("run: [x, \"-l {{ device.l | join(',') }}\"]", &[]);
    }

    #[test]
    fn for_each_goes_over_a_list() {
        case("run: [x, \"{{ item }}\"]\n        for_each: device.l", &[]);
        case(
            "run: [x, \"{{ item }}\"]\n        for_each: device.s",
            &["TF0408 device.s"],
        );
    }
}
