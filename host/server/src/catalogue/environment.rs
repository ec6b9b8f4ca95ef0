//! Environments: variables that executions are started with.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Kept, Table, Tables};
use crate::identity::{Caller, Scope};
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

    fn id(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> Option<(&str, Scope)> {
        Some((&self.project, self.scope))
    }

    fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.environments
    }
}

impl Environment {
    /// Its row in answers.
    pub(crate) fn row(&self) -> Map<String, Value> {
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

impl Tables {
    /// The environment of this name that `caller` sees: their own before others'.
    pub(crate) fn environment<'a>(
        &'a self,
        caller: &'a Caller,
        name: &str,
    ) -> Option<&'a Environment> {
        let found = self
            .environments
            .seen(caller)
            .filter(|one| one.name == name);
        found
            .max_by_key(|one| one.project == caller.project)
            .map(|one| &**one)
    }
}
