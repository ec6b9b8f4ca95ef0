//! Diagnostics for programs: JSON, and SARIF 2.1.0 for CI.

use std::fmt::Write as _;

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use crate::diagnostics::{Code, Diagnostic, Severity};

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A list of objects.
pub(super) fn json(diagnostics: &[Diagnostic]) -> Value {
    diagnostics
        .iter()
        .map(|diagnostic| {
            json!({
                "code": diagnostic.code.as_str(),
                "severity": severity(diagnostic.severity),
                "file": &*diagnostic.location.file,
                "line": diagnostic.location.line,
                "column": diagnostic.location.column,
                "length": diagnostic.length,
                "message": diagnostic.message,
                "hint": diagnostic.hint,
            })
        })
        .collect()
}

/// A log with one run. Columns count characters, as everywhere here.
pub(super) fn sarif(diagnostics: &[Diagnostic], version: &str) -> Value {
    let mut used: Vec<Code> = diagnostics.iter().map(|d| d.code).collect();
    used.sort_unstable();
    used.dedup();
    let places: FxHashMap<Code, usize> = used.iter().copied().zip(0..).collect();
    let rules: Vec<Value> = used.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| result(diagnostic, places[&diagnostic.code]))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "ostro", "version": version, "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "name": format!("{code:?}"),
        "shortDescription": {"text": code.explanation()},
        "fullDescription": {"text": code.explanation()},
        "help": {"text": code.page(), "markdown": code.page()},
        "defaultConfiguration": {"level": severity(code.severity())},
    })
}

fn result(diagnostic: &Diagnostic, rule: usize) -> Value {
    let at = &diagnostic.location;
    let text = match &diagnostic.hint {
        Some(hint) => format!("{}. {hint}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    json!({
        "ruleId": diagnostic.code.as_str(),
        "ruleIndex": rule,
        "level": severity(diagnostic.severity),
        "message": {"text": text},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&at.file)},
                "region": {
                    "startLine": at.line,
                    "startColumn": at.column,
                    "endColumn": at.column.saturating_add(diagnostic.length.max(1)),
                },
            },
        }],
    })
}

/// A file's name as a relative or absolute reference.
fn uri(file: &str) -> String {
    let mut uri = String::with_capacity(file.len());
    for byte in file.bytes() {
        match byte {
            b'\\' => uri.push('/'),
            b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            // Writing to a string can't fail.
            byte => _ = write!(uri, "%{byte:02X}"),
        }
    }
    if uri.starts_with('/') {
        uri.insert_str(0, "file://");
    }
    uri
}
