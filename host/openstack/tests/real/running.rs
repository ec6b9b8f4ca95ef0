//! The cloud that runs for tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use ostro_openstack::Environment;

/// What to do where there is none.
pub(crate) const HOW: &str =
    "run `cargo xtask cloud up`, or name a clouds.yaml in OSTRO_TEST_CLOUDS";

/// Where its clouds.yaml is.
pub(crate) fn environment() -> Environment {
    let clouds = std::env::var("OSTRO_TEST_CLOUDS").unwrap_or_else(|_| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new("python3")
            .args(["tests/cloud/cloud", "env"])
            .current_dir(root)
            .output()
            .unwrap_or_else(|error| panic!("python3 tests/cloud/cloud env: {error}; {HOW}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let file = text
            .lines()
            .find_map(|line| line.strip_prefix("export OS_CLIENT_CONFIG_FILE="))
            .unwrap_or_else(|| panic!("no cloud runs; {HOW}"));
        file.trim_matches(['\'', '"']).to_owned()
    });
    Environment {
        variables: BTreeMap::from([("OS_CLIENT_CONFIG_FILE".to_owned(), clouds)]),
        folder: ".".into(),
        system_folder: None,
    }
}
