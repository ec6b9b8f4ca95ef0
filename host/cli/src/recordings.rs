//! Recordings of action executions: written, found and read.
//!
//! `recordings` in the state folder has those of single actions, the same folder of a run those
//! of its actions. Each is a file called by the id of its action execution.

mod difference;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use ostro_packs::Pack;
use ostro_sandbox::{
    LoadedPack, Recorder, Recording, RecordingError, Replayed, Sandbox, SandboxConfig,
};
use tempfile::NamedTempFile;

use crate::args::Record;
use crate::errors::{hinted, warn};
use crate::state::{self, StateDir};
use crate::{sources, terminal};

pub(crate) use difference::Words;

/// The folder of recordings, in the state folder and in that of a run.
const FOLDER: &str = "recordings";
/// How many recordings of single actions are kept in the state folder. Those of a run go with
/// the run.
const KEPT: usize = 100;
/// The fewest characters of an id that stand for it.
const SHORTEST: usize = 4;

/// Where the recordings of a command go.
pub(crate) struct Place {
    dir: PathBuf,
    is_named: bool,
    written: AtomicUsize,
}

impl Place {
    /// The folder that `record` names, or else `recordings` in what `home` gives; none where
    /// nothing is recorded.
    pub(crate) fn of(
        record: &Record,
        home: impl FnOnce() -> Result<PathBuf>,
    ) -> Result<Option<Arc<Self>>> {
        let Some(named) = &record.record else {
            return Ok(None);
        };
        let dir = match named {
            Some(dir) => dir.clone(),
            None => home()?.join(FOLDER),
        };
        Ok(Some(Arc::new(Self {
            dir,
            is_named: named.is_some(),
            written: AtomicUsize::new(0),
        })))
    }

    /// `pack`, recorded here. `path` is where it is.
    pub(crate) fn record(self: &Arc<Self>, pack: &LoadedPack, path: &Path) -> LoadedPack {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        pack.recorded_by(Arc::new(Writer {
            place: Arc::clone(self),
            source: path.display().to_string(),
        }))
    }

    /// Says where the recordings are.
    pub(crate) fn tell(&self) {
        match self.written.load(Ordering::Relaxed) {
            0 => warn(
                "nothing was recorded",
                Some("actions of packs are recorded, and none was run to its end"),
            ),
            1 => terminal::complain(&format!(
                "recorded an action execution in {}",
                self.dir.display()
            )),
            many => terminal::complain(&format!(
                "recorded {many} action executions in {}",
                self.dir.display()
            )),
        }
    }

    /// Keeps the newest recordings of single actions, and no others.
    pub(crate) fn prune(&self) -> Result<()> {
        if self.is_named {
            return Ok(());
        }
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for path in files_in(&self.dir)? {
            files.push((fs::metadata(&path)?.modified()?, path));
        }
        files.sort();
        let surplus = files.len().saturating_sub(KEPT);
        for (_, path) in files.into_iter().take(surplus) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

/// Writes the recordings of one pack.
struct Writer {
    place: Arc<Place>,
    source: String,
}

impl Recorder for Writer {
    fn recorded(&self, mut recording: Recording) {
        recording.pack.source = Some(self.source.clone());
        let id = &recording.context.action_execution_id;
        if let Some(reason) = &recording.cut {
            warn(
                &format!("the recording of {id} was cut and cannot be replayed: {reason}"),
                None,
            );
        }
        let name = match recording.context.attempt {
            0 | 1 => format!("{}.json", plain(id)),
            attempt => format!("{}.{attempt}.json", plain(id)),
        };
        match write(&self.place.dir, &name, &recording) {
            Ok(_) => {
                self.place.written.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => warn(&format!("{id} is not recorded: {error:#}"), None),
        }
    }
}

/// An id as the name of a file.
fn plain(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    id.chars().map(plain).collect()
}

/// Writes a recording for nobody else to read, all of it or nothing.
pub(crate) fn write(dir: &Path, name: &str, recording: &Recording) -> Result<PathBuf> {
    let mut text = serde_json::to_string_pretty(recording)?;
    text.push('\n');
    write_text(dir, name, &text)
}

/// The same of what was made of a recording.
pub(crate) fn write_text(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    state::make(dir)?;
    let path = dir.join(name);
    let named = || path.display().to_string();
    // Temporary files belong to their user alone.
    let mut file = NamedTempFile::new_in(dir).with_context(named)?;
    file.write_all(text.as_bytes()).with_context(named)?;
    file.persist(&path).with_context(named)?;
    Ok(path)
}

/// The recording that `what` is: a file, or the id of an action execution or its first
/// characters.
pub(crate) fn find(what: &str, state: &crate::args::State) -> Result<PathBuf> {
    let path = Path::new(what);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let state = StateDir::new(state.state_dir.as_deref())?;
    let mut folders = vec![state.path().join(FOLDER)];
    folders.extend(state.runs()?.iter().map(|run| run.path().join(FOLDER)));
    let mut found = Vec::new();
    for folder in folders {
        for path in files_in(&folder)? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if stem == what {
                return Ok(path);
            }
            if what.len() >= SHORTEST && stem.starts_with(what) {
                found.push(path);
            }
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (Some(_), false) => Err(hinted(
            anyhow!("{what} means more than one recording"),
            "give more of the id, with .2 for its second try and so on, or the file",
        )),
        (None, _) => Err(hinted(
            anyhow!("there is no recording {what}, neither a file nor an id"),
            "--record of `ostro run` and of `ostro action run` makes recordings",
        )),
    }
}

/// The recordings in a folder, sorted; none if there is no such folder.
pub(crate) fn files_in(dir: &Path) -> Result<Vec<PathBuf>> {
    files(dir, &["json"])
}

/// The files with one of the `endings` in a folder, sorted; none if there is no such folder.
pub(crate) fn files(dir: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let named = || dir.display().to_string();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(named),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(named)?.path();
        let ending = path.extension().unwrap_or_default();
        if endings.iter().any(|wanted| ending == *wanted) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a recording.
pub(crate) fn read(path: &Path) -> Result<Recording> {
    let named = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(named)?;
    Recording::parse(&text).with_context(named)
}

/// A pack to replay with.
pub(crate) struct Player {
    pub(crate) pack: Pack,
    loaded: LoadedPack,
}

impl Player {
    /// Opens the pack in `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let pack = sources::open(path)?;
        let sandbox = Sandbox::new(SandboxConfig {
            cache_dir: sources::cache(),
            ..SandboxConfig::default()
        })?;
        let loaded = sandbox
            .load_to_replay(&pack)
            .with_context(|| format!("pack {}", path.display()))?;
        Ok(Self { pack, loaded })
    }

    /// Runs a recording again.
    pub(crate) async fn play(&self, recording: &Recording) -> Result<Replayed, RecordingError> {
        self.loaded.replay(recording).await
    }
}
