//! The two ways out: results on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::args::When;

/// Decides about colours, once, for both ways out.
pub(crate) fn set_colors(when: When) {
    // https://no-color.org: present and not empty.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let colored = |terminal: bool| match when {
        When::Auto => terminal && !refused,
        When::Always => true,
        When::Never => false,
    };
    console::set_colors_enabled(colored(io::stdout().is_terminal()));
    console::set_colors_enabled_stderr(colored(io::stderr().is_terminal()));
}

/// Whether a person can watch something that moves.
pub(crate) fn is_live() -> bool {
    io::stderr().is_terminal()
        && io::stdout().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Prints a result and a line break. A reader who left early, as `head` does, is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Says something on the side. Where nobody can hear it there is nothing else to do.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// `text` in which nothing can steer a terminal. What comes from a component, a service or a
/// definition goes through here.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Whether a character can steer a terminal.
fn steers(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        // Marks that turn the direction of text around.
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `value` as JSON in which nothing can steer a terminal, and nothing is lost: what could is
/// escaped as JSON has it. Beyond what JSON itself demands, these are characters of strings.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let plain = serde_json::to_string_pretty(value)?;
    let mut text = String::with_capacity(plain.len());
    for c in plain.chars() {
        if steers(c) {
            // Writing to a string cannot fail.
            let _ = fmt::Write::write_fmt(&mut text, format_args!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    Ok(text)
}

/// [`clean`] text on one line.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mred\nb"), "a\u{fffd}[31mred\nb");
        assert_eq!(
            json(&"\u{1b}\u{9b}\u{202e}é").unwrap(),
            r#""\u001b\u009b\u202eé""#
        );
        assert_eq!(clean_line("one\n  two\tthree\r"), "one two three\u{fffd}");
    }
}
