//! Two lists side by side: the shortest way from what was expected to what happened.

/// A line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// As expected.
    Same(String),
    /// Expected, and did not happen.
    Missing(String),
    /// Happened, and was not expected.
    Extra(String),
}

/// Cells of the table that is made; lists whose table would be larger are compared line by line.
const CELLS: usize = 4_000_000;

/// Compares two lists, by their longest common subsequence.
pub(super) fn compare<E, H>(
    expected: &[E],
    happened: &[H],
    same: impl Fn(&E, &H) -> bool,
    expected_text: impl Fn(&E) -> String,
    happened_text: impl Fn(&H) -> String,
) -> Vec<Line> {
    let (rows, columns) = (expected.len(), happened.len());
    let width = columns + 1;
    let mut common = Vec::new();
    if rows.saturating_mul(width) <= CELLS {
        common = vec![0_u32; (rows + 1) * width];
        for row in (0..rows).rev() {
            for column in (0..columns).rev() {
                let at = row * width + column;
                common[at] = if same(&expected[row], &happened[column]) {
                    common[at + width + 1] + 1
                } else {
                    common[at + width].max(common[at + 1])
                };
            }
        }
    }
    let cell = |row: usize, column: usize| common.get(row * width + column).copied().unwrap_or(0);
    let (mut row, mut column) = (0, 0);
    let mut lines = Vec::new();
    while row < rows || column < columns {
        let pair = expected.get(row).zip(happened.get(column));
        if let Some((one, other)) = pair
            && same(one, other)
        {
            lines.push(Line::Same(happened_text(other)));
            (row, column) = (row + 1, column + 1);
        } else if row < rows
            && (column >= columns || cell(row + 1, column) >= cell(row, column + 1))
        {
            lines.push(Line::Missing(expected_text(&expected[row])));
            row += 1;
        } else {
            lines.push(Line::Extra(happened_text(&happened[column])));
            column += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Line, compare};

    #[test]
    fn what_both_have_stays_together() {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let shown = |one: &str, other: &str| {
            let lines = compare(
                &words(one),
                &words(other),
                |one, other| one == other,
                Clone::clone,
                Clone::clone,
            );
            let marked: Vec<String> = lines
                .into_iter()
                .map(|line| match line {
                    Line::Same(text) => text,
                    Line::Missing(text) => format!("-{text}"),
                    Line::Extra(text) => format!("+{text}"),
                })
                .collect();
            marked.join(" ")
        };
        assert_eq!(shown("a b c", "a b c"), "a b c");
        assert_eq!(shown("a b c", "a c"), "a -b c");
        assert_eq!(shown("a c", "a b c"), "a +b c");
        assert_eq!(shown("a b c d", "a x c y d"), "a -b +x c +y d");
        assert_eq!(shown("", "a"), "+a");
        assert_eq!(shown("a", ""), "-a");
    }
}
