//! What a plain scalar means: the core schema of YAML 1.2.2, section 10.3.2.

use super::node::{Kind, Style};

/// The kind of a plain scalar. `.inf` and `.nan` stay texts, as JSON has no such numbers.
pub(super) fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| Kind::Str {
        text: text.to_owned(),
        style: Style::Plain,
    })
}

fn number(text: &str) -> Option<Kind> {
    // Most scalars are words; the first byte tells them apart.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(whole) => Some(Kind::Int(whole)),
            Err(_) => float(text),
        };
    }
    is_float(unsigned).then(|| float(text)).flatten()
}

fn radix(digits: &str, radix: u32) -> Option<Kind> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok().map(Kind::Int)
}

fn float(text: &str) -> Option<Kind> {
    text.parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
        .map(Kind::Float)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && digits(text))
}

#[cfg(test)]
mod tests {
    use super::{Kind, resolve};

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        #[track_caller]
        fn case(text: &str, expected: &str) {
            let read = match resolve(text) {
                Kind::Null => "null".to_owned(),
                Kind::Bool(value) => format!("bool {value}"),
                Kind::Int(value) => format!("int {value}"),
                Kind::Float(value) => format!("float {value}"),
                Kind::Str { text, .. } => format!("text {text}"),
                Kind::Seq(_) | Kind::Map(_) => "a collection".to_owned(),
            };
            assert_eq!(read, expected);
        }
        case("", "null");
        case("~", "null");
        case("nUll", "text nUll");
        case("TRUE", "bool true");
        case("yes", "text yes");
        case("off", "text off");
        case("12", "int 12");
        case("-12", "int -12");
        case("+12", "int 12");
        case("0775", "int 775");
        case("0o17", "int 15");
        case("0x1F", "int 31");
        case("0x", "text 0x");
        case("-", "text -");
        case(".", "text .");
        case(".5", "float 0.5");
        case("5.", "float 5");
        case("1e3", "float 1000");
        case("1e", "text 1e");
        case("1.2.3", "text 1.2.3");
        case("1_000", "text 1_000");
        case("1:30", "text 1:30");
        case(".inf", "text .inf");
        case("1e999", "text 1e999");
        case("9223372036854775808", "float 9223372036854776000");
        case("12é", "text 12é");
    }
}
