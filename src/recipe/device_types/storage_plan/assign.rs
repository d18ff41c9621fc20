//! Which block device each disk of a layout becomes.

/// Gives each disk a device of its own, so that `fits(disk, device)` holds for all. Each disk, in
/// order, gets the first device that leaves one for every disk after it. Nothing if there is no such
/// assignment.
///
/// `fits` is asked once for each pair; the work after that is at most disks² × devices².
pub(super) fn assign(
    disks: usize,
    devices: usize,
    fits: impl Fn(usize, usize) -> bool,
) -> Option<Vec<usize>> {
    let candidates: Vec<Vec<usize>> = (0..disks)
        .map(|disk| (0..devices).filter(|device| fits(disk, *device)).collect())
        .collect();
    let mut matching = Matching {
        candidates: &candidates,
        held: vec![None; devices],
        settled: 0,
    };
    for disk in 0..disks {
        if !matching.place(disk, &mut vec![false; devices]) {
            return None;
        }
    }
    for (disk, devices) in candidates.iter().enumerate() {
        for device in devices {
            if matching.settle(disk, *device) {
                break;
            }
        }
    }
    let mut assigned = vec![None; disks];
    for (device, disk) in matching.held.iter().enumerate() {
        if let Some(place) = disk.and_then(|disk| assigned.get_mut(disk)) {
            *place = Some(device);
        }
    }
    assigned.into_iter().collect()
}

/// A matching of disks and devices, improved by augmenting paths (Berge, 1957).
struct Matching<'a> {
    candidates: &'a [Vec<usize>],
    /// Of each device, the disk that has it.
    held: Vec<Option<usize>>,
    /// Disks before this one keep their device.
    settled: usize,
}

impl Matching<'_> {
    /// Finds a device for a disk, moving others where that helps.
    fn place(&mut self, disk: usize, seen: &mut [bool]) -> bool {
        let candidates = self.candidates;
        for &device in candidates.get(disk).into_iter().flatten() {
            let Some(is_seen) = seen.get_mut(device) else {
                continue;
            };
            if std::mem::replace(is_seen, true) {
                continue;
            }
            let is_free = match self.held.get(device).copied().flatten() {
                None => true,
                Some(holder) => holder >= self.settled && self.place(holder, seen),
            };
            if is_free {
                self.hold(device, Some(disk));
                return true;
            }
        }
        false
    }

    /// Gives the disk this device for good, if every other disk still gets one.
    fn settle(&mut self, disk: usize, device: usize) -> bool {
        let before = self.held.clone();
        let holder = self.held.get(device).copied().flatten();
        if holder.is_some_and(|holder| holder < disk) {
            return false;
        }
        if holder != Some(disk) {
            for place in &mut self.held {
                if *place == Some(disk) {
                    *place = None;
                }
            }
            self.hold(device, Some(disk));
        }
        self.settled = disk + 1;
        let mut seen = vec![false; before.len()];
        let moved = holder.filter(|holder| *holder != disk);
        if moved.is_none_or(|holder| self.place(holder, &mut seen)) {
            return true;
        }
        self.held = before;
        self.settled = disk;
        false
    }

    fn hold(&mut self, device: usize, disk: Option<usize>) {
        if let Some(place) = self.held.get_mut(device) {
            *place = disk;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::assign;

    fn by_size(needs: &[u64], sizes: &[u64]) -> Option<Vec<usize>> {
        assign(needs.len(), sizes.len(), |disk, device| {
            needs[disk] <= sizes[device]
        })
    }

    #[test]
    fn the_order_of_the_list_is_kept_where_it_can_be() {
        assert_eq!(by_size(&[15, 20], &[20, 30]), Some(vec![0, 1]));
        assert_eq!(by_size(&[1, 1], &[5, 5, 5]), Some(vec![0, 1]));
        assert_eq!(by_size(&[], &[5]), Some(vec![]));
    }

    #[test]
    fn a_small_disk_leaves_the_large_device_to_the_large_one() {
        // First come, first served would give the only large one away.
        assert_eq!(by_size(&[10, 100], &[100, 10]), Some(vec![1, 0]));
        assert_eq!(by_size(&[10, 10, 100], &[100, 50, 20]), Some(vec![1, 2, 0]));
        assert_eq!(by_size(&[10, 100], &[100, 9]), None);
        assert_eq!(by_size(&[1, 1], &[5]), None);
    }

    /// All assignments in lexical order, tried one by one.
    fn first(needs: &[u64], sizes: &[u64], taken: &mut Vec<usize>) -> bool {
        let Some(need) = needs.get(taken.len()) else {
            return true;
        };
        for (device, size) in sizes.iter().enumerate() {
            if size >= need && !taken.contains(&device) {
                taken.push(device);
                if first(needs, sizes, taken) {
                    return true;
                }
                taken.pop();
            }
        }
        false
    }

    proptest! {
        #[test]
        fn it_is_the_first_of_all_that_there_are(
            needs in prop::collection::vec(0_u64..8, 0..5),
            sizes in prop::collection::vec(0_u64..8, 0..6),
        ) {
            let mut taken = Vec::new();
            let expected = first(&needs, &sizes, &mut taken).then_some(taken);
            prop_assert_eq!(by_size(&needs, &sizes), expected);
        }
    }
}
