//! Environments: variables that executions are started with.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Kept, Owned, Table, Tables};
use crate::identity::Scope;
use crate::row;

/// An environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// None where the caller said null.
    pub(crate) variables: Option<Map<String, Value>>,
    pub(crate) project: String,
    pub(crate) scope: Scope,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl Kept for Environment {
    const KIND: &'static str = "environment";

    type Name = String;

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.environments
    }
}

impl Owned for Environment {
    fn project(&self) -> &str {
        &self.project
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn row(&self) -> Map<String, Value> {
        let variables = self.variables.clone();
        let row = json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "variables": variables.map(|variables| Value::Object(variables).to_string()),
            "scope": self.scope.as_str(),
            "project_id": self.project,
            "created_at": row::time(self.created_at),
            "updated_at": row::maybe_time(self.updated_at),
        });
        match row {
            Value::Object(row) => row,
            _ => Map::new(),
        }
    }
}
