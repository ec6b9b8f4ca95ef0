//! `std.ssh`, `std.ssh_proxied` and `std.wait_ssh` against OpenSSH.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use ostro_actions::{Registry, SshOptions};
use ostro_core::ActionErrorKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{self, call, error, outcome, program, result};
use crate::mistral;

const PASSWORD: &str = "s3cr3t-of-the-test";
const PASSPHRASE: &str = "s3cr3t-of-the-key";

/// Two servers of OpenSSH on the same port of two loopback addresses, the user who may log in
/// there, and the keys.
struct Machines {
    folder: TempDir,
    port: u16,
    user: String,
    servers: Vec<Child>,
}

/// The machine that is logged in to, and the one that is only reached through it.
const GATEWAY: &str = "127.0.0.1";
const BEHIND: &str = "127.0.0.2";

impl Machines {
    fn start() -> Self {
        let sshd = program("/usr/sbin/sshd", "openssh-server");
        program("/usr/bin/nc", "netcat-openbsd");
        let useradd = program("/usr/sbin/useradd", "passwd");
        fs::create_dir_all("/run/sshd").expect("the tests of SSH run as root");
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let user = format!("ostro-test-{}", std::process::id());
        run(Command::new(useradd).args([
            "--no-create-home",
            "--home-dir",
            "/",
            "--shell",
            "/bin/sh",
            &user,
        ]));
        // `chpasswd` reads the password from its input: it is in no list of processes.
        let mut chpasswd = Command::new("/usr/sbin/chpasswd")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let line = format!("{user}:{PASSWORD}\n");
        std::io::Write::write_all(&mut chpasswd.stdin.take().unwrap(), line.as_bytes()).unwrap();
        assert!(chpasswd.wait().unwrap().success());
        let mut machines = Self {
            port: free_port(),
            folder,
            user,
            servers: Vec::new(),
        };
        let mut authorized = String::new();
        for (name, kind, passphrase) in [
            ("ed25519", "ed25519", ""),
            ("rsa", "rsa", ""),
            ("ecdsa", "ecdsa", ""),
            ("locked", "ed25519", PASSPHRASE),
        ] {
            authorized += &machines.make_key(name, kind, passphrase);
        }
        machines.make_key("stranger", "ed25519", "");
        // Older keys are in a format of their own.
        let pem = machines.make_key_in("old", "rsa", &["-m", "PEM"]);
        authorized += &pem;
        fs::write(machines.path("authorized_keys"), authorized).unwrap();
        for address in [GATEWAY, BEHIND] {
            machines.serve(&sshd, address);
        }
        machines
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A key pair: gives the public key.
    fn make_key(&self, name: &str, kind: &str, passphrase: &str) -> String {
        self.make_key_in(name, kind, &["-N", passphrase])
    }

    fn make_key_in(&self, name: &str, kind: &str, more: &[&str]) -> String {
        let file = self.path(name);
        let mut command = Command::new(program("/usr/bin/ssh-keygen", "openssh-client"));
        command
            .args(["-q", "-t", kind, "-C", name, "-f"])
            .arg(&file);
        if !more.contains(&"-N") {
            command.args(["-N", ""]);
        }
        run(command.args(more));
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    fn serve(&mut self, sshd: &Path, address: &str) {
        self.make_key(&format!("host-{address}"), "ed25519", "");
        let config = self.path(&format!("config-{address}"));
        let text = format!(
            "Port {}\nListenAddress {address}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication no\nUsePAM no\n\
             StrictModes no\nMaxAuthTries 20\nAllowUsers {}\nLogLevel ERROR\n",
            self.port,
            self.path(&format!("host-{address}")).display(),
            self.path("authorized_keys").display(),
            self.user,
        );
        fs::write(&config, text).unwrap();
        let server = Command::new(sshd)
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.servers.push(server);
        let is_up = || std::net::TcpStream::connect((address, self.port)).is_ok();
        for _ in 0..100 {
            if is_up() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("sshd does not listen on {address}:{}", self.port);
    }

    fn key(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A registry that knows the port, with a folder of keys.
    fn registry(&self, folder: &Path) -> Registry {
        let mut options = SshOptions::default();
        options.port = self.port;
        options.key_folder = Some(folder.to_owned());
        options.timeout = Duration::from_secs(20);
        options.max_output_bytes = 1 << 20;
        Registry::builder().ssh(options).build().unwrap()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for server in &mut self.servers {
            _ = server.kill();
            _ = server.wait();
        }
        // The last session may not have ended yet, which is no reason to keep the user.
        _ = Command::new("/usr/sbin/userdel")
            .args(["--force", &self.user])
            .output();
    }
}

fn run(command: &mut Command) {
    if let Err(problem) = common::run(command) {
        panic!("{problem}");
    }
}

/// A port that is free on both addresses.
fn free_port() -> u16 {
    for _ in 0..20 {
        let listener = TcpListener::bind((GATEWAY, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if TcpListener::bind((BEHIND, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free on both {GATEWAY} and {BEHIND}");
}

/// One test, so that one pair of servers does.
#[tokio::test(flavor = "multi_thread")]
async fn commands_run_on_other_machines() {
    // No agent of whoever runs the tests may help.
    static NO_AGENT: OnceLock<bool> = OnceLock::new();
    assert!(
        *NO_AGENT.get_or_init(|| std::env::var_os("SSH_AUTH_SOCK").is_none()),
        "SSH_AUTH_SOCK is set: run the tests without it"
    );
    let machines = tokio::task::spawn_blocking(Machines::start).await.unwrap();
    let empty = tempfile::tempdir().unwrap();
    let registry = machines.registry(empty.path());
    outcomes_are_those_of_mistral(&machines, &registry, empty.path()).await;
    keys_are_found_by_name_and_by_default(&machines).await;
    hosts_behind_a_gateway_are_reached(&machines, &registry).await;
    a_proxy_command_has_to_be_allowed(&machines, empty.path()).await;
    failures_say_why_and_hold_no_secret(&machines, &registry).await;
    output_is_bounded(&machines, &registry).await;
}

async fn outcomes_are_those_of_mistral(machines: &Machines, registry: &Registry, home: &Path) {
    let ssh = |more: Value| {
        let mut input = json!({
            "cmd": "echo out; echo err >&2; exit 0",
            "host": GATEWAY,
            "username": machines.user,
            "password": PASSWORD,
        });
        let entries = input.as_object_mut().unwrap();
        entries.extend(more.as_object().unwrap().clone());
        entries.retain(|_, value| *value != "left out");
        ("std.ssh", "SSHAction", input)
    };
    let key = |name: &str| json!({"password": "left out", "private_key": machines.key(name)});
    let calls = [
        ssh(json!({})),
        ssh(json!({"cmd": "exit 3"})),
        ssh(json!({"cmd": "exit 3", "return_result_on_error": true})),
        ssh(json!({"cmd": "echo out; echo err >&2; exit 7", "return_result_on_error": true})),
        ssh(json!({"cmd": "kill -9 $$"})),
        ssh(json!({"cmd": "kill -9 $$", "return_result_on_error": true})),
        ssh(json!({"cmd": "printf '\\303\\251'"})),
        ssh(json!({"cmd": "printf '\\377'"})),
        ssh(json!({"cmd": "yes x | head -c 300000 | wc -c"})),
        ssh(json!({"host": [GATEWAY, BEHIND], "cmd": "echo $SSH_CONNECTION | cut -d' ' -f3"})),
        ssh(json!({"host": [BEHIND], "cmd": "echo $SSH_CONNECTION | cut -d' ' -f3"})),
        ssh(json!({"host": []})),
        ssh(json!({"host": [GATEWAY, BEHIND], "cmd": "exit 1", "return_result_on_error": true})),
        ssh(json!({"password": "wrong"})),
        ssh(json!({"password": "left out"})),
        ssh(json!({"username": "nobody-here"})),
        ssh(json!({"host": "127.0.0.99"})),
        ssh(json!({"host": "no-such-host.invalid", "return_result_on_error": true})),
        ssh(key("ed25519")),
        ssh(key("rsa")),
        ssh(key("ecdsa")),
        ssh(key("old")),
        ssh(key("stranger")),
        ssh(json!({"private_key": machines.key("locked"), "password": PASSPHRASE})),
        ssh(json!({"private_key": machines.key("locked"), "password": "wrong"})),
        ssh(json!({"private_key": "no key at all"})),
        ssh(json!({"private_key_filename": "../id_rsa"})),
        ssh(json!({"private_key_filename": "no-such-file"})),
        ssh(json!({"private_key_filename": machines.path("rsa"), "password": "left out"})),
    ];
    let asked: Value = calls
        .iter()
        .map(|(_, class, input)| json!([class, input]))
        .collect();
    let (home, port) = (home.to_owned(), machines.port);
    let theirs = tokio::task::spawn_blocking(move || mistral::run(&asked, &home, port))
        .await
        .unwrap();
    let mut different = Vec::new();
    for ((action, _, input), theirs) in calls.iter().zip(theirs) {
        let ours = outcome(&call(registry, action, input).await);
        // What Mistral raises is the value of the error.
        let theirs = match theirs.get("raised") {
            Some(words) => json!({"error": words}),
            None => theirs,
        };
        let same = ours == theirs
            // This one is refused by its name, and Mistral does not get to its own words.
            || theirs["error"].as_str().is_some_and(|words| words.contains("must not contain"));
        if !same {
            different.push(format!("{input}:\n  {ours}\n  {theirs}"));
        }
    }
    assert!(different.is_empty(), "\n{}\n", different.join("\n"));
}

async fn keys_are_found_by_name_and_by_default(machines: &Machines) {
    let folder = tempfile::tempdir().unwrap();
    let registry = machines.registry(folder.path());
    let input = json!({"cmd": "echo in", "host": GATEWAY, "username": machines.user});
    let refused = error(&registry, "std.ssh", &input).await;
    assert_eq!(refused.kind, ActionErrorKind::Host);
    fs::copy(machines.path("ecdsa"), folder.path().join("id_ecdsa")).unwrap();
    assert_eq!(result(&registry, "std.ssh", &input).await, "in\n");

    fs::remove_file(folder.path().join("id_ecdsa")).unwrap();
    fs::copy(machines.path("rsa"), folder.path().join("of-the-rack")).unwrap();
    let mut named = input.clone();
    named["private_key_filename"] = "of-the-rack".into();
    assert_eq!(result(&registry, "std.ssh", &named).await, "in\n");
}

async fn hosts_behind_a_gateway_are_reached(machines: &Machines, registry: &Registry) {
    let input = json!({
        "cmd": "echo $SSH_CONNECTION | cut -d' ' -f3",
        "host": BEHIND,
        "username": machines.user,
        "private_key_filename": null,
        "private_key": machines.key("ed25519"),
        "gateway_host": GATEWAY,
    });
    assert_eq!(
        result(registry, "std.ssh_proxied", &input).await,
        format!("{BEHIND}\n")
    );

    let mut both = input.clone();
    both["host"] = json!([BEHIND, GATEWAY]);
    both["gateway_username"] = machines.user.clone().into();
    assert_eq!(
        result(registry, "std.ssh_proxied", &both).await,
        json!([format!("{BEHIND}\n"), format!("{GATEWAY}\n")])
    );

    let mut nowhere = input.clone();
    nowhere["host"] = "127.0.0.99".into();
    let failed = error(registry, "std.ssh_proxied", &nowhere).await;
    assert_eq!(failed.kind, ActionErrorKind::Host);
    assert!(
        failed.message.contains("127.0.0.99 behind 127.0.0.1"),
        "{failed}"
    );

    let mut injected = input.clone();
    injected["host"] = "x; touch /tmp/owned".into();
    let failed = error(registry, "std.ssh_proxied", &injected).await;
    assert_eq!(failed.kind, ActionErrorKind::Call);

    // The password opens no door here, as in Mistral.
    let mut with_password = input;
    with_password["private_key"] = Value::Null;
    with_password["password"] = PASSWORD.into();
    let failed = error(registry, "std.ssh_proxied", &with_password).await;
    assert_eq!(failed.kind, ActionErrorKind::Host);
}

async fn a_proxy_command_has_to_be_allowed(machines: &Machines, folder: &Path) {
    let input = json!({
        "cmd": "echo in",
        "host": BEHIND,
        "username": machines.user,
        "private_key_filename": machines.path("ed25519"),
        "gateway_host": "not looked up",
        "proxy_command": format!("nc {GATEWAY} '{}'", machines.port),
    });
    let refused = error(&machines.registry(folder), "std.ssh_proxied", &input).await;
    assert_eq!(refused.kind, ActionErrorKind::Call);
    assert!(refused.message.contains("does not allow"), "{refused}");

    let mut options = SshOptions::default();
    options.port = machines.port;
    options.key_folder = Some(folder.to_owned());
    options.proxy_commands = true;
    let registry = Registry::builder().ssh(options).build().unwrap();
    assert_eq!(result(&registry, "std.ssh_proxied", &input).await, "in\n");
}

async fn failures_say_why_and_hold_no_secret(machines: &Machines, registry: &Registry) {
    let input = |cmd: &str, more: Value| {
        let mut input = json!({
            "cmd": cmd,
            "host": GATEWAY,
            "username": machines.user,
            "password": PASSWORD,
        });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        input
    };
    let unlocked = machines.key("ed25519").replace("PRIVATE", "s3cr3t");
    for (input, kind, message) in [
        (
            input(&format!("echo {PASSWORD}; exit 4"), json!({})),
            ActionErrorKind::Action,
            "Failed to execute ssh cmd 'echo ***; exit 4' on ['127.0.0.1']: it ended with 4".to_owned(),
        ),
        (
            input("true", json!({"password": "s3cr3t-but-wrong"})),
            ActionErrorKind::Host,
            format!("Failed to execute ssh cmd 'true' on ['127.0.0.1']: 127.0.0.1 does not let {} in", machines.user),
        ),
        (
            input("true", json!({"private_key": unlocked})),
            ActionErrorKind::Call,
            "Failed to execute ssh cmd 'true' on ['127.0.0.1']: private_key: it is no private key, or the password does not open it".to_owned(),
        ),
        (
            input("true", json!({"host": "127.0.0.99"})),
            ActionErrorKind::Host,
            "Failed to execute ssh cmd 'true' on ['127.0.0.99']: no connection to 127.0.0.99: Connection refused (os error 111)".to_owned(),
        ),
    ] {
        let error = error(registry, "std.ssh", &input).await;
        assert_eq!((error.kind, error.message), (kind, message));
    }
    let waited = json!({"host": GATEWAY, "username": machines.user, "password": PASSWORD});
    let listed = result(registry, "std.wait_ssh", &waited).await;
    assert!(listed.as_str().unwrap().contains("total"), "{listed}");
    let mut wrong = waited;
    wrong["password"] = "s3cr3t".into();
    let failed = error(registry, "std.wait_ssh", &wrong).await;
    assert_eq!(
        failed.value,
        "Failed to execute ssh cmd 'ls -l' on ['127.0.0.1']".into()
    );
}

async fn output_is_bounded(machines: &Machines, registry: &Registry) {
    let input = json!({
        "cmd": "yes",
        "host": GATEWAY,
        "username": machines.user,
        "password": PASSWORD,
    });
    let failed = error(registry, "std.ssh", &input).await;
    assert_eq!(failed.kind, ActionErrorKind::Limit);
    assert!(
        failed
            .message
            .ends_with("it printed more than 1048576 bytes"),
        "{failed}"
    );
}
