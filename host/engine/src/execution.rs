//! The state of an execution: one value that can be stored and restored at any turn's end.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use ostro_core::{ExecutionId, Map, State, TaskExecutionId, Value};
use ostro_lang::{Budget, Definitions, Diagnostic, Scope, Template, Workflow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::EngineError;
use crate::event::TimerId;
use crate::functions::Functions;
use crate::task::{RunRef, TaskExecution};
use crate::transitions::Pending;

/// What an execution is started with beside its input (Mistral's `params`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// The environment. A sub-workflow has that of its root execution.
    #[serde(with = "ostro_core::stored::shared")]
    pub env: Arc<Map>,
    /// The task that a reverse workflow is to reach.
    pub task_name: Option<Arc<str>>,
    /// The task execution that wants this execution, if it is a sub-workflow's.
    pub task_execution_id: Option<TaskExecutionId>,
    /// The execution at the top, if this is a sub-workflow's.
    pub root_execution_id: Option<ExecutionId>,
    /// Which item of a with-items task this is, from 0.
    pub index: usize,
    /// How many executions are above this one.
    pub depth: usize,
    /// What a person wrote about this execution.
    pub description: Option<Arc<str>>,
    /// The namespace in which sub-workflows are looked for, before the default one, which is
    /// the empty text. A root execution has that of its workflow, unless that is the default one;
    /// a sub-workflow has its parent's, wherever it was found.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub namespace: Arc<str>,
    /// Everything else that was given: `execution().params` shows it.
    #[serde(with = "ostro_core::stored::shared")]
    pub extra: Arc<Map>,
    /// When the execution was created, in milliseconds since 1970 UTC.
    pub created_at: i64,
}

impl Params {
    /// The parameters that [`crate::Command::StartChild`] carries, for an execution that is
    /// created at `created_at`.
    pub fn from_map(map: &Map, created_at: i64) -> Self {
        let mut params = Params {
            created_at,
            ..Params::default()
        };
        let mut extra = Map::new();
        for (key, value) in map {
            match (&**key, value) {
                ("env", Value::Map(env)) => params.env = Arc::clone(env),
                ("task_name", Value::String(name)) => params.task_name = Some(Arc::clone(name)),
                ("task_execution_id", Value::String(id)) => {
                    params.task_execution_id = Some(TaskExecutionId::new(Arc::clone(id)));
                }
                ("root_execution_id", Value::String(id)) => {
                    params.root_execution_id = Some(ExecutionId::new(Arc::clone(id)));
                }
                ("index", Value::Int(index)) => {
                    params.index = usize::try_from(*index).unwrap_or_default();
                }
                ("depth", Value::Int(depth)) => {
                    params.depth = usize::try_from(*depth).unwrap_or(usize::MAX);
                }
                ("description", Value::String(text)) => {
                    params.description = Some(Arc::clone(text));
                }
                ("namespace", Value::String(name)) => params.namespace = Arc::clone(name),
                _ => {
                    extra.insert(Arc::clone(key), value.clone());
                }
            }
        }
        params.extra = Arc::new(extra);
        params
    }

    /// The inverse of [`Params::from_map`], as `execution().params` shows it.
    pub fn to_map(&self) -> Map {
        let mut map = Map::new();
        map.insert("env".into(), Value::Map(Arc::clone(&self.env)));
        if let Some(name) = &self.task_name {
            map.insert("task_name".into(), Arc::clone(name).into());
        }
        if let Some(id) = &self.task_execution_id {
            map.insert("task_execution_id".into(), id.as_str().into());
            map.insert(
                "index".into(),
                Value::Int(i64::try_from(self.index).unwrap_or(i64::MAX)),
            );
        }
        if let Some(id) = &self.root_execution_id {
            map.insert("root_execution_id".into(), id.as_str().into());
        }
        if let Some(text) = &self.description {
            map.insert("description".into(), Arc::clone(text).into());
        }
        map.insert("namespace".into(), Arc::clone(&self.namespace).into());
        for (key, value) in self.extra.iter() {
            map.entry(Arc::clone(key)).or_insert_with(|| value.clone());
        }
        map
    }
}

/// Why a timer was set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TimerPurpose {
    /// `wait-before`: the task starts when it fires.
    WaitBefore,
    /// `wait-after`: the task, which ended like this, is over when it fires.
    WaitAfter { state: State, info: Option<String> },
    /// A retry's delay: the next try starts when it fires.
    Retry,
    /// `timeout`: the task fails when it fires.
    Timeout { seconds: String },
}

/// A timer that was set and has not fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timer {
    pub(crate) task: usize,
    pub(crate) at: i64,
    pub(crate) purpose: TimerPurpose,
}

/// An end that waits for the tasks that stand before `fail` or `succeed` in the same list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ending {
    pub(crate) state: State,
    pub(crate) message: Option<String>,
    pub(crate) after: BTreeSet<usize>,
}

/// The state of one execution. Cloning is cheap: what two states have in common is shared.
///
/// It can be stored with serde after any turn and restored later, elsewhere: the next turn is
/// the same. Only [`crate::decide`] changes it.
///
/// Plain JSON repeats what tasks share. [`ostro_core::stored`] writes it once:
///
/// ```
/// # use std::{collections::HashMap, convert::Infallible, sync::Arc};
/// # use ostro_core::{ExecutionId, Map, Value, stored};
/// # use ostro_engine::{Execution, Params};
/// # let text = "{version: '2.0', w: {input: [image], tasks: {t: {action: std.noop}}}}";
/// # let definitions: ostro_lang::Definitions = [ostro_lang::parse(text, "w")].into_iter().collect();
/// # let workflow = definitions.workflow("w").ok_or("no such workflow")?;
/// # let input: Map = [("image".into(), "x".repeat(1 << 20).into())].into_iter().collect();
/// # let id = ExecutionId::new("c7f9…");
/// # let execution = Execution::new(id, workflow, &input, Params::default())?;
/// # let mut table = HashMap::new();
/// let saved = stored::save(&execution)?;
/// // Those whose digests the table has already need not be written again.
/// table.extend(saved.values.into_iter().map(|value| (value.digest, value.bytes)));
/// let body = saved.body;
/// assert!(body.len() < 1_000);
///
/// let mut fetch = |digest: &stored::Digest| Ok::<_, Infallible>(table.get(digest).cloned());
/// let restored: Execution = stored::load(&body, &mut fetch)?;
/// assert_eq!(restored, execution);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    pub(crate) id: ExecutionId,
    pub(crate) workflow: Arc<str>,
    /// The namespace of its workflow.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) namespace: Arc<str>,
    pub(crate) state: State,
    pub(crate) state_info: Option<String>,
    #[serde(with = "ostro_core::stored::shared")]
    pub(crate) input: Arc<Map>,
    pub(crate) params: Params,
    /// `vars` and what was published globally.
    #[serde(with = "ostro_core::stored::shared")]
    pub(crate) globals: Arc<Map>,
    pub(crate) output: Option<Value>,
    pub(crate) updated_at: i64,
    pub(crate) ended_at: Option<i64>,
    /// All task executions, in the order of their creation. Tasks are named by their place.
    pub(crate) tasks: Vector<Arc<TaskExecution>>,
    /// The task executions that have not ended.
    pub(crate) open: OrdSet<usize>,
    /// Those of them that are joins and wait for branches.
    pub(crate) waiting: OrdSet<usize>,
    /// The newest execution of each task.
    pub(crate) latest: OrdMap<Arc<str>, usize>,
    /// Actions and sub-workflows in flight, by their ids as numbers.
    pub(crate) in_flight: OrdMap<u128, RunRef>,
    pub(crate) timers: OrdMap<TimerId, Timer>,
    /// What is to follow when the execution is resumed.
    pub(crate) backlog: Vec<Pending>,
    /// Tasks whose delay was over while the execution was paused.
    pub(crate) held: OrdSet<usize>,
    pub(crate) ending: Option<Ending>,
    /// How many ids were made.
    pub(crate) ids: u64,
}

impl Execution {
    /// An execution of `workflow` that has not started: the event
    /// [`crate::EventKind::Started`] starts it.
    ///
    /// `input` gets the defaults of what it leaves out. Expressions in the environment are
    /// evaluated, unless the parameter `evaluate_env` says no; a sub-workflow gets the
    /// environment of its parent as it is.
    ///
    /// # Errors
    /// If an input without a default is missing, or one is given that the workflow does not take;
    /// if an expression of the environment cannot be evaluated.
    pub fn new(
        id: ExecutionId,
        workflow: &Workflow,
        input: &Map,
        mut params: Params,
    ) -> Result<Self, EngineError> {
        let input = EngineError::bind(workflow, input)?;
        let namespace = &workflow.namespace;
        if params.task_execution_id.is_none() && !namespace.is_empty() {
            params.namespace = Arc::clone(namespace);
        }
        let mut execution = Self {
            id,
            workflow: Arc::clone(&workflow.name),
            namespace: Arc::clone(namespace),
            state: State::Idle,
            state_info: None,
            input: Arc::new(input),
            updated_at: params.created_at,
            params,
            globals: Arc::default(),
            output: None,
            ended_at: None,
            tasks: Vector::new(),
            open: OrdSet::new(),
            waiting: OrdSet::new(),
            latest: OrdMap::new(),
            in_flight: OrdMap::new(),
            timers: OrdMap::new(),
            backlog: Vec::new(),
            held: OrdSet::new(),
            ending: None,
            ids: 0,
        };
        execution.evaluate_env(workflow)?;
        Ok(execution)
    }

    fn evaluate_env(&mut self, workflow: &Workflow) -> Result<(), EngineError> {
        let wanted = self.params.extra.get("evaluate_env");
        if wanted.is_some_and(|wanted| !wanted.is_truthy())
            || self.params.task_execution_id.is_some()
        {
            return Ok(());
        }
        let wrong = |reason: String| EngineError::Environment { reason };
        let env = Value::Map(Arc::clone(&self.params.env));
        let template = Template::from_value(&env, "env")
            .map_err(|problems| wrong(first_message(&problems)))?;
        // As in Mistral, it can say `$.__env` or `env()` of itself, as it was given.
        let data = [("__env", env)].into_iter().collect();
        let functions = Functions::new(self, workflow, None, self.params.created_at, &[]);
        let budget = Budget::default();
        let scope = Scope {
            data: &data,
            host: &functions,
            budget: &budget,
        };
        let evaluated = template.evaluate(scope);
        self.ids = functions.ids();
        match evaluated.map_err(|error| wrong(error.to_string()))? {
            Value::Map(env) => self.params.env = env,
            other => return Err(wrong(format!("it must be an object, got {}", other.kind()))),
        }
        Ok(())
    }

    /// Its id.
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// The full name of its workflow.
    pub fn workflow_name(&self) -> &Arc<str> {
        &self.workflow
    }

    /// Its workflow among `definitions`.
    pub fn workflow<'a>(&self, definitions: &'a Definitions) -> Option<&'a Arc<Workflow>> {
        definitions.workflow_in(&self.namespace, &self.workflow)
    }

    /// The namespace of its workflow; empty for the default one.
    pub fn workflow_namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why it is in its state: the failure, the message of the command.
    pub fn state_info(&self) -> Option<&str> {
        self.state_info.as_deref()
    }

    /// Its output, once it has ended.
    pub fn output(&self) -> Option<&Value> {
        self.output.as_ref()
    }

    /// Its input, defaults filled in.
    pub fn input(&self) -> &Arc<Map> {
        &self.input
    }

    /// What it was started with beside its input.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// `vars`, and what was published globally.
    pub fn globals(&self) -> &Arc<Map> {
        &self.globals
    }

    /// When it was created, in milliseconds since 1970 UTC.
    pub fn created_at(&self) -> i64 {
        self.params.created_at
    }

    /// When it last changed, in milliseconds since 1970 UTC.
    pub fn updated_at(&self) -> i64 {
        self.updated_at
    }

    /// When it ended, in milliseconds since 1970 UTC.
    pub fn ended_at(&self) -> Option<i64> {
        self.ended_at
    }

    /// The execution at the top: its own, if no other started it.
    pub fn root_id(&self) -> &ExecutionId {
        self.params.root_execution_id.as_ref().unwrap_or(&self.id)
    }

    /// The next id: the same for the same history.
    pub(crate) fn next_id(&mut self) -> Arc<str> {
        let id = nth_uuid(&self.id, self.ids);
        self.ids += 1;
        let mut buffer = Uuid::encode_buffer();
        Arc::from(&*id.hyphenated().encode_lower(&mut buffer))
    }

    /// The timers of `task`.
    pub(crate) fn timers_of(&self, task: usize) -> impl Iterator<Item = (&TimerId, &Timer)> {
        let all = (!self.timers.is_empty()).then(|| {
            let id = &self.tasks[task].id;
            // `0` is the character after `/`: all of this task's timers are between the two.
            let (from, to) = (TimerId(format!("{id}/")), TimerId(format!("{id}0")));
            self.timers.range(from..to)
        });
        all.into_iter().flatten()
    }

    /// Where the action or the sub-workflow `id` runs, if it is in flight.
    pub(crate) fn run_in_flight(&self, id: &str) -> Option<RunRef> {
        self.in_flight.get(&number(id)?).copied()
    }

    /// The action or the sub-workflow `id` is in flight.
    pub(crate) fn take_off(&mut self, id: &str, at: RunRef) {
        if let Some(number) = number(id) {
            self.in_flight.insert(number, at);
        }
    }

    /// The action or the sub-workflow `id` is not in flight any more, if it was.
    pub(crate) fn land(&mut self, id: &str) -> Option<RunRef> {
        self.in_flight.remove(&number(id)?)
    }

    /// The task execution at `task`, to be changed.
    pub(crate) fn task_mut(&mut self, task: usize) -> &mut TaskExecution {
        Arc::make_mut(&mut self.tasks[task])
    }
}

fn first_message(problems: &[Diagnostic]) -> String {
    problems.first().map_or_else(String::new, |problem| {
        format!("{}: {}", problem.location, problem.message)
    })
}

/// An id that this crate has made, as a number.
fn number(id: &str) -> Option<u128> {
    Uuid::parse_str(id).ok().map(|id| id.as_u128())
}

/// Number `count` of the ids that expressions of the execution `id` ask for.
pub(crate) fn nth_id(id: &ExecutionId, count: u64) -> String {
    nth_hash(namespace(id), count).to_string()
}

/// Number `count` of the ids that the execution `id` gives to what is part of it.
fn nth_uuid(id: &ExecutionId, count: u64) -> Uuid {
    let namespace = namespace(id);
    let hash = nth_hash(namespace, count);
    if !matches!(namespace.get_version_num(), 7 | 8) {
        return hash;
    }
    // An id that begins with a time passes it on, and the count comes next: what is made together
    // is then together in every index of ids.
    let mut bytes = hash.into_bytes();
    bytes[..6].copy_from_slice(&namespace.as_bytes()[..6]);
    let [.., high, low] = count.to_be_bytes();
    bytes[6..8].copy_from_slice(&[0x80 | (high & 0xf), low]);
    Uuid::from_bytes(bytes)
}

fn nth_hash(namespace: Uuid, count: u64) -> Uuid {
    Uuid::new_v5(&namespace, &count.to_be_bytes())
}

fn namespace(id: &ExecutionId) -> Uuid {
    Uuid::parse_str(id.as_str())
        .unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_an_execution_whose_id_begins_with_a_time_begin_with_it_and_are_in_order() {
        let root = ExecutionId::new("01a20ef9-c054-72ea-a6d8-fd5292154f24");
        let child = ExecutionId::new(nth_uuid(&root, 3).to_string());
        let other = ExecutionId::new("01a20ef9-c054-72ea-a6d8-fd5292154f25");
        for id in [&root, &child, &other] {
            let ids: Vec<_> = (0..4096).map(|count| nth_uuid(id, count)).collect();
            assert!(
                ids.iter()
                    .all(|id| id.to_string().starts_with("01a20ef9-c054-8"))
            );
            assert!(ids.is_sorted_by(|a, b| a < b));
            assert_ne!(nth_uuid(id, 4096), ids[0]);
        }
        assert_ne!(nth_uuid(&root, 0), nth_uuid(&other, 0));
        assert_ne!(nth_uuid(&root, 0), nth_uuid(&child, 0));
    }

    #[test]
    fn other_ids_are_what_they_always_were() {
        let random = ExecutionId::new("0f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!(nth_uuid(&random, 7), nth_hash(namespace(&random), 7));
        assert_eq!(nth_uuid(&random, 7).get_version_num(), 5);
        assert_eq!(
            nth_uuid(&ExecutionId::new("a name"), 0).get_version_num(),
            5
        );
    }
}
