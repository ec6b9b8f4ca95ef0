//! What an execution came to, without times, ids and the order in which things happened.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ostro_core::ExecutionId;
use ostro_engine::{Execution, TaskView};

/// All executions of a family.
pub(crate) type Family = BTreeMap<ExecutionId, Execution>;

/// How the execution `id` and all below it ended, as text.
pub(crate) fn tree(family: &Family, id: &ExecutionId) -> String {
    let mut text = String::new();
    execution(&mut text, family, id, 0);
    text
}

/// A text in which ids, which are made in the order in which things happened, are all the same.
fn without_ids(text: &str) -> String {
    let is_id = |part: &str| {
        part.len() == 36
            && part.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find("_ex_id=") {
        let (before, after) = rest.split_at(found + "_ex_id=".len());
        kept.push_str(before);
        let id = after.get(..36).filter(|part| is_id(part));
        rest = &after[id.map_or(0, str::len)..];
    }
    kept.push_str(rest);
    // What failed is listed in the order in which it did.
    let mut lines: Vec<&str> = kept.split("\\n").collect();
    lines.sort_unstable();
    lines.join("\\n")
}

fn execution(text: &mut String, family: &Family, id: &ExecutionId, depth: usize) {
    let indent = "  ".repeat(depth);
    let Some(execution) = family.get(id) else {
        let _ = writeln!(text, "{indent}none");
        return;
    };
    let _ = writeln!(
        text,
        "{indent}{} {} {}",
        execution.workflow_name(),
        execution.state(),
        execution
            .output()
            .map_or("none".to_owned(), |output| short(&json(output)))
    );
    let mut tasks: Vec<String> = execution
        .tasks()
        .map(|view| {
            let mut text = String::new();
            task(&mut text, family, view, depth + 1);
            text
        })
        .collect();
    tasks.sort();
    text.extend(tasks);
}

fn task(text: &mut String, family: &Family, task: TaskView<'_>, depth: usize) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(
        text,
        "{indent}{} {} try {} handled {} processed {} result {} published {}",
        task.name(),
        task.state(),
        task.attempt(),
        task.is_error_handled(),
        task.is_processed(),
        short(&json(&task.result())),
        short(&json(&**task.published())),
    );
    let mut runs: Vec<String> = task
        .actions()
        .map(|action| {
            format!(
                "{indent}  {} of {} try {} item {} {} accepted {} {}\n",
                action.name,
                json(&**action.input),
                action.attempt,
                action.index,
                action.state,
                action.accepted,
                short(&json(action.output)),
            )
        })
        .collect();
    runs.extend(task.children().map(|child| {
        let mut text = format!(
            "{indent}  item {} try {} {}\n",
            child.index, child.attempt, child.state
        );
        execution(&mut text, family, child.id, depth + 2);
        text
    }));
    runs.sort();
    text.extend(runs);
}

/// As JSON, with the keys of mappings in order: theirs is that in which things happened.
fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    let mut value = serde_json::to_value(value).unwrap();
    value.sort_all_objects();
    value.to_string()
}

/// A text that may be long, as its beginning and its length.
fn short(text: &str) -> String {
    let text = without_ids(text);
    if text.len() <= 2_000 {
        return text;
    }
    let (beginning, length) = (text.chars().take(100).collect::<String>(), text.len());
    format!("{beginning}… ({length})")
}
