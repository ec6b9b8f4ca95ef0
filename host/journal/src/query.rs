//! Pages of the read model, with the filters of Mistral's API.

mod columns;
mod page;
mod sql;

use crate::{ActionRecord, ExecutionRow, Journal, JournalError, TaskRecord};

pub use columns::{ActionColumn, Column, ExecutionColumn, TaskColumn};

/// How many rows a page has at most, as Mistral's `[api] max_limit` says.
pub const MAX_LIMIT: usize = 1000;

/// What a column is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Nothing: `Eq` finds what has none, `Neq` what has some.
    Null,
    /// A text, an id, the name of a state.
    Text(String),
    /// A time in milliseconds since 1970 UTC; 0 or 1 for a truth value.
    Integer(i64),
}

impl From<&str> for Operand {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Operand {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Operand {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Operand {
    fn from(truth: bool) -> Self {
        Self::Integer(truth.into())
    }
}

/// How a column is compared. What is null is in no order, and differs from nothing: only
/// `Eq` and `Neq` with [`Operand::Null`] find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Is the same.
    Eq(Operand),
    /// Is another.
    Neq(Operand),
    /// Is greater.
    Gt(Operand),
    /// Is greater or the same.
    Gte(Operand),
    /// Is less.
    Lt(Operand),
    /// Is less or the same.
    Lte(Operand),
    /// Is one of these.
    In(Vec<Operand>),
    /// Is none of these.
    Nin(Vec<Operand>),
    /// Contains this text.
    Has(String),
}

/// A direction to sort in. What is null comes first where it is ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// Which rows of a table are wanted, in which order.
///
/// ```
/// use ostro_journal::{Direction, ExecutionColumn, Op, Query};
///
/// let newest_failures = Query::new()
///     .filter(ExecutionColumn::State, Op::Eq("ERROR".into()))
///     .filter(ExecutionColumn::WorkflowName, Op::Eq("tripleo.deploy".into()))
///     .sort(ExecutionColumn::CreatedAt, Direction::Descending)
///     .omit(ExecutionColumn::Output)
///     .limit(100);
/// ```
#[derive(Clone, Debug)]
pub struct Query<C> {
    filters: Vec<(C, Op)>,
    sort: Vec<(C, Direction)>,
    omit: Vec<C>,
    marker: Option<String>,
    limit: usize,
}

impl<C> Default for Query<C> {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            sort: Vec::new(),
            omit: Vec::new(),
            marker: None,
            limit: MAX_LIMIT,
        }
    }
}

impl<C> Query<C> {
    /// Everything, oldest first, as far as a page goes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the rows whose column is like this, too.
    #[must_use]
    pub fn filter(mut self, column: C, op: Op) -> Self {
        self.filters.push((column, op));
        self
    }

    /// Sorted by this, after what was said before. Rows that are alike in all of it come in the
    /// order of their creation, in the direction of the last one.
    #[must_use]
    pub fn sort(mut self, column: C, direction: Direction) -> Self {
        self.sort.push((column, direction));
        self
    }

    /// Without what a column says, if it is one of those that may be large.
    #[must_use]
    pub fn omit(mut self, column: C) -> Self {
        self.omit.push(column);
        self
    }

    /// Only what comes after the row with this id.
    #[must_use]
    pub fn after(mut self, marker: impl Into<String>) -> Self {
        self.marker = Some(marker.into());
        self
    }

    /// At most so many rows; never more than [`MAX_LIMIT`].
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.min(MAX_LIMIT);
        self
    }
}

impl Journal {
    /// A page of executions.
    pub fn list_executions(
        &self,
        query: &Query<ExecutionColumn>,
    ) -> Result<Vec<ExecutionRow>, JournalError> {
        self.query(|read| read.executions(query))
    }

    /// A page of task executions.
    pub fn list_tasks(&self, query: &Query<TaskColumn>) -> Result<Vec<TaskRecord>, JournalError> {
        self.query(|read| read.tasks(query))
    }

    /// A page of action executions.
    pub fn list_actions(
        &self,
        query: &Query<ActionColumn>,
    ) -> Result<Vec<ActionRecord>, JournalError> {
        self.query(|read| read.actions(query))
    }
}
