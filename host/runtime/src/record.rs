//! What the runtime keeps of an execution, while it runs and after.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use ostro_core::{ExecutionId, State, TaskExecutionId, Value};
use ostro_engine::{EventKind, Execution};
use ostro_journal::LetterId;
use ostro_lang::{Work, Workflow};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::family::Family;
use crate::feed::Notes;
use crate::keep::Pace;
use crate::{Library, RuntimeError, lock};

/// Which execution it is, of what, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExecutionInfo {
    /// Its id.
    pub id: ExecutionId,
    /// Its workflow, by its full name.
    pub workflow: Arc<str>,
    /// The workflow's namespace; empty for the default one.
    pub namespace: Arc<str>,
    /// The project that it belongs to; empty where there are none.
    #[serde(skip_serializing_if = "is_empty")]
    pub project: Arc<str>,
    /// The execution and the task execution that started it, for a sub-workflow.
    pub parent: Option<(ExecutionId, TaskExecutionId)>,
    /// The execution at the top; itself where it has no parent.
    pub root_id: ExecutionId,
    /// The execution that it is another run of, if it was started as that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<ExecutionId>,
    /// How many executions stand above it.
    pub depth: usize,
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// `Success`, `Error` or `Cancelled`.
    pub state: State,
    /// Its output.
    pub output: Value,
    /// Why it failed or was stopped.
    pub state_info: Option<String>,
}

/// Where an execution stands, for those who wait for it.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// Its first turn is not committed: whether there is such an execution is open.
    Starting,
    Running,
    Ended(Arc<Outcome>),
    /// The runtime shut down before the execution ended.
    Interrupted,
}

/// Something for an execution's actor.
pub(crate) struct Message {
    pub(crate) event: EventKind,
    /// The letter that it came by, where executions write letters.
    pub(crate) letter: Option<LetterId>,
    /// Who wants to know that the turn is committed.
    pub(crate) reply: Option<Reply>,
}

/// Where the answer to a message comes.
pub(crate) type Answer = oneshot::Receiver<Result<(), RuntimeError>>;

/// Tells somebody outside that the turn they asked for is committed.
pub(crate) struct Reply {
    pub(crate) sender: oneshot::Sender<Result<(), RuntimeError>>,
    /// The place among the requests that may wait.
    pub(crate) _place: Option<OwnedSemaphorePermit>,
}

/// Where messages for an actor come in.
struct Inbox {
    /// None while there is no actor.
    sender: Option<mpsc::UnboundedSender<Message>>,
    /// Whether the actor has nothing to do until a message comes.
    rests: bool,
}

/// An execution, as everybody but its actor sees it.
pub(crate) struct Record {
    pub(crate) about: ExecutionInfo,
    pub(crate) workflow: Arc<Workflow>,
    /// What it runs by: what was current when its root started.
    pub(crate) library: Arc<Library>,
    pub(crate) parent: Option<Arc<Record>>,
    /// The number of the next event in the journal.
    pub(crate) next_event: AtomicU64,
    /// When its next snapshot is due.
    pub(crate) pace: Mutex<Pace>,
    /// What its actions said that is not written.
    pub(crate) notes: Arc<Notes>,
    /// All executions of the root.
    pub(crate) family: Arc<Family>,
    /// The inbox takes whatever comes, because it is bounded by who may write: each child
    /// writes once, the parent writes what its turns command, and everybody else needs one of
    /// `places`.
    ///
    /// There is one while there is an actor. It is written to, and taken away, under its lock,
    /// so that no message comes to an actor that leaves.
    inbox: Mutex<Inbox>,
    places: Arc<Semaphore>,
    /// As of the last committed turn.
    snapshot: Mutex<Arc<Execution>>,
    pub(crate) standing: watch::Sender<Standing>,
}

impl Record {
    /// Whether the task of this name runs a workflow.
    pub(crate) fn runs_workflow(&self, task: &str) -> bool {
        let spec = self.workflow.tasks.get(task);
        spec.is_some_and(|spec| matches!(spec.work, Work::Workflow(_)))
    }

    /// A record, and the end of the inbox that its actor reads.
    pub(crate) fn new(
        about: ExecutionInfo,
        (workflow, library): (Arc<Workflow>, Arc<Library>),
        parent: Option<Arc<Record>>,
        execution: Execution,
        max_requests: usize,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Message>) {
        // The parent's turn writes that a sub-workflow is created.
        let next_event = AtomicU64::new(u64::from(parent.is_some()));
        let (inbox, receiver) = mpsc::unbounded_channel();
        let inbox = Mutex::new(Inbox {
            sender: Some(inbox),
            rests: false,
        });
        let family = parent
            .as_ref()
            .map_or_else(Arc::default, |up| Arc::clone(&up.family));
        let record = Self {
            about,
            workflow,
            library,
            parent,
            next_event,
            pace: Mutex::default(),
            notes: Arc::default(),
            family,
            inbox,
            places: Arc::new(Semaphore::new(max_requests.max(1))),
            snapshot: Mutex::new(Arc::new(execution)),
            standing: watch::Sender::new(Standing::Starting),
        };
        (Arc::new(record), receiver)
    }

    pub(crate) fn snapshot(&self) -> Arc<Execution> {
        Arc::clone(&lock(&self.snapshot))
    }

    pub(crate) fn set_snapshot(&self, execution: Execution) {
        *lock(&self.snapshot) = Arc::new(execution);
    }

    /// Hands an event to the actor. Nobody is there to take it once the execution has ended,
    /// which is no error: what the event was about is then nobody's concern.
    pub(crate) fn post(&self, message: Message) {
        let _ = self.send(&mut lock(&self.inbox), message);
    }

    /// Gives back what nobody is there to take.
    fn send(&self, inbox: &mut Inbox, message: Message) -> Option<Message> {
        let Some(sender) = &inbox.sender else {
            return Some(message);
        };
        if let Err(unsent) = sender.send(message) {
            return Some(unsent.0);
        }
        if std::mem::take(&mut inbox.rests) {
            self.family.awakes();
        }
        None
    }

    /// Hands a message to the actor. If there is none, the end of a new inbox comes back with
    /// the message, for a new actor.
    pub(crate) fn send_or_reopen(
        &self,
        message: Message,
    ) -> Option<(Message, mpsc::UnboundedReceiver<Message>)> {
        let mut inbox = lock(&self.inbox);
        let message = self.send(&mut inbox, message)?;
        self.leave(&mut inbox);
        let (sender, receiver) = mpsc::unbounded_channel();
        inbox.sender = Some(sender);
        self.family.awakes();
        Some((message, receiver))
    }

    /// Takes the inbox away from the actor, which leaves; or gives what has come in the last
    /// moment.
    pub(crate) fn close(&self, receiver: &mut mpsc::UnboundedReceiver<Message>) -> Option<Message> {
        let mut inbox = lock(&self.inbox);
        let last = receiver.try_recv().ok();
        if last.is_none() {
            self.leave(&mut inbox);
        }
        last
    }

    /// Has the actor leave, if there is one: nothing comes to it any more.
    pub(crate) fn dismiss(&self) {
        self.leave(&mut lock(&self.inbox));
    }

    fn leave(&self, inbox: &mut Inbox) {
        if inbox.sender.take().is_some() && !std::mem::take(&mut inbox.rests) {
            self.family.rests();
        }
    }

    /// The actor has nothing to do until a message comes. Whether it rests from now on: not if it
    /// does already, nor if one has come in the last moment.
    pub(crate) fn rest(&self, receiver: &mpsc::UnboundedReceiver<Message>) -> bool {
        let mut inbox = lock(&self.inbox);
        let begins = inbox.sender.is_some() && !inbox.rests && receiver.is_empty();
        if begins {
            inbox.rests = true;
            self.family.rests();
        }
        begins
    }

    /// The actor does not rest any more. Whether it may stay.
    pub(crate) fn awake(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        if std::mem::take(&mut inbox.rests) {
            self.family.awakes();
        }
        inbox.sender.is_some()
    }

    /// Whether there is an actor.
    pub(crate) fn has_actor(&self) -> bool {
        lock(&self.inbox).sender.is_some()
    }

    /// Hands an event to the actor and waits until its turn is committed.
    pub(crate) async fn request(&self, event: EventKind) -> Result<(), RuntimeError> {
        if let Standing::Ended(_) = *self.standing.borrow() {
            return Err(RuntimeError::Ended(self.about.id.clone()));
        }
        let (message, receiver) = self.message(event)?;
        let unsent = self.send(&mut lock(&self.inbox), message);
        if unsent.is_some() {
            return Err(self.gone());
        }
        self.answer(receiver).await
    }

    /// `event` as a message, and where its answer comes, if there is a place left.
    pub(crate) fn message(&self, event: EventKind) -> Result<(Message, Answer), RuntimeError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| RuntimeError::Busy(self.about.id.clone()))?;
        let (sender, receiver) = oneshot::channel();
        let reply = Some(Reply {
            sender,
            _place: Some(place),
        });
        let message = Message {
            event,
            letter: None,
            reply,
        };
        Ok((message, receiver))
    }

    /// Waits until the turn of a message is committed.
    pub(crate) async fn answer(&self, receiver: Answer) -> Result<(), RuntimeError> {
        receiver.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Waits for the first turn: whether it was committed.
    pub(crate) async fn has_started(&self) -> bool {
        let mut standing = self.standing.subscribe();
        let seen = standing
            .wait_for(|standing| !matches!(standing, Standing::Starting))
            .await;
        matches!(seen.as_deref(), Ok(Standing::Running | Standing::Ended(_)))
    }

    /// A turn is committed. One that was starting runs.
    pub(crate) fn runs(&self) {
        self.standing.send_if_modified(|standing| {
            let starts = matches!(standing, Standing::Starting);
            if starts {
                *standing = Standing::Running;
            }
            starts
        });
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Result<Outcome, RuntimeError> {
        let mut standing = self.standing.subscribe();
        let seen = standing
            .wait_for(|standing| !matches!(standing, Standing::Starting | Standing::Running))
            .await;
        match seen.as_deref() {
            Ok(Standing::Ended(outcome)) => Ok(Outcome::clone(outcome)),
            Ok(_) | Err(_) => Err(RuntimeError::ShutDown),
        }
    }

    /// Why the actor takes nothing any more.
    pub(crate) fn gone(&self) -> RuntimeError {
        match *self.standing.borrow() {
            Standing::Interrupted => RuntimeError::ShutDown,
            Standing::Starting | Standing::Running | Standing::Ended(_) => {
                RuntimeError::Ended(self.about.id.clone())
            }
        }
    }
}
