//! All single mistakes of some kinds that a recipe can have.

use serde_json::{Map, Value, json};

/// A recipe with one mistake.
pub(crate) struct Mistake {
    /// What was done.
    pub(crate) kind: &'static str,
    /// Where.
    pub(crate) place: String,
    /// The recipe with it.
    pub(crate) text: String,
}

/// Keys that are left out, and what that is called.
const DROPPED: [(&str, &str); 24] = [
    ("next", "drop next"),
    ("catch", "drop catch"),
    ("retry", "drop retry"),
    ("timeout", "drop timeout"),
    ("recovery", "drop recovery"),
    ("when", "drop guard"),
    ("exit", "drop exit list"),
    ("enter", "drop enter list"),
    ("for_each", "drop for_each"),
    ("on_item_error", "drop on_item_error"),
    ("ensures", "drop ensures"),
    ("needs", "drop needs"),
    ("sets", "drop sets"),
    ("save", "drop save"),
    ("allow_failure", "drop allow_failure"),
    ("host", "drop host"),
    ("expect", "drop expect"),
    ("parse", "drop parse"),
    ("initial", "drop initial"),
    ("exit_status", "drop exit_status"),
    ("message", "drop message"),
    ("verdict", "drop verdict"),
    ("returns", "drop returns"),
    ("until", "drop until"),
];

/// Sections whose entries are left out one by one.
const SECTIONS: [&str; 7] = [
    "states",
    "device",
    "let",
    "hosts",
    "gear",
    "procedures",
    "vars",
];

const LISTS: [&str; 4] = ["enter", "do", "exit", "between"];

/// Names that expressions read.
const ROOTS: [&str; 6] = ["vars.", "device.", "params.", "let.", "error.", "outcome."];

/// Mistakes in what is written.
pub(crate) fn in_tree(recipe: &Value) -> Vec<Mistake> {
    let mut finder = Finder {
        recipe,
        found: Vec::new(),
    };
    finder.visit(recipe, "", &[]);
    finder.found
}

struct Finder<'r> {
    recipe: &'r Value,
    found: Vec<Mistake>,
}

impl Finder<'_> {
    /// The recipe with another value at a place; `None`: without it.
    fn put(&mut self, kind: &'static str, pointer: &str, change: impl FnOnce(&mut Value)) {
        let mut recipe = self.recipe.clone();
        if let Some(at) = recipe.pointer_mut(pointer) {
            change(at);
            self.found.push(Mistake {
                kind,
                place: pointer.to_owned(),
                text: recipe.to_string(),
            });
        }
    }

    fn drop_key(&mut self, kind: &'static str, pointer: &str, key: &str) {
        let key = key.to_owned();
        self.put(kind, pointer, |at| {
            if let Some(map) = at.as_object_mut() {
                map.shift_remove(&key);
            }
        });
        if let Some(last) = self.found.last_mut() {
            last.place = format!("{pointer}/{key}");
        }
    }

    fn visit(&mut self, at: &Value, pointer: &str, siblings: &[String]) {
        let key = pointer.rsplit('/').next().unwrap_or_default();
        match at {
            Value::Object(map) => self.map(map, pointer, siblings),
            Value::Array(items) => {
                if LISTS.contains(&key) {
                    self.steps(items, pointer);
                }
                for (n, item) in items.iter().enumerate() {
                    self.visit(item, &format!("{pointer}/{n}"), siblings);
                }
            }
            Value::String(text) => self.text(text, pointer),
            _ => {}
        }
    }

    fn steps(&mut self, items: &[Value], pointer: &str) {
        for n in 0..items.len() {
            self.put("drop step", pointer, |at| {
                if let Some(items) = at.as_array_mut() {
                    items.remove(n);
                }
            });
            if n + 1 < items.len() {
                self.put("swap steps", pointer, |at| {
                    if let Some(items) = at.as_array_mut() {
                        items.swap(n, n + 1);
                    }
                });
            }
        }
    }

    fn map(&mut self, map: &Map<String, Value>, pointer: &str, siblings: &[String]) {
        let section = pointer.rsplit('/').next().unwrap_or_default().to_owned();
        let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<String>>();
        if SECTIONS.contains(&section.as_str()) {
            let what = if section == "states" {
                "drop state"
            } else {
                "drop entry"
            };
            for name in map.keys() {
                self.drop_key(what, pointer, name);
            }
        }
        if section == "states" {
            let all = names(map);
            for pair in all.windows(2) {
                self.put("swap states", pointer, |at| {
                    let (one, other) = (at[&pair[0]].take(), at[&pair[1]].take());
                    at[&pair[0]] = other;
                    at[&pair[1]] = one;
                });
            }
            for (name, state) in map {
                self.visit(state, &format!("{pointer}/{name}"), &all);
            }
            return;
        }
        let input = map.contains_key("type");
        for (key, value) in map {
            let here = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            if !input && let Some((_, what)) = DROPPED.iter().find(|(of, _)| of == key) {
                self.drop_key(what, pointer, key);
            }
            match (key.as_str(), value) {
                ("next" | "to" | "initial", Value::String(target)) => {
                    let inside = names_of(map, siblings, key);
                    self.targets(&here, target, &inside, "wrong target");
                }
                ("catch", Value::String(target)) => {
                    self.targets(&here, target, siblings, "wrong handler");
                }
                ("catch", Value::Object(rows)) => {
                    for (kind, target) in rows {
                        self.drop_key("drop catch row", &here, kind);
                        let row = format!("{here}/{kind}");
                        if let Value::String(target) = target {
                            self.targets(&row, target, siblings, "wrong handler");
                        }
                        let other = if kind == "exit" { "timeout" } else { "exit" };
                        let kind = kind.clone();
                        self.put("swap kind", &here, |at| {
                            if let Some(map) = at.as_object_mut()
                                && let Some(target) = map.shift_remove(&kind)
                            {
                                map.insert(other.to_owned(), target);
                            }
                        });
                    }
                    continue;
                }
                ("errors" | "abort_on", Value::Array(kinds)) => {
                    for n in 0..kinds.len() {
                        self.put("drop kind", &here, |at| {
                            if let Some(kinds) = at.as_array_mut() {
                                kinds.remove(n);
                            }
                        });
                    }
                }
                ("next", Value::Array(rows)) => {
                    for n in 0..rows.len() {
                        self.put("drop row", &here, |at| {
                            if let Some(rows) = at.as_array_mut() {
                                rows.remove(n);
                            }
                        });
                    }
                }
                ("when" | "assert" | "that" | "until", Value::String(guard)) => {
                    let not = format!("not ({guard})");
                    self.put("negate guard", &here, |at| *at = json!(not));
                }
                ("end", Value::String(end)) => {
                    for other in ["success", "failure", "unrecoverable"] {
                        if other != end {
                            self.put("wrong end", &here, |at| *at = json!(other));
                        }
                    }
                }
                ("attempts" | "max_visits", Value::Number(n)) => {
                    let one = n.as_u64() == Some(1);
                    if !one {
                        self.put("only once", &here, |at| *at = json!(1));
                    }
                }
                _ => {}
            }
            let known = !["args", "json", "headers"].contains(&section.as_str());
            if known && !SECTIONS.contains(&section.as_str()) && key.len() > 2 && !input {
                let wrong = transposed(key);
                self.put("misspelt key", pointer, |at| {
                    if let Some(map) = at.as_object_mut() {
                        let entries = std::mem::take(map).into_iter();
                        let renamed = |name: String| match name == *key {
                            true => wrong.clone(),
                            false => name,
                        };
                        *map = entries
                            .map(|(name, value)| (renamed(name), value))
                            .collect();
                    }
                });
                if let Some(last) = self.found.last_mut() {
                    last.place = format!("{pointer}/{key}");
                }
            }
            self.visit(value, &here, siblings);
        }
    }

    fn targets(&mut self, here: &str, target: &str, others: &[String], kind: &'static str) {
        let misspelt = transposed(target);
        self.put("misspelt target", here, |at| *at = json!(misspelt));
        let done =
            (kind == "wrong target" && !here.ends_with("initial")).then(|| "done".to_owned());
        for other in others.iter().cloned().chain(done) {
            if other != target {
                self.put(kind, here, |at| *at = json!(other));
                if let Some(last) = self.found.last_mut() {
                    last.place = format!("{here} -> {other}");
                }
            }
        }
    }

    fn text(&mut self, text: &str, here: &str) {
        for root in ROOTS {
            for (at, _) in text.match_indices(root) {
                let end = at + root.len();
                let inner = at > 0
                    && text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_');
                let len = text[end..].find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &text[end..end + len.unwrap_or(text.len() - end)];
                if inner || name.len() < 2 {
                    continue;
                }
                let wrong = format!(
                    "{}{}{}",
                    &text[..end],
                    transposed(name),
                    &text[end + name.len()..]
                );
                self.put("misspelt name", here, |at| *at = json!(wrong));
            }
        }
        let swapped = match text {
            "host" => "dut",
            "dut" => "host",
            "on" => "off",
            "off" => "on",
            _ => "",
        };
        if !swapped.is_empty() {
            self.put("swap value", here, |at| *at = json!(swapped));
        }
        let digits = text.trim_end_matches(['m', 's', 'h']);
        let is_duration = digits.len() < text.len()
            && digits.len() + 2 >= text.len()
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_duration {
            let wrong = format!("{text}ec");
            self.put("misspelt unit", here, |at| *at = json!(wrong));
        }
    }
}

/// What may stand in the place of a target: for `initial` the children, else siblings.
fn names_of(map: &Map<String, Value>, siblings: &[String], key: &str) -> Vec<String> {
    match (key, map.get("states")) {
        ("initial", Some(Value::Object(states))) => states.keys().cloned().collect(),
        _ => siblings.to_vec(),
    }
}

/// A name with two letters in the wrong order, or one too many.
fn transposed(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let at = (1..letters.len())
        .rev()
        .find(|at| letters[*at] != letters[*at - 1]);
    match at {
        Some(at) => letters.swap(at, at - 1),
        None => letters.push('x'),
    }
    letters.into_iter().collect()
}

/// Mistakes of typing.
pub(crate) fn in_text(recipe: &str) -> Vec<Mistake> {
    let lines: Vec<&str> = recipe.lines().collect();
    let mut found = Vec::new();
    let mut add = |kind, n: usize, with: Vec<String>| {
        let before = lines[..n].iter().map(|line| (*line).to_owned());
        let after = lines[n + 1..].iter().map(|line| (*line).to_owned());
        let all: Vec<String> = before.chain(with).chain(after).collect();
        found.push(Mistake {
            kind,
            place: format!("line {}", n + 1),
            text: all.join("\n"),
        });
    };
    for (n, line) in lines.iter().enumerate() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let code = bare.split(" #").next().unwrap_or_default();
        let is_key = code.split_once(':').is_some_and(|(key, _)| {
            key.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if is_key {
            let line = (*line).to_owned();
            add("duplicate key", n, vec![line.clone(), line.clone()]);
            add("missing colon", n, vec![line.replacen(':', "", 1)]);
            if indent > 0 {
                add("wrong indent", n, vec![line[1..].to_owned()]);
            }
            add("tab", n, vec![format!("\t{bare}")]);
        }
        for quote in ['"', '[', ']', '{', '}'] {
            for (at, _) in code.match_indices(quote) {
                let mut line = (*line).to_owned();
                line.remove(indent + at);
                let kind = if quote == '"' {
                    "missing quote"
                } else {
                    "missing bracket"
                };
                add(kind, n, vec![line]);
            }
        }
    }
    found
}
