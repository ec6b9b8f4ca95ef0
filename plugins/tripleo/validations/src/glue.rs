//! The component's exports over the validations, and the host's interfaces as their cloud.
#![expect(
    unsafe_code,
    reason = "the generated code passes values over the component's border"
)]

use tripleo_cloud::{CloudError, Level, ReadCloud, Response};

use crate::{Outcome, Verdict, boot, health};

mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit/ostro-host", "../../../wit/ostro-validation", "../wit/deps/validations/nodes.wit"],
        world: "tripleo:validations/validations",
        generate_all,
    });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::tripleo::validations::nodes::Guest;
use bindings::ostro::host::{log, openstack_read, progress, types};
use bindings::ostro::validation::types as validation;

struct Component;

impl Guest for Component {
    fn ironic_boot_configuration(
        nodes: Option<Vec<String>>,
    ) -> Result<validation::Verdict, String> {
        finish(boot::check(&Host, nodes.as_deref()))
    }

    fn node_health(nodes: Option<Vec<String>>) -> Result<validation::Verdict, String> {
        finish(health::check(&Host, nodes.as_deref()))
    }
}

fn finish(verdict: Result<Verdict, CloudError>) -> Result<validation::Verdict, String> {
    let verdict = verdict.map_err(|error| error.to_string())?;
    let findings = verdict
        .findings
        .into_iter()
        .map(|finding| validation::Finding {
            subject: finding.subject,
            message: finding.message,
            hint: Some(finding.hint),
        });
    Ok(validation::Verdict {
        outcome: match verdict.outcome {
            Outcome::Passed => validation::Outcome::Passed,
            Outcome::Failed => validation::Outcome::Failed,
            Outcome::Skipped => validation::Outcome::Skipped,
        },
        summary: verdict.summary,
        findings: findings.collect(),
    })
}

/// The host's interfaces.
struct Host;

impl ReadCloud for Host {
    fn get(
        &self,
        service: &str,
        path: &str,
        query: &[(&str, &str)],
        microversion: Option<&str>,
    ) -> Result<Response, CloudError> {
        let query: Vec<_> = query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        match openstack_read::get(service, path, &query, microversion) {
            Ok(response) => Ok(Response {
                status: response.status,
                body: response.body,
            }),
            Err(error) => Err(match error {
                types::CallError::Denied(text)
                | types::CallError::Invalid(text)
                | types::CallError::Exhausted(text) => CloudError::Refused(text),
                types::CallError::Unavailable(text) => CloudError::Unavailable(text),
                types::CallError::Refused(refusal) => CloudError::Service {
                    status: refusal.status,
                    message: refusal.message,
                },
            }),
        }
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warning => log::Level::Warning,
        };
        log::write(level, message);
    }

    fn progress(&self, percent: Option<u8>, message: &str) {
        progress::report(percent, message);
    }
}
