//! Recordings and replays: what is kept of a call, and what is found different.

use std::sync::{Arc, Mutex};

use ostro_core::ActionErrorKind;
use ostro_sandbox::{CallError, Recorder, Recording, RecordingError, Replayed};
use serde_json::json;

use crate::common::{FakeCloud, Said, context, hostile, load, map, sandbox};

/// Keeps the last recording.
pub(crate) struct Kept {
    last: Mutex<Option<Recording>>,
    limit: usize,
}

impl Kept {
    /// Of at most `limit` bytes.
    pub(crate) fn within(limit: usize) -> Self {
        let last = Mutex::new(None);
        Self { last, limit }
    }

    /// What was recorded.
    pub(crate) fn take(&self) -> Recording {
        self.last.lock().unwrap().take().unwrap()
    }
}

impl Recorder for Kept {
    fn limit(&self) -> usize {
        self.limit
    }

    fn recorded(&self, recording: Recording) {
        *self.last.lock().unwrap() = Some(recording);
    }
}

/// Records a call of an action, at most `limit` bytes of it.
async fn record_within(limit: usize, action: &str, input: &str) -> Recording {
    let kept = Arc::new(Kept::within(limit));
    let pack = load(hostile()).recorded_by(kept.clone());
    let cloud = Arc::new(FakeCloud::default());
    let said = Arc::new(Said::default());
    let result = pack
        .call(action, &map(input), cloud, &context(), said)
        .await;
    let recording = kept.take();
    let outcome = recording.outcome.as_ref().unwrap();
    assert_eq!(outcome.get("success").is_some(), result.is_ok());
    // It is what a file of it is.
    let text = serde_json::to_string(&recording).unwrap();
    assert_eq!(Recording::parse(&text).unwrap(), recording);
    recording
}

async fn record(action: &str, input: &str) -> Recording {
    record_within(1 << 20, action, input).await
}

async fn replay(recording: &Recording) -> Result<Replayed, RecordingError> {
    let pack = sandbox().load_to_replay(hostile()).unwrap();
    pack.replay(recording).await
}

/// Where the replay of a recording differs first.
async fn difference(recording: &Recording) -> String {
    let difference = replay(recording).await.unwrap().difference;
    difference.map_or_else(String::new, |difference| difference.to_string())
}

const SEND: &str =
    r#"{"service": "baremetal", "method": "GET", "path": "/v1/nodes", "headers": []}"#;

#[tokio::test]
async fn every_interface_is_recorded_and_replayed() {
    for (action, input, call) in [
        ("evil.attack.send", SEND, "openstack.send"),
        (
            "evil.attack.operate",
            r#"{"operation": "ironic.node_list", "arguments": {}}"#,
            "openstack.call",
        ),
        (
            "evil.attack.operate_reading",
            r#"{"operation": "ironic.node_list", "arguments": {}}"#,
            "openstack-read.call",
        ),
        (
            "evil.attack.post",
            r#"{"queue": "no", "body": {"a": 1}}"#,
            "messaging.post",
        ),
        ("evil.attack.log", r#"{"message": "hello"}"#, "log.write"),
        (
            "evil.attack.progress",
            r#"{"percent": 7, "message": "hello"}"#,
            "progress.report",
        ),
        ("evil.attack.look_around", "{}", "execution.get-context"),
        ("evil.attack.call_host", r#"{"times": 3}"#, "clock.now"),
    ] {
        let recording = record(action, input).await;
        let made = recording.calls.iter().any(|made| made.call == call);
        assert!(made, "{action}: {:?}", recording.calls);
        assert_eq!(difference(&recording).await, "", "{action}");
    }
}

#[tokio::test]
async fn traps_and_limits_are_replayed_too() {
    for (action, input) in [
        ("evil.attack.panic", "{}"),
        ("evil.attack.eat_memory", "{}"),
        ("evil.attack.broken_json", "{}"),
        ("evil.attack.call_host", r#"{"times": 1001}"#),
        // It never gets an answer, and its replay does not wait for one.
        ("evil.attack.sleep_for_a_day", "{}"),
        // The component is not even started.
        ("evil.attack.call_host", r#"{"times": "x"}"#),
    ] {
        let recording = record(action, input).await;
        assert!(recording.outcome.as_ref().unwrap().get("error").is_some());
        assert_eq!(difference(&recording).await, "", "{action}");
    }
}

#[tokio::test]
async fn the_first_difference_is_told() {
    let recorded = record("evil.attack.send", SEND).await;
    let edited = |edit: &dyn Fn(&mut Recording)| {
        let mut recording = recorded.clone();
        edit(&mut recording);
        recording
    };
    let path = edited(&|it| it.calls[0].arguments["path"] = "/v1/ports".into());
    assert_eq!(difference(&path).await, "host call 1, openstack.send: path");
    let function = edited(&|it| it.calls[0].call = "openstack.call".into());
    assert_eq!(difference(&function).await, "host call 1");
    let answer = edited(&|it| it.calls[0].answer = Some(json!({"ok": 7})));
    let told = difference(&answer).await;
    assert!(
        told.starts_with("host call 1, openstack.send: answer"),
        "{told}"
    );
    let result = edited(&|it| it.outcome = Some(json!({"success": {}})));
    assert_eq!(difference(&result).await, "the outcome: success.status");
    let added = edited(&|it| it.calls.push(it.calls[0].clone()));
    let missing = replay(&added).await.unwrap().difference.unwrap();
    assert_eq!(missing.to_string(), "host call 2, openstack.send");
    assert_eq!(missing.now, None);
    let one_more = edited(&|it| it.calls.clear());
    let more = replay(&one_more).await.unwrap().difference.unwrap();
    assert_eq!(more.recorded, None);
    assert_eq!(more.now.unwrap()["arguments"]["path"], "/v1/nodes");
}

#[tokio::test]
async fn other_answers_lead_to_another_result() {
    let mut recording = record("evil.attack.send", SEND).await;
    recording.calls[0].answer = Some(json!({"error": {"denied": "not today"}}));
    let replayed = replay(&recording).await.unwrap();
    let outcome = replayed.outcome.unwrap();
    assert_eq!(outcome["error"]["message"], "denied: not today");
    assert!(replayed.difference.is_some());
}

#[tokio::test]
async fn secrets_stay_out_and_their_replay_is_the_same() {
    let input = r#"{"queue": "no", "body": {"password": "hunter2-x", "seen": "is hunter2-x"}}"#;
    let recording = record("evil.attack.post", input).await;
    let text = serde_json::to_string(&recording).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(recording.input["body"]["password"], "[secret 1]");
    assert_eq!(recording.input["body"]["seen"], "is [secret 1]");
    assert_eq!(difference(&recording).await, "");
}

#[tokio::test]
async fn what_is_too_large_is_cut_and_not_replayed() {
    let recording = record_within(300, "evil.attack.call_host", r#"{"times": 100}"#).await;
    assert!(recording.calls.len() < 100);
    assert!(recording.cut.is_some());
    let error = replay(&recording).await.unwrap_err();
    assert!(matches!(error, RecordingError::Cut(_)), "{error}");
}

#[tokio::test]
async fn what_is_no_recording_is_refused() {
    for (text, part) in [
        ("", "no recording"),
        ("{}", "no `format`"),
        (r#"{"format": 2, "more": 1}"#, "format 2"),
        (r#"{"format": 1}"#, "missing field"),
    ] {
        let error = Recording::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let mut recording = record("evil.attack.log", r#"{"message": "x"}"#).await;
    recording.action = "evil.attack.gone".to_owned();
    match replay(&recording).await.unwrap_err() {
        RecordingError::Call(error @ CallError::NoAction { .. }) => {
            assert_eq!(error.kind(), ActionErrorKind::Call);
        }
        other => panic!("{other}"),
    }
}
