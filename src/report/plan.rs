//! A dry run's plan as a person reads it, and as a program does.

use super::outcome::verdict_word;
use crate::diagnostic::{plain, plural};
use crate::engine::{
    Forgiven, NamedStep, Plan, Planned, PlannedProbe, StateRules, StepRules, Tries,
};
use crate::recipe::ErrorKind;

/// The plan as JSON: [`Plan`] as it is serialised.
pub fn plan_json(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).unwrap_or_default();
    text.push('\n');
    text
}

/// The plan as text: the hosts, then a block for each state that is entered, and in it what each step
/// would send. A state stands again where steps of it follow those of others (its exit steps).
pub fn plan_text(plan: &Plan) -> String {
    let mut page = Page {
        text: format!(
            "{} of {}: what would be sent, if every step ends well\n",
            plan.stage, plan.recipe
        ),
        at: None,
    };
    let width = plan.hosts.keys().map(|name| name.chars().count()).max();
    for (name, remote) in &plan.hosts {
        let (user, address) = (plain(&remote.user), plain(&remote.address));
        let width = width.unwrap_or_default();
        page.line(0, &format!("{name:width$}  {user}@{address}"));
    }
    for entry in &plan.entries {
        page.entry(entry);
    }
    page.probes(&plan.blame);
    if plan.cut {
        page.line(0, "\nthe plan is cut here: it would be too long");
    }
    page.text
}

struct Page<'p> {
    text: String,
    /// The state, and the list of its steps, that the next line belongs to.
    at: Option<(&'p str, &'static str)>,
}

impl<'p> Page<'p> {
    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        self.at = None;
        self.line(0, &format!("\n{text}"));
    }

    /// The block of a state, again where it is another one than the last.
    fn block(&mut self, state: &'p str, list: &'static str) {
        let same = self.at.is_some_and(|(at, within)| {
            at == state && (within == list || ["enter", "do"].contains(&list))
        });
        if same {
            self.at = Some((state, list));
            return;
        }
        self.at = Some((state, list));
        let what = match list {
            "exit" => " is left, whichever way",
            "between" => " is about to be tried again",
            _ => "",
        };
        self.line(0, &format!("{state}{what}"));
    }

    fn rules(&mut self, depth: usize, rules: &[String]) {
        if !rules.is_empty() {
            self.line(depth, &format!("· {}", rules.join(" · ")));
        }
    }

    fn probes(&mut self, probes: &'p [PlannedProbe]) {
        if probes.is_empty() {
            return;
        }
        self.heading("if it failed, this would be looked at");
        for probe in probes {
            let name = &probe.probe;
            let verdict = probe
                .verdict
                .map(|verdict| format!(" (if it does not hold: {})", verdict_word(verdict)));
            let verdict = verdict.unwrap_or_default();
            if let Some(why) = &probe.not_known {
                let why = why.lines().map(plain).collect::<Vec<_>>().join(" ⏎ ");
                self.line(1, &format!("{name} could not be: {why}"));
                continue;
            }
            let mut lines = probe.sends.iter().flat_map(|send| send.lines()).map(plain);
            let first = lines.next().unwrap_or_default();
            self.line(1, &format!("{name}{verdict}: {first}"));
            for line in lines {
                self.line(2, &line);
            }
        }
    }

    fn entry(&mut self, entry: &'p Planned) {
        match entry {
            Planned::Otherwise {
                place,
                guard,
                holds,
            } => {
                let not = if *holds { "" } else { "not " };
                self.heading(&format!("otherwise, if {not}`{}` at {place}", plain(guard)));
            }
            Planned::Assumed { place, guard } => {
                if self.at.is_none_or(|(at, _)| at != place.as_ref()) {
                    self.at = Some((place, "do"));
                    self.line(0, place);
                }
                self.line(1, &format!("if `{}`:", plain(guard)));
            }
            Planned::AfterError {
                step,
                error,
                state,
                tried_again,
            } => {
                let so = if *tried_again {
                    format!("and `{state}` is tried again")
                } else {
                    format!("every time, and `{state}` catches it")
                };
                self.heading(&format!(
                    "if {} at {} fails with {error} {so}",
                    step.name, step.place
                ));
            }
            Planned::State {
                path,
                summary,
                rules,
            } => {
                self.at = Some((path, "enter"));
                match summary {
                    Some(summary) => self.line(0, &format!("{path}  # {}", plain(summary))),
                    None => self.line(0, path),
                }
                self.rules(1, &of_state(rules));
            }
            Planned::Passed { path, guard } => {
                self.at = None;
                self.line(
                    0,
                    &format!(
                        "{path} is passed over, since `{}` does not hold",
                        plain(guard)
                    ),
                );
            }
            Planned::Step {
                step,
                list,
                action,
                host,
                sends,
                rules,
                ..
            } => {
                self.block(&step.state, list);
                self.step(step, host.as_deref(), sends);
                self.rules(3, &of_step(rules, action));
            }
            Planned::Skipped { step, guard } => {
                let list = list_of(step);
                self.block(&step.state, list);
                self.line(
                    1,
                    &format!(
                        "{} is left out, since `{}` does not hold",
                        step.name,
                        plain(guard)
                    ),
                );
            }
            Planned::AndSoOn { step } => {
                self.line(1, &format!("{}: and so on, with other values", step.name));
            }
            Planned::Fails {
                step,
                error,
                message,
            } => {
                self.block(&step.state, list_of(step));
                let message = message.lines().map(plain).collect::<Vec<_>>().join(" ⏎ ");
                self.line(
                    1,
                    &format!("{} would fail with {error}: {message}", step.name),
                );
            }
            Planned::AsBefore { state } => {
                self.at = None;
                self.line(0, &format!("then as before, from {state} on"));
            }
            Planned::Reached { path, end, message } => {
                self.at = None;
                let message = match message {
                    Some(message) => format!(": {}", plain(&message.replace('\n', " ⏎ "))),
                    None => String::new(),
                };
                self.line(0, &format!("{path} ends as {end}{message}"));
            }
            Planned::Ends { end, status } => {
                self.at = None;
                let end = match (*end, status) {
                    ("success", _) => "the stage succeeds".to_owned(),
                    ("failure", Some(status)) => {
                        format!("the stage fails, with exit status {status}")
                    }
                    ("failure", None) => "the stage fails".to_owned(),
                    _ => "a person must look at the board".to_owned(),
                };
                self.line(0, &end);
            }
        }
    }

    fn step(&mut self, step: &NamedStep, host: Option<&str>, sends: &[String]) {
        let host = match host {
            Some(host) if host != "local" => format!(" on {host}"),
            _ => String::new(),
        };
        let mut lines = sends.iter().flat_map(|send| send.lines()).map(plain);
        let first = lines.next().unwrap_or_default();
        // `sleep 10ms` says what it is.
        let itself = first
            .strip_prefix(step.name.as_ref())
            .filter(|rest| rest.starts_with([' ', ':']));
        match itself {
            Some(_) if host.is_empty() => self.line(1, &first),
            Some(rest) => {
                let rest = rest.trim_start_matches(':').trim_start();
                self.line(1, &format!("{}{host}: {rest}", step.name));
            }
            None => self.line(1, &format!("{}{host}: {first}", step.name)),
        }
        for line in lines {
            self.line(2, &line);
        }
    }
}

/// The list that a step stands in, by its place.
fn list_of(step: &NamedStep) -> &'static str {
    let list = step.place.rsplit_once(':').map_or("", |(_, list)| list);
    ["exit", "between"]
        .into_iter()
        .find(|word| list.starts_with(word))
        .unwrap_or("do")
}

fn of_state(rules: &StateRules) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(word("when", rules.when.as_deref()));
    all.extend(word("for each of", rules.for_each.as_deref()));
    all.extend(word("timeout", rules.timeout.as_deref()));
    all.extend(rules.retry.iter().map(tries));
    let most = rules.max_visits.and_then(|most| usize::try_from(most).ok());
    all.extend(most.map(|most| format!("at most {}", plural(most, "visit"))));
    if rules.recovery {
        all.push("recovery".to_owned());
    }
    for row in &rules.catch {
        let error = row.error.map_or("any error", ErrorKind::word);
        all.push(format!("{error} → {}", row.to));
    }
    all
}

/// The bound on what touches nothing says nothing.
const INSTANT: [&str; 4] = ["assert", "fail", "log", "set"];

fn of_step(rules: &StepRules, action: &str) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(word("when", rules.when.as_deref()));
    all.extend(word("for each of", rules.for_each.as_deref()));
    if !INSTANT.contains(&action) {
        all.extend(word("timeout", rules.timeout.as_deref()));
    }
    all.extend(word("stall", rules.stall.as_deref()));
    all.extend(rules.retry.iter().map(tries));
    all.extend(rules.allow_failure.iter().map(|forgiven| match forgiven {
        Forgiven::All => "may fail".to_owned(),
        Forgiven::Kinds(kinds) => format!("may fail with {}", words(kinds)),
    }));
    all.extend(rules.save.iter().map(|name| format!("gives vars.{name}")));
    if rules.recovery {
        all.push("recovery".to_owned());
    }
    all
}

fn word(what: &str, value: Option<&str>) -> Option<String> {
    value.map(|value| format!("{what} {}", plain(value)))
}

fn tries(tries: &Tries) -> String {
    let mut text = format!("up to {} tries", plain(&tries.attempts));
    if tries.delay != "0s" {
        text.push_str(&format!(", {} apart", plain(&tries.delay)));
    }
    if let Some(backoff) = &tries.backoff {
        text.push_str(&format!(", each time {} times that", plain(backoff)));
    }
    if let Some(errors) = &tries.errors {
        text.push_str(&format!(", after {}", words(errors)));
    }
    text
}

/// "a, b or c".
fn words(kinds: &[ErrorKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
