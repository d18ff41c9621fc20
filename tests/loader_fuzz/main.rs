//! The loader meets thousands of broken recipes, device configs and jobs: it answers each, and never
//! panics.
//!
//! Mutations are made from real recipes by a generator with a fixed seed, so that a failure can be
//! seen again; its input is printed.

mod mutation;
mod tools;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tf_engine::check::check;
use tf_engine::diagnostic::SourceFile;
use tf_engine::recipe::inputs::bind;
use tf_engine::recipe::library::Library;
use tf_engine::recipe::load::{Loaded, load, load_text};
use tf_engine::recipe::model::Recipe;
use tf_engine::report::findings::{Style, render};

use mutation::{Random, mutate};

const STYLE: Style = Style {
    color: false,
    width: 100,
};

/// Loads, checks and prints; with data if there are any.
fn all_of(name: &str, text: &str) -> Loaded {
    let mut loaded = load_text(&Library::default(), name, text);
    if let Some(recipe) = &loaded.recipe {
        loaded.findings.0.extend(check(recipe).0);
    }
    loaded.findings.sort();
    let printed = render(&loaded.sources, &loaded.findings, STYLE);
    assert_eq!(printed.is_empty(), loaded.findings.0.is_empty());
    for finding in loaded.findings.0.iter().take(100) {
        if let Some(span) = finding.span {
            assert!(loaded.sources.position(span).is_some(), "{finding:?}");
        }
    }
    loaded
}

/// Runs `body`; a panic shows the text that led to it.
#[track_caller]
fn survives(text: &str, body: impl FnOnce()) {
    let result = catch_unwind(AssertUnwindSafe(body));
    assert!(result.is_ok(), "it panicked on:\n{text}");
}

/// The recipes that are built in, by name.
fn shipped() -> Vec<(String, String)> {
    let library = Library::default();
    library
        .names()
        .into_iter()
        .map(|name| {
            let text = library.open(&name).expect("it ships").text;
            (name, text)
        })
        .collect()
}

#[test]
fn mutated_recipes_are_answered() {
    let recipes = shipped();
    let mut random = Random(1);
    let mut refused = 0;
    for _ in 0..3000 {
        let (name, text) = random.pick(&recipes);
        let text = mutate(text, &mut random);
        survives(&text, || {
            let loaded = all_of(name, &text);
            refused += usize::from(loaded.findings.has_errors());
        });
    }
    // Most mutations break something; if not, the loader is not looking.
    assert!(refused > 1500, "only {refused} were refused");
}

#[test]
fn mutated_bad_recipes_are_answered() {
    let texts: Vec<String> = std::fs::read_dir("tests/diagnostics")
        .expect("the folder is there")
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .collect();
    let mut random = Random(2);
    for _ in 0..3000 {
        let text = random.pick(&texts);
        let text = mutate(text, &mut random);
        survives(&text, || {
            all_of("x", &text);
        });
    }
}

fn muxpi() -> Recipe {
    load(&Library::default(), "muxpi").recipe.expect("it ships")
}

fn file(name: &str, text: &str) -> Option<SourceFile> {
    Some(SourceFile {
        name: name.to_owned(),
        text: text.to_owned(),
    })
}

const DEVICE: &str = "\
device_ip: 10.0.0.2
control_host: 10.0.0.1
control_user: ubuntu
test_device: /dev/sda
reboot_script: [snmpset -c private, sleep 5]
serial_host: 10.0.0.1
serial_port: 7001
post_provision_script:
  - echo \"done\"
secret_id: 0123
";

const JOB: &str = r#"{
  "job_id": "00000000-0000-0000-0000-000000000000",
  "provision_data": {"url": "http://images/x.img.xz", "create_user": true, "media": "sd"},
  "test_data": {"test_cmds": "echo hello\nfalse\n", "test_username": "ubuntu", "test_password": "hunter2"},
  "reserve_data": {"ssh_keys": ["lp:me"], "timeout": 3600}
}
"#;

#[test]
fn mutated_data_are_answered() {
    let recipe = muxpi();
    let whole = bind(
        &recipe,
        "provision",
        file("d", DEVICE),
        file("j", JOB),
        None,
    );
    assert!(!whole.findings.has_errors(), "{:?}", whole.findings);
    let mut random = Random(3);
    for _ in 0..3000 {
        let device = mutate(DEVICE, &mut random);
        let job = mutate(JOB, &mut random);
        survives(&format!("{device}\n{job}"), || {
            let binding = bind(
                &recipe,
                "provision",
                file("d", &device),
                file("j", &job),
                None,
            );
            render(&binding.sources, &binding.findings, STYLE);
        });
    }
}

#[test]
fn bombs_are_answered_with_a_reason() {
    #[track_caller]
    fn refused(text: &str) {
        let loaded = all_of("x", text);
        assert!(loaded.findings.has_errors());
    }
    refused(&"[".repeat(100_000));
    refused(&"- ".repeat(100_000));
    refused(&"{a: ".repeat(100_000));
    refused(&"? ".repeat(100_000));
    let stairs: String = (0..2000)
        .map(|n| format!("{}a:\n", " ".repeat(n)))
        .collect();
    refused(&stairs);
    let mut laughs = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, last) in ('b'..='j').zip('a'..) {
        laughs.push_str(&format!(
            "{name}: &{name} [{}]\n",
            format!("*{last}, ").repeat(9)
        ));
    }
    refused(&laughs);
    refused(&"x".repeat(9 << 20));
    refused(&"\"".repeat(100_000));
    refused(&"a: &a\n".repeat(50_000));
    // Templates and expressions.
    let with = |when: &str| {
        format!(
            "recipe: x\nsummary: X\nstages:\n  provision:\n    timeout: 1m\n    do:\n      - log: x\n        when: {when:?}\n"
        )
    };
    refused(&with(&"(".repeat(100_000)));
    refused(&with(&"not ".repeat(100_000)));
    refused(&with(&format!("{}1", "-".repeat(100_000))));
    refused(&with(&"a.".repeat(100_000)));
    refused(&with(&format!(
        "{}1{}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    )));
    refused(&with(&vec!["1"; 50_000].join(" + ")));
    let log = |text: &str| {
        format!(
            "recipe: x\nsummary: X\nstages:\n  provision:\n    timeout: 1m\n    do:\n      - log: {text:?}\n"
        )
    };
    refused(&log(&"{% if x %}".repeat(50_000)));
    refused(&log(&"{{".repeat(100_000)));
    refused(&log(&"{% for x in y %}".repeat(50_000)));
}

/// A recipe of many states, each with a step, a retry and a handler.
fn large(states: usize) -> String {
    let mut text = String::from(
        "recipe: x\nsummary: X\nvars: { seen: 0 }\nstages:\n  provision:\n    timeout: 1h\n    initial: s0\n    states:\n",
    );
    for n in 0..states {
        let next = if n + 1 == states {
            "done".to_owned()
        } else {
            format!("s{}", n + 1)
        };
        text.push_str(&format!(
            "      s{n}:\n        do:\n          - run: echo {{{{ vars.seen }}}} {n}\n            save: out{n}\n            retry: {{ attempts: 3, delay: 1s }}\n          - set: {{ seen: \"{{{{ vars.out{n}.stdout }}}}\" }}\n        catch: last\n        next: {next}\n"
        ));
    }
    text.push_str("      last:\n        do: [ { log: it failed } ]\n        next: done\n");
    text
}

#[test]
fn three_thousand_states_are_read() {
    let loaded = all_of("x", &large(3000));
    assert!(
        loaded.findings.0.is_empty(),
        "{:?}",
        loaded.findings.0.first()
    );
    // And as many mistakes are all told.
    let broken = large(3000).replace("catch: last", "catch: nowhere");
    let loaded = all_of("x", &broken);
    assert!(loaded.findings.0.len() >= 3000);
}

#[test]
fn data_bombs_are_answered_with_a_reason() {
    let recipe = muxpi();
    let refused = |device: &str, job: &str| {
        let binding = bind(
            &recipe,
            "provision",
            file("d", device),
            file("j", job),
            None,
        );
        render(&binding.sources, &binding.findings, STYLE);
        assert!(binding.findings.has_errors());
    };
    refused(&"[".repeat(100_000), JOB);
    refused(DEVICE, &"[".repeat(100_000));
    refused(DEVICE, &"{\"a\":".repeat(100_000));
    refused(DEVICE, "");
    refused(DEVICE, "[1]");
    refused("- a\n", JOB);
    let many = format!(
        "{{\"provision_data\": {{\"url\": [{}]}}}}",
        vec!["1"; 200_000].join(",")
    );
    refused(DEVICE, &many);
}
