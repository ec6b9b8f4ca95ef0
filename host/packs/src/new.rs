//! `ostro pack new`: a small pack that works, to go on from.

use std::fs;
use std::path::{Path, PathBuf};

use wit_parser::SourceMap;

use crate::error::PackError;
use crate::manifest::Language;
use crate::wit::CONTRACT;

/// Text with `{{name}}` and so on, and where it goes.
type Template = (&'static str, &'static str);

/// What packs of all languages have.
const COMMON: [Template; 5] = [
    ("README.md", include_str!("../templates/common/README.md")),
    (".gitignore", include_str!("../templates/common/gitignore")),
    (
        "wit/actions.wit",
        include_str!("../templates/common/actions.wit"),
    ),
    (
        "tests/actions.yaml",
        include_str!("../templates/common/tests.yaml"),
    ),
    (
        "workflows/greet.yaml",
        include_str!("../templates/common/greet.yaml"),
    ),
];

const RUST: &[Template] = &[
    ("pack.yaml", include_str!("../templates/rust/pack.yaml")),
    (
        "actions/Cargo.toml",
        include_str!("../templates/rust/Cargo.toml"),
    ),
    (
        "actions/src/lib.rs",
        include_str!("../templates/rust/lib.rs"),
    ),
];

const PYTHON: &[Template] = &[
    ("pack.yaml", include_str!("../templates/python/pack.yaml")),
    ("actions/app.py", include_str!("../templates/python/app.py")),
];

const JS: &[Template] = &[
    ("pack.yaml", include_str!("../templates/js/pack.yaml")),
    ("actions/app.js", include_str!("../templates/js/app.js")),
];

const C: &[Template] = &[
    ("pack.yaml", include_str!("../templates/c/pack.yaml")),
    ("actions/app.c", include_str!("../templates/c/app.c")),
];

/// Words of Rust that no module can be called by.
const RUST_WORDS: &[&str] = &[
    "abstract", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
    "dyn", "else", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "self", "struct", "super", "trait", "true", "try", "typeof", "unsafe", "unsized", "virtual",
    "where", "while", "yield",
];

/// Makes the folder `dir` with a pack called `name` in `language`: an action, a validation, their
/// tests and a workflow that calls them.
pub fn new(name: &str, language: Language, dir: &Path) -> Result<(), PackError> {
    check_name(name, language)?;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(PackError::io(parent))?;
    }
    fs::create_dir(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => PackError::Exists(dir.to_owned()),
        _ => PackError::io(dir)(error),
    })?;
    let (templates, spoken) = match language {
        Language::Rust => (RUST, "Rust"),
        Language::Python => (PYTHON, "Python"),
        Language::Js => (JS, "JavaScript"),
        Language::C => (C, "C"),
    };
    let folder = dir.file_name().map_or_else(
        || name.to_owned(),
        |folder| folder.to_string_lossy().into_owned(),
    );
    for (path, text) in COMMON.iter().chain(templates) {
        let text = text
            .replace("{{name}}", name)
            .replace("{{snake}}", &name.replace('-', "_"))
            .replace("{{folder}}", &folder)
            .replace("{{language}}", spoken);
        write(&dir.join(path), &text)?;
    }
    // With the contract in it, the WIT says all to editors and other tools, too.
    for (package, files) in CONTRACT {
        let deps = dir.join("wit/deps").join(package.replace(':', "-"));
        for (file, text) in files {
            write(&deps.join(file), text)?;
        }
    }
    Ok(())
}

fn write(path: &PathBuf, text: &str) -> Result<(), PackError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(PackError::io(parent))?;
    }
    fs::write(path, text).map_err(PackError::io(path))
}

/// Whether a pack of this name can have a WIT package of the same, and a module in its language.
fn check_name(name: &str, language: Language) -> Result<(), PackError> {
    let refuse = |reason: &str| {
        Err(PackError::Name {
            name: name.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if name.len() > 48 || !name.split('-').all(word) {
        return refuse(
            "a name is words of lower-case letters and digits, each beginning with a letter, \
             with - between them, in up to 48 characters",
        );
    }
    if ["ostro", "wasi", "std"].contains(&name) {
        return refuse("it is taken by what comes with Ostro");
    }
    let mut map = SourceMap::new();
    map.push_str("name.wit", format!("package {name}:actions;"));
    if map.parse().is_err() {
        return refuse("it is a word of WIT's own");
    }
    if language == Language::Rust && RUST_WORDS.contains(&name) {
        return refuse("it is a word of Rust's own");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        for (name, part) in [
            ("Acme", "lower-case letters"),
            ("acme_racks", "lower-case letters"),
            ("-acme", "lower-case letters"),
            ("acme--racks", "lower-case letters"),
            ("../acme", "lower-case letters"),
            ("acme-2", "each beginning with a letter"),
            ("", "lower-case letters"),
            ("ostro", "taken"),
            ("world", "WIT's own"),
            ("match", "Rust's own"),
        ] {
            let folder = dir.path().join("made");
            let error = new(name, Language::Rust, &folder).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
            assert!(!folder.exists(), "{name}");
        }
        new("match", Language::Js, &dir.path().join("match")).unwrap();
    }

    #[test]
    fn a_folder_that_exists_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let error = new("acme", Language::C, dir.path()).unwrap_err();
        assert!(matches!(error, PackError::Exists(_)), "{error}");
        assert!(dir.path().read_dir().unwrap().next().is_none());
    }

    #[test]
    fn no_template_keeps_a_placeholder() {
        let dir = tempfile::tempdir().unwrap();
        for language in [Language::Rust, Language::Python, Language::Js, Language::C] {
            let folder = dir.path().join(format!("{language:?}"));
            new("acme-racks", language, &folder).unwrap();
            let mut folders = vec![folder];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        let text = fs::read_to_string(&path).unwrap();
                        assert!(!text.contains("{{"), "{}", path.display());
                    }
                }
            }
        }
    }
}
