//! The entries of a layout, each read by itself.

use super::size;
use crate::recipe::Value;

/// How many millionths of a percent make a whole.
pub(super) const WHOLE: u64 = 100_000_000;

/// One entry: where it stands, for messages (`disks[2] (partition "p1")`), its name, what it says.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: String,
    pub(super) id: String,
    pub(super) kind: Kind,
}

/// What an entry says. Names of other entries are not looked up yet.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Disk {
        name: Option<String>,
        boot: bool,
    },
    Partition {
        device: String,
        wanted: Wanted,
        number: Option<String>,
    },
    Format {
        volume: String,
        fstype: String,
        label: String,
    },
    Mount {
        device: String,
        path: String,
    },
}

/// How large a partition is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Bytes: its size, or with a share the least that the share may come to.
    pub(super) least: u64,
    /// The share of the disk, in millionths of a percent: 1 to 100 %.
    pub(super) share: Option<u64>,
}

/// Reads all entries.
///
/// # Errors
/// All that is wrong, a sentence each.
pub(super) fn read(disks: &Value) -> Result<Vec<Entry>, Vec<String>> {
    let Some(list) = disks.as_array() else {
        return Err(vec![format!("`disks` is a list of entries, not `{disks}`")]);
    };
    let mut wrong = Vec::new();
    let mut entries: Vec<Entry> = Vec::new();
    for (number, value) in list.iter().enumerate() {
        let Some(entry) = read_one(number, value, &mut wrong) else {
            continue;
        };
        match entries.iter().find(|other| other.id == entry.id) {
            Some(other) => wrong.push(format!("{}: {} has that `id` already", entry.at, other.at)),
            None => entries.push(entry),
        }
    }
    if wrong.is_empty() {
        Ok(entries)
    } else {
        Err(wrong)
    }
}

/// An entry, or nothing where something in it is wrong and has been told.
fn read_one(number: usize, value: &Value, wrong: &mut Vec<String>) -> Option<Entry> {
    let place = format!("disks[{number}]");
    if !value.is_object() {
        wrong.push(format!(
            "{place}: an entry is a map with `type` and `id`, not `{value}`"
        ));
        return None;
    }
    let kind = value.get("type").and_then(Value::as_str);
    let id = value.get("id").and_then(scalar);
    let at = match (kind, &id) {
        (Some(kind), Some(id)) => format!("{place} ({kind} \"{id}\")"),
        (Some(kind), None) => format!("{place} ({kind})"),
        (None, _) => place,
    };
    let before = wrong.len();
    let mut fields = Fields {
        at: &at,
        value,
        wrong,
    };
    if id.is_none() {
        fields.complain("`id` is missing: a text or a number by which other entries name this one");
    }
    let kind = match kind {
        Some("disk") => Kind::Disk {
            name: fields.optional("name"),
            boot: fields.flag("boot"),
        },
        Some("partition") => Kind::Partition {
            device: fields.needed("device", "the `id` of the disk that it is on"),
            wanted: fields.wanted(),
            number: fields.optional("number"),
        },
        Some("format") => Kind::Format {
            volume: fields.needed("volume", "the `id` of the partition or disk that it is on"),
            fstype: fields.needed("fstype", "a file system such as `ext4`"),
            label: fields.needed("label", "the file system's name"),
        },
        Some("mount") => Kind::Mount {
            device: fields.needed("device", "the `id` of the format that is mounted"),
            path: fields.path(),
        },
        Some(other) => {
            fields.complain(&format!(
                "`{other}` is not supported: the types are `disk`, `partition`, `format` and `mount`"
            ));
            return None;
        }
        None => {
            fields.complain("`type` is missing: `disk`, `partition`, `format` or `mount`");
            return None;
        }
    };
    (wrong.len() == before).then_some(Entry {
        at,
        id: id.unwrap_or_default(),
        kind,
    })
}

/// A text that is not empty, or a number, as a text; so that `1` and `"1"` are one name.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The keys of one entry, and where complaints about them go.
struct Fields<'a> {
    at: &'a str,
    value: &'a Value,
    wrong: &'a mut Vec<String>,
}

impl Fields<'_> {
    fn complain(&mut self, what: &str) {
        self.wrong.push(format!("{}: {what}", self.at));
    }

    /// A key's value; null is not given.
    fn get(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    fn optional(&mut self, key: &str) -> Option<String> {
        let value = self.get(key)?;
        let text = scalar(value);
        if text.is_none() {
            self.complain(&format!("`{key}` is a text that is not empty"));
        }
        text
    }

    fn needed(&mut self, key: &str, what: &str) -> String {
        if self.get(key).is_none() {
            self.complain(&format!("`{key}` is missing: {what}"));
        }
        self.optional(key).unwrap_or_default()
    }

    fn flag(&mut self, key: &str) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                let what = format!("`{key}` is true or false, not `{other}`");
                self.complain(&what);
                false
            }
        }
    }

    fn path(&mut self) -> String {
        let path = self.needed("path", "where it is mounted, such as `/`");
        // Swap has no place in the tree.
        if !path.is_empty() && !path.starts_with('/') && path != "none" {
            self.complain(&format!(
                "`path` begins with `/`, unlike `{path}`; for swap it is `none`"
            ));
        }
        path
    }

    fn wanted(&mut self) -> Wanted {
        let least = match self.get("size").map(size::bytes) {
            None => None,
            Some(Ok(bytes)) => Some(bytes),
            Some(Err(sentence)) => {
                self.complain(&format!("`size`: {sentence}"));
                return Wanted {
                    least: 0,
                    share: None,
                };
            }
        };
        let share = match self.get("alloc_pct").map(share) {
            None => None,
            Some(Ok(share)) => Some(share),
            Some(Err(sentence)) => {
                self.complain(&format!("`alloc_pct`: {sentence}"));
                return Wanted {
                    least: 0,
                    share: None,
                };
            }
        };
        if share.is_none() && least.is_none() {
            self.complain("`size` or `alloc_pct` is missing: how large the partition is to be");
        } else if share.is_none() && least == Some(0) {
            self.complain("`size` is 0");
        }
        Wanted {
            least: least.unwrap_or(0),
            share,
        }
    }
}

/// A percentage from 1 to 100, in millionths of a percent.
fn share(value: &Value) -> Result<u64, String> {
    let percent = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match percent {
        Some(percent) if (1.0..=100.0).contains(&percent) =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "1 to 100 million"
            )]
            Ok((percent * 1e6).round() as u64)
        }
        _ => Err(format!("`{}` is no percentage from 1 to 100", plain(value))),
    }
}

fn plain(value: &Value) -> String {
    scalar(value).unwrap_or_else(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kind, Wanted, read};

    #[test]
    fn names_may_be_numbers() {
        let entries = read(&json!([
            {"type": "disk", "id": 0, "name": "main", "disk": 0, "ptable": "gpt"},
            {"type": "partition", "id": 1, "device": 0, "alloc_pct": "80", "number": 1},
        ]))
        .expect("a layout");
        assert_eq!(entries[0].at, "disks[0] (disk \"0\")");
        let Kind::Partition { device, wanted, .. } = &entries[1].kind else {
            unreachable!("it is a partition");
        };
        assert_eq!(device, "0");
        let share = Some(80_000_000);
        assert_eq!(*wanted, Wanted { least: 0, share });
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        #[track_caller]
        fn case(entry: &serde_json::Value, message: &str) {
            let wrong = read(&json!([entry])).expect_err("it is wrong");
            assert!(wrong.iter().any(|line| line == message), "{wrong:?}");
        }
        case(
            &json!(7),
            "disks[0]: an entry is a map with `type` and `id`, not `7`",
        );
        case(
            &json!({"id": "d"}),
            "disks[0]: `type` is missing: `disk`, `partition`, `format` or `mount`",
        );
        case(
            &json!({"type": "raid", "id": "md0"}),
            "disks[0] (raid \"md0\"): `raid` is not supported: the types are `disk`, `partition`, `format` and `mount`",
        );
        case(
            &json!({"type": "disk"}),
            "disks[0] (disk): `id` is missing: a text or a number by which other entries name this one",
        );
        case(
            &json!({"type": "disk", "id": "d", "boot": "yes"}),
            "disks[0] (disk \"d\"): `boot` is true or false, not `\"yes\"`",
        );
        let partition = |key: &str, value: serde_json::Value| {
            let mut entry = json!({"type": "partition", "id": "p", "device": "d", "size": "1G"});
            entry[key] = value;
            entry
        };
        case(
            &partition("size", json!("1Tb")),
            "disks[0] (partition \"p\"): `size`: `1Tb` is no size: write a number with `B`, `k`, `M`, `G`, `T` (1000) or `KiB` to `TiB` (1024)",
        );
        case(
            &partition("size", json!(null)),
            "disks[0] (partition \"p\"): `size` or `alloc_pct` is missing: how large the partition is to be",
        );
        case(
            &partition("size", json!(0)),
            "disks[0] (partition \"p\"): `size` is 0",
        );
        for share in [json!(0), json!(101), json!("half"), json!(true)] {
            let shown = share.as_str().map_or(share.to_string(), str::to_owned);
            case(
                &partition("alloc_pct", share),
                &format!(
                    "disks[0] (partition \"p\"): `alloc_pct`: `{shown}` is no percentage from 1 to 100"
                ),
            );
        }
        case(
            &partition("device", json!(null)),
            "disks[0] (partition \"p\"): `device` is missing: the `id` of the disk that it is on",
        );
        case(
            &json!({"type": "format", "id": "f", "volume": "p", "fstype": "ext4"}),
            "disks[0] (format \"f\"): `label` is missing: the file system's name",
        );
        case(
            &json!({"type": "mount", "id": "m", "device": "f", "path": "srv"}),
            "disks[0] (mount \"m\"): `path` begins with `/`, unlike `srv`; for swap it is `none`",
        );
    }

    #[test]
    fn two_entries_with_one_name_are_refused() {
        let wrong = read(&json!([
            {"type": "disk", "id": 1},
            {"type": "disk", "id": "1"},
            {"type": "lvm_volgroup", "id": "vg"},
        ]))
        .expect_err("it is wrong");
        assert_eq!(wrong.len(), 2);
        assert_eq!(
            wrong[0],
            "disks[1] (disk \"1\"): disks[0] (disk \"1\") has that `id` already"
        );
        assert!(read(&json!("flat")).is_err());
    }
}
