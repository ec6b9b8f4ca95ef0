//! What comes from outside: start, timers, stop.

use ostro_core::{State, Value};

use crate::context::Context;
use crate::decide::{Step, Turn};
use crate::event::{Change, TimerId};
use crate::execution::TimerPurpose;
use crate::reason::Reason;
use crate::task::Arrivals;

impl Turn<'_> {
    /// Changes the state of the execution and tells.
    pub(crate) fn set_execution_state(&mut self, state: State, info: Option<String>) {
        self.execution.state = state;
        self.execution.state_info.clone_from(&info);
        self.because(|turn| Reason::Execution {
            state,
            info: turn.execution.state_info.clone(),
        });
        self.changes.push(Change::Execution { state, info });
    }

    pub(crate) fn start(&mut self) {
        if self.execution.state != State::Idle {
            return;
        }
        self.set_execution_state(State::Running, None);
        if let Some(vars) = &self.workflow.vars {
            let data = self.execution.data(&Context::default()).into();
            match self.evaluate(vars, &data, None) {
                Ok(Value::Map(vars)) => self.execution.globals = vars,
                Ok(other) => {
                    let message = format!("vars must be an object, got {}", other.kind());
                    return self.end(State::Error, Some(message));
                }
                Err(error) => {
                    let message = format!("Failed to evaluate vars [error={error}]");
                    return self.end(State::Error, Some(message));
                }
            }
        }
        if self.is_reverse() {
            return self.start_satisfied();
        }
        let workflow = self.workflow;
        for (place, name) in workflow.tasks.keys().enumerate() {
            if workflow.graph.inbound(place).is_empty() {
                let context = Context::default();
                let task = self.create(name, State::Idle, context, Arrivals::default());
                self.queue.push_back(Step::Begin(task));
            }
        }
    }

    pub(crate) fn timer_fired(&mut self, id: &TimerId) {
        let Some(timer) = self.execution.timers.remove(id) else {
            return;
        };
        let task = timer.task;
        match timer.purpose {
            TimerPurpose::WaitBefore | TimerPurpose::Retry => {
                // A paused execution starts nothing new.
                if self.execution.state == State::Paused {
                    self.execution.held.insert(task);
                } else {
                    self.go_on(task);
                }
            }
            TimerPurpose::WaitAfter { state, info } => self.complete_after_wait(task, state, info),
            TimerPurpose::Timeout { seconds } => {
                let info = format!("Task timed out [timeout(s)={seconds}].");
                self.complete(task, State::Error, Some(info));
            }
        }
    }

    pub(crate) fn stop(&mut self, state: State, message: Option<String>) {
        if state.is_completed() {
            self.end(state, message);
        }
    }
}
