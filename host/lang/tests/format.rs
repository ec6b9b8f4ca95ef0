//! The formatter: folders of texts with what must come of them, and what must stay as it is.
//!
//! `format/*.yaml` become the `.expected` file beside each. After a change that is meant,
//! `OSTRO_UPDATE_EXPECTED=1 cargo test -p ostro-lang --test format` writes the files anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "golden/outline.rs"]
mod outline;

use std::fs;
use std::path::{Path, PathBuf};

use ostro_lang::{format, parse};

fn cases(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

#[test]
fn texts_get_their_usual_form() {
    let update = std::env::var_os("OSTRO_UPDATE_EXPECTED").is_some();
    for (path, text) in cases("format") {
        let once = format(&text).unwrap();
        let expected = path.with_extension("expected");
        if update {
            fs::write(&expected, &once).unwrap();
        }
        assert_eq!(once, fs::read_to_string(&expected).unwrap(), "{path:?}");
        assert_eq!(meaning(&once), meaning(&text), "{path:?}");
        assert_eq!(format(&once).unwrap(), once, "{path:?}");
    }
}

#[test]
fn what_is_yaml_and_no_definition_settles_too() {
    let once = format("-\r\n-\t\n k\n").unwrap();
    assert_eq!(once, "-\n-\n  k\n");
    assert_eq!(format(&once).unwrap(), once);
}

/// The outline without places, which formatting changes, and without the spaces at the ends of
/// Jinja2 expressions, which YAQL's outline doesn't have.
fn meaning(text: &str) -> String {
    let parsed = parse(text, "f");
    assert!(!parsed.has_errors(), "{:#?}", parsed.diagnostics);
    let mut out = String::new();
    for line in outline::of(&parsed).lines() {
        let line = line.split(" at f:").next().unwrap();
        let mut pieces = line.split('@');
        out.push_str(pieces.next().unwrap());
        for piece in pieces {
            let place = |c: char| c.is_ascii_digit() || c == ':';
            out.push('@');
            out.push_str(piece.trim_start_matches(place));
        }
        out.push('\n');
    }
    out.replace("{{ ", "{{").replace(" }}", "}}")
}

#[test]
fn formatting_keeps_the_meaning_and_settles_at_once() {
    for folder in ["accept", "check"] {
        for (path, text) in cases(folder) {
            let once = format(&text).unwrap();
            assert_eq!(meaning(&once), meaning(&text), "{path:?}:\n{once}");
            assert_eq!(format(&once).unwrap(), once, "{path:?}");
        }
    }
}

#[test]
fn indentation_and_white_space_make_no_difference() {
    let tidy = "version: '2.0'\n\nwf:\n  tasks:\n    a:\n      action: std.noop\n      on-success:\n        - b\n\n    b:\n      action: std.noop\n";
    for messy in [
        tidy.replace("  ", "    "),
        tidy.replace("  ", "   "),
        tidy.replace("  ", " "),
        tidy.replace('\n', "   \n"),
        tidy.replace('\n', "\r\n"),
        tidy.replace("\n\n", "\n\n\n\n"),
        tidy.replace("        - b", "      - b"),
        tidy.trim_end().to_owned(),
    ] {
        assert_eq!(format(&messy).unwrap(), tidy, "{messy:?}");
    }
}

#[test]
fn what_is_no_yaml_is_an_error_with_its_place() {
    let error = format("a: 1\nb: [1\n").unwrap_err();
    assert_eq!(error.code.as_str(), "E0101");
    assert!(error.location.line >= 2);
}
