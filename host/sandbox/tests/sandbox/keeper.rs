//! Objects, secrets and work that goes on elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ostro_core::{Method, ServiceRequest, ServiceResponse, Value};
use ostro_openstack::{Cloud, CloudError};
use ostro_packs::Grants;
use ostro_sandbox::{
    CallError, Ended, LoadedPack, Recorder, Recording, Sandbox, SandboxConfig, SandboxError,
    Secrets,
};

use crate::common::{Said, context, gave, json, keeper, map};

const PASSWORD: &str = "p\"ss w/rd";
const KEY: &str = "4711-0815";

/// A cloud that sends back what it is told, and keeps objects.
#[derive(Default)]
struct Echo {
    sent: Mutex<Vec<ServiceRequest>>,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Echo {
    fn with(path: &str, content: &str) -> Arc<Self> {
        let echo = Self::default();
        let mut objects = echo.objects.lock().unwrap();
        objects.insert(path.to_owned(), content.as_bytes().to_vec());
        drop(objects);
        Arc::new(echo)
    }

    fn swift(&self, request: &ServiceRequest) -> ServiceResponse {
        let header = |name: &str| {
            let mut headers = request.headers.iter();
            headers.find_map(|(key, value)| (key == name).then(|| value.clone()))
        };
        let mut objects = self.objects.lock().unwrap();
        let path = request.path.as_str().to_owned();
        let mut answer = ServiceResponse {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
        };
        if path == "/ostro-keeper" {
            return answer;
        }
        let found = objects.get(&path).cloned();
        let etag =
            |content: &[u8]| format!("\"{}-{}\"", content.len(), content.first().unwrap_or(&0));
        match (request.method, found) {
            (Method::Put, _) => {
                answer.status = 201;
                answer.headers.push(("etag".into(), etag(&request.body)));
                objects.insert(path, request.body.clone());
            }
            (_, None) => answer.status = 404,
            (Method::Get, Some(content)) => {
                if header("if-match").is_some_and(|wanted| wanted != etag(&content)) {
                    answer.status = 412;
                    return answer;
                }
                let range = header("range").unwrap();
                let range = range.strip_prefix("bytes=").unwrap();
                let (from, to) = range.split_once('-').unwrap();
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                answer.status = 206;
                answer.body = content[from..=to].to_vec();
            }
            (Method::Delete, Some(_)) => {
                objects.remove(&path);
            }
            (_, Some(content)) => {
                answer.headers.push(("etag".into(), etag(&content)));
                let size = content.len().to_string();
                answer.headers.push(("content-length".into(), size));
            }
        }
        answer
    }
}

#[async_trait]
impl Cloud for Echo {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let answer = if request.service == "object-store" {
            self.swift(&request)
        } else {
            let told = serde_json::json!({
                "headers": request.headers,
                "query": request.query,
                "body": String::from_utf8_lossy(&request.body),
            });
            ServiceResponse {
                status: 200,
                headers: vec![("x-told".to_owned(), format!("{:?}", request.query))],
                body: serde_json::to_vec(&told).unwrap(),
            }
        };
        self.sent.lock().unwrap().push(request);
        Ok(answer)
    }
}

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add("ipmi-password", PASSWORD.to_owned()).unwrap();
    secrets.add("api-key", KEY.to_owned()).unwrap();
    secrets
}

fn sandbox(secrets: Secrets) -> Sandbox {
    Sandbox::new(SandboxConfig {
        max_instances: 8,
        secrets,
        ..SandboxConfig::default()
    })
    .unwrap()
}

fn load() -> LoadedPack {
    let pack = keeper();
    sandbox(secrets())
        .load(pack, &pack.manifest.grants)
        .unwrap()
}

/// Keeps the last recording.
#[derive(Default)]
struct Last(Mutex<Option<Recording>>);

impl Recorder for Last {
    fn recorded(&self, recording: Recording) {
        *self.0.lock().unwrap() = Some(recording);
    }
}

struct Came {
    result: Result<Ended, CallError>,
    sent: Vec<ServiceRequest>,
    said: String,
    recording: Recording,
}

impl Came {
    fn value(self) -> Value {
        gave(self.result.unwrap())
    }

    /// The error that the guest got.
    fn error(&self) -> String {
        match &self.result {
            Err(CallError::Action(value)) => value.as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// The bodies that the cloud got.
    fn bodies(&self) -> String {
        let bodies = self.sent.iter().map(|request| &request.body);
        let texts = bodies.map(|body| String::from_utf8_lossy(body).into_owned());
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// Calls an action, and replays the call.
async fn call_at(cloud: &Arc<Echo>, action: &str, input: &str) -> Came {
    let last = Arc::new(Last::default());
    let pack = load().recorded_by(last.clone());
    let said = Arc::new(Said::default());
    let action = format!("test.{action}");
    let result = pack
        .call(
            &action,
            &map(input),
            cloud.clone(),
            &context(),
            said.clone(),
        )
        .await;
    let recording = last.0.lock().unwrap().take().unwrap();
    let text = serde_json::to_string(&recording).unwrap();
    for value in [PASSWORD, KEY, "p\\\\\\\"ss", "p%22ss"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
    let player = sandbox(Secrets::default())
        .load_to_replay(keeper())
        .unwrap();
    let replayed = player.replay(&recording).await.unwrap();
    assert_eq!(replayed.difference, None, "{action} {input}");
    let mut lines = said.notes.lock().unwrap().clone();
    let progress = said.progress.lock().unwrap();
    lines.extend(progress.iter().map(|progress| progress.message.clone()));
    let said = lines.join("\n");
    for value in [PASSWORD, KEY] {
        assert!(!said.contains(value), "{said}");
    }
    let sent = cloud.sent.lock().unwrap().drain(..).collect();
    Came {
        result,
        sent,
        said,
        recording,
    }
}

async fn call(action: &str, input: &str) -> Came {
    call_at(&Arc::new(Echo::default()), action, input).await
}

async fn send(name: &str, service: &str, at: &str) -> Came {
    let input = format!(r#"{{"name": {name:?}, "service": {service:?}, "at": {at:?}}}"#);
    call("vault.send", &input).await
}

#[tokio::test]
async fn a_secret_is_put_in_when_it_is_sent_and_taken_out_of_what_comes_back() {
    for (at, sent) in [
        ("header", PASSWORD),
        ("query", PASSWORD),
        ("body", "{\"key\": \"p\\\"ss w/rd\"}"),
        ("form", "key=p%22ss%20w%2Frd"),
    ] {
        let came = send("ipmi-password", "baremetal", at).await;
        let request = &came.sent[0];
        let told = match at {
            "header" => request.headers[0].1.clone(),
            "query" => request.query[0].1.clone(),
            _ => came.bodies(),
        };
        assert_eq!(told, sent, "{at}");
        let seen = came.value();
        let seen = seen.as_str().unwrap();
        assert!(seen.contains("ostro-secret-"), "{at}: {seen}");
        assert!(!seen.contains("w/rd") && !seen.contains("w%2Frd"), "{seen}");
    }
    // The body of an operation is JSON.
    let came = call("vault.operate", r#"{"name": "ipmi-password", "node": "a"}"#).await;
    assert!(
        came.bodies().contains(r#""value":"p\"ss w/rd""#),
        "{}",
        came.bodies()
    );
    let seen = came.value().to_string();
    assert!(
        !seen.contains("w/rd") && seen.contains("ostro-secret-"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_secret_goes_nowhere_that_is_not_granted() {
    let came = send("ipmi-password", "compute", "body").await;
    assert_eq!(
        came.error(),
        "denied: sending the secret \"ipmi-password\" to the \"compute\" service is not granted"
    );
    assert!(came.said.contains("services: [compute]"), "{}", came.said);
    assert!(came.sent.is_empty());
    let came = call("vault.place", r#"{"name": "other"}"#).await;
    assert_eq!(came.error(), "denied: the secret \"other\" is not granted");
    assert!(came.said.contains("- name: other"), "{}", came.said);
    let came = call("vault.place", r#"{"name": "../etc"}"#).await;
    assert!(came.error().starts_with("invalid: "), "{}", came.error());
    let came = call("vault.tell", r#"{"name": "ipmi-password", "fail": false}"#).await;
    assert!(
        came.error().contains("seeing the value"),
        "{}",
        came.error()
    );
}

#[tokio::test]
async fn what_stands_for_a_secret_stands_for_it_in_its_own_call_alone() {
    let place = call("vault.place", r#"{"name": "ipmi-password"}"#)
        .await
        .value();
    let again = call("vault.place", r#"{"name": "ipmi-password"}"#)
        .await
        .value();
    assert_ne!(place, again);
    let input = format!(r#"{{"text": {place}}}"#);
    let came = call("vault.say", &input).await;
    assert_eq!(came.bodies(), place.as_str().unwrap());
    // What a service shows of itself is taken out, too.
    let input = serde_json::json!({ "text": PASSWORD }).to_string();
    let last = Arc::new(Echo::default());
    let said = Arc::new(Said::default());
    let seen = load()
        .call("test.vault.say", &map(&input), last, &context(), said)
        .await;
    let seen = gave(seen.unwrap()).to_string();
    assert!(
        !seen.contains("w/rd") && seen.contains("ostro-secret-"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_secret_that_may_be_seen_is_kept_from_people_and_the_journal() {
    let came = call("vault.tell", r#"{"name": "api-key", "fail": false}"#).await;
    assert_eq!(
        came.said,
        "info: it is [secret api-key]\nit is [secret api-key]"
    );
    let value = came.value();
    assert_eq!(value, json(r#"{"value": "[secret api-key]"}"#));
    let came = call("vault.tell", r#"{"name": "api-key", "fail": true}"#).await;
    assert_eq!(came.error(), "it is [secret api-key]");
}

#[tokio::test]
async fn a_pack_is_not_loaded_without_the_secrets_that_it_is_granted() {
    let pack = keeper();
    let error = sandbox(Secrets::default()).load(pack, &pack.manifest.grants);
    let error = error.err().unwrap();
    assert!(matches!(&error, SandboxError::Secrets { missing, .. } if missing.len() == 2));
    assert_eq!(
        error.to_string(),
        "pack \"keeper\" is granted secrets that are not provided: ipmi-password, api-key"
    );
    let none = Grants::default();
    let error = sandbox(secrets())
        .load(pack, &none)
        .err()
        .unwrap()
        .to_string();
    for part in [
        "granted no secret",
        "granted no object to read",
        "no object to write",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn objects_are_read_in_pieces_of_one_version() {
    let cloud = Echo::with("/ostro-keeper/own/a", "0123456789");
    let input = r#"{"container": "ostro-keeper", "object": "own/a", "piece": 4}"#;
    let came = call_at(&cloud, "store.download", input).await;
    let ranges: Vec<_> = came
        .sent
        .iter()
        .skip(1)
        .map(|request| &request.headers[0].1)
        .collect();
    assert_eq!(ranges, ["bytes=0-3", "bytes=4-7", "bytes=8-9"]);
    assert_eq!(came.value().get("size"), Some(&Value::from(10)));
    let input = r#"{"container": "ostro-keeper", "object": "own/a", "start": 2, "length": 5}"#;
    assert_eq!(
        call_at(&cloud, "store.part", input).await.value(),
        Value::from("23456")
    );
    let input = r#"{"container": "ostro-keeper", "object": "own/a", "start": 99, "length": 5}"#;
    assert_eq!(
        call_at(&cloud, "store.part", input).await.value(),
        Value::from("")
    );
    let input = r#"{"container": "ostro-keeper", "object": "own/a"}"#;
    let came = call_at(&cloud, "store.read_across", input).await;
    assert!(
        came.error().starts_with("refused: 412 "),
        "{}",
        came.error()
    );
}

#[tokio::test]
async fn objects_are_written_whole_or_not_at_all() {
    let cloud = Arc::new(Echo::default());
    let input =
        r#"{"container": "ostro-keeper", "object": "own/a", "size": 100000, "piece": 30000}"#;
    let came = call_at(&cloud, "store.upload", input).await;
    let pieces = came
        .recording
        .calls
        .iter()
        .filter(|call| call.call == "object-store.write");
    assert_eq!(pieces.count(), 4);
    let written = came.value();
    let input = r#"{"container": "ostro-keeper", "object": "own/a", "piece": 7777}"#;
    let read = call_at(&cloud, "store.download", input).await.value();
    assert_eq!(read.get("digest"), written.get("digest"));
    for action in ["store.leave", "store.break_off"] {
        let input = r#"{"container": "ostro-keeper", "object": "own/b", "size": 9}"#;
        call_at(&cloud, action, input).await;
        assert_eq!(cloud.objects.lock().unwrap().len(), 1, "{action}");
    }
    let input = r#"{"container": "ostro-keeper", "object": "own/b", "text": "x"}"#;
    let came = call_at(&cloud, "store.put_new", input).await;
    assert!(came.said.contains("of no use any more"), "{}", came.said);
    let input =
        r#"{"container": "ostro-keeper", "object": "own/a", "size": 3000000, "piece": 2500000}"#;
    let came = call_at(&cloud, "store.upload", input).await;
    assert!(
        came.error().starts_with("exhausted: 2500000 bytes at once"),
        "{}",
        came.error()
    );
}

#[tokio::test]
async fn objects_are_reached_where_that_is_granted() {
    for (action, input, said) in [
        (
            "store.download",
            r#"{"container": "ostro-keeper", "object": "other/a", "piece": 1}"#,
            "denied: reading the object \"other/a\"",
        ),
        (
            "store.put_new",
            r#"{"container": "ostro-keeper", "object": "seen/a", "text": ""}"#,
            "denied: writing the object \"seen/a\"",
        ),
        (
            "store.remove",
            r#"{"container": "elsewhere", "object": "own/a"}"#,
            "denied: deleting the object \"own/a\"",
        ),
        (
            "store.names",
            r#"{"container": "ostro-keeper"}"#,
            "denied: listing the container",
        ),
        (
            "store.download",
            r#"{"container": "ostro-keeper", "object": "own/../other/a", "piece": 1}"#,
            "invalid: the name holds",
        ),
        (
            "store.download",
            r#"{"container": "ostro-keeper/own", "object": "a", "piece": 1}"#,
            "invalid: a container's name",
        ),
        (
            "store.mark",
            r#"{"container": "ostro-keeper", "object": "own/a", "name": "a", "value": "x\r\ny: z"}"#,
            "invalid: the value of header",
        ),
    ] {
        let came = call(action, input).await;
        assert!(came.error().starts_with(said), "{input}: {}", came.error());
        assert!(came.sent.is_empty(), "{input}");
        if said.starts_with("denied") {
            assert!(
                came.said.contains("object-store:\n    - container: "),
                "{}",
                came.said
            );
        }
    }
}

#[tokio::test]
async fn a_guest_holds_so_many_objects_and_no_more() {
    let cloud = Echo::with("/ostro-keeper/own/a", "0123456789");
    let input = r#"{"container": "ostro-keeper", "object": "own/a", "times": 20}"#;
    let came = call_at(&cloud, "store.hold", input).await;
    assert!(came.said.contains("exhausted: 16 readers"), "{}", came.said);
    assert_eq!(came.value(), Value::from(16));
}

#[tokio::test]
async fn an_action_that_defers_goes_on_elsewhere_unless_it_fails() {
    let came = call("work.hand_over", r#"{"fail": false}"#).await;
    assert_eq!(came.result, Ok(Ended::Deferred));
    assert_eq!(came.recording.outcome, Some("deferred".into()));
    assert_eq!(came.said, "info: somebody else does key-1");
    let came = call("work.hand_over", r#"{"fail": true}"#).await;
    assert_eq!(came.error(), "nobody wants to do it");
}
