//! Operations as data: each file of `tests/operations` has cases of the operation that it is
//! named after: arguments, the requests that they make, what a service answers, the result.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use ostro_core::{Map, ServiceRequest, ServiceResponse, Value};
use ostro_openstack::{Cloud, CloudError, operations};
use serde::Deserialize;
use serde_json::{Value as Json, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    behaviour: String,
    #[serde(default)]
    arguments: Map,
    #[serde(default)]
    exchanges: Vec<Exchange>,
    #[serde(default)]
    result: Option<Json>,
    #[serde(default)]
    error: Option<String>,
    /// How long the operation waits, in seconds.
    #[serde(default)]
    waits: u64,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// Method, path and query: `GET /v1/nodes?fields=uuid`.
    request: String,
    #[serde(default)]
    headers: Json,
    /// JSON, or text in a mapping `{text: …}`.
    #[serde(default)]
    body: Json,
    /// Checked where it is given.
    #[serde(default)]
    microversion: Option<String>,
    #[serde(default = "fine")]
    status: u16,
    #[serde(default)]
    answers: Json,
    #[serde(default)]
    answer_headers: serde_json::Map<String, Json>,
}

fn fine() -> u16 {
    200
}

/// A cloud that expects certain requests in a certain order.
struct Script {
    service: String,
    expected: Mutex<VecDeque<Exchange>>,
}

#[async_trait]
impl Cloud for Script {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let exchange = self.expected.lock().unwrap().pop_front();
        let exchange = exchange.unwrap_or_else(|| panic!("unexpected: {request:?}"));
        assert_eq!(request.service, self.service);
        let query: Vec<String> = request
            .query
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let question = if query.is_empty() { "" } else { "?" };
        let line = format!(
            "{} {}{question}{}",
            request.method,
            request.path,
            query.join("&")
        );
        assert_eq!(line, exchange.request);
        let headers: serde_json::Map<String, Json> = request
            .headers
            .iter()
            .map(|(k, v)| (k.clone(), json!(v)))
            .collect();
        let wanted = exchange.headers.as_object().cloned().unwrap_or_default();
        assert_eq!(headers, wanted, "headers of {line}");
        let sent = match (&exchange.body, request.body.as_slice()) {
            (_, []) => Json::Null,
            (Json::Object(entries), bytes) if entries.contains_key("text") => {
                json!({"text": std::str::from_utf8(bytes).unwrap()})
            }
            (_, bytes) => serde_json::from_slice(bytes).unwrap(),
        };
        assert_eq!(sent, exchange.body, "body of {line}");
        if exchange.microversion.is_some() {
            assert_eq!(request.microversion, exchange.microversion, "{line}");
        }
        Ok(ServiceResponse {
            status: exchange.status,
            headers: exchange
                .answer_headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body: match &exchange.answers {
                Json::Null => Vec::new(),
                Json::Object(entries) if entries.contains_key("text") => {
                    entries["text"].as_str().unwrap().into()
                }
                json => json.to_string().into_bytes(),
            },
        })
    }
}

async fn check(name: &str, case: Case) {
    let operation = operations::find(name).unwrap_or_else(|| panic!("there is no {name}"));
    let script = Script {
        service: operation.service.clone(),
        expected: Mutex::new(case.exchanges.into()),
    };
    let begin = tokio::time::Instant::now();
    let result = operations::call(&script, name, &case.arguments).await;
    match (result, case.error, case.result) {
        (Ok(result), None, expected) => {
            assert_eq!(Json::from(&result), expected.unwrap_or_default());
        }
        (Err(error), Some(expected), _) => assert_eq!(error.to_string(), expected),
        (Ok(result), Some(expected), _) => panic!("gives {result} instead of {expected:?}"),
        (Err(error), None, _) => panic!("{error}"),
    }
    let left = script.expected.lock().unwrap().len();
    assert_eq!(left, 0, "{left} requests were not made");
    assert_eq!(begin.elapsed().as_secs(), case.waits, "seconds of waiting");
}

#[tokio::test(start_paused = true)]
async fn operations_do_what_their_cases_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut failures = Vec::new();
    for path in &files {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let cases: Vec<Case> =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!cases.is_empty(), "{name} has no cases");
        for case in cases {
            let title = format!("{name} {}", case.behaviour);
            let name = name.clone();
            // A task of its own: a case that panics does not hide the others.
            if let Err(error) = tokio::spawn(async move { check(&name, case).await }).await {
                let panic = error.into_panic();
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                failures.push(format!("{title}: {}", text.unwrap_or_default()));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_operation_of_the_rocky_workbooks_has_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations");
    for name in include_str!("operations.rocky.txt").lines() {
        assert!(
            folder.join(format!("{name}.yaml")).is_file(),
            "{name} has no cases"
        );
        assert!(operations::find(name).is_some(), "there is no {name}");
    }
}

#[tokio::test]
async fn an_unknown_operation_is_told_with_one_that_is_meant_perhaps() {
    let script = Script {
        service: String::new(),
        expected: Mutex::default(),
    };
    let error = operations::call(&script, "ironic.node_lst", &Map::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no operation \"ironic.node_lst\"; did you mean \"ironic.node_list\"?"
    );
}

/// A cloud that lets nothing through, as the sandbox does without a grant.
struct Denied;

#[async_trait]
impl Cloud for Denied {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        Err(CloudError::Denied(format!("not granted: {request:?}")))
    }
}

#[tokio::test]
async fn what_the_cloud_denies_stays_denied() {
    let arguments = Map::from_iter([("node_id".into(), Value::from("a"))]);
    let error = operations::call(&Denied, "ironic.node_get", &arguments)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "not granted: baremetal GET /v1/nodes/a");
}
