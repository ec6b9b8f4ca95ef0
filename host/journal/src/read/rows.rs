//! Rows of the read model as they are read.

use ostro_core::{ActionExecutionId, ExecutionId, TaskExecutionId};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Row, params};

use super::Read;
use crate::id::StoredId;
use crate::{
    ActionRecord, ActionRow, Digest, ExecutionRow, JournalError, Reached, TaskRecord, TaskRow,
    WorkflowRef,
};

/// A text as it stands in its column: itself, or the number of its value.
pub(crate) enum Column {
    Null,
    Text(String),
    Value(i64),
}

impl FromSql for Column {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(Self::Null),
            ValueRef::Integer(seq) => Ok(Self::Value(seq)),
            ValueRef::Text(_) => Ok(Self::Text(value.as_str()?.to_owned())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// The columns that [`Read::execution_row`] reads, of `execution e` and `execution_text x`.
pub(crate) const EXECUTION: &str = "e.id, (SELECT r.id FROM execution r WHERE r.seq = e.root),
    (SELECT p.id FROM execution p WHERE p.seq = e.parent), e.task_execution_id,
    e.source_execution_id, e.workflow_name, e.workflow_namespace, e.workflow_id, e.definitions,
    e.project_id, e.state, e.moving, e.created_at, e.updated_at, e.finished_at, x.description,
    x.tags";
pub(crate) const EXECUTION_TEXTS: [&str; 4] = ["x.state_info", "x.params", "x.input", "x.output"];
/// Where [`EXECUTION`] comes from.
pub(crate) const FROM_EXECUTION: &str =
    "execution e LEFT JOIN execution_text x ON x.execution = e.seq";

pub(crate) const TASK: &str = "t.id, e.id, t.name, t.type, t.state, t.processed, t.tags,
    t.created_at, t.updated_at, t.started_at, t.finished_at, e.workflow_name,
    e.workflow_namespace, e.workflow_id, e.project_id";
pub(crate) const TASK_TEXTS: [&str; 5] = [
    "t.state_info",
    "t.runtime_context",
    "t.published",
    "t.published_global",
    "t.result",
];
pub(crate) const FROM_TASK: &str = "task t CROSS JOIN execution e ON e.seq = t.execution";

pub(crate) const ACTION: &str = "a.id, e.id, t.id, a.name, a.state, a.reached, a.accepted,
    ifnull(a.project_id, e.project_id), a.description, a.tags, a.created_at, a.updated_at,
    a.started_at, a.finished_at, t.name, e.workflow_name, e.workflow_namespace, e.workflow_id";
pub(crate) const ACTION_TEXTS: [&str; 4] =
    ["a.state_info", "a.runtime_context", "a.input", "a.output"];
pub(crate) const FROM_ACTION: &str = "action a LEFT JOIN execution e ON e.seq = a.execution
    LEFT JOIN task t ON t.seq = a.task";

impl Read<'_> {
    pub(crate) fn execution_row(
        self,
        raw: Raw<ExecutionRow, 4>,
    ) -> Result<ExecutionRow, JournalError> {
        let Raw {
            mut row,
            state,
            texts: [state_info, params, input, output],
        } = raw;
        row.state = self.state(&state)?;
        row.state_info = self.text(state_info)?;
        row.params = self.text(params)?;
        row.input = self.text(input)?;
        row.output = self.text(output)?;
        Ok(row)
    }

    pub(crate) fn task_record(self, raw: Raw<TaskRecord, 5>) -> Result<TaskRecord, JournalError> {
        let Raw {
            row: mut record,
            state,
            texts: [state_info, runtime_context, published, global, result],
        } = raw;
        record.row.state = self.state(&state)?;
        record.row.state_info = self.text(state_info)?;
        record.row.runtime_context = self.text(runtime_context)?;
        record.row.published = self.text(published)?;
        record.row.published_global = self.text(global)?;
        record.row.result = self.text(result)?;
        Ok(record)
    }

    pub(crate) fn action_record(
        self,
        raw: Raw<ActionRecord, 4>,
    ) -> Result<ActionRecord, JournalError> {
        let Raw {
            row: mut record,
            state,
            texts: [state_info, runtime_context, input, output],
        } = raw;
        record.row.state = self.state(&state)?;
        record.row.state_info = self.text(state_info)?;
        record.row.runtime_context = self.text(runtime_context)?;
        record.row.input = self.text(input)?;
        record.row.output = self.text(output)?;
        Ok(record)
    }

    fn text(self, column: Column) -> Result<Option<String>, JournalError> {
        let seq = match column {
            Column::Null => return Ok(None),
            Column::Text(text) => return Ok(Some(text)),
            Column::Value(seq) => seq,
        };
        let found = self.one(
            "SELECT body, digest FROM value WHERE seq = ?1",
            params![seq],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        let Some((body, digest)) = found else {
            return Err(self.corrupt(format!("a row refers to value {seq}, which is not there")));
        };
        if Digest::of(&body).as_bytes()[..] != digest[..] {
            return Err(self.corrupt(format!("value {seq} is not what was stored")));
        }
        String::from_utf8(body)
            .map(Some)
            .map_err(|_| self.corrupt(format!("value {seq} of a row is no text")))
    }
}

/// A row before its large texts are fetched and its state is looked at.
pub(crate) struct Raw<T, const N: usize> {
    row: T,
    state: String,
    texts: [Column; N],
}

fn texts<const N: usize>(row: &Row<'_>, first: usize) -> rusqlite::Result<[Column; N]> {
    let mut texts = [const { Column::Null }; N];
    for (index, text) in texts.iter_mut().enumerate() {
        *text = row.get(first + index)?;
    }
    Ok(texts)
}

pub(crate) fn raw_execution(row: &Row<'_>) -> rusqlite::Result<Raw<ExecutionRow, 4>> {
    let definitions: Option<[u8; 32]> = row.get(8)?;
    let read = ExecutionRow {
        root_execution_id: id(row, 1)?.map(ExecutionId::new),
        parent_execution_id: id(row, 2)?.map(ExecutionId::new),
        task_execution_id: id(row, 3)?.map(TaskExecutionId::new),
        source_execution_id: id(row, 4)?.map(ExecutionId::new),
        workflow_namespace: row.get(6)?,
        workflow_id: row.get(7)?,
        definitions: definitions.map(Digest::from_bytes),
        project_id: row.get(9)?,
        moving: row.get(11)?,
        updated_at: row.get(13)?,
        finished_at: row.get(14)?,
        description: row.get(15)?,
        tags: row.get(16)?,
        ..ExecutionRow::new(
            execution_id(row, 0)?,
            row.get::<_, String>(5)?,
            row.get(12)?,
        )
    };
    Ok(Raw {
        row: read,
        state: row.get(10)?,
        texts: texts(row, 17)?,
    })
}

pub(crate) fn raw_task(row: &Row<'_>) -> rusqlite::Result<Raw<TaskRecord, 5>> {
    let task = TaskExecutionId::new(row.get::<_, StoredId>(0)?.into_text());
    let read = TaskRow {
        kind: row.get(3)?,
        processed: row.get(5)?,
        tags: row.get(6)?,
        updated_at: row.get(8)?,
        started_at: row.get(9)?,
        finished_at: row.get(10)?,
        ..TaskRow::new(
            task,
            execution_id(row, 1)?,
            row.get::<_, String>(2)?,
            row.get(7)?,
        )
    };
    let record = TaskRecord {
        row: read,
        workflow: WorkflowRef {
            name: row.get(11)?,
            namespace: row.get(12)?,
            id: row.get(13)?,
        },
        project_id: row.get(14)?,
    };
    Ok(Raw {
        row: record,
        state: row.get(4)?,
        texts: texts(row, 15)?,
    })
}

pub(crate) fn raw_action(row: &Row<'_>) -> rusqlite::Result<Raw<ActionRecord, 4>> {
    let action = ActionExecutionId::new(row.get::<_, StoredId>(0)?.into_text());
    let reached =
        Reached::from_i64(row.get(5)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(5, -1))?;
    let read = ActionRow {
        execution_id: id(row, 1)?.map(ExecutionId::new),
        task_execution_id: id(row, 2)?.map(TaskExecutionId::new),
        reached,
        accepted: row.get(6)?,
        project_id: row.get(7)?,
        description: row.get(8)?,
        tags: row.get(9)?,
        updated_at: row.get(11)?,
        started_at: row.get(12)?,
        finished_at: row.get(13)?,
        ..ActionRow::new(action, row.get::<_, String>(3)?, row.get(10)?)
    };
    let workflow = match row.get::<_, Option<String>>(15)? {
        None => None,
        Some(name) => Some(WorkflowRef {
            name,
            namespace: row.get(16)?,
            id: row.get(17)?,
        }),
    };
    let record = ActionRecord {
        row: read,
        task_name: row.get(14)?,
        workflow,
    };
    Ok(Raw {
        row: record,
        state: row.get(4)?,
        texts: texts(row, 18)?,
    })
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(row
        .get::<_, Option<StoredId>>(column)?
        .map(StoredId::into_text))
}

pub(super) fn execution_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ExecutionId> {
    Ok(ExecutionId::new(
        row.get::<_, StoredId>(column)?.into_text(),
    ))
}
