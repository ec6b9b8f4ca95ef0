//! How an execution ends, and what it gives.

use std::fmt::Write as _;
use std::sync::Arc;

use ostro_core::{Map, State, Value};
use ostro_lang::Template;

use crate::context::{Context, filled_up};
use crate::decide::Turn;
use crate::event::Command;
use crate::execution::{Execution, Timer, TimerPurpose};
use crate::reason::{Reason, first};
use crate::task::{Dropped, RunKind};
use crate::text::{cut, explain};

impl Turn<'_> {
    /// Ends the execution if all its tasks have ended.
    pub(crate) fn check_completion(&mut self) {
        let execution = &self.execution;
        if !execution.open.is_empty() {
            return;
        }
        if execution.tasks.is_empty() {
            let message = format!(
                "workflow {} has no task to start with: each task follows another one",
                execution.workflow
            );
            return self.end(State::Error, Some(message));
        }
        self.because(|turn| {
            let in_state = |state| {
                let tasks = turn.execution.tasks.iter();
                let left = tasks.filter(move |task| task.state == state && !task.error_handled);
                first(left.map(|task| &task.name))
            };
            Reason::AllEnded {
                failed: in_state(State::Error),
                cancelled: in_state(State::Cancelled),
            }
        });
        let execution = &self.execution;
        let tasks = execution.tasks.iter();
        let mut cancelled: Vec<&str> = tasks
            .filter(|task| task.state == State::Cancelled)
            .map(|task| &*task.name)
            .collect();
        cancelled.sort_unstable();
        if !cancelled.is_empty() {
            let message = format!("Cancelled tasks: {}", cancelled.join(", "));
            return self.end(State::Cancelled, Some(message));
        }
        match failure(execution) {
            Some(message) => self.end(State::Error, Some(message)),
            None => self.end(State::Success, None),
        }
    }

    /// Ends the execution: computes its output, gives up what is in flight.
    pub(crate) fn end(&mut self, state: State, message: Option<String>) {
        if self.execution.state.is_completed() {
            return;
        }
        let message = message.map(cut);
        let (state, message, output) = match state {
            State::Success => match self.output_of_success() {
                Ok(output) => (state, message, output),
                Err(error) => self.output_of_error(&format!("Failed to evaluate output: {error}")),
            },
            State::Cancelled => return self.end_as(state, message),
            _ => {
                let message = message.unwrap_or_else(|| "Stopped as ERROR".to_owned());
                self.output_of_error(&message)
            }
        };
        self.end_with(state, message, output);
    }

    /// Ends the execution with what is said as its output.
    pub(crate) fn end_as(&mut self, state: State, message: Option<String>) {
        if self.execution.state.is_completed() {
            return;
        }
        let message = message.map(cut);
        let output = [("result", message.clone().into())].into_iter().collect();
        self.end_with(state, message, output);
    }

    fn end_with(&mut self, state: State, message: Option<String>, output: Value) {
        // As in Mistral, a cancelled execution's sub-workflows are cancelled for its reason.
        let why = message.clone().filter(|_| state == State::Cancelled);
        for task in std::mem::take(&mut self.execution.open) {
            let dropped = self.execution.dropped(task);
            self.give_up(task, why.as_deref());
            let now = self.now;
            let task_execution = self.execution.task_mut(task);
            task_execution.ended_at = Some(now);
            task_execution.processed = true;
            task_execution.dropped = Some(dropped);
            let info = "The execution ended before the task did.".to_owned();
            self.set_state(task, State::Cancelled, Some(info));
        }
        self.queue.clear();
        self.execution.held.clear();
        self.execution.ending = None;
        self.execution.ended_at = Some(self.now);
        self.execution.output = Some(output.clone());
        self.set_execution_state(state, message.clone());
        self.commands.push(Command::Finish {
            state,
            output,
            state_info: message,
        });
    }

    fn output_of_success(&mut self) -> Result<Value, String> {
        let context = self.final_context();
        self.output(self.workflow.output.as_ref(), &context)
    }

    /// An execution that failed always says why in its output.
    fn output_of_error(&mut self, message: &str) -> (State, Option<String>, Value) {
        let context = self.final_context();
        let mut message = message.to_owned();
        let output = match self.output(self.workflow.output_on_error.as_ref(), &context) {
            Ok(Value::Map(output)) => output,
            Ok(_) => Arc::default(),
            Err(error) => {
                message = cut(format!(
                    "Failed to evaluate expression in output-on-error! \
                     (exception: '{error}' Cause: '{message}')"
                ));
                Arc::default()
            }
        };
        let reason: Map = [("result".into(), message.as_str().into())]
            .into_iter()
            .collect();
        (
            State::Error,
            Some(message),
            filled_up(&output, &reason).into(),
        )
    }

    /// The value of an output clause; without one, or if it is empty, the final context.
    fn output(&mut self, output: Option<&Template>, context: &Context) -> Result<Value, String> {
        if let Some(output) = output {
            let data = self.execution.data(context).into();
            let value = self
                .evaluate(output, &data, None)
                .map_err(|error| error.to_string())?;
            if value.is_truthy() {
                return Ok(value);
            }
        }
        Ok(context.to_map().into())
    }

    /// What the tasks at the ends of all branches hand on, as one.
    fn final_context(&self) -> Context {
        let execution = &self.execution;
        let last = |task: &usize| {
            let task = &execution.tasks[*task];
            task.state.is_completed() && task.next.is_empty()
        };
        let ends: Vec<Context> = if self.is_reverse() {
            let target = execution.params.task_name.as_ref();
            let target = target.and_then(|name| execution.latest.get(name));
            target
                .map(|task| execution.outbound(*task))
                .into_iter()
                .collect()
        } else {
            (0..execution.tasks.len())
                .filter(last)
                .map(|task| execution.outbound(task))
                .collect()
        };
        Context::merged(&ends)
    }
}

impl Execution {
    /// What `task` is at, for the case that the execution runs again.
    fn dropped(&self, task: usize) -> Dropped {
        let waits_after = |(_, timer): (_, &Timer)| match &timer.purpose {
            TimerPurpose::WaitAfter { state, info } => Some(Dropped {
                state: *state,
                info: info.clone(),
            }),
            _ => None,
        };
        self.timers_of(task)
            .find_map(waits_after)
            .unwrap_or(Dropped {
                state: self.tasks[task].state,
                info: None,
            })
    }
}

/// Why the execution failed, if a task's error was not handled: Mistral's text.
fn failure(execution: &Execution) -> Option<String> {
    let mut failed: Vec<_> = execution
        .tasks
        .iter()
        .filter(|task| task.state == State::Error && !task.error_handled)
        .collect();
    if failed.is_empty() {
        return None;
    }
    failed.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<&str> = failed.iter().map(|task| &*task.name).collect();
    let mut text = format!("Failure caused by error in tasks: {}\n", names.join(", "));
    for task in failed {
        let info = task.state_info.as_deref().unwrap_or("no reason given");
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n  {} [task_ex_id={}] -> {info}\n",
            task.name, task.id
        );
        for run in task.runs.iter().filter(|run| run.state == State::Error) {
            let (what, reason) = match &run.kind {
                RunKind::Action { .. } => ("action_ex_id", explain(&run.output)),
                RunKind::Child { .. } => {
                    let result = run.output.get("result");
                    (
                        "wf_ex_id",
                        result.map_or_else(|| "Unknown".to_owned(), explain),
                    )
                }
            };
            let _ = writeln!(
                text,
                "    [{what}={}, idx={}]: {reason}",
                run.id(),
                run.index
            );
        }
    }
    Some(text)
}
