//! JUnit's XML, as CI servers read it: a `testsuite` per file, a `testcase` per scenario. Times are
//! those of the virtual clock.

use std::fmt::Write as _;

use super::story::{headline, logged, story};
use super::{Tested, counts};

/// All of it.
pub fn junit(tested: &[Tested]) -> String {
    let (all, failed) = counts(tested);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tf-engine test\" \
         tests=\"{all}\" failures=\"{failed}\">\n"
    );
    for file in tested {
        let (all, failed) = counts(std::slice::from_ref(file));
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{all}\" failures=\"{failed}\" errors=\"0\" \
             skipped=\"0\">",
            escaped(&file.recipe)
        );
        for tried in &file.tried {
            let took = tried.played.as_ref().map(|played| played.took);
            let _ = write!(
                text,
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" time=\"{:.3}\"",
                escaped(&file.recipe),
                escaped(&tried.name),
                escaped(&file.label),
                took.unwrap_or_default().as_secs_f64()
            );
            if tried.passed() {
                text.push_str("/>\n");
                continue;
            }
            let story: Vec<String> = story(file, tried).iter().map(|told| told.text()).collect();
            let _ = write!(
                text,
                ">\n      <failure message=\"{}\">{}</failure>\n",
                escaped(&headline(file, tried)),
                escaped(&story.join("\n"))
            );
            if let Ok(played) = &tried.played {
                let log = logged(&played.log).join("\n");
                let _ = writeln!(text, "      <system-out>{}</system-out>", escaped(&log));
            }
            text.push_str("    </testcase>\n");
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// A text as XML 1.0 can hold it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_text_is_what_xml_can_hold() {
        assert_eq!(
            escaped("a<b & \"c\"\u{1}"),
            "a&lt;b &amp; &quot;c&quot;\u{fffd}"
        );
    }
}
