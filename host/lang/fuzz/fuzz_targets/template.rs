//! Parses and evaluates Jinja2. libFuzzer makes it, starting from what the tests hold, and stops
//! at a panic, at what takes too long, and at what takes too much memory.
//!
//!     cargo install cargo-fuzz
//!     cd host/lang
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none template -- \
//!         -max_total_time=600 -timeout=10 -rss_limit_mb=1024 -dict=fuzz/template.dict

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ostro_core::Value;
use ostro_lang::{Budget, JinjaTemplate, NoHost};

/// The data of the tests' cases, and the cases.
static CASES: LazyLock<(Value, Vec<String>)> = LazyLock::new(|| {
    let cases = include_str!("../../tests/data/jinja.json");
    let mut cases: Vec<serde_json::Value> = serde_json::from_str(cases).expect("it is JSON");
    let data = Value::from(cases.remove(0));
    let sources = cases.iter().filter_map(|case| case[0].as_str());
    (data, sources.map(str::to_owned).collect())
});

/// libFuzzer starts from files: one for each case.
fn write_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/template");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    for (number, source) in CASES.1.iter().enumerate() {
        let file = folder.join(format!("seed-{number}"));
        std::fs::write(file, source).expect("the file can be written");
    }
}

fuzz_target!(init: write_seeds(), |source: &str| {
    let template = match JinjaTemplate::parse(source) {
        Ok(template) => template,
        Err(error) => return assert!(source.get(error.span.clone()).is_some(), "{error:?}"),
    };
    for (name, span) in template.functions().into_iter().chain(template.variables()) {
        assert!(source.get(span).is_some(), "{name}");
    }
    if let Err(error) = template.evaluate(&CASES.0, &NoHost, &Budget::default()) {
        assert!(source.get(error.span.clone()).is_some(), "{error:?}");
    }
});
