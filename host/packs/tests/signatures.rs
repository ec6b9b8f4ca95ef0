//! Signatures by reflection: folders of WIT text with what is read from a component of it.
//!
//! `tests/signatures/NAME.wit` has one world; `NAME.expected` is what its component shows: a line
//! an action, with documentation and named types, or the error. `OSTRO_BLESS=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test says no better what is wrong")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ostro_packs::{Pack, PackError};

#[path = "support/component.rs"]
mod component;

use component::component;

/// A pack with that component, with and without its WIT text.
fn pack(wit: &Path, with_text: bool) -> Result<Pack, PackError> {
    let dir = tempfile::tempdir().unwrap();
    let text = if with_text { "wit: wit\n" } else { "" };
    let manifest = format!(
        "name: test\nversion: 1.0.0\ncomponents: [{{name: main, path: main.wasm}}]\n{text}"
    );
    fs::write(dir.path().join("pack.yaml"), manifest).unwrap();
    fs::write(dir.path().join("main.wasm"), component(wit)).unwrap();
    fs::create_dir(dir.path().join("wit")).unwrap();
    fs::copy(wit, dir.path().join("wit/main.wit")).unwrap();
    Pack::open(dir.path())
}

fn shown(wit: &Path) -> String {
    let pack = match pack(wit, true) {
        Ok(pack) => pack,
        Err(error) => return format!("error: {error}\n"),
    };
    let mut text = String::new();
    let doc = |text: &mut String, docs: &Option<std::sync::Arc<str>>, indent: &str| {
        for line in docs.iter().flat_map(|docs| docs.lines()) {
            let _ = writeln!(text, "{}", format!("{indent}/// {line}").trim_end());
        }
    };
    for signature in pack.signatures() {
        doc(&mut text, &signature.docs, "");
        let validation = if signature.is_validation {
            "  (validation)"
        } else {
            ""
        };
        let _ = writeln!(text, "{signature}{validation}");
        for param in &signature.params {
            doc(&mut text, &param.docs, &format!("    {}: ", param.name));
        }
        for (name, ty) in signature.named_types() {
            let _ = writeln!(text, "    {name} = {}", ty.definition());
        }
    }
    let imports = &pack.components[0].imports;
    for import in imports.iter().filter(|import| !import.items.is_empty()) {
        let _ = writeln!(
            text,
            "imports {} {}",
            import.interface,
            import.items.join(" ")
        );
    }
    // Documentation aside, a component says the same without its text.
    let bare = self::pack(wit, false).unwrap();
    for (with, without) in pack.signatures().zip(bare.signatures()) {
        assert_eq!(
            (&with.params, &with.result),
            (&without.params, &without.result)
        );
        assert_eq!(without.docs, None);
    }
    text
}

#[test]
fn components_show_their_signatures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures");
    let mut cases = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let wit = entry.unwrap().path();
        if wit.extension().is_none_or(|end| end != "wit") {
            continue;
        }
        let seen = shown(&wit);
        let expected = wit.with_extension("expected");
        if std::env::var_os("OSTRO_BLESS").is_some() {
            fs::write(&expected, &seen).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(seen, expected, "{}", wit.display());
        cases += 1;
    }
    assert!(cases >= 6, "only {cases} cases found");
}
