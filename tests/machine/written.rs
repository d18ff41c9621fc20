//! Random recipes as an author writes them, with how the tries of their steps end.
//!
//! Every key of states, steps and procedures is made. A recipe is read off a tape of random bytes; an
//! empty tape gives the smallest one, so that what fails shrinks.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A recipe and a scenario of it, both YAML (JSON is).
pub(crate) struct Written {
    pub(crate) recipe: String,
    pub(crate) scenario: String,
}

/// Random bytes, read once.
struct Tape<'t> {
    bytes: std::slice::Iter<'t, u8>,
}

impl Tape<'_> {
    /// Below `n`; 0 at the tape's end.
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % n
    }

    /// True in so many of a hundred cases.
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Where a state or step stands.
#[derive(Clone)]
struct Place {
    /// 0: the stage; a procedure calls only those behind it.
    unit: usize,
    depth: usize,
    /// Scopes around, outermost first: their children, and the one we are in.
    around: Vec<(Vec<String>, usize)>,
    has_item: bool,
    exit: bool,
}

struct Writer<'t> {
    tape: Tape<'t>,
    names: usize,
    procedures: usize,
    /// Children that a cycle may go through.
    bounded: BTreeSet<String>,
    /// Targets of a catch, which take no `when`.
    caught: BTreeSet<String>,
    /// Steps by name, whose outcomes may be told, each with its kinds.
    steps: Vec<(usize, String, &'static [&'static str], bool)>,
    /// From a unit to the unit that it calls.
    calls: BTreeSet<(usize, usize)>,
    states: usize,
}

const RUN: &[&str] = &["exit", "lost", "io", "unreachable", "timeout"];
const HTTP: &[&str] = &["http", "lost", "unreachable", "timeout"];
const WAIT: &[&str] = &["timeout"];
const GEAR: &[&str] = &["exit", "lost", "timeout"];

/// Reads a recipe and its scenario off a tape.
pub(crate) fn written(tape: &[u8]) -> Written {
    let mut writer = Writer {
        tape: Tape { bytes: tape.iter() },
        names: 0,
        procedures: 0,
        bounded: BTreeSet::new(),
        caught: BTreeSet::new(),
        steps: Vec::new(),
        calls: BTreeSet::new(),
        states: 0,
    };
    writer.written()
}

impl Writer<'_> {
    fn written(&mut self) -> Written {
        self.procedures = self.tape.below(3);
        let mut stage = self.root("provision", 0);
        let root = stage.as_object_mut().unwrap();
        root.remove("vars");
        root.insert(
            "timeout".into(),
            json!(self.tape.one(&["1h", "30s", "12s"])),
        );
        if self.tape.percent(20) {
            let (track, values) = self.needs();
            root.insert("ensures".into(), json!({ "success": { track: values } }));
        }
        let mut procedures = Map::new();
        for unit in 1..=self.procedures {
            let name = format!("p{unit}");
            let mut procedure = self.root(&name, unit);
            let keys = procedure.as_object_mut().unwrap();
            keys.insert(
                "params".into(),
                json!({ "x": { "type": "string", "default": "p" } }),
            );
            if self.tape.percent(40) {
                keys.insert("returns".into(), json!("vars.v"));
            }
            if self.tape.percent(20) {
                keys.insert("defaults".into(), json!({ "timeout": "4s" }));
            }
            if self.tape.percent(40) {
                keys.insert("timeout".into(), json!(self.tape.one(&["20s", "5s"])));
            }
            if !keys.contains_key("vars") {
                keys.insert("vars".into(), vars());
            }
            procedures.insert(name, procedure);
        }
        let mut stages = json!({ "provision": stage });
        self.mend(&mut stages);
        let mut procedures = Value::Object(procedures);
        self.mend(&mut procedures);
        let driver = |to: [&str; 2]| json!({ to[0]: [{ "run": ["gear", "a"] }], to[1]: [{ "run": ["gear", "b"] }] });
        let recipe = json!({
            "recipe": "written",
            "summary": "Written at random",
            "device": {
                "flag": { "type": "boolean", "default": false },
                "mode": { "type": "string", "enum": ["a", "b", "c"], "default": "a" },
                "words": { "type": "list", "items": "string", "default": [], "max_items": 3 },
                "patience": { "type": "duration", "default": "7s", "max": "1m" },
                "tries": { "type": "integer", "default": 2, "min": 1, "max": 3 },
            },
            "hosts": { "dut": { "address": "10.0.0.1", "host_key": "any" } },
            "let": { "c": "{{ device.mode == 'b' }}" },
            "gear": {
                "card": { "kind": "mux", "media": "/dev/sda", "driver": driver(["to_host", "to_dut"]) },
                "power": { "kind": "power", "driver": driver(["turn_on", "turn_off"]) },
            },
            "tracks": { "seal": ["whole", "broken"] },
            "vars": vars(),
            "procedures": procedures,
            "stages": stages,
        });
        let scenario = self.scenario();
        let print = |value: &Value| serde_json::to_string_pretty(value).unwrap();
        Written {
            recipe: print(&recipe),
            scenario: print(&scenario),
        }
    }

    fn scenario(&mut self) -> Value {
        let mut steps = Map::new();
        let mut signal = Value::Null;
        let mut reached = BTreeSet::from([0]);
        for (from, to) in &self.calls {
            if reached.contains(from) {
                reached.insert(*to);
            }
        }
        for (unit, name, kinds, prints) in std::mem::take(&mut self.steps) {
            if !reached.contains(&unit) {
                continue;
            }
            if self.tape.percent(5) {
                let after = self.tape.one(&["0s", "1s"]);
                let attempt = 1 + self.tape.below(2);
                signal = json!({
                    "during": name, "send": "TERM", "after": after, "try": attempt,
                });
            }
            if !self.tape.percent(60) {
                continue;
            }
            let tries = 1 + self.tape.below(4);
            let tries = (0..tries).map(|_| match self.tape.below(8) {
                1 | 2 => {
                    let takes = format!("{}s", 1 + self.tape.below(6));
                    json!({ "takes": takes })
                }
                3 | 4 => json!(kinds[self.tape.below(kinds.len())]),
                // Whether a step ends by itself with `timeout` depends on its bounds.
                5 => match kinds[self.tape.below(kinds.len())] {
                    "timeout" => json!("timeout"),
                    kind => json!({ "error": kind, "takes": "2s" }),
                },
                6 if prints => json!({ "stdout": self.tape.one(&["x", "y", ""]) }),
                7 => json!("timeout"),
                _ => json!("ok"),
            });
            steps.insert(name, tries.collect());
        }
        let flag = self.tape.percent(50);
        let mode = self.tape.one(&["a", "b", "c"]);
        let words = ["p", "q", "r"];
        let words = &words[..self.tape.below(3)];
        let mut scenario = json!({ "steps": steps });
        if !signal.is_null() {
            scenario["signal"] = signal;
        }
        json!({
            "recipe": "written",
            "device": { "flag": flag, "mode": mode, "words": words },
            "scenarios": { "it": scenario },
        })
    }

    fn root(&mut self, name: &str, unit: usize) -> Value {
        let place = Place {
            unit,
            depth: 0,
            around: Vec::new(),
            has_item: false,
            exit: false,
        };
        if self.tape.percent(15) {
            return self.leaf(name, &place);
        }
        self.scope(name, &place)
    }

    fn state(&mut self, name: &str, place: &Place) -> Value {
        self.states += 1;
        let deep = place.depth >= 3 || self.states > 9;
        match self.tape.below(12) {
            9..=11 if !deep => self.scope(name, place),
            7 if place.depth > 0 => self.choice(place),
            8 if place.depth > 0 => self.end(place),
            _ => self.leaf(name, place),
        }
    }

    fn choice(&mut self, place: &Place) -> Value {
        let rows = [self.row(place), json!({ "to": self.target(place) })];
        json!({ "next": rows })
    }

    fn row(&mut self, place: &Place) -> Value {
        let when = self.guard(place);
        json!({ "when": when, "to": self.target(place) })
    }

    fn end(&mut self, _: &Place) -> Value {
        match self.tape.below(5) {
            0 => json!({ "end": "success" }),
            1 => json!({ "end": "failure", "message": "no" }),
            2 => json!({ "end": "failure", "exit_status": "7", "verdict": "test" }),
            3 => json!({ "end": "failure", "exit_status": "vars.seven" }),
            _ => json!({ "end": "unrecoverable" }),
        }
    }

    fn leaf(&mut self, name: &str, place: &Place) -> Value {
        let mut place = place.clone();
        let mut keys = self.keys(&mut place);
        let mut steps = self.steps(name, "do", &place, 1, 3);
        if self.tape.percent(6) && place.depth > 0 {
            keys.remove("next");
            let fail = match self.tape.below(2) {
                0 => json!({ "fail": "it is so" }),
                _ => json!({ "fail": { "kind": "mismatch", "message": "it is so" } }),
            };
            steps.push(fail);
        }
        self.modifiers(name, &mut keys, &place);
        keys.insert("do".into(), steps.into());
        keys.into()
    }

    fn scope(&mut self, name: &str, place: &Place) -> Value {
        let mut place = place.clone();
        let mut keys = self.keys(&mut place);
        let names: Vec<String> = (0..=self.tape.below(3)).map(|_| self.name("s")).collect();
        if self.tape.percent(30) {
            let enter = self.steps(name, "enter", &place, 1, 2);
            keys.insert("enter".into(), enter.into());
        }
        keys.insert("initial".into(), json!(names[self.tape.below(names.len())]));
        let mut states = Map::new();
        for (n, child) in names.iter().enumerate() {
            let mut within = place.clone();
            within.depth += 1;
            within.around.push((names.clone(), n));
            let state = self.state(child, &within);
            states.insert(child.clone(), state);
        }
        keys.insert("states".into(), states.into());
        if self.tape.percent(60) {
            let mut leaving = place.clone();
            leaving.exit = true;
            let exit = self.steps(name, "exit", &leaving, 1, 3);
            keys.insert("exit".into(), exit.into());
        }
        self.modifiers(name, &mut keys, &place);
        keys.into()
    }

    /// The keys that lead into a state and out of it; the root of a unit has none of them.
    fn keys(&mut self, place: &mut Place) -> Map<String, Value> {
        let mut keys = Map::new();
        if place.depth == 0 {
            return keys;
        }
        if self.tape.percent(15) {
            keys.insert("when".into(), json!(self.guard(place)));
        }
        let next = match self.tape.below(4) {
            3 => json!([self.row(place), { "to": self.target(place) }]),
            _ => json!(self.target(place)),
        };
        keys.insert("next".into(), next);
        match self.tape.below(6) {
            3 => {
                let to = self.handler(place);
                keys.insert("catch".into(), json!(to));
            }
            4 | 5 => {
                let mut rows = Map::new();
                for _ in 0..=self.tape.below(2) {
                    let kind = self.tape.one(&[
                        "any", "timeout", "exit", "lost", "mismatch", "loop", "failed", "input",
                    ]);
                    rows.insert(kind.into(), json!(self.handler(place)));
                }
                keys.insert("catch".into(), rows.into());
            }
            _ => {}
        }
        if self.tape.percent(30) {
            keys.insert("max_visits".into(), json!(1 + self.tape.below(3)));
        }
        if self.tape.percent(15) {
            let items = self.items();
            keys.insert("for_each".into(), items);
            place.has_item = true;
            if self.tape.percent(50) {
                keys.insert("on_item_error".into(), json!("continue"));
            }
        }
        keys
    }

    /// What any leaf or scope may have.
    fn modifiers(&mut self, name: &str, keys: &mut Map<String, Value>, place: &Place) {
        if self.tape.percent(30) {
            let timeout = self.tape.one(&["3s", "8s", "15s", "{{ device.patience }}"]);
            keys.insert("timeout".into(), json!(timeout));
        }
        if self.tape.percent(30) {
            let mut retry = self.retry();
            if self.tape.percent(30) {
                let between = self.steps(name, "between", place, 1, 2);
                retry["between"] = between.into();
            }
            keys.insert("retry".into(), retry);
        }
        if self.tape.percent(12) {
            keys.insert("recovery".into(), json!(true));
        }
        if self.tape.percent(12) {
            let own = format!("of_{name}");
            keys.insert("vars".into(), json!({ own: "x" }));
        }
        if self.tape.percent(5) && place.depth > 0 {
            keys.insert("verdict".into(), json!("infra"));
        }
    }

    fn retry(&mut self) -> Value {
        let mut retry = match self.tape.below(4) {
            3 => json!({ "attempts": "{{ device.tries }}" }),
            n => json!({ "attempts": n + 1 }),
        };
        if self.tape.percent(50) {
            retry["delay"] = json!(self.tape.one(&["1s", "3s"]));
            if self.tape.percent(30) {
                retry["backoff"] = json!(2);
                retry["max_delay"] = json!("4s");
                retry["jitter"] = json!(0.5);
            }
        }
        if self.tape.percent(30) {
            let kind = self.tape.one(&["timeout", "exit", "lost", "mismatch"]);
            retry["errors"] = json!([kind]);
        }
        retry
    }

    fn steps(
        &mut self,
        state: &str,
        list: &str,
        place: &Place,
        least: usize,
        most: usize,
    ) -> Vec<Value> {
        let count = least + self.tape.below(most - least + 1);
        (0..count).map(|_| self.step(state, list, place)).collect()
    }

    fn step(&mut self, state: &str, list: &str, place: &Place) -> Value {
        let name = self.name("n");
        let mut place = place.clone();
        let mut step = Map::new();
        let may_call = matches!(list, "do" | "enter") && place.unit < self.procedures;
        let mut scripted = |kinds: &'static [&'static str], prints| {
            self.steps
                .push((place.unit, format!("{state}/{name}"), kinds, prints));
        };
        let pick = self.tape.below(24);
        let (action, value) = match pick {
            12 => ("set", json!({ "v": self.tape.one(&["x", "y", ""]) })),
            13 => ("set", json!({ "n": "{{ vars.n + 1 }}" })),
            14 => ("assert", json!(self.guard(&place))),
            15 => ("log", json!("here")),
            16 => ("sleep", json!(self.tape.one(&["1s", "4s"]))),
            17 => {
                scripted(HTTP, false);
                ("http", json!("http://10.0.0.1/"))
            }
            18 => {
                scripted(WAIT, false);
                ("wait", json!({ "ssh": "dut", "every": "1s" }))
            }
            19 => {
                scripted(GEAR, false);
                ("mux", json!({ "card": self.tape.one(&["host", "dut"]) }))
            }
            20 => {
                scripted(GEAR, false);
                ("power", json!(self.tape.one(&["on", "off"])))
            }
            21..=23 if may_call => {
                let to = place.unit + 1 + self.tape.below(self.procedures - place.unit);
                self.calls.insert((place.unit, to));
                let with = match self.tape.below(3) {
                    0 => json!({}),
                    1 => json!({ "x": "q" }),
                    _ => json!({ "x": "{{ vars.v }}" }),
                };
                step.insert("with".into(), with);
                ("call", json!(format!("p{to}")))
            }
            _ => {
                scripted(RUN, true);
                ("run", json!([name]))
            }
        };
        let mut step: Map<String, Value> = [(action.to_owned(), value)]
            .into_iter()
            .chain(step)
            .collect();
        step.insert("name".into(), json!(name));
        if self.tape.percent(20) && action != "call" {
            let items = match place.exit {
                true => json!(["p", "q"]),
                false => self.items(),
            };
            step.insert("for_each".into(), items);
            place.has_item = true;
            if self.tape.percent(50) {
                step.insert("on_item_error".into(), json!("continue"));
            }
        }
        if self.tape.percent(20) {
            step.insert("when".into(), json!(self.guard(&place)));
        }
        if action == "run" && self.tape.percent(25) {
            step.insert("host".into(), json!("dut"));
        }
        if action == "run" && !step.contains_key("for_each") && self.tape.percent(40) {
            step.insert("save".into(), json!("out"));
        }
        let own = action == "wait" || self.tape.percent(40);
        if own && action != "sleep" {
            let timeout = self.tape.one(&["2s", "5s", "10s", "{{ device.patience }}"]);
            step.insert("timeout".into(), json!(timeout));
        }
        if self.tape.percent(25) {
            let retry = self.retry();
            step.insert("retry".into(), retry);
        }
        match self.tape.below(10) {
            8 => {
                step.insert("allow_failure".into(), json!(true));
            }
            9 => {
                let kind = self.tape.one(&["timeout", "exit", "lost"]);
                step.insert("allow_failure".into(), json!([kind]));
            }
            _ => {}
        }
        if self.tape.percent(8) {
            let (track, values) = self.needs();
            step.insert("needs".into(), json!({ track: values }));
        }
        if self.tape.percent(12) {
            let value = self.tape.one(&["whole", "broken"]);
            step.insert("sets".into(), json!({ "seal": value }));
        }
        if self.tape.percent(8) {
            step.insert("recovery".into(), json!(true));
        }
        if self.tape.percent(5) {
            step.insert("verdict".into(), json!("infra"));
        }
        if action == "run" {
            let keys = [
                ("expect", json!([0, 3])),
                ("expect", json!("lost")),
                ("env", json!({ "A": "b" })),
                ("parse", json!("text")),
                ("max_output", json!("1KiB")),
                ("stall", json!("2s")),
            ];
            if self.tape.percent(25) {
                let (key, value) = keys[self.tape.below(keys.len())].clone();
                step.insert(key.into(), value);
            }
        }
        if !place.exit && !own && self.tape.percent(8) && action == "run" {
            step.insert("timeout".into(), json!("none"));
        }
        step.into()
    }

    fn needs(&mut self) -> (&'static str, Value) {
        match self.tape.below(4) {
            0 => ("seal", json!("whole")),
            1 => ("seal", json!(["whole", "broken"])),
            2 => ("card", json!("host")),
            _ => ("power", json!("on")),
        }
    }

    fn items(&mut self) -> Value {
        match self.tape.below(4) {
            0 => json!(["p", "q"]),
            1 => json!("device.words"),
            2 => json!(["p"]),
            _ => json!("['p', 'q']"),
        }
    }

    fn guard(&mut self, place: &Place) -> String {
        let mut all = vec![
            "device.flag",
            "not device.flag",
            "device.mode == 'a'",
            "device.mode in ['a', 'b']",
            "device.mode != 'c' and device.flag",
            "let.c",
            "device.words",
            "vars.v",
            "not vars.v",
            "vars.v == 'x'",
            "vars.n > 1",
            "vars.n == 1 or vars.v",
            "vars.out.ok",
            "vars.out.stdout == 'x'",
            "vars.out.ok and device.flag",
            "error",
            "error and error.kind == 'timeout'",
            "error and error.kind in ['exit', 'lost']",
        ];
        if place.exit {
            all.extend([
                "outcome.kind == 'ok'",
                "outcome.kind != 'timeout'",
                "outcome.kind in ['exit', 'failure']",
            ]);
        }
        if place.has_item {
            all.extend(["item == 'p'", "index == 0", "index > 0"]);
        }
        if place.unit > 0 {
            all.extend(["params.x == 'p'", "params.x"]);
        }
        self.tape.one(&all).to_owned()
    }

    /// A child of any scope around, or `done`.
    fn target(&mut self, place: &Place) -> String {
        let all: Vec<(String, bool)> = place
            .around
            .iter()
            .rev()
            .flat_map(|(names, here)| {
                let names = names.iter().enumerate();
                names.map(move |(n, name)| (name.clone(), n <= *here))
            })
            .collect();
        match self.tape.below(all.len() + 1) {
            0 => "done".to_owned(),
            n => {
                let (name, back) = all[n - 1].clone();
                if back {
                    self.bounded.insert(name.clone());
                }
                name
            }
        }
    }

    fn handler(&mut self, place: &Place) -> String {
        let to = self.target(place);
        self.caught.insert(to.clone());
        to
    }

    fn name(&mut self, letter: &str) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    /// Bounds what cycles go through, and takes the guards from what a catch leads to.
    fn mend(&self, value: &mut Value) {
        let Some(keys) = value.as_object_mut() else {
            return;
        };
        for (name, inner) in keys.iter_mut() {
            if let Some(state) = inner.as_object_mut() {
                if self.caught.contains(name) {
                    state.remove("when");
                }
                if self.bounded.contains(name) && !state.contains_key("end") {
                    state.entry("max_visits").or_insert(json!(2));
                }
            }
            self.mend(inner);
        }
    }
}

fn vars() -> Value {
    json!({ "v": "", "n": 0, "seven": 7, "out": { "ok": false, "stdout": "" } })
}
