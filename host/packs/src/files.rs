//! The files of a pack, from a folder or from an artifact, each and all of them bounded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use crate::error::PackError;
use crate::manifest::check_relative;

/// The manifest's name in a pack.
pub(crate) const MANIFEST: &str = "pack.yaml";

/// Files by their path in the pack.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The most that a file of a pack may have.
pub const MAX_FILE: u64 = 128 << 20;
/// The most that all files of a pack may have.
pub const MAX_TOTAL: u64 = 512 << 20;
/// How many files a pack may have.
pub const MAX_FILES: usize = 4096;

/// What is said of more than that.
const TOO_LARGE: &str = "it holds more than 4096 files, a file of more than 128 MiB, or more than \
                         512 MiB in all";

/// Reads the file `path` of the pack in `dir`; none if there is no such file.
pub(crate) fn read(dir: &Path, path: &str) -> Result<Option<Vec<u8>>, PackError> {
    let full = dir.join(path);
    match File::open(&full) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(MAX_FILE + 1)
                .read_to_end(&mut bytes)
                .map_err(PackError::io(&full))?;
            if bytes.len() as u64 > MAX_FILE {
                return Err(PackError::TooBig {
                    what: full.display().to_string(),
                    limit: MAX_FILE,
                });
            }
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PackError::io(full)(error)),
    }
}

/// Reads the `.wit` files in the folder `path` of the pack in `dir`, and those of the packages
/// in its `deps`.
pub(crate) fn read_wit(dir: &Path, path: &str, files: &mut Files) -> Result<(), PackError> {
    read_wit_folder(dir, path, files)?;
    let deps = inside(path, "deps");
    if !dir.join(&deps).is_dir() {
        return Ok(());
    }
    for package in read_wit_folder(dir, &deps, files)? {
        read_wit_folder(dir, &package, files)?;
    }
    Ok(())
}

/// Reads the `.wit` files in one folder, and answers with the folders in it.
fn read_wit_folder(dir: &Path, path: &str, files: &mut Files) -> Result<Vec<String>, PackError> {
    let full = dir.join(path);
    let mut folders = Vec::new();
    for entry in fs::read_dir(&full).map_err(PackError::io(&full))? {
        let entry = entry.map_err(PackError::io(&full))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let name = inside(path, &name);
        if entry.path().is_dir() {
            folders.push(name);
        } else if is_wit(&name)
            && let Some(bytes) = read(dir, &name)?
        {
            files.insert(name, bytes);
        }
        if files.len() + folders.len() > MAX_FILES {
            let what = format!("{}: the list of files", full.display());
            return Err(PackError::TooBig {
                what,
                limit: MAX_FILES as u64,
            });
        }
    }
    Ok(folders)
}

/// Whether `path` is a file of WIT text.
pub(crate) fn is_wit(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|end| end == "wit")
}

/// The path of `name` in the folder `path`.
fn inside(path: &str, name: &str) -> String {
    if path == "." {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

/// Reads an artifact.
pub(crate) fn unpack(path: &Path) -> Result<Files, PackError> {
    let wrong = |reason: String| PackError::Artifact {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(PackError::io(path))?;
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut files = Files::new();
    let mut total = 0;
    for entry in archive
        .entries()
        .map_err(|error| wrong(error.to_string()))?
    {
        let entry = entry.map_err(|error| wrong(error.to_string()))?;
        let name = entry.path_bytes().into_owned();
        let name = String::from_utf8(name).map_err(|_| wrong("a name is no UTF-8".into()))?;
        if !entry.header().entry_type().is_file() {
            return Err(wrong(format!("{name:?} is no plain file")));
        }
        check_relative(&name).map_err(wrong)?;
        let mut bytes = Vec::new();
        entry
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| wrong(error.to_string()))?;
        total += bytes.len() as u64;
        if bytes.len() as u64 > MAX_FILE || total > MAX_TOTAL || files.len() >= MAX_FILES {
            return Err(wrong(TOO_LARGE.to_owned()));
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(wrong(format!("{name:?} is there twice")));
        }
    }
    Ok(files)
}

/// Files from elsewhere than a folder or an artifact, checked and bounded as those are; `source`
/// names them in messages.
pub(crate) fn collect(
    given: impl IntoIterator<Item = (String, Vec<u8>)>,
    source: &str,
) -> Result<Files, PackError> {
    let wrong = |reason: String| PackError::Artifact {
        path: source.into(),
        reason,
    };
    let mut files = Files::new();
    let mut total = 0;
    for (name, bytes) in given {
        check_relative(&name).map_err(wrong)?;
        total += bytes.len() as u64;
        if bytes.len() as u64 > MAX_FILE || total > MAX_TOTAL || files.len() >= MAX_FILES {
            return Err(wrong(TOO_LARGE.to_owned()));
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(wrong(format!("{name:?} is there twice")));
        }
    }
    Ok(files)
}

/// Writes an artifact. The same files give the same bytes.
pub(crate) fn pack(files: &Files, path: &Path) -> Result<(), PackError> {
    let io = |error| PackError::io(path)(error);
    // Written aside and renamed, so that a reader never sees half of it.
    let aside = path.with_extension("ostro.new");
    let file = File::create(&aside).map_err(io)?;
    let mut file = archive(files, BufWriter::new(file)).map_err(io)?;
    file.flush().map_err(io)?;
    fs::rename(&aside, path).map_err(io)
}

/// Writes an artifact to `to`, and gives that back. The same files give the same bytes.
pub(crate) fn archive<W: Write>(files: &Files, to: W) -> std::io::Result<W> {
    let mut archive = tar::Builder::new(to);
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    archive.into_inner()
}
