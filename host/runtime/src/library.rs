//! What executions run by: definitions, and the runner of their actions.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Value};
use ostro_journal::{Blob, Digest, JournalError, Turn};
use ostro_lang::{Definitions, Parsed, Workflow, parse};
use serde::{Deserialize, Serialize};

/// What some executions run by: the definitions, with their text, and the runner of their
/// actions. An execution goes on after a restart by that with which it started, whatever has
/// become of the files. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Library {
    definitions: Arc<Definitions>,
    origin: Value,
    ids: Arc<[WorkflowId]>,
    runner: Arc<dyn ActionRunner>,
    index: Blob,
    /// The texts of the files.
    texts: Arc<[Blob]>,
}

/// As it is kept: what is in it, while each text is a value of its own, so that another library
/// with the same file has it already.
#[derive(Serialize, Deserialize)]
struct Index {
    /// In the order in which they were read.
    files: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    workflows: Vec<WorkflowId>,
    origin: Value,
}

/// The id under which a workflow is stored, where there is a catalogue of workflows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkflowId {
    /// The workflow's namespace; empty for the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its full name.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// A file of an [`Index`].
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    /// See [`File::only`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    only: Vec<String>,
    /// The digest of its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Its text, as it was once written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A file with definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, for messages.
    pub name: String,
    /// The namespace that its definitions belong to; empty for the default one.
    pub namespace: String,
    /// What stands in it.
    pub text: String,
    /// The full names of the workflows and actions that are meant of it; empty for all.
    pub only: Vec<String>,
}

impl File {
    /// A file of the default namespace.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: String::new(),
            text: text.into(),
            only: Vec::new(),
        }
    }
}

/// Why a library cannot be read.
pub(crate) enum Unrestored {
    /// What is stored is none.
    Form(String),
    Journal(JournalError),
}

impl Library {
    /// What `files` define. `origin` is what the caller wants to know again after a restart:
    /// where the actions came from. All that makes one runner another belongs there.
    pub fn new(files: Vec<File>, origin: Value) -> Self {
        let parsed = |file: File| {
            let parsed = parse(&file.text, &file.name);
            (file, parsed)
        };
        Self::parsed(files.into_iter().map(parsed).collect(), origin)
    }

    /// As [`Library::new`], of files that were parsed before, each as all of it.
    pub fn parsed(files: Vec<(File, Parsed)>, origin: Value) -> Self {
        let mut definitions = Definitions::new();
        let (mut entries, mut texts) = (Vec::new(), Vec::new());
        for (file, parsed) in files {
            definitions.add_to(&file.namespace, only(parsed, &file.only));
            let text = Blob::new(file.text.into_bytes());
            entries.push(Entry {
                name: file.name,
                namespace: file.namespace,
                only: file.only,
                sha256: Some(text.digest().to_string()),
                text: None,
            });
            texts.push(text);
        }
        let index = Index {
            files: entries,
            workflows: Vec::new(),
            origin,
        };
        Self {
            index: index.blob(),
            texts: texts.into(),
            ..Self::of(Arc::new(definitions), index.origin)
        }
    }

    /// The same, with the ids of its workflows, which rows of executions have then.
    #[must_use]
    pub fn with_ids(mut self, mut ids: Vec<WorkflowId>) -> Self {
        ids.sort_unstable();
        self.ids = ids.into();
        self.reindexed(|index| index.workflows = self.ids.to_vec())
    }

    /// The id of one of its workflows, if it has one.
    pub fn id_of(&self, workflow: &Workflow) -> Option<&str> {
        let wanted = (&*workflow.namespace, &*workflow.name);
        let at = self
            .ids
            .binary_search_by(|one| (one.namespace.as_str(), one.name.as_str()).cmp(&wanted));
        at.ok().map(|at| self.ids[at].id.as_str())
    }

    /// The same with another index. Where the text of the definitions is not known, there is none.
    fn reindexed(&self, change: impl FnOnce(&mut Index)) -> Self {
        let mut library = self.clone();
        if let Ok(mut index) = serde_json::from_slice::<Index>(self.index.bytes()) {
            change(&mut index);
            library.index = index.blob();
        }
        library
    }

    /// The same with `runner` for its actions.
    #[must_use]
    pub fn with_runner(self, runner: Arc<dyn ActionRunner>) -> Self {
        Self { runner, ..self }
    }

    /// The same files with another `origin`, which are not parsed once more. Its runner is still
    /// to be given.
    #[must_use]
    pub fn with_origin(&self, origin: Value) -> Self {
        let library = Self {
            origin: origin.clone(),
            runner: Arc::new(Nobody),
            ..self.clone()
        };
        library.reindexed(|index| index.origin = origin)
    }

    fn of(definitions: Arc<Definitions>, origin: Value) -> Self {
        Self {
            definitions,
            origin,
            ids: Arc::default(),
            runner: Arc::new(Nobody),
            index: Blob::new(Vec::new()),
            texts: Arc::default(),
        }
    }

    /// The same as it was stored in `index`; `value` gives the texts of its files. It has no
    /// runner.
    pub(crate) fn restore(
        index: Blob,
        value: impl Fn(&Digest) -> Result<Option<Vec<u8>>, JournalError>,
    ) -> Result<Self, Unrestored> {
        let form = |error: &dyn fmt::Display| Unrestored::Form(error.to_string());
        let stored: Index = serde_json::from_slice(index.bytes()).map_err(|error| form(&error))?;
        let mut definitions = Definitions::new();
        let mut texts = Vec::new();
        for file in stored.files {
            let text = match (file.text, file.sha256) {
                (Some(text), _) => text,
                (None, Some(digest)) => {
                    let digest: Digest = digest.parse().map_err(|error| form(&error))?;
                    let bytes = value(&digest).map_err(Unrestored::Journal)?;
                    let bytes =
                        bytes.ok_or_else(|| form(&format!("the text of {} is gone", file.name)))?;
                    let text = String::from_utf8(bytes).map_err(|error| form(&error))?;
                    texts.push(Blob::with_digest(digest, text.as_bytes()));
                    text
                }
                (None, None) => return Err(form(&format!("{} has no text", file.name))),
            };
            definitions.add_to(&file.namespace, only(parse(&text, &file.name), &file.only));
        }
        Ok(Self {
            index,
            ids: stored.workflows.into(),
            texts: texts.into(),
            ..Self::of(Arc::new(definitions), stored.origin)
        })
    }

    /// Where the actions of a stored library came from, without parsing what it defines; the error
    /// says why it cannot be read.
    pub fn origin_of(bytes: &[u8]) -> Result<Value, String> {
        #[derive(Deserialize)]
        struct Origin {
            origin: Value,
        }
        let stored: Origin = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(stored.origin)
    }

    /// What the files define.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// What the caller wanted to know again.
    pub fn origin(&self) -> &Value {
        &self.origin
    }

    /// What runs the actions.
    pub fn runner(&self) -> &Arc<dyn ActionRunner> {
        &self.runner
    }

    /// Has `turn` store it.
    pub(crate) fn store(&self, turn: &mut Turn) {
        turn.whole(self.index.clone(), Arc::clone(&self.texts));
    }

    /// What it is stored under.
    pub(crate) fn digest(&self) -> Digest {
        self.index.digest()
    }
}

/// What is meant of a file.
fn only(mut parsed: Parsed, only: &[String]) -> Parsed {
    if !only.is_empty() {
        parsed.retain(|name| only.iter().any(|one| one == name));
    }
    parsed
}

impl Index {
    /// Names and values are JSON whatever they hold.
    fn blob(&self) -> Blob {
        Blob::new(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Definitions whose text is not known. Executions of a runtime that keeps them in memory need none.
impl From<Arc<Definitions>> for Library {
    fn from(definitions: Arc<Definitions>) -> Self {
        Self::of(definitions, Value::Null)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("digest", &self.digest())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Runs nothing.
struct Nobody;

#[async_trait]
impl ActionRunner for Nobody {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        let message = format!("{}: nothing runs the actions of its library", call.name);
        ActionOutcome::Error(ActionError::new(ActionErrorKind::Call, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_stored_with_its_texts_is_read_and_keeps_its_digest() {
        let text = r"version: '2.0'\nw:\n  tasks: {one: {action: std.noop}}\n";
        let old = format!(
            r#"{{"files":[{{"name":"w.yaml","text":"{text}"}}],"origin":{{"cloud":"x"}}}}"#
        );
        let old = Blob::new(old.into_bytes());
        let library = Library::restore(old.clone(), |_| Ok(None)).ok().unwrap();
        assert!(library.definitions().workflow_in("", "w").is_some());
        assert_eq!(library.origin().get("cloud"), Some(&"x".into()));
        assert_eq!(library.digest(), old.digest());
    }

    #[test]
    fn a_text_that_is_gone_is_told() {
        let library = Library::new(vec![File::new("w.yaml", "version: '2.0'")], Value::Null);
        let Err(Unrestored::Form(reason)) = Library::restore(library.index.clone(), |_| Ok(None))
        else {
            panic!("it is read")
        };
        assert_eq!(reason, "the text of w.yaml is gone");
        let texts = Arc::clone(&library.texts);
        let value = |digest: &Digest| {
            let found = texts.iter().find(|text| text.digest() == *digest);
            Ok(found.map(|text| text.bytes().to_vec()))
        };
        let same = Library::restore(library.index.clone(), value).ok().unwrap();
        assert_eq!(same.digest(), library.digest());
        assert_eq!(same.with_origin(Value::Null).digest(), library.digest());
    }
}
