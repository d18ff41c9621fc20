//! Mutations of a text, by a generator with a seed.

use std::ops::Range;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What people type by mistake, and what YAML, templates and shells stumble over.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{{ ",
    " }}",
    "{# x #}",
    "[",
    "]",
    "{",
    "}",
    ": ",
    ":",
    "- ",
    "\t",
    "\n",
    "\r\n",
    "#",
    " #",
    "&a ",
    "*a",
    "<<: ",
    "!x ",
    "---\n",
    "...\n",
    "? ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "\\",
    "%",
    "@",
    "`",
    "~",
    "null",
    "true",
    "off",
    "0775",
    "1:30",
    "99999999999999999999",
    "-1",
    ".inf",
    "1e400",
    "é",
    "\u{FEFF}",
    "\u{0}",
    "🦀",
    "next: done",
    "when: ",
    "vars.x",
    "done",
    "states:",
    "do:",
    "end: failure",
    "extends: base",
    "call: x",
    "call: base.reboot",
    "type: list",
    "retry: 3",
    "timeout: none",
    "366d",
    "1TiB",
    "${x#y}",
    "$(x)",
    "a.b.c.d",
    "| raw",
    "not ",
    " and ",
    "((((",
    "))))",
];

/// A mutation of a text, at line or character level.
pub(crate) fn mutate(text: &str, random: &mut Random) -> String {
    let mut text = text.to_owned();
    for _ in 0..=random.below(4) {
        text = once(&text, random);
    }
    text
}

fn once(text: &str, random: &mut Random) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let edges: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let line = random.below(lines.len());
    match random.below(13) {
        // Lines: away, twice, swapped, deeper or less deep.
        0 => lines
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != line)
            .map(|(_, line)| *line)
            .collect(),
        1 => lines
            .iter()
            .enumerate()
            .flat_map(|(n, text)| std::iter::repeat_n(*text, 1 + usize::from(n == line)))
            .collect(),
        2 => {
            let mut lines = lines;
            let other = random.below(lines.len());
            if !lines.is_empty() {
                lines.swap(line, other);
            }
            lines.concat()
        }
        3 => lines
            .iter()
            .enumerate()
            .map(|(n, text)| {
                if n == line {
                    format!("  {text}")
                } else {
                    (*text).to_owned()
                }
            })
            .collect(),
        4 => lines
            .iter()
            .enumerate()
            .map(|(n, text)| if n == line { text.trim_start() } else { text })
            .collect(),
        // Characters: away, put in, exchanged; the rest cut off.
        5 => {
            let at = *random.pick(&edges);
            let rest = text[at..].chars().next().map_or(0, char::len_utf8);
            format!("{}{}", &text[..at], &text[at + rest..])
        }
        6 => {
            let at = *random.pick(&edges);
            format!("{}{}{}", &text[..at], random.pick(PIECES), &text[at..])
        }
        7 => {
            let (a, b) = (*random.pick(&edges), *random.pick(&edges));
            let (a, b) = (a.min(b), a.max(b).min(a.min(b) + 200));
            let b = (b..=text.len())
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(text.len());
            format!("{}{}{}", &text[..a], random.pick(PIECES), &text[b..])
        }
        8 => {
            let at = *random.pick(&edges);
            let rest = text[at..].chars().next().map_or(0, char::len_utf8);
            let other = char::from_u32(random.below(0x2_0000) as u32).unwrap_or('\u{FFFD}');
            format!("{}{other}{}", &text[..at], &text[at + rest..])
        }
        // Words: two change places, one becomes another of the text, a number becomes a large one.
        9 | 10 => {
            let words: Vec<Range<usize>> = words(text);
            if words.is_empty() {
                return text.to_owned();
            }
            let (a, b) = (random.pick(&words).clone(), random.pick(&words).clone());
            let other = text[b].to_owned();
            format!("{}{other}{}", &text[..a.start], &text[a.end..])
        }
        11 => {
            let digits: Vec<usize> = text
                .char_indices()
                .filter(|(_, letter)| letter.is_ascii_digit())
                .map(|(at, _)| at)
                .collect();
            if digits.is_empty() {
                return text.to_owned();
            }
            let at = *random.pick(&digits);
            let large = ["9".repeat(30), "0".to_owned(), "4294967296".to_owned()];
            format!("{}{}{}", &text[..at], random.pick(&large), &text[at + 1..])
        }
        _ => text[..*random.pick(&edges)].to_owned(),
    }
}

/// Where the words of a text are.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (letter.is_alphanumeric() || letter == '_', begin) {
            (true, None) => begin = Some(at),
            (false, Some(from)) => {
                words.push(from..at);
                begin = None;
            }
            _ => {}
        }
    }
    words
}
