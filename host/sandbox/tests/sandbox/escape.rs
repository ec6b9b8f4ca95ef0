//! Guests that try to get out: each attempt of `tests/guests/escape/attempts.yaml` is denied, for
//! the reason that it says there.
//!
//! `cargo test -p ostro-sandbox --test sandbox escape -- --nocapture` shows the table.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ostro_core::Value;
use ostro_packs::{Grants, Pack};
use ostro_sandbox::{CallError, LimitKind, LoadedPack, Sandbox, SandboxConfig};
use serde::Deserialize;
use tempfile::TempDir;

use crate::common::{call, escape, escape_python, hostile};
use crate::web::{Server, lookup};

/// What a guest tries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    name: String,
    #[serde(default)]
    guest: Guest,
    #[serde(default)]
    words: Vec<String>,
    /// An action of `hostile`, and its input.
    action: Option<String>,
    #[serde(default)]
    input: BTreeMap<String, u64>,
    /// A component as text.
    wasm: Option<String>,
    error: Option<String>,
    trap: Option<String>,
    limit: Option<String>,
    gives: Option<String>,
    load: Option<String>,
    /// What the operator is told besides.
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Guest {
    #[default]
    Escape,
    EscapePython,
    Checks,
    Hostile,
}

/// Folders that are granted, and what lies around them.
struct Folders {
    all: TempDir,
}

impl Folders {
    fn new() -> Self {
        let all = TempDir::new().unwrap();
        let top = all.path();
        fs::write(top.join("secret.txt"), "a secret").unwrap();
        for folder in ["templates/sub", "writable", "other"] {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        fs::write(top.join("templates/hello.txt"), "hello").unwrap();
        fs::write(top.join("writable/note.txt"), "a note").unwrap();
        for (target, link) in [
            ("../secret.txt", "templates/out"),
            ("/etc/passwd", "templates/absolute"),
            ("..", "templates/above"),
            ("circle", "templates/circle"),
            ("hello.txt", "templates/inside"),
            ("../secret.txt", "writable/out"),
        ] {
            symlink(target, top.join(link)).unwrap();
        }
        let pipe = Command::new("mkfifo")
            .arg(top.join("templates/pipe"))
            .status();
        assert!(pipe.unwrap().success());
        Self { all }
    }

    fn path(&self) -> &Path {
        self.all.path()
    }

    /// The grants of them, in YAML.
    fn grants(&self) -> String {
        let top = self.path().display();
        format!(
            "files:\n\
             - {{path: {top}/templates, mode: ro, as: /templates}}\n\
             - {{path: {top}/writable, mode: rw, as: /writable, max-size: 1MiB, max-files: 20}}\n\
             - {{path: {top}/other, mode: rw, as: /other}}\n"
        )
    }

    /// What is outside is as it was, and nothing inside leads there that did not before.
    fn check(&self, attempt: &str) {
        let top = self.path();
        let secret = fs::read_to_string(top.join("secret.txt")).unwrap();
        assert_eq!(secret, "a secret", "{attempt}");
        let names = |folder: &str| {
            let entries = fs::read_dir(top.join(folder)).unwrap();
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(
            names("."),
            "other secret.txt templates writable",
            "{attempt}"
        );
        let templates = "above absolute circle hello.txt inside out pipe sub";
        assert_eq!(names("templates"), templates, "{attempt}");
        let hello = fs::read_to_string(top.join("templates/hello.txt")).unwrap();
        assert_eq!(hello, "hello", "{attempt}");
        let (mut bytes, mut files) = (0, 0);
        for entry in fs::read_dir(top.join("writable")).unwrap() {
            let entry = entry.unwrap();
            let metadata = fs::symlink_metadata(entry.path()).unwrap();
            let is_link = metadata.is_symlink() && entry.file_name() != "out";
            assert!(!is_link, "{attempt} made {}", entry.path().display());
            (bytes, files) = (bytes + metadata.len(), files + 1);
        }
        assert!(
            bytes <= 1 << 20 && files <= 20,
            "{attempt}: {bytes} {files}"
        );
    }
}

/// The hosts that are granted, in YAML.
fn hosts(port: u16) -> String {
    let public = |host: &str| {
        format!("- {{host: \"{host}\", ports: [{port}], methods: [GET], paths: [/v1/**]}}\n")
    };
    let names = ["localhost", "private.test", "local.test", "mixed.test"];
    let names = names.into_iter().chain(["nat64.test", "*.wild.test"]);
    let addresses = ["127.0.0.1", "[::ffff:127.0.0.1]"];
    let public: String = names.chain(addresses).map(public).collect();
    format!(
        "http:\n{public}\
         - {{host: api.test, ports: [{port}], methods: [GET, POST], paths: [/v1/**], private: true}}\n\
         - {{host: rebind.test, ports: [{port}], methods: [GET], paths: [/v1/**], private: true}}\n\
         - {{host: metadata.test, ports: [80], methods: [GET], paths: [/v1/**], private: true}}\n"
    )
}

/// What a pack asks for, with these folders and hosts.
fn granted(pack: &Pack, more: &str) -> Grants {
    let more = Grants::parse(more, "g").unwrap();
    let mut grants = pack.manifest.grants.clone();
    (grants.files, grants.http) = (more.files, more.http);
    grants
}

/// What a guest came to: the kind of end, and its text.
fn ended(result: Result<Value, CallError>) -> (&'static str, String) {
    match result {
        Ok(value) => match value.get("summary").unwrap_or(&value).as_str() {
            Some(text) => ("gives", text.to_owned()),
            None => ("gives", value.to_string()),
        },
        Err(CallError::Action(value)) => ("error", value.as_str().unwrap_or_default().to_owned()),
        Err(CallError::Trap(text)) => ("trap", text),
        Err(CallError::Limit(limit)) => {
            let kind = match limit.kind {
                LimitKind::Time => "time",
                LimitKind::Memory => "memory",
                LimitKind::HostCalls => "host-calls",
                LimitKind::Input => "input",
                LimitKind::Output => "output",
                LimitKind::Fuel => "fuel",
            };
            ("limit", kind.to_owned())
        }
        Err(other) => ("other", other.to_string()),
    }
}

impl Attempt {
    /// How it has to end.
    fn wanted(&self) -> (&'static str, &str) {
        let ends = [
            ("error", &self.error),
            ("trap", &self.trap),
            ("limit", &self.limit),
            ("gives", &self.gives),
            ("load", &self.load),
        ];
        let mut ends = ends
            .into_iter()
            .filter_map(|(kind, end)| Some((kind, end.as_deref()?)));
        let end = ends.next();
        assert!(ends.next().is_none(), "{}: it has two ends", self.name);
        end.unwrap_or_else(|| panic!("{}: it has no end", self.name))
    }

    fn tried(&self) -> String {
        match (&self.action, &self.wasm) {
            (Some(action), _) => action.clone(),
            (_, Some(wasm)) => wasm.clone(),
            _ => self.words.join(" "),
        }
    }
}

/// Loads a component of one core module.
fn load_wasm(sandbox: &Sandbox, text: &str) -> String {
    let dir = TempDir::new().unwrap();
    let manifest = "{name: features, version: 0.1.0, components: [{name: a, path: a.wasm}]}";
    fs::write(dir.path().join("pack.yaml"), manifest).unwrap();
    fs::write(dir.path().join("a.wasm"), wat::parse_str(text).unwrap()).unwrap();
    let pack = match Pack::open(dir.path()) {
        Ok(pack) => pack,
        Err(error) => return error.to_string(),
    };
    match sandbox.load(&pack, &Grants::default()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// A sandbox whose names lead where the tests want.
fn sandbox(port: u16, found: &Arc<AtomicUsize>) -> Sandbox {
    Sandbox::new(SandboxConfig {
        lookup: lookup(port, found),
        ..SandboxConfig::default()
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_attempt_to_escape_is_denied_for_its_reason() {
    let text = fs::read_to_string(crate::common::guests().join("escape/attempts.yaml")).unwrap();
    let attempts: Vec<Attempt> = serde_yaml::from_str(&text).unwrap();
    let server = Server::start().await;
    let found = Arc::new(AtomicUsize::new(0));
    let sandbox = sandbox(server.port, &found);
    let folders = Folders::new();
    let load = |pack: &Pack, more: &str| -> LoadedPack {
        sandbox.load(pack, &granted(pack, more)).unwrap()
    };
    let escape = load(escape(), &(folders.grants() + &hosts(server.port)));
    let python = load(escape_python(), &folders.grants());
    let hostile = load(hostile(), "");
    let mut wrong = Vec::new();
    for attempt in &attempts {
        let begin = Instant::now();
        let (ended, notes) = if let Some(wasm) = &attempt.wasm {
            (("load", load_wasm(&sandbox, wasm)), String::new())
        } else {
            let port = server.port.to_string();
            let words: Vec<String> = attempt
                .words
                .iter()
                .map(|word| word.replace("PORT", &port))
                .collect();
            let words = serde_json::json!({ "words": words }).to_string();
            let input = serde_json::to_string(&attempt.input).unwrap();
            let folder = serde_json::json!({ "folder": attempt.words.first() }).to_string();
            let called = match (attempt.guest, &attempt.action) {
                (Guest::Escape, _) => call(&escape, "evil.ways.attempt", &words).await,
                (Guest::EscapePython, _) => call(&python, "evil.ways.attempt", &words).await,
                (Guest::Checks, _) => call(&escape, "evil.checks.write_to", &folder).await,
                (Guest::Hostile, Some(action)) => {
                    call(&hostile, &format!("evil.attack.{action}"), &input).await
                }
                (Guest::Hostile, None) => panic!("{}: it has no action", attempt.name),
            };
            (ended(called.result), called.notes)
        };
        let took = begin.elapsed();
        assert!(
            took < Duration::from_mins(2),
            "{} took {took:?}",
            attempt.name
        );
        folders.check(&attempt.name);
        let wanted = attempt.wanted();
        let is_denied = ended.0 == wanted.0
            && ended.1.contains(wanted.1)
            && attempt
                .note
                .as_ref()
                .is_none_or(|note| notes.contains(note));
        let is_denied = is_denied && (wanted.0 != "load" || !ended.1.is_empty());
        let (kind, said) = &ended;
        let line = |text: &str| {
            text.chars()
                .take(100)
                .collect::<String>()
                .replace('\n', " ")
        };
        let tried = line(&attempt.tried());
        println!("{:<55} {tried:<100} {kind}: {}", attempt.name, line(said));
        if !is_denied {
            wrong.push(format!(
                "{attempt:?}\n  ended with {ended:?}\n  notes: {notes}"
            ));
        }
    }
    println!("{} attempts", attempts.len());
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    assert!(attempts.len() >= 40);
    let python = attempts.iter().filter(|a| a.guest == Guest::EscapePython);
    assert!(python.count() >= 5);
    server.check();
    assert_eq!(
        found.load(Ordering::SeqCst),
        1,
        "a name was looked up again"
    );
}

/// What is granted is there: else the attempts above would be denied for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_granted_can_be_done() {
    let server = Server::start().await;
    let found = Arc::new(AtomicUsize::new(0));
    let sandbox = sandbox(server.port, &found);
    let folders = Folders::new();
    let grants = granted(escape(), &(folders.grants() + &hosts(server.port)));
    let pack = sandbox.load(escape(), &grants).unwrap();
    let port = server.port;
    let api = format!("http://api.test:{port}/v1/ok?x=1");
    for (words, gives) in [
        (vec!["folders"], "/other /templates /writable"),
        (vec!["read", "/templates", "hello.txt"], "hello"),
        (vec!["read", "/templates", "inside"], "hello"),
        (vec!["read", "/templates", "sub/../hello.txt"], "hello"),
        (
            vec!["list", "/templates", "."],
            "above absolute circle hello.txt inside out pipe sub",
        ),
        (vec!["write", "/writable", "new.txt"], "written"),
        (vec!["read", "/writable", "new.txt"], "escaped"),
        (
            vec!["rename", "/writable", "new.txt", "/writable", "newer.txt"],
            "renamed",
        ),
        (vec!["delete", "/writable", "newer.txt"], "deleted"),
        (vec!["make-folder", "/writable", "folder"], "made"),
        (vec!["fill", "/writable", "much", "10"], "filled"),
        (vec!["touch", "/writable", "note.txt"], "touched"),
        (vec!["http", "GET", &api], "200 [content-length] ok"),
        (
            vec!["http-header", "GET", &api, "Authorization", "Bearer x"],
            "200 [content-length] ok",
        ),
        (vec!["http-upload", &api, "8192"], "200 [content-length] ok"),
    ] {
        let input = serde_json::json!({ "words": words }).to_string();
        let called = call(&pack, "evil.ways.attempt", &input).await;
        assert_eq!(called.result, Ok(Value::from(gives)), "{words:?}");
    }
    assert_eq!(
        fs::read(folders.path().join("writable/much"))
            .unwrap()
            .len(),
        40_960
    );
    let seen = server.seen();
    assert!(
        seen.iter()
            .any(|line| line.contains("authorization: Bearer x"))
    );
    assert!(seen.iter().any(|line| line.starts_with("POST /v1/ok?x=1")));
}
