//! Comments that turn warnings off: `# ostro: allow W0602`.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::diagnostics::{Code, Diagnostic};
use crate::text::lines;
use crate::{Location, Severity};
use ostro_core::suggest::did_you_mean;

/// What the comments of a text allow.
#[derive(Default)]
struct Allowed {
    everywhere: FxHashSet<Code>,
    in_line: FxHashMap<u32, FxHashSet<Code>>,
}

/// `diagnostics` without those of `file` that its comments allow, and with what is wrong with
/// these comments.
pub(super) fn apply(
    file: &Arc<str>,
    text: &str,
    mut diagnostics: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    if !text.contains("ostro:") {
        return diagnostics;
    }
    let (allowed, problems) = read(file, text);
    diagnostics.retain(|diagnostic| {
        let at = &diagnostic.location;
        diagnostic.severity == Severity::Error
            || *at.file != **file
            || !(allowed.everywhere.contains(&diagnostic.code)
                || allowed
                    .in_line
                    .get(&at.line)
                    .is_some_and(|codes| codes.contains(&diagnostic.code)))
    });
    diagnostics.extend(problems);
    diagnostics
}

fn read(file: &Arc<str>, text: &str) -> (Allowed, Vec<Diagnostic>) {
    let mut allowed = Allowed::default();
    let mut problems = Vec::new();
    let mut at_top = true;
    // What the comments above say, until the line that they are for.
    let mut above: FxHashSet<Code> = FxHashSet::default();
    for (number, line) in (1..).zip(lines(text)) {
        let before = line.trim_start();
        let is_comment = before.starts_with('#');
        let codes = comment(line).map(|start| codes(file, number, line, start, &mut problems));
        if is_comment || before.is_empty() {
            let codes = codes.into_iter().flatten();
            if at_top {
                allowed.everywhere.extend(codes);
            } else {
                above.extend(codes);
            }
            continue;
        }
        at_top = false;
        let here = allowed.in_line.entry(number).or_default();
        here.extend(above.drain());
        here.extend(codes.into_iter().flatten());
    }
    allowed.in_line.retain(|_, codes| !codes.is_empty());
    (allowed, problems)
}

/// Where the codes start in a line with such a comment, as a byte offset.
fn comment(line: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + line[from..].find('#')?;
        let starts = line[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace);
        let rest = line[at + 1..].trim_start().strip_prefix("ostro:");
        if let Some(codes) = rest.and_then(|rest| rest.trim_start().strip_prefix("allow"))
            && starts
            && codes.starts_with(char::is_whitespace)
        {
            return Some(line.len() - codes.len());
        }
        from = at + 1;
    }
}

/// The codes from the byte offset `start` of a line on, up to what is no code: the reason.
fn codes(
    file: &Arc<str>,
    number: u32,
    line: &str,
    start: usize,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Code> {
    let mut codes = Vec::new();
    let mut at = start;
    for word in line[start..].split([',', ' ', '\t']) {
        let begin = at;
        at += word.len() + 1;
        if word.is_empty() {
            continue;
        }
        let mut shape = word.bytes();
        let is_code = shape.next().is_some_and(|b| b.is_ascii_alphabetic())
            && shape.len() > 0
            && shape.all(|b| b.is_ascii_digit());
        if !is_code && begin != start + 1 {
            break;
        }
        let code = Code::parse(word);
        if let Some(code) = code.filter(|code| code.severity() == Severity::Warning) {
            codes.push(code);
            continue;
        }
        let (message, hint) = if code.is_some() {
            (
                format!("`{word}` is an error, and errors can't be allowed"),
                None,
            )
        } else {
            let warnings = Code::ALL
                .iter()
                .filter(|c| c.severity() == Severity::Warning);
            let hint = did_you_mean(word, warnings.map(|code| code.as_str()));
            (format!("there is no warning `{word}`"), hint)
        };
        let column = line[..begin].chars().count() + 1;
        problems.push(Diagnostic {
            code: Code::UnknownAllow,
            severity: Code::UnknownAllow.severity(),
            location: Location {
                file: Arc::clone(file),
                line: number,
                column: u32::try_from(column).unwrap_or(1),
            },
            length: u32::try_from(word.chars().count()).unwrap_or(1),
            message,
            hint,
        });
        if !is_code {
            break;
        }
    }
    codes
}
