//! A turn as the journal writes it: the event, the rows of the read model, and what other executions
//! are told.

use std::collections::HashMap;
use std::sync::Arc;

use ostro_core::stored::SaveError;
use ostro_core::{ActionExecutionId, State};
use ostro_engine::{ActionView, Event, Execution, Params, TaskView};
use ostro_journal::{
    ActionChange, ActionRow, ExecutionChange, ExecutionRow, LetterId, NewEvent, NewLetter, Reached,
    TaskRow, Turn,
};
use serde::Serialize;

use crate::entry::{Entry, encode};
use crate::feed::{self, turns::Told};
use crate::plan::{Step, Tell};
use crate::record::Record;

/// A turn that was decided and is not committed.
pub(crate) struct Written<'a> {
    pub(crate) record: &'a Record,
    pub(crate) before: &'a Execution,
    pub(crate) after: &'a Execution,
    pub(crate) event: &'a Event,
    /// The number of the event.
    pub(crate) number: u64,
    /// The letter that the event came by.
    pub(crate) letter: Option<&'a LetterId>,
    pub(crate) steps: &'a [Step],
    /// What whoever watches is told, where somebody wants that.
    pub(crate) told: Option<Told<'a>>,
}

impl Written<'_> {
    /// All that is written of it. The error is that some of it nests too deeply.
    pub(crate) fn turn(&self) -> Result<Turn, SaveError> {
        let mut turn = Turn::new();
        if self.number == 0 {
            // The row is written once, as it is after the turn.
            create(&mut turn, self.record, self.before, self.row())?;
        }
        let number = self.number.max(1);
        event(
            &mut turn,
            self.record,
            number,
            &Entry::Happened(self.event.clone()),
        )?;
        if let Some(letter) = self.letter {
            turn.take_letter(letter.clone());
        }
        if self.number > 0 {
            turn.execution_change(self.change());
            let (before, after) = (self.before.params(), self.after.params());
            // It is the same one but for the turns that change it.
            if !Arc::ptr_eq(&before.env, &after.env) && before.env != after.env {
                turn.params(self.after.id().clone(), params(after));
            }
        }
        // Of the actions that this turn has run, whether each starts right after it.
        let starts: HashMap<&ActionExecutionId, bool> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Run(call) => Some((&call.action.id, call.slot.is_some())),
                _ => None,
            })
            .collect();
        for (task, before) in self.after.changed_tasks(self.before) {
            turn.task(task_row(self.record, task));
            for (action, was) in task.changed_actions(before) {
                let reached = if action.state.is_completed() {
                    Reached::Ended
                } else if starts.get(action.id) == Some(&false) {
                    Reached::Queued
                } else {
                    Reached::Started
                };
                self.action(&mut turn, task, &action, reached, was.is_none());
            }
        }
        for step in self.steps {
            match step {
                Step::Start(prepared) => {
                    let child = prepared.record();
                    let execution = child.snapshot();
                    let row = execution_row(child, &execution);
                    create(&mut turn, child, &execution, row)?;
                }
                Step::Tell(tell) => letter(&mut turn, tell)?,
                _ => {}
            }
        }
        if let Some(told) = self.told {
            feed::turns::tell(
                &mut turn,
                self.record,
                (self.before, self.after),
                self.event,
                self.number == 0,
                self.steps,
                told,
            );
        }
        Ok(turn)
    }

    /// The row of an execution whose first turn this is.
    fn row(&self) -> ExecutionRow {
        let change = self.change();
        ExecutionRow {
            state: change.state,
            moving: change.moving,
            state_info: change.state_info,
            output: change.output,
            updated_at: change.updated_at,
            finished_at: change.finished_at,
            ..execution_row(self.record, self.before)
        }
    }

    fn change(&self) -> ExecutionChange {
        let (before, after) = (self.before, self.after);
        let is_over = after.state().is_completed();
        // One that has ended and runs again may end with the same keys in another order, which is
        // the same to everybody but to whoever reads the row.
        let output = after.output().filter(|_| is_over).map(json);
        let output = output.filter(|output| before.output().map(json).as_ref() != Some(output));
        ExecutionChange {
            id: after.id().clone(),
            state: after.state(),
            moving: after.moves_by_itself(),
            state_info: after.state_info().map(str::to_owned),
            output,
            updated_at: after.updated_at(),
            finished_at: after.ended_at().filter(|_| is_over),
        }
    }

    fn action(
        &self,
        turn: &mut Turn,
        task: TaskView<'_>,
        action: &ActionView<'_>,
        reached: Reached,
        is_new: bool,
    ) {
        let output = (reached == Reached::Ended).then(|| json(action.output));
        if is_new {
            turn.action(ActionRow {
                execution_id: Some(self.after.id().clone()),
                task_execution_id: Some(task.id().clone()),
                state: action.state,
                reached,
                accepted: action.accepted,
                input: Some(json(&**action.input)),
                output,
                started_at: (reached != Reached::Queued).then_some(action.started_at),
                finished_at: action.ended_at,
                updated_at: self.event.now,
                ..ActionRow::new(action.id.clone(), &**action.name, action.started_at)
            });
        } else {
            turn.action_change(ActionChange {
                id: action.id.clone(),
                state: action.state,
                reached,
                accepted: action.accepted,
                state_info: None,
                output,
                updated_at: self.event.now,
                finished_at: action.ended_at,
            });
        }
    }
}

/// Writes the row of a new execution, and that it was created.
fn create(
    turn: &mut Turn,
    record: &Record,
    execution: &Execution,
    row: ExecutionRow,
) -> Result<(), SaveError> {
    record.library.store(turn);
    turn.execution(row);
    event(
        turn,
        record,
        0,
        &Entry::Created(Box::new(execution.clone())),
    )
}

/// The row of an execution that is created.
fn execution_row(record: &Record, execution: &Execution) -> ExecutionRow {
    let about = &record.about;
    let params = execution.params();
    // As Mistral describes them.
    let sub_workflow = about.parent.as_ref().map(|_| "sub-workflow execution");
    let description = params.description.as_deref().or(sub_workflow);
    ExecutionRow {
        root_execution_id: about.parent.as_ref().map(|_| about.root_id.clone()),
        parent_execution_id: about.parent.as_ref().map(|(id, _)| id.clone()),
        task_execution_id: about.parent.as_ref().map(|(_, task)| task.clone()),
        definitions: Some(record.library.digest()),
        state: execution.state(),
        description: description.map(str::to_owned),
        tags: tags(&record.workflow.tags),
        params: Some(self::params(params)),
        input: Some(json(&**execution.input())),
        workflow_namespace: about.namespace.to_string(),
        workflow_id: record.library.id_of(&record.workflow).map(str::to_owned),
        source_execution_id: about.source_id.clone(),
        project_id: about.project.to_string(),
        ..ExecutionRow::new(about.id.clone(), &*about.workflow, execution.created_at())
    }
}

/// The parameters as rows have them: the description is beside them.
fn params(params: &Params) -> String {
    let mut shown = params.to_map();
    shown.shift_remove("description");
    json(&shown)
}

fn event(turn: &mut Turn, record: &Record, number: u64, entry: &Entry) -> Result<(), SaveError> {
    let (body, values) = encode(entry)?.store(turn);
    turn.event(NewEvent {
        execution: record.about.id.clone(),
        number,
        body,
        values,
    });
    Ok(())
}

fn letter(turn: &mut Turn, tell: &Tell) -> Result<(), SaveError> {
    let Some(id) = &tell.letter else {
        return Ok(());
    };
    let (body, values) = encode(&tell.event)?.store(turn);
    turn.letter(NewLetter {
        id: id.clone(),
        recipient: tell.to.about.id.clone(),
        body,
        values,
    });
    Ok(())
}

fn task_row(record: &Record, task: TaskView<'_>) -> TaskRow {
    let spec = record.workflow.tasks.get(&**task.name());
    let is_workflow = record.runs_workflow(task.name());
    // A with-items task changes with each of its items, and its list of results grows with them.
    let is_over = task.state().is_completed();
    TaskRow {
        kind: if is_workflow { "WORKFLOW" } else { "ACTION" }.to_owned(),
        state: task.state(),
        processed: task.is_processed(),
        state_info: task.state_info().map(str::to_owned),
        tags: spec.and_then(|spec| tags(&spec.tags)),
        runtime_context: runtime_context(task),
        published: is_over.then(|| json(&**task.published())),
        result: (is_over && task.state() != State::Skipped).then(|| json(&task.result())),
        updated_at: task.updated_at(),
        started_at: task.started_at(),
        finished_at: task.ended_at(),
        ..TaskRow::new(
            task.id().clone(),
            record.about.id.clone(),
            &**task.name(),
            task.created_at(),
        )
    }
}

/// What Mistral calls so: how many items there are, and which retry it is at.
fn runtime_context(task: TaskView<'_>) -> Option<String> {
    let mut context = serde_json::Map::new();
    if let Some(items) = task.items() {
        let items = serde_json::json!({"count": items.total, "capacity": null});
        context.insert("with_items".to_owned(), items);
    }
    if task.attempt() > 1 {
        let retry = serde_json::json!({"retry_no": task.attempt() - 1});
        context.insert("retry_task_policy".to_owned(), retry);
    }
    (!context.is_empty()).then(|| json(&context))
}

fn tags<T: Serialize>(tags: &[T]) -> Option<String> {
    (!tags.is_empty()).then(|| json(tags))
}

/// Workflow values have a JSON form, whatever they hold.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
