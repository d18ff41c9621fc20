//! HPE's firmware repository: a folder for each generation of servers, in it one for each release
//! (SPP), in that an index of the files.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

use super::json::{list, object_in, text};
use super::version::Version;
use crate::diagnostic::plain;

/// Folders by what the model's name has.
const FOLDERS: &[(&str, &str)] = &[
    ("gen10", "fwpp-gen10"),
    ("gen11", "fwpp-gen11"),
    ("gen12", "fwpp-gen12"),
];

/// The folder of a server's generation, from the output of `ilorest systeminfo --system --json`.
///
/// # Errors
/// No model in it, or one of another generation.
pub(crate) fn folder(system: &str) -> Result<&'static str, String> {
    let system = object_in(system, "what `ilorest systeminfo` printed")?;
    let model = system
        .get("system")
        .and_then(|system| text(system, "Model"))
        .ok_or("`ilorest systeminfo` named no model of this server")?;
    let lower = model.to_lowercase();
    FOLDERS
        .iter()
        .find(|(generation, _)| lower.contains(generation))
        .map(|(_, folder)| *folder)
        .ok_or_else(|| {
            format!(
                "HPE's firmware repository is known for Gen10, Gen11 and Gen12, not for `{}`",
                plain(model)
            )
        })
}

/// A release in a link of the folder's page.
static RELEASE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)href\s*=\s*["'](?:[^"'<>]*/)?([0-9]{4}\.[0-9]{2}\.[0-9]{1,2}[0-9a-z._]*)/?["']"#,
    )
    .expect("a test walks through it")
});

/// The release that is wanted: `latest`, or one that the folder's page (HTML) has a link to.
///
/// # Errors
/// A release that is not there, and a page without any.
pub(crate) fn release(page: &str, version: &str) -> Result<String, String> {
    let mut releases: Vec<&str> = RELEASE
        .captures_iter(page)
        .filter_map(|link| link.get(1))
        .map(|release| release.as_str())
        .collect();
    releases.sort_by_key(|release| Version::of(release));
    let Some(newest) = releases.last() else {
        return Err("the page of HPE's firmware repository has no link to a release".to_owned());
    };
    if version == "latest" {
        return Ok((*newest).to_owned());
    }
    releases
        .contains(&version)
        .then(|| version.to_owned())
        .ok_or_else(|| {
            format!(
                "SPP {} is not in HPE's firmware repository; the newest there is {newest}",
                plain(version)
            )
        })
}

/// A file of a release.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Package {
    pub(super) file: String,
    pub(super) version: String,
    pub(super) class: Option<String>,
    /// Ids of the parts that it is for, in lower case.
    pub(super) targets: Vec<String>,
    /// The oldest version that it may be installed over.
    pub(super) minimum: Option<String>,
}

/// The `.fwpkg` files of a release's index (`fwrepodata/fwrepo.json`). Some entries of older indexes
/// don't list their targets: then the `current` release's entry of that file does.
pub(super) fn packages(index: &str, current: &str) -> Result<Vec<Package>, String> {
    let read = |index: &str| object_in(index, "the index of HPE's firmware repository");
    let (index, current) = (read(index)?, read(current)?);
    let entries: BTreeMap<&String, &Value> = index.as_object().into_iter().flatten().collect();
    let packages = entries.into_iter().filter(|(file, _)| is_package(file));
    Ok(packages
        .filter_map(|(file, entry)| {
            let targets = [Some(entry), current.get(file)]
                .into_iter()
                .flatten()
                .map(|entry| list(entry, "target"))
                .find(|targets| !targets.is_empty());
            Some(Package {
                file: file.clone(),
                version: text(entry, "version")?.to_owned(),
                class: given(entry, "deviceclass"),
                targets: match targets {
                    Some(targets) => targets
                        .iter()
                        .filter_map(Value::as_str)
                        .flat_map(ids)
                        .collect(),
                    None => text(entry, "target").map_or_else(Vec::new, |text| ids(text).collect()),
                },
                minimum: given(entry, "minimum_active_version"),
            })
        })
        .collect())
}

/// Whether it is the name of a package, and no path: it becomes a part of a URL and of a path.
fn is_package(file: &str) -> bool {
    file.ends_with(".fwpkg")
        && !file.starts_with(['.', '-'])
        && file
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
}

/// The ids in a text, whatever stands between them.
fn ids(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|id| !id.is_empty())
        .map(str::to_ascii_lowercase)
}

/// A text; the index writes `null` in quotes, too.
fn given(entry: &Value, name: &str) -> Option<String> {
    text(entry, name)
        .filter(|text| *text != "null")
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{folder, packages, release};

    #[test]
    fn the_model_decides_the_folder() {
        #[track_caller]
        fn case(model: &str, expected: Option<&str>) {
            let system = json!({"system": {"Model": model}}).to_string();
            assert_eq!(folder(&system).ok(), expected, "{model}");
        }
        case("HPE ProLiant DL380 Gen10 Plus", Some("fwpp-gen10"));
        case("HPE ProLiant DL325 gen11", Some("fwpp-gen11"));
        case("HPE ProLiant Compute DL380 Gen12", Some("fwpp-gen12"));
        case("ProLiant DL380 Gen9", None);
        case("", None);
        assert!(folder("{}").unwrap_err().contains("no model"));
    }

    const PAGE: &str = "<a href=\"?C=N;O=D\">Name</a> <a href=\"/SDR/repo/\">Parent</a>
        <a href=\"2023.09.00.04/\">2023.09.00.04/</a> 2023-09-28
        <a href='2023.10.00.00/'>2023.10.00.00/</a> <a href=\"2022.9.1/\">no release</a>
        <a HREF = \"/SDR/repo/fwpp-gen10/2023.9.01/\">no release</a> <a href=\"current/\">current/</a>";

    #[test]
    fn the_newest_release_is_so_by_its_numbers() {
        assert_eq!(release(PAGE, "latest").as_deref(), Ok("2023.10.00.00"));
        assert_eq!(
            release(PAGE, "2023.09.00.04").as_deref(),
            Ok("2023.09.00.04")
        );
        let rooted = "<a href=\"/SDR/repo/fwpp-gen11/2024.02.00.00/\">x</a>";
        assert_eq!(release(rooted, "latest").as_deref(), Ok("2024.02.00.00"));
    }

    #[test]
    fn a_release_that_is_not_there_is_named() {
        let message = release(PAGE, "2023.09.10.04").unwrap_err();
        assert!(
            message.starts_with("SPP 2023.09.10.04 is not in"),
            "{message}"
        );
        assert!(release("<html></html>", "latest").is_err());
    }

    #[test]
    fn packages_have_their_targets_whichever_way_the_index_has_them() {
        let index = json!({
            "a.fwpkg": {"version": "1", "target": ["T-1", "T-2"], "deviceclass": "c", "minimum_active_version": "null"},
            "b.fwpkg": {"version": "1", "target": "t-3", "minimum_active_version": "0.9", "deviceclass": null},
            "c.fwpkg": {"version": "1", "target": "see elsewhere"},
            "d.rpm": {"version": "1", "target": ["t-1"]},
            "../e.fwpkg": {"version": "1", "target": ["t-1"]},
            "-f.fwpkg": {"version": "1", "target": ["t-1"]},
            "g.fwpkg": {"target": ["t-1"]},
        });
        let current = json!({"c.fwpkg": {"version": "2", "target": ["t-4"]}});
        let found = packages(&index.to_string(), &current.to_string()).expect("an index");
        let files: Vec<(&str, Vec<&str>)> = found
            .iter()
            .map(|it| {
                (
                    it.file.as_str(),
                    it.targets.iter().map(String::as_str).collect(),
                )
            })
            .collect();
        let expected = [
            ("a.fwpkg", vec!["t-1", "t-2"]),
            ("b.fwpkg", vec!["t-3"]),
            ("c.fwpkg", vec!["t-4"]),
        ];
        assert_eq!(files, expected);
        assert_eq!(
            (found[0].minimum.as_deref(), found[1].minimum.as_deref()),
            (None, Some("0.9"))
        );
        assert_eq!(
            (found[0].class.as_deref(), found[1].class.as_deref()),
            (Some("c"), None)
        );
    }
}
