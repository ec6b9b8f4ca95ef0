//! Progress on a terminal: the tree of tasks, drawn anew while it changes.

use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::lines::{Frame, lines};
use crate::terminal;
use ostro_runtime::tree::ExecutionNode;

/// How often the tree is drawn.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// How many lines stay on the screen after the end. They scroll, so they may be more than a
/// screen is high.
const FINAL_LINES: usize = 200;

/// The live display.
pub(crate) struct Live {
    /// One bar whose message is the whole tree: it is drawn at once, and what is said on the
    /// side comes above it.
    bar: ProgressBar,
    tick: usize,
}

impl Live {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // A template that is not valid would leave the bar's own style, which shows no tree.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self { bar, tick: 0 }
    }

    /// Draws the tree as it is at `now`.
    pub(crate) fn draw(&mut self, root: &ExecutionNode, now: i64) {
        let (rows, columns) = Term::stderr().size();
        // The last line stays free, or the terminal would scroll.
        let height = usize::from(rows).saturating_sub(2).max(3);
        let width = usize::from(columns).saturating_sub(1);
        let frame = Frame {
            now,
            tick: self.tick,
            width,
            height,
        };
        self.bar.set_message(lines(root, frame).join("\n"));
        self.bar.tick();
        self.tick += 1;
    }

    /// Says something above the tree.
    pub(crate) fn say(&self, text: &str) {
        self.bar.println(text);
    }

    /// Takes the display away and leaves the tree as it ended.
    pub(crate) fn finish(self, root: &ExecutionNode, now: i64) {
        self.bar.finish_and_clear();
        let width = usize::from(Term::stderr().size().1).saturating_sub(1);
        let frame = Frame {
            now,
            tick: self.tick,
            width,
            height: FINAL_LINES,
        };
        terminal::complain(&lines(root, frame).join("\n"));
        terminal::complain("");
    }
}
