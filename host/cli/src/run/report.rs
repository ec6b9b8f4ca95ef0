//! What is said at the end: the state, the output, and on ERROR the way down to what failed.

use std::fmt::Write as _;

use console::{Style, style};
use ostro_core::{Map, State, Value};

use crate::terminal::{clean, clean_line};
use crate::text::{blame, duration, kind, pretty};
use ostro_runtime::tree::{ExecutionNode, TaskNode};

/// How many failures are told; the JSON output has all.
const MAX_FAILURES: usize = 20;
/// How many lines of one message are shown.
const MAX_LINES: usize = 30;
/// How many characters of an action's input are shown.
const MAX_INPUT: usize = 300;

/// Something that failed, with the way down to it.
#[derive(Debug, PartialEq, Eq)]
struct Failed {
    /// Workflow, task, item, action.
    path: Vec<String>,
    /// What sort of failure it is.
    what: String,
    /// What it was given, as JSON.
    input: Option<String>,
    message: String,
    /// Whether a task above took care of it.
    handled: bool,
}

/// The summary of an execution that has ended.
pub(crate) fn summary(root: &ExecutionNode) -> String {
    let took = root.time.seconds(0).map(duration).unwrap_or_default();
    let mut text = format!(
        "{}  {}  in {took}",
        state_style(root.state).apply_to(root.state),
        clean_line(&root.workflow)
    );
    if root.state != State::Success {
        let mut failures = Vec::new();
        collect(root, &mut Vec::new(), false, &mut failures);
        let info = root.state_info.as_deref().unwrap_or_default().trim();
        // The engine's reason traces unhandled failures, as Mistral's does; they stand below.
        let traced = failures
            .iter()
            .any(|failed| !failed.handled && info.contains(failed.message.trim()));
        if !info.is_empty() && !traced {
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "\n{}", indented(info, 2));
        }
        if !failures.is_empty() {
            text.push_str("\n\nFailed:");
        }
        for failed in failures.iter().take(MAX_FAILURES) {
            text.push('\n');
            text.push_str(&failed.show());
        }
        if failures.len() > MAX_FAILURES {
            let more = failures.len() - MAX_FAILURES;
            let _ = write!(text, "\n  … and {more} more; --output json tells all");
        }
    }
    let empty = match &root.output {
        Value::Null => true,
        Value::Map(entries) => match entries.get("result") {
            // What the engine gives where a failed workflow has no output of its own.
            Some(Value::String(reason)) if root.state != State::Success && entries.len() == 1 => {
                root.state_info.as_deref() == Some(&**reason)
            }
            _ => entries.is_empty(),
        },
        _ => false,
    };
    if !empty {
        let _ = write!(text, "\n\nOutput:\n{}", pretty(&root.output));
    }
    text
}

/// All failures in `node`, in the order in which their tasks were created. `path` leads to it.
fn collect(node: &ExecutionNode, path: &mut Vec<String>, handled: bool, found: &mut Vec<Failed>) {
    path.push(clean_line(&node.workflow));
    let before = found.len();
    for task in node.tasks.iter().filter(|task| task.state == State::Error) {
        path.push(clean_line(&task.name));
        failed_task(task, path, handled || task.error_handled, found);
        path.pop();
    }
    let info = node.state_info.as_deref().unwrap_or_default();
    // The root's own reason stands above; a sub-workflow's would be lost.
    if found.len() == before && path.len() > 1 && !info.trim().is_empty() {
        found.push(Failed {
            path: path.clone(),
            what: "the workflow failed".to_owned(),
            input: None,
            message: info.to_owned(),
            handled,
        });
    }
    path.pop();
}

fn failed_task(task: &TaskNode, path: &mut Vec<String>, handled: bool, found: &mut Vec<Failed>) {
    let before = found.len();
    let item = |index: usize| task.items.map(|_| format!("item {index}"));
    for action in &task.actions {
        let newest = task
            .actions
            .iter()
            .rev()
            .find(|other| other.index == action.index);
        let Some(error) = action
            .error
            .as_ref()
            .filter(|_| newest.is_some_and(|newest| newest.id == action.id))
        else {
            continue;
        };
        let tries = if action.attempt > 1 {
            format!(", at try {}", action.attempt)
        } else {
            String::new()
        };
        let mut path = path.clone();
        path.extend(item(action.index));
        path.push(clean_line(&action.name));
        found.push(Failed {
            path,
            what: format!("{} error ({}{tries})", kind(error.kind), blame(error.kind)),
            input: action
                .input
                .as_deref()
                .filter(|input| !input.is_empty())
                .map(given),
            message: error.message.clone(),
            handled,
        });
    }
    for child in task
        .executions
        .iter()
        .filter(|child| child.state == State::Error)
    {
        let newest = task
            .executions
            .iter()
            .rev()
            .find(|other| other.index == child.index);
        if newest.is_some_and(|newest| newest.id == child.id) {
            let depth = path.len();
            path.extend(item(child.index));
            collect(child, path, handled, found);
            path.truncate(depth);
        }
    }
    if found.len() == before {
        // Nothing that it ran failed: an expression, a timeout, a policy.
        found.push(Failed {
            path: path.clone(),
            what: "the task failed".to_owned(),
            input: None,
            message: task.state_info.clone().unwrap_or_default(),
            handled,
        });
    }
}

impl Failed {
    fn show(&self) -> String {
        let handled = if self.handled {
            "; the workflow went on by on-error"
        } else {
            ""
        };
        let mut text = format!(
            "  {}\n    {}{handled}",
            style(self.path.join(" › ")).bold(),
            style(&self.what).red()
        );
        if !self.message.trim().is_empty() {
            let _ = write!(text, ":\n{}", indented(&self.message, 6));
        }
        if let Some(input) = &self.input {
            let _ = write!(text, "\n    with {input}");
        }
        text
    }
}

/// What an action was given, in a line.
fn given(input: &Map) -> String {
    let text = clean_line(&Value::from(input.clone()).to_string());
    match text.char_indices().nth(MAX_INPUT) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// `text` with each line indented, cut where it goes on for too long.
fn indented(text: &str, indent: usize) -> String {
    let cleaned = clean(text.trim());
    let mut lines: Vec<String> = cleaned
        .lines()
        .take(MAX_LINES)
        .map(|line| {
            format!("{}{line}", " ".repeat(indent))
                .trim_end()
                .to_owned()
        })
        .collect();
    let total = cleaned.lines().count();
    if total > MAX_LINES {
        lines.push(format!(
            "{}… and {} more lines",
            " ".repeat(indent),
            total - MAX_LINES
        ));
    }
    lines.join("\n")
}

fn state_style(state: State) -> Style {
    match state {
        State::Success => Style::new().green().bold(),
        State::Error => Style::new().red().bold(),
        _ => Style::new().yellow().bold(),
    }
}
