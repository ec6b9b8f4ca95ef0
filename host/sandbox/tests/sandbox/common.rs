//! Guests, a cloud, and a place for what guests say.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use ostro_core::{
    ActionContext, ActionExecutionId, ExecutionId, Map, Progress, ProgressSink, ServiceRequest,
    ServiceResponse, Value,
};
use ostro_openstack::{Cloud, CloudError};
use ostro_packs::Pack;
use ostro_sandbox::{CallError, Ended, LoadedPack, Sandbox, SandboxConfig};

/// Where the guests are.
pub(crate) fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests")
}

/// Builds a guest, once a run. Cargo sees whether there is anything to do.
fn build(name: &str) -> Pack {
    let mut lines = Vec::new();
    let built = ostro_packs::build::build(&guests().join(name), &mut |line| {
        lines.push(line.to_owned());
    });
    built
        .unwrap_or_else(|error| panic!("guest {name}: {error}\n{}", lines.join("\n")))
        .pack
}

/// A guest a function: one that no test uses is dead code, which does not compile, and one that
/// has no function is found by `every_guest_is_tested`.
macro_rules! guests {
    ($($name:ident),*) => {
        pub(crate) const GUESTS: &[&str] = &[$(stringify!($name)),*];
        $(
            pub(crate) fn $name() -> &'static Pack {
                static PACK: LazyLock<Pack> = LazyLock::new(|| build(stringify!($name)));
                &PACK
            }
        )*
    };
}

guests!(escape, escape_python, hostile, keeper, types, validation);

/// The sandbox that the tests share.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
        Sandbox::new(SandboxConfig {
            max_instances: 64,
            // Its guests trap on purpose.
            pause_after: None,
            ..SandboxConfig::default()
        })
        .unwrap()
    });
    &SANDBOX
}

/// A guest, loaded with the grants that it asks for.
pub(crate) fn load(pack: &Pack) -> LoadedPack {
    sandbox().load(pack, &pack.manifest.grants).unwrap()
}

/// A value, from JSON text.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A mapping, from JSON text.
pub(crate) fn map(text: &str) -> Map {
    json(text).as_map().unwrap().clone()
}

/// Where a call comes from.
pub(crate) fn context() -> ActionContext {
    ActionContext {
        project: Arc::default(),
        execution_id: ExecutionId::new("execution-1"),
        workflow_name: "tripleo.baremetal.v1.provide".into(),
        workflow_namespace: Arc::default(),
        task_execution_id: None,
        task_name: Some("set_nodes_available".into()),
        action_execution_id: ActionExecutionId::new("key-1"),
        attempt: 2,
        timeout: None,
    }
}

/// A cloud that answers from a table, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct FakeCloud {
    pub(crate) requests: Mutex<Vec<ServiceRequest>>,
}

impl FakeCloud {
    /// What it was asked, as `service METHOD path`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|request| format!("{request:?}"))
            .collect()
    }
}

#[async_trait]
impl Cloud for FakeCloud {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let path = request.path.as_str().to_owned();
        self.requests.lock().unwrap().push(request);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut answer = ServiceResponse {
            status: 200,
            headers: vec![header("content-type", "application/json")],
            body: br#"{"nodes": [{"uuid": "1", "name":null}]}"#.to_vec(),
        };
        match path.as_str() {
            "/v1/nodes/redirect" => {
                answer.status = 302;
                answer.headers.push(header(
                    "location",
                    "http://evil.example:6385/v1/x?token=t0k3n",
                ));
            }
            "/v1/nodes/secrets" => {
                for name in [
                    "x-subject-token",
                    "X-Auth-Token",
                    "set-cookie",
                    "x-storage-token",
                ] {
                    answer.headers.push(header(name, "t0k3n"));
                }
                answer
                    .headers
                    .push(header("x-account-meta-temp-url-key", "t0k3n"));
            }
            "/v1/nodes/huge" => answer.body = vec![b'x'; 65 << 10],
            "/v1/nodes/slow" => std::future::pending().await,
            "/v1/nodes/down" => {
                return Err(CloudError::Unreachable {
                    service: "baremetal".to_owned(),
                    reason: "connection refused by 10.0.0.1:6385".to_owned(),
                });
            }
            _ => {}
        }
        Ok(answer)
    }
}

/// Keeps what actions say.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) notes: Mutex<Vec<String>>,
    pub(crate) progress: Mutex<Vec<Progress>>,
}

impl ProgressSink for Said {
    fn progress(&self, _context: &ActionContext, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }

    fn note(&self, _context: &ActionContext, line: &str) {
        self.notes.lock().unwrap().push(line.to_owned());
    }
}

/// One call, with a cloud and a sink of its own.
pub(crate) struct Called {
    pub(crate) result: Result<Value, CallError>,
    pub(crate) asked: Vec<String>,
    pub(crate) notes: String,
    pub(crate) progress: Vec<Progress>,
}

/// What an action gave.
pub(crate) fn gave(ended: Ended) -> Value {
    match ended {
        Ended::Gave(value) => value,
        Ended::Deferred => panic!("it goes on elsewhere"),
    }
}

/// Calls an action with an input in JSON text.
pub(crate) async fn call(pack: &LoadedPack, action: &str, input: &str) -> Called {
    call_in(pack, action, input, &context()).await
}

/// Calls an action from somewhere.
pub(crate) async fn call_in(
    pack: &LoadedPack,
    action: &str,
    input: &str,
    context: &ActionContext,
) -> Called {
    let cloud = Arc::new(FakeCloud::default());
    let said = Arc::new(Said::default());
    let result = pack
        .call(action, &map(input), cloud.clone(), context, said.clone())
        .await;
    let result = result.map(gave);
    let notes = said.notes.lock().unwrap().join("\n");
    let progress = said.progress.lock().unwrap().clone();
    Called {
        result,
        asked: cloud.asked(),
        notes,
        progress,
    }
}

#[test]
fn every_guest_is_tested() {
    let mut found: Vec<String> = std::fs::read_dir(guests())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("pack.yaml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(
        found, GUESTS,
        "a guest that no test runs, or a test without its guest"
    );
}
