//! One execution at work: its events, one at a time, and what its turns command.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome,
    ExecutionId, Map, Progress, ProgressSink, State, TaskExecutionId, Value,
};
use ostro_engine::{Command, Event, EventKind};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::notice::{ActionEnd, ActionRef, NoticeKind};
use crate::record::{Message, Outcome, Record, Standing};
use crate::shared::{Phase, Shared};
use crate::timers::Timers;
use crate::turn::{self, Committed, panic_message};
use crate::{RuntimeError, child};

/// The driver of one execution.
pub(crate) struct Actor {
    shared: Arc<Shared>,
    record: Arc<Record>,
    inbox: mpsc::UnboundedReceiver<Message>,
    timers: Timers,
    /// Children that have not ended.
    children: HashSet<ExecutionId>,
    /// Actions that run, or will be finished from outside.
    actions: HashMap<ActionExecutionId, InFlight>,
    /// Which action each of `runs` is. One that was cancelled is not in here.
    running: HashMap<tokio::task::Id, ActionExecutionId>,
    runs: JoinSet<ActionOutcome>,
    finished: bool,
    /// The time of the last event: for an execution, time never goes back.
    now: i64,
}

struct InFlight {
    action: Arc<ActionRef>,
    /// None for an action that goes on elsewhere.
    run: Option<AbortHandle>,
}

impl Actor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        record: Arc<Record>,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        // An execution that runs again after its end goes on from its last turn.
        let now = record.snapshot().updated_at();
        let finished = record.snapshot().state().is_completed();
        Self {
            shared,
            record,
            inbox,
            timers: Timers::default(),
            children: HashSet::new(),
            actions: HashMap::new(),
            running: HashMap::new(),
            runs: JoinSet::new(),
            finished,
            now,
        }
    }

    /// Drives the execution from `first` to its end.
    pub(crate) async fn run(mut self, first: Message) {
        let mut phase = self.shared.phase();
        self.receive(first);
        loop {
            if self.is_done() {
                match self.record.close(&mut self.inbox) {
                    Some(message) => self.receive(message),
                    None => return,
                }
                continue;
            }
            let event = tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase == Phase::Closed) => return,
                id = self.timers.next(&*self.shared.clock) => EventKind::TimerFired { id },
                Some(message) = self.inbox.recv() => {
                    self.receive(message);
                    continue;
                }
                Some(ended) = self.runs.join_next_with_id() => {
                    match self.run_ended(ended) {
                        Some(event) => event,
                        None => continue,
                    }
                }
            };
            self.turn(event);
        }
    }

    /// Whether nothing can come any more: after the end, what was cancelled has to be gone, and
    /// sub-workflows have to have ended.
    fn is_done(&self) -> bool {
        self.finished && self.runs.is_empty() && self.children.is_empty()
    }

    fn receive(&mut self, message: Message) {
        let answer = self.accept(message.event);
        if let Some(reply) = message.reply {
            // Whoever asked may have stopped waiting.
            let _ = reply.sender.send(answer);
        }
    }

    /// Takes an event from the inbox, if it still has a meaning.
    fn accept(&mut self, event: EventKind) -> Result<(), RuntimeError> {
        match &event {
            EventKind::ChildFinished { id, .. } => {
                self.children.remove(id);
            }
            EventKind::ActionFinished { id, outcome } => {
                let Some(in_flight) = self.actions.remove(id) else {
                    return Err(RuntimeError::UnknownAction(id.clone()));
                };
                self.release(id, &in_flight);
                if in_flight.run.is_some() {
                    self.publish_end(in_flight.action, outcome);
                }
            }
            EventKind::ActionChanged { id, state } => self.change_action(id, *state)?,
            EventKind::ChildChanged {
                id,
                state: State::Running,
            } => {
                self.children.insert(id.clone());
            }
            EventKind::Rerun { task, reset, env } => {
                self.check_rerun(task, *reset, env.as_ref())?;
            }
            EventKind::Skipped { task, env } => self.check_rerun(task, true, env.as_ref())?,
            EventKind::Paused | EventKind::Resumed { .. } | EventKind::Stopped { .. }
                if self.finished =>
            {
                return Err(RuntimeError::Ended(self.record.about.id.clone()));
            }
            _ => {}
        }
        self.turn(event);
        Ok(())
    }

    /// Whether `task` can run again or be skipped, with `env` over the environment.
    fn check_rerun(
        &self,
        task: &TaskExecutionId,
        reset: bool,
        env: Option<&Map>,
    ) -> Result<(), RuntimeError> {
        let changes = env.is_some_and(|env| !env.is_empty());
        self.record
            .snapshot()
            .may_rerun(&self.record.workflow, task, reset, changes)
            .map_err(|error| RuntimeError::Invalid(error.to_string()))
    }

    /// An action pauses, goes on or is cancelled because somebody outside says so.
    fn change_action(&mut self, id: &ActionExecutionId, state: State) -> Result<(), RuntimeError> {
        let Some(in_flight) = self.actions.get(id) else {
            return Err(RuntimeError::UnknownAction(id.clone()));
        };
        if state == State::Cancelled {
            self.cancel_action(id);
        } else if in_flight.run.is_some() {
            let reason = "only an action that is finished from outside can pause";
            return Err(RuntimeError::Invalid(reason.to_owned()));
        }
        Ok(())
    }

    /// One turn: decide, commit, carry out.
    fn turn(&mut self, kind: EventKind) {
        self.now = self.now.max(self.shared.clock.now_millis());
        let mut turn = self.decide(kind);
        if let Err(reason) = turn {
            tracing::error!(execution = %self.record.about.id, reason, "the engine panicked");
            let message = format!("the engine failed, which is a bug of its own: {reason}");
            turn = self.decide(EventKind::Stopped {
                state: State::Error,
                message: Some(message.clone()),
            });
            if turn.is_err() {
                self.runs.abort_all();
                return self.finish(State::Error, Value::empty_map(), Some(message));
            }
        }
        if let Ok(turn) = turn {
            let runs = !turn.execution.state().is_completed();
            let committed = turn::commit(&self.shared.hub, &self.record, turn);
            if runs && std::mem::take(&mut self.finished) {
                self.record.standing.send_replace(Standing::Running);
            }
            self.carry_out(committed);
        }
    }

    fn decide(&self, kind: EventKind) -> Result<ostro_engine::Decision, String> {
        turn::take(&self.shared, &self.record, Event::new(self.now, kind))
    }

    fn carry_out(&mut self, committed: Committed) {
        for command in committed.into_commands() {
            match command {
                Command::RunAction {
                    id,
                    task_id,
                    task_name,
                    name,
                    input,
                    attempt,
                    timeout,
                    ..
                } => {
                    let action = ActionRef {
                        id,
                        name,
                        task_id,
                        task_name,
                        attempt,
                    };
                    self.run_action(Arc::new(action), input, timeout);
                }
                Command::StartChild {
                    id,
                    task_id,
                    workflow,
                    input,
                    params,
                    ..
                } => {
                    self.start_child(id, task_id, &workflow, &input, &params);
                }
                Command::SetTimer { id, at } => self.timers.set(id, at),
                Command::CancelTimer { id } => self.timers.cancel(&id),
                Command::CancelAction { id } => self.cancel_action(&id),
                Command::StopChild { id, state, message } => {
                    self.tell_child(&id, EventKind::Stopped { state, message });
                }
                Command::PauseChild { id } => self.tell_child(&id, EventKind::ParentPaused),
                Command::ResumeChild { id, env } => {
                    self.tell_child(&id, EventKind::ParentResumed { env });
                }
                Command::Report { state } => self.report(state),
                Command::Finish {
                    state,
                    output,
                    state_info,
                } => {
                    self.finish(state, output, state_info);
                }
            }
        }
    }

    fn run_action(&mut self, action: Arc<ActionRef>, input: Arc<Map>, timeout: Option<i64>) {
        let about = &self.record.about;
        let call = ActionCall {
            name: Arc::clone(&action.name),
            input,
            context: ActionContext {
                execution_id: about.id.clone(),
                workflow_name: Arc::clone(&about.workflow),
                task_execution_id: Some(action.task_id.clone()),
                task_name: Some(Arc::clone(&action.task_name)),
                action_execution_id: action.id.clone(),
                attempt: action.attempt,
                timeout: timeout
                    .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default())),
            },
            progress: Arc::new(Sink {
                shared: Arc::clone(&self.shared),
                record: Arc::clone(&self.record),
                action: Arc::clone(&action),
            }),
        };
        self.shared.add_action(&action.id, &about.id);
        let run = self.runs.spawn(run(
            Arc::clone(&self.shared),
            Arc::clone(&self.record),
            Arc::clone(&action),
            call,
        ));
        self.running.insert(run.id(), action.id.clone());
        self.actions.insert(
            action.id.clone(),
            InFlight {
                action,
                run: Some(run),
            },
        );
    }

    /// The event that the end of a run is, if anybody still wants to know.
    fn run_ended(
        &mut self,
        ended: Result<(tokio::task::Id, ActionOutcome), JoinError>,
    ) -> Option<EventKind> {
        let (run, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), ActionOutcome::Error(crash(error))),
        };
        let id = self.running.remove(&run)?;
        let in_flight = self.actions.get_mut(&id)?;
        let action = Arc::clone(&in_flight.action);
        if outcome == ActionOutcome::Deferred {
            in_flight.run = None;
        } else {
            self.actions.remove(&id);
            self.shared.remove_action(&id);
        }
        self.publish_end(action, &outcome);
        Some(EventKind::ActionFinished { id, outcome })
    }

    fn cancel_action(&mut self, id: &ActionExecutionId) {
        let Some(in_flight) = self.actions.remove(id) else {
            return;
        };
        self.release(id, &in_flight);
        let ended = NoticeKind::ActionEnded {
            action: in_flight.action,
            end: ActionEnd::Cancelled,
        };
        self.shared.hub.publish(&self.record.about, ended);
    }

    /// Lets go of an action that is not in flight any more, and of its run.
    fn release(&mut self, id: &ActionExecutionId, in_flight: &InFlight) {
        self.shared.remove_action(id);
        if let Some(run) = &in_flight.run {
            run.abort();
            self.running.remove(&run.id());
        }
    }

    fn publish_end(&self, action: Arc<ActionRef>, outcome: &ActionOutcome) {
        let end = match outcome {
            ActionOutcome::Success(_) => ActionEnd::Success,
            ActionOutcome::Error(ActionError { kind, message, .. }) => ActionEnd::Error {
                kind: *kind,
                message: message.clone(),
            },
            ActionOutcome::Deferred => ActionEnd::Deferred,
        };
        self.shared
            .hub
            .publish(&self.record.about, NoticeKind::ActionEnded { action, end });
    }

    /// Starts a sub-workflow. One that cannot start has ended in ERROR with the reason.
    fn start_child(
        &mut self,
        id: ExecutionId,
        task: TaskExecutionId,
        workflow: &str,
        input: &Map,
        params: &Arc<Map>,
    ) {
        self.children.insert(id.clone());
        let parent = (Arc::clone(&self.record), task);
        if let Err(error) = child::start(&self.shared, parent, &id, workflow, input, params) {
            self.record.post(EventKind::ChildFinished {
                id,
                state: State::Error,
                output: Value::empty_map(),
                state_info: Some(error.to_string()),
            });
        }
    }

    fn tell_child(&self, id: &ExecutionId, event: EventKind) {
        if let Some(child) = self.shared.record(id) {
            child.post(event);
        }
    }

    /// Tells the parent that this execution is in `state`. One that has ended may run again
    /// with it.
    fn report(&self, state: State) {
        let Some(parent) = &self.record.parent else {
            return;
        };
        let id = self.record.about.id.clone();
        let event = EventKind::ChildChanged { id, state };
        if state == State::Running {
            // It fails only when the runtime shuts down, and then all executions stop.
            let _ = self.shared.wake(parent, Message { event, reply: None });
        } else {
            parent.post(event);
        }
    }

    /// The execution has ended: tells the parent and whoever waits, once.
    fn finish(&mut self, state: State, output: Value, state_info: Option<String>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        if let Some(parent) = &self.record.parent {
            parent.post(EventKind::ChildFinished {
                id: self.record.about.id.clone(),
                state,
                output: output.clone(),
                state_info: state_info.clone(),
            });
        }
        let outcome = Outcome {
            state,
            output,
            state_info,
        };
        self.record
            .standing
            .send_replace(Standing::Ended(Arc::new(outcome)));
    }
}

impl Drop for Actor {
    /// However an actor ends, nobody waits for it in vain.
    fn drop(&mut self) {
        if !self.finished {
            if std::thread::panicking() {
                let info = Some("the driver failed, which is a bug of its own".to_owned());
                self.finish(State::Error, Value::empty_map(), info);
            } else {
                self.record.standing.send_replace(Standing::Interrupted);
            }
        }
        for id in self.actions.keys() {
            self.shared.remove_action(id);
        }
        self.shared.retire(&self.record);
    }
}

/// Runs one action when its turn has come.
async fn run(
    shared: Arc<Shared>,
    record: Arc<Record>,
    action: Arc<ActionRef>,
    call: ActionCall,
) -> ActionOutcome {
    let _slot = shared.slots.acquire(&record.about.root_id).await;
    shared
        .hub
        .publish(&record.about, NoticeKind::ActionStarted { action });
    shared.runner.run(call).await
}

/// What a run that did not come to its end is to the engine.
fn crash(error: JoinError) -> ActionError {
    let message = match error.try_into_panic() {
        Ok(panic) => {
            let reason = panic_message(panic.as_ref());
            format!("the host failed while it ran the action, which is a bug: {reason}")
        }
        Err(error) => format!("the host stopped while it ran the action: {error}"),
    };
    ActionError::new(ActionErrorKind::Host, message)
}

/// Turns what an action says about itself into notices.
struct Sink {
    shared: Arc<Shared>,
    record: Arc<Record>,
    action: Arc<ActionRef>,
}

impl ProgressSink for Sink {
    fn progress(&self, _: &ActionContext, progress: Progress) {
        let action = Arc::clone(&self.action);
        self.shared.hub.publish(
            &self.record.about,
            NoticeKind::Progress { action, progress },
        );
    }

    fn note(&self, _: &ActionContext, line: &str) {
        let action = Arc::clone(&self.action);
        self.shared.hub.publish(
            &self.record.about,
            NoticeKind::Note {
                action,
                line: line.into(),
            },
        );
    }
}
