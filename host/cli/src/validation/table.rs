//! A run of validations, for people at a terminal.

use std::fmt::Write as _;

use console::{Alignment, StyledObject, pad_str, style};

use super::result::{Outcome, Report, Status};
use crate::terminal::{clean, clean_line};
use crate::text::duration;

/// The table of all, and what there is to say about those that did not pass.
pub(crate) fn text(report: &Report) -> String {
    let width = |texts: &mut dyn Iterator<Item = String>| {
        let widths = texts.map(|text| console::measure_text_width(&text));
        widths.max().unwrap_or(0)
    };
    let ids = width(&mut report.results.iter().map(|r| r.id.clone()));
    let names = width(&mut report.results.iter().map(|r| clean_line(&r.name)));
    let mut text = String::new();
    for result in &report.results {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            text,
            "{}  {}  {}  {}",
            status(result.status),
            pad_str(&result.id, ids, Alignment::Left, None),
            pad_str(&clean_line(&result.name), names, Alignment::Left, None),
            duration(result.took().as_secs_f64())
        );
    }
    for result in &report.results {
        if result.status != Status::Passed {
            details(&mut text, result);
        }
    }
    let _ = write!(
        text,
        "\n{}{}, in {}",
        if report.interrupted {
            "Interrupted: "
        } else {
            ""
        },
        report.counts(),
        duration(report.took().as_secs_f64())
    );
    text
}

/// How a validation ended, on standard error.
pub(crate) fn told(outcome: &Outcome) -> String {
    let word = style(format!("{:<7}", outcome.status.as_str())).for_stderr();
    colored(word, outcome.status).to_string()
}

/// The word for how a validation ended, seven columns wide.
fn status(status: Status) -> String {
    let word = style(format!("{:<7}", status.as_str()));
    colored(word, status).to_string()
}

fn colored(word: StyledObject<String>, status: Status) -> StyledObject<String> {
    match status {
        Status::Passed => word.green(),
        Status::Failed => word.red().bold(),
        Status::Error => word.magenta().bold(),
        Status::Skipped => word.dim(),
    }
}

fn details(text: &mut String, result: &Outcome) {
    let _ = write!(
        text,
        "\n{} {}\n",
        status(result.status),
        style(&result.id).bold()
    );
    if let Some(cause) = result.cause {
        let _ = writeln!(text, "  {}:", cause.blame());
    }
    let indent = if result.cause.is_some() { "    " } else { "  " };
    for line in clean(&result.summary).lines() {
        let _ = writeln!(text, "{indent}{line}");
    }
    if result.status == Status::Error {
        for note in &result.notes {
            let _ = writeln!(text, "    {} {}", style("note:").dim(), clean_line(note));
        }
    }
    for finding in &result.findings {
        let _ = writeln!(
            text,
            "  - {}: {}",
            style(clean_line(&finding.subject)).bold(),
            clean_line(&finding.message)
        );
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "    {} {}", style("hint:").cyan(), clean_line(hint));
        }
    }
}
