//! Lines with round corners and an arrow at their end.

use std::fmt::Write as _;

/// An arrow's length and half its breadth, in pixels.
const LENGTH: i32 = 7;
const HALF: i32 = 4;
/// The radius of a corner.
const CORNER: i32 = 6;

/// Appends the line through these corners, all of whose parts are level or upright, and its arrow.
pub(super) fn arrow(out: &mut String, corners: &[(i32, i32)]) {
    let [.., before, tip] = *corners else {
        return;
    };
    let (dx, dy) = direction(before, tip);
    let end = (tip.0 - dx * (LENGTH - 1), tip.1 - dy * (LENGTH - 1));
    let (x, y) = corners[0];
    let _ = write!(out, r#"<path class="l" d="M{x} {y}"#);
    for corner in corners.windows(3) {
        turn(out, corner[0], corner[1], corner[2]);
    }
    let _ = writeln!(out, r#"L{} {}"/>"#, end.0, end.1);
    let base = (tip.0 - dx * LENGTH, tip.1 - dy * LENGTH);
    let _ = writeln!(
        out,
        r#"<path class="a" d="M{} {}L{} {}L{} {}z"/>"#,
        tip.0,
        tip.1,
        base.0 - dy * HALF,
        base.1 - dx * HALF,
        base.0 + dy * HALF,
        base.1 + dx * HALF
    );
}

fn turn(out: &mut String, from: (i32, i32), at: (i32, i32), to: (i32, i32)) {
    let length = |a: (i32, i32), b: (i32, i32)| (a.0 - b.0).abs() + (a.1 - b.1).abs();
    let radius = CORNER.min(length(from, at) / 2).min(length(at, to) / 2);
    let (dx, dy) = direction(from, at);
    let (ex, ey) = direction(at, to);
    let _ = write!(
        out,
        "L{} {}Q{} {} {} {}",
        at.0 - dx * radius,
        at.1 - dy * radius,
        at.0,
        at.1,
        at.0 + ex * radius,
        at.1 + ey * radius
    );
}

fn direction(from: (i32, i32), to: (i32, i32)) -> (i32, i32) {
    ((to.0 - from.0).signum(), (to.1 - from.1).signum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_turns_round_and_ends_at_its_tip() {
        let mut out = String::new();
        arrow(&mut out, &[(0, 0), (20, 0), (20, 40), (0, 40)]);
        assert_eq!(
            out,
            "<path class=\"l\" d=\"M0 0L14 0Q20 0 20 6L20 34Q20 40 14 40L6 40\"/>\n\
             <path class=\"a\" d=\"M0 40L7 44L7 36z\"/>\n"
        );
    }

    #[test]
    fn one_place_is_no_line() {
        let mut out = String::new();
        arrow(&mut out, &[(1, 1)]);
        arrow(&mut out, &[]);
        assert_eq!(out, "");
    }
}
