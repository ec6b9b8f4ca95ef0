//! Calls of actions, and programs that tests need.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use ostro_actions::{HttpOptions, Registry};
use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionExecutionId, ActionOutcome, ActionRunner,
    ExecutionId, Progress, ProgressSink, TaskExecutionId, Value,
};
use serde_json::json;

/// Calls an action with an input in JSON.
pub(crate) async fn call(
    registry: &Registry,
    name: &str,
    input: &serde_json::Value,
) -> ActionOutcome {
    let input = Value::from(input.clone());
    let call = ActionCall {
        name: name.into(),
        input: Arc::new(input.as_map().unwrap().clone()),
        context: ActionContext {
            project: Arc::default(),
            execution_id: ExecutionId::new("execution-1"),
            workflow_name: "book.work".into(),
            workflow_namespace: Arc::default(),
            task_execution_id: Some(TaskExecutionId::new("task-1")),
            task_name: Some("ask".into()),
            action_execution_id: ActionExecutionId::new("action-1"),
            attempt: 1,
            timeout: None,
        },
        root: ExecutionId::new("execution-1"),
        progress: Arc::new(Silent),
    };
    // Whatever is called: its input is nobody's business.
    assert!(!format!("{call:?}").contains("s3cr3t"));
    registry.run(call).await
}

/// What a call that must succeed gives.
pub(crate) async fn result(
    registry: &Registry,
    name: &str,
    input: &serde_json::Value,
) -> serde_json::Value {
    match call(registry, name, input).await {
        ActionOutcome::Success(value) => (&value).into(),
        other => panic!("{name}({input}) ended with {other:?}"),
    }
}

/// How a call that must fail fails. No secret is in it: those of the tests are `s3cr3t`.
pub(crate) async fn error(
    registry: &Registry,
    name: &str,
    input: &serde_json::Value,
) -> ActionError {
    match call(registry, name, input).await {
        ActionOutcome::Error(error) => {
            assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
            error
        }
        other => panic!("{name}({input}) ended with {other:?}"),
    }
}

/// HTTP options that let this machine be reached, which Mistral's do not.
pub(crate) fn open() -> HttpOptions {
    let mut options = HttpOptions::default();
    options.denied_networks.clear();
    options
}

/// An outcome in JSON, as Mistral's `Result` has it.
pub(crate) fn outcome(outcome: &ActionOutcome) -> serde_json::Value {
    match outcome {
        ActionOutcome::Success(value) => json!({"data": serde_json::Value::from(value)}),
        ActionOutcome::Deferred => json!({"deferred": true}),
        ActionOutcome::Error(error) => json!({"error": serde_json::Value::from(&error.value)}),
    }
}

struct Silent;

impl ProgressSink for Silent {
    fn progress(&self, _: &ActionContext, _: Progress) {}
    fn note(&self, _: &ActionContext, _: &str) {}
}

/// Runs a command to its end, and gives what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{shown}: {}", errors.trim()))
}

/// The place of a program of Debian's, which is installed where it is missing.
pub(crate) fn program(path: &str, package: &str) -> PathBuf {
    static APT: Mutex<()> = Mutex::new(());
    let _one_at_a_time = APT.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Path::new(path);
    if !place.exists() {
        let apt = |arguments: &[&str]| {
            run(Command::new("apt-get")
                .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"))
        };
        let installed = apt(&["update"])
            .and_then(|_| apt(&["install", "--yes", "--no-install-recommends", package]));
        assert!(
            installed.is_ok() && place.exists(),
            "{path} is missing, and {package} cannot be installed: {installed:?}"
        );
    }
    place.to_owned()
}

/// The Python of a virtual environment in the user's cache that has `requirement`, of which
/// `import` must work.
pub(crate) fn python(folder: &str, requirement: &str, import: &str) -> PathBuf {
    let programs = ostro_tests::python(folder, &[requirement], import).unwrap();
    programs.join("python")
}

/// A certificate that nobody signed, for `localhost` and 127.0.0.1, and its key, in PEM.
pub(crate) fn certificate() -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
