//! What is told while validations run: live on a terminal, else a line for each change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use console::{Term, truncate_str};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ostro_core::{ActionContext, Progress, ProgressSink};

use super::result::Outcome;
use super::table;
use crate::terminal::{self, clean_line};
use crate::text::duration;

/// How often the display moves.
const INTERVAL: Duration = Duration::from_millis(100);

/// Whoever watches a run.
pub(crate) struct Watch {
    began: Instant,
    live: Option<Live>,
}

struct Live {
    /// One bar whose message is all that runs; what has ended scrolls above it.
    bar: ProgressBar,
    running: Mutex<Running>,
}

struct Running {
    done: usize,
    total: usize,
    /// What runs, and what it said last.
    now: Vec<(String, String)>,
}

impl Watch {
    /// Somebody who watches a run of `total` validations.
    pub(crate) fn new(total: usize) -> Arc<Self> {
        let live = terminal::is_live().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // A template that is not valid would leave the bar's own style.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(INTERVAL);
            Live {
                bar,
                running: Mutex::new(Running {
                    done: 0,
                    total,
                    now: Vec::new(),
                }),
            }
        });
        Arc::new(Self {
            began: Instant::now(),
            live,
        })
    }

    /// A validation begins.
    pub(crate) fn begins(&self, id: &str) {
        match &self.live {
            Some(live) => live.change(|running| running.now.push((id.to_owned(), String::new()))),
            None => self.line(id, "RUNNING"),
        }
    }

    /// A validation has ended.
    pub(crate) fn ends(&self, outcome: &Outcome) {
        let status = table::told(outcome);
        match &self.live {
            Some(live) => {
                live.bar.println(format!("{status}  {}", outcome.id));
                live.change(|running| {
                    running.done += 1;
                    running.now.retain(|(id, _)| *id != outcome.id);
                });
            }
            None => self.line(&outcome.id, status.trim_end()),
        }
    }

    /// Takes the display away.
    pub(crate) fn finish(&self) {
        if let Some(live) = &self.live {
            live.bar.finish_and_clear();
        }
    }

    fn says(&self, id: &str, text: &str) {
        match &self.live {
            Some(live) => live.change(|running| {
                if let Some((_, said)) = running.now.iter_mut().find(|(own, _)| own == id) {
                    text.clone_into(said);
                }
            }),
            None => self.line(id, text),
        }
    }

    fn notes(&self, id: &str, text: &str) {
        match &self.live {
            Some(live) => live.bar.println(format!("{id}  {text}")),
            None => self.line(id, text),
        }
    }

    fn line(&self, id: &str, text: &str) {
        let since = duration(self.began.elapsed().as_secs_f64());
        terminal::complain(&format!("{since:>6}  {id}  {text}"));
    }
}

impl Live {
    fn change(&self, change: impl FnOnce(&mut Running)) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut running);
        let (rows, columns) = Term::stderr().size();
        let width = usize::from(columns).saturating_sub(3);
        // The last line stays free, or the terminal would scroll.
        let height = usize::from(rows).saturating_sub(3).max(1);
        let mut lines = vec![format!("{} of {} done", running.done, running.total)];
        for (id, said) in running.now.iter().take(height) {
            let line = format!("{id}  {said}");
            lines.push(format!("  {}", truncate_str(line.trim_end(), width, "…")));
        }
        self.bar.set_message(lines.join("\n"));
    }
}

/// How many lines for the operator are kept of a validation.
const MAX_NOTES: usize = 50;

/// What one validation says about itself.
pub(crate) struct Sink {
    id: String,
    watch: Arc<Watch>,
    notes: Mutex<Vec<String>>,
}

impl Sink {
    /// What the validation `id` says, for `watch` to hear.
    pub(crate) fn new(id: &str, watch: &Arc<Watch>) -> Arc<Self> {
        Arc::new(Self {
            id: id.to_owned(),
            watch: Arc::clone(watch),
            notes: Mutex::default(),
        })
    }

    /// The first lines for the operator.
    pub(crate) fn notes(&self) -> Vec<String> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.clone()
    }
}

impl ProgressSink for Sink {
    fn progress(&self, _context: &ActionContext, progress: Progress) {
        let percent = progress
            .percent
            .map(|percent| format!("{percent}% "))
            .unwrap_or_default();
        let message = clean_line(&progress.message);
        self.watch.says(&self.id, &format!("{percent}{message}"));
    }

    fn note(&self, _context: &ActionContext, line: &str) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < MAX_NOTES {
            notes.push(line.to_owned());
        }
        drop(notes);
        self.watch
            .notes(&self.id, &format!("note: {}", clean_line(line)));
    }
}
