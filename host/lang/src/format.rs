//! Formats the text of a definition.
//!
//! Lines are moved, and their contents are left alone: the way a scalar is written, comments and
//! the order of things stay as they are. What is written anew is read back, and if it says
//! anything else than the text did, less is done.

mod blanks;
mod expressions;
mod layout;

use ostro_core::Value;

use crate::diagnostics::{Diagnostic, Severity};
use crate::yaml::{self, Source};

/// The text of a definition in the usual form: indented by two spaces, lists below their key as
/// well, one space inside `<% … %>` and `{{ … }}`, at most one empty line, one between tasks and
/// between workflows, no white space at the end of lines, and a line break at the end.
///
/// The values are the same as before, but for the spaces in expressions, and formatting twice
/// changes nothing more. What can't be indented anew without a change of meaning stays as it is.
/// The content of block scalars is only moved as a whole.
///
/// The error is the first one of the YAML; `file` of its location is `<definition>`.
pub fn format(text: &str) -> Result<String, Diagnostic> {
    let mut formatted = once(text)?;
    // White space that kept a text from being indented may be gone now.
    for _ in 0..PASSES {
        let again = once(&formatted)?;
        if again == formatted {
            break;
        }
        formatted = again;
    }
    Ok(formatted)
}

/// How often what was formatted is looked at again.
const PASSES: usize = 4;

fn once(text: &str) -> Result<String, Diagnostic> {
    let wanted = value(text)?;
    let unix = text.replace("\r\n", "\n");
    if unix.contains('\r') || unix.trim().is_empty() {
        return Ok(text.to_owned());
    }
    for attempt in [everything, without_expressions, blank_lines] {
        if let Some(formatted) = settled(&unix, attempt)
            && value(&formatted).is_ok_and(|value| same(&value, &wanted))
        {
            return Ok(formatted);
        }
    }
    Ok(text.to_owned())
}

/// What `text` says, or the first error in it.
fn value(text: &str) -> Result<Value, Diagnostic> {
    let (root, problems) = yaml::load(text);
    let error = problems
        .into_iter()
        .find(|problem| problem.code.severity() == Severity::Error);
    match error {
        Some(problem) => Err(Diagnostic {
            code: problem.code,
            severity: Severity::Error,
            location: Source::new(text, "<definition>").location(problem.at),
            length: problem.length,
            message: problem.message,
            hint: problem.hint,
        }),
        None => Ok(root.map_or(Value::Null, |root| root.to_value())),
    }
}

/// Whether both say the same, whatever the spaces in expressions.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => {
            a == b || expressions::spaced(a) == expressions::spaced(b)
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|((ka, a), (kb, b))| ka == kb && same(a, b))
        }
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a.kind() == b.kind() && a == b,
    }
}

/// What comes of `text` when doing it once more changes nothing.
fn settled(text: &str, attempt: fn(&str) -> Option<String>) -> Option<String> {
    let mut before = attempt(text)?;
    for _ in 0..4 {
        let after = attempt(&before)?;
        if after == before {
            return Some(after);
        }
        before = after;
    }
    None
}

fn everything(text: &str) -> Option<String> {
    without_expressions(&expressions::space(text)?)
}

fn without_expressions(text: &str) -> Option<String> {
    blank_lines(&layout::indent(text)?)
}

fn blank_lines(text: &str) -> Option<String> {
    blanks::settle(text)
}
