//! Watches an execution to its end, and listens to the person at the keyboard.

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ostro_core::{ActionExecutionId, Clock as _, ExecutionId, State};
use ostro_engine::Change;
use ostro_runtime::{
    Delivery, Notice, NoticeKind, Runtime, RuntimeError, Subscription, SystemClock,
};
use tokio::sync::mpsc;

use crate::run::live::{INTERVAL, Live};
use crate::run::plain;
use crate::run::trace;
use crate::state::{Completion, Request, RunDir};
use crate::terminal;
use ostro_runtime::tree::{Told, tree};

/// How watching ended.
pub(crate) enum Watched {
    /// The execution ended, perhaps because of Ctrl-C.
    Ended { told: Told, interrupted: bool },
    /// Ctrl-C came twice: nobody waits for the end.
    Left,
    /// The execution is paused, and nobody is there to resume it now.
    Paused,
}

/// What is shown while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// The tree of tasks, live.
    Tree,
    /// A line for each change.
    Lines,
    /// A line for each change, and what was decided in each turn and why.
    Trace,
    /// What was decided in each turn and why, as JSON.
    JsonTrace,
}

struct Watch<'a> {
    runtime: &'a Runtime,
    id: &'a ExecutionId,
    began: i64,
    told: Told,
    shows: Shows,
    live: Option<Live>,
    /// Where lines of the keyboard come from, once somebody was asked for one.
    keyboard: Option<mpsc::UnboundedReceiver<()>>,
    /// Executions that wait for a person.
    paused: Vec<ExecutionId>,
    /// Where the execution is kept, if it is.
    kept: Option<&'a RunDir>,
    /// Whether it is paused, and can be left so.
    rests: bool,
}

/// How often it is looked whether another process asks for something.
const LOOK: Duration = Duration::from_millis(500);

/// Watches the execution `id` until it ends. `notices` were subscribed to before it started.
pub(crate) async fn watch(
    runtime: &Runtime,
    id: &ExecutionId,
    mut notices: Subscription,
    shows: Shows,
    kept: Option<&RunDir>,
) -> Result<Watched> {
    let began = runtime.snapshot(id).map_or_else(
        || SystemClock.now_millis(),
        |execution| execution.created_at(),
    );
    let mut watch = Watch {
        runtime,
        id,
        began,
        told: Told::default(),
        shows,
        live: (shows == Shows::Tree).then(Live::new),
        keyboard: None,
        paused: Vec::new(),
        kept,
        rests: false,
    };
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut ended = pin!(runtime.wait(id));
    let mut interrupt = Box::pin(tokio::signal::ctrl_c());
    let mut interrupted = false;
    loop {
        tokio::select! {
            biased;
            pressed = &mut interrupt => {
                pressed.context("cannot listen to Ctrl-C")?;
                if interrupted {
                    watch.leave();
                    return Ok(Watched::Left);
                }
                interrupted = true;
                interrupt.set(tokio::signal::ctrl_c());
                watch.say("cancelling; Ctrl-C again to leave at once");
                watch.stop("cancelled by Ctrl-C").await?;
            }
            // Before the notices, or a flood of those would leave the screen as it is.
            _ = ticks.tick(), if watch.live.is_some() => watch.draw(),
            _ = looks.tick(), if kept.is_some() => watch.obey().await?,
            Some(delivery) = notices.next() => watch.take(delivery).await?,
            Some(()) = entered(watch.keyboard.as_mut()) => watch.resume().await?,
            outcome = &mut ended => {
                outcome?;
                break;
            }
        }
        if watch.rests {
            while let Some(delivery) = notices.try_next() {
                watch.take(delivery).await?;
            }
            watch.leave();
            return Ok(Watched::Paused);
        }
    }
    while let Some(delivery) = notices.try_next() {
        watch.take(delivery).await?;
    }
    let told = watch.leave();
    Ok(Watched::Ended { told, interrupted })
}

/// The next line of the keyboard, if anybody was asked for one.
async fn entered(keyboard: Option<&mut mpsc::UnboundedReceiver<()>>) -> Option<()> {
    match keyboard {
        Some(lines) => lines.recv().await,
        None => None,
    }
}

impl Watch<'_> {
    async fn take(&mut self, delivery: Delivery) -> Result<()> {
        let notice = match delivery {
            Delivery::Notice(notice) if notice.root_id == *self.id => notice,
            Delivery::Notice(_) => return Ok(()),
            Delivery::Lagged(lost) => {
                // The tree is made of snapshots and loses nothing by it.
                if self.shows == Shows::JsonTrace {
                    self.say(&format!("{{\"lost\":{lost}}}"));
                } else if self.live.is_none() {
                    let time = plain::elapsed(SystemClock.now_millis(), self.began);
                    self.say(&format!(
                        "{time}  … {lost} changes came too fast to be shown"
                    ));
                }
                return Ok(());
            }
        };
        self.told.take(&notice.kind);
        let text = match self.shows {
            Shows::Tree => plain::note(&notice).map(|(place, note)| format!("{place}  {note}")),
            Shows::Lines => plain::line(&notice, self.began),
            Shows::Trace => {
                trace::text(&notice, self.began).or_else(|| plain::line(&notice, self.began))
            }
            Shows::JsonTrace => trace::json(&notice),
        };
        if let Some(text) = text {
            self.say(&text);
        }
        self.pauses(&notice).await
    }

    /// Asks for somebody to resume what paused, or ends it where nobody is.
    async fn pauses(&mut self, notice: &Notice) -> Result<()> {
        let NoticeKind::Changed {
            change: Change::Execution { state, .. },
        } = &notice.kind
        else {
            return Ok(());
        };
        self.paused.retain(|id| *id != notice.execution_id);
        // A sub-workflow that pauses pauses those above it, and goes on with them.
        if *state != State::Paused || notice.execution_id != *self.id {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            if self.kept.is_some() {
                // What is at work in it comes to its end first.
                self.rests = self.is_at_rest();
                return Ok(());
            }
            return self
                .stop("the workflow paused, and without a terminal nobody can resume it")
                .await;
        }
        self.paused.push(notice.execution_id.clone());
        self.say(&format!(
            "{} paused; Enter resumes it, Ctrl-C cancels",
            notice.workflow
        ));
        if self.keyboard.is_none() {
            let (sender, receiver) = mpsc::unbounded_channel();
            // Reading blocks, and nothing can end it: the thread ends with the process.
            std::thread::spawn(move || {
                let mut line = String::new();
                while io::stdin().read_line(&mut line).is_ok_and(|size| size > 0)
                    && sender.send(()).is_ok()
                {
                    line.clear();
                }
            });
            self.keyboard = Some(receiver);
        }
        Ok(())
    }

    /// Whether nothing of the execution moves by itself.
    fn is_at_rest(&self) -> bool {
        let family = self.runtime.family(self.id);
        let mut executions = family.iter().filter_map(|id| self.runtime.snapshot(id));
        !executions.any(|execution| execution.moves_by_itself())
    }

    /// Does what another process asks for.
    async fn obey(&mut self) -> Result<()> {
        let Some(run) = self.kept else { return Ok(()) };
        match run.take_request() {
            None => {}
            Some(Request::Pause) => gone_is_fine(self.runtime.pause(self.id).await)?,
            Some(Request::Resume) => gone_is_fine(self.runtime.resume(self.id, None).await)?,
            Some(Request::Cancel) => self.stop("cancelled by `ostro execution cancel`").await?,
            Some(Request::Complete(Completion { action, outcome })) => {
                let id = ActionExecutionId::new(action);
                match self.runtime.finish_action(&id, outcome).await {
                    // Who asked sees that it has ended in the meantime.
                    Err(RuntimeError::UnknownAction(_)) => {}
                    other => gone_is_fine(other)?,
                }
            }
        }
        let is_paused = self
            .runtime
            .snapshot(self.id)
            .is_some_and(|execution| execution.state() == State::Paused);
        if is_paused && !io::stdin().is_terminal() {
            self.rests = self.is_at_rest();
        }
        Ok(())
    }

    async fn resume(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.paused) {
            gone_is_fine(self.runtime.resume(&id, None).await)?;
        }
        Ok(())
    }

    async fn stop(&self, why: &str) -> Result<()> {
        let stopped = self
            .runtime
            .stop(self.id, State::Cancelled, Some(why.to_owned()));
        gone_is_fine(stopped.await)
    }

    fn say(&self, text: &str) {
        match &self.live {
            Some(live) => live.say(text),
            None => terminal::complain(text),
        }
    }

    fn draw(&mut self) {
        let root = tree(self.runtime, self.id, &self.told);
        if let (Some(live), Some(root)) = (&mut self.live, root) {
            live.draw(&root, SystemClock.now_millis());
        }
    }

    /// Leaves the screen as it is at the end.
    fn leave(self) -> Told {
        let root = tree(self.runtime, self.id, &self.told);
        if let (Some(live), Some(root)) = (self.live, root) {
            live.finish(&root, SystemClock.now_millis());
        }
        self.told
    }
}

/// What was to be stopped or resumed may have ended in the meantime.
fn gone_is_fine(result: Result<(), RuntimeError>) -> Result<()> {
    match result {
        Err(RuntimeError::Ended(_) | RuntimeError::UnknownExecution(_)) => Ok(()),
        other => Ok(other?),
    }
}
