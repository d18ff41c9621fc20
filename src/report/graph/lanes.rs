//! Which of several parallel tracks beside a column each vertical line takes.

use std::collections::BTreeMap;

/// Tracks beside a column, at most. What finds no room in them leaves its box and says where it leads.
const MOST: usize = 40;

/// Pixels between two lines on one track.
const APART: i32 = 6;

/// For each line, from top to bottom, its track: 0 is next to the column. Short lines come first, so
/// that they lie inside long ones.
pub(super) fn assign(lines: &[(i32, i32)]) -> Vec<Option<i32>> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&at| (lines[at].1.saturating_sub(lines[at].0), at));
    let mut tracks: Vec<BTreeMap<i32, i32>> = Vec::new();
    let mut taken = vec![None; lines.len()];
    for at in order {
        let (top, bottom) = lines[at];
        let fits = |track: &BTreeMap<i32, i32>| {
            let above = track.range(..=bottom.saturating_add(APART)).next_back();
            above.is_none_or(|(_, &end)| end.saturating_add(APART) < top)
        };
        let track = match tracks.iter().position(fits) {
            Some(track) => track,
            None if tracks.len() < MOST => {
                tracks.push(BTreeMap::new());
                tracks.len() - 1
            }
            None => continue,
        };
        tracks[track].insert(top, bottom);
        taken[at] = i32::try_from(track).ok();
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_meet_take_different_tracks_and_the_short_one_is_inside() {
        assert_eq!(assign(&[(0, 100), (20, 40)]), [Some(1), Some(0)]);
        assert_eq!(assign(&[(0, 40), (60, 100)]), [Some(0), Some(0)]);
        assert_eq!(assign(&[]), []);
    }

    #[test]
    fn tracks_run_out() {
        let lines: Vec<(i32, i32)> = (0..50).map(|n| (-n, n)).collect();
        let taken = assign(&lines);
        assert_eq!(taken.iter().flatten().count(), MOST);
        assert_eq!(taken[49], None);
    }
}
