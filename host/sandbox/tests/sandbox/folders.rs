//! Folders and hosts that are granted: what is refused at load, what is counted, and what is
//! recorded.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use ostro_core::Value;
use ostro_packs::Grants;
use ostro_sandbox::{CallError, LoadedPack, Recording, Sandbox, SandboxConfig};
use serde_json::json;
use tempfile::TempDir;

use crate::common::{FakeCloud, Said, call, context, escape, map};
use crate::recordings::Kept;
use crate::web::{Server, lookup};

/// The grants of the guest, with these folders.
fn granted(folders: &str) -> Grants {
    let mut grants = escape().manifest.grants.clone();
    grants.files = Grants::parse(&format!("files: {folders}"), "g")
        .unwrap()
        .files;
    grants
}

async fn attempt(pack: &LoadedPack, words: &[&str]) -> Result<Value, CallError> {
    let input = json!({ "words": words }).to_string();
    call(pack, "evil.ways.attempt", &input).await.result
}

#[test]
fn folders_that_nobody_gets_are_refused_at_load() {
    let top = TempDir::new().unwrap();
    let state = top.path().join("state");
    fs::create_dir_all(state.join("runs")).unwrap();
    fs::create_dir(top.path().join("plans")).unwrap();
    fs::write(top.path().join("file"), "").unwrap();
    for (target, link) in [("/", "root"), ("/proc", "kernel"), ("state", "mine")] {
        symlink(target, top.path().join(link)).unwrap();
    }
    let cache = top.path().join("cache");
    let sandbox = Sandbox::new(SandboxConfig {
        closed: vec![state.clone()],
        cache_dir: Some(cache),
        ..SandboxConfig::default()
    })
    .unwrap();
    let load = |path: &Path| {
        let folders = format!("[{{path: {}, as: /x}}]", path.display());
        let loaded = sandbox.load(escape(), &granted(&folders));
        loaded.err().map(|error| error.to_string())
    };
    assert_eq!(load(&top.path().join("plans")), None);
    for (path, part) in [
        ("gone", "there is no such folder"),
        ("file", "it is no folder"),
        ("root", "the root of the file system"),
        ("kernel", "belongs to the kernel"),
        ("state", "ostro keeps its own state in"),
        ("state/runs", "ostro keeps its own state in"),
        ("mine", "ostro keeps its own state in"),
        ("cache", "ostro keeps its own state in"),
    ] {
        let error = load(&top.path().join(path)).unwrap();
        assert!(error.contains(part), "{path}: {error}");
        assert!(error.contains("pack \"escape\" cannot have the folder"));
    }
    // With what is around the state it could be had too.
    let error = load(top.path()).unwrap();
    assert!(error.contains("ostro keeps its own state in"), "{error}");
    for path in ["/proc/self", "/dev", "/sys/kernel"] {
        assert!(load(Path::new(path)).unwrap().contains("kernel"), "{path}");
    }
}

#[tokio::test]
async fn a_folder_is_the_one_that_was_opened_at_load() {
    let top = TempDir::new().unwrap();
    for (folder, text) in [("granted", "granted"), ("other", "other")] {
        fs::create_dir(top.path().join(folder)).unwrap();
        fs::write(top.path().join(folder).join("a"), text).unwrap();
    }
    let path = top.path().join("granted");
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let folders = format!("[{{path: {}, as: /x}}]", path.display());
    let pack = sandbox.load(escape(), &granted(&folders)).unwrap();
    fs::rename(&path, top.path().join("moved")).unwrap();
    symlink("other", &path).unwrap();
    let read = attempt(&pack, &["read", "/x", "a"]).await;
    assert_eq!(read, Ok(Value::from("granted")));
}

#[tokio::test]
async fn the_limits_of_a_folder_hold_over_calls_and_packs_and_what_is_deleted_counts_no_more() {
    let top = TempDir::new().unwrap();
    fs::write(top.path().join("there"), vec![0; 60 << 10]).unwrap();
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let load = || {
        let path = top.path().display();
        let folders =
            format!("[{{path: {path}, mode: rw, as: /x, max-size: 100KiB, max-files: 4}}]");
        sandbox.load(escape(), &granted(&folders)).unwrap()
    };
    let (one, other) = (load(), load());
    // 60 KiB are there; 40 more fit, whoever writes them.
    let filled = attempt(&one, &["fill", "/x", "a", "6"]).await;
    assert_eq!(filled, Ok(Value::from("filled")));
    let error = attempt(&other, &["fill", "/x", "b", "6"])
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "insufficient-space after 4");
    let error = attempt(&one, &["write", "/x", "c"]).await.unwrap_err();
    assert_eq!(error.to_string(), "insufficient-space");
    let deleted = attempt(&one, &["delete", "/x", "a"]).await;
    assert_eq!(deleted, Ok(Value::from("deleted")));
    let filled = attempt(&other, &["fill", "/x", "a", "6"]).await;
    assert_eq!(filled, Ok(Value::from("filled")));
    // The empty file that was made of the one that did not fit is the fourth.
    let error = attempt(&other, &["make-folder", "/x", "d"])
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "insufficient-space");
    let size = |name: &str| fs::metadata(top.path().join(name)).map_or(0, |it| it.len());
    let total: u64 = ["there", "a", "b", "c", "d"].map(size).iter().sum();
    assert!(total <= 100 << 10, "{total}");
}

/// Many writers at once, over and over: never more than the folder may hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_once_do_not_write_more_together() {
    let top = TempDir::new().unwrap();
    let path = top.path().display();
    let folders = format!("[{{path: {path}, mode: rw, as: /x, max-size: 64KiB}}]");
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let pack = sandbox.load(escape(), &granted(&folders)).unwrap();
    for _ in 0..5 {
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let pack = pack.clone();
                let file = format!("file-{number}");
                tokio::spawn(async move {
                    _ = attempt(&pack, &["fill", "/x", &file, "10"]).await;
                    _ = attempt(&pack, &["write", "/x", &file]).await;
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let entries = fs::read_dir(top.path()).unwrap();
        let total: u64 = entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!((60 << 10..=64 << 10).contains(&total), "{total}");
        attempt(&pack, &["delete", "/x", "file-0"]).await.ok();
        attempt(&pack, &["delete", "/x", "file-1"]).await.ok();
    }
}

/// Records one attempt.
async fn record(pack: &LoadedPack, words: &[&str]) -> Recording {
    let kept = Arc::new(Kept::within(1 << 20));
    let pack = pack.recorded_by(kept.clone());
    let input = map(&json!({ "words": words }).to_string());
    let (cloud, said) = (Arc::new(FakeCloud::default()), Arc::new(Said::default()));
    _ = pack
        .call("evil.ways.attempt", &input, cloud, &context(), said)
        .await;
    kept.take()
}

#[tokio::test]
async fn a_recording_says_which_folders_were_used_and_that_they_are_not_recorded() {
    let top = TempDir::new().unwrap();
    fs::create_dir(top.path().join("a")).unwrap();
    fs::create_dir(top.path().join("b")).unwrap();
    fs::write(top.path().join("a/hello"), "hello").unwrap();
    let path = top.path().display();
    let folders =
        format!("[{{path: {path}/a, mode: rw, as: /a}}, {{path: {path}/b, mode: rw, as: /b}}]");
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let pack = sandbox.load(escape(), &granted(&folders)).unwrap();
    let used = |recording: &Recording| -> Vec<String> {
        let folders = recording.folders.iter();
        folders
            .map(|folder| format!("{} {}", folder.guest, folder.mode.as_str()))
            .collect()
    };
    let recording = record(&pack, &["read", "/a", "hello"]).await;
    assert_eq!(used(&recording), ["/a ro"]);
    let told: Vec<_> = recording.not_recorded.iter().collect();
    assert!(told.iter().any(|it| it.starts_with("wasi:filesystem/")));
    let recording = record(&pack, &["write", "/b", "new"]).await;
    assert_eq!(used(&recording), ["/b rw"]);
    assert!(used(&record(&pack, &["folders"]).await).is_empty());
    // A replay has no folders, and so writes nothing.
    fs::remove_file(top.path().join("b/new")).unwrap();
    let player = sandbox.load_to_replay(escape()).unwrap();
    let replayed = player.replay(&recording).await.unwrap();
    assert_eq!(
        replayed.outcome.unwrap()["error"]["value"],
        "no folder is seen as /b"
    );
    assert!(replayed.difference.is_some());
    assert!(!top.path().join("b/new").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_by_http_are_recorded_and_replayed_without_their_host() {
    let server = Server::start().await;
    let port = server.port;
    let sandbox = Sandbox::new(SandboxConfig {
        lookup: lookup(port, &Arc::new(AtomicUsize::new(0))),
        ..SandboxConfig::default()
    })
    .unwrap();
    let mut grants = escape().manifest.grants.clone();
    let hosts = format!(
        "http: [{{host: api.test, ports: [{port}], methods: [GET, POST], paths: [/v1/**], \
         private: true}}]"
    );
    grants.http = Grants::parse(&hosts, "g").unwrap().http;
    let pack = sandbox.load(escape(), &grants).unwrap();
    let player = sandbox.load_to_replay(escape()).unwrap();
    let ask = |path: &str| format!("http://api.test:{port}{path}");
    let json = ask("/v1/json?x=1");
    for words in [
        vec![
            "http-header",
            "GET",
            &json,
            "Authorization",
            "Bearer s3cr3t-token",
        ],
        vec!["http-upload", &ask("/v1/ok"), "8192"],
        vec!["http-many", &ask("/v1/ok"), "5"],
        vec!["http-hoard", &ask("/v1/ok"), "3"],
        vec!["http", "GET", &ask("/v1/bomb")],
        vec!["http", "GET", &ask("/v2/no")],
        vec!["http", "GET", "https://elsewhere.test/"],
        vec!["http", "GET", &ask("/v1/slow")],
        vec!["http-unfinished", &ask("/v1/ok")],
    ] {
        let recording = record(&pack, &words).await;
        assert!(recording.calls.iter().any(|call| call.call == "http.send"));
        let text = serde_json::to_string(&recording).unwrap();
        assert_eq!(Recording::parse(&text).unwrap(), recording);
        for secret in ["s3cr3t-token", "t0k3n-of-the-server"] {
            assert!(!text.contains(secret), "{text}");
        }
        let before = server.seen().len();
        let replayed = player.replay(&recording).await.unwrap();
        assert_eq!(replayed.difference, None, "{words:?}: {text}");
        assert_eq!(server.seen().len(), before, "{words:?} asked the server");
    }
    let recording = record(&pack, &["http", "GET", &ask("/v1/ok?api_key=s3cr3t-key")]).await;
    let text = serde_json::to_string(&recording).unwrap();
    assert!(!text.contains("s3cr3t-key"), "{text}");
    let mut recording = record(&pack, &["http", "GET", &ask("/v1/ok")]).await;
    let answer = recording.calls[0].answer.clone().unwrap();
    assert_eq!(answer["ok"]["status"], 200);
    assert_eq!(answer["private"], true);
    recording.calls[0].arguments["url"] = "http://other.test/".into();
    let difference = player.replay(&recording).await.unwrap().difference;
    assert_eq!(
        difference.unwrap().to_string(),
        "host call 1, http.send: url"
    );
    let mut upload = record(&pack, &["http-upload", &ask("/v1/ok"), "4096"]).await;
    upload.calls[0].arguments["body"] = json!({"text": "x"});
    let difference = player.replay(&upload).await.unwrap().difference;
    assert_eq!(
        difference.unwrap().to_string(),
        "host call 1, http.send: body.text"
    );
}
