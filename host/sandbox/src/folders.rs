//! Folders of the host that packs are granted: opened once, at load, and bounded in what they hold.
//!
//! A folder is opened when its pack is loaded, and components get that handle: whatever the path
//! names later, nothing else is reached by it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ostro_packs::{FolderGrant, FolderMode};
use tokio::sync::RwLock;
use wasmtime_wasi::runtime::spawn_blocking;

/// What the kernel shows as files and is none: from there, much of the machine is in reach.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// A folder that a pack is granted.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) grant: FolderGrant,
    pub(crate) dir: File,
    pub(crate) usage: Arc<Usage>,
}

/// What is known of the folders of all packs: two that write to one share its limits.
#[derive(Debug, Default)]
pub(crate) struct Folders(Mutex<HashMap<PathBuf, Weak<Usage>>>);

impl Folders {
    /// Opens what is granted; none of it may be, hold, or be in one of `closed`. An error says
    /// which folder and why.
    pub(crate) fn open(
        &self,
        grants: &[FolderGrant],
        closed: &[PathBuf],
    ) -> Result<Vec<Folder>, (String, String)> {
        let open = |grant: &FolderGrant| {
            self.open_one(grant, closed)
                .map_err(|reason| (grant.path.clone(), reason))
        };
        grants.iter().map(open).collect()
    }

    fn open_one(&self, grant: &FolderGrant, closed: &[PathBuf]) -> Result<Folder, String> {
        let said = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => "there is no such folder; make it, or grant another".into(),
            _ => error.to_string(),
        };
        let path = fs::canonicalize(&grant.path).map_err(said)?;
        if path.parent().is_none() {
            return Err("it is the root of the file system, which is granted to nobody".into());
        }
        if KERNEL.iter().any(|kernel| path.starts_with(kernel)) {
            return Err(format!(
                "{} belongs to the kernel, and is granted to nobody",
                path.display()
            ));
        }
        let touches = |closed: &&PathBuf| {
            // What is not there yet may come to be there.
            let closed = canonical(closed);
            path.starts_with(&closed) || closed.starts_with(&path)
        };
        if let Some(own) = closed.iter().find(touches) {
            return Err(format!(
                "ostro keeps its own state in {}, which is granted to nobody",
                own.display()
            ));
        }
        // Opening a pipe would wait for its other end.
        if !path.is_dir() {
            return Err("it is no folder".into());
        }
        let dir = File::open(&path).map_err(said)?;
        let usage = self.usage(&path);
        Ok(Folder {
            grant: grant.clone(),
            dir,
            usage,
        })
    }

    fn usage(&self, path: &Path) -> Arc<Usage> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, usage| usage.strong_count() > 0);
        if let Some(usage) = known.get(path).and_then(Weak::upgrade) {
            return usage;
        }
        let usage = Arc::new(Usage {
            path: path.to_owned(),
            counted: Mutex::default(),
            moving: RwLock::default(),
        });
        known.insert(path.to_owned(), Arc::downgrade(&usage));
        usage
    }
}

/// `path` without symbolic links, as far as it is there.
fn canonical(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(above), path.strip_prefix(above)) {
            return real.join(rest);
        }
    }
    path
}

/// How much is in a folder, whoever put it there.
///
/// Every byte that a component writes counts as one more until the folder is measured again,
/// which happens with the first write of a call, and when it seems full although something was
/// deleted or overwritten. So the count is never too low.
#[derive(Debug)]
pub(crate) struct Usage {
    path: PathBuf,
    counted: Mutex<Counted>,
    /// Held to read while something is renamed, and to write while the folder is measured: what
    /// moves meanwhile could be missed.
    pub(crate) moving: RwLock<()>,
}

#[derive(Debug, Default)]
struct Counted {
    bytes: u64,
    files: u64,
    /// What is being written, and may not be there yet.
    pending_bytes: u64,
    pending_files: u64,
    /// Whether there may be less than was counted.
    is_high: bool,
    /// What was written, and whether something was deleted, since measuring began: the measure may
    /// or may not have seen it.
    new_bytes: u64,
    new_files: u64,
    is_changed: bool,
}

/// What is being written. It counts as written once this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    usage: Arc<Usage>,
    bytes: u64,
    files: u64,
}

/// The folder holds as much as its grant allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

impl Usage {
    /// Room for so much more, if there is.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        grant: &FolderGrant,
        bytes: u64,
        files: u64,
    ) -> Result<Reserved, Full> {
        let mut counted = self.counted();
        let fits = |more: u64, pending: u64, there: u64, most: u64| {
            more == 0
                || there
                    .checked_add(pending)
                    .and_then(|sum| sum.checked_add(more))
                    .is_some_and(|sum| sum <= most)
        };
        let has_room = fits(bytes, counted.pending_bytes, counted.bytes, grant.max_size)
            && fits(files, counted.pending_files, counted.files, grant.max_files);
        if !has_room {
            return Err(Full);
        }
        counted.pending_bytes += bytes;
        counted.pending_files += files;
        Ok(Reserved {
            usage: Arc::clone(self),
            bytes,
            files,
        })
    }

    /// As [`Usage::reserve`], where the folder is measured again if that may help.
    pub(crate) async fn reserve_measured(
        self: &Arc<Self>,
        grant: &FolderGrant,
        bytes: u64,
        files: u64,
    ) -> Result<Reserved, Full> {
        if let Ok(reserved) = self.reserve(grant, bytes, files) {
            return Ok(reserved);
        }
        if !self.is_high() {
            return Err(Full);
        }
        self.measure(grant.max_files).await;
        self.reserve(grant, bytes, files)
    }

    /// How many more bytes fit.
    pub(crate) fn room(&self, grant: &FolderGrant) -> u64 {
        let counted = self.counted();
        let taken = counted.bytes.saturating_add(counted.pending_bytes);
        grant.max_size.saturating_sub(taken)
    }

    /// Whether measuring may find less than is counted.
    pub(crate) fn is_high(&self) -> bool {
        self.counted().is_high
    }

    /// Something was deleted or overwritten.
    pub(crate) fn is_less(&self) {
        let mut counted = self.counted();
        counted.is_high = true;
        counted.is_changed = true;
    }

    /// Looks at what is in the folder, up to somewhat more than `most` files.
    pub(crate) async fn measure(self: &Arc<Self>, most: u64) {
        let _still = self.moving.write().await;
        {
            let mut counted = self.counted();
            (counted.new_bytes, counted.new_files) = (0, 0);
            counted.is_changed = false;
        }
        let path = self.path.clone();
        let found = spawn_blocking(move || measured(&path, most)).await;
        // What cannot be measured is full.
        let (bytes, files) = found.unwrap_or((u64::MAX, u64::MAX));
        let mut counted = self.counted();
        counted.bytes = bytes.saturating_add(counted.new_bytes);
        counted.files = files.saturating_add(counted.new_files);
        counted.is_high = counted.is_changed || counted.new_bytes > 0 || counted.new_files > 0;
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut counted = self.usage.counted();
        counted.pending_bytes -= self.bytes;
        counted.pending_files -= self.files;
        counted.bytes = counted.bytes.saturating_add(self.bytes);
        counted.files = counted.files.saturating_add(self.files);
        counted.new_bytes = counted.new_bytes.saturating_add(self.bytes);
        counted.new_files = counted.new_files.saturating_add(self.files);
    }
}

/// The bytes and the number of files and folders below `path`; all there could be, where there
/// are more than `most` files.
fn measured(path: &Path, most: u64) -> io::Result<(u64, u64)> {
    let (mut bytes, mut files) = (0u64, 0u64);
    let mut left = vec![path.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            files += 1;
            if files > most {
                return Ok((u64::MAX, u64::MAX));
            }
            // It does not follow symbolic links.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                left.push(entry.path());
            } else {
                bytes = bytes.saturating_add(metadata.len());
            }
        }
    }
    Ok((bytes, files))
}

impl Folder {
    /// What a component may do in it; one with a validation only reads.
    pub(crate) fn mode(&self, only_reads: bool) -> FolderMode {
        if only_reads {
            FolderMode::ReadOnly
        } else {
            self.grant.mode
        }
    }
}
