//! Recordings, replays and tests of packs: the real binary with the stock pack, against an Ironic
//! that is gone afterwards.

#![expect(clippy::unwrap_used, reason = "a test says no better what is wrong")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const ID: &str = "931c9f64-0c35-4c3e-9f0c-0d8b1b3b7a11";
const PASSWORD: &str = "hunter2-and-more";

/// The stock pack, built once a run. Cargo sees whether there is anything to do.
fn pack() -> &'static Path {
    static PACK: LazyLock<PathBuf> = LazyLock::new(|| {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/tripleo");
        let mut build = Command::new(env!("CARGO_BIN_EXE_ostro"));
        let output = build.args(["pack", "build"]).arg(&pack).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        pack.canonicalize().unwrap()
    });
    &PACK
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A machine of its own: a home, and perhaps an Ironic.
struct Machine {
    home: tempfile::TempDir,
    endpoint: Option<String>,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let endpoint = None;
        Self { home, endpoint }
    }

    fn ostro(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostro"));
        command
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .args(words);
        if let Some(endpoint) = &self.endpoint {
            command
                .env("OS_AUTH_TYPE", "none")
                .env("OS_ENDPOINT", endpoint);
        }
        command.output().unwrap()
    }

    /// As [`Machine::ostro`]; what it prints, if it exits with `status`.
    fn prints(&self, status: i32, words: &[&str]) -> String {
        let output = self.ostro(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
        text(&output.stdout)
    }

    /// Registers a node in an Ironic that is gone then, recorded in `dir`; the recording's file.
    fn register(&mut self, name: &str, dir: &str) -> PathBuf {
        let ironic = Ironic::start();
        self.endpoint = Some(ironic.endpoint.clone());
        let nodes = serde_json::json!([{
            "name": name, "pm_type": "ipmi", "pm_addr": "10.0.0.1", "pm_user": "admin",
            "pm_password": PASSWORD, "mac": ["52:54:00:00:00:01"], "cpu": "4",
            "memory": "8192", "disk": "40", "arch": "x86_64",
        }]);
        let input = format!("nodes_json={nodes}");
        let record = format!("--record={dir}");
        let action = "tripleo.baremetal.register_or_update_nodes";
        let pack = pack().display().to_string();
        let words = [
            "action", "run", action, "-i", &input, "--pack", &pack, &record,
        ];
        let given = self.prints(0, &words);
        assert!(given.contains(ID), "{given}");
        drop(ironic);
        self.endpoint = None;
        let mut files: Vec<PathBuf> = fs::read_dir(self.home.path().join(dir))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// As much of Ironic as registering a node takes.
struct Ironic {
    endpoint: String,
    port: u16,
    stop: Arc<AtomicBool>,
}

impl Ironic {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let node = Arc::new(Mutex::new(None));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let node = Arc::clone(&node);
                thread::spawn(move || answer(stream, &node));
            }
        });
        Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            port,
            stop,
        }
    }
}

impl Drop for Ironic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn answer(mut stream: TcpStream, node: &Mutex<Option<serde_json::Value>>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(size @ 1..) = stream.read(&mut chunk) {
        request.extend_from_slice(&chunk[..size]);
        let all = text(&request);
        let Some((head, body)) = all.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let line = line.to_lowercase();
            line.strip_prefix("content-length:")?.trim().parse().ok()
        });
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let words: Vec<&str> = head.split(' ').collect();
        let path = words[1].split('?').next().unwrap();
        let body = match (words[0], path) {
            ("GET", "/v1/nodes") => r#"{"nodes": []}"#.to_owned(),
            ("GET", "/v1/ports") => r#"{"ports": []}"#.to_owned(),
            ("POST", "/v1/nodes") => {
                let mut created: serde_json::Value = serde_json::from_str(body).unwrap();
                created["uuid"] = ID.into();
                created["provision_state"] = "enroll".into();
                *node.lock().unwrap() = Some(created.clone());
                created.to_string()
            }
            ("GET", path) if path.ends_with("/validate") => {
                r#"{"power": {"result": true}, "management": {"result": true}}"#.to_owned()
            }
            ("GET", path) if path.ends_with(ID) => {
                node.lock().unwrap().clone().unwrap_or_default().to_string()
            }
            _ => "{}".to_owned(),
        };
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        return;
    }
}

#[test]
fn the_stock_pack_passes_its_own_tests() {
    let pack = pack().display().to_string();
    let output = Machine::new().ostro(&["pack", "test", &pack]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}{}", text(&output.stderr));
    assert!(printed.ends_with(" passed, 0 failed\n"), "{printed}");
    assert!(printed.lines().count() > 8, "{printed}");
}

#[test]
fn a_recorded_action_runs_again_with_no_cloud() {
    let mut machine = Machine::new();
    let file = machine.register("n1", "kept");
    let path = file.display().to_string();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let recorded = fs::read_to_string(&file).unwrap();
    assert!(!recorded.contains(PASSWORD), "{recorded}");
    assert!(recorded.contains("\"ipmi_password\": \"[secret 1]\""));

    let printed = machine.prints(0, &["action", "replay", &path]);
    assert!(printed.contains(": the same ("), "{printed}");

    // Ironic says something else: the action asks for something else then.
    let other = recorded.replace(r#""nodes": []"#, r#""nodes": 7"#);
    assert_ne!(other, recorded);
    fs::write(&file, other).unwrap();
    let printed = machine.prints(1, &["action", "replay", &path]);
    for part in ["different, first at", "  recorded: ", "  now:"] {
        assert!(printed.contains(part), "{printed}");
    }
    let printed = machine.prints(1, &["action", "replay", &path, "--output", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(answer["same"], false);
    assert!(answer["difference"]["place"].is_string(), "{answer}");
}

#[test]
fn a_recording_becomes_a_test() {
    let mut machine = Machine::new();
    let file = machine.register("n1", "kept").display().to_string();
    let copy = machine.home.path().join("copy");
    for part in ["build", "wit/deps/validations"] {
        fs::create_dir_all(copy.join(part)).unwrap();
    }
    for part in [
        "pack.yaml",
        "build/actions.wasm",
        "build/validations.wasm",
        "wit/baremetal.wit",
        "wit/deps/validations/nodes.wit",
    ] {
        fs::copy(pack().join(part), copy.join(part)).unwrap();
    }
    machine.prints(
        0,
        &[
            "action",
            "replay",
            &file,
            "--pack",
            "copy",
            "--save-test",
            "copy",
        ],
    );
    let saved = copy.join("tests/recordings");
    let saved = fs::read_dir(saved).unwrap().next().unwrap().unwrap().path();
    let recorded = fs::read_to_string(&saved).unwrap();
    assert!(!recorded.contains("\"source\""), "{recorded}");
    let printed = machine.prints(0, &["pack", "test", "copy"]);
    assert!(printed.ends_with("1 passed, 0 failed\n"), "{printed}");

    // What the manifest does not ask for, a test cannot rely on.
    let manifest = fs::read_to_string(copy.join("pack.yaml")).unwrap();
    let less = manifest.replace("/v1/nodes, /v1/ports", "/v1/nodes");
    fs::write(copy.join("pack.yaml"), less).unwrap();
    let printed = machine.prints(1, &["pack", "test", "copy"]);
    assert!(
        printed.contains("is not granted; to allow it, add"),
        "{printed}"
    );

    let other = recorded.replacen("\"cpu\": \"4\"", "\"cpu\": \"5\"", 1);
    fs::write(&saved, other).unwrap();
    fs::write(copy.join("pack.yaml"), manifest).unwrap();
    let printed = machine.prints(1, &["pack", "test", "copy"]);
    let path = "host call 4, openstack.send: body.json.properties.cpus";
    assert!(printed.contains(path), "{printed}");
    assert!(printed.contains("expected: \"4\"") && printed.contains("came:     \"5\""));
}

#[test]
fn the_smallest_grants_are_those_that_the_runs_needed() {
    let mut machine = Machine::new();
    machine.register("n1", "one");
    machine.register("n2", "two");
    let grants = machine.prints(0, &["pack", "grants", "--from", "one", "two"]);
    for paths in ["- /v1/nodes/*/validate\n", "- /v1/nodes\n  - /v1/ports\n"] {
        assert!(grants.contains(paths), "{grants}");
    }
    assert!(
        !grants.contains(ID) && !grants.contains("PATCH"),
        "{grants}"
    );
    // The same again, with these grants alone.
    fs::write(machine.home.path().join("grants.yaml"), &grants).unwrap();
    let ironic = Ironic::start();
    machine.endpoint = Some(ironic.endpoint.clone());
    let nodes = r#"nodes_json=[{"name": "n3", "pm_type": "fake-hardware"}]"#;
    let action = "tripleo.baremetal.register_or_update_nodes";
    let pack = pack().display().to_string();
    machine.prints(
        0,
        &[
            "action",
            "run",
            action,
            "-i",
            nodes,
            "--pack",
            &pack,
            "--grants",
            "grants.yaml",
        ],
    );
}

#[test]
fn a_run_keeps_its_recordings_with_it() {
    let machine = Machine::new();
    let workflow = "version: '2.0'\ncheck:\n  tasks:\n    check:\n      \
        action: tripleo.baremetal.validate_nodes\n      input:\n        nodes_json:\n          \
        - {pm_type: fake-hardware, mac: ['52:54:00:00:00:01']}\n";
    fs::write(machine.home.path().join("check.yaml"), workflow).unwrap();
    let pack = pack().display().to_string();
    let id = "0b0c9f64-0c35-4c3e-9f0c-0d8b1b3b7a22";
    let words = ["run", "check.yaml", "--pack", &pack, "--record", "--id", id];
    let output = machine.ostro(&words);
    let said = text(&output.stderr);
    let folder = machine.home.path().join(".local/state/ostro/runs").join(id);
    let mut files = fs::read_dir(folder.join("recordings")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(said.contains("recorded an action execution in "), "{said}");
    let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
    let printed = machine.prints(0, &["action", "replay", &stem[..8]]);
    assert!(printed.contains("validate_nodes: the same"), "{printed}");
    machine.prints(0, &["execution", "delete", id]);
    assert!(!folder.exists());
}

#[test]
fn what_runs_again_is_recorded_where_that_is_asked_for() {
    let machine = Machine::new();
    let workflow = "version: '2.0'\ncheck:\n  tasks:\n    check:\n      \
        action: tripleo.baremetal.validate_nodes\n      input:\n        nodes_json:\n          \
        - {pm_type: nonsense}\n";
    fs::write(machine.home.path().join("check.yaml"), workflow).unwrap();
    let pack = pack().display().to_string();
    let id = "0b0c9f64-0c35-4c3e-9f0c-0d8b1b3b7a33";
    machine.prints(1, &["run", "check.yaml", "--pack", &pack, "--id", id]);
    machine.prints(1, &["execution", "rerun", id, "check", "--record=again"]);
    let again = machine.home.path().join("again");
    let file = fs::read_dir(again).unwrap().next().unwrap().unwrap().path();
    let file = file.display().to_string();
    let printed = machine.prints(0, &["action", "replay", &file]);
    assert!(printed.contains("validate_nodes: the same"), "{printed}");
}
