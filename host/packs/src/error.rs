//! What can be wrong with a pack.

use std::path::PathBuf;

use thiserror::Error;

use crate::imports::ImportError;
use crate::types::join;

/// What is wrong with a pack, where, and what to do.
#[derive(Debug, Error)]
pub enum PackError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no pack here.
    #[error("{}: no pack here: a pack is a folder with a pack.yaml, or a file that `ostro pack build` made", .0.display())]
    NoPack(PathBuf),
    /// YAML that does not say what it should.
    #[error("{file}{}: {problem}", at.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default())]
    Yaml {
        /// The file.
        file: String,
        /// Line and column, from 1.
        at: Option<(usize, usize)>,
        /// What is wrong.
        problem: String,
    },
    /// A file that the manifest names is not there.
    #[error("{pack}: {path} is missing{hint}")]
    Missing {
        /// The pack.
        pack: String,
        /// The file, in the pack.
        path: String,
        /// What to do.
        hint: String,
    },
    /// Something is larger than is sensible.
    #[error("{what} has more than {limit} bytes, the most that is read")]
    TooBig {
        /// What.
        what: String,
        /// The bound.
        limit: u64,
    },
    /// The artifact is damaged or was not made by `ostro pack build`.
    #[error("{}: not a pack: {reason}; make it with `ostro pack build DIR`", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that should be a component is something else.
    #[error("component {component:?} ({path}): {reason}")]
    Component {
        /// Its name in the manifest.
        component: String,
        /// Its file.
        path: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A function that cannot be an action.
    #[error("component {component:?}: {interface}#{function} cannot be an action: {reason}")]
    Function {
        /// The component.
        component: String,
        /// The interface that exports it.
        interface: String,
        /// Its name in WIT.
        function: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// Two functions make the same action.
    #[error("the action {name:?} is exported twice: by {first} and by {second}; rename one")]
    Duplicate {
        /// The action's name.
        name: String,
        /// Where first.
        first: String,
        /// Where again.
        second: String,
    },
    /// The pack's WIT text does not parse.
    #[error("{pack}: the WIT text in {dir}: {reason}")]
    Wit {
        /// The pack.
        pack: String,
        /// Its folder of WIT text.
        dir: String,
        /// What is wrong.
        reason: String,
    },
    /// A component imports what its pack is not granted, or what no host offers.
    #[error("{}", join(.0.iter()))]
    Imports(Vec<ImportError>),
    /// No pack can be called this.
    #[error("no pack can be called {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// There is something already where a new pack should go.
    #[error("{}: it exists already, and is left as it is", .0.display())]
    Exists(PathBuf),
    /// A build went wrong.
    #[error("{0}")]
    Build(String),
}

impl PackError {
    /// An error of the file system at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// What serde says about `file`, with the place in front.
pub(crate) fn yaml_error(file: &str, error: &serde_yaml::Error) -> PackError {
    let at = error.location().map(|place| (place.line(), place.column()));
    let mut problem = error.to_string();
    if let Some((line, column)) = at {
        problem = problem.replace(&format!(" at line {line} column {column}"), "");
    }
    PackError::Yaml {
        file: file.to_owned(),
        at,
        problem,
    }
}
