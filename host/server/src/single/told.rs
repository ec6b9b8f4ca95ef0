//! What whoever watches is told of actions that run by themselves: as of those of workflows, but of
//! no execution.

use std::sync::Arc;

use ostro_core::{ActionContext, ActionExecutionId, Progress, ProgressSink, State};
use ostro_journal::{ActionRow, NewChange};
use ostro_runtime::feed::{
    self, ActionFault, ActionNote, ActionProgress, ActionState, Change, Notes,
};

use super::{Call, Standing};
use crate::app::App;

/// That an action is handed to its runner.
pub(super) fn started(call: &Call, at: i64) -> NewChange {
    let state = stands(&call.id, &call.name, State::Running, None);
    feed::by_itself(&call.project, at, Change::ActionStarted(state))
}

/// That an action stands like this now.
pub(super) fn standing(row: &ActionRow, standing: &Standing, at: i64) -> NewChange {
    let state = stands(&row.id, &row.name, standing.state, standing.error.clone());
    let change = if standing.state.is_completed() {
        Change::ActionEnded(state)
    } else {
        Change::ActionChanged(state)
    };
    let project = row.project_id.as_deref().unwrap_or_default();
    feed::by_itself(project, at, change)
}

fn stands(
    id: &ActionExecutionId,
    name: &str,
    state: State,
    error: Option<ActionFault>,
) -> ActionState {
    ActionState {
        id: id.clone(),
        name: name.to_owned(),
        task_execution_id: None,
        task_name: None,
        attempt: 1,
        state,
        error,
    }
}

/// Tells what an action says on its way.
pub(super) struct Sink {
    app: App,
    project: String,
    name: String,
    own: Arc<Notes>,
}

impl Sink {
    /// For one that is kept.
    pub(super) fn new(app: &App, call: &Call) -> Self {
        Self {
            app: app.clone(),
            project: call.project.clone(),
            name: call.name.clone(),
            own: Arc::default(),
        }
    }

    fn say(&self, said: impl FnOnce() -> Change) {
        let now = self.app.now();
        let all = &self.app.single.notes;
        self.own.say(all, &self.app.journal, said, |change| {
            feed::by_itself(&self.project, now, change)
        });
    }
}

impl ProgressSink for Sink {
    fn progress(&self, context: &ActionContext, progress: Progress) {
        let id = &context.action_execution_id;
        self.say(|| Change::ActionProgress(ActionProgress::of(id, &self.name, &progress)));
    }

    fn note(&self, context: &ActionContext, line: &str) {
        let id = &context.action_execution_id;
        self.say(|| Change::ActionNote(ActionNote::of(id, &self.name, line)));
        Log.note(context, line);
    }
}

/// What an action says on its way goes to the log: nobody could watch it.
pub(super) struct Log;

impl ProgressSink for Log {
    fn progress(&self, context: &ActionContext, progress: Progress) {
        tracing::debug!(action = %context.action_execution_id, message = progress.message);
    }

    fn note(&self, context: &ActionContext, line: &str) {
        tracing::info!(action = %context.action_execution_id, line);
    }
}
