//! What new versions change: folders with the WIT text and the grants of two versions.
//!
//! `tests/diff/NAME/` has `old.wit` and `new.wit`, each one world, perhaps `old.yaml` and
//! `new.yaml` with more of the manifest, `old.workflows.yaml` and `new.workflows.yaml` as the
//! pack's `workflows.yaml`, and `expected`: a line a change, `!` before those that break workflows. `OSTRO_BLESS=1` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test says no better what is wrong")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ostro_packs::{Pack, PackDiff};

#[path = "support/component.rs"]
mod component;

use component::component;

fn pack(case: &Path, which: &str, version: &str) -> Pack {
    let dir = tempfile::tempdir().unwrap();
    let more = fs::read_to_string(case.join(format!("{which}.yaml"))).unwrap_or_default();
    let version = if more.contains("version:") {
        String::new()
    } else {
        format!("version: {version}\n")
    };
    let manifest =
        format!("name: test\n{version}components: [{{name: main, path: main.wasm}}]\n{more}");
    fs::write(dir.path().join("pack.yaml"), manifest).unwrap();
    if let Ok(workflows) = fs::read(case.join(format!("{which}.workflows.yaml"))) {
        fs::write(dir.path().join("workflows.yaml"), workflows).unwrap();
    }
    let wit = case.join(format!("{which}.wit"));
    fs::write(dir.path().join("main.wasm"), component(&wit)).unwrap();
    Pack::open(dir.path()).unwrap()
}

fn shown(case: &Path) -> String {
    let (old, new) = (pack(case, "old", "1.0.0"), pack(case, "new", "1.1.0"));
    let diff = PackDiff::new(&old, &new);
    let mut text = String::new();
    for change in &diff.changes {
        let mark = if change.breaks { "!" } else { " " };
        let how = format!("{:?}", change.how).to_lowercase();
        write!(text, "{mark} {how} {} {}", change.what, change.name).unwrap();
        if let Some(detail) = &change.detail {
            write!(text, ": {detail}").unwrap();
        }
        text.push('\n');
    }
    writeln!(
        text,
        "breaks: {}, understates: {}, asks for more: {}",
        diff.breaks(),
        diff.understates(),
        diff.asks_for_more()
    )
    .unwrap();
    let same = PackDiff::new(&old, &old);
    assert_eq!(same.changes, [], "a version differs from itself");
    text
}

#[test]
fn each_change_is_told_with_what_it_breaks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff");
    let mut count = 0;
    for case in fs::read_dir(folder).unwrap() {
        let case = case.unwrap().path();
        let (expected, shown) = (case.join("expected"), shown(&case));
        if std::env::var_os("OSTRO_BLESS").is_some() {
            fs::write(&expected, &shown).unwrap();
        }
        let known = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(shown, known, "{}", case.display());
        count += 1;
    }
    assert!(count >= 4, "the cases are gone");
}
