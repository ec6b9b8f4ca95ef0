//! Loads, parses, lints and formats definitions. libFuzzer makes them, starting from those of the
//! tests, and stops at a panic, at one that takes too long, and at one that takes too much memory.
//!
//!     cargo install cargo-fuzz
//!     cd host/lang
//!     mkdir -p fuzz/corpus/definition
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none definition fuzz/corpus/definition \
//!         tests/accept tests/reject tests/check tests/lint tests/format -- \
//!         -max_total_time=600 -timeout=10 -rss_limit_mb=1024 -dict=fuzz/definition.dict

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ostro_lang::{ActionCatalogue, ActionParameter, Diagnostic, LintOptions, Parsed, format, lint, parse};

struct Standard;

impl ActionCatalogue for Standard {
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>> {
        let parameter = |name: &str, required| ActionParameter {
            name: Arc::from(name),
            required,
        };
        match action {
            "std.noop" => Some(Vec::new()),
            "std.echo" => Some(vec![parameter("output", true), parameter("delay", false)]),
            _ => None,
        }
    }
}

/// A diagnostic points into the text, or behind its end.
fn check_place(found: &Diagnostic, lines: &[usize]) {
    let place = &found.location;
    let line = usize::try_from(place.line).expect("it fits") - 1;
    let column = usize::try_from(place.column).expect("it fits") - 1;
    assert!(line <= lines.len(), "{found:?}");
    let length = lines.get(line).copied().unwrap_or_default();
    assert!(column <= length, "{found:?} in a line of {length}");
}

/// What is defined, without the spaces that formatting may change in expressions.
fn defined(parsed: &Parsed) -> String {
    let in_workbooks = parsed.workbooks.iter().flat_map(|workbook| &workbook.workflows);
    let workflows = parsed.workflows.iter().chain(in_workbooks);
    let texts = workflows.map(|workflow| workflow.definition.to_string());
    texts
        .map(|text| text.replace(' ', "").replace("\\n", ""))
        .collect()
}

fuzz_target!(|text: &str| {
    let parsed = parse(text, "fuzz.yaml");
    let options = LintOptions {
        unused: true,
        ..LintOptions::default()
    };
    let report = lint(&[("fuzz.yaml", text)], &Standard, &options);
    let lines: Vec<usize> = text
        .split('\n')
        .flat_map(|part| part.strip_suffix('\r').unwrap_or(part).split('\r'))
        .map(|line| line.chars().count())
        .collect();
    for found in report.diagnostics.iter().chain(&parsed.diagnostics) {
        check_place(found, &lines);
    }
    assert!(!parsed.has_errors() || report.has_errors());
    report.render();
    report.to_json();
    report.to_sarif("0");
    let Ok(formatted) = format(text) else {
        return assert!(parsed.has_errors());
    };
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted));
    let again = parse(&formatted, "fuzz.yaml");
    assert_eq!(again.has_errors(), parsed.has_errors());
    assert_eq!(defined(&again), defined(&parsed));
});
