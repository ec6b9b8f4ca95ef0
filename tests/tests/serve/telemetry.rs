//! What a server shows of the packs that it runs, and after a restart: the real binary, a guest
//! that asks for what it may not, and whoever collects traces.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Ostro, eventually, repository};
use serde_json::{Value, json};

use super::Server;

const ASKS: &str = "
version: '2.0'
asks:
  tasks:
    first:
      action: evil.attack.send
      input: {service: compute, method: GET, path: /servers, headers: []}
      on-error: rest
    rest: {action: std.async_noop, on-success: last}
    last:
      action: evil.attack.send
      input: {service: compute, method: GET, path: /servers, headers: []}
";
/// What is shown of each of its calls, of a server that has seen one.
const DENIED: &str = r#"ostro_host_calls_denied_total{pack="hostile",service="compute"} 1"#;

/// An answer, with its status.
fn send(
    server: &Server,
    method: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> Result<(u16, String)> {
    let host = server.url.trim_start_matches("http://");
    let host = host.trim_end_matches("/v2");
    let mut stream = TcpStream::connect(host)?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok((status, body.to_owned()))
}

fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let (status, answer) = send(server, method, path, "application/json", &body)?;
    ensure!((200..300).contains(&status), "{path}: {status} {answer}");
    Ok(serde_json::from_str(&answer)?)
}

/// Waits until the metrics have all of these lines.
fn shows(server: &Server, lines: &[&str]) -> Result<()> {
    let mut text = String::new();
    eventually("its metrics", || {
        text = send(server, "GET", "/metrics", "text/plain", "")?.1;
        Ok(lines
            .iter()
            .all(|line| text.lines().any(|one| one == *line)))
    })
    .with_context(|| format!("{lines:?} in {text}"))
}

/// Waits for a task, and gives its id.
fn task(server: &Server, execution: &str, name: &str, state: &str) -> Result<String> {
    let path = format!("/v2/executions/{execution}/tasks?name={name}");
    let mut seen = Value::Null;
    eventually(name, || {
        seen = ask(server, "GET", &path, &Value::Null)?["tasks"][0].clone();
        Ok(seen["state"] == state)
    })
    .with_context(|| seen.to_string())?;
    Ok(seen["id"].as_str().context("an id")?.to_owned())
}

/// The id of a task's action.
fn action(server: &Server, task: &str) -> Result<String> {
    let path = format!("/v2/action_executions?task_execution_id={task}");
    let found = ask(server, "GET", &path, &Value::Null)?;
    let id = found["action_executions"][0]["id"].as_str();
    Ok(id.context("an action")?.to_owned())
}

/// Takes all that is sent to it. Where it listens, and what has come.
fn collector() -> Result<(String, Arc<Mutex<Vec<u8>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = format!("http://{}", listener.local_addr()?);
    let came: Arc<Mutex<Vec<u8>>> = Arc::default();
    let taken = Arc::clone(&came);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let taken = Arc::clone(&taken);
            // One that is at its end says so by an error.
            thread::spawn(move || take(stream, &taken));
        }
    });
    Ok((at, came))
}

fn take(mut stream: TcpStream, taken: &Mutex<Vec<u8>>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            ensure!(reader.read_line(&mut line)? > 0, "the end");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        taken
            .lock()
            .map_err(|_| anyhow::anyhow!("poisoned"))?
            .extend(body);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

fn times(bytes: &[u8], text: &str) -> usize {
    let windows = bytes.windows(text.len());
    windows.filter(|one| *one == text.as_bytes()).count()
}

fn started(state: &Path, more: &[&str]) -> Result<Server> {
    let guest = repository().join("tests/guests/hostile");
    let guest = guest.display().to_string();
    let flags = [&["--no-packs", "--pack", &guest][..], more].concat();
    Server::start_at(state, "127.0.0.1:0", &flags)
}

#[test]
fn what_packs_ask_for_is_counted_and_traced_after_a_restart_too() -> Result<()> {
    let guest = repository().join("tests/guests/hostile");
    let build = Ostro::new()?.args(["pack", "build"]).args([&guest]);
    build.run()?.expect(0)?;
    let folder = tempfile::tempdir()?;
    let (state, audit) = (folder.path().join("state"), folder.path().join("audit"));
    let (endpoint, came) = collector()?;
    let file = audit.display().to_string();
    let flags = ["--otlp-endpoint", &endpoint, "--audit-log", &file];
    let mut server = started(&state, &flags)?;
    let (status, answer) = send(&server, "POST", "/v2/workflows", "text/plain", ASKS)?;
    ensure!(status == 201, "{status} {answer}");
    let wanted = json!({"workflow_name": "asks"});
    let made = ask(&server, "POST", "/v2/executions", &wanted)?;
    let id = made["id"].as_str().context("an id")?.to_owned();
    let rest = task(&server, &id, "rest", "RUNNING")?;
    let first = task(&server, &id, "first", "ERROR")?;
    shows(&server, &[DENIED])?;
    let first = action(&server, &first)?;
    let mut seen = Vec::new();
    eventually("its spans", || {
        seen = came
            .lock()
            .map_err(|_| anyhow::anyhow!("poisoned"))?
            .clone();
        // That of the action, and that of its call.
        Ok(times(&seen, "openstack.send compute") == 1 && times(&seen, &first) == 2)
    })
    .with_context(|| String::from_utf8_lossy(&seen).into_owned())?;
    ensure!(times(&seen, "action evil.attack.send") == 1);
    server.process.kill()?;
    server.process.wait()?;
    let audited = std::fs::read_to_string(&audit)?;
    let line = format!(r#""route":"/v2/executions","resource":"{id}","status":201"#);
    ensure!(
        audited.lines().count() == 2 && audited.contains(&line),
        "{audited}"
    );

    // What goes on keeps its own runner, since there is another one now.
    let server = started(&state, &["--http-deny", "none"])?;
    let kept = [
        r#"ostro_executions{state="RUNNING"} 1"#,
        r#"ostro_tasks{state="RUNNING"} 1"#,
        r#"ostro_tasks{state="ERROR"} 1"#,
    ];
    shows(&server, &kept)?;
    let end = json!({"state": "SUCCESS", "output": "{}"});
    let path = format!("/v2/action_executions/{}", action(&server, &rest)?);
    ask(&server, "PUT", &path, &end)?;
    task(&server, &id, "last", "ERROR")?;
    let kept = [
        r#"ostro_executions{state="ERROR"} 1"#,
        r#"ostro_tasks{state="ERROR"} 2"#,
        r#"ostro_tasks{state="SUCCESS"} 1"#,
    ];
    shows(&server, &[&kept[..], &[DENIED]].concat())
}
