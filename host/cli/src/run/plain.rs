//! Progress where nobody watches a screen: a line for each change.

use ostro_core::State;
use ostro_engine::Change;
use ostro_runtime::{ActionEnd, Notice, NoticeKind};

use crate::run::lines::style;
use crate::terminal::{clean, clean_line};
use crate::text::{kind, seconds_between};

/// The line for `notice`, in an execution that began at `began`; none if there is nothing to
/// tell.
pub(crate) fn line(notice: &Notice, began: i64) -> Option<String> {
    let workflow = clean_line(&notice.workflow);
    let (place, text) = match &notice.kind {
        NoticeKind::Changed { change } => match change {
            Change::Execution { state, info } => (workflow, state_text(*state, info.as_deref())),
            // A task that was created and has not begun says nothing yet.
            Change::Task {
                state: State::Idle, ..
            } => return None,
            Change::Task {
                name, state, info, ..
            } => (
                format!("{workflow} / {}", clean_line(name)),
                state_text(*state, info.as_deref()),
            ),
            Change::Items {
                name, done, total, ..
            } => {
                // Ten lines at most, however many items there are.
                let step = total.div_ceil(10).max(1);
                if *done == 0 || (done % step != 0 && done != total) {
                    return None;
                }
                (
                    format!("{workflow} / {}", clean_line(name)),
                    format!("{done}/{total}"),
                )
            }
        },
        NoticeKind::ActionEnded {
            action,
            end:
                ActionEnd::Error {
                    kind: blame,
                    message,
                },
        } => (
            format!(
                "{workflow} / {} / {}",
                clean_line(&action.task_name),
                action.name
            ),
            format!("{} error: {}", kind(*blame), clean_line(message)),
        ),
        NoticeKind::ActionEnded {
            action,
            end: ActionEnd::Deferred,
        } => (
            format!(
                "{workflow} / {} / {}",
                clean_line(&action.task_name),
                action.name
            ),
            format!("goes on until `ostro action complete {}`", action.id),
        ),
        NoticeKind::Decided { .. }
        | NoticeKind::ActionStarted { .. }
        | NoticeKind::ActionEnded { .. } => return None,
        NoticeKind::Progress { action, progress } => {
            let percent = progress
                .percent
                .map(|part| format!("{part}% "))
                .unwrap_or_default();
            (
                format!("{workflow} / {}", clean_line(&action.task_name)),
                format!("{percent}{}", clean_line(&progress.message)),
            )
        }
        NoticeKind::Note { .. } | NoticeKind::Stalled { .. } | NoticeKind::Recovered => {
            note(notice)?
        }
    };
    Some(format!("{}  {place}  {text}", elapsed(notice.at, began)))
}

/// Where a line for the operator comes from, and the line; none if `notice` is something else.
pub(crate) fn note(notice: &Notice) -> Option<(String, String)> {
    let (action, line) = match &notice.kind {
        NoticeKind::Note { action, line } => (action, line),
        NoticeKind::Stalled { reason } => {
            let text = format!(
                "{}: {}",
                console::style("waits").red().for_stderr(),
                clean_line(reason)
            );
            return Some((clean_line(&notice.workflow), text));
        }
        NoticeKind::Recovered => {
            return Some((clean_line(&notice.workflow), "goes on".to_owned()));
        }
        _ => return None,
    };
    let place = format!(
        "{} / {}",
        clean_line(&notice.workflow),
        clean_line(&action.task_name)
    );
    // A denial has the lines of YAML to add; they stay lines.
    Some((place, format!("note: {}", clean(line).trim_end())))
}

fn state_text(state: State, info: Option<&str>) -> String {
    let word = style(state).apply_to(state);
    // The lines after the first trace a failure through what was told already.
    let first = info.and_then(|info| info.lines().find(|line| !line.trim().is_empty()));
    match first.map(clean_line) {
        Some(info) => format!("{word}  {info}"),
        None => word.to_string(),
    }
}

/// The time since the beginning, in a column: always seconds, so that lines sort.
pub(crate) fn elapsed(now: i64, began: i64) -> String {
    format!("{:>7}", format!("{:.1}s", seconds_between(began, now)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ostro_core::{ActionExecutionId, ExecutionId, TaskExecutionId};
    use ostro_runtime::ActionRef;

    use super::*;

    fn shown(kind: NoticeKind) -> Option<String> {
        let id = ExecutionId::new("e");
        let notice = Notice {
            sequence: 1,
            at: 12_345,
            execution_id: id.clone(),
            workflow: "demo.main".into(),
            parent: None,
            root_id: id,
            kind,
        };
        line(&notice, 0).map(|line| console::strip_ansi_codes(&line).into_owned())
    }

    fn task(state: State, info: Option<&str>) -> NoticeKind {
        NoticeKind::Changed {
            change: Change::Task {
                id: TaskExecutionId::new("t"),
                name: "boot".into(),
                state,
                info: info.map(ToOwned::to_owned),
            },
        }
    }

    fn items(done: usize, total: usize) -> NoticeKind {
        let id = TaskExecutionId::new("t");
        NoticeKind::Changed {
            change: Change::Items {
                id,
                name: "boot".into(),
                done,
                total,
            },
        }
    }

    #[test]
    fn changes_are_lines_with_time_place_and_state() {
        let line = shown(task(State::Success, None));
        assert_eq!(line.as_deref(), Some("  12.3s  demo.main / boot  SUCCESS"));
        let line = shown(task(State::Error, Some("\nno  power\nand its trace")));
        assert_eq!(
            line.as_deref(),
            Some("  12.3s  demo.main / boot  ERROR  no power")
        );
        assert_eq!(shown(task(State::Idle, None)), None);
    }

    #[test]
    fn many_items_are_few_lines() {
        let lines = (1..=1000)
            .filter_map(|done| shown(items(done, 1000)))
            .count();
        assert_eq!(lines, 10);
        assert_eq!(
            shown(items(1, 3)).as_deref(),
            Some("  12.3s  demo.main / boot  1/3")
        );
    }

    #[test]
    fn notes_keep_their_lines() {
        let action = Arc::new(ActionRef {
            id: ActionExecutionId::new("a"),
            name: "demo.work".into(),
            task_id: TaskExecutionId::new("t"),
            task_name: "boot".into(),
            attempt: 1,
        });
        let line = shown(NoticeKind::Note {
            action,
            line: "denied:\n  messaging: [x]\n".into(),
        });
        let expected = "  12.3s  demo.main / boot  note: denied:\n  messaging: [x]";
        assert_eq!(line.as_deref(), Some(expected));
    }
}
