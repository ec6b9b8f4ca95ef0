//! The actions and sub-workflows that tasks run.

use std::sync::Arc;

use ostro_core::{ActionExecutionId, ActionOutcome, ExecutionId, Map, State, Value};
use ostro_lang::{ExpressionError, Task, Template, Work, Workflow, bind_input, invalid_input};

use crate::context::filled_up;
use crate::decide::Turn;
use crate::event::Command;
use crate::reason::Reason;
use crate::task::{Run, RunKind, RunRef};
use crate::text::explain;

/// How deep sub-workflows may nest. A workflow that starts itself would otherwise never end.
const MAX_DEPTH: usize = 64;

/// Why a task could not start what it runs.
pub(crate) enum RunError {
    /// The task fails, and may handle it.
    Failed(String),
    /// The definition is wrong: the execution fails.
    Broken(String),
}

fn broken(error: &ExpressionError) -> RunError {
    RunError::Broken(error.to_string())
}

impl Turn<'_> {
    /// Starts one run for `task`, with the item's variables in `extra`.
    pub(crate) fn start_run(
        &mut self,
        task: usize,
        spec: &Task,
        index: usize,
        extra: &Map,
    ) -> Result<(), RunError> {
        let is_named = match &spec.work {
            Work::Noop => true,
            Work::Action(name) | Work::Workflow(name) => name.is_constant(),
        };
        let data = if is_named && spec.input.is_constant() {
            Value::Null
        } else {
            self.task_data(task, extra)
        };
        let input = match self
            .evaluate(&spec.input, &data, Some(task))
            .map_err(|error| broken(&error))?
        {
            Value::Map(input) => input,
            Value::Null if matches!(spec.input, Template::Literal(_)) => Arc::default(),
            other => {
                return Err(RunError::Broken(format!(
                    "wrong dynamic input for task {}: expected an object, got {}",
                    spec.name,
                    other.kind()
                )));
            }
        };
        match &spec.work {
            Work::Noop => self.start_action(task, spec, index, &"std.noop".into(), input)?,
            Work::Action(name) => {
                let name = self.name(name, &data, task, "action")?;
                let name = self
                    .definitions
                    .action(&name, self.workflow)
                    .unwrap_or(name);
                self.start_action(task, spec, index, &name, input)?;
            }
            Work::Workflow(name) => {
                let name = self.name(name, &data, task, "workflow")?;
                let namespace = &self.execution.params.namespace;
                let found = self.definitions.workflow(&name, self.workflow, namespace);
                let Some(workflow) = found else {
                    return Err(RunError::Failed(format!(
                        "Failed to find workflow [name={name}] [namespace={namespace}]"
                    )));
                };
                self.start_child(task, index, &workflow, &input)?;
            }
        }
        Ok(())
    }

    fn name(
        &mut self,
        template: &Template,
        data: &Value,
        task: usize,
        what: &str,
    ) -> Result<Arc<str>, RunError> {
        match self
            .evaluate(template, data, Some(task))
            .map_err(|error| broken(&error))?
        {
            Value::String(name) if !name.is_empty() => Ok(name),
            other => Err(RunError::Broken(format!(
                "the name of the {what} must be text, got {other}"
            ))),
        }
    }

    fn start_action(
        &mut self,
        task: usize,
        spec: &Task,
        index: usize,
        name: &Arc<str>,
        input: Arc<Map>,
    ) -> Result<(), RunError> {
        let input = self.with_defaults(name, input);
        let id = ActionExecutionId::new(self.execution.next_id());
        let kind = RunKind::Action {
            id: id.clone(),
            name: Arc::clone(name),
        };
        // What needs no outside action is over at once, in the same turn.
        if let Some(output) = immediate(name, &input) {
            let run = self.add_run(task, index, kind, input, false);
            self.action_because(task, index, name, true);
            self.finish_run(RunRef { task, run }, State::Success, output);
            return Ok(());
        }
        let safe_rerun = match &spec.safe_rerun {
            None => false,
            Some(safe) => self
                .evaluate_for(safe, task, &Map::new())
                .map_err(|error| broken(&error))?
                .is_truthy(),
        };
        let target = self.target(task, spec, &input)?;
        self.action_because(task, index, name, false);
        let run = self.add_run(task, index, kind, Arc::clone(&input), safe_rerun);
        self.execution.take_off(id.as_str(), RunRef { task, run });
        let task = &self.execution.tasks[task];
        self.commands.push(Command::RunAction {
            id,
            task_id: task.id.clone(),
            task_name: Arc::clone(&task.name),
            name: Arc::clone(name),
            input,
            attempt: task.attempt,
            timeout: task.timeout,
            safe_rerun,
            target,
        });
        Ok(())
    }

    fn action_because(&mut self, task: usize, index: usize, action: &Arc<str>, at_once: bool) {
        self.because(|turn| Reason::Action {
            task: turn.name_of(task),
            action: Arc::clone(action),
            index,
            attempt: turn.execution.tasks[task].attempt,
            at_once,
        });
    }

    /// Which executor `task` asks for. As in Mistral, its action's input is in sight.
    fn target(
        &mut self,
        task: usize,
        spec: &Task,
        input: &Map,
    ) -> Result<Option<Arc<str>>, RunError> {
        let Some(target) = &spec.target else {
            return Ok(None);
        };
        let target = self
            .evaluate_for(target, task, input)
            .map_err(|error| broken(&error))?;
        Ok(match target {
            Value::Null => None,
            Value::String(name) => Some(name),
            other => Some(explain(&other).into()),
        })
    }

    /// `input` with what the environment has for this action under `__actions`.
    fn with_defaults(&self, name: &str, input: Arc<Map>) -> Arc<Map> {
        let defaults = self
            .execution
            .params
            .env
            .get("__actions")
            .and_then(|all| all.get(name));
        match defaults {
            Some(Value::Map(defaults)) => Arc::new(filled_up(&input, defaults)),
            _ => input,
        }
    }

    fn start_child(
        &mut self,
        task: usize,
        index: usize,
        workflow: &Workflow,
        input: &Map,
    ) -> Result<(), RunError> {
        let own = &self.execution.params;
        if own.depth >= MAX_DEPTH {
            return Err(RunError::Failed(format!(
                "sub-workflows are nested more than {MAX_DEPTH} deep: does a workflow start itself?"
            )));
        }
        let mut params = Map::new();
        params.insert("env".into(), Value::Map(Arc::clone(&own.env)));
        params.insert(
            "root_execution_id".into(),
            self.execution.root_id().as_str().into(),
        );
        let task_id = self.execution.tasks[task].id.clone();
        params.insert("task_execution_id".into(), task_id.as_str().into());
        params.insert("index".into(), count(index));
        params.insert("depth".into(), count(own.depth + 1));
        params.insert("description".into(), "sub-workflow execution".into());
        if !own.namespace.is_empty() {
            params.insert("namespace".into(), Arc::clone(&own.namespace).into());
        }
        if let Some(notify) = own.extra.get("notify") {
            params.insert("notify".into(), notify.clone());
        }
        // What the workflow does not take as input is a parameter of the execution, as in
        // Mistral.
        let mut given = Map::new();
        for (name, value) in input {
            if workflow.input.iter().any(|declared| declared.name == *name) {
                given.insert(Arc::clone(name), value.clone());
            } else if &**name == "namespace" {
                params.insert(Arc::clone(name), value.clone());
            } else {
                params
                    .entry(Arc::clone(name))
                    .or_insert_with(|| value.clone());
            }
        }
        bind_input(workflow, &given)
            .map_err(|problems| RunError::Failed(invalid_input(workflow, &problems)))?;
        let given = Arc::new(given);
        self.because(|turn| Reason::SubWorkflow {
            task: turn.name_of(task),
            workflow: Arc::clone(&workflow.name),
            index,
        });
        let id = ExecutionId::new(self.execution.next_id());
        let kind = RunKind::Child {
            id: id.clone(),
            workflow: Arc::clone(&workflow.name),
        };
        let run = self.add_run(task, index, kind, Arc::clone(&given), false);
        self.execution.take_off(id.as_str(), RunRef { task, run });
        self.commands.push(Command::StartChild {
            id,
            task_id,
            task_name: Arc::clone(&self.execution.tasks[task].name),
            workflow: Arc::clone(&workflow.name),
            namespace: Arc::clone(&workflow.namespace),
            input: given,
            params: Arc::new(params),
        });
        Ok(())
    }

    fn add_run(
        &mut self,
        task: usize,
        index: usize,
        kind: RunKind,
        input: Arc<Map>,
        safe_rerun: bool,
    ) -> usize {
        let now = self.now;
        let task = self.execution.task_mut(task);
        task.runs.push_back(Arc::new(Run {
            kind,
            index,
            attempt: task.attempt,
            input,
            state: State::Running,
            accepted: false,
            deferred: false,
            safe_rerun,
            blame: None,
            output: Value::Null,
            started_at: now,
            ended_at: None,
        }));
        task.runs.len() - 1
    }

    /// An action ended.
    pub(crate) fn action_finished(&mut self, id: &ActionExecutionId, outcome: ActionOutcome) {
        let Some(at) = self.execution.run_in_flight(id.as_str()) else {
            return;
        };
        let (state, output, info) = match outcome {
            ActionOutcome::Success(value) => (State::Success, value, None),
            ActionOutcome::Error(error) => {
                self.execution.task_mut(at.task).run_mut(at.run).blame = Some(error.kind);
                let info = if error.message.is_empty() {
                    explain(&error.value)
                } else {
                    error.message
                };
                (State::Error, error.value, Some(info))
            }
            ActionOutcome::Deferred => {
                self.execution.task_mut(at.task).run_mut(at.run).deferred = true;
                return;
            }
        };
        self.execution.land(id.as_str());
        self.finish_run(at, state, output);
        self.run_finished(at, state, info);
    }

    /// A sub-workflow ended.
    pub(crate) fn child_finished(
        &mut self,
        id: &ExecutionId,
        state: State,
        output: Value,
        state_info: Option<String>,
    ) {
        if !state.is_completed() {
            return;
        }
        let Some(at) = self.execution.land(id.as_str()) else {
            return;
        };
        let info = (state != State::Success).then(|| {
            let result = output
                .get("result")
                .filter(|result| result.is_truthy())
                .map(explain);
            result.or(state_info).unwrap_or_else(|| match state {
                State::Cancelled => format!("Cancelled subworkflow [execution_id={id}]"),
                _ => format!("Failed subworkflow [execution_id={id}]"),
            })
        });
        self.finish_run(at, state, output);
        self.run_finished(at, state, info);
    }

    pub(crate) fn finish_run(&mut self, at: RunRef, state: State, output: Value) {
        let now = self.now;
        let run = self.execution.task_mut(at.task).run_mut(at.run);
        run.state = state;
        run.accepted = true;
        run.output = output;
        run.ended_at = Some(now);
    }

    pub(crate) fn run_finished(&mut self, at: RunRef, state: State, info: Option<String>) {
        match self.spec(at.task) {
            Some(spec) if spec.with_items.is_some() => self.item_finished(at.task, spec, state),
            Some(_) => self.complete(at.task, state, info),
            None => {
                self.break_task(at.task, "run", "the workflow does not define it any more");
            }
        }
    }

    /// Ends `task` if all that it started was over at once.
    pub(crate) fn check_runs(&mut self, task: usize) {
        let current = &self.execution.tasks[task];
        if current.items.is_some() {
            self.check_items(task);
        } else if current.running() == 0 {
            self.complete(task, State::Success, None);
        }
    }

    /// Gives up what `task` has in flight; sub-workflows are told `why`.
    pub(crate) fn cancel_runs(&mut self, task: usize, why: Option<&str>) {
        if self.execution.tasks[task].running() == 0 {
            return;
        }
        let now = self.now;
        let mut kinds = Vec::new();
        for run in &mut self.execution.task_mut(task).runs {
            if !run.state.is_completed() {
                let run = Arc::make_mut(run);
                run.state = State::Cancelled;
                run.ended_at = Some(now);
                kinds.push(run.kind.clone());
            }
        }
        for kind in kinds {
            match kind {
                RunKind::Action { id, .. } => {
                    self.execution.land(id.as_str());
                    self.commands.push(Command::CancelAction { id });
                }
                RunKind::Child { id, .. } => {
                    self.execution.land(id.as_str());
                    self.commands.push(Command::StopChild {
                        id,
                        state: State::Cancelled,
                        message: Some(
                            why.unwrap_or("Its task does not wait for it any more.")
                                .to_owned(),
                        ),
                    });
                }
            }
        }
    }
}

/// The result of an action that does nothing but give one.
fn immediate(name: &str, input: &Map) -> Option<Value> {
    match (name, input.len()) {
        ("std.noop", 0) => Some(Value::Null),
        ("std.echo", 1) => input.get("output").cloned(),
        _ => None,
    }
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
