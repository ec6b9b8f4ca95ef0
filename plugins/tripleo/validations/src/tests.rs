//! The validations against a cloud in memory, as data: each file of `cases/` has the cases of
//! one validation. A case: `name`; `cloud` (see `MemoryCloud`); `nodes` (names to check, or
//! none); then `error` (a part of its text), or `outcome`, `summary` and `findings` (a pair of
//! subject and a part of the message each).

use std::fs;
use std::path::Path;

use serde_json::Value;
use tripleo_cloud::CloudError;
use tripleo_cloud::memory::MemoryCloud;

use crate::{Verdict, boot, health};

type Validation = fn(&MemoryCloud, Option<&[String]>) -> Result<Verdict, CloudError>;

fn check(validation: Validation, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases")
        .join(file);
    let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(!cases.is_empty(), "{file} has no cases");
    for case in cases {
        let name = case["name"]
            .as_str()
            .unwrap_or_else(|| panic!("{file}: a case has no name"));
        let cloud = MemoryCloud::new(case["cloud"].clone());
        let nodes: Option<Vec<String>> = case["nodes"].as_array().map(|nodes| {
            nodes
                .iter()
                .map(|node| node.as_str().unwrap().to_owned())
                .collect()
        });
        let verdict = match (validation(&cloud, nodes.as_deref()), case["error"].as_str()) {
            (Ok(verdict), None) => verdict,
            (Err(error), Some(expected)) => {
                let error = error.to_string();
                assert!(
                    error.contains(expected),
                    "{name}: {error:?} has no {expected:?}"
                );
                continue;
            }
            (result, _) => panic!("{name}: {result:?}"),
        };
        let outcome = format!("{:?}", verdict.outcome).to_lowercase();
        assert_eq!(outcome, case["outcome"], "{name}: {verdict:?}");
        assert_eq!(verdict.summary, case["summary"], "{name}");
        let expected: Vec<&Value> = case["findings"].as_array().into_iter().flatten().collect();
        assert_eq!(
            verdict.findings.len(),
            expected.len(),
            "{name}: {:?}",
            verdict.findings
        );
        for (finding, expected) in verdict.findings.iter().zip(expected) {
            assert_eq!(finding.subject, expected[0], "{name}");
            let part = expected[1].as_str().unwrap();
            assert!(
                finding.message.contains(part),
                "{name}: {finding:?} has no {part:?}"
            );
            assert!(!finding.hint.is_empty(), "{name}: {finding:?}");
        }
        assert_eq!(
            *cloud.writes.borrow(),
            Vec::<Value>::new(),
            "{name}: writes"
        );
    }
}

#[test]
fn ironic_boot_configuration() {
    check(boot::check, "ironic_boot_configuration.json");
}

#[test]
fn node_health() {
    check(health::check, "node_health.json");
}
