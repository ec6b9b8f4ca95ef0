//! Folders of definitions with what must come of them.
//!
//! `accept/*.yaml` must parse without errors, and the `.expected` file beside each shows what was
//! understood, with the warnings. `reject/*.yaml` must have errors, and `.expected` shows all
//! diagnostics. `check/*.yaml` parse, and are checked against the catalogue below. After a change
//! that is meant, `OSTRO_UPDATE_EXPECTED=1 cargo test -p ostro-lang --test golden` writes the
//! files anew; read the difference.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod outline;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostro_lang::{ActionCatalogue, ActionParameter, Definitions, check, check_reachable, parse};

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
fn what_is_right_is_understood() {
    compare("accept", |name, text| {
        let parsed = parse(text, name);
        assert!(!parsed.has_errors(), "{name}: {:#?}", parsed.diagnostics);
        let warnings: String = parsed.diagnostics.iter().map(|d| d.render(text)).collect();
        outline::of(&parsed) + &warnings
    });
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    compare("reject", |name, text| {
        let parsed = parse(text, name);
        assert!(parsed.has_errors(), "{name} has no errors");
        parsed.diagnostics.iter().map(|d| d.render(text)).collect()
    });
}

#[test]
fn calls_are_checked_against_what_is_called() {
    compare("check", |name, text| {
        let definitions: Definitions = [parse(text, name)].into_iter().collect();
        let parsed = definitions.diagnostics().iter();
        let checked = check(&definitions, &Catalogue);
        parsed.chain(&checked).map(|d| d.render(text)).collect()
    });
}

#[test]
fn only_what_an_execution_reaches_is_checked_for_it() {
    let text = "version: '2.0'\n\
                main: {tasks: {a: {workflow: sub}, b: {workflow: <% $.any %>}}}\n\
                sub: {tasks: {a: {action: wrong.sub}}}\n\
                other: {tasks: {a: {action: wrong.other}}}\n";
    let definitions: Definitions = [parse(text, "f.yaml")].into_iter().collect();
    let main = definitions.workflow("main").unwrap();
    let found = check_reachable(&definitions, main, &Catalogue);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "there is no action `wrong.sub`");
    assert_eq!(check(&definitions, &Catalogue).len(), 2);
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
        &["method", "params", "body", "headers"],
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

    fn takes_more(&self, action: &str) -> bool {
        action == "ironic.node_list"
    }

    fn names(&self) -> Vec<Arc<str>> {
        ACTIONS.iter().map(|(name, ..)| Arc::from(*name)).collect()
    }
}
