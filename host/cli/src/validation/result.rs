//! What came of a run of validations.

use std::time::Duration;

use ostro_core::{ActionErrorKind, ActionOutcome, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::catalogue::Validation;
use super::moment::Moment;
use crate::errors::Exit;
use crate::text::{counted, milliseconds};

/// How a validation ended, in the words of validations-libs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    /// There was nothing to check.
    Skipped,
    /// All is as it should be.
    Passed,
    /// The check could not be made.
    Error,
    /// Something is not as it should be.
    Failed,
}

impl Status {
    /// All, the worst first.
    pub(crate) const ALL: [Status; 4] = [
        Status::Failed,
        Status::Error,
        Status::Passed,
        Status::Skipped,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Status::Skipped => "SKIPPED",
            Status::Passed => "PASSED",
            Status::Error => "ERROR",
            Status::Failed => "FAILED",
        }
    }
}

/// Why a validation could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// It said so itself.
    Action,
    /// The component trapped.
    Trap,
    /// A limit was reached.
    Limit,
    /// The call could not be made.
    Call,
    /// The host or a service failed.
    Host,
    /// A person pressed Ctrl-C before it had ended.
    Interrupted,
}

impl Cause {
    /// Who is to blame, in a few words.
    pub(crate) fn blame(self) -> &'static str {
        match self {
            Cause::Action => "the validation could not be made",
            Cause::Trap => "the component trapped",
            Cause::Limit => "a limit was reached",
            Cause::Call => "the call could not be made",
            Cause::Host => "the host or a service failed",
            Cause::Interrupted => "interrupted",
        }
    }
}

impl From<ActionErrorKind> for Cause {
    fn from(kind: ActionErrorKind) -> Self {
        match kind {
            ActionErrorKind::Action => Cause::Action,
            ActionErrorKind::Trap => Cause::Trap,
            ActionErrorKind::Limit => Cause::Limit,
            ActionErrorKind::Call => Cause::Call,
            ActionErrorKind::Host => Cause::Host,
        }
    }
}

/// One thing that a validation found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// What it is about.
    pub(crate) subject: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// How one validation ended. Its texts are the guest's own: whoever shows them escapes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The id of this execution of the validation.
    pub(crate) uuid: String,
    /// The validation's full name.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    /// What it finds out.
    pub(crate) description: String,
    /// Its groups.
    pub(crate) groups: Vec<String>,
    /// Its pack.
    pub(crate) pack: String,
    /// How it ended.
    pub(crate) status: Status,
    /// When it began; none if it never did.
    pub(crate) started_at: Option<Moment>,
    /// When it ended, if it began.
    pub(crate) ended_at: Option<Moment>,
    /// One sentence for a person: its summary, or why it could not be made.
    pub(crate) summary: String,
    /// What it found.
    pub(crate) findings: Vec<Finding>,
    /// Why it could not be made.
    pub(crate) cause: Option<Cause>,
    /// Lines for the operator: what it logged, what it was denied, which service is out of reach.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    /// The outcome of a validation of which nothing is known yet.
    pub(crate) fn unknown(uuid: String, validation: &Validation) -> Self {
        Self {
            uuid,
            id: validation.id().to_owned(),
            name: validation.info.name.clone(),
            description: validation.info.description.clone(),
            groups: validation.info.groups.clone(),
            pack: validation.pack.clone(),
            status: Status::Error,
            started_at: None,
            ended_at: None,
            summary: String::new(),
            findings: Vec::new(),
            cause: Some(Cause::Host),
            notes: Vec::new(),
        }
    }

    /// Takes in how the call ended.
    pub(crate) fn take(&mut self, outcome: &ActionOutcome) {
        match outcome {
            ActionOutcome::Success(value) => {
                if let Some((status, summary, findings)) = verdict(value) {
                    self.status = status;
                    self.summary = summary;
                    self.findings = findings;
                    self.cause = None;
                } else {
                    self.fail(Cause::Host, "it gave no verdict".to_owned());
                }
            }
            ActionOutcome::Error(error) => {
                // Many messages name the action themselves.
                let prefix = format!("{}: ", self.id);
                let message = error.message.strip_prefix(&prefix);
                let message = message.unwrap_or(&error.message).to_owned();
                self.fail(error.kind.into(), message);
            }
            ActionOutcome::Deferred => {
                let message = "it goes on elsewhere, and validations are waited for";
                self.fail(Cause::Call, message.to_owned());
            }
        }
    }

    /// Notes that it could not be made.
    pub(crate) fn fail(&mut self, cause: Cause, message: String) {
        self.status = Status::Error;
        self.cause = Some(cause);
        // Many messages say themselves who is to blame.
        let rest = message.strip_prefix(cause.blame());
        let rest = rest.and_then(|rest| rest.strip_prefix(": "));
        self.summary = rest.map(str::to_owned).unwrap_or(message);
    }

    /// How long it took.
    pub(crate) fn took(&self) -> Duration {
        match (self.started_at, self.ended_at) {
            (Some(start), Some(end)) => end.since(start),
            _ => Duration::ZERO,
        }
    }

    /// It for programs. The capitalised members are those that validations-libs gives of an
    /// execution, in its forms; the subjects of findings stand where it has hosts.
    fn as_json(&self) -> serde_json::Value {
        let mut subjects: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !subjects.contains(&finding.subject.as_str()) {
                subjects.push(&finding.subject);
            }
        }
        let by_subject: Vec<String> = subjects
            .iter()
            .map(|subject| format!("{subject},{}", self.status.as_str()))
            .collect();
        json!({
            "UUID": self.uuid,
            "Validations": self.id,
            "Status": self.status,
            "Host_Group": subjects.join(", "),
            "Status_by_Host": by_subject.join(", "),
            "Unreachable_Hosts": "",
            "Duration": clock(self.took()),
            "name": self.name,
            "description": self.description,
            "groups": self.groups,
            "pack": self.pack,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "summary": self.summary,
            "findings": self.findings,
            "notes": self.notes,
            "error": self.cause.map(|cause| json!({ "kind": cause, "message": self.summary })),
        })
    }
}

/// The parts of a `verdict` of `ostro:validation`.
fn verdict(value: &Value) -> Option<(Status, String, Vec<Finding>)> {
    let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    let status = match value.get("outcome")?.as_str()? {
        "passed" => Status::Passed,
        "failed" => Status::Failed,
        "skipped" => Status::Skipped,
        _ => return None,
    };
    let finding = |value: &Value| {
        Some(Finding {
            subject: text(value, "subject")?,
            message: text(value, "message")?,
            hint: text(value, "hint"),
        })
    };
    let findings = value.get("findings")?.as_list()?.iter().map(finding);
    Some((
        status,
        text(value, "summary")?,
        findings.collect::<Option<_>>()?,
    ))
}

/// A run of validations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The run's id.
    pub(crate) id: String,
    /// When it began.
    pub(crate) started_at: Moment,
    /// When it ended.
    pub(crate) ended_at: Moment,
    /// The plan that was named.
    pub(crate) plan: Option<String>,
    /// The cloud that was named.
    pub(crate) cloud: Option<String>,
    /// Whether a person ended it.
    pub(crate) interrupted: bool,
    /// Each validation, by name.
    pub(crate) results: Vec<Outcome>,
}

impl Report {
    /// How many ended so.
    pub(crate) fn count(&self, status: Status) -> usize {
        let with = |outcome: &&Outcome| outcome.status == status;
        self.results.iter().filter(with).count()
    }

    /// The worst that a validation gave: what failed is worse than what is not known.
    pub(crate) fn status(&self) -> Status {
        let all = self.results.iter().map(|outcome| outcome.status);
        all.max().unwrap_or(Status::Skipped)
    }

    /// How long it took.
    pub(crate) fn took(&self) -> Duration {
        self.ended_at.since(self.started_at)
    }

    /// `3 passed, 1 failed`: what there was, the worst first.
    pub(crate) fn counts(&self) -> String {
        let told = |status: Status| match (self.count(status), status) {
            (0, _) => None,
            (count, Status::Error) => Some(counted(count, "error")),
            (count, _) => Some(format!("{count} {}", status.as_str().to_lowercase())),
        };
        let told: Vec<String> = Status::ALL.into_iter().filter_map(told).collect();
        told.join(", ")
    }

    /// The exit status of the command that made it.
    pub(crate) fn exit(&self) -> Exit {
        match self.status() {
            _ if self.interrupted => Exit::Interrupted,
            Status::Failed => Exit::Failure,
            Status::Error => Exit::Unknown,
            Status::Passed | Status::Skipped => Exit::Success,
        }
    }

    /// It for programs, without its results.
    pub(crate) fn overview(&self) -> serde_json::Value {
        json!({
            "id": self.id,
            "status": self.status(),
            "interrupted": self.interrupted,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "duration": milliseconds(self.took().as_secs_f64()),
            "plan": self.plan,
            "cloud": self.cloud,
            "passed": self.count(Status::Passed),
            "failed": self.count(Status::Failed),
            "skipped": self.count(Status::Skipped),
            "errors": self.count(Status::Error),
        })
    }

    /// It for programs.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        let mut whole = self.overview();
        whole["results"] = self.results.iter().map(Outcome::as_json).collect();
        whole
    }
}

/// `0:00:02.285799`, as Python writes a duration.
fn clock(duration: Duration) -> String {
    let (secs, micros) = (duration.as_secs(), duration.subsec_micros());
    format!(
        "{}:{:02}:{:02}.{micros:06}",
        secs / 3600,
        secs / 60 % 60,
        secs % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_verdict_is_taken_whole_or_not_at_all() {
        let good = value(
            r#"{"outcome": "failed", "summary": "s", "findings":
                [{"subject": "a", "message": "m", "hint": null}]}"#,
        );
        let (status, summary, findings) = verdict(&good).unwrap();
        assert_eq!((status, summary.as_str()), (Status::Failed, "s"));
        assert_eq!(findings[0].hint, None);
        for bad in [
            "null",
            r#"{"outcome": "perhaps", "summary": "s", "findings": []}"#,
            r#"{"outcome": "passed", "summary": "s", "findings": [{"subject": "a"}]}"#,
        ] {
            assert_eq!(verdict(&value(bad)), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_as_python_writes_them() {
        assert_eq!(clock(Duration::ZERO), "0:00:00.000000");
        assert_eq!(clock(Duration::from_millis(7_384_250)), "2:03:04.250000");
    }
}
