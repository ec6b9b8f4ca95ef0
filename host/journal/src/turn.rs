//! What one turn writes: all of it or nothing.

use std::sync::Arc;

use ostro_core::{ActionExecutionId, ExecutionId};

use crate::digest::seal;
use crate::{
    ActionChange, ActionRow, Blob, Digest, ExecutionChange, ExecutionRow, NewChange, TaskRow,
};

/// What one turn of an execution writes, or a run of turns of one or several executions: all of
/// it or nothing, in the order in which it was added.
///
/// An execution's row comes before its events, a parent's before its children's, a value before
/// what refers to it; each in this turn or in one before.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    pub(crate) steps: Vec<Step>,
    bytes: usize,
}

/// An event of an execution, on its way to the journal.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The execution.
    pub execution: ExecutionId,
    /// Its place among the execution's events, from 0. One that does not follow the last one is
    /// refused.
    pub number: u64,
    /// What happened, as the caller writes it.
    pub body: Arc<[u8]>,
    /// The values that the body refers to. They are kept as long as the event.
    pub values: Vec<Digest>,
}

/// The state of an execution after some events. It takes the place of the one before.
#[derive(Clone, Debug)]
pub struct NewSnapshot {
    /// The execution.
    pub execution: ExecutionId,
    /// How many events it covers: those numbered below this.
    pub events: u64,
    /// The version of the form that the caller writes it in.
    pub version: u32,
    /// The state.
    pub body: Arc<[u8]>,
    /// The values that the body refers to. They are kept as long as the snapshot.
    pub values: Vec<Digest>,
}

/// Which letter: the turn that sent it, and its place among the letters of that turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    /// The execution that sent it.
    pub sender: ExecutionId,
    /// The number of the sender's event that the turn was about.
    pub event: u64,
    /// Its place, from 0.
    pub place: u32,
}

/// What an execution has to say to another one. It is kept until a turn of the recipient takes it
/// in, so that it comes exactly once, whatever happens in between.
#[derive(Clone, Debug)]
pub struct NewLetter {
    /// Which it is.
    pub id: LetterId,
    /// Who gets it.
    pub recipient: ExecutionId,
    /// What it says, as the caller writes it.
    pub body: Arc<[u8]>,
    /// The values that the body refers to. They are kept as long as the letter.
    pub values: Vec<Digest>,
}

/// Something that users keep beside their executions: a definition, an environment, a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Document {
    /// What kind of thing it is.
    pub kind: &'static str,
    /// Its id among those of its kind.
    pub id: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Value(Blob),
    Whole(Blob, Arc<[Blob]>),
    Pin(Digest),
    Unpin(Digest),
    Execution(Box<ExecutionRow>, Cells<4>),
    ExecutionChange(ExecutionChange, Cells<2>),
    Description(ExecutionId, String),
    Params(ExecutionId, Cell),
    Task(Box<TaskRow>, Cells<5>),
    Action(Box<ActionRow>, Cells<4>),
    ActionChange(ActionChange, Cells<2>),
    ActionStarted(ActionExecutionId, i64, Option<(Arc<NewChange>, i64)>),
    DropAction(ActionExecutionId),
    Event(NewEvent, i64),
    Snapshot(NewSnapshot, i64),
    Letter(NewLetter, i64),
    TakeLetter(LetterId),
    Change(Arc<NewChange>, i64),
    Setting(String, Option<Vec<u8>>),
    Document(Document, Option<Vec<u8>>),
}

/// The texts of a row that may be large, in the order of their columns.
pub(crate) type Cells<const N: usize> = [Cell; N];

/// Texts of at least this many bytes are stored among the values.
const LARGE: usize = 4096;

/// A text that may be large. Its digest is taken where the turn is made, so that the writer
/// need not.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Large(Blob),
}

impl Cell {
    fn take(text: &mut Option<String>) -> Self {
        match text.take() {
            None => Self::Null,
            Some(text) if text.len() < LARGE => Self::Text(text),
            Some(text) => Self::Large(Blob::new(text.into_bytes())),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Text(text) => text.len(),
            Self::Large(blob) => blob.bytes().len(),
        }
    }
}

/// What a step takes at least, so that a turn of many small ones counts too.
const STEP: usize = 200;

impl Turn {
    /// A turn that writes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it writes nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How large it is, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds everything that `other` writes.
    pub fn append(&mut self, mut other: Turn) -> &mut Self {
        self.bytes += other.bytes;
        self.steps.append(&mut other.steps);
        self
    }

    /// Stores a value, unless it is stored already.
    ///
    /// One that nothing refers to is collected some time after the turn, so what needs it comes
    /// with it, or it is pinned.
    pub fn value(&mut self, value: Blob) -> &mut Self {
        self.push(value.bytes().len(), Step::Value(value))
    }

    /// Stores a value that is of no use without `parts`, unless it is stored already. They are
    /// values too, each stored once, and are kept as long as one that they are parts of.
    pub fn whole(&mut self, value: Blob, parts: Arc<[Blob]>) -> &mut Self {
        self.push(value.bytes().len(), Step::Whole(value, parts))
    }

    /// Keeps a value until it is unpinned, whether or not something refers to it.
    pub fn pin(&mut self, value: Digest) -> &mut Self {
        self.push(0, Step::Pin(value))
    }

    /// Takes a pin away.
    pub fn unpin(&mut self, value: Digest) -> &mut Self {
        self.push(0, Step::Unpin(value))
    }

    /// Writes an execution's row, in the place of the one that is there.
    pub fn execution(&mut self, mut row: ExecutionRow) -> &mut Self {
        let cells = [
            Cell::take(&mut row.state_info),
            Cell::take(&mut row.params),
            Cell::take(&mut row.input),
            Cell::take(&mut row.output),
        ];
        self.push(sizes(&cells), Step::Execution(Box::new(row), cells))
    }

    /// Changes an execution's row.
    pub fn execution_change(&mut self, mut change: ExecutionChange) -> &mut Self {
        let cells = [
            Cell::take(&mut change.state_info),
            Cell::take(&mut change.output),
        ];
        self.push(sizes(&cells), Step::ExecutionChange(change, cells))
    }

    /// Changes what a person says about an execution.
    pub fn description(&mut self, id: ExecutionId, text: String) -> &mut Self {
        self.push(text.len(), Step::Description(id, text))
    }

    /// Changes the parameters of an execution's row, which are JSON.
    pub fn params(&mut self, id: ExecutionId, params: String) -> &mut Self {
        let cell = Cell::take(&mut Some(params));
        self.push(cell.len(), Step::Params(id, cell))
    }

    /// Writes a task execution's row, in the place of the one that is there.
    pub fn task(&mut self, mut row: TaskRow) -> &mut Self {
        let cells = [
            Cell::take(&mut row.state_info),
            Cell::take(&mut row.runtime_context),
            Cell::take(&mut row.published),
            Cell::take(&mut row.published_global),
            Cell::take(&mut row.result),
        ];
        self.push(sizes(&cells), Step::Task(Box::new(row), cells))
    }

    /// Writes an action execution's row, in the place of the one that is there.
    pub fn action(&mut self, mut row: ActionRow) -> &mut Self {
        let cells = [
            Cell::take(&mut row.state_info),
            Cell::take(&mut row.runtime_context),
            Cell::take(&mut row.input),
            Cell::take(&mut row.output),
        ];
        self.push(sizes(&cells), Step::Action(Box::new(row), cells))
    }

    /// Changes an action execution's row.
    pub fn action_change(&mut self, mut change: ActionChange) -> &mut Self {
        let cells = [
            Cell::take(&mut change.state_info),
            Cell::take(&mut change.output),
        ];
        self.push(sizes(&cells), Step::ActionChange(change, cells))
    }

    /// Notes that an action is handed to its runner at `now`. Nothing happens to one that has
    /// ended.
    pub fn action_started(&mut self, id: ActionExecutionId, now: i64) -> &mut Self {
        self.push(0, Step::ActionStarted(id, now, None))
    }

    /// As [`Turn::action_started`], and tells whoever watches; of one that has ended, nothing.
    pub fn action_started_and_told(
        &mut self,
        id: ActionExecutionId,
        now: i64,
        change: NewChange,
    ) -> &mut Self {
        let (seal, bytes) = (change.seal(), change.body.len());
        let told = Some((Arc::new(change), seal));
        self.push(bytes, Step::ActionStarted(id, now, told))
    }

    /// Deletes the row of an action execution.
    pub fn drop_action(&mut self, id: ActionExecutionId) -> &mut Self {
        self.push(0, Step::DropAction(id))
    }

    /// Appends an event.
    pub fn event(&mut self, event: NewEvent) -> &mut Self {
        let seal = seal(&event.execution, event.number, 0, &event.body);
        self.push(event.body.len(), Step::Event(event, seal))
    }

    /// Writes a snapshot, in the place of the one that is there.
    pub fn snapshot(&mut self, snapshot: NewSnapshot) -> &mut Self {
        let NewSnapshot {
            execution,
            events,
            version,
            body,
            ..
        } = &snapshot;
        let seal = seal(execution, *events, *version, body);
        self.push(snapshot.body.len(), Step::Snapshot(snapshot, seal))
    }

    /// Sends a letter.
    pub fn letter(&mut self, letter: NewLetter) -> &mut Self {
        let LetterId {
            sender,
            event,
            place,
        } = &letter.id;
        let seal = seal(sender, *event, *place, &letter.body);
        self.push(letter.body.len(), Step::Letter(letter, seal))
    }

    /// Takes a letter in: it is not there any more. One that is not there is refused.
    pub fn take_letter(&mut self, id: LetterId) -> &mut Self {
        self.push(0, Step::TakeLetter(id))
    }

    /// Tells whoever watches what changed: it gets the next number when the turn is committed.
    pub fn change(&mut self, change: NewChange) -> &mut Self {
        let seal = change.seal();
        self.push(change.body.len(), Step::Change(Arc::new(change), seal))
    }

    /// Remembers `value` under `name`; none forgets it.
    pub fn setting(&mut self, name: impl Into<String>, value: Option<Vec<u8>>) -> &mut Self {
        let bytes = value.as_ref().map_or(0, Vec::len);
        self.push(bytes, Step::Setting(name.into(), value))
    }

    /// Keeps a document, in the place of what was kept as it before; without a body it is not kept
    /// any more.
    pub fn document(&mut self, document: Document, body: Option<Vec<u8>>) -> &mut Self {
        let bytes = body.as_ref().map_or(0, Vec::len);
        self.push(bytes, Step::Document(document, body))
    }

    fn push(&mut self, bytes: usize, step: Step) -> &mut Self {
        self.bytes += bytes + STEP;
        self.steps.push(step);
        self
    }
}

fn sizes(cells: &[Cell]) -> usize {
    cells.iter().map(Cell::len).sum()
}
