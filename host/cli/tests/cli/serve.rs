//! `ostro serve` and whoever starts, stops and configures it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;

use super::{ostro, until_said};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A server, and what it says.
struct Server {
    process: Child,
    stderr: Option<ChildStderr>,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(folder: &Path, variables: &[(&str, &str)]) -> Result<Self, Failed> {
        let mut process = ostro(folder)
            .args(["serve", "--no-packs", "--listen", "127.0.0.1:0"])
            .args(["--config", "ostro.yaml"])
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = process.stderr.take().ok_or("no stderr")?;
        let (stderr, said) = until_said(stderr, &["listening at ", "/v2\n"])?;
        let said = String::from_utf8_lossy(&said);
        let (_, at) = said.rsplit_once("http://").ok_or("it says no address")?;
        let address = at.trim_end().trim_end_matches("/v2").to_owned();
        Ok(Self {
            process,
            stderr: Some(stderr),
            address,
        })
    }

    fn signal(&self, signal: &str) -> Result<(), Failed> {
        let id = self.process.id().to_string();
        Command::new("kill").args([signal, &id]).status()?;
        Ok(())
    }

    /// Waits until it has said all of this.
    fn until_said(&mut self, wanted: &[&str]) -> Result<String, Failed> {
        let stderr = self.stderr.take().ok_or("no stderr")?;
        let (stderr, said) = until_said(stderr, wanted)?;
        self.stderr = Some(stderr);
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The status of an answer.
    fn status(&self, path: &str) -> Result<String, Failed> {
        let mut stream = TcpStream::connect(&self.address)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
    }

    /// Its exit status, once it has ended.
    fn end(&mut self) -> Result<i32, Failed> {
        let began = std::time::Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status.code().ok_or("killed by a signal")?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("it does not end".into())
    }
}

/// The next datagram that says something, other than that all is well.
fn told(manager: &UnixDatagram) -> Result<String, Failed> {
    let mut bytes = [0; 4096];
    let began = std::time::Instant::now();
    while began.elapsed() < PATIENCE {
        let length = manager.recv(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text != "WATCHDOG=1" {
            return Ok(text);
        }
    }
    Err("it tells nothing".into())
}

fn expect(condition: bool, said: &str) -> Result<(), Failed> {
    if condition { Ok(()) } else { Err(said.into()) }
}

pub(crate) fn managed() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let settings = folder.path().join("ostro.yaml");
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, "workflows:delete: role:chief\n")?;
    let policy_file = "policy_file: policy.yaml\naudit_log: audit.log\n";
    let limits = "limits: {address_bytes: 100B}\n";
    fs::write(&settings, format!("{limits}{policy_file}"))?;
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket)?;
    manager.set_read_timeout(Some(PATIENCE))?;
    let socket = socket.display().to_string();
    let variables = [
        ("NOTIFY_SOCKET", socket.as_str()),
        ("WATCHDOG_USEC", "200000"),
    ];
    let mut server = Server::start(folder.path(), &variables)?;
    let ready = told(&manager)?;
    let wanted = format!("READY=1\nSTATUS=listening at http://{}/v2", server.address);
    expect(ready == wanted, &ready)?;
    let mut alive = [0; 64];
    let length = manager.recv(&mut alive)?;
    expect(
        &alive[..length] == b"WATCHDOG=1",
        "it says that it is alive",
    )?;
    let long = format!("/?{}", "a".repeat(200));
    expect(server.status(&long)? == "414", "a long address is refused")?;

    // What is wrong changes nothing.
    fs::write(&settings, "limits: {address_bytes: 10KiB, bodies: 3}\n")?;
    server.signal("-HUP")?;
    let reloading = told(&manager)?;
    let is_right = reloading.starts_with("RELOADING=1\nMONOTONIC_USEC=");
    expect(is_right, &reloading)?;
    expect(told(&manager)?.starts_with("READY=1"), "it is ready again")?;
    server.until_said(&["nothing is changed", "ostro.yaml:1:32", "bodies_bytes"])?;
    expect(server.status(&long)? == "414", "the limit is as it was")?;

    // Nor does a policy that nobody can follow.
    fs::write(&policy, "workflows:delete: role:\nworkflows:odd: odd odd\n")?;
    let limits = "limits: {address_bytes: 10KiB}\n";
    fs::write(&settings, format!("{limits}{policy_file}"))?;
    server.signal("-HUP")?;
    expect(told(&manager)?.starts_with("RELOADING=1"), "it reads again")?;
    expect(told(&manager)?.starts_with("READY=1"), "it is ready again")?;
    server.until_said(&["nothing is changed", "ostro.yaml:2", "policy.yaml"])?;
    expect(server.status(&long)? == "414", "the limit is as it was")?;

    // Another file with other rules is no reason for a new start.
    fs::write(folder.path().join("other.yaml"), "workflows:delete: '!'\n")?;
    let others = "policy_file: other.yaml\naudit_log: audit.log\nexecutions: {at_once: 5}\n";
    fs::write(&settings, format!("{limits}{others}"))?;
    let (audit, old) = (folder.path().join("audit.log"), folder.path().join("old"));
    fs::rename(&audit, &old)?;
    server.signal("-HUP")?;
    expect(told(&manager)?.starts_with("RELOADING=1"), "it reads again")?;
    expect(told(&manager)?.starts_with("READY=1"), "it is ready again")?;
    server.until_said(&["read again", "only a new start changes this: executions\n"])?;
    expect(
        audit.exists() && old.exists(),
        "the audit log is a new file",
    )?;
    // The address is taken now, and its parameter is not known.
    expect(server.status(&long)? == "400", "the limit is another one")?;

    server.signal("-TERM")?;
    expect(
        told(&manager)?.starts_with("STOPPING=1"),
        "it says that it stops",
    )?;
    let status = server.end()?;
    expect(status == 0, &status.to_string())
}

pub(crate) fn abstract_socket() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("ostro.yaml"), "")?;
    let name = format!("ostro-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    manager.set_read_timeout(Some(PATIENCE))?;
    let _server = Server::start(folder.path(), &[("NOTIFY_SOCKET", &format!("@{name}"))])?;
    expect(told(&manager)?.starts_with("READY=1"), "it is ready")
}

pub(crate) fn stopped_twice() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("ostro.yaml"), "stop_within: 60s\n")?;
    let mut server = Server::start(folder.path(), &[])?;
    let mut slow = TcpStream::connect(&server.address)?;
    let head =
        "POST /v2/workflows HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\nexpect: 100-continue";
    slow.write_all(format!("{head}\r\n\r\n").as_bytes())?;
    // It is under way once the server asks for its body.
    slow.set_read_timeout(Some(PATIENCE))?;
    let mut go_on = [0; 12];
    slow.read_exact(&mut go_on)?;
    expect(&go_on == b"HTTP/1.1 100", "it wants the body")?;
    server.signal("-INT")?;
    server.until_said(&["stopping: what is under way has 60 s to end"])?;
    let waits = server.process.try_wait()?.is_none();
    expect(waits, "it waits for who is slow")?;
    server.signal("-INT")?;
    let status = server.end()?;
    expect(status == 130, &status.to_string())
}

pub(crate) fn port_in_use() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let refused = ostro(folder.path())
        .args(["serve", "--no-packs", "--listen", &address])
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr);
    expect(refused.status.code() == Some(2), &said)?;
    let parts = [address.as_str(), "listens there already", "--listen"];
    expect(parts.iter().all(|part| said.contains(part)), &said)
}
