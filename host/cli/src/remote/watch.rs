//! Watches an execution that a server runs, to its end: by what the server tells as it happens.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use ostro_client::{Beginning, Client, ClientError, Event, Events, Next};
use ostro_core::{ActionExecutionId, Clock as _, ExecutionId, Progress, State};
use ostro_engine::Change as Changed;
use ostro_runtime::feed::{ActionState, Change};
use ostro_runtime::tree::{ExecutionNode, Told};
use ostro_runtime::{ActionEnd, ActionRef, Notice, NoticeKind, SystemClock};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::told;
use crate::args::Output;
use crate::errors::{Exit, hinted};
use crate::run::live::{INTERVAL, Live};
use crate::run::{Shows, plain, report, shows};
use crate::terminal;

/// How often the server is asked at most how all of it stands.
const LOOK: Duration = Duration::from_millis(500);

/// How many events wait at most to be shown.
const MOST_WAITING: usize = 64;

struct Watch<'a> {
    client: &'a Client,
    id: &'a str,
    began: i64,
    told: Told,
    actions: HashMap<ActionExecutionId, Arc<ActionRef>>,
    live: Option<Live>,
    root: ExecutionNode,
    /// Whether something happened since the root was asked for, and when that was.
    is_old: bool,
    asked: Instant,
    state: State,
}

/// Watches the execution `id` until it ends or pauses.
pub(super) async fn watch(
    client: &Client,
    id: &str,
    output: Output,
    verbose: bool,
    beginning: Beginning,
) -> Result<Exit> {
    follow(client, id, output, verbose, beginning, false).await
}

/// As [`watch`], from the beginning; Ctrl-C cancels the execution, and a second one leaves it.
pub(super) async fn interruptible(
    client: &Client,
    id: &str,
    output: Output,
    verbose: bool,
) -> Result<Exit> {
    follow(client, id, output, verbose, Beginning::Start, true).await
}

async fn follow(
    client: &Client,
    id: &str,
    output: Output,
    verbose: bool,
    beginning: Beginning,
    cancels: bool,
) -> Result<Exit> {
    let root = client.tree(id).await.map_err(told)?;
    let is_live = shows(false, output, verbose) == Shows::Tree;
    let mut watch = Watch {
        client,
        id,
        began: root.time.began.unwrap_or_else(|| SystemClock.now_millis()),
        told: Told::default(),
        actions: HashMap::new(),
        live: is_live.then(Live::new),
        state: root.state,
        root,
        is_old: false,
        asked: Instant::now(),
    };
    let mut events = listened(client.events(id, beginning));
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut interrupted = false;
    loop {
        tokio::select! {
            biased;
            pressed = &mut interrupt => {
                pressed.context("cannot listen to Ctrl-C")?;
                if interrupted || !cancels {
                    watch.leave();
                    terminal::complain(&format!("left: `ostro execution watch {id}` watches it again"));
                    return Ok(Exit::Interrupted);
                }
                interrupted = true;
                interrupt.set(tokio::signal::ctrl_c());
                watch.say("cancelling; Ctrl-C again to leave at once");
                let why = Some("cancelled by Ctrl-C");
                let stop = client.set_state(id, State::Cancelled, None, why);
                stop.await.map_err(told)?;
            }
            _ = ticks.tick(), if watch.live.is_some() => watch.draw().await?,
            next = events.recv() => match next.transpose().map_err(told)? {
                None | Some(Next::End) => break,
                Some(next) => watch.take(next),
            }
        }
        if watch.state == State::Paused && watch.live.is_none() {
            // Nobody is here who would say when it goes on.
            break;
        }
    }
    watch.root = client.tree_again(id).await.map_err(told)?;
    let root = watch.leave();
    if root.state == State::Paused {
        return Err(hinted(
            anyhow!("execution {id} is paused"),
            format!("`ostro execution resume {id}` has it go on"),
        ));
    }
    terminal::print(&match output {
        Output::Json => serde_json::to_string_pretty(&root)?,
        Output::Table => report::summary(&root),
    })?;
    Ok(match root.state {
        _ if interrupted => Exit::Interrupted,
        State::Success => Exit::Success,
        _ => Exit::Failure,
    })
}

/// What comes of `events`. They are waited for by themselves: to connect may take longer than
/// there is between two drawings of the screen.
fn listened(mut events: Events) -> mpsc::Receiver<Result<Next, ClientError>> {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    tokio::spawn(async move {
        loop {
            let next = events.next().await;
            let is_last = matches!(next, Ok(Next::End) | Err(_));
            if sender.send(next).await.is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

impl Watch<'_> {
    fn take(&mut self, next: Next) {
        match next {
            Next::Event(event) => self.event(&event),
            Next::Missed(_) => self.say("… what happened before is not kept any more"),
            Next::Lost(reason) => {
                self.say(&format!("the connection is lost ({reason}): trying again"));
            }
            Next::Back => self.say("the connection is there again"),
            Next::End => {}
        }
    }

    fn event(&mut self, event: &Event) {
        self.is_old = true;
        let Some(kind) = self.kind(&event.body.change) else {
            return;
        };
        let id = ExecutionId::new(event.execution_id.as_str());
        if let NoticeKind::Changed {
            change: Changed::Execution { state, .. },
        } = &kind
            && id.as_str() == self.id
        {
            self.state = *state;
        }
        self.told.take(&kind);
        let notice = Notice {
            sequence: event.sequence,
            at: event.at,
            execution_id: id,
            workflow: event.body.workflow_name.as_str().into(),
            parent: None,
            root_id: ExecutionId::new(self.id),
            kind,
        };
        let text = if self.live.is_some() {
            plain::note(&notice).map(|(place, note)| format!("{place}  {note}"))
        } else {
            plain::line(&notice, self.began)
        };
        if let Some(text) = text {
            self.say(&text);
        }
    }

    /// What happened, as somebody on the server's own machine is told.
    fn kind(&mut self, change: &Change) -> Option<NoticeKind> {
        let changed = |change| Some(NoticeKind::Changed { change });
        match change {
            Change::ExecutionChanged(execution) => changed(Changed::Execution {
                state: execution.state,
                info: execution.state_info.clone(),
            }),
            Change::TaskCreated(task) | Change::TaskChanged(task) => changed(Changed::Task {
                id: task.id.clone(),
                name: task.name.as_str().into(),
                state: task.state,
                info: task.state_info.clone(),
            }),
            Change::TaskItems(items) => changed(Changed::Items {
                id: items.id.clone(),
                name: items.name.as_str().into(),
                done: items.done,
                total: items.total,
            }),
            Change::ActionStarted(action) => {
                let action = named(action)?;
                self.actions.insert(action.id.clone(), Arc::clone(&action));
                Some(NoticeKind::ActionStarted { action })
            }
            Change::ActionEnded(action) => {
                self.actions.remove(&action.id);
                let end = match &action.error {
                    Some(error) => ActionEnd::Error {
                        kind: error.kind,
                        message: error.message.clone(),
                    },
                    None => ActionEnd::Success,
                };
                let action = named(action)?;
                Some(NoticeKind::ActionEnded { action, end })
            }
            Change::ActionProgress(progress) => Some(NoticeKind::Progress {
                action: self.actions.get(&progress.id).cloned()?,
                progress: Progress {
                    percent: progress.percent,
                    message: progress.message.clone(),
                },
            }),
            Change::ActionNote(note) => Some(NoticeKind::Note {
                action: self.actions.get(&note.id).cloned()?,
                line: note.line.as_str().into(),
            }),
            Change::ExecutionCreated(_)
            | Change::ExecutionDeleted
            | Change::ActionChanged(_)
            | Change::Dropped(_) => None,
        }
    }

    /// Draws the tree, and asks for it where something has happened to it.
    async fn draw(&mut self) -> Result<()> {
        if self.is_old && self.asked.elapsed() >= LOOK {
            self.is_old = false;
            self.asked = Instant::now();
            // Where the server is away the events tell it, and what was there stays on the screen.
            match self.client.tree(self.id).await {
                Ok(root) => self.root = root,
                Err(_) => self.is_old = true,
            }
        }
        self.told.tell(&mut self.root);
        if let Some(live) = &mut self.live {
            live.draw(&self.root, SystemClock.now_millis());
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        match &self.live {
            Some(live) => live.say(text),
            None => terminal::complain(text),
        }
    }

    /// Leaves the screen as it is at the end.
    fn leave(mut self) -> ExecutionNode {
        self.told.tell(&mut self.root);
        if let Some(live) = self.live {
            live.finish(&self.root, SystemClock.now_millis());
        }
        self.root
    }
}

/// An action that runs for a task.
fn named(action: &ActionState) -> Option<Arc<ActionRef>> {
    Some(Arc::new(ActionRef {
        id: action.id.clone(),
        name: action.name.as_str().into(),
        task_id: action.task_execution_id.clone()?,
        task_name: action.task_name.as_deref()?.into(),
        attempt: action.attempt,
    }))
}
