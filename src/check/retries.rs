//! What is tried again can be tried again, and not too often.

use std::collections::HashMap;
use std::sync::Arc;

use super::outline::{Outline, Target};
use super::whole::Whole;
use crate::diagnostic::{Code, Finding, Findings, Span};
use crate::recipe::model::{Body, Retry, State, Step, Templated, Tree, TreeKind};
use crate::recipe::{ErrorKind, KindSet, Value, reads};

/// More tries than this of one step are hardly meant.
const MOST_TRIES: u32 = 20;

/// What happened is not known after these.
const UNKNOWN: KindSet = KindSet::of(&[ErrorKind::Lost, ErrorKind::Timeout]);

/// Looks at the recipe's own stages and procedures.
pub(super) fn check(whole: &Whole<'_>, findings: &mut Findings) {
    let mut around: HashMap<&str, Factors> = HashMap::new();
    // Stages come first, and callers before what they call as far as calls are not nested.
    for unit in &whole.units {
        let from = around.get(unit.name).cloned().unwrap_or_default();
        let is_own = unit.home().is_none();
        let mut told = Findings::default();
        let outline = &unit.outline;
        let mut factors: Vec<Factors> = Vec::with_capacity(outline.states.len());
        for placed in &outline.states {
            let outer = placed
                .parent
                .and_then(|parent| factors.get(parent))
                .unwrap_or(&from);
            let own = outer.with(
                placed.state.retry.as_ref(),
                &placed.state.name.value,
                &mut told,
            );
            for step in reads::steps(placed.state) {
                let tried = own.with(step.retry.as_ref(), &step.name, &mut told);
                if let Some(call) = &step.call {
                    let known = around.entry(call.procedure.value.as_str()).or_default();
                    if tried.product > known.product {
                        *known = tried;
                    }
                }
            }
            factors.push(own);
        }
        if !is_own {
            continue;
        }
        findings.0.extend(told.0);
        for (at, placed) in outline.states.iter().enumerate() {
            for step in reads::steps(placed.state) {
                unsafe_request(step, placed.state, findings);
            }
            after_reboot(outline, at, findings);
        }
    }
}

/// The retries around a step, outermost first.
#[derive(Clone)]
struct Factors {
    product: u32,
    parts: Vec<(u32, String)>,
    /// What all of them take.
    errors: KindSet,
}

impl Default for Factors {
    fn default() -> Self {
        Self {
            product: 1,
            parts: Vec::new(),
            errors: KindSet::ALL.without(ErrorKind::Cancelled),
        }
    }
}

impl Factors {
    /// These and one more inside them; complains where that makes too many.
    fn with(&self, retry: Option<&Retry>, name: &str, findings: &mut Findings) -> Self {
        let Some(retry) = retry else {
            return self.clone();
        };
        let Templated::Literal(attempts @ 2..) = retry.attempts else {
            return self.clone();
        };
        let errors = taken(retry).common(self.errors);
        if errors.is_empty() {
            return self.clone();
        }
        let mut all = self.clone();
        all.product = all.product.saturating_mul(attempts);
        all.parts.push((attempts, name.to_owned()));
        all.errors = errors;
        if all.product > MOST_TRIES && self.product <= MOST_TRIES && self.product > 1 {
            let factors: Vec<String> = all
                .parts
                .iter()
                .map(|(attempts, name)| format!("{attempts} of `{name}`"))
                .collect();
            let span = retry.places.value("attempts").unwrap_or(retry.span);
            findings.push(
                Finding::new(
                    Code::TooManyTries,
                    span,
                    format!("`{name}` may be tried {} times", all.product),
                )
                .label(factors.join(" × "))
                .help("tries of nested retries multiply: retry on one level"),
            );
        }
        all
    }
}

fn taken(retry: &Retry) -> KindSet {
    retry.errors.unwrap_or(
        KindSet::ALL
            .without(ErrorKind::Cancelled)
            .without(ErrorKind::Input),
    )
}

/// A request that may have had its effect is not made again.
fn unsafe_request(step: &Step, state: &State, findings: &mut Findings) {
    let Some(method) = method(step) else { return };
    if !matches!(method, "POST" | "PATCH") {
        return;
    }
    let retries = [step.retry.as_ref(), leaf_retry(state)];
    for retry in retries.into_iter().flatten() {
        let once = matches!(retry.attempts, Templated::Literal(..=1));
        let again = taken(retry).common(UNKNOWN);
        let forgiven = std::ptr::eq(retry, step.retry.as_ref().unwrap_or(retry))
            || step.allow_failure == crate::recipe::model::AllowFailure::No;
        if once || again.is_empty() || !forgiven {
            continue;
        }
        let named = retry.named.iter().find(|named| again.contains(named.value));
        let span = named.map_or(retry.span, |named| named.span);
        let what = named.map_or("lost", |named| named.value.word());
        let message = format!("after `{what}` this {method} may be made twice");
        let mut finding = Finding::new(Code::RequestTwice, span, message);
        if !contains(step.span, span) {
            finding = finding.related(step.span, "the request");
        }
        findings.push(finding.help(
            "nobody knows whether the server has acted on the first one: retry `unreachable` and `http` alone, or ask first what became of it",
        ));
    }
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.source == inner.source && outer.start <= inner.start && inner.end <= outer.end
}

fn leaf_retry(state: &State) -> Option<&Retry> {
    matches!(state.body, Body::Leaf { .. })
        .then_some(state.retry.as_ref())
        .flatten()
}

/// The method of an `http` step; none where it is computed.
fn method(step: &Step) -> Option<&str> {
    if step.action.name != "http" {
        return None;
    }
    match step.params.get("method") {
        Some(tree) => text(tree),
        None => {
            let has_body = ["json", "body", "form", "multipart"]
                .iter()
                .any(|key| step.params.contains_key(*key));
            Some(if has_body { "POST" } else { "GET" })
        }
    }
}

fn text(tree: &Tree) -> Option<&str> {
    match &tree.kind {
        TreeKind::Literal(Value::String(text)) => Some(text),
        TreeKind::Template(template) => Some(&template.text),
        _ => None,
    }
}

/// A `wait: {ssh}` that the system from before a reboot may answer.
fn after_reboot(outline: &Outline<'_>, at: usize, findings: &mut Findings) {
    let state = outline.states[at].state;
    let Body::Leaf { steps } = &state.body else {
        return;
    };
    let mut rebooting: Option<&Arc<Step>> = None;
    let follow = match state.next.as_slice() {
        [row] if row.when.is_none() => match outline.target(at, &row.to.value) {
            Target::State(to) if to != at => match &outline.states[to].state.body {
                Body::Leaf { steps } => steps.as_slice(),
                _ => &[],
            },
            _ => &[],
        },
        _ => &[],
    };
    for (number, step) in steps.iter().chain(follow).enumerate() {
        if let Some(reboot) = rebooting
            && step.action.name == "wait"
            && step.params.get("ssh").and_then(text)
                == reboot.host.as_ref().map(|host| host.value.as_str())
            && !step.params.contains_key("changed_since")
        {
            findings.push(
                Finding::new(
                    Code::WaitAfterReboot,
                    step.span,
                    "the system from before the reboot may still answer this",
                )
                .related(reboot.span, "it reboots here")
                .help("save the host's boot id before (`run: cat /proc/sys/kernel/random/boot_id`), and give it as `changed_since`"),
            );
        }
        if step.action.name == "log" || step.action.name == "set" {
            continue;
        }
        // What follows in the next state is looked at once, as that state's own.
        let is_own = number < steps.len();
        rebooting = (is_own && reboots(step)).then_some(step);
        if !is_own && rebooting.is_none() {
            return;
        }
    }
}

/// Whether the last command of a step reboots its host.
fn reboots(step: &Step) -> bool {
    let line = match step.action.name {
        "run" => match step.params.get("shell") {
            Some(shell) => text(shell).map(str::to_owned),
            None => step.params.get("argv").and_then(words),
        },
        "commands" => step
            .params
            .get("lines")
            .and_then(|lines| match &lines.kind {
                TreeKind::List(lines) => lines.last().and_then(text).map(str::to_owned),
                _ => text(lines).map(str::to_owned),
            }),
        _ => None,
    };
    let Some(line) = line else { return false };
    line.split(['\n', ';', '&', '|'])
        .map(str::trim)
        .rfind(|command| !command.is_empty() && !command.starts_with("true"))
        .is_some_and(is_reboot)
}

fn words(tree: &Tree) -> Option<String> {
    let TreeKind::List(items) = &tree.kind else {
        return None;
    };
    let words: Vec<&str> = items.iter().filter_map(text).collect();
    Some(words.join(" "))
}

fn is_reboot(command: &str) -> bool {
    let mut words = command
        .split_whitespace()
        .skip_while(|word| matches!(*word, "sudo" | "nohup" | "exec") || word.starts_with('-'));
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    match name {
        "reboot" => true,
        "systemctl" => words.any(|word| word == "reboot"),
        "shutdown" => words.any(|word| word.starts_with("-r") || word == "--reboot"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::of_stage;

    #[track_caller]
    fn case(steps: &[&str], expected: &[&str]) {
        let steps: String = steps
            .iter()
            .map(|step| format!("      - {step}\n"))
            .collect();
        let stage = format!("    do:\n{steps}");
        assert_eq!(of_stage(&stage), expected, "{stage}");
    }

    #[test]
    fn a_request_is_not_made_twice() {
        let post =
            |more: &str| format!("{{ http: {{ url: \"http://a/\", json: {{ a: 1 }} }}{more} }}");
        case(&[&post("")], &[]);
        case(&[&post(", retry: 1")], &[]);
        case(&[&post(", retry: 3")], &["TF0601 3"]);
        case(
            &[&post(", retry: { attempts: 2, errors: [http, lost] }")],
            &["TF0601 lost"],
        );
        case(
            &[&post(
                ", retry: { attempts: 2, errors: [http, unreachable] }",
            )],
            &[],
        );
        case(
            &["{ http: { method: PUT, url: \"http://a/\", body: x }, retry: 3 }"],
            &[],
        );
        case(&["{ http: \"http://a/\", retry: 3 }"], &[]);
    }

    #[test]
    fn tries_do_not_multiply_beyond_measure() {
        let nested = |step: &str, leaf: &str| {
            of_stage(&format!(
                "    initial: a\n    states:\n      a: {{ do: [ {{ run: x, retry: {step} }} ], retry: {leaf}, next: done }}\n"
            ))
        };
        assert_eq!(nested("5", "4"), [""; 0]);
        assert_eq!(nested("7", "3"), ["TF0602 7"]);
        assert_eq!(nested("100", "1"), [""; 0]);
        // They do not take the same errors.
        assert_eq!(
            nested(
                "{ attempts: 9, errors: [exit] }",
                "{ attempts: 9, errors: [lost] }"
            ),
            [""; 0]
        );
    }

    #[test]
    fn the_old_system_does_not_answer_for_the_new_one() {
        let wait = "{ wait: { ssh: dut }, timeout: 1m }";
        let found = "TF0603 wait: { ssh: dut }";
        for reboot in [
            "{ run: reboot, host: dut, expect: lost }",
            "{ run: \"sync && sudo -n /sbin/reboot || true\", host: dut }",
            "{ run: [sudo, systemctl, reboot], host: dut }",
            "{ commands: [sync, shutdown -r now], host: dut }",
        ] {
            case(&[reboot, wait], &[found]);
            case(&[reboot, "{ log: x }", wait], &[found]);
            case(&[reboot, "{ sleep: 30s }", wait], &[]);
            case(&[reboot, "{ wait: { ssh: lab }, timeout: 1m }"], &[]);
            case(
                &[
                    reboot,
                    "{ wait: { ssh: dut, changed_since: x }, timeout: 1m }",
                ],
                &[],
            );
        }
        case(&["{ run: reboot-others, host: dut }", wait], &[]);
        case(&["{ run: reboot, host: lab }", wait], &[]);
        case(&["{ power: cycle }", wait], &[]);
    }
}
