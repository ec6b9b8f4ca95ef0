//! A change as it is sent: rendered once, for all who want it.

use axum::body::Bytes;
use ostro_core::{ExecutionId, State};
use ostro_journal::StoredChange;
use ostro_runtime::feed::Body;
use serde_json::json;

/// A change, with what subscribers choose by.
pub(crate) struct Item {
    pub(super) sequence: u64,
    pub(super) project: std::sync::Arc<str>,
    pub(super) root: Option<ExecutionId>,
    pub(super) execution: Option<ExecutionId>,
    /// None where its body is of no known form.
    pub(super) about: Option<About>,
    /// The event.
    pub(super) text: Bytes,
}

/// What the body of a change says.
pub(super) struct About {
    pub(super) kind: &'static str,
    pub(super) state: Option<State>,
    pub(super) workflow: String,
    /// The execution above.
    pub(super) parent: Option<ExecutionId>,
}

impl Item {
    pub(super) fn new(stored: &StoredChange) -> Self {
        let (sequence, change) = (stored.sequence, &stored.change);
        let about = match Body::decode(&change.body) {
            Ok(body) => Some(About {
                kind: body.change.kind(),
                state: body.change.state(),
                workflow: body.workflow_name,
                parent: body.parent.map(|parent| parent.execution_id),
            }),
            Err(error) => {
                tracing::error!(sequence, %error, "a change is of no known form, and nobody gets it");
                None
            }
        };
        let head = json!({
            "sequence": sequence,
            "at": change.at,
            "project_id": &*change.project_id,
            "root_execution_id": change.root_execution_id,
            "execution_id": change.execution_id,
        })
        .to_string();
        // Two objects become one; neither has a line's end in it.
        let head = head.strip_suffix('}').unwrap_or_default();
        let body = String::from_utf8_lossy(&change.body);
        let body = body.strip_prefix('{').unwrap_or("}");
        let kind = about.as_ref().map_or("", |about| about.kind);
        let text = format!("id: {sequence}\nevent: {kind}\ndata: {head},{body}\n\n");
        Self {
            sequence,
            project: std::sync::Arc::clone(&change.project_id),
            root: change.root_execution_id.clone(),
            execution: change.execution_id.clone(),
            about,
            text: text.into(),
        }
    }

    /// How much room it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + 400
    }
}
