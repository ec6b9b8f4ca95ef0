//! Whether everything in a journal will come to its end.

use std::collections::HashMap;

use ostro_core::{ExecutionId, Value};
use ostro_engine::{EventKind, Execution, Waiting};
use ostro_journal::{ExecutionChange, Journal, LetterId, NewLetter, Turn};

use crate::entry::{Letter, encode};
use crate::replay::{Replay, Revived};
use crate::{RuntimeError, keep};

/// Something that is wrong with an execution in a journal.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which execution.
    pub execution: ExecutionId,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What puts it right, if that can be proven from the events.
    repair: Option<Turn>,
}

impl Finding {
    /// Whether [`Finding::repair`] puts it right.
    pub fn can_be_repaired(&self) -> bool {
        self.repair.is_some()
    }

    /// Puts it right, if that can be. Nobody else may have the journal meanwhile.
    pub fn repair(self, journal: &Journal) -> Result<(), RuntimeError> {
        match self.repair {
            Some(turn) => Ok(journal.write(turn)?),
            None => Ok(()),
        }
    }
}

/// Looks at a root execution and all below it: whether their rows say what their events say, and
/// whether each that has not ended waits for something that will come.
///
/// The error is what keeps them from being read at all.
pub fn diagnose(journal: &Journal, root: &ExecutionId) -> Result<Vec<Finding>, RuntimeError> {
    let mut replay = Replay::new(journal, None);
    replay.only_events = true;
    let family = replay.family(root)?;
    let by_id: HashMap<&ExecutionId, &Revived> = family
        .iter()
        .map(|revived| (&revived.row.id, revived))
        .collect();
    let mut found = Vec::new();
    let by_snapshots = Replay::new(journal, None).family(root)?;
    for (revived, other) in family.iter().zip(&by_snapshots) {
        found.extend(row(revived));
        found.extend(snapshot(revived, other));
        for waiting in revived.execution.waits_for() {
            if let Waiting::Child { id, task } = waiting {
                found.extend(child(revived, by_id.get(&id).copied(), &id, &task));
            }
        }
        let execution = &revived.execution;
        if !execution.state().is_completed() && execution.waits_for().is_empty() {
            found.push(Finding {
                execution: revived.row.id.clone(),
                what: format!("it is {} and waits for nothing", execution.state()),
                repair: None,
            });
        }
    }
    Ok(found)
}

/// What the row says otherwise than the events.
fn row(revived: &Revived) -> Option<Finding> {
    let (row, execution) = (&revived.row, &revived.execution);
    // Between its creation and its first turn it is moved by being started.
    let moving = execution.moves_by_itself() || revived.next == 1;
    let what = if row.state != execution.state() {
        format!(
            "its row says {} and its events {}",
            row.state,
            execution.state()
        )
    } else if row.moving == moving {
        return None;
    } else if moving {
        "it goes on by itself, and would not be brought back".to_owned()
    } else {
        "it is brought back at each start for nothing".to_owned()
    };
    let mut turn = Turn::new();
    turn.execution_change(change(execution, moving));
    Some(Finding {
        execution: row.id.clone(),
        what,
        repair: Some(turn),
    })
}

/// What the snapshot says otherwise than the events.
fn snapshot(revived: &Revived, by_snapshot: &Revived) -> Option<Finding> {
    // Somebody may have it go on meanwhile.
    if revived.next != by_snapshot.next || revived.execution == by_snapshot.execution {
        return None;
    }
    Some(Finding {
        execution: revived.row.id.clone(),
        what: "its snapshot says something else than its events".to_owned(),
        repair: keep::turn(&revived.execution, revived.next),
    })
}

fn change(execution: &Execution, moving: bool) -> ExecutionChange {
    ExecutionChange {
        id: execution.id().clone(),
        state: execution.state(),
        moving,
        state_info: execution.state_info().map(str::to_owned),
        output: None,
        updated_at: execution.updated_at(),
        finished_at: execution.ended_at(),
    }
}

/// What is wrong with a sub-workflow that `parent` waits for.
fn child(
    parent: &Revived,
    child: Option<&Revived>,
    id: &ExecutionId,
    task: &str,
) -> Option<Finding> {
    let finding = |what, repair| {
        Some(Finding {
            execution: parent.row.id.clone(),
            what,
            repair,
        })
    };
    let tells =
        |event: &EventKind| matches!(event, EventKind::ChildFinished { id: of, .. } if of == id);
    if parent.letters.iter().any(|(_, event)| tells(event)) {
        return None;
    }
    let Some(child) = child else {
        let what = format!("its task {task} waits for the sub-workflow {id}, which is not there");
        return finding(what, None);
    };
    if !child.execution.state().is_completed() {
        return None;
    }
    let event: Letter = EventKind::ChildFinished {
        id: id.clone(),
        state: child.execution.state(),
        output: child
            .execution
            .output()
            .cloned()
            .unwrap_or_else(Value::empty_map),
        state_info: child.execution.state_info().map(str::to_owned),
    };
    let what = format!("its task {task} waits for the sub-workflow {id}, which has ended");
    let repair = encode(&event).ok().map(|encoded| {
        let mut turn = Turn::new();
        let (body, values) = encoded.store(&mut turn);
        turn.letter(NewLetter {
            id: LetterId {
                sender: id.clone(),
                event: child.next,
                place: 0,
            },
            recipient: parent.row.id.clone(),
            body,
            values,
        });
        turn
    });
    finding(what, repair)
}
