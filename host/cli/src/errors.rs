//! How errors are shown: what happened, where, and what to do.

use std::error::Error;
use std::fmt;

use console::style;

use crate::terminal;

/// How a command ended, as a shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Success,
    /// The workflow, the action or the build failed.
    Failure,
    /// The command line or a definition is wrong, so that nothing was run.
    Usage,
    /// A validation could not be made, so that nobody knows.
    Unknown,
    /// A person pressed Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The exit status.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Unknown => 3,
            Exit::Interrupted => 130,
        }
    }
}

/// Advice that travels with an error.
#[derive(Debug)]
struct Hint {
    text: String,
    source: anyhow::Error,
}

/// It stands for the error that it goes with.
impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for Hint {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// Adds advice to errors.
pub(crate) trait WithHint<T> {
    /// On an error, also says what to do.
    fn hint(self, text: impl FnOnce() -> String) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn hint(self, text: impl FnOnce() -> String) -> anyhow::Result<T> {
        self.map_err(|error| hinted(error, text()))
    }
}

/// `error` with what to do about it.
pub(crate) fn hinted(error: impl Into<anyhow::Error>, text: impl Into<String>) -> anyhow::Error {
    Hint {
        text: text.into(),
        source: error.into(),
    }
    .into()
}

/// Shows `error` on standard error. Never a backtrace: those are for the authors of Ostro.
pub(crate) fn show(error: &anyhow::Error) {
    let (message, hints) = describe(error);
    terminal::complain(&format!(
        "{} {message}",
        style("error:").red().bold().for_stderr()
    ));
    for hint in hints {
        terminal::complain(&format!("  {} {hint}", style("hint:").cyan().for_stderr()));
    }
}

/// Shows something that is not right, but does not end the command.
pub(crate) fn warn(message: &str, hint: Option<&str>) {
    terminal::complain(&format!(
        "{} {message}",
        style("warning:").yellow().bold().for_stderr()
    ));
    if let Some(hint) = hint {
        terminal::complain(&format!("  {} {hint}", style("hint:").cyan().for_stderr()));
    }
}

/// An error in one text, with what to do.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let (mut message, hints) = describe(error);
    for hint in hints {
        message.push_str("; ");
        message.push_str(hint);
    }
    message
}

/// The message of an error with its causes, and all advice on the way.
fn describe(error: &anyhow::Error) -> (String, Vec<&str>) {
    let mut message = String::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        if let Some(hint) = cause.downcast_ref::<Hint>() {
            hints.push(hint.text.as_str());
            continue;
        }
        let text = cause.to_string();
        // Many errors quote their cause in their own text.
        if message.is_empty() {
            message = text;
        } else if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
    }
    (message, hints)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn causes_are_told_once_and_advice_apart() {
        let inner = std::io::Error::other("the disk is on fire");
        let error = Err::<(), _>(inner)
            .context("nodes.json: the disk is on fire")
            .hint(|| "put it out".to_owned())
            .context("cannot read the input")
            .unwrap_err();
        let (message, hints) = describe(&error);
        assert_eq!(
            message,
            "cannot read the input: nodes.json: the disk is on fire"
        );
        assert_eq!(hints, ["put it out"]);
    }

    #[test]
    fn an_error_without_causes_is_its_message() {
        let error = hinted(anyhow!("no"), "try yes");
        assert_eq!(describe(&error), ("no".to_owned(), vec!["try yes"]));
    }
}
