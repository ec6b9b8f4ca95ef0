//! A validation: it reads, and gives a verdict.

wit_bindgen::generate!({
    path: ["../../../wit/ostro-host", "../../../wit/ostro-validation", "wit"],
    world: "test:checks/guest",
    generate_all,
});

use exports::test::checks::nodes::Guest;
use ostro::host::openstack_read;
use ostro::validation::types::{Finding, Outcome, Verdict};

struct Component;

impl Guest for Component {
    fn have_names() -> Result<Verdict, String> {
        let answer = openstack_read::get("baremetal", "/v1/nodes", &[], Some("1.58"))
            .map_err(|error| format!("{error:?}"))?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let nameless = body.matches("\"name\":null").count();
        let findings = (0..nameless)
            .map(|number| Finding {
                subject: format!("node {number}"),
                message: "it has no name".to_owned(),
                hint: Some("give it one".to_owned()),
            })
            .collect();
        Ok(Verdict {
            outcome: if nameless == 0 {
                Outcome::Passed
            } else {
                Outcome::Failed
            },
            summary: format!("{nameless} nodes have no name"),
            findings,
        })
    }
}

export!(Component);
