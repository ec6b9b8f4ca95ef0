//! Calls and their outcomes, as `tests/cases.yaml` has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome,
    ActionRunner, ExecutionId, Map, Progress, ProgressSink, ServiceRequest, ServiceResponse, Value,
};
use ostro_lang::Definitions;
use ostro_openstack::{Cloud, CloudError};
use ostro_packs::{Export, Name, Param, Signature, Type, Version};
use ostro_sandbox::{CallError, Ended, LimitError, LimitKind};
use serde::Deserialize;
use tokio::time::Instant;

use crate::pack::PackActions;
use crate::{ActionKind, Registry, RegistryError};

mod versions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    call: String,
    from: Option<String>,
    #[serde(default)]
    input: BTreeMap<String, Value>,
    cloud: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    success: Option<Value>,
    #[serde(default)]
    deferred: bool,
    error: Option<Failure>,
    takes: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    kind: ActionErrorKind,
    message: Option<String>,
    says: Option<String>,
    value: Option<Value>,
}

/// A `success` that is there and null is not one that is not there.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[tokio::test(start_paused = true)]
async fn calls_come_out_as_the_cases_say() {
    let cases: Vec<Case> = serde_yaml::from_str(include_str!("tests/cases.yaml")).unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let begin = Instant::now();
        let outcome = registry(case.cloud.clone()).run(call(&case)).await;
        if let Err(problem) = check(&case, &outcome, begin.elapsed().as_secs_f64()) {
            wrong.push(format!("{}: {problem}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn check(case: &Case, outcome: &ActionOutcome, took: f64) -> Result<(), String> {
    match (outcome, &case.success, &case.error) {
        (ActionOutcome::Success(value), Some(expected), None) if value == expected => {}
        (ActionOutcome::Deferred, None, None) if case.deferred => {}
        (ActionOutcome::Error(error), None, Some(expected)) => check_error(error, expected)?,
        _ => return Err(format!("got {outcome:?}")),
    }
    match case.takes {
        // Timers go by milliseconds.
        Some(expected) if (took - expected).abs() > 0.01 => Err(format!("it took {took} s")),
        _ => Ok(()),
    }
}

fn check_error(error: &ActionError, expected: &Failure) -> Result<(), String> {
    let message = expected
        .message
        .as_ref()
        .is_none_or(|message| error.message == *message);
    let says = expected
        .says
        .as_ref()
        .is_none_or(|part| error.message.contains(part));
    let whole = Value::from(error.message.as_str());
    let value = error.value == *expected.value.as_ref().unwrap_or(&whole);
    if error.kind == expected.kind && message && says && value {
        return Ok(());
    }
    Err(format!("got {error:?}"))
}

fn call(case: &Case) -> ActionCall {
    let input = case
        .input
        .iter()
        .map(|(name, value)| (name.as_str().into(), value.clone()));
    ActionCall {
        name: case.call.as_str().into(),
        input: Arc::new(input.collect::<Map>()),
        context: ActionContext {
            project: Arc::default(),
            execution_id: ExecutionId::new("e"),
            workflow_name: case.from.as_deref().unwrap_or("elsewhere").into(),
            workflow_namespace: Arc::default(),
            task_execution_id: None,
            task_name: None,
            action_execution_id: ActionExecutionId::new("a"),
            attempt: 1,
            timeout: None,
        },
        root: ExecutionId::new("e"),
        progress: Arc::new(Silent),
    }
}

fn registry(cloud: Option<Value>) -> Registry {
    let mut builder = Registry::builder().scripted(demo("demo"));
    if let Some(answer) = cloud {
        builder = builder.cloud(Arc::new(Answers(answer)));
    }
    builder.definitions(definitions()).build().unwrap()
}

fn definitions() -> Arc<Definitions> {
    let text = include_str!("tests/definitions.yaml");
    let definitions: Definitions = [ostro_lang::parse(text, "definitions.yaml")]
        .into_iter()
        .collect();
    assert!(!definitions.has_errors(), "{:?}", definitions.diagnostics());
    Arc::new(definitions)
}

struct Silent;

impl ProgressSink for Silent {
    fn progress(&self, _: &ActionContext, _: Progress) {}
    fn note(&self, _: &ActionContext, _: &str) {}
}

/// A cloud that answers everything alike.
struct Answers(Value);

#[async_trait]
impl Cloud for Answers {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let Some(status) = self.0.get("status").and_then(Value::as_int) else {
            let reason = "connection refused".to_owned();
            return Err(CloudError::Unreachable {
                service: request.service,
                reason,
            });
        };
        Ok(ServiceResponse {
            status: u16::try_from(status).unwrap(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: serde_json::to_vec(&self.0.get("body")).unwrap(),
        })
    }
}

/// A pack whose actions end as their names say.
struct Demo {
    name: &'static str,
    version: &'static str,
    signatures: Vec<Arc<Signature>>,
}

fn demo(name: &'static str) -> Arc<dyn PackActions> {
    let functions = ["hello", "refuse", "trap", "exhaust", "lose", "hand_over"];
    version(name, "0.1.0", "name", &functions)
}

/// A version of a pack, whose `functions` take `param`.
fn version(
    name: &'static str,
    version: &'static str,
    param: &str,
    functions: &[&str],
) -> Arc<dyn PackActions> {
    let signature = |function: &str| {
        Arc::new(Signature {
            name: format!("demo.greeting.{function}").into(),
            export: Export {
                interface: "demo:demo/greeting".into(),
                function: function.into(),
            },
            params: vec![Param {
                name: Name::new(param),
                ty: Type::String,
                docs: None,
            }],
            result: Some(Type::String),
            fallible: true,
            error: Some(Type::Json),
            docs: Some("Greets.".into()),
            is_validation: false,
        })
    };
    Arc::new(Demo {
        name,
        version,
        signatures: functions.iter().copied().map(signature).collect(),
    })
}

#[async_trait]
impl PackActions for Demo {
    fn name(&self) -> Arc<str> {
        self.name.into()
    }

    fn version(&self) -> Version {
        self.version.parse().unwrap()
    }

    fn signatures(&self) -> Vec<Arc<Signature>> {
        self.signatures.clone()
    }

    async fn call(
        &self,
        action: &str,
        input: &Map,
        _: &ActionCall,
        _: Arc<dyn Cloud>,
    ) -> Result<Ended, CallError> {
        self.signatures[0]
            .check_input(input)
            .map_err(|error| CallError::Input {
                action: action.to_owned(),
                error,
            })?;
        match action {
            "demo.greeting.hello" if self.version != "0.1.0" => {
                Ok(Ended::Gave(self.version.into()))
            }
            "demo.greeting.hello" => {
                let greeting = format!("hello {}", input["name"].as_str().unwrap());
                Ok(Ended::Gave(greeting.into()))
            }
            "demo.greeting.hand_over" => Ok(Ended::Deferred),
            "demo.greeting.refuse" => Err(CallError::Action(
                [("message", Value::from("not today")), ("code", 7.into())]
                    .into_iter()
                    .collect(),
            )),
            "demo.greeting.trap" => Err(CallError::Trap("unreachable was reached".to_owned())),
            "demo.greeting.exhaust" => Err(CallError::Limit(LimitError {
                kind: LimitKind::HostCalls,
                allowed: "10".to_owned(),
            })),
            _ => Err(CallError::Host("the sandbox is shut down".to_owned())),
        }
    }
}

#[test]
fn an_action_in_two_packs_is_refused() {
    let builder = Registry::builder()
        .scripted(demo("one"))
        .scripted(demo("two"));
    assert_eq!(
        builder.build().map(drop),
        Err(RegistryError::Duplicate {
            name: "demo.greeting.hello".to_owned(),
            first: "one".to_owned(),
            second: "two".to_owned(),
        })
    );
}

#[test]
fn every_name_can_be_described() {
    let registry = registry(None);
    let names = registry.names();
    assert!(names.is_sorted());
    for name in &names {
        assert_eq!(registry.describe(name).unwrap().name, *name);
    }
    for name in [
        "std.echo",
        "ironic.node_list",
        "book.greet",
        "demo.greeting.hello",
    ] {
        assert!(names.iter().any(|known| **known == *name), "{name}");
    }
    assert!(registry.describe("greet").is_none());
}

#[test]
fn descriptions_tell_who_provides_an_action_and_what_it_takes() {
    let registry = registry(None);
    let parameters = |name: &str| {
        let description = registry.describe(name).unwrap();
        let parameter = |parameter: &crate::Parameter| {
            (
                parameter.name.to_string(),
                parameter.required,
                parameter.default.clone(),
            )
        };
        (
            description.kind,
            description
                .parameters
                .iter()
                .map(parameter)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        parameters("book.greet"),
        (
            ActionKind::AdHoc {
                base: "std.echo".into()
            },
            vec![
                ("name".to_owned(), true, None),
                ("greeting".to_owned(), false, Some("Hello".into())),
            ]
        )
    );
    assert_eq!(
        parameters("demo.greeting.hello"),
        (
            ActionKind::Pack {
                pack: "demo".into(),
                validation: false
            },
            vec![("name".to_owned(), true, None)]
        )
    );
    assert_eq!(
        parameters("std.sleep"),
        (
            ActionKind::Standard,
            vec![("seconds".to_owned(), false, Some(1.into()))]
        )
    );
    let (kind, node_get) = parameters("ironic.node_get");
    assert_eq!(kind, ActionKind::Openstack);
    assert_eq!(node_get[0], ("node_id".to_owned(), true, None));
}

#[test]
fn definitions_are_checked_against_what_runs() {
    let text = "
version: '2.0'
checked:
  tasks:
    right:
      action: ironic.node_get node_id='n1'
    open:
      action: std.echo output=1 delay=2
    packed:
      action: demo.greeting.hello name='Ada'
    misspelt:
      action: ironic.node_gett node_id='n1'
    short:
      action: demo.greeting.hello
    long:
      action: std.sleep seconds=1 minutes=2
    wrong:
      action: demo.greeting.hello
      input: {name: [Ada]}
    operation:
      action: ironic.node_list
      input: {fields: name, limit: few, detail: 'true'}
    unknown_yet:
      action: demo.greeting.hello name=<% $.name %>
";
    let parsed = ostro_lang::parse(text, "checked.yaml");
    let definitions: Definitions = [parsed].into_iter().collect();
    let found: Vec<String> = ostro_lang::check(&definitions, &registry(None))
        .into_iter()
        .map(|diagnostic| format!("{}: {}", diagnostic.location.line, diagnostic.message))
        .collect();
    assert_eq!(
        found,
        [
            "12: there is no action `ironic.node_gett`",
            "14: the action `demo.greeting.hello` needs the input `name`",
            "16: the action `std.sleep` takes no input `minutes`",
            "19: the action `demo.greeting.hello` can't take this `name`: expected string, got list",
            "22: the action `ironic.node_list` can't take this `fields`: it must be a list, not string",
            "22: the action `ironic.node_list` can't take this `limit`: it must be an integer, not string",
        ]
    );
}

#[test]
fn what_only_reads_is_known_from_what_runs() {
    let registry = Registry::builder()
        .definitions(definitions())
        .build()
        .unwrap();
    for name in ["std.test_dict", "ironic.node_get", "swift.get_object"] {
        assert!(registry.only_reads(name), "{name}");
    }
    for name in [
        "std.http",
        "std.async_noop",
        "ironic.node_create",
        "nothing.at_all",
    ] {
        assert!(!registry.only_reads(name), "{name}");
    }
}
