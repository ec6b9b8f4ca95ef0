//! Event triggers: executions that are started by what other services notify.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Kept, Owned, Table, Tables};
use crate::identity::Scope;
use crate::row;

/// An event trigger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EventTrigger {
    pub(crate) id: String,
    /// There may be several of a name, and some have none.
    pub(crate) name: String,
    pub(crate) workflow_id: String,
    pub(crate) workflow_input: Map<String, Value>,
    pub(crate) workflow_params: Map<String, Value>,
    pub(crate) source: Source,
    /// The type of the events that it is for.
    pub(crate) event: String,
    pub(crate) project: String,
    pub(crate) scope: Scope,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

/// Where notifications come from: an exchange of the broker, and a topic there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) exchange: String,
    pub(crate) topic: String,
}

impl Kept for EventTrigger {
    const KIND: &'static str = "event-trigger";

    type Name = String;

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.event_triggers
    }
}

impl Owned for EventTrigger {
    fn project(&self) -> &str {
        &self.project
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn row(&self) -> Map<String, Value> {
        let row = json!({
            "id": self.id,
            "created_at": row::time(self.created_at),
            "updated_at": row::maybe_time(self.updated_at),
            "project_id": self.project,
            "name": self.name,
            "workflow_id": self.workflow_id,
            "workflow_input": Value::Object(self.workflow_input.clone()).to_string(),
            "workflow_params": Value::Object(self.workflow_params.clone()).to_string(),
            "exchange": self.source.exchange,
            "topic": self.source.topic,
            "event": self.event,
            "scope": self.scope.as_str(),
        });
        match row {
            Value::Object(row) => row,
            _ => Map::new(),
        }
    }
}

impl EventTrigger {
    /// Whether it and `other` would start the same for the same event: there is one of these.
    pub(crate) fn is_another(&self, other: &Self) -> bool {
        self.id != other.id
            && self.project == other.project
            && self.workflow_id == other.workflow_id
            && self.event == other.event
            && self.source == other.source
    }
}
