//! The lists of lints, and the order in which they look at a recipe.

use super::whole::{Unit, Whole};
use super::{
    Options, allow, bounds, braces, calls, catches, cycles, durations, holds, probes, raw_device,
    reach, safety, shell, swallowed, targets, templates, unbraced, vars,
};
use super::{ends, retries, types, unused};
use crate::diagnostic::Findings;
use crate::machine::Chart;
use crate::recipe::model::Recipe;

/// Lints of each stage and each procedure.
const OF_A_UNIT: &[fn(&Unit<'_>, &mut Findings)] = &[
    targets::check,
    cycles::check,
    vars::check,
    bounds::check,
    safety::check,
];

/// Lints of the recipe.
const OF_THE_WHOLE: &[fn(&Whole<'_>, &mut Findings)] = &[
    calls::check,
    templates::check,
    braces::check,
    probes::check,
    raw_device::check,
    shell::check,
    swallowed::check,
];

/// Lints of a recipe in which everything is there that anything names. Where something is missing
/// they would only repeat that.
const OF_THE_INTACT: &[fn(&Whole<'_>, &mut Findings)] = &[
    catches::check,
    ends::check,
    retries::check,
    types::check,
    unbraced::check,
    unused::check,
];

/// The same for each of its stages and procedures.
const OF_AN_INTACT_UNIT: &[fn(&Unit<'_>, &mut Findings)] = &[reach::check];

/// Lints of each stage as the machine runs it. A recipe that is wrong as it is has no charts.
const OF_A_CHART: &[fn(&Whole<'_>, &Chart, &mut Findings)] =
    &[durations::check, durations::silence, holds::check];

/// All that is wrong with a recipe, by place.
pub fn check(recipe: &Recipe) -> Findings {
    check_with(recipe, &Options::default())
}

/// The same, measured against what else is known.
pub fn check_with(recipe: &Recipe, options: &Options) -> Findings {
    let mut findings = Findings::default();
    let whole = Whole::new(recipe, options);
    for unit in &whole.units {
        OF_A_UNIT.iter().for_each(|lint| lint(unit, &mut findings));
    }
    OF_THE_WHOLE
        .iter()
        .for_each(|lint| lint(&whole, &mut findings));
    if recipe.complete && !findings.has_errors() {
        for unit in &whole.units {
            OF_AN_INTACT_UNIT
                .iter()
                .for_each(|lint| lint(unit, &mut findings));
        }
        OF_THE_INTACT
            .iter()
            .for_each(|lint| lint(&whole, &mut findings));
    }
    if !findings.has_errors() {
        for chart in whole.charts() {
            OF_A_CHART
                .iter()
                .for_each(|lint| lint(&whole, &chart, &mut findings));
        }
    }
    allow::apply(&recipe.sources, &mut findings);
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::recipe::library::Library;
    use crate::recipe::load::{load, load_text};

    #[test]
    fn what_ships_has_no_complaint() {
        let library = Library::default();
        for name in library.names() {
            let loaded = load(&library, &name);
            let recipe = loaded.recipe.expect("it is a recipe");
            let said: Vec<String> = check(&recipe)
                .0
                .iter()
                .map(|finding| {
                    let at = finding.span.and_then(|span| loaded.sources.position(span));
                    format!("{name}: {at:?} {}", finding.message)
                })
                .collect();
            assert!(said.is_empty(), "{said:#?}");
        }
    }

    /// Loads the states of a stage, and gives the complaints of a code with their places.
    fn said(code: &str, states: &str) -> Vec<String> {
        let text = format!(
            "recipe: x\nsummary: X\nvars: {{ given: 0 }}\nstages:\n  provision:\n    timeout: 1m\n{states}"
        );
        let loaded = load_text(&Library::default(), "x", &text);
        let mut findings = loaded.findings;
        if let Some(recipe) = &loaded.recipe {
            findings.0.extend(check(recipe).0);
        }
        findings
            .0
            .iter()
            .filter(|finding| finding.code.number() == code)
            .map(|finding| {
                let at = finding.span.map(|span| loaded.sources.text(span));
                format!("{} {}", finding.code.number(), at.unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn variables_are_followed_along_every_path() {
        #[track_caller]
        fn case(states: &str, expected: &[&str]) {
            assert_eq!(said("TF0317", states), expected, "{states}");
        }
        // Set before it is read, in the leaf, by the leaf before, by `vars`.
        case(
            "    do: [ { set: { a: 1 } }, { log: \"{{ vars.a }} {{ vars.given }}\" } ]\n",
            &[],
        );
        case(
            "    do: [ { log: \"{{ vars.a }}\" }, { set: { a: 1 } } ]\n",
            &["TF0317 vars.a"],
        );
        case(
            "    vars: { a: 1 }\n    do: [ { log: \"{{ vars.a }}\" }, { set: { a: 2 } } ]\n",
            &[],
        );
        // A guarded step may set nothing; reading under `is defined` or `default` is fine.
        case(
            "    do: [ { set: { a: 1 }, when: vars.given }, { log: \"{{ vars.a }} {{ vars.a | default(1) }}\" } ]\n",
            &["TF0317 vars.a"],
        );
        let two = |first: &str, second: &str| {
            format!(
                "    initial: s\n    states:\n      s: {{ do: [{first}], next: t, catch: u }}\n      t: {{ do: [{second}], next: done }}\n      u: {{ do: [{second}], next: done }}\n"
            )
        };
        // A handler may come from the first step on.
        case(
            &two("{ set: { a: 1 } }", "{ log: \"{{ vars.a }}\" }"),
            &["TF0317 vars.a"],
        );
        // A forgiven failure still saves.
        case(
            "    do: [ { run: x, save: a, allow_failure: true }, { log: \"{{ vars.a.ok }}\" } ]\n",
            &[],
        );
        // Both branches set it, and what follows may read it; one alone is not enough.
        let branches = |third: &str| {
            format!(
                "    initial: c\n    states:\n      c: {{ next: [ {{ when: vars.given, to: s }}, {{ to: t }} ] }}\n      s: {{ do: [ {{ set: {{ a: 1 }} }} ], next: u }}\n      t: {{ do: [ {third} ], next: u }}\n      u: {{ do: [ {{ log: \"{{{{ vars.a }}}}\" }} ], next: done }}\n"
            )
        };
        case(&branches("{ set: { a: 2 } }"), &[]);
        case(&branches("{ sleep: 1 }"), &["TF0317 vars.a"]);
        // Exit steps have only what the entry of their scope gave.
        let exit = |vars: &str| {
            format!(
                "    initial: s\n    states:\n      s:\n{vars}        initial: t\n        states:\n          t: {{ do: [ {{ set: {{ a: 1 }} }} ], next: done }}\n        exit: [ {{ log: \"{{{{ vars.a }}}}\" }} ]\n        next: u\n      u: {{ do: [ {{ log: \"{{{{ vars.a }}}}\" }} ], next: done }}\n"
            )
        };
        case(&exit(""), &["TF0317 vars.a"]);
        case(&exit("        vars: { a: 0 }\n"), &[]);
    }

    #[test]
    fn cycles_need_a_bound() {
        #[track_caller]
        fn case(states: &str, expected: &[&str]) {
            let states = format!("    initial: a\n    states:\n{states}");
            assert_eq!(said("TF0304", &states), expected, "{states}");
        }
        case("      a: { do: [], next: a }\n", &["TF0304 a"]);
        case("      a: { do: [], next: a, max_visits: 2 }\n", &[]);
        case(
            "      a: { do: [], next: b }\n      b: { do: [], catch: a, next: done }\n",
            &["TF0304 a"],
        );
        case(
            "      a: { do: [], next: b }\n      b: { max_visits: 3, do: [], catch: a, next: done }\n",
            &[],
        );
        // A target from deeper inside counts as the scope's.
        case(
            "      a:\n        initial: i\n        states:\n          i: { do: [], next: b }\n        next: done\n      b: { do: [], next: a }\n",
            &["TF0304 a"],
        );
        // Two circles, one of them bounded.
        case(
            "      a: { do: [], next: b, catch: c }\n      b: { do: [], next: a, max_visits: 1 }\n      c: { do: [], next: a }\n",
            &["TF0304 a"],
        );
    }
}
