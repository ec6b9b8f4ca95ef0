//! What is to be done after a turn, made ready before the turn is committed, so that what has to be
//! durable with it is known by then.

use std::sync::Arc;

use ostro_core::{ActionExecutionId, Clock as _, ExecutionId, Map, State, TaskExecutionId, Value};
use ostro_engine::{Command, EventKind, Execution, Params, TimerId};
use ostro_journal::LetterId;

use crate::RuntimeError;
use crate::notice::ActionRef;
use crate::record::Record;
use crate::shared::{Launch, Prepared, Shared};
use crate::slots::Slot;

/// One thing to do.
pub(crate) enum Step {
    /// Run an action.
    Run(Call),
    /// Stop one.
    CancelAction(ActionExecutionId),
    /// Start a sub-workflow.
    Start(Prepared),
    /// Set a timer.
    SetTimer(TimerId, i64),
    /// Forget one.
    CancelTimer(TimerId),
    /// Tell another execution something.
    Tell(Tell),
    /// The execution has ended.
    Finish {
        state: State,
        output: Value,
        state_info: Option<String>,
    },
}

/// An action to run.
pub(crate) struct Call {
    pub(crate) action: Arc<ActionRef>,
    pub(crate) input: Arc<Map>,
    /// In milliseconds.
    pub(crate) timeout: Option<i64>,
    /// Leave to run, if there was some when the turn was planned.
    pub(crate) slot: Option<Slot>,
}

/// Something for another execution, or for this one.
pub(crate) struct Tell {
    pub(crate) to: Arc<Record>,
    pub(crate) event: EventKind,
    pub(crate) letter: Option<LetterId>,
    /// Whether one that has ended is to hear it, too.
    pub(crate) wakes: bool,
}

/// Makes steps of the commands of one turn of an execution.
pub(crate) struct Planner<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) record: &'a Arc<Record>,
    /// The number of the event that the turn is about.
    pub(crate) event: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) letters: u32,
}

impl Planner<'_> {
    pub(crate) fn plan(mut self, commands: Vec<Command>) -> Vec<Step> {
        for command in commands {
            self.command(command);
        }
        self.steps
    }

    fn command(&mut self, command: Command) {
        let step = match command {
            Command::RunAction {
                id,
                task_id,
                task_name,
                name,
                input,
                attempt,
                timeout,
                ..
            } => Step::Run(Call {
                action: Arc::new(ActionRef {
                    id,
                    name,
                    task_id,
                    task_name,
                    attempt,
                }),
                input,
                timeout,
                slot: self.shared.slots.try_acquire(),
            }),
            Command::StartChild {
                id,
                task_id,
                workflow,
                namespace,
                input,
                params,
                ..
            } => match self.child(&id, task_id, (&namespace, &workflow), &input, &params) {
                Ok(Some(prepared)) => Step::Start(prepared),
                // It is there already.
                Ok(None) => return,
                // One that cannot start has ended in ERROR with the reason.
                Err(error) => {
                    let event = EventKind::ChildFinished {
                        id,
                        state: State::Error,
                        output: Value::empty_map(),
                        state_info: Some(error.to_string()),
                    };
                    return self.tell(Arc::clone(self.record), event, false);
                }
            },
            Command::SetTimer { id, at } => Step::SetTimer(id, at),
            Command::CancelTimer { id } => Step::CancelTimer(id),
            Command::CancelAction { id } => Step::CancelAction(id),
            Command::StopChild { id, state, message } => {
                return self.tell_child(&id, EventKind::Stopped { state, message });
            }
            Command::PauseChild { id } => return self.tell_child(&id, EventKind::ParentPaused),
            Command::ResumeChild { id, env } => {
                return self.tell_child(&id, EventKind::ParentResumed { env });
            }
            Command::Report { state } => {
                let id = self.record.about.id.clone();
                // A parent that has ended may run again with its child.
                let wakes = state == State::Running;
                return self.tell_parent(EventKind::ChildChanged { id, state }, wakes);
            }
            Command::Finish {
                state,
                output,
                state_info,
            } => {
                let event = EventKind::ChildFinished {
                    id: self.record.about.id.clone(),
                    state,
                    output: output.clone(),
                    state_info: state_info.clone(),
                };
                self.tell_parent(event, false);
                Step::Finish {
                    state,
                    output,
                    state_info,
                }
            }
        };
        self.steps.push(step);
    }

    fn child(
        &self,
        id: &ExecutionId,
        task: TaskExecutionId,
        (namespace, name): (&str, &str),
        input: &Map,
        params: &Map,
    ) -> Result<Option<Prepared>, RuntimeError> {
        let library = &self.record.library;
        let workflow = crate::shared::workflow(library, namespace, name)?;
        let params = Params::from_map(params, self.shared.clock.now_millis());
        let execution = Execution::new(id.clone(), &workflow, input, params)
            .map_err(|error| RuntimeError::Input(error.to_string()))?;
        self.shared.prepare(Launch {
            id: id.clone(),
            workflow,
            library: Arc::clone(library),
            execution,
            project: Arc::clone(&self.record.about.project),
            source: None,
            parent: Some((Arc::clone(self.record), task)),
            reply: None,
        })
    }

    fn tell_child(&mut self, id: &ExecutionId, event: EventKind) {
        if let Some(child) = self.shared.record(id) {
            self.tell(child, event, false);
        }
    }

    fn tell_parent(&mut self, event: EventKind, wakes: bool) {
        if let Some(parent) = &self.record.parent {
            self.tell(Arc::clone(parent), event, wakes);
        }
    }

    fn tell(&mut self, to: Arc<Record>, event: EventKind, wakes: bool) {
        let durable = self.shared.store.journal().is_some();
        let letter = durable.then(|| LetterId {
            sender: self.record.about.id.clone(),
            event: self.event,
            place: self.letters,
        });
        self.letters += u32::from(durable);
        self.steps.push(Step::Tell(Tell {
            to,
            event,
            letter,
            // A letter stays until it is taken in.
            wakes: wakes || durable,
        }));
    }
}
