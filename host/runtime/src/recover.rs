//! Brings executions back from the journal, and has them go on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostro_core::{ExecutionId, Value};
use ostro_engine::EventKind;
use ostro_journal::{Journal, Unfinished};
use tokio::sync::mpsc;

use crate::record::{Message, Outcome, Record, Standing};
use crate::replay::{Replay, Revived};
use crate::shared::Shared;
use crate::{ExecutionInfo, RuntimeError, lock};

/// How many root executions are looked up at a time.
const PAGE: usize = 256;

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
                self.bring_back(&journal, &root.id).await?;
                count += 1;
            }
            match page.into_iter().next_back() {
                Some(root) => last = Some(root),
                None => return Ok(count),
            }
        }
    }

    /// The record of an execution that the journal has, if it does.
    pub(crate) async fn find(
        self: &Arc<Self>,
        id: &ExecutionId,
    ) -> Result<Option<Arc<Record>>, RuntimeError> {
        if let Some(record) = self.record(id) {
            return Ok(Some(record));
        }
        let Some(journal) = self.store.journal().cloned() else {
            return Ok(None);
        };
        let Some(row) = journal.execution(id)? else {
            return Ok(None);
        };
        let root = row.root_execution_id.unwrap_or(row.id);
        self.bring_back(&journal, &root).await?;
        Ok(self.record(id))
    }

    /// Brings back a root execution and all below it.
    async fn bring_back(
        self: &Arc<Self>,
        journal: &Journal,
        root: &ExecutionId,
    ) -> Result<(), RuntimeError> {
        let _alone = self.reviving.lock().await;
        if self.record(root).is_some() {
            return Ok(());
        }
        let shared = Arc::clone(self);
        let journal = journal.clone();
        let id = root.clone();
        let blocks = journal.blocks();
        let read = move || {
            let mut replay = Replay::new(&journal, &*shared.runner);
            let own = Arc::clone(&shared.library);
            replay.libraries.insert(own.digest(), own);
            replay.family(&id)
        };
        let family = if blocks {
            tokio::task::spawn_blocking(read)
                .await
                .map_err(|error| RuntimeError::Journal(format!("execution {root}: {error}")))??
        } else {
            // Others get on meanwhile, here as there.
            tokio::task::yield_now().await;
            read()?
        };
        self.adopt(family);
        Ok(())
    }

    /// Makes a family known, and has each of it go on.
    fn adopt(self: &Arc<Self>, family: Vec<Revived>) {
        let mut asleep = Vec::with_capacity(family.len());
        let mut letters = Vec::new();
        for revived in family {
            let (record, inbox) = self.record_of(&revived);
            let unread = revived.letters.into_iter();
            letters.extend(unread.map(|letter| (Arc::clone(&record), letter)));
            if let Some(inbox) = inbox {
                asleep.push((record, inbox, revived.outstanding, revived.next));
            }
        }
        for (record, inbox, outstanding, next) in asleep {
            let actor = self.actor(record, inbox);
            if next > 1 {
                tokio::spawn(actor.go_on(outstanding));
            } else {
                // It was created, and its first turn never came.
                tokio::spawn(actor.run(Message {
                    event: EventKind::Started,
                    letter: None,
                    reply: None,
                }));
            }
        }
        for (record, (id, event)) in letters {
            let message = Message {
                event,
                letter: Some(id),
                reply: None,
            };
            // It fails only when the runtime shuts down; the letter stays then.
            let _ = self.wake(&record, message);
        }
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
            parent: row
                .parent_execution_id
                .clone()
                .zip(row.task_execution_id.clone()),
            root_id: row
                .root_execution_id
                .clone()
                .unwrap_or_else(|| row.id.clone()),
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
