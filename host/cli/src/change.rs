//! How a difference between two versions is shown, in one line.

use std::fmt::Display;

use console::style;
use ostro_lang::{How, Location};

use crate::terminal;

/// A difference between two versions of something.
pub(crate) struct Difference<'a> {
    /// What kind of thing is different.
    pub(crate) of: &'a dyn Display,
    /// Its name.
    pub(crate) name: &'a str,
    /// How it is different.
    pub(crate) how: How,
    /// What about it.
    pub(crate) detail: Option<&'a str>,
    /// Whether a caller may be wrong with it who was right.
    pub(crate) breaks: bool,
    /// Where it stands, where that is one place.
    pub(crate) location: Option<&'a Location>,
}

impl Difference<'_> {
    /// The line; its kind takes `width` columns.
    pub(crate) fn line(&self, width: usize) -> String {
        let mark = match self.how {
            How::Added => style("+").green(),
            How::Removed => style("-").red(),
            How::Changed => style("~").yellow(),
        };
        let mut line = format!("{mark} {:<width$} {}", self.of, terminal::clean(self.name));
        let breaks = self
            .breaks
            .then(|| style("breaks").red().bold().to_string());
        let at = self.location.map(|at| {
            let place = format!("{}:{}", terminal::clean(&at.file), at.line);
            style(place).dim().to_string()
        });
        let detail = self.detail.map(terminal::clean);
        for part in [detail, breaks, at].into_iter().flatten() {
            line.push_str("  ");
            line.push_str(&part);
        }
        line
    }
}
