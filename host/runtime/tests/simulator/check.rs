//! What must hold of the journal after all has come to its end.

use std::collections::BTreeMap;

use ostro_core::{ActionErrorKind, ActionExecutionId, ActionOutcome, ExecutionId, Value, stored};
use ostro_engine::{Event, EventKind, Execution, TaskView, decide};
use ostro_journal::{Digest, Journal, JournalError, Reached};
use ostro_lang::Definitions;
use ostro_runtime::{Snapshots, diagnose};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::feed::{self, Told};
use crate::tree::Family;
use crate::world::{Inner, Place, Wish};

/// What the runtime keeps of an execution.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Entry {
    Created(Box<Execution>),
    Happened(Event),
}

/// What the journal says.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) family: Family,
    /// What the turns of each execution changed.
    pub(crate) told: Told,
    pub(crate) events: u64,
    /// How many events were decided again to bring all executions back.
    pub(crate) decided: u64,
    /// How many executions have a snapshot.
    pub(crate) snapshots: u64,
    /// How actions ended that were lost.
    pub(crate) lost: BTreeMap<Place, ActionOutcome>,
    /// How often what happened, by what and about whom.
    happened: BTreeMap<(Wish, String), usize>,
    faults: Vec<String>,
}

/// Looks at the executions of `roots`: what is wrong is told, all of it.
pub(crate) fn check(
    journal: &Journal,
    definitions: &Definitions,
    roots: &[ExecutionId],
    world: &Inner,
) -> Result<Kept, String> {
    let mut kept = Kept::default();
    for root in roots {
        let found = diagnose(journal, root).map_err(text)?;
        if !found.is_empty() {
            return Err(format!("what is kept of {root} is not sound: {found:?}"));
        }
        kept.decided += Snapshots::read(journal, root).map_err(text)?.decided() as u64;
        for id in journal.family(root, false).map_err(text)? {
            kept.execution(journal, definitions, &id)
                .map_err(|fault| format!("{id}: {fault}"))?;
        }
    }
    kept.requests(world);
    if kept.faults.is_empty() {
        Ok(kept)
    } else {
        Err(kept.faults.join("\n"))
    }
}

impl Kept {
    fn execution(
        &mut self,
        journal: &Journal,
        definitions: &Definitions,
        id: &ExecutionId,
    ) -> Result<(), String> {
        let loaded = journal.load(id).map_err(text)?.ok_or("it is gone")?;
        let events = journal.events(id, 0, usize::MAX).map_err(text)?;
        self.snapshots += u64::from(loaded.snapshot.is_some());
        self.events += loaded.next;
        let workflow = definitions
            .workflow_in(&loaded.row.workflow_namespace, &loaded.row.workflow_name)
            .ok_or("its workflow is gone")?;
        let mut execution: Option<Execution> = None;
        let mut ended: BTreeMap<ActionExecutionId, ActionOutcome> = BTreeMap::new();
        let mut started = 0;
        let mut told = Vec::new();
        for event in &events {
            execution = Some(match (load(journal, &event.body)?, execution) {
                (Entry::Created(created), None) => *created,
                (Entry::Happened(event), Some(before)) => {
                    self.count(id, &event.kind);
                    started += usize::from(event.kind == EventKind::Started);
                    if let EventKind::ActionFinished { id, outcome } = &event.kind
                        && *outcome != ActionOutcome::Deferred
                        && ended.insert(id.clone(), outcome.clone()).is_some()
                    {
                        return Err(format!("action {id} ended twice"));
                    }
                    let decision = decide(definitions, workflow, before.clone(), event);
                    told.extend(feed::lines(&before, &decision));
                    decision.execution
                }
                _ => return Err("its events are out of order".to_owned()),
            });
        }
        let execution = execution.ok_or("it has no events")?;
        if started != 1 {
            return Err(format!("it started {started} times"));
        }
        if !execution.state().is_completed() {
            return Err(format!("it is {} in the end", execution.state()));
        }
        let info = execution.state_info().unwrap_or_default();
        if info.contains("which is a bug") {
            return Err(info.to_owned());
        }
        if !journal.letters(id).map_err(text)?.is_empty() {
            return Err("it has letters that it did not take in".to_owned());
        }
        same_execution(&loaded.row, &execution)?;
        for task in execution.tasks() {
            same_task(journal, task).map_err(|fault| format!("task {}: {fault}", task.id()))?;
            for action in task.actions() {
                if let Some(outcome) = ended.get(action.id).filter(|end| is_lost(end)) {
                    let path = action.input.get("path").and_then(Value::as_str);
                    let place = (path.unwrap_or_default().to_owned(), action.attempt);
                    self.lost.insert(place, outcome.clone());
                }
            }
        }
        self.family.insert(id.clone(), execution);
        self.told.insert(id.clone(), told);
        Ok(())
    }

    fn count(&mut self, id: &ExecutionId, kind: &EventKind) {
        let (wish, about) = match kind {
            EventKind::Started => (Wish::Start, id.to_string()),
            EventKind::Paused => (Wish::Pause, id.to_string()),
            EventKind::Resumed { .. } => (Wish::Resume, id.to_string()),
            EventKind::Stopped { .. } => (Wish::Stop, id.to_string()),
            EventKind::Rerun { .. } => (Wish::Rerun, id.to_string()),
            EventKind::Skipped { .. } => (Wish::Skip, id.to_string()),
            EventKind::ActionChanged { id, .. } => (Wish::Change, id.to_string()),
            EventKind::ActionFinished { id, outcome } if *outcome != ActionOutcome::Deferred => {
                (Wish::Finish, id.to_string())
            }
            _ => return,
        };
        *self.happened.entry((wish, about)).or_default() += 1;
    }

    /// What people were told has happened; and nothing has that they were told has not.
    fn requests(&mut self, world: &Inner) {
        let mut told: BTreeMap<(Wish, String), (usize, usize)> = BTreeMap::new();
        for asked in &world.asked {
            let (granted, open) = told.entry((asked.wish, asked.about.clone())).or_default();
            match asked.answer {
                Some(Ok(())) => *granted += 1,
                Some(Err(_)) => {}
                None => *open += 1,
            }
        }
        for ((wish, about), (granted, open)) in told {
            let key = (wish, about);
            let happened = self.happened.get(&key).copied().unwrap_or_default();
            // Starting again is harmless; parents stop their children, too.
            let (least, most) = match wish {
                Wish::Start => (granted.min(1), 1),
                Wish::Stop => (granted, usize::MAX),
                Wish::Finish => (granted, 1),
                _ => (granted, granted + open),
            };
            if !(least..=most).contains(&happened) {
                let (wish, about) = key;
                self.faults.push(format!(
                    "{wish:?} of {about}: {granted} were granted and {open} have no answer, \
                     and it happened {happened} times"
                ));
            }
        }
    }
}

fn is_lost(outcome: &ActionOutcome) -> bool {
    matches!(outcome, ActionOutcome::Error(error)
        if error.kind == ActionErrorKind::Host && error.message.starts_with("the host stopped while"))
}

fn same_execution(row: &ostro_journal::ExecutionRow, execution: &Execution) -> Result<(), String> {
    same("state", &row.state, &execution.state())?;
    same("moving", &row.moving, &execution.moves_by_itself())?;
    same(
        "reason",
        &row.state_info.as_deref(),
        &execution.state_info(),
    )?;
    same("output", &row.output, &execution.output().map(json))?;
    same("time", &row.updated_at, &execution.updated_at())?;
    same("end", &row.finished_at, &execution.ended_at())
}

fn same_task(journal: &Journal, task: TaskView<'_>) -> Result<(), String> {
    let record = journal
        .task(task.id())
        .map_err(text)?
        .ok_or("it has no row")?;
    let row = record.row;
    let over = task.state().is_completed();
    same("state", &row.state, &task.state())?;
    same("processed", &row.processed, &task.is_processed())?;
    same("reason", &row.state_info.as_deref(), &task.state_info())?;
    same("end", &row.finished_at, &task.ended_at())?;
    same("time", &row.updated_at, &task.updated_at())?;
    if over && task.state() != ostro_core::State::Skipped {
        same("result", &row.result, &Some(json(&task.result())))?;
        same(
            "published",
            &row.published,
            &Some(json(&**task.published())),
        )?;
    }
    for action in task.actions() {
        let record = journal.action(action.id).map_err(text)?;
        let row = record
            .ok_or_else(|| format!("action {} has no row", action.id))?
            .row;
        let over = action.state.is_completed();
        same("action's state", &row.state, &action.state)?;
        same("action's end", &(row.reached == Reached::Ended), &over)?;
        same("action's acceptance", &row.accepted, &action.accepted)?;
        same(
            "action's output",
            &row.output,
            &over.then(|| json(action.output)),
        )?;
        same("action's input", &row.input, &Some(json(&**action.input)))?;
        if row.execution_id.is_none() || row.task_execution_id.as_ref() != Some(task.id()) {
            return Err(format!("action {} belongs to another task", action.id));
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, row: &T, replayed: &T) -> Result<(), String> {
    if row == replayed {
        return Ok(());
    }
    Err(format!(
        "its {what} is {row:?} in its row and {replayed:?} by its events"
    ))
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

fn load<T: DeserializeOwned>(journal: &Journal, body: &[u8]) -> Result<T, String> {
    let mut fetch = |digest: &stored::Digest| -> Result<_, JournalError> {
        let value = journal.value(&Digest::from_bytes(*digest))?;
        Ok(value.map(Into::into))
    };
    stored::load(body, &mut fetch).map_err(|error| format!("an event cannot be read: {error}"))
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
