//! Every YAQL expression of two releases of TripleO's workbooks.

use ostro_yaql::{Expression, is_library_function};

/// What Mistral adds to the library; `tag` is a slip of the workbooks' authors.
const HOST: [&str; 8] = [
    "env",
    "execution",
    "json_parse",
    "json_pp",
    "tag",
    "task",
    "yaml_dump",
    "yaml_parse",
];

fn expressions() -> impl Iterator<Item = &'static str> {
    include_str!("corpus.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
}

#[test]
fn every_expression_of_the_corpus_parses() {
    let wrong: Vec<String> = expressions()
        .filter_map(|source| {
            Expression::parse(source)
                .err()
                .map(|error| format!("{source}\n    {error}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(expressions().count() > 800, "the corpus is there");
}

#[test]
fn every_function_of_the_corpus_exists() {
    for source in expressions() {
        let expression = Expression::parse(source).unwrap();
        for (name, _) in expression.functions() {
            assert!(
                is_library_function(name) || HOST.contains(&name),
                "no function `{name}`, as in {source}"
            );
        }
    }
}
