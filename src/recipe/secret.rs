//! Secrets in texts that come from outside: outputs, responses, messages.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands for a secret wherever it would be printed.
pub const HIDDEN: &str = "•••";

/// A shorter value is not looked for: it would be found in innocent words (LANGUAGE.md, section 9).
const SHORTEST: usize = 8;

/// Knows the secret values of a run, and replaces them in texts by [`HIDDEN`].
#[derive(Default)]
pub struct Masker {
    /// Longest first, so that what is part of another doesn't break it up.
    forms: RwLock<Vec<String>>,
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

    /// From now on `secret` is hidden where it has 8 characters or more: itself, its base64 and URL
    /// forms, and, since texts are looked at line by line, each of its lines.
    pub fn add(&self, secret: &str) {
        let mut forms = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        let lines = secret.lines().map(str::trim);
        for part in std::iter::once(secret).chain(lines) {
            if part.chars().count() < SHORTEST {
                continue;
            }
            let encoded = [
                part.to_owned(),
                STANDARD_NO_PAD.encode(part),
                URL_SAFE_NO_PAD.encode(part),
                url_form(part),
            ];
            for form in encoded {
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
        }
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text without the secrets.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let forms = self.forms.read().unwrap_or_else(PoisonError::into_inner);
        let mut masked = Cow::Borrowed(text);
        for form in forms.iter() {
            if masked.contains(form.as_str()) {
                masked = Cow::Owned(masked.replace(form.as_str(), HIDDEN));
            }
        }
        masked
    }
}

/// Percent-encoded but for the unreserved characters of RFC 3986.
fn url_form(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Masker;

    #[test]
    fn a_secret_is_hidden_in_each_of_its_forms() {
        let masker = Masker::new();
        masker.add("pass word/1");
        masker.add("short");
        #[track_caller]
        fn case(masker: &Masker, text: &str, masked: &str) {
            assert_eq!(masker.mask(text), masked);
        }
        case(&masker, "a pass word/1 b", "a ••• b");
        case(&masker, "?p=pass%20word%2F1&", "?p=•••&");
        case(&masker, "cGFzcyB3b3JkLzE=", "•••=");
        case(&masker, "short", "short");
        case(&masker, "nothing", "nothing");
    }

    #[test]
    fn a_line_of_a_longer_secret_is_hidden_and_the_longest_form_goes_first() {
        let masker = Masker::new();
        masker.add("abcdefgh");
        masker.add("abcdefghijkl");
        masker.add("-----BEGIN KEY-----\nc2VjcmV0a2V5\n");
        assert_eq!(masker.mask("abcdefghijkl"), "•••");
        assert_eq!(masker.mask("key: c2VjcmV0a2V5"), "key: •••");
    }
}
