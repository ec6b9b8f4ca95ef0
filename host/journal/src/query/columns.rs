//! The columns that queries may name. A name from outside becomes one of these or nothing, so
//! that no text of a caller is ever part of a statement.

use crate::read;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text,
    Number,
    /// The name of a state.
    State,
    /// A text that may be among the values.
    Large,
}

/// A column as statements name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Its name in Mistral's API.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) sql: &'static str,
    pub(crate) nullable: bool,
    /// A condition on `?` that says that it is equal, by an index that leaves few rows.
    pub(crate) narrow: Option<&'static str>,
    /// What holds of all rows that its index has, where that leaves out those with an empty text.
    pub(crate) indexed: Option<&'static str>,
}

/// A table as statements name it.
pub(crate) struct Table {
    pub(crate) from: &'static str,
    pub(crate) seq: &'static str,
    pub(crate) id: &'static str,
    pub(crate) state: &'static str,
    pub(crate) created_at: Spec,
    /// What comes before the large texts when a row is read.
    pub(crate) narrow: &'static str,
    pub(crate) texts: &'static [&'static str],
}

pub(crate) mod sealed {
    /// What a column is to the statements of this crate.
    pub trait Sealed {
        #[doc(hidden)]
        #[expect(private_interfaces, reason = "nobody outside can name the trait")]
        fn spec(self) -> super::Spec;
        #[doc(hidden)]
        #[expect(private_interfaces, reason = "nobody outside can name the trait")]
        fn table() -> super::Table;
    }
}

/// A column of a table that can be queried.
pub trait Column: sealed::Sealed + Copy + Sized {
    /// The column that Mistral's API calls so.
    fn from_name(name: &str) -> Option<Self>;

    /// What Mistral's API calls it.
    fn name(self) -> &'static str;
}

const fn spec(name: &'static str, kind: Kind, sql: &'static str) -> Spec {
    Spec {
        name,
        kind,
        sql,
        nullable: false,
        narrow: None,
        indexed: None,
    }
}

const fn nullable(name: &'static str, kind: Kind, sql: &'static str) -> Spec {
    Spec {
        nullable: true,
        ..spec(name, kind, sql)
    }
}

/// An id by which few rows are found.
const fn narrow(name: &'static str, sql: &'static str, equal: &'static str) -> Spec {
    Spec {
        narrow: Some(equal),
        ..nullable(name, Kind::Id, sql)
    }
}

macro_rules! columns {
    ($(#[$doc:meta])* $name:ident, $table:expr, {$($(#[$column_doc:meta])* $column:ident: $spec:expr,)*}) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$column_doc])* $column,)*
        }

        impl sealed::Sealed for $name {
            #[expect(private_interfaces, reason = "nobody outside can name the trait")]
            fn spec(self) -> Spec {
                match self {
                    $($name::$column => $spec,)*
                }
            }

            #[expect(private_interfaces, reason = "nobody outside can name the trait")]
            fn table() -> Table {
                $table
            }
        }

        impl Column for $name {
            fn from_name(name: &str) -> Option<Self> {
                [$($name::$column),*].into_iter().find(|column| column.name() == name)
            }

            fn name(self) -> &'static str {
                sealed::Sealed::spec(self).name
            }
        }
    };
}

columns! {
    /// A column of the executions.
    ExecutionColumn,
    Table {
        from: read::FROM_EXECUTION,
        seq: "e.seq",
        id: "e.id",
        state: "e.state",
        created_at: spec("created_at", Kind::Number, "e.created_at"),
        narrow: read::EXECUTION,
        texts: &read::EXECUTION_TEXTS,
    },
    {
        /// `id`
        Id: Spec { nullable: false, ..narrow("id", "e.id", "e.id = ?") },
        /// `workflow_name`
        WorkflowName: spec("workflow_name", Kind::Text, "e.workflow_name"),
        /// `workflow_namespace`
        WorkflowNamespace: spec("workflow_namespace", Kind::Text, "e.workflow_namespace"),
        /// `workflow_id`
        WorkflowId: nullable("workflow_id", Kind::Text, "e.workflow_id"),
        /// `task_execution_id`: the task that wants it
        TaskExecutionId: narrow(
            "task_execution_id", "e.task_execution_id", "e.task_execution_id = ?"),
        /// `parent_execution_id`: the execution above it (not in Mistral's API)
        ParentExecutionId: narrow(
            "parent_execution_id",
            "(SELECT p.id FROM execution p WHERE p.seq = e.parent)",
            "e.parent = (SELECT p.seq FROM execution p WHERE p.id = ?)"),
        /// `root_execution_id`: the execution at the top; null where that is itself
        RootExecutionId: narrow(
            "root_execution_id",
            "(SELECT r.id FROM execution r WHERE r.seq = e.root)",
            "e.root = (SELECT r.seq FROM execution r WHERE r.id = ?)"),
        /// `source_execution_id`
        SourceExecutionId: nullable("source_execution_id", Kind::Id, "e.source_execution_id"),
        /// `project_id`
        ProjectId: Spec {
            indexed: Some("e.project_id <> ''"),
            ..spec("project_id", Kind::Text, "e.project_id")
        },
        /// `state`
        State: spec("state", Kind::State, "e.state"),
        /// `state_info`
        StateInfo: nullable("state_info", Kind::Large, "x.state_info"),
        /// `description`
        Description: nullable("description", Kind::Text, "x.description"),
        /// `tags`
        Tags: nullable("tags", Kind::Text, "x.tags"),
        /// `params`
        Params: nullable("params", Kind::Large, "x.params"),
        /// `input`
        Input: nullable("input", Kind::Large, "x.input"),
        /// `output`
        Output: nullable("output", Kind::Large, "x.output"),
        /// `created_at`
        CreatedAt: spec("created_at", Kind::Number, "e.created_at"),
        /// `updated_at`
        UpdatedAt: spec("updated_at", Kind::Number, "e.updated_at"),
        /// `finished_at`
        FinishedAt: nullable("finished_at", Kind::Number, "e.finished_at"),
    }
}

columns! {
    /// A column of the task executions.
    TaskColumn,
    Table {
        from: read::FROM_TASK,
        seq: "t.seq",
        id: "t.id",
        state: "t.state",
        created_at: spec("created_at", Kind::Number, "t.created_at"),
        narrow: read::TASK,
        texts: &read::TASK_TEXTS,
    },
    {
        /// `id`
        Id: Spec { nullable: false, ..narrow("id", "t.id", "t.id = ?") },
        /// `name`
        Name: spec("name", Kind::Text, "t.name"),
        /// `type`
        Type: spec("type", Kind::Text, "t.type"),
        /// `workflow_execution_id`
        WorkflowExecutionId: Spec { nullable: false, ..narrow(
            "workflow_execution_id",
            "e.id",
            "t.execution = (SELECT w.seq FROM execution w WHERE w.id = ?)") },
        /// `workflow_name`
        WorkflowName: spec("workflow_name", Kind::Text, "e.workflow_name"),
        /// `workflow_namespace`
        WorkflowNamespace: spec("workflow_namespace", Kind::Text, "e.workflow_namespace"),
        /// `workflow_id`
        WorkflowId: nullable("workflow_id", Kind::Text, "e.workflow_id"),
        /// `project_id`
        ProjectId: spec("project_id", Kind::Text, "e.project_id"),
        /// `state`
        State: spec("state", Kind::State, "t.state"),
        /// `state_info`
        StateInfo: nullable("state_info", Kind::Large, "t.state_info"),
        /// `tags`
        Tags: nullable("tags", Kind::Text, "t.tags"),
        /// `runtime_context`
        RuntimeContext: nullable("runtime_context", Kind::Large, "t.runtime_context"),
        /// `published`
        Published: nullable("published", Kind::Large, "t.published"),
        /// `published_global`
        PublishedGlobal: nullable("published_global", Kind::Large, "t.published_global"),
        /// `result`
        Result: nullable("result", Kind::Large, "t.result"),
        /// `processed`
        Processed: spec("processed", Kind::Number, "t.processed"),
        /// `created_at`
        CreatedAt: spec("created_at", Kind::Number, "t.created_at"),
        /// `updated_at`
        UpdatedAt: spec("updated_at", Kind::Number, "t.updated_at"),
        /// `started_at`
        StartedAt: nullable("started_at", Kind::Number, "t.started_at"),
        /// `finished_at`
        FinishedAt: nullable("finished_at", Kind::Number, "t.finished_at"),
    }
}

columns! {
    /// A column of the action executions.
    ActionColumn,
    Table {
        from: read::FROM_ACTION,
        seq: "a.seq",
        id: "a.id",
        state: "a.state",
        created_at: spec("created_at", Kind::Number, "a.created_at"),
        narrow: read::ACTION,
        texts: &read::ACTION_TEXTS,
    },
    {
        /// `id`
        Id: Spec { nullable: false, ..narrow("id", "a.id", "a.id = ?") },
        /// `name`
        Name: spec("name", Kind::Text, "a.name"),
        /// `task_execution_id`
        TaskExecutionId: narrow(
            "task_execution_id",
            "t.id",
            "(a.execution, a.task) = (SELECT w.execution, w.seq FROM task w WHERE w.id = ?)"),
        /// `task_name`
        TaskName: nullable("task_name", Kind::Text, "t.name"),
        /// `workflow_execution_id` (not in Mistral's API)
        WorkflowExecutionId: narrow(
            "workflow_execution_id",
            "e.id",
            "a.execution = (SELECT w.seq FROM execution w WHERE w.id = ?)"),
        /// `workflow_name`
        WorkflowName: nullable("workflow_name", Kind::Text, "e.workflow_name"),
        /// `workflow_namespace`
        WorkflowNamespace: nullable("workflow_namespace", Kind::Text, "e.workflow_namespace"),
        /// `project_id`
        ProjectId: nullable("project_id", Kind::Text, "ifnull(a.project_id, e.project_id)"),
        /// `state`
        State: spec("state", Kind::State, "a.state"),
        /// `state_info`
        StateInfo: nullable("state_info", Kind::Large, "a.state_info"),
        /// `description`
        Description: nullable("description", Kind::Text, "a.description"),
        /// `tags`
        Tags: nullable("tags", Kind::Text, "a.tags"),
        /// `runtime_context`
        RuntimeContext: nullable("runtime_context", Kind::Large, "a.runtime_context"),
        /// `input`
        Input: nullable("input", Kind::Large, "a.input"),
        /// `output`
        Output: nullable("output", Kind::Large, "a.output"),
        /// `accepted`
        Accepted: spec("accepted", Kind::Number, "a.accepted"),
        /// `created_at`
        CreatedAt: spec("created_at", Kind::Number, "a.created_at"),
        /// `updated_at`
        UpdatedAt: spec("updated_at", Kind::Number, "a.updated_at"),
        /// `started_at`
        StartedAt: nullable("started_at", Kind::Number, "a.started_at"),
        /// `finished_at`
        FinishedAt: nullable("finished_at", Kind::Number, "a.finished_at"),
    }
}
