//! Who holds a block device that can't be had exclusively.
//!
//! From proc(5) (`mountinfo`, `swaps`) and sysfs (`/sys/dev/block`); what can't be read is left out,
//! because the answer only makes a message better.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One sentence fragment that says what holds the device with this number, or its partitions.
pub(super) fn describe(device: u64) -> String {
    let number = format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    let sys = Path::new("/sys/dev/block").join(&number);
    let numbers = with_partitions(&sys, number);
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut holders: Vec<String> = mounts(&mountinfo, &numbers)
        .map(|(source, at)| format!("{source} is mounted on {at}"))
        .collect();
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    holders.extend(swaps.lines().skip(1).filter_map(|line| {
        let path = line.split_whitespace().next()?;
        let used = fs::metadata(path).ok()?;
        let number = std::os::unix::fs::MetadataExt::rdev(&used);
        let number = format!(
            "{}:{}",
            rustix::fs::major(number),
            rustix::fs::minor(number)
        );
        numbers
            .contains(&number)
            .then(|| format!("{path} is used as swap"))
    }));
    let stacked = fs::read_dir(sys.join("holders"))
        .into_iter()
        .flatten()
        .flatten();
    holders.extend(stacked.map(|entry| format!("{} is built on it", entry.file_name().display())));
    if holders.is_empty() {
        "something holds it: a mount in another namespace, or a volume manager".to_owned()
    } else {
        holders.join(", ")
    }
}

fn with_partitions(sys: &Path, number: String) -> BTreeSet<String> {
    let mut numbers = BTreeSet::from([number]);
    for entry in fs::read_dir(sys).into_iter().flatten().flatten() {
        if entry.path().join("partition").exists()
            && let Ok(number) = fs::read_to_string(entry.path().join("dev"))
        {
            numbers.insert(number.trim().to_owned());
        }
    }
    numbers
}

/// What of these devices is mounted where: source and mount point.
fn mounts<'t>(
    mountinfo: &'t str,
    numbers: &'t BTreeSet<String>,
) -> impl Iterator<Item = (String, String)> + 't {
    mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(2);
        let number = fields.next()?;
        let point = fields.nth(1)?;
        let source = after.split(' ').nth(1)?;
        numbers
            .contains(number)
            .then(|| (unescape(source), unescape(point)))
    })
}

/// Undoes the octal escapes of proc(5): space, tab, newline, backslash.
fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .into_iter()
    .fold(field.to_owned(), |text, (escaped, plain)| {
        text.replace(escaped, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_a_partition_is_found() {
        let mountinfo = "\
            36 35 8:1 / /boot rw,noatime master:1 - ext4 /dev/sda1 rw\n\
            37 35 8:17 / /media/my\\040card rw - vfat /dev/sdb1 rw\n\
            a line that is none\n";
        let numbers = BTreeSet::from(["8:16".to_owned(), "8:17".to_owned()]);
        let found: Vec<_> = mounts(mountinfo, &numbers).collect();
        assert_eq!(
            found,
            [("/dev/sdb1".to_owned(), "/media/my card".to_owned())]
        );
    }
}
