//! `ostro serve` answers as a real Mistral 23 did, and Mistral's own client drives it, as
//! Zaqar's does its queues.

#[path = "serve/lost.rs"]
mod lost;
#[path = "serve/scene.rs"]
mod scene;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Ostro, eventually, python, repository};
use serde_json::Value;

#[path = "serve/telemetry.rs"]
mod telemetry;

/// The programs of python-mistralclient.
fn client() -> Result<PathBuf> {
    let wanted = [
        "python-mistralclient==6.3.0",
        "python-openstackclient",
        "PyYAML",
    ];
    python("mistralclient-6.3.0", &wanted, "import mistralclient, yaml")
}

/// A server, which goes when it is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(state: &Path) -> Result<Self> {
        Self::start_at(state, "127.0.0.1:0", &["--no-packs"])
    }

    fn start_at(state: &Path, listen: &str, flags: &[&str]) -> Result<Self> {
        Self::run(Ostro::new()?, state, listen, flags)
    }

    fn run(ostro: Ostro, state: &Path, listen: &str, flags: &[&str]) -> Result<Self> {
        let serve = ["serve", "--listen", listen, "--state-dir"];
        let ostro = ostro.args(serve).args([state]).args(flags);
        let mut process = ostro.start()?;
        let said = process.stderr.take().context("it says where it listens")?;
        for line in BufReader::new(said).lines() {
            if let Some((_, url)) = line?.split_once("listening at ") {
                let url = url.to_owned();
                return Ok(Self { process, url });
            }
        }
        let _ = process.wait();
        anyhow::bail!("the server ended before it listened")
    }

    /// Its address and port.
    fn host(&self) -> &str {
        let host = self.url.trim_start_matches("http://");
        host.trim_end_matches("/v2")
    }

    /// Runs a command of Mistral's client that prints a table; its rows.
    fn mistral(&self, arguments: &[&str]) -> Result<Value> {
        self.client(&[arguments, &["-f", "json"]].concat())
    }

    /// Runs a command of Mistral's client; the JSON that it prints.
    fn client(&self, arguments: &[&str]) -> Result<Value> {
        let ran = Command::new(client()?.join("mistral"))
            .args(arguments)
            .env("OS_MISTRAL_URL", &self.url)
            .output()?;
        let said = String::from_utf8_lossy(&ran.stderr);
        ensure!(ran.status.success(), "mistral {arguments:?}: {said}");
        serde_json::from_slice(&ran.stdout).with_context(|| format!("mistral {arguments:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_answers_are_those_of_a_real_mistral_or_listed_with_the_reason() -> Result<()> {
    let compared = Command::new(client()?.join("python"))
        .arg(repository().join("tests/mistral/compare.py"))
        .arg(Ostro::path()?)
        .env_remove("OS_CLOUD")
        .output()?;
    println!("{}", String::from_utf8_lossy(&compared.stdout));
    let said = String::from_utf8_lossy(&compared.stderr);
    ensure!(compared.status.success(), "{said}");
    Ok(())
}

#[test]
fn mistrals_clients_print_what_they_print_of_a_real_mistral() -> Result<()> {
    let compared = Command::new(client()?.join("python"))
        .arg(repository().join("tests/mistral/commands.py"))
        .arg("compare")
        .arg(Ostro::path()?)
        .env_remove("OS_CLOUD")
        .output()?;
    let said = String::from_utf8_lossy(&compared.stderr);
    let found: Value =
        serde_json::from_slice(&compared.stdout).with_context(|| said.to_string())?;
    println!("{:#}", found["counts"]);
    ensure!(compared.status.success(), "{:#}\n{said}", found["wrong"]);
    Ok(())
}

const SLOW: &str = "
version: '2.0'
slow:
  input: [name]
  output: {said: <% $.said %>}
  tasks:
    first:
      wait-before: 2
      action: std.echo output='hello, <% $.name %>'
      publish: {said: <% task().result %>}
      on-success: second
    second:
      wait-before: 2
      action: std.noop
";

#[test]
fn what_was_under_way_when_the_server_was_killed_goes_on_when_it_is_started_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (state, file) = (folder.path().join("state"), folder.path().join("slow.yaml"));
    std::fs::write(&file, SLOW)?;
    let mut server = Server::start(&state)?;
    server.mistral(&["workflow-create", &file.display().to_string()])?;
    let started = server.mistral(&["execution-create", "slow", r#"{"name": "Ada"}"#])?;
    let id = started["ID"].as_str().context("it has an id")?.to_owned();
    server.process.kill()?;
    server.process.wait()?;

    let server = Server::start(&state)?;
    let mut seen = Value::Null;
    eventually("its end", || {
        seen = server.mistral(&["execution-get", &id])?;
        Ok(seen["State"] == "SUCCESS")
    })
    .with_context(|| seen.to_string())?;
    let output = server.client(&["execution-get-output", &id]);
    ensure!(output? == serde_json::json!({"said": "hello, Ada"}));
    let workflows = server.mistral(&["workflow-list"])?;
    ensure!(workflows[0]["Name"] == "slow", "{workflows}");
    Ok(())
}

const QUICK: &str = "
version: '2.0'
quick: {tasks: {only: {action: std.noop}}}
";

#[test]
fn a_cron_trigger_starts_as_many_executions_as_it_is_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("quick.yaml");
    std::fs::write(&file, QUICK)?;
    let server = Server::start(&folder.path().join("state"))?;
    server.mistral(&["workflow-create", &file.display().to_string()])?;
    // The sixth field is seconds.
    let every = ["--pattern", "* * * * * *", "--count", "2"];
    server.mistral(&[&["cron-trigger-create", "often", "quick"], &every[..]].concat())?;
    eventually("the last of two executions", || {
        let triggers = server.mistral(&["cron-trigger-list"])?;
        // The client prints an empty row where there is none.
        Ok(triggers[0]["Name"] == "")
    })?;
    let mut executions = Value::Null;
    eventually("their end", || {
        executions = server.mistral(&["execution-list"])?;
        let mut all = executions.as_array().into_iter().flatten();
        Ok(all.all(|one| one["State"] == "SUCCESS"))
    })?;
    let started = executions.as_array().map(Vec::len);
    ensure!(started == Some(2), "{executions}");
    let said = executions[0]["Description"].as_str().unwrap_or_default();
    ensure!(said.contains("cron_trigger"), "{executions}");
    Ok(())
}

#[test]
fn zaqars_own_client_is_told_what_workflows_post_and_finds_it_after_a_kill() -> Result<()> {
    let wanted = ["python-zaqarclient==4.7.0", "websocket-client==1.9.0"];
    let import = "import websocket; from zaqarclient.transport import ws";
    let python = python("zaqarclient-4.7.0", &wanted, import)?.join("python");
    let client = |action: &str, server: &Server| -> Result<Value> {
        let ran = Command::new(&python)
            .arg(repository().join("tests/zaqar/client.py"))
            .args([action, &server.url])
            .output()?;
        let said = String::from_utf8_lossy(&ran.stderr);
        ensure!(ran.status.success(), "{action}: {said}");
        Ok(serde_json::from_slice(&ran.stdout)?)
    };
    let message = |status: &str| {
        serde_json::json!({
            "ttl": 3600, "body": {"payload": {"status": status}},
            "Message_Type": "Notification", "queue_name": "tripleo",
        })
    };
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path())?;
    let pushed = client("subscribe", &server)?;
    let expected = Value::from_iter([message("RUNNING"), message("SUCCESS")]);
    ensure!(pushed == expected, "{pushed}");
    server.process.kill()?;
    server.process.wait()?;

    let server = Server::start(folder.path())?;
    let kept = client("list", &server)?;
    let bodies = kept
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| &one["body"]);
    let expected = expected.as_array().into_iter().flatten();
    ensure!(bodies.eq(expected.map(|one| &one["body"])), "{kept}");
    Ok(())
}

#[test]
fn a_state_folder_has_one_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let _first = Server::start(folder.path())?;
    let second = [
        "serve",
        "--no-packs",
        "--listen",
        "127.0.0.1:0",
        "--state-dir",
    ];
    let refused = Ostro::new()?.args(second).args([folder.path()]).run()?;
    refused.expect(2)?;
    ensure!(
        refused.stderr.contains("is in use by process"),
        "{}",
        refused.stderr
    );
    Ok(())
}

#[test]
fn whatever_schemathesis_sends_the_server_does_not_break_down() -> Result<()> {
    let python = python(
        "schemathesis-4.32.5",
        &["schemathesis==4.32.5"],
        "import schemathesis",
    )?;
    let folder = tempfile::tempdir()?;
    let server = Server::start_at(&folder.path().join("state"), "127.0.0.1:0", &[])?;
    let ran = Command::new(python.join("st"))
        .args(["run", &format!("{}/openapi.json", server.url)])
        // What is answered with 501 is for packs, and events and queues have no end.
        .args([
            "--exclude-path-regex",
            "code_sources|dynamic_actions|/events$|/zaqar$",
        ])
        .args(["--checks", "not_a_server_error", "--phases", "fuzzing"])
        .args([
            "--max-examples",
            "15",
            "--seed",
            "1",
            "--workers",
            "2",
            "--no-shrink",
        ])
        .args(["--warnings", "off"])
        .current_dir(folder.path())
        .output()?;
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}");
    ensure!(ran.status.success(), "{said}");
    ensure!(said.contains("generated"), "nothing was sent: {said}");
    Ok(())
}

#[test]
fn a_watcher_elsewhere_sees_all_of_an_execution_though_its_server_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (state, file) = (folder.path().join("state"), folder.path().join("slow.yaml"));
    std::fs::write(&file, SLOW)?;
    let mut server = Server::start(&state)?;
    let ostro = |arguments: &[&str]| {
        let url = ["--url", &server.url];
        Ostro::new().map(|ostro| ostro.args(url).args(arguments))
    };
    let file = file.display().to_string();
    let started = ostro(&["execution", "start", &file, "slow", "-i", "name=Ada"])?.run()?;
    let id = started.stdout.trim().to_owned();
    let mut watch = ostro(&["execution", "watch", &id, "--output", "json"])?.start()?;
    let mut stderr = BufReader::new(watch.stderr.take().context("it says what it sees")?);
    let mut said = String::new();
    while !said.contains("slow  RUNNING") {
        let read = stderr.read_line(&mut said)?;
        ensure!(read > 0, "it ended early: {said}");
    }
    server.process.kill()?;
    server.process.wait()?;
    let _server = Server::start_at(&state, server.host(), &["--no-packs"])?;
    stderr.read_to_string(&mut said)?;
    let watched = watch.wait_with_output()?;
    ensure!(watched.status.success(), "{said}");
    let tree: Value = serde_json::from_slice(&watched.stdout)?;
    ensure!(tree["output"]["said"] == "hello, Ada", "{tree}");
    let told = |what: &str| said.lines().filter(|line| line.ends_with(what)).count();
    for once in [
        "slow  RUNNING",
        "slow / second  RUNNING",
        "slow / second  SUCCESS",
    ] {
        ensure!(told(once) == 1, "{once}: {said}");
    }
    ensure!(told("slow  SUCCESS") == 1, "{said}");
    ensure!(said.contains("the connection is there again"), "{said}");
    Ok(())
}
