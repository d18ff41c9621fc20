//! Steps as the loader makes them of a recipe: every action in its short and its long form.

use serde_json::json;
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::load_text;
use tf_engine::recipe::model::{Body, Step};

use crate::bench::Bench;

/// The steps of a recipe's one stage, and a bench with its gear.
fn steps(gear: &str, steps: &str) -> (Bench, Vec<Step>) {
    let gear = indented(gear, 2);
    let steps = indented(steps, 6);
    let text = format!(
        "recipe: lowered\nsummary: Each action\ngear:\n{gear}\nvars: {{ n: 1 }}\nstages:\n  \
         provision:\n    timeout: 1h\n    do:\n{steps}\n"
    );
    let loaded = load_text(&Library::new([]), "lowered", &text);
    let found: Vec<String> = loaded
        .findings
        .0
        .iter()
        .map(|finding| finding.message.clone())
        .collect();
    assert!(found.is_empty(), "{found:?}\n{text}");
    let recipe = loaded.recipe.expect("it was read");
    let stage = recipe.stages.get("provision").expect("the stage");
    let Body::Leaf { steps } = &stage.root.body else {
        panic!("it is a leaf");
    };
    let mut bench = Bench::new();
    for (name, gear) in recipe.gear {
        bench = bench.with_gear(&name, gear);
    }
    bench.context.set("vars", json!({"n": 1}));
    let steps = steps.iter().map(|step| Step::clone(step)).collect();
    (bench, steps)
}

fn indented(text: &str, by: usize) -> String {
    text.lines()
        .map(|line| format!("{:by$}{line}\n", ""))
        .collect()
}

#[tokio::test]
async fn every_form_of_every_action_does_what_it_says() {
    let gear = r"
power:
  kind: power
  off_time: 10ms
  verify: true
  driver:
    turn_on: [ { run: echo on >power } ]
    turn_off: [ { commands: echo off >power } ]
    read: [ { run: [cat, power] } ]
card:
  kind: mux
  host: local
  driver:
    to_host: [ { run: echo host >mux; echo /dev/null } ]
    to_dut: [ { run: { argv: [sh, -c, echo dut >mux] } } ]
    read: [ { run: cat mux } ]
console: { kind: serial, address: 127.0.0.1, port: 9 }
";
    let each = r#"
- run: test {{ vars.n }} = 1
- run: [test, "{{ vars.n }}", "=", 1]
- run: { argv: [sh, -c, 'test $(cat) = in'], input: in }
- commands: "true"
- commands: ["true", "test 1 = 1"]
- commands: { lines: ["true"], each: none }
- commands: { lines: ["true"], each: 5s, allow_empty: true }
- write: { path: a/b, content: "[{{ vars.n }}]", mode: "0600", parents: true }
- read: a/b
  parse: json
- read: { glob: "a/*" }
- power: "on"
- power: cycle
- power: { to: read, gear: power }
- power: { to: "off", off_time: 1s, verify: false }
- mux: { card: host }
- mux: { card: read }
- sleep: 1ms
- sleep: 0.001
- set: { a: 1, b: "{{ vars.n }}", c: [1, { d: 2 }] }
- assert: vars.n == 1
- assert: { that: gear.power.present, message: "{{ vars.n }}", kind: io }
- log: "{{ vars.n }} is {{ [1] }}"
- log: { text: x, level: debug, plain: true }
- wait: { run: test 1 = 1, every: 1s, each: none }
  timeout: 10s
- wait: { run: [echo, "{{ vars.n }}"], until: result.stdout == "1\n", abort_when: "false", abort_on: [io] }
  timeout: 10s
- wait: { run: { shell: "true" } }
  timeout: 10s
- wait:
    steps:
      - run: echo 2
        save: got
      - set: { n: "{{ vars.got.stdout | trim | int }}" }
      - assert: vars.n == 2
  timeout: 10s
"#;
    let (bench, steps) = steps(gear, each);
    let bench = bench.ready();
    for step in steps {
        let at = format!("{}: {:?}", step.name, step.params);
        let shown = bench.describe(step.clone());
        assert!(shown.is_ok_and(|shown| !shown.is_empty()), "{at}");
        let done = bench.perform(step).await;
        if let Err(error) = done.result {
            panic!("{}: {error}\n{at}", error.kind);
        }
    }
    assert_eq!(bench.file("power"), "off\n");
    assert_eq!(bench.file("mux"), "host\n");
}

#[tokio::test]
async fn what_fails_by_design_fails_so() {
    let each = r#"
- fail: "{{ vars.n }} is wrong"
- fail: { kind: io, message: x }
- assert: { that: vars.n == 2, kind: auth }
- wait: { tcp: "localhost{{ '' }}", abort_on: [input] }
  timeout: 10s
- run: { shell: "exit {{ vars.n }}" }
- http: "http://127.0.0.1:1/"
- authorize: { host: local, keys: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" }
"#;
    let (bench, steps) = steps("x: null\n", each);
    let bench = bench.ready();
    let mut kinds = Vec::new();
    for step in steps {
        kinds.push(bench.perform(step).await.error().0);
    }
    assert_eq!(
        kinds,
        [
            "failed",
            "io",
            "auth",
            "input",
            "exit",
            "unreachable",
            "input"
        ]
    );
}
