//! Evaluating expressions and rendering templates.

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

use minijinja::ErrorKind;

use super::super::Value;
use super::convert::{MAX_OUTPUT, to_plain};
use super::environment::{FUEL, environment};
use super::functions::is_told;
use super::quote::{finished, printed};
use super::survey::Survey;
use super::{Context, Expr, RenderError, Rendered, Style, Template, syntax};
use crate::diagnostic::Span;

/// Functions that read documents as a whole, secrets included.
const SECRET_FUNCTIONS: &[&str] = &["iot_kwargs", "test_env"];

impl Expr {
    /// Its value.
    ///
    /// # Errors
    /// Something undefined is read, an operation does not fit its operands, or a bound of work, size
    /// or depth is passed.
    pub fn evaluate(&self, context: &Context) -> Result<Rendered, RenderError> {
        let (_, survey) = syntax::expression(&self.text)
            .map_err(|problems| invalid(problems, &self.text, self.span))?;
        let secret = is_secret(&survey, context);
        let at = Place {
            text: &self.text,
            span: self.span,
            secret,
        };
        let value = evaluate(&self.text, 0, context, &at)?;
        Ok(Rendered { value, secret })
    }

    /// Whether its value is true, by the rule of [`truth`].
    ///
    /// # Errors
    /// As [`Expr::evaluate`].
    pub fn truth(&self, context: &Context) -> Result<bool, RenderError> {
        Ok(truth(&self.evaluate(context)?.value))
    }
}

impl Template {
    /// Its value; which style it has tells its type.
    ///
    /// # Errors
    /// As [`Expr::evaluate`]; and a value stands in a longer text that has no form there.
    pub fn render(&self, context: &Context) -> Result<Rendered, RenderError> {
        if !syntax::has_template(&self.text) {
            return Ok(Rendered {
                value: Value::String(self.text.as_ref().to_owned()),
                secret: false,
            });
        }
        let (parsed, survey) = syntax::template(&self.text)
            .map_err(|problems| invalid(problems, &self.text, self.span))?;
        let secret = is_secret(&survey, context);
        let at = Place {
            text: &self.text,
            span: self.span,
            secret,
        };
        if let (Style::Value | Style::Printed | Style::Url, Some(range)) =
            (self.style, syntax::whole(&parsed))
            && let Some(expression) = self.text.get(range.clone())
        {
            let value = evaluate(expression, range.start, context, &at)?;
            let value = match self.style {
                Style::Printed => Value::String(printed(&value)),
                _ => value,
            };
            return Ok(Rendered { value, secret });
        }
        if self.style == Style::Url && self.text.contains('\0') {
            return Err(at.error(None, "a URL can hold no NUL"));
        }
        drop(parsed);
        let output = contained(|| {
            environment(self.style).render_named_str("template", &self.text, context.to_value())
        })
        .map_err(|error| at.failed(&error, 0))?;
        let output = finished(output, self.style);
        if output.len() > MAX_OUTPUT {
            let message = format!("the text is larger than {MAX_OUTPUT} bytes");
            return Err(at.error(None, &message));
        }
        Ok(Rendered {
            value: Value::String(output),
            secret,
        })
    }
}

/// Whether a value counts as true: all but none, false, 0, and empty texts, lists and maps.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn is_secret(survey: &Survey<'_>, context: &Context) -> bool {
    survey
        .functions
        .iter()
        .any(|function| SECRET_FUNCTIONS.contains(&function.name.as_str()))
        || (context.has_secrets()
            && survey
                .reads
                .iter()
                .any(|read| context.is_secret(&read.path)))
}

fn evaluate(
    expression: &str,
    offset: usize,
    context: &Context,
    at: &Place<'_>,
) -> Result<Value, RenderError> {
    let value = contained(|| {
        let value = environment(Style::Value)
            .compile_expression(expression)
            .and_then(|compiled| compiled.eval(context.to_value()))?;
        if value.is_undefined() {
            return Ok(None);
        }
        // Parts of it may be computed only now.
        let plain = to_plain(&value);
        plain
            .map(Some)
            .map_err(|message| minijinja::Error::new(ErrorKind::BadSerialization, message))
    })
    .map_err(|error| at.failed(&error, offset))?;
    value.ok_or_else(|| at.error(None, &format!("`{}` is undefined", expression.trim())))
}

/// A panic of minijinja's as an error: a run has boards to give back. (Known: with overflow checks,
/// 3.1.0 panics at `''[::-9223372036854775808]`.)
fn contained<T>(
    evaluation: impl FnOnce() -> Result<T, minijinja::Error>,
) -> Result<T, minijinja::Error> {
    // What an evaluation changes ends with it, so nothing half-done is seen afterwards.
    panic::catch_unwind(AssertUnwindSafe(evaluation)).unwrap_or_else(|_| {
        Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            "an operation is out of range",
        ))
    })
}

/// A text under evaluation, for messages.
struct Place<'a> {
    text: &'a str,
    span: Span,
    secret: bool,
}

impl Place<'_> {
    fn failed(&self, error: &minijinja::Error, offset: usize) -> RenderError {
        let range = error
            .range()
            .map(|range| range.start + offset..range.end + offset);
        match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => {
                let message = format!("the template does too much (over {FUEL} steps)");
                self.error(None, &message)
            }
            (ErrorKind::UndefinedError, Some(detail)) => self.error(None, detail),
            // Details quote values.
            (kind, Some(_)) if self.secret && !is_told(error) => {
                self.error(range, &kind.to_string())
            }
            (_, Some(detail)) => self.error(range, detail),
            (kind, None) => self.error(range, &kind.to_string()),
        }
    }

    fn error(&self, range: Option<Range<usize>>, message: &str) -> RenderError {
        let excerpt = range
            .and_then(|range| self.text.get(range))
            .map(str::trim)
            .filter(|excerpt| (1..=80).contains(&excerpt.len()));
        RenderError {
            message: match excerpt {
                Some(excerpt) => format!("`{excerpt}`: {message}"),
                None => message.to_owned(),
            },
            span: self.span,
        }
    }
}

fn invalid(problems: Vec<syntax::Problem>, text: &str, span: Span) -> RenderError {
    let at = Place {
        text,
        span,
        secret: false,
    };
    match problems.into_iter().next() {
        Some(problem) => at.error(Some(problem.range), &problem.message),
        None => at.error(None, "the template is not valid"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Style;
    use super::super::hostile::{context, expr, template};
    use crate::recipe::Value;

    fn render(text: &str, style: Style) -> Result<Value, String> {
        template(text, style)
            .render(&context())
            .map(|rendered| rendered.value)
            .map_err(|error| error.message)
    }

    #[test]
    fn a_whole_template_keeps_its_type_and_a_part_becomes_text() {
        #[track_caller]
        fn case(text: &str, expected: &Value) {
            assert_eq!(render(text, Style::Value).as_ref(), Ok(expected), "{text}");
        }
        case("{{ device.port }}", &json!(22));
        case("{{device.port}}", &json!(22));
        case("{{ job.none }}", &Value::Null);
        case("{{ job.ratio }}", &json!(0.5));
        case("{{ device.cmds }}", &json!(["a b", "c"]));
        case("{{ job.map }}", &json!({"b": 1, "a": 2}));
        case("{{ device.port + 1 }}", &json!(23));
        case("{{ device.port > 3 }}", &json!(true));
        case("{{ device.cmds | map('upper') }}", &json!(["A B", "C"]));
        case(" {{ device.port }}", &json!(" 22"));
        case("{{ device.port }}\n", &json!("22\n"));
        case("{{ device.ip }}:{{ device.port }}", &json!("10.0.0.2:22"));
        case("no template\n", &json!("no template\n"));
        case(
            "{% if device.port == 22 %}ssh{% else %}?{% endif %}",
            &json!("ssh"),
        );
        case(
            "{% for c in device.cmds %}[{{ c }}]{% endfor %}",
            &json!("[a b][c]"),
        );
        case("{{ env.NOT_SET }}", &Value::Null);
        case("{{ env['HOME'] }}", &json!("/root"));
        case(
            "{{ vars.up.stdout | trim | replace('v', '') }}",
            &json!("1.2"),
        );
        case("{{ job.missing | default('x') }}", &json!("x"));
        case("{{ job.missing is defined }}", &json!(false));
        case(
            "{{ {'core': '/c'}[device.ip] | default('/w') }}",
            &json!("/w"),
        );
        case("{{ [1, 2] + [3] }}", &json!([1, 2, 3]));
        case("{{ dict(a=1) }}", &json!({"a": 1}));
    }

    #[test]
    fn what_has_no_value_is_an_error_that_names_it() {
        #[track_caller]
        fn case(text: &str, message: &str) {
            assert_eq!(render(text, Style::Value), Err(message.into()), "{text}");
        }
        case("{{ vars.hsot }}", "`vars.hsot` is undefined");
        case("x{{ vars.hsot }}", "`vars.hsot` is undefined");
        case("{{ nothing.at.all }}", "`nothing` is undefined");
        case("{{ item }}", "`item` is undefined");
        case("{{ vars.hsot == 1 }}", "`vars.hsot` is undefined");
        case("{{ vars.hsot | trim }}", "`vars.hsot` is undefined");
        case("{% if vars.hsot %}{% endif %}", "`vars.hsot` is undefined");
        case("{{ 'x' if false }}", "`'x' if false` is undefined");
        case("a{{ 'x' if false }}", "`'x' if false`: this has no value");
        case("{{ [vars.hsot] }}", "a part of the value is undefined");
        case(
            "a{{ job.none }}",
            "`job.none`: none can't stand in a longer text",
        );
        case(
            "a{{ device.cmds }}",
            "`device.cmds`: a list can't stand in a longer text (`join` makes a text)",
        );
        case(
            "a{{ job.map }}",
            "`job.map`: a map can't stand in a longer text (`tojson` makes a text)",
        );
    }

    #[test]
    fn an_output_of_the_usual_bound_fits_and_there_is_a_bound() {
        let mut context = context();
        let output = |size| json!({"stdout": "x".repeat(size), "json": vec![1; size / 2]});
        context.set("vars", output(1 << 20));
        for text in [
            "{{ vars.stdout }}",
            "{{ vars.json }}",
            "a{{ vars.stdout | trim | upper | replace('Y', 'Z') }}",
        ] {
            let rendered = template(text, Style::Value).render(&context);
            assert!(rendered.is_ok(), "{text}: {rendered:?}");
        }
        context.set("vars", output(9 << 20));
        for text in ["{{ vars.stdout }}", "{{ vars.json }}", "a{{ vars.stdout }}"] {
            assert!(
                template(text, Style::Value).render(&context).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn printed_text_takes_everything() {
        #[track_caller]
        fn case(text: &str, expected: &str) {
            assert_eq!(render(text, Style::Printed), Ok(json!(expected)), "{text}");
        }
        case("{{ job.none }}", "none");
        case("{{ device.port }}", "22");
        case(
            "is {{ job.none }} {{ device.cmds }} {{ job.map }}",
            r#"is none ["a b","c"] {"b":1,"a":2}"#,
        );
    }

    #[test]
    fn shell_values_are_words() {
        #[track_caller]
        fn case(text: &str, expected: &str) {
            assert_eq!(render(text, Style::Shell), Ok(json!(expected)), "{text}");
        }
        case("ls {{ device.cmds }}", "ls 'a b' c");
        case("ls {{ device.ip }}* {{ device.port }}", "ls 10.0.0.2* 22");
        case("echo {{ job.url }}", "echo 'http://x/?a'");
        case(
            "echo {{ '$(id)' }} {{ '' }} {{ \"it's\" }}",
            r"echo '$(id)' '' 'it'\''s'",
        );
        case(
            "echo {{ 'a b' | raw }} {{ 'a b' | raw ~ '' }}",
            "echo a b 'a b'",
        );
        case("echo {{ ('a b' | raw) if true else '' }}", "echo a b");
        case("echo {{ ['a b' | raw] }}", "echo 'a b'");
        case("echo {{ job.map | tojson }}", r#"echo '{"b":1,"a":2}'"#);
        case("{{ 'a b' }}", "'a b'");
        for (text, message) in [
            (
                "a {{ job.none }}",
                "`job.none`: none can't be a word of a shell command",
            ),
            (
                "a {{ job.map }}",
                "`job.map`: a map can't be a word of a shell command",
            ),
            (
                "a {{ [[1]] }}",
                "`[[1]]`: a list in a list can't be a word of a shell command",
            ),
            ("a {{ '\\0' }}", "`'\\0'`: a shell command can hold no NUL"),
        ] {
            assert_eq!(render(text, Style::Shell), Err(message.into()));
        }
    }

    #[test]
    fn url_values_are_encoded_after_the_question_mark() {
        #[track_caller]
        fn case(text: &str, expected: &str) {
            assert_eq!(render(text, Style::Url), Ok(json!(expected)), "{text}");
        }
        case("{{ job.url }}", "http://x/?a");
        case(
            "http://{{ device.ip }}/a/{{ 'b c' }}",
            "http://10.0.0.2/a/b c",
        );
        case(
            "http://h/{{ 'x&' }}?q={{ 'a b&c' }}&r={{ 1 }}",
            "http://h/x&?q=a%20b%26c&r=1",
        );
        case("{{ job.url }}={{ 'ü' }}", "http://x/?a=%C3%BC");
        assert!(render("http://h\0/{{ 1 }}", Style::Url).is_err());
    }

    #[test]
    fn filters_and_functions_of_the_language() {
        #[track_caller]
        fn case(text: &str, expected: &Value) {
            assert_eq!(render(text, Style::Value).as_ref(), Ok(expected), "{text}");
        }
        case(
            "{{ 'stm -ts sdwire plug' | capture('^(.+?)\\s+sdwire') }}",
            &json!("stm -ts"),
        );
        case("{{ 'a' | capture('(b)') }}", &Value::Null);
        case(
            "{{ {'a': 1, 'b': 2} | merge({'b': 3}) }}",
            &json!({"a": 1, "b": 3}),
        );
        case("{{ '5.3.0' | at_least('5.10') }}", &json!(false));
        case("{{ 'hé' | b64encode }}", &json!("aMOp"));
        case("{{ 'aMOp\\n' | b64decode }}", &json!("hé"));
        case("{{ 'a b/c' | urlencode }}", &json!("a%20b%2Fc"));
        case(
            "{{ {'a': 'b c', 'd': 1} | urlencode }}",
            &json!("a=b%20c&d=1"),
        );
        case("{{ '1h30m' | seconds }}", &json!(5400));
        case("{{ 0.5 | seconds }}", &json!(0.5));
        case(
            "{{ [{'n': 'a', 'v': 1}] | by_key('n') }}",
            &json!({"a": {"n": "a", "v": 1}}),
        );
        case(
            "{{ ['x', 'y'] | numbered('IP_') }}",
            &json!({"IP_1": "x", "IP_2": "y"}),
        );
        case("{{ '/a/b.img' | basename }}", &json!("b.img"));
        case("{{ 'echo' | shebang }}", &json!("#!/bin/bash\necho"));
        case(
            "{{ '{{}} {agent_name}' | legacy_format }}",
            &json!("{} lab"),
        );
        case("{{ job.map | tojson }}", &json!(r#"{"b":1,"a":2}"#));
        case("{{ [\"<'\"] | tojson(indent=1) }}", &json!("[\n \"<'\"\n]"));
        case("{{ asset('a/b') }}", &json!("text\n"));
        case("{{ now('1h') }}", &json!("1970-01-02T01:00:00Z"));
        case("{{ now(1) }}", &json!("1970-01-02T00:00:01Z"));
        case(
            "{{ ssh_key_url('gh:me') }}",
            &json!("https://github.com/me.keys"),
        );
        case(
            "{{ test_env() }}",
            &json!({"OLD": null, "AGENT_NAME": "lab", "REBOOT_SCRIPT": null}),
        );
        for text in [
            "{{ asset('nothing') }}",
            "{{ ssh_key_url('gh:a/b') }}",
            "{{ now('x') }}",
            "{{ now(-1) }}",
            "{{ now('366d') ~ now(9999999999999) }}",
            "{{ 'a' | capture('(') }}",
            "{{ 'a' | capture('a') }}",
            "{{ ('x' * 4097) | capture('(x)') }}",
            "{{ '/w==' | b64decode }}",
            "{{ 'x' | merge({}) }}",
            "{{ [1] | by_key('a') }}",
            "{{ 1 | numbered('a') }}",
            "{{ 'x' | at_least('1') }}",
            "{{ [1] | raw }}",
            "{{ 1 / 0 }}",
            "{{ 2 ** 200 }}",
            "{{ [][::-9223372036854775808] }}",
        ] {
            assert!(render(text, Style::Value).is_err(), "{text}");
        }
    }

    #[test]
    fn what_reads_a_secret_is_secret_and_its_errors_tell_nothing() {
        let secret = |text| template(text, Style::Value).render(&context());
        assert!(secret("{{ device.password }}").is_ok_and(|it| it.secret));
        assert!(secret("{{ device['password'] | b64encode }}").is_ok_and(|it| it.secret));
        assert!(secret("{{ device | tojson }}").is_ok_and(|it| it.secret));
        assert!(secret("{{ test_env() }}").is_ok_and(|it| it.secret));
        assert!(secret("{{ device.ip }}").is_ok_and(|it| !it.secret));
        let error = secret("{{ device.password | at_least('x') }}");
        assert!(error.is_err_and(|error| !error.message.contains("hunter22")));
    }

    #[test]
    fn tasks_of_their_own_may_evaluate() {
        fn shared<T: Send + Sync + 'static>(_: &T) {}
        shared(&context());
        shared(&template("{{ 1 }}", Style::Value));
    }

    #[test]
    fn guards_go_by_truth() {
        #[track_caller]
        fn case(text: &str, expected: bool) {
            assert_eq!(expr(text).truth(&context()), Ok(expected), "{text}");
        }
        case("none", false);
        case("0.0", false);
        case("''", false);
        case("[]", false);
        case("{}", false);
        case("[0]", true);
        case("device.cmds | select('equalto', 'z')", false);
        case("not job.none and device.ip is startingwith('10.')", true);
        case("'b' in job.map", true);
        assert!(expr("vars.hsot").truth(&context()).is_err());
        assert!(expr("1 +").truth(&context()).is_err());
        assert!(expr("1 }} x").truth(&context()).is_err());
    }
}
