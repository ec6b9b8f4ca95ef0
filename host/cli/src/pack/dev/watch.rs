//! What is saved in the folder of a pack.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::errors::hinted;

/// How long nothing has to be saved before a round begins: an editor saves in several steps, and
/// all files one after the other.
const QUIET: Duration = Duration::from_millis(100);
/// The longest that a round waits for that.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many changed files are told apart.
const MOST: usize = 100;
/// Folders of what builds make.
const MADE: [&str; 3] = ["target", "node_modules", "__pycache__"];
/// Files that a build may write beside its sources.
const LOCKS: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// Watches the folder of a pack, without what builds make and without what editors keep there.
///
/// Each folder is watched by itself, so that the many below `target` cost nothing.
pub(super) struct Watch {
    /// Absolute, without links.
    dir: PathBuf,
    watcher: RecommendedWatcher,
    seen: Arc<Seen>,
    /// Folders outside with files that the pack is made of.
    outside: BTreeSet<PathBuf>,
    /// Files that the pack's own build makes, wherever they are.
    made: BTreeSet<PathBuf>,
    /// The lock files as the last build left them.
    locks: BTreeMap<PathBuf, Vec<u8>>,
}

/// What was saved since it was last asked.
#[derive(Default)]
struct Seen {
    /// Files outside of the pack's folder that count, too.
    outside: Mutex<BTreeSet<PathBuf>>,
    changed: Mutex<Changed>,
    woken: Notify,
}

/// Files that were saved, relative to the pack's folder where they are in it.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// The first of them, in order.
    pub(super) files: BTreeSet<PathBuf>,
    /// Those among them that were not there before.
    pub(super) fresh: BTreeSet<PathBuf>,
    /// Whether there are more, or nobody knows which.
    pub(super) and_more: bool,
}

impl Changed {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.and_more
    }

    fn add(&mut self, file: PathBuf, is_fresh: bool) {
        if self.files.contains(&file) {
            return;
        }
        if self.files.len() == MOST {
            self.and_more = true;
            return;
        }
        if is_fresh {
            self.fresh.insert(file.clone());
        }
        self.files.insert(file);
    }
}

impl Watch {
    /// Begins to watch `dir`, an absolute path without links.
    pub(super) fn new(dir: PathBuf) -> Result<Self> {
        let seen = Arc::<Seen>::default();
        let theirs = Arc::clone(&seen);
        let root = dir.clone();
        let watcher = notify::recommended_watcher(move |event| theirs.take(&root, event))
            .map_err(|error| limited(&dir, error))?;
        let mut watch = Self {
            dir,
            watcher,
            seen,
            outside: BTreeSet::new(),
            made: BTreeSet::new(),
            locks: BTreeMap::new(),
        };
        watch.look()?;
        Ok(watch)
    }

    /// Watches the folders that are there now. Those that are watched already stay so.
    pub(super) fn look(&mut self) -> Result<()> {
        for folder in folders(&self.dir).iter().chain(&self.outside) {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // It has gone since, and that is seen, too.
                Err(_) if *folder != self.dir && !folder.is_dir() => {}
                Err(error) => return Err(limited(folder, error)),
            }
        }
        Ok(())
    }

    /// What the next build makes, relative to the folder: that it is written is no change.
    pub(super) fn makes(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        self.made.extend(files);
    }

    /// The files that the pack is made of: those outside of its folder are watched, too.
    pub(super) fn made_of(&mut self, sources: &[PathBuf]) -> Result<()> {
        let is_made = |file: &Path| {
            file.iter()
                .any(|part| MADE.iter().any(|made| part == *made))
        };
        let outside: BTreeSet<PathBuf> = sources
            .iter()
            .filter_map(|file| fs::canonicalize(file).ok())
            .filter(|file| !file.starts_with(&self.dir) && !is_made(file))
            .collect();
        let folders = outside.iter().filter_map(|file| file.parent());
        self.outside = folders.map(Path::to_owned).collect();
        *locked(&self.seen.outside) = outside;
        self.look()
    }

    /// A build has ended: lock files are as it wants them.
    pub(super) fn built(&mut self) {
        let locks = folders(&self.dir).into_iter().flat_map(|folder| {
            LOCKS.into_iter().filter_map(move |name| {
                let file = folder.join(name);
                fs::read(&file).ok().map(|text| (file, text))
            })
        });
        self.locks = locks
            .filter_map(|(file, text)| Some((file.strip_prefix(&self.dir).ok()?.to_owned(), text)))
            .collect();
    }

    /// Waits until something was saved, and nothing more is for a moment.
    pub(super) async fn changed(&self) -> Changed {
        loop {
            self.seen.woken.notified().await;
            let patience = Instant::now() + PATIENCE;
            loop {
                let quiet = (Instant::now() + QUIET).min(patience);
                let more = timeout_at(quiet, self.seen.woken.notified()).await;
                if more.is_err() || Instant::now() >= patience {
                    break;
                }
            }
            let changed = self.taken();
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    /// What was saved, without what the build wrote itself, and without files that came and went:
    /// many editors write a new one and put it in the place of the old one.
    fn taken(&self) -> Changed {
        let mut changed = std::mem::take(&mut *locked(&self.seen.changed));
        let fresh = std::mem::take(&mut changed.fresh);
        changed.files.retain(|file| {
            let path = self.dir.join(file);
            let is_same = |text: &Vec<u8>| fs::read(&path).is_ok_and(|now| now == *text);
            let is_own = self.made.contains(file) || self.locks.get(file).is_some_and(is_same);
            let has_gone = fresh.contains(file) && !path.exists();
            !is_own && !has_gone
        });
        changed
    }
}

impl Seen {
    /// Keeps what an event says, if it says that something was saved.
    fn take(&self, dir: &Path, event: notify::Result<Event>) {
        let is_something = match event {
            // Which, nobody knows.
            Err(_) => {
                locked(&self.changed).and_more = true;
                true
            }
            Ok(event) if event.need_rescan() => {
                locked(&self.changed).and_more = true;
                true
            }
            Ok(event) if !is_change(event.kind) => false,
            Ok(event) => {
                let is_fresh = matches!(
                    event.kind,
                    EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To))
                );
                let outside = locked(&self.outside);
                let mut changed = locked(&self.changed);
                let mut is_something = false;
                for path in event.paths {
                    // The folder itself is the empty path.
                    let file = match path.strip_prefix(dir) {
                        Ok(file) if !is_aside(file) => file,
                        Err(_) if outside.contains(&path) => &path,
                        _ => continue,
                    };
                    changed.add(file.to_owned(), is_fresh);
                    is_something = true;
                }
                is_something
            }
        };
        if is_something {
            self.woken.notify_one();
        }
    }
}

/// What is behind a lock, for as short as it takes.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an event says that there is something else to read now.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Other => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => true,
    }
}

/// Whether what is at `file`, relative to the pack's folder, is no source: what builds make, hidden
/// files, and those that editors keep while they save.
fn is_aside(file: &Path) -> bool {
    let mut parts = file.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    // The folder `build` of the pack has its artifact; one further down may have sources.
    file.starts_with("build") || parts.any(is_no_source)
}

fn is_no_source(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let ending = |end: &str| Path::new(&*name).extension().is_some_and(|is| is == end);
    name.starts_with('.')
        || MADE.contains(&&*name)
        // Emacs, vim (also the file by which it finds out whether it may write), JetBrains.
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'))
        || name == "4913"
        || name.ends_with("___jb_tmp___")
        || name.ends_with("___jb_old___")
        || ["swp", "swx", "tmp", "part"].into_iter().any(ending)
}

/// `dir` and the folders below it that may have sources, without following links.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut at = 0;
    while let Some(folder) = found.get(at) {
        // One that cannot be read has nothing for a build either.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let below: Vec<PathBuf> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .filter(|path| path.strip_prefix(dir).is_ok_and(|file| !is_aside(file)))
            .collect();
        found.extend(below);
        at += 1;
    }
    found
}

/// Why something cannot be watched, with what to do.
fn limited(folder: &Path, error: notify::Error) -> anyhow::Error {
    let is_limit = match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        // EMFILE of inotify_init: as many watchers as one user may have.
        ErrorKind::Io(error) => error.raw_os_error() == Some(24),
        _ => false,
    };
    let shown = folder.display().to_string();
    if is_limit {
        return hinted(
            anyhow!("{shown}: it cannot be watched: {error}"),
            "raise the limits of your system, as root: \
             `sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024`",
        );
    }
    let unwatched = Err::<(), _>(error).with_context(|| format!("{shown}: it cannot be watched"));
    unwatched.err().unwrap_or_else(|| anyhow!(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_make_and_editors_keep_is_left_aside() {
        for file in [
            "build/actions.wasm",
            "actions/target/release/x.d",
            "actions/node_modules/a/index.js",
            "actions/__pycache__/app.pyc",
            ".git/index",
            "actions/src/.lib.rs.swp",
            "actions/src/.#lib.rs",
            "actions/src/#lib.rs#",
            "actions/src/lib.rs~",
            "actions/src/4913",
            "actions/app.py___jb_tmp___",
            "actions/app.js.tmp",
        ] {
            assert!(is_aside(Path::new(file)), "{file}");
        }
        for file in [
            "",
            "pack.yaml",
            "actions/src/lib.rs",
            "actions/src/build/zig.rs",
            "tests/actions.yaml",
            "wit/actions.wit",
            "actions/Cargo.lock",
        ] {
            assert!(!is_aside(Path::new(file)), "{file}");
        }
    }

    #[test]
    fn reading_changes_nothing() {
        use notify::event::{CreateKind, DataChange, MetadataKind};
        for (kind, expected) in [
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), false),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Read)),
                false,
            ),
            (
                EventKind::Access(AccessKind::Close(AccessMode::Write)),
                true,
            ),
            (
                EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
                false,
            ),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), true),
            (EventKind::Create(CreateKind::File), true),
        ] {
            assert_eq!(is_change(kind), expected, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn saves_come_together_also_in_new_folders_and_builds_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for folder in ["actions/src", "actions/target", "build"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let write = |file: &str, text: &str| fs::write(dir.join(file), text).unwrap();
        write("actions/Cargo.lock", "1");
        let mut watch = Watch::new(dir.clone()).unwrap();
        watch.makes([PathBuf::from("actions/made.wasm")]);

        write("actions/src/lib.rs", "a");
        write("pack.yaml", "b");
        write("build/pack.ostro", "c");
        write("actions/made.wasm", "d");
        // As sed and many editors do it.
        write("actions/src/sedXy", "d");
        fs::rename(dir.join("actions/src/sedXy"), dir.join("pack.yaml")).unwrap();
        let changed = watch.changed().await;
        let names: Vec<_> = changed.files.iter().map(|file| file.to_str()).collect();
        assert_eq!(names, [Some("actions/src/lib.rs"), Some("pack.yaml")]);

        // What the build writes is no change; what a person writes over it is.
        write("actions/Cargo.lock", "2");
        write("actions/target/x", "e");
        watch.built();
        let waited = tokio::time::timeout(4 * QUIET, watch.changed()).await;
        assert!(waited.is_err(), "{waited:?}");
        write("actions/Cargo.lock", "3");
        let changed = watch.changed().await;
        assert!(changed.files.contains(Path::new("actions/Cargo.lock")));

        // What lies beside the pack counts if the pack is made of it.
        let beside = tempfile::tempdir().unwrap();
        let beside = beside.path().canonicalize().unwrap();
        for name in ["used.rs", "other.rs"] {
            fs::write(beside.join(name), "g").unwrap();
        }
        watch.made_of(&[beside.join("used.rs")]).unwrap();
        fs::write(beside.join("other.rs"), "h").unwrap();
        fs::write(beside.join("used.rs"), "h").unwrap();
        let changed = watch.changed().await;
        let expected = BTreeSet::from([beside.join("used.rs")]);
        assert_eq!(changed.files, expected);

        fs::create_dir(dir.join("tests")).unwrap();
        watch.changed().await;
        watch.look().unwrap();
        write("tests/cases.yaml", "f");
        let changed = watch.changed().await;
        assert!(changed.files.contains(Path::new("tests/cases.yaml")));
    }
}
