//! Which changes a subscriber wants, and when it has all.

use std::collections::HashSet;
use std::sync::Arc;

use ostro_core::{ExecutionId, State};
use ostro_journal::ChangeFilter;

use super::item::{About, Item};

/// Which changes a subscriber wants: those that all of these let through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Of this project; none for all.
    pub(crate) project: Option<Arc<str>>,
    /// Of this root execution and all below it.
    pub(crate) root: Option<ExecutionId>,
    /// Of this execution alone.
    pub(crate) execution: Option<ExecutionId>,
    /// Of these executions, and of all that are created below them.
    pub(crate) below: Option<HashSet<ExecutionId>>,
    /// Of these workflows.
    pub(crate) workflows: Option<Vec<String>>,
    /// Of these kinds.
    pub(crate) kinds: Option<Vec<String>>,
    /// To these states.
    pub(crate) states: Option<Vec<State>>,
}

/// When a subscriber has all: when an execution has ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Which execution.
    pub(crate) execution: ExecutionId,
    /// Only a change after this number is its end.
    pub(crate) after: u64,
    /// The number of the last change, and the state, of one that has ended already.
    pub(crate) at: Option<(u64, State)>,
}

/// What a subscriber wants.
pub(crate) struct Wanted {
    pub(crate) filter: Filter,
    pub(crate) end: Option<End>,
    /// The state in which the execution has ended, once its end was seen.
    pub(super) ended: Option<State>,
}

/// What becomes of a change.
pub(super) enum Look {
    Skip,
    Take,
    /// It is wanted, and nothing after it is.
    TakeLast,
    /// It is not wanted, and nothing after it is.
    Last,
}

impl Wanted {
    pub(crate) fn new(filter: Filter, end: Option<End>) -> Self {
        Self {
            filter,
            end,
            ended: None,
        }
    }

    /// The root execution that all wanted changes are of, if there is one.
    pub(super) fn root(&self) -> Option<ExecutionId> {
        self.filter.root.clone()
    }

    /// What the journal can choose by.
    pub(super) fn stored(&self) -> ChangeFilter {
        ChangeFilter {
            project_id: self.filter.project.clone(),
            root_execution_id: self.filter.root.clone(),
            execution_id: self.filter.execution.clone(),
        }
    }

    /// Looks at a change; each once, in order.
    pub(super) fn look(&mut self, item: &Item) -> Look {
        let Some(about) = &item.about else {
            return Look::Skip;
        };
        let takes = self.filter.takes(item, about);
        if self.is_end(item, about) {
            return if takes { Look::TakeLast } else { Look::Last };
        }
        if takes { Look::Take } else { Look::Skip }
    }

    fn is_end(&mut self, item: &Item, about: &About) -> bool {
        let Some(end) = &self.end else {
            return false;
        };
        if item.sequence <= end.after || item.execution.as_ref() != Some(&end.execution) {
            return false;
        }
        self.ended = match (about.kind, about.state) {
            ("execution.changed", Some(state)) if state.is_completed() => Some(state),
            ("execution.deleted", _) => Some(State::Cancelled),
            _ => return false,
        };
        true
    }
}

impl Filter {
    fn takes(&mut self, item: &Item, about: &About) -> bool {
        if self
            .project
            .as_ref()
            .is_some_and(|project| **project != *item.project)
            || (self.root.is_some() && self.root != item.root)
            || (self.execution.is_some() && self.execution != item.execution)
        {
            return false;
        }
        if let Some(below) = &mut self.below {
            let Some(execution) = &item.execution else {
                return false;
            };
            if about.kind == "execution.created"
                && about
                    .parent
                    .as_ref()
                    .is_some_and(|parent| below.contains(parent))
            {
                below.insert(execution.clone());
            }
            if !below.contains(execution) {
                return false;
            }
        }
        let among = |names: &Option<Vec<String>>, name: &str| {
            names
                .as_ref()
                .is_none_or(|names| names.iter().any(|one| one == name))
        };
        // Whoever wants what actions say is to know what is missing of it.
        let of_kind = among(&self.kinds, about.kind)
            || about.kind == "dropped"
                && (among(&self.kinds, "action.progress") || among(&self.kinds, "action.note"));
        of_kind
            && among(&self.workflows, &about.workflow)
            && self
                .states
                .as_ref()
                .is_none_or(|states| about.state.is_some_and(|state| states.contains(&state)))
    }
}
