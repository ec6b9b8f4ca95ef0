//! The state folder: where runs are kept, each in a folder of its own.
//!
//! `runs/ID/` has the journal of one run of a workflow, which is held by the process that runs it.
//! `runs/ID/ended` is there once it has ended: it says in which state, and is as old as that.
//! `validations/ID.json` is one run of validations.
//! `server/` has the journal of `ostro serve`.
//! `packs/` has the packs that are installed; `ostro-store` knows what is in it.

mod expiry;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use ostro_core::{ActionOutcome, ExecutionId, State};
use ostro_journal::{ExecutionRow, Journal, Options, Unfinished};
use ostro_store::Store;
use serde::{Deserialize, Serialize};

use crate::errors::hinted;

/// The fewest characters of an id that stand for it.
const SHORTEST: usize = 4;
/// Where a process asks the one that runs an execution for something.
const REQUEST: &str = "request";
/// The mark of a run that has ended.
const ENDED: &str = "ended";

/// The state folders that this process was told of.
static NAMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The root executions of a journal that have not ended.
pub(crate) fn unfinished(journal: &Journal) -> Result<Vec<ExecutionId>> {
    const PAGE: usize = 1000;
    let mut all = Vec::new();
    for which in [Unfinished::Moving, Unfinished::Still] {
        let mut last = None;
        loop {
            let page = journal.unfinished(which, last.as_ref(), PAGE)?;
            all.extend(page.iter().map(|root| root.id.clone()));
            last = page.into_iter().last();
            if last.is_none() {
                break;
            }
        }
    }
    Ok(all)
}

/// Where this program keeps its own, as far as this process knows: no pack is granted any of it.
pub(crate) fn own_folders() -> Vec<PathBuf> {
    // The user's own one is that of other processes, whatever this one was told.
    _ = StateDir::new(None);
    let given = std::env::var_os("OSTRO_STATE_DIR").map(PathBuf::from);
    let tools = ostro_packs::build::user_cache().map(|cache| cache.join("ostro-tools"));
    let named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    named.iter().cloned().chain(given).chain(tools).collect()
}

/// A state folder.
#[derive(Clone, Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    runs: PathBuf,
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunDir {
    /// The root execution.
    pub(crate) id: ExecutionId,
    path: PathBuf,
}

/// What a process can ask the one that runs an execution for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    Pause,
    Resume,
    Cancel,
    Complete(Completion),
}

/// The result of an action that goes on elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Completion {
    /// The action execution.
    pub(crate) action: String,
    pub(crate) outcome: ActionOutcome,
}

impl StateDir {
    /// The folder that was named, or the user's own: `ostro` in the user's state folder
    /// (<https://specifications.freedesktop.org/basedir-spec/latest/>).
    pub(crate) fn new(named: Option<&Path>) -> Result<Self> {
        let folder = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let base = || {
            folder("XDG_STATE_HOME")
                .or_else(|| folder("HOME").map(|home| home.join(".local/state")))
                .map(|base| base.join("ostro"))
        };
        let path = named.map(Path::to_owned).or_else(base).ok_or_else(|| {
            hinted(
                anyhow!("there is no state folder: neither XDG_STATE_HOME nor HOME is set"),
                "name one with --state-dir, or keep nothing with --ephemeral",
            )
        })?;
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        named.insert(path.clone());
        Ok(Self::at(path))
    }

    /// The folder `path`.
    pub(crate) fn at(path: PathBuf) -> Self {
        let runs = path.join("runs");
        Self { path, runs }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its runs are.
    pub(crate) fn runs_path(&self) -> &Path {
        &self.runs
    }

    /// Where runs of validations are.
    pub(crate) fn validations(&self) -> PathBuf {
        self.path.join("validations")
    }

    /// Where the server keeps its journal.
    pub(crate) fn server(&self) -> PathBuf {
        self.path.join("server")
    }

    /// The packs that are installed.
    pub(crate) fn store(&self) -> Store {
        Store::at(self.path.join("packs"))
    }

    /// Makes it, if it is not there.
    pub(crate) fn make(&self) -> Result<()> {
        make(&self.runs)
    }

    /// The folder of a run that is to start.
    pub(crate) fn run(&self, id: ExecutionId) -> RunDir {
        let path = self.runs.join(id.as_str());
        RunDir { id, path }
    }

    /// All runs, in no order.
    pub(crate) fn runs(&self) -> Result<Vec<RunDir>> {
        let entries = match fs::read_dir(&self.runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context(self.runs.display().to_string()),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| self.runs.display().to_string())?;
            if let Ok(name) = entry.file_name().into_string() {
                runs.push(self.run(ExecutionId::new(name)));
            }
        }
        Ok(runs)
    }

    /// The run that `id` means: an id, or its first characters.
    pub(crate) fn find(&self, id: &str) -> Result<RunDir> {
        let runs = self.runs()?;
        if let Some(run) = runs.iter().find(|run| run.id.as_str() == id) {
            return Ok(run.clone());
        }
        let matches = |run: &&RunDir| id.len() >= SHORTEST && run.id.as_str().starts_with(id);
        let mut found = runs.iter().filter(matches);
        match (found.next(), found.next()) {
            (Some(run), None) => Ok(run.clone()),
            (Some(_), Some(_)) => Err(hinted(
                anyhow!("{id} means more than one execution"),
                "give more of the id",
            )),
            (None, _) => Err(hinted(
                anyhow!("no execution {id} is kept in {}", self.runs.display()),
                "`ostro execution list` shows those that are",
            )),
        }
    }
}

impl RunDir {
    /// Opens the journal to write to it; an error if another process has it.
    pub(crate) fn open(&self) -> Result<Journal> {
        let is_new = !self.exists();
        let opened =
            make(&self.path).and_then(|()| Ok(Journal::open(&self.path, &Options::default())?));
        if is_new && opened.is_err() {
            // What is left would be a run that never began.
            let _ = self.remove();
        }
        opened
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes its folder.
    pub(crate) fn make(&self) -> Result<()> {
        make(&self.path)
    }

    /// The journal's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(Journal::DATABASE)
    }

    /// Opens the journal to look at it.
    pub(crate) fn look(&self) -> Result<Journal> {
        Journal::open_to_read(&self.path, &Options::default())?
            .with_context(|| format!("{} has no journal", self.path.display()))
    }

    /// As [`RunDir::look`]; none before the first turn of the root execution was written.
    pub(crate) fn look_if_begun(&self) -> Result<Option<Journal>> {
        let journal = Journal::open_to_read(&self.path, &Options::default())?;
        match journal {
            Some(journal) if journal.execution(&self.id)?.is_some() => Ok(Some(journal)),
            _ => Ok(None),
        }
    }

    /// The root execution's row, if its first turn was written.
    pub(crate) fn row(&self) -> Result<Option<ExecutionRow>> {
        match Journal::open_to_read(&self.path, &Options::default())? {
            Some(journal) => Ok(journal.execution(&self.id)?),
            None => Ok(None),
        }
    }

    /// Which process runs it: its id, host and since when.
    pub(crate) fn holder(&self) -> Option<String> {
        Journal::holder(&self.path)
    }

    /// Whether there is such a run.
    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Asks the process that runs it for something. Whether it took that within `patience`.
    pub(crate) fn ask(&self, request: &Request, patience: Duration) -> Result<bool> {
        let path = self.path.join(REQUEST);
        let fresh = self.path.join("request.new");
        let named = || path.display().to_string();
        let text = serde_json::to_vec(request).with_context(named)?;
        fs::write(&fresh, text).with_context(named)?;
        fs::rename(&fresh, &path).with_context(named)?;
        let end = Instant::now() + patience;
        while path.exists() {
            if Instant::now() > end {
                // It must not be taken later, when nobody expects it any more.
                return Ok(fs::remove_file(&path).is_err());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    /// What another process asks for.
    pub(crate) fn take_request(&self) -> Option<Request> {
        let path = self.path.join(REQUEST);
        let text = fs::read(&path).ok()?;
        fs::remove_file(&path).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Notes that the run has ended in `state` at `at`, unless that was noted before.
    pub(crate) fn mark_ended(&self, state: State, at: SystemTime) -> Result<()> {
        let path = self.path.join(ENDED);
        if path.exists() {
            return Ok(());
        }
        fs::write(&path, state.as_str())
            .and_then(|()| {
                fs::File::options()
                    .write(true)
                    .open(&path)?
                    .set_modified(at)
            })
            .with_context(|| path.display().to_string())
    }

    /// Whether it is noted that the run has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.path.join(ENDED).exists()
    }

    /// Notes that the run goes on again.
    pub(crate) fn mark_open(&self) -> Result<()> {
        let path = self.path.join(ENDED);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.with_context(|| path.display().to_string()),
        }
    }

    /// Deletes the run and all that is kept of it.
    pub(crate) fn delete(&self) -> Result<()> {
        if let Some(holder) = self.holder() {
            return Err(hinted(
                anyhow!("execution {} is being run by {holder}", self.id),
                "it can be deleted once that process has ended",
            ));
        }
        self.remove()
    }

    /// Deletes the folder of a run, whoever has it.
    pub(crate) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.path).with_context(|| self.path.display().to_string())
    }
}

/// Makes a folder, and those above it, for nobody else: there are passwords among inputs and
/// results.
pub(crate) fn make(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.with_context(|| format!("cannot make {}", path.display()))
}

/// A moment in milliseconds since 1970 UTC, as files have it.
pub(crate) fn moment(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
