//! Secrets in texts that come from outside: outputs, responses, messages.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::Value;
use super::template::url_encoded;

/// What stands for a secret wherever it would be printed.
pub const HIDDEN: &str = "•••";

/// Secrets shorter than this, in characters, are not looked for: they would be found in innocent
/// words.
const SHORTEST: usize = 8;

/// Knows the secrets of a run, and replaces them in texts by [`HIDDEN`]: as they are, in base64 (also
/// as a part of something longer), percent-encoded, and escaped as in JSON.
#[derive(Default)]
pub struct Masker {
    forms: RwLock<Arc<Forms>>,
}

#[derive(Clone, Default)]
struct Forms {
    all: BTreeSet<Vec<u8>>,
    /// The forms that begin with a byte, the longest first.
    by_first: Vec<(u8, Vec<Vec<u8>>)>,
    /// A bit for each byte that a form begins with: most text is passed by at a glance.
    firsts: [u64; 4],
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masker")
    }
}

impl Masker {
    /// A masker that knows no secret.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `secret` is hidden where it has 8 characters or more, and each of its lines by
    /// itself (texts are looked at line by line).
    pub fn add(&self, secret: &str) {
        self.add_text(secret);
        secret.lines().for_each(|line| self.add_text(line));
    }

    /// From now on all texts and numbers in `value` are secret, as with [`Masker::add`].
    pub fn add_value(&self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.add(&number.to_string()),
            Value::String(text) => self.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.add_value(item)),
            Value::Object(members) => members.values().for_each(|member| self.add_value(member)),
        }
    }

    fn add_text(&self, text: &str) {
        let mut forms = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        for text in [text, text.trim()] {
            if text.chars().count() < SHORTEST || forms.all.contains(text.as_bytes()) {
                continue;
            }
            let forms = Arc::make_mut(&mut forms);
            for form in forms_of(text) {
                if forms.all.insert(form.clone()) {
                    forms.index(form);
                }
            }
        }
    }

    fn forms(&self) -> Arc<Forms> {
        self.forms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// `text` with its secrets replaced.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let forms = self.forms();
        if !text.bytes().any(|byte| forms.begins(byte)) {
            return Cow::Borrowed(text);
        }
        let mut held = text.as_bytes().to_vec();
        let masked = forms.mask(&mut held, &mut 0, true);
        // A form begins and ends at the boundaries of characters.
        Cow::Owned(String::from_utf8(masked).unwrap_or_else(|_| HIDDEN.to_owned()))
    }

    /// A value with the secrets in its texts (keys too) replaced.
    pub fn mask_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mask(text).into_owned()),
            Value::Number(number) => {
                let text = number.to_string();
                let masked = self.mask(&text);
                if masked == text {
                    value.clone()
                } else {
                    Value::String(masked.into_owned())
                }
            }
            Value::Array(items) => items.iter().map(|item| self.mask_value(item)).collect(),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, member)| (self.mask(name).into_owned(), self.mask_value(member)))
                    .collect(),
            ),
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    /// For text that comes in pieces: a secret across their borders is found too.
    pub fn stream(self: &Arc<Self>) -> MaskStream {
        MaskStream {
            masker: self.clone(),
            held: Vec::new(),
            covered: 0,
        }
    }
}

/// A text that is masked as it comes.
#[derive(Debug)]
pub struct MaskStream {
    masker: Arc<Masker>,
    /// What may be the beginning of a secret.
    held: Vec<u8>,
    /// How many bytes of `held` belong to a secret whose mask is out already.
    covered: usize,
}

impl MaskStream {
    /// Takes the next piece; gives what can be told by now. Less than the longest secret is held
    /// back.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        let forms = self.masker.forms();
        forms.mask(&mut self.held, &mut self.covered, false)
    }

    /// Gives what was held back: no more will come.
    pub fn finish(&mut self) -> Vec<u8> {
        let forms = self.masker.forms();
        forms.mask(&mut self.held, &mut self.covered, true)
    }
}

struct Found {
    /// The longest form that the text begins with.
    length: Option<usize>,
    /// Whether the whole text is the beginning of a longer form.
    unfinished: bool,
}

impl Forms {
    fn index(&mut self, form: Vec<u8>) {
        let Some(first) = form.first().copied() else {
            return;
        };
        self.firsts[usize::from(first / 64)] |= 1 << (first % 64);
        let slot = match self
            .by_first
            .binary_search_by_key(&first, |(byte, _)| *byte)
        {
            Ok(slot) => slot,
            Err(slot) => {
                self.by_first.insert(slot, (first, Vec::new()));
                slot
            }
        };
        let list = &mut self.by_first[slot].1;
        let place = list.partition_point(|other| other.len() > form.len());
        list.insert(place, form);
    }

    /// Masks what `held` begins with and takes it out of it; what may be the beginning of a form
    /// stays, unless this is the `last` of the text. The first `covered` bytes belong to a form whose
    /// mask is out already.
    fn mask(&self, held: &mut Vec<u8>, covered: &mut usize, last: bool) -> Vec<u8> {
        let text = mem::take(held);
        let mut masked = Vec::with_capacity(text.len());
        let mut at = 0;
        let mut end = mem::take(covered);
        while let Some((first, _)) = text.get(at..).and_then(<[u8]>::split_first) {
            if at >= end {
                let rest = text.get(at..).unwrap_or_default();
                let plain = rest.iter().take_while(|byte| !self.begins(**byte)).count();
                if plain > 0 {
                    masked.extend_from_slice(rest.get(..plain).unwrap_or_default());
                    at += plain;
                    continue;
                }
            }
            let found = self.at(text.get(at..).unwrap_or_default());
            if found.unfinished && !last {
                break;
            }
            if let Some(length) = found.length {
                if at >= end {
                    masked.extend_from_slice(HIDDEN.as_bytes());
                }
                end = end.max(at + length);
            }
            if at >= end {
                masked.push(*first);
            }
            at += 1;
        }
        *covered = end.saturating_sub(at);
        *held = text.get(at..).unwrap_or_default().to_vec();
        masked
    }

    fn begins(&self, byte: u8) -> bool {
        self.firsts[usize::from(byte / 64)] & (1 << (byte % 64)) != 0
    }

    fn at(&self, text: &[u8]) -> Found {
        let mut found = Found {
            length: None,
            unfinished: false,
        };
        let slot = text.first().and_then(|first| {
            self.by_first
                .binary_search_by_key(first, |(byte, _)| *byte)
                .ok()
        });
        let Some((_, forms)) = slot.and_then(|slot| self.by_first.get(slot)) else {
            return found;
        };
        for form in forms {
            if text.starts_with(form) {
                found.length = Some(form.len());
                break;
            }
            found.unfinished |= form.starts_with(text);
        }
        found
    }
}

fn forms_of(text: &str) -> Vec<Vec<u8>> {
    let encoded = url_encoded(text);
    let json = Value::from(text).to_string();
    let json = json
        .strip_prefix('"')
        .and_then(|inside| inside.strip_suffix('"'))
        .unwrap_or_default()
        .to_owned();
    let lower = lower_escapes(&encoded);
    let mut forms = vec![text.as_bytes().to_vec(), json.into_bytes()];
    for encoded in [encoded, lower] {
        forms.push(encoded.replace("%20", "+").into_bytes());
        forms.push(encoded.into_bytes());
    }
    for alphabet in [STANDARD, URL_SAFE] {
        let whole = alphabet.encode(text);
        forms.push(whole.trim_end_matches('=').as_bytes().to_vec());
        forms.push(whole.into_bytes());
        forms.extend((0..3).map(|offset| inner_base64(&alphabet, text.as_bytes(), offset)));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// `%2F` as `%2f`.
fn lower_escapes(encoded: &str) -> String {
    let mut digits = 0;
    encoded
        .chars()
        .map(|c| match c {
            '%' => {
                digits = 2;
                c
            }
            c if digits > 0 => {
                digits -= 1;
                c.to_ascii_lowercase()
            }
            c => c,
        })
        .collect()
}

/// The characters of base64 that `bytes` alone decide, if `offset` (modulo 3) bytes stand before them
/// and something after them.
fn inner_base64(alphabet: &impl base64::Engine, bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let encoded = alphabet.encode(&padded);
    // Each character is 6 bits: the first that holds none of the bits before, and past the last that
    // holds none of the bits after.
    let first = (offset * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    encoded
        .as_bytes()
        .get(first..end)
        .unwrap_or_default()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::Masker;

    fn masker(secrets: &[&str]) -> Arc<Masker> {
        let masker = Masker::new();
        secrets.iter().for_each(|secret| masker.add(secret));
        Arc::new(masker)
    }

    #[test]
    fn the_value_and_its_encodings_are_replaced() {
        let masker = masker(&["pass/word 1", "short", "pass/word 1+more"]);
        #[track_caller]
        fn case(masker: &Masker, text: &str, expected: &str) {
            assert_eq!(masker.mask(text), expected);
        }
        case(&masker, "a pass/word 1 b", "a ••• b");
        case(&masker, "pass/word 1+more!", "•••!");
        case(&masker, "pass/word 1pass/word 1", "••••••");
        case(&masker, "short pass/word", "short pass/word");
        case(&masker, "q=pass%2Fword%201&x", "q=•••&x");
        case(&masker, "q=pass%2fword+1&x", "q=•••&x");
        case(&masker, "q=pass%2Fword+1&x", "q=•••&x");
        case(&masker, "q=pass%2fword%201&x", "q=•••&x");
        case(&masker, &STANDARD.encode("pass/word 1"), "•••");
        case(&masker, "é", "é");
    }

    #[test]
    fn a_secret_inside_longer_base64_is_found_at_every_alignment() {
        let masker = masker(&["correct horse"]);
        for user in ["a", "ab", "abc"] {
            let header = STANDARD.encode(format!("{user}:correct horse!"));
            let masked = masker.mask(&header);
            assert!(
                masked.contains("•••") && masked.chars().count() < 12,
                "{masked}"
            );
        }
    }

    #[test]
    fn overlapping_secrets_leave_nothing() {
        let masker = masker(&["abcdefgh", "efghijkl"]);
        assert_eq!(masker.mask("xabcdefghijkly"), "x•••y");
    }

    #[test]
    fn lines_numbers_and_members_of_a_secret_are_secrets() {
        let masker = Masker::new();
        masker.add_value(&json!({"key": "BEGIN KEY\nAAAABBBB\n", "pin": 12_345_678}));
        assert_eq!(masker.mask("1 AAAABBBB"), "1 •••");
        assert_eq!(
            masker.mask_value(&json!({"AAAABBBB": [12_345_678, 1, null], "b": "x BEGIN KEY"})),
            json!({"•••": ["•••", 1, null], "b": "x •••"})
        );
    }

    proptest! {
        #[test]
        fn pieces_are_masked_as_the_whole(
            text in "[ab]{0,60}",
            secrets in prop::collection::vec("[ab]{8,12}", 0..3),
            cuts in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let masker = masker(&secrets);
            let mut stream = masker.stream();
            let mut masked = Vec::new();
            let mut rest = text.as_str();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                masked.extend(stream.push(piece.as_bytes()));
                rest = after;
            }
            masked.extend(stream.push(rest.as_bytes()));
            masked.extend(stream.finish());
            let masked = String::from_utf8(masked)?;
            prop_assert_eq!(masked.as_str(), masker.mask(&text));
            for secret in secrets {
                prop_assert!(!masked.contains(secret));
            }
        }

        #[test]
        fn any_text_can_be_masked(text in ".{0,40}", secret in ".{8,12}") {
            let masker = masker(&[&secret]);
            let whole = format!("{text}{secret}{text}");
            prop_assert!(!masker.mask(&whole).contains(&secret));
        }
    }
}
