//! A validation that tries to write.

wit_bindgen::generate!({
    path: ["../../../../wit/ostro-host", "../../../../wit/ostro-validation", "../wit"],
    world: "evil:escape/validation",
    generate_all,
});

#[path = "../../src/files.rs"]
#[allow(
    dead_code,
    reason = "it is the other guest's, and this one needs less of it"
)]
mod files;

use exports::evil::escape::checks::{Guest, Verdict};

struct Component;

/// What came of it: what it got, or how it was denied.
type Came = Result<String, String>;

impl Guest for Component {
    fn write_to(folder: String) -> Result<Verdict, String> {
        let summary = files::write(&[&folder, "from-a-validation"])?;
        Ok(Verdict {
            outcome: exports::evil::escape::checks::Outcome::Passed,
            summary,
            findings: Vec::new(),
        })
    }
}

export!(Component);
