//! Grants of folders.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::scalar;
use crate::units;

/// The most that a folder may be granted to hold.
const MAX_FILES: u64 = 1_000_000;

/// A folder of the host that a component sees through WASI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FolderGrant {
    /// Where it is on the host: an absolute path. It is opened when the pack is loaded.
    #[serde(deserialize_with = "host_path")]
    pub path: String,
    /// What may be done in it.
    #[serde(default)]
    pub mode: FolderMode,
    /// Where the component sees it: an absolute path.
    #[serde(rename = "as", deserialize_with = "guest_path")]
    pub guest: String,
    /// The most bytes that the folder may hold for a component to write more.
    #[serde(
        default = "max_size",
        skip_serializing_if = "is_max_size",
        deserialize_with = "size",
        serialize_with = "shown_size"
    )]
    pub max_size: u64,
    /// The most files and folders that it may hold for a component to make more.
    #[serde(
        default = "max_files",
        skip_serializing_if = "is_max_files",
        deserialize_with = "files"
    )]
    pub max_files: u64,
}

/// What a component may do in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FolderMode {
    /// Read.
    #[default]
    #[serde(rename = "ro")]
    ReadOnly,
    /// Read, write, make and delete, within the folder's limits.
    #[serde(rename = "rw")]
    ReadWrite,
}

impl FolderMode {
    /// As grants spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            FolderMode::ReadOnly => "ro",
            FolderMode::ReadWrite => "rw",
        }
    }
}

impl FolderGrant {
    /// A grant with the limits that one has which says none.
    pub fn new(path: &str, mode: FolderMode, guest: &str) -> Self {
        Self {
            path: path.to_owned(),
            mode,
            guest: guest.to_owned(),
            max_size: max_size(),
            max_files: max_files(),
        }
    }
}

/// A line for a person.
impl std::fmt::Display for FolderGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            path, mode, guest, ..
        } = self;
        write!(f, "folder {path} as {guest}, {}", mode.as_str())?;
        if *mode == FolderMode::ReadWrite {
            let size = units::show_size(self.max_size);
            write!(f, ", up to {size} in {} files", self.max_files)?;
        }
        Ok(())
    }
}

/// Grants of folders, each under a name of its own.
pub(super) fn folders<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<FolderGrant>, D::Error> {
    let folders = Vec::<FolderGrant>::deserialize(from)?;
    for (at, folder) in folders.iter().enumerate() {
        if folders[..at].iter().any(|one| one.guest == folder.guest) {
            return Err(serde::de::Error::custom(format!(
                "files: two folders are seen as {}",
                folder.guest
            )));
        }
    }
    Ok(folders)
}

/// Whether `text` is an absolute path that says the same to everybody: no `.` or `..`, nothing
/// empty, no control character.
fn is_plain(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    text.len() <= 1024
        && !text.chars().any(char::is_control)
        && text
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(part))
}

fn host_path<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    scalar(from, |text| {
        if is_plain(text) {
            return Ok(text.to_owned());
        }
        Err(format!(
            "{text:?} is no folder that can be granted: write an absolute path without `.`, `..` \
             and a `/` at its end, and not the root itself"
        ))
    })
}

fn guest_path<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    scalar(from, |text| {
        if is_plain(text) && !text.contains(':') {
            return Ok(text.to_owned());
        }
        Err(format!(
            "{text:?} is no place for a folder: write an absolute path, as /templates"
        ))
    })
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    scalar(from, units::size)
}

fn files<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let files = u64::deserialize(from)?;
    if files <= MAX_FILES {
        return Ok(files);
    }
    Err(serde::de::Error::custom(format!(
        "max-files: {files} is more than {MAX_FILES}"
    )))
}

fn max_size() -> u64 {
    256 << 20
}

fn max_files() -> u64 {
    10_000
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_max_size(size: &u64) -> bool {
    *size == max_size()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_max_files(files: &u64) -> bool {
    *files == max_files()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn shown_size<S: Serializer>(size: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&units::show_size(*size))
}

#[cfg(test)]
mod tests {
    use crate::grants::Grants;

    fn parse(line: &str) -> Result<Grants, String> {
        let text = format!("files: [{line}]");
        Grants::parse(&text, "g").map_err(|error| error.to_string())
    }

    #[test]
    fn folders_are_read_and_written() {
        let text = "{path: /usr/share/heat-templates, mode: ro, as: /templates}, \
                    {path: /var/lib/plans, mode: rw, as: /plans, max-size: 1MiB, max-files: 7}";
        let grants = parse(text).unwrap();
        let again = serde_yaml::to_string(&grants).unwrap();
        assert_eq!(Grants::parse(&again, "g").unwrap(), grants);
        let lines: Vec<_> = grants.files.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "folder /usr/share/heat-templates as /templates, ro",
                "folder /var/lib/plans as /plans, rw, up to 1MiB in 7 files"
            ]
        );
        assert!(!grants.is_empty());
    }

    #[test]
    fn what_is_no_folder_is_refused() {
        for (line, part) in [
            ("{path: /, as: /a}", "not the root itself"),
            ("{path: relative, as: /a}", "no folder that can be granted"),
            (
                "{path: /srv/../etc, as: /a}",
                "no folder that can be granted",
            ),
            ("{path: /srv//x, as: /a}", "no folder that can be granted"),
            ("{path: /srv/, as: /a}", "no folder that can be granted"),
            (
                "{path: \"/srv/a\\0b\", as: /a}",
                "no folder that can be granted",
            ),
            ("{path: /srv, as: a}", "no place for a folder"),
            ("{path: /srv, as: /}", "no place for a folder"),
            ("{path: /srv, as: /a/../b}", "no place for a folder"),
            ("{path: /srv, mode: rwx, as: /a}", "unknown variant"),
            ("{path: /srv, as: /a, max-size: 5GiB}", "no size"),
            ("{path: /srv, as: /a, max-files: 1000001}", "more than"),
            ("{path: /srv, as: /a, more: 1}", "unknown field"),
            ("{path: /srv, as: /a}, {path: /usr, as: /a}", "seen as /a"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
