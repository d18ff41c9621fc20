//! User data of a deployment, as MAAS takes it: in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How user data begins: cloud-init's own formats that are text (cloud-init, "User data formats").
const BEGINNINGS: &[&str] = &[
    "#cloud-config",
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "Content-Type: multipart",
    "MIME-Version:",
    "## template: jinja",
];

/// The user data of a job in base64. Jobs have it as text or in base64 already: what decodes to
/// something that begins like user data is passed on, without its blanks and line ends.
pub(crate) fn user_data(text: &str) -> String {
    let packed: String = text.split_ascii_whitespace().collect();
    let unpacked = STANDARD.decode(&packed).ok();
    let is_packed = unpacked.is_some_and(|bytes| {
        BEGINNINGS
            .iter()
            .any(|beginning| bytes.starts_with(beginning.as_bytes()))
    });
    if is_packed {
        packed
    } else {
        STANDARD.encode(text)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::user_data;

    const CONFIG: &str = "#cloud-config\npackages: [jq]\n";

    #[test]
    fn text_is_packed_and_what_is_packed_stays() {
        let packed = STANDARD.encode(CONFIG);
        assert_eq!(user_data(CONFIG), packed);
        assert_eq!(user_data(&packed), packed);
        let (one, two) = packed.split_at(20);
        assert_eq!(user_data(&format!("{one}\n{two}\n")), packed);
        let script = STANDARD.encode("#!/bin/sh\ntrue\n");
        assert_eq!(user_data(&script), script);
    }

    #[test]
    fn a_word_that_could_be_base64_is_text() {
        assert_eq!(user_data("packages"), STANDARD.encode("packages"));
    }

    proptest! {
        #[test]
        fn packing_twice_changes_nothing(text in "#(cloud-config|!/bin/sh)\n.{0,40}") {
            let packed = user_data(&text);
            prop_assert_eq!(STANDARD.decode(&packed).expect("base64"), text.as_bytes());
            prop_assert_eq!(user_data(&packed), packed);
        }
    }
}
