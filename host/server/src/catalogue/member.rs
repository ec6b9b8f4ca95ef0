//! Members: projects with which a workflow is shared (`mistral/db/v2/sqlalchemy`,
//! `ResourceMember`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Kept, Table, Tables};
use crate::identity::Caller;
use crate::row;

/// A project that is offered a workflow of another one.
#[expect(clippy::struct_field_names, reason = "it is what Mistral calls it")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// The workflow.
    pub(crate) workflow: String,
    /// The project whose workflow it is.
    pub(crate) owner: String,
    /// The project that it is offered to.
    pub(crate) member: String,
    pub(crate) status: Status,
    /// In milliseconds since 1970 UTC, as all times.
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

/// What the member says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Nothing yet.
    Pending,
    /// It sees the workflow, and may run it.
    Accepted,
    Rejected,
}

impl Status {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "pending" => Some(Self::Pending),
            "accepted" => Some(Self::Accepted),
            "rejected" => Some(Self::Rejected),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

impl Kept for Member {
    const KIND: &'static str = "member";

    /// The workflow and the member.
    type Name = (String, String);

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> Self::Name {
        (self.workflow.clone(), self.member.clone())
    }

    fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.members
    }
}

impl Member {
    /// Whether `caller` may know of it: as the owner, or as the member.
    pub(crate) fn concerns(&self, caller: &Caller) -> bool {
        self.owner == caller.project || self.member == caller.project
    }

    pub(crate) fn row(&self) -> Map<String, Value> {
        let row = json!({
            "id": self.id,
            "resource_id": self.workflow,
            "resource_type": "workflow",
            "project_id": self.owner,
            "member_id": self.member,
            "status": self.status.as_str(),
            "created_at": row::time(self.created_at),
            "updated_at": row::maybe_time(self.updated_at),
        });
        match row {
            Value::Object(row) => row,
            _ => Map::new(),
        }
    }
}
