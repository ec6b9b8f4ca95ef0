//! Validations: they read, and give a verdict, in each way in which that can end.

wit_bindgen::generate!({
    path: ["../../../wit/ostro-host", "../../../wit/ostro-validation", "wit"],
    world: "test:checks/guest",
    generate_all,
});

use exports::test::checks::{ends, nodes};
use ostro::host::{clock, openstack_read, progress};
use ostro::validation::types::{Finding, Outcome, Verdict};

struct Component;

impl nodes::Guest for Component {
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

impl ends::Guest for Component {
    fn all_is_well() -> Result<Verdict, String> {
        progress::report(Some(50), "looks around");
        verdict(Outcome::Passed, "all is well", Vec::new())
    }

    fn few_racks(racks: Vec<String>, limit: Option<u32>) -> Result<Verdict, String> {
        let limit = limit.unwrap_or(1) as usize;
        let findings: Vec<Finding> = racks
            .iter()
            .skip(limit)
            .map(|rack| finding(rack, "it is one too many", Some("sell it")))
            .collect();
        let outcome = match findings.len() {
            0 => Outcome::Passed,
            _ => Outcome::Failed,
        };
        let summary = format!("{} racks, and {limit} may be there", racks.len());
        verdict(outcome, &summary, findings)
    }

    fn hostile() -> Result<Verdict, String> {
        progress::report(None, "\u{1b}[2Jgone");
        let nasty = "\u{1b}]0;title\u{7}\u{9b}31m]]>-->\u{202e}<script>alert(1)</script>&\"'\0";
        let findings = vec![
            finding(nasty, nasty, Some(nasty)),
            finding("two\nlines", "one\n  two", None),
        ];
        verdict(Outcome::Failed, nasty, findings)
    }

    fn of_a_plan(plan: Option<String>, container: Option<String>) -> Result<Verdict, String> {
        let named = |name: Option<String>| name.unwrap_or_else(|| "none".to_owned());
        let summary = format!("plan: {}, container: {}", named(plan), named(container));
        verdict(Outcome::Skipped, &summary, Vec::new())
    }

    fn unsure() -> Result<Verdict, String> {
        Err("the racks cannot be counted in the dark".to_owned())
    }

    fn traps() -> Result<Verdict, String> {
        unreachable!()
    }

    fn waits() -> Result<Verdict, String> {
        progress::report(None, "waits");
        clock::sleep(600_000);
        verdict(Outcome::Passed, "it was worth it", Vec::new())
    }

    fn writes(operation: String, arguments: String) -> Result<Verdict, String> {
        match openstack_read::call(&operation, &arguments) {
            Ok(_) => verdict(Outcome::Failed, "it was let through", Vec::new()),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

fn verdict(outcome: Outcome, summary: &str, findings: Vec<Finding>) -> Result<Verdict, String> {
    Ok(Verdict {
        outcome,
        summary: summary.to_owned(),
        findings,
    })
}

fn finding(subject: &str, message: &str, hint: Option<&str>) -> Finding {
    Finding {
        subject: subject.to_owned(),
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
    }
}

export!(Component);
