//! Folders of definitions with what linting says of them.
//!
//! `lint/*.yaml` are linted with the catalogue below, and `.expected` beside each shows the report;
//! `lint/clean_*.yaml` must give nothing. After a change that is meant,
//! `OSTRO_UPDATE_EXPECTED=1 cargo test -p ostro-lang --test linting` writes the files anew; read
//! the difference.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pages;
mod reports;
mod validator;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostro_core::Value;
use ostro_lang::{ActionCatalogue, ActionParameter, Code, LintOptions, Severity, lint};

fn cases(folder: &str) -> Vec<(PathBuf, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (path, name, text)
        })
        .collect()
}

/// Compares, or writes, all expectations of a folder; says everything that differs.
fn compare(folder: &str, found: impl Fn(&str, &str) -> String) {
    let update = std::env::var_os("OSTRO_UPDATE_EXPECTED").is_some();
    let mut wrong = String::new();
    for (path, name, text) in cases(folder) {
        let expected = path.with_extension("expected");
        let found = found(&name, &text);
        if update {
            fs::write(expected, found).unwrap();
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&found) {
            writeln!(wrong, "=== {folder}/{name} gives\n{found}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn what_only_shows_when_it_runs_is_said_before() {
    compare("lint", |name, text| {
        let options = LintOptions {
            all_actions: name.contains("all_known"),
            all_workflows: name.contains("all_known"),
            unused: name.contains("unused"),
            as_mistral: name.contains("as_mistral"),
            functions: &["company_function"],
        };
        lint(&[(name, text)], &Catalogue, &options).render()
    });
}

#[test]
fn what_is_clean_gives_nothing() {
    let mut wrong = String::new();
    for (path, name, _) in cases("lint") {
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        if expected.is_empty() != name.starts_with("clean_") {
            writeln!(wrong, "{name} gives {expected:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_case_has_its_place_in_the_text() {
    for folder in ["reject", "lint"] {
        for (_, name, text) in cases(folder) {
            let report = lint(&[(&name, &text)], &Catalogue, &LintOptions::default());
            for found in &report.diagnostics {
                let line = text.lines().nth(found.location.line as usize - 1);
                let length = line.unwrap_or_default().chars().count();
                let last = (found.location.column + found.length) as usize;
                // A line that lacks something is pointed at behind its end.
                assert!(last <= length + 2, "{folder}/{name}: {found:?}");
            }
        }
    }
}

#[test]
fn each_code_that_cases_can_show_is_shown_by_one() {
    let mut missing: Vec<Code> = Code::ALL.to_vec();
    for folder in ["accept", "reject", "check", "lint"] {
        for (path, ..) in cases(folder) {
            let text = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
            missing.retain(|code| !text.contains(&format!("[{code}]")));
        }
    }
    // What is too large is tested where the limits are, and a name that is taken takes two files.
    assert_eq!(
        missing,
        [Code::YamlLimit, Code::TooMany, Code::DuplicateDefinition]
    );
}

#[test]
fn errors_stay_errors_whatever_a_comment_allows() {
    let all: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    for (_, name, text) in cases("lint") {
        let text = format!("{text}# the end\n");
        let allowed = format!("# ostro: allow {}\n{text}", all.join(", "));
        let options = LintOptions::default();
        let before = lint(&[(&name, &text)], &Catalogue, &options);
        let after = lint(&[(&name, &allowed)], &Catalogue, &options);
        assert_eq!(
            before.count(Severity::Error),
            after.count(Severity::Error),
            "{name}"
        );
        let left = after.diagnostics.iter().filter(|d| !d.is_error());
        assert!(
            left.clone().all(|d| d.code == Code::UnknownAllow),
            "{name}: {}",
            after.render()
        );
    }
}

/// A few actions, for the checks.
struct Catalogue;

const ACTIONS: &[(&str, &[&str], &[&str])] = &[
    ("std.noop", &[], &[]),
    ("std.echo", &["output"], &["delay"]),
    ("std.fail", &[], &["error_data"]),
    (
        "std.http",
        &["url"],
        &["method", "params", "body", "headers", "timeout"],
    ),
    ("ironic.node_get", &["node_id"], &["fields"]),
    ("ironic.node_list", &[], &[]),
];

impl ActionCatalogue for Catalogue {
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>> {
        let (_, required, optional) = ACTIONS.iter().find(|(name, ..)| *name == action)?;
        let of = |names: &[&str], required| {
            names
                .iter()
                .map(|name| ActionParameter {
                    name: Arc::from(*name),
                    required,
                })
                .collect::<Vec<_>>()
        };
        Some([of(required, true), of(optional, false)].concat())
    }

    fn check_value(&self, action: &str, parameter: &str, value: &Value) -> Option<String> {
        let fits = match (action, parameter) {
            ("std.http", "url") => value.as_str().is_some(),
            ("std.http", "timeout") => value.as_int().is_some(),
            _ => true,
        };
        (!fits).then(|| format!("it is a value of type {}", value.kind()))
    }

    fn takes_more(&self, action: &str) -> bool {
        action == "ironic.node_list"
    }

    fn names(&self) -> Vec<Arc<str>> {
        ACTIONS.iter().map(|(name, ..)| Arc::from(*name)).collect()
    }
}
