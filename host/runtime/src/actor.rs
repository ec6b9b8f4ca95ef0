//! One execution at work: its events, one at a time, and what its turns command.

mod actions;
mod turns;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ostro_core::{
    ActionExecutionId, ActionOutcome, Clock as _, ExecutionId, Map, State, TaskExecutionId, Value,
};
use ostro_engine::{EventKind, TimerId};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use crate::RuntimeError;
use crate::plan::Call;
use crate::record::{Message, Outcome, Record, Standing};
use crate::replay::{Known, Outstanding};
use crate::shared::{Phase, Shared};
use crate::timers::Timers;

use actions::InFlight;

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
    place: Place,
    /// The time of the last event: for an execution, time never goes back.
    now: i64,
}

/// Where an actor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    AtWork,
    /// The execution cannot go on here: its turns cannot be written.
    Stuck,
    /// Not even its first turn could be.
    Unborn,
    /// Its inbox is not its own any more.
    Gone,
}

/// An actor that was brought back and has not gone on.
pub(crate) struct Restored {
    actor: Actor,
    calls: Vec<(Call, Known)>,
    /// What came meanwhile.
    later: Vec<Message>,
}

impl Restored {
    /// Carries out what is still wanted, and drives the execution to its end.
    pub(crate) async fn go_on(self) {
        let Self {
            mut actor,
            calls,
            later,
        } = self;
        actor.carry_out_again(calls).await;
        for message in later {
            actor.receive(message).await;
        }
        actor.drive().await;
    }
}

/// What comes next.
enum Next {
    Closed,
    Dismissed,
    Timer(TimerId),
    Message(Message),
    Run(Result<(tokio::task::Id, ActionOutcome), JoinError>),
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
            place: Place::AtWork,
            now,
        }
    }

    /// Drives the execution from `first` to its end.
    pub(crate) async fn run(mut self, first: Message) {
        self.receive(first).await;
        self.drive().await;
    }

    /// Drives an execution from its start, of which nothing was committed but that it was created,
    /// and has it take `letters` then.
    pub(crate) async fn begin(mut self, letters: Vec<Message>) {
        self.happened(EventKind::Started).await;
        for letter in letters {
            self.receive(letter).await;
        }
        self.drive().await;
    }

    /// Makes the actor of an execution that was brought back know what that waits for, and then
    /// takes `first` and the letters that have come: nothing is carried out again before.
    pub(crate) async fn restore(
        mut self,
        outstanding: Outstanding,
        first: Vec<Message>,
    ) -> Restored {
        let calls = self.take_up(outstanding);
        for message in first {
            self.receive(message).await;
        }
        let mut later = Vec::new();
        while let Ok(message) = self.inbox.try_recv() {
            if message.letter.is_some() {
                self.receive(message).await;
            } else {
                later.push(message);
            }
        }
        Restored {
            actor: self,
            calls,
            later,
        }
    }

    async fn drive(mut self) {
        let mut phase = self.shared.phase();
        loop {
            if self.place != Place::AtWork {
                return;
            }
            if self.is_done() {
                if let Some(message) = self.record.close(&mut self.inbox) {
                    self.receive(message).await;
                } else {
                    self.place = Place::Gone;
                }
                continue;
            }
            if self.rests() && self.record.rest(&self.inbox) {
                self.shared.unload(&self.record);
            }
            let next = tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase == Phase::Closed) => Next::Closed,
                id = self.timers.next(&*self.shared.clock) => Next::Timer(id),
                message = self.inbox.recv() => message.map_or(Next::Dismissed, Next::Message),
                Some(ended) = self.runs.join_next_with_id() => Next::Run(ended),
            };
            match next {
                Next::Closed => return,
                Next::Dismissed => {
                    self.place = Place::Gone;
                    return;
                }
                // It leaves just now: whoever takes its place sees to the timer.
                Next::Timer(_) if !self.record.awake() => {
                    self.place = Place::Gone;
                    return;
                }
                Next::Timer(id) => self.happened(EventKind::TimerFired { id }).await,
                Next::Message(message) => self.receive(message).await,
                Next::Run(ended) => {
                    if let Some(event) = self.run_ended(ended) {
                        self.happened(event).await;
                    }
                }
            }
        }
    }

    /// Whether nothing can come any more: after the end, what was cancelled has to be gone, and
    /// sub-workflows have to have ended.
    fn is_done(&self) -> bool {
        self.finished && self.runs.is_empty() && self.children.is_empty()
    }

    /// Whether nothing happens until somebody says something (a person, another execution, or
    /// whoever finishes an action from outside), or for a long time.
    fn rests(&self) -> bool {
        let rest = self.shared.options.rest_millis;
        let is_far = |at: i64| at.saturating_sub(self.shared.clock.now_millis()) > rest;
        !self.finished && self.runs.is_empty() && self.timers.earliest().is_none_or(is_far)
    }

    async fn receive(&mut self, message: Message) {
        let Message {
            event,
            letter,
            reply,
        } = message;
        let answer = match self.check(&event) {
            Ok(()) => self.turn(event, letter, reply.is_some()).await,
            Err(error) => Err(error),
        };
        if let Some(reply) = reply {
            // Whoever asked may have stopped waiting.
            let _ = reply.sender.send(answer);
        }
    }

    /// Whether an event from the inbox has a meaning. Those of other executions always have one.
    fn check(&self, event: &EventKind) -> Result<(), RuntimeError> {
        match event {
            EventKind::ActionFinished { id, .. } if !self.actions.contains_key(id) => {
                Err(RuntimeError::UnknownAction(id.clone()))
            }
            EventKind::ActionChanged { id, state } => self.check_change(id, *state),
            EventKind::Rerun { task, reset, env } => self.check_rerun(task, *reset, env.as_ref()),
            EventKind::Skipped { task, env } => self.check_rerun(task, true, env.as_ref()),
            _ => Ok(()),
        }
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

    /// Something happened that nobody can refuse.
    async fn happened(&mut self, event: EventKind) {
        // What keeps it from being written is told where that is found.
        let _ = self.turn(event, None, false).await;
    }

    /// The execution has ended: tells whoever waits, once.
    fn finish(&mut self, state: State, output: Value, state_info: Option<String>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
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
        // Who waits for it to start finds that it is not there.
        if self.place == Place::Unborn {
            self.shared.give_up(&self.record);
        }
        if !self.finished {
            if std::thread::panicking() {
                self.fail("the driver failed, which is a bug of its own".to_owned());
            } else {
                self.record.standing.send_replace(Standing::Interrupted);
            }
        }
        if self.place != Place::Gone {
            self.record.dismiss();
        }
        for id in self.actions.keys() {
            self.shared.remove_action(id, &self.record);
        }
        self.shared.retire(&self.record);
    }
}
