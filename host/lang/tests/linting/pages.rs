//! The pages of `ostro explain`: each example shows its code, and each correction is right.

use std::fmt::Write as _;

use ostro_lang::{Code, LintOptions, lint};

use crate::Catalogue;

/// The definitions in a page, in order.
fn blocks(page: &str) -> Vec<&str> {
    let parts = page.split("```yaml\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_page_shows_its_code_and_how_to_put_it_right() {
    let mut wrong = String::new();
    for code in Code::ALL {
        let page = code.page();
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        assert!(page.lines().count() >= 8, "{code} says too little");
        let blocks = blocks(page);
        // A text that is too large is too large for a page.
        if matches!(code, Code::YamlLimit | Code::TooMany) {
            continue;
        }
        let [example, right] = blocks[..] else {
            panic!("{code} needs one wrong and one right definition");
        };
        let options = LintOptions {
            all_actions: true,
            all_workflows: true,
            unused: page.contains("--unused"),
            as_mistral: false,
            functions: &[],
        };
        let options = match code {
            Code::MissingAction | Code::MissingWorkflow => LintOptions::default(),
            _ => options,
        };
        let mut files = vec![("wrong.yaml", example)];
        if *code == Code::DuplicateDefinition {
            // It takes a second file to take a name away.
            files.push(("second.yaml", example));
        }
        let found = lint(&files, &Catalogue, &options);
        let codes: Vec<_> = found.diagnostics.iter().map(|d| d.code).collect();
        if codes.is_empty() || codes.iter().any(|other| other != code) {
            write!(wrong, "the example of {code} gives\n{}\n", found.render()).unwrap();
        }
        let left = lint(&[("right.yaml", right)], &Catalogue, &options);
        if !left.diagnostics.is_empty() {
            write!(wrong, "the correction of {code} gives\n{}\n", left.render()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn codes_are_found_by_their_text() {
    for code in Code::ALL {
        assert_eq!(Code::parse(code.as_str()), Some(*code));
    }
    assert_eq!(Code::parse("E9999"), None);
    assert_eq!(Code::parse("e0101"), None);
}
