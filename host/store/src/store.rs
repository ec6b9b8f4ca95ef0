//! The folder of installed packs.
//!
//! | in it | what |
//! |---|---|
//! | `packs.json` | the [`Record`], replaced as a whole |
//! | `objects/sha256-…` | artifacts under their pack's digest, read-only; locked while a host gives them to executions |
//! | `keys/ID.pub` | minisign's keys that the operator trusts |
//! | `lock` | held while something is changed |
//! | `starting` | held, shared, while an execution is being started that is not written yet |
//!
//! An artifact is written and synced before the record names it, and deleted after the record has
//! forgotten it. What a process that died has left is in no record, and the next change sweeps it.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use ostro_packs::Pack;

use crate::durable::{self, UNFINISHED};
use crate::error::StoreError;
use crate::keys::{Keys, TrustedKey};
use crate::record::{Installed, Record};

/// The file of the record.
const RECORD: &str = "packs.json";
/// The most that the record may have, in bytes.
const MAX_RECORD: u64 = 64 << 20;

/// Installed packs, in a folder.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// A change of a store, by the only process that changes it now. Nothing happens without
/// [`Change::commit`].
#[derive(Debug)]
pub struct Change {
    store: Store,
    /// What is to be recorded.
    pub record: Record,
    _lock: File,
}

/// As long as it is there, no version is deleted: an execution is being started with one, and
/// nobody could know of that yet.
#[derive(Debug)]
pub struct Hold {
    _lock: File,
}

/// As long as it is there, its version is not deleted: a host gives it to executions, of which
/// nobody may know yet. A process that dies lets go of it.
#[derive(Debug)]
pub struct Lease {
    _object: File,
}

/// As long as it is there, no execution is being started.
#[derive(Debug)]
pub struct Quiet {
    _lock: File,
}

impl Store {
    /// The store in `dir`. It need not be there: nothing is installed then.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Makes it, if it is not there.
    pub fn make(&self) -> Result<(), StoreError> {
        durable::make(&self.objects())
    }

    /// The file that is replaced by each change, in [`Store::path`].
    pub fn record_name(&self) -> &'static str {
        RECORD
    }

    /// What is installed now.
    pub fn read(&self) -> Result<Record, StoreError> {
        let path = self.record_file();
        let size = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Record::default());
            }
            Err(error) => return Err(StoreError::io(path)(error)),
        };
        let wrong = |reason: String| StoreError::Record {
            path: path.clone(),
            reason,
        };
        if size > MAX_RECORD {
            return Err(wrong(format!("it has {size} bytes, which no record has")));
        }
        let bytes = std::fs::read(&path).map_err(StoreError::io(&path))?;
        Record::parse(&bytes).map_err(wrong)
    }

    /// The keys that the operator trusts.
    pub fn keys(&self) -> Keys {
        Keys::at(self.dir.join("keys"))
    }

    /// Trusts a key: minisign's file, or the line of base64 in it. The key, and whether that is
    /// new.
    pub fn trust(&self, key: &str) -> Result<(TrustedKey, bool), StoreError> {
        let _lock = self.lock()?;
        self.keys().add(key)
    }

    /// Trusts a key no longer: its id, which may be cut short, or its file.
    pub fn distrust(&self, key: &str) -> Result<TrustedKey, StoreError> {
        let _lock = self.lock()?;
        self.keys().remove(key)
    }

    /// Where the artifact of a version is.
    pub fn object(&self, digest: &str) -> PathBuf {
        self.objects().join(digest.replace(':', "-"))
    }

    /// Opens an installed version, and sees that it is still what was installed.
    pub fn open(&self, installed: &Installed) -> Result<Pack, StoreError> {
        let path = self.object(&installed.digest);
        let damaged = |reason: String| StoreError::Object {
            path: path.clone(),
            name: installed.name.clone(),
            version: installed.version.to_string(),
            reason,
            from: installed.source.clone(),
        };
        let pack = Pack::open(&path).map_err(|error| damaged(error.to_string()))?;
        if pack.digest != installed.digest {
            return Err(damaged(format!("its digest is {} now", pack.digest)));
        }
        Ok(pack)
    }

    /// Keeps all versions there are until it is dropped. None where nothing is installed.
    pub fn hold(&self) -> Result<Option<Hold>, StoreError> {
        let path = self.starting();
        // It is made with the store, which may be on a disk that can only be read.
        match File::open(&path) {
            Ok(file) => {
                file.lock_shared().map_err(StoreError::io(path))?;
                Ok(Some(Hold { _lock: file }))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(path)(error)),
        }
    }

    /// Keeps one version until it is dropped. Who calls has a [`Hold`] or a [`Change`], so that
    /// it is not deleted meanwhile.
    pub fn lease(&self, installed: &Installed) -> Result<Lease, StoreError> {
        let path = self.object(&installed.digest);
        let object = File::open(&path).map_err(StoreError::io(&path))?;
        object.lock_shared().map_err(StoreError::io(path))?;
        Ok(Lease { _object: object })
    }

    /// Whether somebody has a [`Lease`] of the version with this digest.
    pub fn is_leased(&self, digest: &str) -> Result<bool, StoreError> {
        let path = self.object(digest);
        let object = match File::open(&path) {
            Ok(object) => object,
            // Nobody needs what is not there.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::io(path)(error)),
        };
        match object.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(StoreError::io(path)(error)),
        }
    }

    /// Begins a change, once no other process makes one.
    pub fn change(&self) -> Result<Change, StoreError> {
        let lock = self.lock()?;
        Ok(Change {
            store: self.clone(),
            record: self.read()?,
            _lock: lock,
        })
    }

    fn lock(&self) -> Result<File, StoreError> {
        durable::make(&self.objects())?;
        let path = self.dir.join("lock");
        let file = open_lock(&path)?;
        file.lock().map_err(StoreError::io(path))?;
        // It is there from the first change on, which comes before the first version.
        open_lock(&self.starting())?;
        Ok(file)
    }

    fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    fn record_file(&self) -> PathBuf {
        self.dir.join(RECORD)
    }

    fn starting(&self) -> PathBuf {
        self.dir.join("starting")
    }
}

impl Change {
    /// Keeps the artifact of a pack, so that the record can name it.
    pub fn put(&self, pack: &Pack) -> Result<(), StoreError> {
        let path = self.store.object(&pack.digest);
        // What is there may have been damaged since, and is written anew then.
        if Pack::open(&path).is_ok_and(|there| there.digest == pack.digest) {
            return Ok(());
        }
        durable::write(&path, &pack.artifact()?, 0o444)
    }

    /// Records the change. It is there after a crash once this returns.
    pub fn commit(&self) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec_pretty(&self.record).unwrap_or_default();
        text.push(b'\n');
        durable::write(&self.store.record_file(), &text, 0o600)
    }

    /// Keeps executions from being started for a moment; none if one is being started right now.
    pub fn quiet(&self) -> Result<Option<Quiet>, StoreError> {
        let path = self.store.starting();
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Quiet { _lock: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::io(path)(error)),
        }
    }

    /// Deletes what no record names, after [`Change::commit`]: the artifacts of versions that were
    /// removed, and what processes that died have left. How many bytes that frees.
    pub fn sweep(&self, _quiet: &Quiet) -> Result<u64, StoreError> {
        let objects = self.store.objects();
        let named: BTreeSet<String> = self
            .record
            .versions()
            .map(|version| version.digest.replace(':', "-"))
            .collect();
        let mut freed = 0;
        for name in durable::names(&objects)? {
            if !named.contains(&name) {
                let path = objects.join(&name);
                freed += std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                durable::remove(&path)?;
            }
        }
        for folder in [self.store.path().to_owned(), self.store.path().join("keys")] {
            for name in durable::names(&folder)? {
                if name.ends_with(UNFINISHED) {
                    durable::remove(&folder.join(name))?;
                }
            }
        }
        Ok(freed)
    }
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(StoreError::io(path))
}
