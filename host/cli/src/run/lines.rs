//! A tree of executions as lines for a terminal: one a task, sub-workflows indented.

use console::{Style, measure_text_width, truncate_str};
use ostro_core::State;

use crate::terminal::clean_line;
use crate::text::duration;
use ostro_runtime::tree::{ExecutionNode, TaskNode};

/// What turns while something runs.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How wide the column of names gets at most.
const MAX_NAMES: usize = 56;

/// The room that there is, and the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Milliseconds since 1970 UTC.
    pub(crate) now: i64,
    /// How often something was drawn before.
    pub(crate) tick: usize,
    /// The width, in columns.
    pub(crate) width: usize,
    /// How many lines there may be at most.
    pub(crate) height: usize,
}

/// A line before its columns are known.
struct Line {
    depth: usize,
    name: String,
    state: Option<State>,
    rest: String,
}

/// How much is left out where not all fits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// Everything.
    All,
    /// No more of a sub-workflow that ended well than that it did.
    NoEndedChildren,
    /// Of tasks that ended well only how many.
    NoEnded,
}

/// The lines for `root`. What does not fit is summed up, what runs or failed last of all.
pub(crate) fn lines(root: &ExecutionNode, frame: Frame) -> Vec<String> {
    let mut lines = Vec::new();
    for detail in [Detail::All, Detail::NoEndedChildren, Detail::NoEnded] {
        lines.clear();
        lines.push(header(root, 0, &root.workflow, frame));
        execution(root, 1, detail, frame, &mut lines);
        if lines.len() <= frame.height {
            break;
        }
    }
    if lines.len() > frame.height {
        let kept = frame.height.saturating_sub(1).max(1);
        let more = lines.len() - kept;
        lines.truncate(kept);
        let name = format!("… and {more} more lines");
        lines.push(Line {
            depth: 1,
            name,
            state: None,
            rest: String::new(),
        });
    }
    let names = lines
        .iter()
        .filter(|line| line.state.is_some())
        .map(|line| 2 * line.depth + measure_text_width(&line.name))
        .max()
        .unwrap_or_default()
        .min(MAX_NAMES);
    lines.iter().map(|line| line.show(names, frame)).collect()
}

impl Line {
    fn show(&self, names: usize, frame: Frame) -> String {
        let indent = "  ".repeat(self.depth);
        let text = match self.state {
            None => format!(
                "{indent}  {}",
                Style::new().dim().for_stderr().apply_to(&self.name)
            ),
            Some(state) => {
                let used = indent.len() + measure_text_width(&self.name);
                let gap = " ".repeat(names.saturating_sub(used) + 2);
                let style = style(state);
                format!(
                    "{indent}{} {}{gap}{} {}",
                    style.apply_to(symbol(state, frame.tick)),
                    self.name,
                    style.apply_to(format!("{state:<9}")),
                    self.rest
                )
            }
        };
        truncate_str(text.trim_end(), frame.width.max(10), "…").into_owned()
    }
}

fn header(node: &ExecutionNode, depth: usize, name: &str, frame: Frame) -> Line {
    let mut rest = node
        .time
        .seconds(frame.now)
        .map(duration)
        .unwrap_or_default();
    if depth > 0 && node.state == State::Error {
        add(&mut rest, &failure(node.state_info.as_deref()));
    }
    Line {
        depth,
        name: clean_line(name),
        state: Some(node.state),
        rest,
    }
}

fn execution(
    node: &ExecutionNode,
    depth: usize,
    detail: Detail,
    frame: Frame,
    lines: &mut Vec<Line>,
) {
    let mut ended = 0;
    for item in &node.tasks {
        if detail == Detail::NoEnded && matches!(item.state, State::Success | State::Skipped) {
            ended += 1;
        } else {
            task(item, depth, detail, frame, lines);
        }
    }
    if ended > 0 {
        let name = format!(
            "{ended} {} ended well",
            if ended == 1 { "task" } else { "tasks" }
        );
        lines.push(Line {
            depth,
            name,
            state: None,
            rest: String::new(),
        });
    }
}

fn task(node: &TaskNode, depth: usize, detail: Detail, frame: Frame, lines: &mut Vec<Line>) {
    let mut rest = match node.state {
        State::Idle | State::Waiting => String::new(),
        _ => node
            .time
            .seconds(frame.now)
            .map(duration)
            .unwrap_or_default(),
    };
    if let Some(items) = node.items {
        add(&mut rest, &format!("{}/{}", items.done, items.total));
    }
    if node.attempt > 1 {
        add(&mut rest, &format!("try {}", node.attempt));
    }
    match node.state {
        State::Error => {
            add(&mut rest, &failure(node.state_info.as_deref()));
            if node.error_handled {
                add(&mut rest, "(handled)");
            }
        }
        State::Delayed | State::Paused => {
            add(
                &mut rest,
                &clean_line(node.state_info.as_deref().unwrap_or_default()),
            );
        }
        State::Running => add(&mut rest, &at_work(node)),
        _ => {}
    }
    let mut name = clean_line(&node.name);
    let latest = node.executions.iter().filter(|child| current(node, child));
    let children: Vec<&ExecutionNode> = latest.collect();
    if let [only] = children[..]
        && node.items.is_none()
    {
        // The task's line says all about its one sub-workflow.
        name = format!("{name} › {}", short(&only.workflow));
    }
    lines.push(Line {
        depth,
        name,
        state: Some(node.state),
        rest,
    });
    let hide = detail >= Detail::NoEndedChildren;
    if hide && node.state == State::Success {
        return;
    }
    let mut ended = 0;
    for child in &children {
        if hide && child.state == State::Success && node.items.is_some() {
            ended += 1;
        } else if node.items.is_some() || children.len() > 1 {
            let name = format!("[{}] {}", child.index, short(&child.workflow));
            lines.push(header(child, depth + 1, &name, frame));
            execution(child, depth + 2, detail, frame, lines);
        } else {
            execution(child, depth + 1, detail, frame, lines);
        }
    }
    if ended > 0 {
        let name = format!("{ended} ended well");
        lines.push(Line {
            depth: depth + 1,
            name,
            state: None,
            rest: String::new(),
        });
    }
}

/// Whether `child` is the newest try for its item.
fn current(node: &TaskNode, child: &ExecutionNode) -> bool {
    let newest = node
        .executions
        .iter()
        .rev()
        .find(|other| other.index == child.index);
    newest.is_some_and(|newest| newest.id == child.id)
}

/// What the task's actions say that they are doing.
fn at_work(node: &TaskNode) -> String {
    let running: Vec<_> = node
        .actions
        .iter()
        .filter(|action| !action.state.is_completed())
        .collect();
    let Some(first) = running.first() else {
        return String::new();
    };
    let Some((action, progress)) = running
        .iter()
        .rev()
        .find_map(|action| action.progress.as_ref().map(|progress| (action, progress)))
    else {
        let others = running.len() - 1;
        let more = if others > 0 {
            format!(" and {others} more")
        } else {
            String::new()
        };
        return format!("{}{more}", first.name);
    };
    let item = if node.items.is_some() {
        format!("[{}] ", action.index)
    } else {
        String::new()
    };
    let percent = progress
        .percent
        .map(|percent| format!("{percent}% "))
        .unwrap_or_default();
    format!("{item}{percent}{}", clean_line(&progress.message))
}

/// The first line of why something failed.
fn failure(info: Option<&str>) -> String {
    let first = info
        .unwrap_or_default()
        .lines()
        .find(|line| !line.trim().is_empty());
    clean_line(first.unwrap_or_default())
}

fn short(workflow: &str) -> &str {
    workflow.rsplit('.').next().unwrap_or(workflow)
}

fn add(rest: &mut String, text: &str) {
    if !text.is_empty() {
        if !rest.is_empty() {
            rest.push_str("  ");
        }
        rest.push_str(text);
    }
}

/// The mark in front of a line.
fn symbol(state: State, tick: usize) -> &'static str {
    match state {
        State::Running => SPINNER[tick % SPINNER.len()],
        State::Idle | State::Waiting | State::Delayed => "◦",
        State::Paused => "‖",
        State::Success => "✔",
        State::Error => "✘",
        State::Cancelled | State::Skipped => "−",
    }
}

/// The colour of a state.
pub(crate) fn style(state: State) -> Style {
    let style = Style::new().for_stderr();
    match state {
        State::Success => style.green(),
        State::Error => style.red().bold(),
        State::Running => style.cyan(),
        State::Paused | State::Delayed | State::Cancelled => style.yellow(),
        State::Idle | State::Waiting | State::Skipped => style.dim(),
    }
}

#[cfg(test)]
mod tests;
