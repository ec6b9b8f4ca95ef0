//! Grants and manifests, as packs and operators write them. What is read is written the same.
//!
//!     cargo install cargo-fuzz
//!     cd host/packs
//!     mkdir -p fuzz/corpus/grants
//!     RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none grants fuzz/corpus/grants \
//!         ../../tests/guests/hostile ../../plugins/tripleo -- \
//!         -max_total_time=600 -timeout=10 -rss_limit_mb=1024 -only_ascii=1

#![no_main]

use libfuzzer_sys::fuzz_target;
use ostro_packs::{Grants, Manifest};

fuzz_target!(|text: &str| {
    if let Ok(grants) = Grants::parse(text, "fuzz") {
        let written = serde_yaml::to_string(&grants).expect("grants can be written");
        let again = Grants::parse(&written, "fuzz");
        assert_eq!(again.ok().as_ref(), Some(&grants), "{written}");
    }
    if let Ok(manifest) = Manifest::parse(text, "fuzz") {
        let paths = manifest.components.iter().map(|component| &component.path);
        for path in paths.chain(&manifest.workflows) {
            assert!(!path.starts_with('/'), "{path:?}");
            assert!(!path.split('/').any(|part| part == ".."), "{path:?}");
        }
    }
});
