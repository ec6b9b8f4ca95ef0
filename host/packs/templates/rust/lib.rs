//! The component: one implementation for each interface that the world in `wit/actions.wit`
//! exports.

use std::collections::BTreeMap;

wit_bindgen::generate!({
    path: "../wit",
    world: "actions",
    generate_all,
});

use exports::{{snake}}::actions::{checks, greetings};
use ostro::host::log;
use ostro::validation::types::{Finding, Outcome, Verdict};

struct Actions;

impl greetings::Guest for Actions {
    fn greet(name: String, excited: Option<bool>) -> Result<String, String> {
        if name.trim().is_empty() {
            return Err("there is nobody to greet: the name is empty".to_owned());
        }
        log::write(log::Level::Info, &format!("greeting {name}"));
        let end = if excited == Some(true) { "!" } else { "" };
        Ok(format!("hello {name}{end}"))
    }
}

impl checks::Guest for Actions {
    fn names_are_unique(names: Vec<String>) -> Result<Verdict, String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in &names {
            *counts.entry(name).or_default() += 1;
        }
        let findings: Vec<_> = counts
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(name, _)| Finding {
                subject: name.to_owned(),
                message: "it is there more than once".to_owned(),
                hint: Some("rename one".to_owned()),
            })
            .collect();
        Ok(Verdict {
            outcome: if findings.is_empty() {
                Outcome::Passed
            } else {
                Outcome::Failed
            },
            summary: format!(
                "{} of {} names are there more than once",
                findings.len(),
                names.len()
            ),
            findings,
        })
    }
}

export!(Actions);
