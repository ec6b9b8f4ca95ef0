//! YAML as Mistral loads it: YAML 1.1 by PyYAML's rules, without anchors and aliases.
//!
//! saphyr-parser gives the events; what a plain scalar means ([`resolve`]), which characters
//! are plain text ([`standin`]) and where every character of a value stands in the file
//! ([`trace`]) are decided here.

mod load;
mod node;
mod resolve;
mod skeleton;
mod source;
mod standin;
mod trace;

pub(crate) use load::{MAX_BYTES, load};
pub(crate) use node::{Entry, Node, NodeKind, Style};
pub(crate) use resolve::is_plain_text;
pub(crate) use skeleton::{Shape, Skeleton, Style as Writing, skeleton};
pub(crate) use source::{Place, Source};
pub(crate) use trace::Trace;

#[cfg(test)]
mod tests {
    use ostro_core::Value;

    use super::{Trace, load};
    use crate::diagnostics::Severity;
    use crate::yaml::Source;

    /// What a text says, or the first error.
    fn value(text: &str) -> Result<Value, String> {
        let (root, problems) = load(text);
        match problems
            .into_iter()
            .find(|p| p.code.severity() == Severity::Error)
        {
            Some(problem) => Err(problem.message),
            None => Ok(root.map_or(Value::Null, |root| root.to_value())),
        }
    }

    /// Each case is a text and either `{"value": …}` or null for an error.
    fn check(cases: &str, text_of: fn(&str) -> String, of: fn(Value) -> Value, known: &[&str]) {
        let cases: Vec<(String, Value)> = serde_json::from_str(cases).unwrap();
        let mut wrong = Vec::new();
        for (case, wanted) in &cases {
            let found = value(&text_of(case)).map(of);
            let fits = match (&found, wanted.get("value")) {
                (Ok(Value::Float(found)), Some(wanted)) if !found.is_finite() => {
                    wanted.get("float") == Some(&Value::from(crate::text::python_float(*found)))
                }
                // As JSON text, which keeps 1, 1.0 and true apart.
                (Ok(found), Some(wanted)) => found.to_string() == wanted.to_string(),
                (Err(_), None) => true,
                _ => false,
            };
            if fits == known.contains(&&**case) {
                wrong.push(format!("{case:?}: {found:?}, PyYAML {wanted}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {}:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
    }

    #[test]
    fn scalars_mean_what_pyyaml_says() {
        check(
            include_str!("../tests/data/yaml_scalars.json"),
            |scalar| format!("- {scalar}\n"),
            |list| list.index(0).cloned().unwrap_or_default(),
            // Unknown tags are text here, with a warning.
            &["!x"],
        );
    }

    #[test]
    fn documents_load_as_pyyaml_loads_them() {
        check(
            include_str!("../tests/data/yaml_documents.json"),
            str::to_owned,
            |v| v,
            &[],
        );
    }

    #[test]
    fn every_character_is_traced_to_its_place() {
        for (text, wanted) in [
            ("a: some X text", (1, 9)),
            ("a: 'it''s X'", (1, 11)),
            ("a: \"\\x41\\n\\\"X\"", (1, 13)),
            ("a: \"b \\\n   X\"", (2, 4)),
            ("a: |\n    one\n\n      two X\n", (4, 11)),
            ("a: >-\n    one\n    two\n\n    X\n", (5, 5)),
            ("a: plain\n   goes\n\n   on X", (4, 7)),
            ("a: &b *c @d X", (1, 13)),
            ("a: caf\u{e9} \u{1f600} X", (1, 11)),
        ] {
            let (root, _) = load(text);
            let root = root.unwrap();
            let node = root.get("a").unwrap();
            let index = node
                .as_str()
                .unwrap()
                .chars()
                .position(|c| c == 'X')
                .unwrap();
            let place = Trace::of(&Source::new(text, "f"), node).place(index);
            assert_eq!((place.line, place.column), wanted, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let deep = "[".repeat(10_000);
        assert!(value(&deep).is_err());
        let deep = "- ".repeat(10_000);
        assert!(value(&deep).unwrap_err().contains("deep"));
        let wide = format!("[{}]", "1,".repeat(200_001));
        assert!(value(&wide).unwrap_err().contains("more than 200000"));
        let long = " ".repeat(super::load::MAX_BYTES + 1);
        assert!(value(&long).unwrap_err().contains("bytes"));
    }
}
