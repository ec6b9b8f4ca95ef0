//! Reports for programs, and over several files.

use ostro_lang::{LintOptions, Severity, lint};
use serde_json::json;

use crate::Catalogue;

const BOOK: &str = "\
version: '2.0'
name: book
workflows:
  main:
    tasks:
      a: {workflow: other.main}
      b: {action: std.echo output=<% $.x %>}
";
const OTHER: &str = "\
version: '2.0'
name: other
workflows:
  main:
    tasks:
      a: {action: std.noop}
";

#[test]
fn files_see_each_other() {
    let options = LintOptions::default();
    let alone = lint(&[("book.yaml", BOOK)], &Catalogue, &options);
    assert_eq!(alone.count(Severity::Warning), 1);
    assert_eq!(alone.count(Severity::Error), 1);
    let files = [("other.yaml", OTHER), ("book.yaml", BOOK)];
    let together = lint(&files, &Catalogue, &options);
    assert_eq!(together.count(Severity::Warning), 0);
    assert!(together.has_errors());
}

#[test]
fn a_comment_counts_for_its_own_file() {
    let other = format!("# ostro: allow W0507\n{OTHER}");
    let files = [("other.yaml", &*other), ("book.yaml", BOOK)];
    let with_missing = BOOK.replace("other.main", "nowhere.main");
    let files = [files[0], ("book.yaml", &*with_missing)];
    let report = lint(&files, &Catalogue, &LintOptions::default());
    assert_eq!(report.count(Severity::Warning), 1, "{}", report.render());
}

#[test]
fn the_order_is_that_of_the_files() {
    let files = [("z.yaml", BOOK), ("a.yaml", "version: '2.0'\n")];
    let report = lint(&files, &Catalogue, &LintOptions::default());
    let files: Vec<_> = report
        .diagnostics
        .iter()
        .map(|d| &*d.location.file)
        .collect();
    assert_eq!(files, ["z.yaml", "z.yaml", "a.yaml"]);
}

#[test]
fn json_has_all_of_it() {
    let report = lint(&[("book.yaml", BOOK)], &Catalogue, &LintOptions::default());
    assert_eq!(
        report.to_json()[1],
        json!({
            "code": "E0601",
            "severity": "error",
            "file": "book.yaml",
            "line": 7,
            "column": 40,
            "length": 1,
            "message": "nothing sets `x` before it is read here",
            "hint": "make it an input, set it under `vars`, or publish it in a task before",
        })
    );
}

#[test]
fn sarif_refers_to_its_rules() {
    let report = lint(
        &[("my book.yaml", BOOK)],
        &Catalogue,
        &LintOptions::default(),
    );
    let log = report.to_sarif("1.2.3");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["version"], "1.2.3");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), report.diagnostics.len());
    for (result, found) in results.iter().zip(&report.diagnostics) {
        let place = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        let rule = &run["tool"]["driver"]["rules"][place];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_eq!(result["ruleId"], found.code.as_str());
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "my%20book.yaml");
        let region = &location["region"];
        assert_eq!(region["startLine"], found.location.line);
        assert_eq!(region["endColumn"], found.location.column + found.length);
    }
}
