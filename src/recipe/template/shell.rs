//! Where the values of a shell string would stand in the shell's own syntax.
//!
//! A value is quoted as one word, which is right only where the shell looks for words. The literal
//! parts of the string are scanned as POSIX.1-2024 (Shell Command Language 2.2, 2.3) and bash read
//! them; a value may stand in plain text and in `$(…)`, and nowhere else.

use std::ops::Range;

use minijinja::machinery::ast;

use super::scan::Scanner;
use super::survey::range;
use super::syntax::{self, Problem};
use crate::diagnostic::Code;

/// All values of a parsed shell string that stand where none may.
pub(super) fn problems(parsed: &ast::Stmt<'_>) -> Vec<Problem> {
    let ast::Stmt::Template(template) = parsed else {
        return Vec::new();
    };
    if let Some(range) = only_value(&template.children) {
        return vec![
            Problem::new(
                Code::TemplateAsCommand,
                range,
                "a whole shell command is one template",
            )
            .help("`run: [program, argument]` runs a program; `commands` runs lines of the device config"),
        ];
    }
    let mut found = Vec::new();
    let mut scanner = Scanner::default();
    scanner.statements(&template.children, &mut found);
    found
}

/// The pipes of a shell string, as ranges of its text. (`||` is none.)
pub fn pipes(text: &str) -> Vec<Range<usize>> {
    let mut scanner = Scanner::default();
    if !syntax::has_template(text) {
        scanner.text(text, 0);
    } else if let Ok((ast::Stmt::Template(template), _)) = syntax::template(text) {
        scanner.statements(&template.children, &mut Vec::new());
    }
    scanner.pipes
}

/// The value, if nothing but white space stands beside it.
fn only_value(children: &[ast::Stmt<'_>]) -> Option<Range<usize>> {
    let mut values = children
        .iter()
        .filter(|child| !matches!(child, ast::Stmt::EmitRaw(raw) if raw.raw.trim().is_empty()));
    match (values.next(), values.next()) {
        (Some(ast::Stmt::EmitExpr(emit)), None) => Some(range(emit.span())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::super::{Context, Style, Template};
    use super::pipes;
    use crate::diagnostic::{Code, Span};

    fn codes(text: &str) -> Vec<(Code, String)> {
        match Template::parse(text, Span::default(), Style::Shell) {
            Ok(_) => Vec::new(),
            Err(problems) => problems
                .into_iter()
                .map(|problem| (problem.code, text[problem.range].to_owned()))
                .collect(),
        }
    }

    #[test]
    fn values_may_stand_where_words_are() {
        for text in [
            "ls {{ x }}",
            "{{ x }} y",
            "umount {{ x }}*",
            "a=\"b c\"{{ x }}'d'",
            "a \"$(echo {{ x }})\"",
            "echo 'a' \"b\" # a comment\necho {{ x }}",
            "echo a#b {{ x }}",
            "echo $# {{ x }}",
            "echo ${#a} {{ x }}",
            "echo \\' {{ x }} \\'",
            "echo \\\\ {{ x }}",
            "(cd {{ x }} && ls)",
            "cat <<E\n'\nE\necho {{ x }}",
            "cat <<-'E E'\n\"\n\tE E\ncat <<A <<\"B\"\n'\nA\n\"\nB\necho {{ x }}",
            "cat <<<a {{ x }}",
            "echo $(( 1 << 2 )) {{ x }}",
            "((a = 1 << 2)); echo {{ x }}",
            "case $a in a|b) echo {{ x }} ;; c) ;; esac; echo {{ x }}",
            "echo \"$(case $a in a) echo \"b\" ;; esac) \" {{ x }}",
            "echo $'it\\'s' {{ x }}",
            "echo \"${a:-'}\" {{ x }}",
            "echo \"\\\"\" {{ x }}",
            "{% if x %}echo '1'{% else %}echo '2'{% endif %} {{ x }}",
            "{% for a in x %}echo {{ a }};{% endfor %} {{ x }}",
            "echo é '{' {{ x }}",
            "sed -i 's/timeout=[0-9]*/timeout=0/g' {{ vars.root }}/writable/boot/grub/grub.cfg\n",
        ] {
            assert_eq!(codes(text), [], "{text}");
        }
    }

    #[test]
    fn values_may_not_stand_where_their_quotes_would_not_hold() {
        #[track_caller]
        fn case(text: &str) {
            let found = codes(text);
            assert!(
                matches!(found.as_slice(), [(Code::TemplateInQuotes, place)] if place == "x"),
                "{text}: {found:?}"
            );
        }
        case("echo \"{{ x }}\"");
        case("echo '{{ x }}'");
        case("echo \"a $(echo \"{{ x }}\") b\"");
        case("echo \"a\" \"b {{ x }}\"");
        case("echo $'{{ x }}'");
        case("echo ${{ x }}");
        case("echo \\{{ x }}");
        case("echo \"a\\\" {{ x }}\"");
        case("echo `cat {{ x }}`");
        case("echo \"`cat {{ x }}`\"");
        case("echo $((1 + {{ x }}))");
        case("echo $(( (1) + {{ x }}))");
        case("((a = {{ x }}))");
        case("echo ${a:-{{ x }}}");
        case("# {{ x }}");
        case("ls # {{ x }}\nls");
        case("ls \\\n# {{ x }}");
        case("ls $\\\n'a\\' {{ x }}'");
        case("ls;# {{ x }}");
        case("cat <<E\n{{ x }}\nE");
        case("cat <<E\nE \n{{ x }}\nE");
        case("cat <<E; ls\na {{ x }}\nE\nls");
        case("cat <<{{ x }}");
        case("{% if a %}echo '1 {{ x }}'{% endif %}");
    }

    #[test]
    fn what_a_branch_opens_it_closes() {
        let found = codes("echo {% if a %}'{% endif %}b'");
        assert!(matches!(found.as_slice(), [(Code::TemplateInQuotes, _)]));
        let found = codes("{% for a in x %}echo '{% endfor %}");
        assert!(matches!(found.as_slice(), [(Code::TemplateInQuotes, _)]));
    }

    #[test]
    fn a_command_is_not_one_template() {
        for text in ["{{ x }}", " {{ x }}\n", "{{ x | raw }}", "{{ x }}{{# c #}}"] {
            assert!(
                matches!(codes(text).as_slice(), [(Code::TemplateAsCommand, _)]),
                "{text}"
            );
        }
    }

    #[test]
    fn pipes_are_found_and_look_alikes_are_not() {
        #[track_caller]
        fn case(text: &str, expected: &[usize]) {
            let starts: Vec<usize> = pipes(text).into_iter().map(|range| range.start).collect();
            assert_eq!(starts, expected, "{text}");
        }
        case("a | b", &[2]);
        case("a|b|&c", &[1, 3]);
        case("a || b", &[]);
        case("echo '|' \"|\" \\| # |", &[]);
        case("echo >| f", &[]);
        case("case a in a|b) c | d;; esac", &[17]);
        case("echo $(a | b)", &[9]);
        case("echo {{ x | trim }} | b", &[20]);
        case("{% if x %}a | b{% else %}a |c{% endif %}", &[12, 27]);
        case("{% for a in b %}x{% endfor %}", &[]);
    }

    proptest! {
        #[test]
        fn what_is_accepted_reaches_a_real_shell_unharmed(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", " ", "\"", "'", "\\", "$", "`", "#", "\"b c\"", "'d'", "$(printf %s ", ")",
                    "${HOME:-", "}", "{{ x }}", "\n", "\\\"",
                ]),
                1..10,
            ),
        ) {
            let value = "'\"\\$(exit\t9)`exit`#";
            let text = format!("printf '%s\\0' {} {{{{ x }}}}", parts.concat());
            if let Ok(template) = Template::parse(&text, Span::default(), Style::Shell) {
                let mut context = Context::new();
                context.set("x", value.into());
                let script = template.render(&context)?.value;
                let script = script.as_str().unwrap_or_default();
                let run = Command::new("bash").args(["-ec", script]).output()?;
                // What the author's own text makes a wrong script may fail.
                if run.status.success() {
                    let printed = String::from_utf8_lossy(&run.stdout);
                    prop_assert!(
                        printed.split('\0').any(|word| word.ends_with(value)),
                        "`{}` printed `{}`", script, printed
                    );
                }
            }
        }

        #[test]
        fn no_shell_text_panics(text in "[-a-z{} %$`'\"\\\\()|&;<>#\n\tE é]{0,40}") {
            let _ = pipes(&text);
            let _ = Template::parse(&text, Span::default(), Style::Shell);
        }
    }
}
