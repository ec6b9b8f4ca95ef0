//! What expressions ask about other executions: `executions()`, `tasks()`.
//!
//! An execution is decided from its own state and the event alone. Where an expression asks
//! about others, the turn does not happen: [`Decision::question`](crate::Decision::question)
//! says what is asked, the driver answers (by [`Query::answer`] from what it knows), puts the
//! answer into the event, and decides again. The answers are thereby part of what happened, and
//! are stored and replayed with it, in whatever engine.

use std::sync::{Arc, LazyLock};

use ostro_core::{ExecutionId, Map, State, TaskExecutionId, Value};
use ostro_lang::{Work, Workflow};
use serde::{Deserialize, Serialize};

use crate::execution::Execution;
use crate::task::{Run, RunKind, TaskExecution};
use crate::text::time;

/// How many questions one event may raise. Each has the turn taken again.
pub(crate) const MAX_QUESTIONS: usize = 100;

/// What an expression asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Query {
    /// All executions that fit: `executions(…)`.
    Executions {
        /// Its id.
        id: Option<Arc<str>>,
        /// The execution at the top.
        root_execution_id: Option<Arc<str>>,
        /// Its state.
        state: Option<Arc<str>>,
        /// Created then or later, as `2026-01-31 23:59:59`.
        from_time: Option<Arc<str>>,
        /// Created earlier.
        to_time: Option<Arc<str>>,
    },
    /// The tasks of other executions: `tasks(…)`.
    Tasks {
        /// Whose.
        executions: Vec<ExecutionId>,
        /// Those of their sub-workflows too.
        recursive: bool,
        /// In which state.
        state: Option<Arc<str>>,
        /// Without tasks whose sub-workflows ended as they did.
        flat: bool,
    },
}

/// A [`Query`] and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked.
    pub query: Query,
    /// What the function gives.
    pub value: Value,
}

/// The executions that a driver knows.
pub trait Records {
    /// One of them, with its workflow.
    fn execution(&self, id: &ExecutionId) -> Option<(Arc<Execution>, Arc<Workflow>)>;

    /// All of them that may be in the answer to `query`, in any order: others do no harm.
    fn executions(&self, query: &Query) -> Vec<Arc<Execution>>;
}

impl Query {
    /// The answer out of `records`, with executions as of their last turns.
    pub fn answer(self, records: &dyn Records) -> Answer {
        let value = match &self {
            Query::Executions {
                id,
                root_execution_id,
                state,
                from_time,
                to_time,
            } => {
                let fits = |wanted: &Option<Arc<str>>, is: &str| {
                    wanted.as_ref().is_none_or(|wanted| **wanted == *is)
                };
                // As text, times compare as times do; Mistral takes both forms.
                let moment = |time: &Option<Arc<str>>| time.as_ref().map(|t| t.replace('T', " "));
                let (from, to) = (moment(from_time), moment(to_time));
                let mut found = records.executions(&self);
                found.retain(|execution| {
                    let root = execution.params.root_execution_id.as_ref();
                    let created = time(execution.created_at());
                    fits(id, execution.id.as_str())
                        && fits(root_execution_id, root.map_or("", |id| id.as_str()))
                        && fits(state, execution.state.as_str())
                        && from.as_ref().is_none_or(|from| created >= *from)
                        && to.as_ref().is_none_or(|to| created < *to)
                });
                found.sort_by(|a, b| (a.created_at(), &a.id).cmp(&(b.created_at(), &b.id)));
                found.iter().map(|found| show_execution(found)).collect()
            }
            Query::Tasks {
                executions,
                recursive,
                state,
                flat,
            } => {
                let filter = Filter {
                    state: state.as_deref(),
                    flat: *flat,
                };
                let mut found = Vec::new();
                // The last one is looked at next.
                let mut left: Vec<ExecutionId> = executions.iter().rev().cloned().collect();
                while let Some(id) = left.pop() {
                    let Some((execution, workflow)) = records.execution(&id) else {
                        continue;
                    };
                    found.extend(filter.tasks(&execution, &workflow));
                    if *recursive {
                        left.extend(execution.sub_workflows().into_iter().rev());
                    }
                }
                found.into_iter().collect()
            }
        };
        Answer { query: self, value }
    }
}

/// Which tasks `tasks()` lists.
pub(crate) struct Filter<'a> {
    pub(crate) state: Option<&'a str>,
    /// A task whose sub-workflows all ended as it did adds nothing to a flat list.
    pub(crate) flat: bool,
}

impl Filter<'_> {
    /// The tasks of `execution` that pass.
    pub(crate) fn tasks(&self, execution: &Execution, workflow: &Workflow) -> Vec<Value> {
        let tasks = execution.tasks.iter();
        tasks
            .filter(|task| {
                let ended_so = |run: &Arc<Run>| {
                    matches!(run.kind, RunKind::Child { .. }) && run.state == task.state
                };
                self.state.is_none_or(|state| task.state.as_str() == state)
                    && !(self.flat && task.runs.iter().any(ended_so))
            })
            .map(|task| show_task(execution, workflow, task))
            .collect()
    }
}

impl Execution {
    /// The executions of all sub-workflows that its tasks have started, in order.
    pub(crate) fn sub_workflows(&self) -> Vec<ExecutionId> {
        let runs = self.tasks.iter().flat_map(|task| &task.runs);
        runs.filter_map(|run| match &run.kind {
            RunKind::Child { id, .. } => Some(id.clone()),
            RunKind::Action { .. } => None,
        })
        .collect()
    }
}

/// A task execution, as expressions see it.
const TASK_KEYS: [&str; 11] = [
    "id",
    "name",
    "spec",
    "state",
    "state_info",
    "result",
    "published",
    "type",
    "workflow_execution_id",
    "created_at",
    "updated_at",
];

/// Every `task()` makes a map of these, so that they are made once.
static KEYS: LazyLock<[Arc<str>; TASK_KEYS.len()]> = LazyLock::new(|| TASK_KEYS.map(Arc::from));

pub(crate) fn show_task(execution: &Execution, workflow: &Workflow, task: &TaskExecution) -> Value {
    let spec = workflow.tasks.get(&task.name);
    let with_items = spec.is_some_and(|spec| spec.with_items.is_some());
    let is_workflow = spec.is_some_and(|spec| matches!(spec.work, Work::Workflow(_)));
    let kind = if is_workflow { "WORKFLOW" } else { "ACTION" };
    let values: [Value; TASK_KEYS.len()] = [
        task.id.as_str().into(),
        Arc::clone(&task.name).into(),
        task_spec(workflow, &task.name),
        task.state.as_str().into(),
        task.state_info.clone().into(),
        task.result(with_items),
        Value::Map(Arc::clone(&task.published)),
        kind.into(),
        execution.id.as_str().into(),
        time(task.created_at).into(),
        time(task.updated_at).into(),
    ];
    let keys = KEYS.iter().map(Arc::clone);
    Value::from(keys.zip(values).collect::<Map>())
}

fn task_spec(workflow: &Workflow, name: &Arc<str>) -> Value {
    let mut spec = Map::new();
    spec.insert("name".into(), Arc::clone(name).into());
    let tasks = workflow.definition.get("tasks");
    if let Some(Value::Map(written)) = tasks.and_then(|tasks| tasks.get(name)) {
        for (key, value) in written.iter() {
            spec.insert(Arc::clone(key), value.clone());
        }
    }
    spec.into()
}

/// An execution, as expressions of another see it.
fn show_execution(execution: &Execution) -> Value {
    let params = &execution.params;
    let root = params.root_execution_id.as_ref().map(ExecutionId::as_str);
    let task = params
        .task_execution_id
        .as_ref()
        .map(TaskExecutionId::as_str);
    let output = match execution.state {
        State::Success | State::Error | State::Cancelled => execution.output.clone(),
        _ => None,
    };
    let entries: [(&str, Value); 13] = [
        ("id", execution.id.as_str().into()),
        ("name", Arc::clone(&execution.workflow).into()),
        ("workflow_name", Arc::clone(&execution.workflow).into()),
        (
            "description",
            params
                .description
                .clone()
                .map(Value::from)
                .unwrap_or_default(),
        ),
        ("state", execution.state.as_str().into()),
        ("state_info", execution.state_info.clone().into()),
        ("input", Value::Map(Arc::clone(&execution.input))),
        ("output", output.unwrap_or_else(Value::empty_map)),
        ("params", params.to_map().into()),
        (
            "task_execution_id",
            task.map(Value::from).unwrap_or_default(),
        ),
        (
            "root_execution_id",
            root.map(Value::from).unwrap_or_default(),
        ),
        ("created_at", time(params.created_at).into()),
        ("updated_at", time(execution.updated_at).into()),
    ];
    entries.into_iter().collect()
}
