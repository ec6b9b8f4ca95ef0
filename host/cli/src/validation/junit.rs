//! A run of validations as JUnit's XML, for CI.

use std::fmt::Write as _;
use std::time::Duration;

use super::markup::escape;
use super::result::{Outcome, Report, Status};

/// The whole document: a suite a pack, a case a validation.
pub(crate) fn xml(report: &Report) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        xml,
        "<testsuites name=\"validations\" {}>",
        numbers(&report.results, report.took())
    );
    let mut packs: Vec<&str> = report.results.iter().map(|r| r.pack.as_str()).collect();
    packs.sort_unstable();
    packs.dedup();
    for pack in packs {
        let of_pack = report.results.iter().filter(|r| r.pack == pack);
        let results: Vec<Outcome> = of_pack.cloned().collect();
        let took = results.iter().map(Outcome::took).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" timestamp=\"{}\" {}>",
            escape(pack),
            report.started_at.plain(),
            numbers(&results, took)
        );
        for result in &results {
            case(&mut xml, result);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn numbers(results: &[Outcome], took: Duration) -> String {
    let count = |status| results.iter().filter(|r| r.status == status).count();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
        results.len(),
        count(Status::Failed),
        count(Status::Error),
        count(Status::Skipped),
        took.as_secs_f64(),
    )
}

fn case(xml: &mut String, result: &Outcome) {
    let (class, name) = result.id.rsplit_once('.').unwrap_or(("", &result.id));
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
        escape(class),
        escape(name),
        result.took().as_secs_f64()
    );
    let summary = escape(&result.summary);
    match result.status {
        Status::Passed => {
            let _ = write!(xml, "<system-out>{summary}</system-out>");
        }
        Status::Skipped => {
            let _ = write!(xml, "<skipped message=\"{summary}\"/>");
        }
        Status::Error => {
            let blame = result.cause.map_or("", super::result::Cause::blame);
            let _ = write!(
                xml,
                "<error type=\"{blame}\" message=\"{summary}\">{summary}</error>"
            );
        }
        Status::Failed => {
            let _ = write!(
                xml,
                "<failure type=\"FAILED\" message=\"{summary}\">{}</failure>",
                escape(&findings(result))
            );
        }
    }
    if !result.notes.is_empty() {
        let notes = escape(&result.notes.join("\n"));
        let _ = write!(xml, "<system-err>{notes}</system-err>");
    }
    xml.push_str("</testcase>\n");
}

/// The findings as lines of text.
fn findings(result: &Outcome) -> String {
    let mut text = String::new();
    for finding in &result.findings {
        let _ = writeln!(text, "{}: {}", finding.subject, finding.message);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    text
}
