//! Parses, checks and evaluates expressions. libFuzzer makes them, starting from those of the
//! corpus, and stops at a panic, at one that takes too long, and at one that takes too much memory.
//!
//!     cargo install cargo-fuzz
//!     cd host/yaql
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none expression -- \
//!         -max_total_time=600 -timeout=10 -rss_limit_mb=1024 -dict=fuzz/yaql.dict

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ostro_yaql::{Budget, Expression, NoHost, Span, Value, check};

/// What expressions are evaluated over.
static CONTEXTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let contexts = include_str!("../../tests/oracle/contexts.json");
    let contexts: Vec<serde_json::Value> = serde_json::from_str(contexts).expect("it is JSON");
    contexts.into_iter().map(Value::from).collect()
});

/// libFuzzer starts from files: one for each expression of the corpus.
fn write_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/expression");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let sources = include_str!("../../tests/corpus.txt").lines();
    for (number, source) in sources.filter(|line| !line.starts_with('#')).enumerate() {
        let file = folder.join(format!("seed-{number}"));
        std::fs::write(file, source).expect("the file can be written");
    }
}

fuzz_target!(init: write_seeds(), |source: &str| {
    let within = |span: Span| source.get(span.start..span.end).is_some();
    let expression = match Expression::parse(source) {
        Ok(expression) => expression,
        Err(error) => return assert!(within(error.span), "{error:?}"),
    };
    for problem in check(&expression, &[]) {
        assert!(within(problem.span), "{problem:?}");
    }
    for variable in expression.variables() {
        assert!(within(variable.span), "{variable:?}");
    }
    for call in expression.calls() {
        assert!(within(call.span) && within(call.whole), "{}", call.name);
    }
    let data = &CONTEXTS[source.len() % CONTEXTS.len()];
    if let Err(error) = expression.evaluate(data, &NoHost, &Budget::default()) {
        assert!(within(error.span), "{error:?}");
    }
});
