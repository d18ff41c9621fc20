//! Texts that try to do harm: whatever a template says, it ends soon, in a value or an error.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::json;

use super::{Context, Expr, FILTERS, FUNCTIONS, Style, TESTS, Template};
use crate::diagnostic::Span;

pub(super) fn template(text: &str, style: Style) -> Template {
    Template {
        text: text.into(),
        span: Span::default(),
        style,
    }
}

pub(super) fn expr(text: &str) -> Expr {
    Expr {
        text: text.into(),
        span: Span::default(),
    }
}

pub(super) fn context() -> Context {
    let mut context = Context::new();
    context.set(
        "device",
        json!({"ip": "10.0.0.2", "port": 22, "password": "hunter22", "cmds": ["a b", "c"]}),
    );
    context.set(
        "job",
        json!({"url": "http://x/?a", "none": null, "ratio": 0.5, "map": {"b": 1, "a": 2}}),
    );
    context.set(
        "vars",
        json!({"up": {"stdout": "v1.2\n"}, "big": "x".repeat(1000)}),
    );
    context.set("env", json!({"HOME": "/root", "OLD": ""}));
    context.set_documents(json!({"agent_name": "lab", "secret": "s"}), json!({}));
    context.set_assets(Arc::new(|name| (name == "a/b").then(|| "text\n".into())));
    context.set_now(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
    context.mark_secret(["device", "password"]);
    context
}

#[test]
fn hostile_texts_end_in_an_error() {
    let deep = |left: &str, middle: &str, right: &str, times: usize| {
        format!("{}{middle}{}", left.repeat(times), right.repeat(times))
    };
    let mut texts = vec![
        "{{ 'x' * 1000000000 }}".to_owned(),
        "{{ ['x' * 100000] * 100000 }}".into(),
        "{{ [[vars.big] * 1000] * 1000 }}".into(),
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}".into(),
        "{% for a in range(99999) %}{{ vars.big }}{% endfor %}".into(),
        "{{ range(99999) | map('string') | join(vars.big) }}".into(),
        "{{ 2 ** 2 ** 2 ** 2 ** 2 ** 2 ** 2 }}".into(),
        "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(),
        "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}".into(),
        "{{ 'x' | indent(1000000000) }}".into(),
        "{{ '%1000000000d' | format(1) }}".into(),
        "{{ range(99999) | map('tojson') | map('replace', '', vars.big) | list }}".into(),
        "{{ range(99999) | sort | unique | batch(1) | map('list') | list | tojson(16) }}".into(),
        "{{ [range(99999)] * 99999 | list | tojson }}".into(),
        "{{ range(99999) | map('capture', '(x)') | list }}".into(),
        "{% for a in range(99999) %}{{ ('x' * 4000) | capture('(x?){60}(y)') }}{% endfor %}".into(),
        "{{ vars.big | capture('((x{50}){50}){50}') }}".into(),
        "{{ 1.5 | round(1000000000) | string * 1000000000 }}".into(),
        "{% include 'x' %}".into(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".into(),
        "{% set a = [0] %}".to_owned() + &"{% set a = [a, a] %}".repeat(60) + "{{ a | tojson }}",
    ];
    for times in [300, 100_000] {
        texts.extend([
            format!("{{{{ {} }}}}", deep("(", "1", ")", times)),
            format!("{{{{ {} }}}}", deep("[", "1", "]", times)),
            format!("{{{{ {} }}}}", deep("{'a':", "1", "}", times)),
            format!("{{{{ {} }}}}", deep("not ", "1", "", 2 * times)),
            format!("{{{{ {} }}}}", deep("-", "1", "", 2 * times)),
            format!("{{{{ {} }}}}", deep("1 + ", "1", "", times)),
            format!("{{{{ {} }}}}", deep("1 if 0 else ", "1", "", times)),
            format!("{{{{ {} }}}}", deep("", "x", ".x", times)),
            format!("{{{{ {} }}}}", deep("", "x", "|trim", times)),
            format!("{{{{ {} }}}}", deep("", "'x'", " 'x'", 2 * times)),
            deep("{% if 1 %}", "x", "{% endif %}", times),
            format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(times)),
            format!(
                "{{% for {} in x %}}{{% endfor %}}",
                deep("(", "a", ")", times)
            ),
        ]);
    }
    // Half of what tokio gives its threads.
    let run = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            for text in texts {
                for style in [Style::Value, Style::Shell] {
                    let rendered = template(&text, style).render(&context());
                    let start: String = text.chars().take(60).collect();
                    assert!(rendered.is_err(), "{start} gave a value");
                }
            }
        });
    assert!(run.is_ok_and(|thread| thread.join().is_ok()));
}

#[test]
fn the_largest_that_is_allowed_fits_a_small_stack() {
    let run = std::thread::Builder::new().stack_size(1 << 20).spawn(|| {
        for text in [
            format!("{}1{}", "(".repeat(70), ")".repeat(70)),
            format!("{}true", "not ".repeat(590)),
            format!("{}1", "- ".repeat(590)),
            format!("1{}", " + 1".repeat(290)),
            format!("1{}", " | int".repeat(290)),
            format!("1{}", " if 1 else 1".repeat(140)),
        ] {
            assert!(expr(&text).evaluate(&context()).is_ok(), "{text}");
        }
    });
    assert!(run.is_ok_and(|thread| thread.join().is_ok()));
}

/// Expressions that parse: every filter, test and function, with arguments that do not fit.
fn any_expression() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "0",
        "1",
        "-1",
        "3",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "340282366920938463463374607431768211455",
        "1e308",
        "0.5",
        "''",
        "'é☃'",
        "'a b'",
        "'%s %5.2f %'",
        "'{{x}} {agent_name'",
        "none",
        "true",
        "[]",
        "[1, 'a', none]",
        "{}",
        "{'a': [1]}",
        "vars.big",
        "device",
        "job.map",
        "env",
        "range(5)",
    ])
    .prop_map(str::to_owned);
    atom.prop_recursive(4, 24, 3, |inner| {
        let operators = prop::sample::select(vec![
            "+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or",
        ]);
        let words = |words: &'static [&'static str]| prop::sample::select(words.to_vec());
        let arguments =
            prop::collection::vec(inner.clone(), 0..3).prop_map(|arguments| arguments.join(", "));
        prop_oneof![
            (inner.clone(), operators, inner.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            (inner.clone(), words(FILTERS), arguments.clone())
                .prop_map(|(a, filter, b)| format!("({a} | {filter}({b}))")),
            (inner.clone(), words(TESTS), arguments.clone())
                .prop_map(|(a, test, b)| format!("({a} is {test}({b}))")),
            (words(FUNCTIONS), arguments).prop_map(|(name, a)| format!("{name}({a})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a})[{b}:{c}:{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a} if {b})")),
        ]
    })
}

proptest! {
    #[test]
    fn no_expression_panics(expression in any_expression()) {
        let _ = expr(&expression).evaluate(&context());
        let text = format!("a {{{{ {expression} }}}} {{% for x in {expression} %}}{{{{ x }}}}{{% endfor %}}");
        for style in [Style::Printed, Style::Shell] {
            let _ = template(&text, style).render(&context());
        }
    }

    #[test]
    fn no_text_panics(
        text in prop::collection::vec(
            prop_oneof![
                Just("{{".to_owned()), Just("}}".into()), Just("{%".into()), Just("%}".into()),
                Just("{#".into()), Just("#}".into()), Just(" device.ip ".into()),
                Just("|".into()), Just("for a in [1]".into()), Just("endfor".into()),
                Just("if".into()), Just("endif".into()), Just("'".into()), Just("\\".into()),
                Just("[".into()), Just("]".into()), Just("(".into()), Just(")".into()),
                Just(".".into()), Just(":".into()), Just("-".into()), Just("~".into()),
                Just("raw".into()), Just("set a = 1".into()), Just("1e".into()),
                "\\PC{0,3}",
            ],
            0..12,
        ),
    ) {
        let text = text.concat();
        for style in [Style::Value, Style::Printed, Style::Shell, Style::Url] {
            let _ = template(&text, style).render(&context());
        }
        let _ = expr(&text).evaluate(&context());
    }
}
