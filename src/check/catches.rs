//! `catch`, `retry` and `allow_failure` name kinds of error that can come up there.

use std::collections::HashMap;

use super::raises::Dealt;
use super::whole::{Unit, Whole};
use crate::diagnostic::{Code, Finding, Findings, Span, Spanned, list};
use crate::recipe::model::{Body, Retry, State, Step};
use crate::recipe::{ErrorKind, KindSet, reads};

/// Looks at the recipe's own stages and procedures.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    for unit in whole.units.iter().filter(|unit| unit.home().is_none()) {
        let dealt = whole.raises.of_states(None, &unit.outline);
        for (placed, dealt) in unit.outline.states.iter().zip(&dealt) {
            catches(placed.state, dealt, findings);
            for step in reads::steps(placed.state) {
                forgiven(whole, step, findings);
            }
        }
        retries(whole, unit, &dealt, findings);
    }
}

fn catches(state: &State, dealt: &Dealt, findings: &mut Findings) {
    let name = &state.name.value;
    let mut left = dealt.caught;
    // An exact kind goes before `any`, wherever it stands.
    for row in &state.catch {
        if let Some(kind) = row.kind {
            left = left.without(kind);
            if !dealt.caught.contains(kind) {
                let message = format!("nothing in `{name}` raises `{kind}`");
                findings.push(
                    Finding::new(Code::CatchNeverReached, row.span, message)
                        .label("never caught")
                        .help(instead(kind, dealt.caught, state)),
                );
            }
        }
    }
    for row in state.catch.iter().filter(|row| row.kind.is_none()) {
        if dealt.caught.is_empty() {
            let why = if state.for_each.is_some() && state.continue_on_item_error {
                "the errors of its items are recorded (`on_item_error: continue`), and go no further"
            } else {
                "remove the `catch`"
            };
            let message = format!("nothing in `{name}` can fail");
            findings.push(
                Finding::new(Code::CatchNeverReached, row.span, message)
                    .label("never caught")
                    .help(why),
            );
        } else if left.is_empty() {
            let message = format!("`any` has nothing left to catch in `{name}`");
            findings.push(
                Finding::new(Code::CatchNeverReached, row.span, message)
                    .label("never caught")
                    .help("remove it: every kind that can come up has a row of its own"),
            );
        }
    }
}

/// What to write in the place of a kind that can't come up.
fn instead(kind: ErrorKind, possible: KindSet, state: &State) -> String {
    match kind {
        ErrorKind::Loop => "only a state with `max_visits` raises `loop`".to_owned(),
        ErrorKind::Unreachable | ErrorKind::Lost | ErrorKind::Auth | ErrorKind::Http
            if waits(state) =>
        {
            format!(
                "a failed probe of `wait` is only \"not yet\", unless it has `abort_on: [{kind}]`"
            )
        }
        ErrorKind::Unreachable | ErrorKind::Lost | ErrorKind::Auth if is_local(state) => {
            "its steps run on `local`, where no connection can fail: is a `host` missing?"
                .to_owned()
        }
        ErrorKind::Timeout => {
            "nothing in it waits for anything, and it has no `timeout`".to_owned()
        }
        _ => what_comes(possible),
    }
}

fn what_comes(possible: KindSet) -> String {
    if possible.is_empty() {
        return "nothing in it can fail".to_owned();
    }
    let kinds = possible.iter().map(ErrorKind::word);
    format!("what can come up is {}", list(kinds, "and"))
}

/// Whether the state's own steps wait for something.
fn waits(state: &State) -> bool {
    reads::steps(state).any(|step| step.action.name == "wait")
}

/// Whether all that runs on hosts runs on this machine.
fn is_local(state: &State) -> bool {
    let Body::Leaf { steps } = &state.body else {
        return false;
    };
    let mut hosts = steps
        .iter()
        .filter_map(|step| step.host.as_ref())
        .peekable();
    hosts.peek().is_some() && hosts.all(|host| host.value == "local")
}

fn forgiven(whole: &Whole<'_>, step: &Step, findings: &mut Findings) {
    let possible = whole.raises.of_try(None, step);
    for named in &step.forgiven {
        if !possible.contains(named.value) {
            let message = format!("`{}` never raises `{}`", step.action.name, named.value);
            let finding = Finding::new(Code::ForgivesNothing, named.span, message);
            findings.push(finding.help(what_comes(possible)));
        }
    }
}

/// One `retry` as written; `defaults` give it to several steps.
struct Tried<'r> {
    retry: &'r Retry,
    possible: KindSet,
    what: &'r str,
}

fn retries(whole: &Whole<'_>, unit: &Unit<'_>, dealt: &[Dealt], findings: &mut Findings) {
    let mut all: Vec<Tried<'_>> = Vec::new();
    let mut known: HashMap<Span, usize> = HashMap::new();
    for (placed, dealt) in unit.outline.states.iter().zip(dealt) {
        let state = placed.state;
        let own = (&state.retry, dealt.retried, state.name.value.as_str());
        let of_steps = reads::steps(state).map(|step| {
            let possible = whole.raises.of_try(None, step);
            (&step.retry, possible, step.name.as_str())
        });
        for (retry, possible, what) in std::iter::once(own).chain(of_steps) {
            let Some(retry) = retry else { continue };
            let at = *known.entry(retry.span).or_insert(all.len());
            match all.get_mut(at) {
                Some(tried) => tried.possible = tried.possible.and(possible),
                None => all.push(Tried {
                    retry,
                    possible,
                    what,
                }),
            }
        }
    }
    for tried in all {
        tried.judge(findings);
    }
}

impl Tried<'_> {
    fn judge(&self, findings: &mut Findings) {
        let retried = self.possible.without(ErrorKind::Input);
        let what = self.what;
        match self.retry.errors {
            None if retried.is_empty() => findings.push(
                Finding::new(
                    Code::RetryNeverHelps,
                    self.retry.span,
                    format!("no error of `{what}` is one that a further try would mend"),
                )
                .help("remove the `retry`, or put it on what can fail"),
            ),
            Some(errors) if errors.common(self.possible).is_empty() => {
                let Some(first) = self.retry.named.first() else {
                    return;
                };
                let message = match self.retry.named.as_slice() {
                    [only] => format!("nothing in `{what}` raises `{}`", only.value),
                    _ => format!("nothing in `{what}` raises any of these"),
                };
                findings.push(
                    Finding::new(
                        Code::RetryNeverHelps,
                        whole(first, &self.retry.named),
                        message,
                    )
                    .label("never retried")
                    .help(what_comes(self.possible)),
                );
            }
            _ => {}
        }
    }
}

/// From the first to the last of some words.
fn whole(first: &Spanned<ErrorKind>, all: &[Spanned<ErrorKind>]) -> Span {
    let last = all.last().map_or(first.span, |last| last.span);
    if last.source != first.span.source || last.end < first.span.start {
        return first.span;
    }
    Span::new(
        first.span.source,
        first.span.start as usize,
        last.end as usize,
    )
}

#[cfg(test)]
mod tests {
    use super::super::example::of_stage;

    /// The findings of two states, of which the second is only gone to by `catch`.
    fn leaf(keys: &str) -> Vec<String> {
        of_stage(&format!(
            "    initial: a
    states:
      a:
        {}
        next: done
      b: {{ do: [ {{ log: x }} ], next: done }}
",
            keys.trim().replace('\n', "\n        ")
        ))
    }

    #[track_caller]
    fn case(keys: &str, expected: &[&str]) {
        let mut found = leaf(keys);
        found.retain(|told| !told.starts_with("TF0305"));
        assert_eq!(found, expected, "{keys}");
    }

    #[test]
    fn a_kind_that_nothing_raises_is_not_caught() {
        let steps = |step: &str, catch: &str| format!("do: [ {step} ]\ncatch: {catch}");
        for (step, catch) in [
            (
                "{ run: x, host: dut }",
                "{ unreachable: b, lost: b, auth: b, exit: b, timeout: b }",
            ),
            ("{ run: x }", "{ timeout: b, lost: b, exit: b, io: b }"),
            ("{ run: [x] }", "{ unreachable: b, any: b }"),
            ("{ run: \"x {{ device.ip }}\" }", "{ input: b }"),
            ("{ run: x, parse: json }", "{ mismatch: b }"),
            (
                "{ http: \"http://a/\" }",
                "{ http: b, lost: b, unreachable: b }",
            ),
            ("{ power: \"on\" }", "{ exit: b, timeout: b }"),
            ("{ mux: { card: host } }", "b"),
            ("{ assert: { that: 1 == 2, kind: io } }", "{ io: b }"),
            ("{ fail: { kind: auth, message: x } }", "{ auth: b }"),
            (
                "{ wait: { ssh: dut, abort_on: [auth] }, timeout: 1m }",
                "{ auth: b, timeout: b }",
            ),
            (
                "{ mux: { card: host } }, { run: x, needs: { card: host } }",
                "{ mismatch: b }",
            ),
        ] {
            case(&steps(step, catch), &[]);
        }
        for (step, catch, expected) in [
            (
                "{ run: x }",
                "{ unreachable: b, exit: b }",
                "TF0318 unreachable",
            ),
            ("{ run: x }", "{ auth: b, any: b }", "TF0318 auth"),
            (
                "{ run: x, host: dut }",
                "{ http: b, any: b }",
                "TF0318 http",
            ),
            (
                "{ run: x, expect: any }",
                "{ exit: b, any: b }",
                "TF0318 exit",
            ),
            (
                "{ run: x, allow_failure: [exit] }",
                "{ exit: b, any: b }",
                "TF0318 exit",
            ),
            (
                "{ http: \"http://a/\" }",
                "{ exit: b, any: b }",
                "TF0318 exit",
            ),
            (
                "{ wait: { ssh: dut }, timeout: 1m }",
                "{ unreachable: b, any: b }",
                "TF0318 unreachable",
            ),
            ("{ run: x }", "{ loop: b, any: b }", "TF0318 loop"),
            ("{ run: x }", "{ failed: b, any: b }", "TF0318 failed"),
            ("{ sleep: 1s }", "{ timeout: b }", "TF0318 timeout"),
        ] {
            let found = leaf(&steps(step, catch));
            assert!(
                found.contains(&expected.to_owned()),
                "{step} {catch}: {found:?}"
            );
        }
        case(
            "max_visits: 2\ndo: [ { run: x } ]\ncatch: { loop: b, any: b }",
            &[],
        );
        case(
            "timeout: 1m\ndo: [ { sleep: 1s } ]\ncatch: { timeout: b }",
            &[],
        );
        case(
            "do: [ { run: x } ]\ncatch: { timeout: b, exit: b, io: b, lost: b, any: b }",
            &["TF0318 any"],
        );
    }

    #[test]
    fn what_comes_from_inside_a_scope_is_caught_by_it() {
        let scope = |inner: &str, catch: &str| {
            format!(
                "initial: i\nstates:\n  i: {{ {inner}, next: done }}\nexit: [ {{ read: x }} ]\ncatch: {catch}"
            )
        };
        case(
            &scope("do: [ { run: x } ]", "{ exit: b, io: b, lost: b }"),
            &[],
        );
        // Caught inside.
        case(
            &scope(
                "do: [ { run: x } ], catch: { exit: done }",
                "{ exit: b, any: b }",
            ),
            &["TF0318 exit"],
        );
    }

    #[test]
    fn a_retry_can_help() {
        case(
            "do: [ { run: x, retry: { attempts: 2, errors: [exit, http] } } ]",
            &[],
        );
        case(
            "do: [ { run: x, retry: { attempts: 2, errors: [http, auth] } } ]",
            &["TF0319 http, auth"],
        );
        case("do: [ { log: x } ]\nretry: 2", &["TF0319 2"]);
        case("do: [ { run: x } ]\nretry: 2", &[]);
        // Defaults are for whatever step they fit.
        case(
            "defaults: { retry: { attempts: 2, errors: [http] } }\ndo: [ { run: x }, { http: \"http://a/\" } ]",
            &[],
        );
    }

    #[test]
    fn what_is_forgiven_can_come_up() {
        case("do: [ { run: x, allow_failure: [exit, timeout] } ]", &[]);
        case(
            "do: [ { run: x, allow_failure: [exit, http] } ]",
            &["TF0320 http"],
        );
        case(
            "do: [ { run: x, allow_failure: [exit, exit] } ]",
            &["TF0321 exit"],
        );
    }
}
