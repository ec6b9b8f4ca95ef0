//! Test cases of packs, as people write them: see `ostro pack test --help`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use ostro_sandbox::{Difference, RecordedCall, RecordedContext, RecordedPack, Recording, Replayed};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A test of a pack.
pub(crate) struct Test {
    /// What it is called.
    pub(crate) name: String,
    /// What is run, and the host calls that are expected.
    pub(crate) recording: Recording,
    /// What is to come of it, where a person wrote the test.
    wanted: Option<Wanted>,
}

/// What is to come of a case.
enum Wanted {
    /// It succeeds.
    Success,
    /// It gives this.
    Result(Value),
    /// It fails with this value.
    Error(Value),
    /// It goes on elsewhere.
    Deferred,
}

/// A case in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    action: String,
    #[serde(default)]
    input: Map<String, Value>,
    #[serde(default)]
    context: Option<Context>,
    #[serde(default)]
    calls: Vec<RecordedCall>,
    #[serde(default, deserialize_with = "given")]
    result: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    error: Option<Value>,
    /// Whether it is to go on elsewhere.
    #[serde(default)]
    deferred: bool,
}

/// What a case can say about who calls.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Context {
    workflow_name: Option<String>,
    task_name: Option<String>,
    attempt: Option<u32>,
}

/// What is there, null included.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The cases in a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Test>> {
    let named = || path.display().to_string();
    let text = fs::read_to_string(path).with_context(named)?;
    let mut value: serde_yaml::Value = serde_yaml::from_str(&text).with_context(named)?;
    value.apply_merge().with_context(named)?;
    let cases = match value {
        serde_yaml::Value::Sequence(cases) => cases,
        one => vec![one],
    };
    let mut tests = Vec::with_capacity(cases.len());
    for (at, case) in cases.into_iter().enumerate() {
        let case: Case = serde_yaml::from_value(case)
            .with_context(|| format!("{}: case {}", path.display(), at + 1))?;
        let name = case.name.clone();
        let made = Test::of_case(case);
        tests.push(made.with_context(|| format!("{}: {name}", path.display()))?);
    }
    Ok(tests)
}

impl Test {
    /// The test that a recording is.
    pub(crate) fn of_recording(name: String, recording: Recording) -> Self {
        Self {
            name,
            recording,
            wanted: None,
        }
    }

    fn of_case(case: Case) -> Result<Self> {
        let wanted = match (case.result, case.error, case.deferred) {
            (None, None, false) => Wanted::Success,
            (Some(result), None, false) => Wanted::Result(result),
            (None, Some(error), false) => Wanted::Error(error),
            (None, None, true) => Wanted::Deferred,
            _ => {
                return Err(anyhow!(
                    "it is to give one of a result, an error and `deferred: true`"
                ));
            }
        };
        let context = case.context.unwrap_or_default();
        let context = RecordedContext {
            execution_id: "00000000-0000-4000-8000-000000000001".to_owned(),
            workflow_name: context.workflow_name.unwrap_or_default(),
            task_name: context.task_name,
            action_execution_id: "00000000-0000-4000-8000-000000000002".to_owned(),
            attempt: context.attempt.unwrap_or(1),
        };
        let input = Value::Object(case.input);
        let mut recording = Recording::new(RecordedPack::default(), &case.action, input, context);
        recording.is_case = true;
        for mut call in case.calls {
            let is_told_nothing = matches!(
                call.call.as_str(),
                "log.write" | "progress.report" | "clock.sleep" | "execution.defer"
            );
            if call.answer.is_none() && is_told_nothing {
                call.answer = Some(Value::Object(Map::new()));
            }
            if call.arguments.is_null() {
                call.arguments = Value::Object(Map::new());
            }
            if call.answer.is_none() {
                return Err(anyhow!(
                    "{} has no `answer`: write `ok` or `error` below it",
                    call.call
                ));
            }
            recording.calls.push(call);
        }
        Ok(Self {
            name: case.name,
            recording,
            wanted: Some(wanted),
        })
    }

    /// The first difference between what came and what is wanted.
    pub(crate) fn difference(&self, replayed: &Replayed) -> Option<Difference> {
        if replayed.difference.is_some() {
            return replayed.difference.clone();
        }
        let outcome = replayed.outcome.as_ref()?;
        let is_deferred = outcome.as_str() == Some("deferred");
        let success = outcome.get("success");
        let error = outcome.get("error").and_then(|error| error.get("value"));
        let differs = |place: &str, recorded: Option<&Value>, now: Option<&Value>| Difference {
            place: place.to_owned(),
            path: String::new(),
            recorded: recorded.cloned(),
            now: now.cloned(),
        };
        match (self.wanted.as_ref()?, success) {
            (Wanted::Deferred, _) if is_deferred => None,
            (Wanted::Deferred, _) => Some(differs(
                "an end instead of going on elsewhere",
                None,
                Some(outcome),
            )),
            (_, None) if is_deferred => Some(differs(
                "it goes on elsewhere instead of ending",
                None,
                Some(outcome),
            )),
            (Wanted::Success, Some(_)) => None,
            (Wanted::Result(wanted), Some(now)) => Difference::first("the result", wanted, now),
            (Wanted::Success, None) => Some(differs("the error", None, error)),
            (Wanted::Result(wanted), None) => Some(differs(
                "an error instead of the result",
                Some(wanted),
                error,
            )),
            (Wanted::Error(wanted), Some(now)) => Some(differs(
                "a result instead of the error",
                Some(wanted),
                Some(now),
            )),
            (Wanted::Error(wanted), None) => {
                Difference::first("the error", wanted, error.unwrap_or(&Value::Null))
            }
        }
    }
}
