//! How large the partitions of a disk become on a block device.

use super::entry::{WHOLE, Wanted};

/// MAAS rounds partitions down to this many bytes, which is also the least it makes (MAAS,
/// `PARTITION_ALIGNMENT_SIZE`).
const ALIGNMENT: u64 = 4 << 20;

/// The least that MAAS keeps for a partition table: 4 MiB before the partitions and 1 MiB after them.
const TABLE_LEAST: u64 = 5 << 20;

/// The most: on POWER 8 MiB more for its boot partition (on BIOS machines it is 1 MiB).
const TABLE_MOST: u64 = 13 << 20;

/// Why partitions do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// Together they need more than the device has.
    Room,
    /// The share of this one comes to less than its `size`, or than MAAS makes.
    Share(usize),
    /// The size of this one is less than MAAS makes.
    Tiny(usize),
}

/// The size of each partition, in bytes, on a device of `size` bytes.
///
/// A share is one of the whole device. Where shares leave no room for the partition table, the last
/// ones are that much smaller.
///
/// # Errors
/// Why they do not fit.
pub(super) fn sizes(wanted: &[Wanted], size: u64) -> Result<Vec<u64>, Misfit> {
    let mut sizes = Vec::with_capacity(wanted.len());
    let mut total = 0_u64;
    for (at, wanted) in wanted.iter().enumerate() {
        let bytes = match wanted.share {
            None => wanted.least,
            Some(share) => of(size, share),
        };
        if bytes < ALIGNMENT && wanted.share.is_none() {
            return Err(Misfit::Tiny(at));
        }
        if bytes < ALIGNMENT.max(wanted.least) {
            return Err(Misfit::Share(at));
        }
        sizes.push(bytes);
        total = total.checked_add(aligned(bytes)).ok_or(Misfit::Room)?;
    }
    if total <= room(size, TABLE_MOST) {
        return Ok(sizes);
    }
    let has_shares = wanted.iter().any(|wanted| wanted.share.is_some());
    if !has_shares {
        return if total <= room(size, TABLE_LEAST) || wanted.is_empty() {
            Ok(sizes)
        } else {
            Err(Misfit::Room)
        };
    }
    let mut excess = total - room(size, TABLE_MOST);
    if excess > size - room(size, TABLE_MOST) {
        return Err(Misfit::Room);
    }
    for (bytes, wanted) in sizes.iter_mut().zip(wanted).rev() {
        if wanted.share.is_some() && excess > 0 {
            let least = aligned(wanted.least.max(ALIGNMENT));
            let spared = excess.min(aligned(*bytes).saturating_sub(least));
            if spared > 0 {
                *bytes = aligned(*bytes) - spared;
                excess -= spared;
            }
        }
    }
    if excess == 0 {
        Ok(sizes)
    } else {
        Err(Misfit::Room)
    }
}

/// What MAAS makes of a size.
fn aligned(bytes: u64) -> u64 {
    bytes - bytes % ALIGNMENT
}

/// What a device has for partitions beside such a table.
fn room(size: u64, table: u64) -> u64 {
    aligned(size.saturating_sub(table))
}

fn of(size: u64, share: u64) -> u64 {
    let bytes = u128::from(size) * u128::from(share) / u128::from(WHOLE);
    // At most `size`: a share is at most the whole.
    u64::try_from(bytes).unwrap_or(size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ALIGNMENT, Misfit, TABLE_LEAST, TABLE_MOST, aligned, room, sizes};
    use crate::recipe::device_types::storage_plan::entry::Wanted;

    fn fixed(least: u64) -> Wanted {
        Wanted { least, share: None }
    }

    fn share(percent: u64, least: u64) -> Wanted {
        let share = Some(percent * 1_000_000);
        Wanted { least, share }
    }

    #[test]
    fn a_share_is_one_of_the_whole_disk() {
        assert_eq!(
            sizes(&[share(40, 0), share(50, 0)], 400_000_000_000),
            Ok(vec![160_000_000_000, 200_000_000_000])
        );
        assert_eq!(
            sizes(&[share(80, 2_000_000_000)], 300_000_000_000),
            Ok(vec![240_000_000_000])
        );
    }

    #[test]
    fn the_last_share_makes_room_for_the_table() {
        let size = 400_000_000_000;
        let both = sizes(&[share(40, 0), share(60, 0)], size).expect("they fit");
        assert_eq!(both[0], 160_000_000_000);
        assert_eq!(aligned(both[0]) + both[1], room(size, TABLE_MOST));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let gib = 1 << 30;
        assert_eq!(sizes(&[fixed(gib)], gib), Err(Misfit::Room));
        assert_eq!(sizes(&[fixed(gib)], gib + TABLE_LEAST), Ok(vec![gib]));
        assert_eq!(sizes(&[fixed(4000)], gib), Err(Misfit::Tiny(0)));
        assert_eq!(
            sizes(&[fixed(gib), share(10, gib)], 4 * gib),
            Err(Misfit::Share(1))
        );
        assert_eq!(sizes(&[share(10, 0)], 8 << 20), Err(Misfit::Share(0)));
        assert_eq!(
            sizes(&[share(60, 0), fixed(2 * gib)], 4 * gib),
            Err(Misfit::Room)
        );
        assert_eq!(
            sizes(&[fixed(u64::MAX), fixed(u64::MAX)], u64::MAX),
            Err(Misfit::Room)
        );
        assert_eq!(sizes(&[], 0), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn partitions_fit_beside_the_table_and_are_as_large_as_was_asked(
            wanted in prop::collection::vec(
                (1_u64..=100, 0_u64..1 << 36, any::<bool>()).prop_map(|(percent, least, is_share)| {
                    if is_share { share(percent, least) } else { fixed(least) }
                }),
                0..6,
            ),
            size in 0_u64..1 << 40,
        ) {
            let shares: u64 = wanted.iter().filter_map(|wanted| wanted.share).sum();
            prop_assume!(shares <= 100_000_000);
            if let Ok(sizes) = sizes(&wanted, size) {
                prop_assert_eq!(sizes.len(), wanted.len());
                let made: u64 = sizes.iter().copied().map(aligned).sum();
                prop_assert!(made <= room(size, TABLE_LEAST));
                for (bytes, wanted) in sizes.iter().zip(&wanted) {
                    prop_assert!(aligned(*bytes) >= aligned(wanted.least));
                    prop_assert!(*bytes >= ALIGNMENT);
                }
            }
        }

        #[test]
        fn shares_up_to_the_whole_always_fit_a_disk_that_is_large_enough(
            cuts in prop::collection::btree_set(1_u64..100, 0..8),
            size in 8_u64 << 30..1 << 42,
        ) {
            let mut wanted = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([100]) {
                wanted.push(share(cut - from, 0));
                from = cut;
            }
            prop_assert!(sizes(&wanted, size).is_ok());
        }
    }
}
