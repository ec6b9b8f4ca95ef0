//! Files that are there whole, or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::StoreError;

/// The end of the names of files that are being written.
pub(crate) const UNFINISHED: &str = ".new";

/// Writes a file aside, syncs it and gives it its name, so that after a crash there is what was
/// there before, or all of the new one. Only who holds the store's lock writes.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    let aside = Path::new(&name);
    let written = write_aside(aside, bytes, mode)
        .and_then(|()| fs::rename(aside, path).map_err(StoreError::io(path)));
    if written.is_err() {
        // The error tells more than this one could; what is left is swept later.
        let _ = fs::remove_file(aside);
    }
    written?;
    match path.parent() {
        Some(folder) => sync(folder),
        None => Ok(()),
    }
}

fn write_aside(aside: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    // One that a dead process left may be read-only.
    let _ = fs::remove_file(aside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(aside)
        .map_err(StoreError::io(aside))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(StoreError::io(aside))
}

/// Deletes a file; that it is gone already is no error.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(StoreError::io(path)),
    }
}

/// Has the names in a folder outlive a power failure.
pub(crate) fn sync(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::io(folder))
}

/// Makes a folder, and those above it, for nobody else.
pub(crate) fn make(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(StoreError::io(folder))
}

/// The names of the files in a folder; none if there is no such folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io(folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(StoreError::io(folder))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    Ok(names)
}
