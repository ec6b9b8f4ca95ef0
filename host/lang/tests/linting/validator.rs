//! What Mistral's validator says of the same definitions.
//!
//! `data/validator.json` is recorded from Mistral 23.0.0 by `data/record_validator.py`. Where this
//! parser and Mistral disagree, `data/disagreements.txt` says why.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ostro_lang::parse;

use crate::cases;

#[test]
fn the_validator_of_mistral_agrees_or_the_reason_is_known() {
    let recorded: BTreeMap<String, Option<String>> =
        serde_json::from_str(include_str!("../data/validator.json")).unwrap();
    let mut reasons: BTreeMap<&str, &str> = include_str!("../data/disagreements.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let (mut negative, mut wrong) = (0, String::new());
    for folder in ["accept", "check", "lint", "reject"] {
        for (_, name, text) in cases(folder) {
            let case = format!("{folder}/{name}");
            let Some(verdict) = recorded.get(&case) else {
                writeln!(wrong, "{case} is not recorded").unwrap();
                continue;
            };
            negative += usize::from(folder == "reject" || folder == "lint");
            let ours = parse(&text, &name).has_errors();
            let differs = ours != verdict.is_some();
            if differs != reasons.remove(&*case).is_some() {
                writeln!(
                    wrong,
                    "{case}: refused here {ours}, Mistral says {verdict:?}"
                )
                .unwrap();
            }
        }
    }
    assert!(negative >= 200, "{negative} cases are not enough");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(reasons.is_empty(), "no such cases: {reasons:?}");
}
