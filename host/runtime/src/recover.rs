//! Brings executions back from the journal, and has them go on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostro_core::{ExecutionId, Value};
use ostro_engine::EventKind;
use ostro_journal::{Journal, Unfinished};
use tokio::sync::{mpsc, oneshot};

use crate::family::Held;
use crate::record::{Message, Outcome, Record, Reply, Standing};
use crate::replay::{Replay, Revived};
use crate::shared::Shared;
use crate::{ExecutionInfo, RuntimeError, lock};

/// How many root executions are looked up at a time.
const PAGE: usize = 256;

/// What somebody wants of an execution that may have to be brought back for it.
pub(crate) struct Request {
    id: ExecutionId,
    event: EventKind,
    answer: oneshot::Sender<Result<(), RuntimeError>>,
}

impl Shared {
    /// Brings back all executions that something moves by itself. How many roots there were.
    pub(crate) async fn recover(self: &Arc<Self>) -> Result<usize, RuntimeError> {
        let Some(journal) = self.store.journal().cloned() else {
            return Ok(0);
        };
        let mut count = 0;
        let mut last = None;
        loop {
            let page = journal.unfinished(Unfinished::Moving, last.as_ref(), PAGE)?;
            for root in &page {
                self.bring_back(&journal, &root.id, &mut None).await?;
                count += 1;
            }
            match page.into_iter().next_back() {
                Some(root) => last = Some(root),
                None => return Ok(count),
            }
        }
    }

    /// An execution that is in memory or in the journal, if it is.
    pub(crate) async fn find(
        self: &Arc<Self>,
        id: &ExecutionId,
    ) -> Result<Option<Held>, RuntimeError> {
        self.find_for(id, &mut None).await
    }

    /// As [`Shared::find`]. If the execution that `request` is for is brought back for it, the
    /// request is taken there, and decided before anything is carried out again.
    async fn find_for(
        self: &Arc<Self>,
        id: &ExecutionId,
        request: &mut Option<Request>,
    ) -> Result<Option<Held>, RuntimeError> {
        if let Some(held) = self.hold(id) {
            return Ok(Some(held));
        }
        let Some(journal) = self.store.journal().cloned() else {
            return Ok(None);
        };
        let Some(row) = journal.execution(id)? else {
            return Ok(None);
        };
        let root = row.root_execution_id.unwrap_or(row.id);
        // Until it is in hand itself, it is by its root.
        let _root = self.bring_back(&journal, &root, request).await?;
        Ok(self.hold(id))
    }

    /// Has `event` happen to an execution that has not ended.
    pub(crate) async fn request(
        self: &Arc<Self>,
        id: &ExecutionId,
        event: EventKind,
    ) -> Result<(), RuntimeError> {
        let (answer, answered) = oneshot::channel();
        let mut request = Some(Request {
            id: id.clone(),
            event,
            answer,
        });
        let held = self.find_for(id, &mut request).await?;
        let held = held.ok_or_else(|| RuntimeError::UnknownExecution(id.clone()))?;
        match request {
            Some(request) => held.request(request.event).await,
            None => held.answer(answered).await,
        }
    }

    /// Brings back a root execution and all below it, if it is not in memory.
    async fn bring_back(
        self: &Arc<Self>,
        journal: &Journal,
        root: &ExecutionId,
        request: &mut Option<Request>,
    ) -> Result<Option<Held>, RuntimeError> {
        let _alone = self.reviving.lock().await;
        if let Some(held) = self.hold(root) {
            return Ok(Some(held));
        }
        let shared = Arc::clone(self);
        let journal = journal.clone();
        let id = root.clone();
        let blocks = journal.blocks();
        let read = move || Replay::new(&journal, Some(&shared.libraries)).family(&id);
        let family = if blocks {
            tokio::task::spawn_blocking(read)
                .await
                .map_err(|error| RuntimeError::Journal(format!("execution {root}: {error}")))??
        } else {
            // Others get on meanwhile, here as there.
            tokio::task::yield_now().await;
            read()?
        };
        Ok(self.adopt(family, request))
    }

    /// Makes a family known, and has each of it go on. Gives its root.
    fn adopt(
        self: &Arc<Self>,
        family: Vec<Revived>,
        request: &mut Option<Request>,
    ) -> Option<Held> {
        let root = family.first().map(|root| root.row.id.clone());
        let mut asleep = Vec::with_capacity(family.len());
        let mut letters = Vec::new();
        let mut held = Vec::with_capacity(family.len());
        for revived in family {
            let (record, inbox) = self.record_of(&revived);
            // Until all have begun, none leaves.
            held.extend(self.hold(&record.about.id));
            let mut first: Vec<Message> = revived
                .letters
                .into_iter()
                .map(|(id, event)| Message {
                    event,
                    letter: Some(id),
                    reply: None,
                })
                .collect();
            let Some(inbox) = inbox else {
                letters.extend(
                    first
                        .into_iter()
                        .map(|letter| (Arc::clone(&record), letter)),
                );
                continue;
            };
            if let Some(request) = request.take_if(|request| request.id == record.about.id) {
                first.push(Message {
                    event: request.event,
                    letter: None,
                    reply: Some(Reply {
                        sender: request.answer,
                        _place: None,
                    }),
                });
            }
            let actor = self.actor(Arc::clone(&record), inbox);
            asleep.push((actor, revived.outstanding, revived.next, first));
        }
        // All may be over before anybody takes it in hand.
        let root = root.and_then(|root| self.hold(&root));
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            // What was told to those that have ended comes before what the others tell them now.
            for (record, letter) in letters {
                // It fails only when the runtime shuts down; the letter stays then.
                let _ = shared.wake(&record, letter);
            }
            // From the top down: what one is told by those above it, it knows before anything of
            // it is carried out again.
            let mut restored = Vec::with_capacity(asleep.len());
            let mut fresh = Vec::new();
            for (actor, outstanding, next, first) in asleep {
                if next > 1 {
                    restored.push(actor.restore(outstanding, first).await);
                } else {
                    fresh.push((actor, first));
                }
            }
            for actor in restored {
                tokio::spawn(actor.go_on());
            }
            for (actor, first) in fresh {
                // It was created, and its first turn never came.
                tokio::spawn(actor.begin(first));
            }
            drop(held);
        });
        root
    }

    /// The record of an execution that is brought back, and its inbox if it has not ended.
    fn record_of(
        &self,
        revived: &Revived,
    ) -> (Arc<Record>, Option<mpsc::UnboundedReceiver<Message>>) {
        let Revived { row, execution, .. } = revived;
        self.clock.not_before(execution.updated_at());
        let parent = row.parent_execution_id.as_ref();
        let parent = parent.and_then(|id| self.record(id));
        let about = ExecutionInfo {
            id: row.id.clone(),
            workflow: Arc::clone(&revived.workflow.name),
            namespace: Arc::clone(&revived.workflow.namespace),
            project: row.project_id.as_str().into(),
            parent: row
                .parent_execution_id
                .clone()
                .zip(row.task_execution_id.clone()),
            root_id: row
                .root_execution_id
                .clone()
                .unwrap_or_else(|| row.id.clone()),
            source_id: row.source_execution_id.clone(),
            depth: parent.as_ref().map_or(0, |up| up.about.depth + 1),
        };
        let (record, mut inbox) = Record::new(
            about,
            (Arc::clone(&revived.workflow), Arc::clone(&revived.library)),
            parent,
            execution.clone(),
            self.options.max_requests,
        );
        record.next_event.store(revived.next, Ordering::Relaxed);
        *lock(&record.pace) = revived.pace;
        let ended = execution.state().is_completed();
        self.readmit(&record, !ended);
        if !ended {
            if revived.next > 1 {
                record.runs();
            }
            return (record, Some(inbox));
        }
        record.close(&mut inbox);
        record
            .standing
            .send_replace(Standing::Ended(Arc::new(Outcome {
                state: execution.state(),
                output: execution.output().cloned().unwrap_or_else(Value::empty_map),
                state_info: execution.state_info().map(str::to_owned),
            })));
        (record, None)
    }
}
