//! What operators do with packs over HTTP, to a server that runs, and what it notices that others
//! do beside it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::eventually;
use serde_json::{Value, json};

use crate::maker::{Made, Place, WHICH};

/// Asks which version it runs by, waits for somebody, and asks again.
const WAITING: &str = "
version: '2.0'
waiting:
  output: {before: <% $.before %>, after: <% $.after %>}
  tasks:
    first:
      action: acme.power.which
      publish: {before: <% task().result %>}
      on-success: rest
    rest: {action: std.async_noop, on-success: last}
    last:
      action: acme.power.which
      publish: {after: <% task().result %>}
";

/// Calls what a later version has not.
pub(crate) const OTHER: &str = "
version: '2.0'
others:
  tasks:
    only:
      action: acme.power.other
";

/// `ostro serve` on the state folder of a place, which goes when it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) host: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(place: &Place, more: &[&str]) -> Result<Self> {
        let serve = [&["serve", "--listen", "127.0.0.1:0"][..], more].concat();
        let mut process = place.ostro(&serve)?.start()?;
        let said = process.stderr.take().context("it says where it listens")?;
        let mut lines = BufReader::new(said).lines();
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = |log: &Mutex<Vec<String>>, line| {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        };
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, url)) = line.split_once("listening at http://") {
                let host = url.trim_end_matches("/v2").to_owned();
                let to = Arc::clone(&log);
                thread::spawn(move || lines.map_while(Result::ok).for_each(|line| keep(&to, line)));
                return Ok(Self { process, host, log });
            }
            keep(&log, line);
        }
        let _ = process.wait();
        anyhow::bail!("the server ended before it listened: {log:?}")
    }

    /// What the server has said so far.
    pub(crate) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.join("\n")
    }

    /// An answer, with its status.
    fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.host)?;
        let head = format!(
            "{method} /v2{path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             accept: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            self.host,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
        let status = head.split(' ').nth(1).context("a status")?.parse()?;
        Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let kind = "content-type: application/json\r\n";
        self.send(method, path, kind, body.as_bytes())
    }

    /// What is answered where all is well.
    fn done(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.ask(method, path, body)?;
        ensure!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer:#}"
        );
        Ok(answer)
    }

    /// What is answered where something is refused with this status.
    fn refused(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        with: u16,
    ) -> Result<(String, Value)> {
        let (status, mut answer) = self.ask(method, path, body)?;
        ensure!(status == with, "{method} {path}: {status} {answer:#}");
        let reason = answer["faultstring"].as_str().unwrap_or_default();
        Ok((reason.to_owned(), answer["review"].take()))
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.done("GET", path, &Value::Null)
    }

    pub(crate) fn define(&self, text: &str) -> Result<()> {
        let (status, answer) = self.send("POST", "/workflows", "", text.as_bytes())?;
        ensure!(status == 201, "{status} {answer:#}");
        Ok(())
    }

    /// Sends a pack; with its signature if it is signed.
    fn install(&self, file: &Path, query: &str) -> Result<(u16, Value)> {
        let mut headers = "content-type: application/octet-stream\r\n".to_owned();
        let signature = PathBuf::from(format!("{}.minisig", file.display()));
        if signature.exists() {
            let signature = base64(&fs::read(signature)?);
            write!(headers, "ostro-signature: {signature}\r\n")?;
        }
        self.send(
            "POST",
            &format!("/packs{query}"),
            &headers,
            &fs::read(file)?,
        )
    }

    fn start_execution(&self, workflow: &str) -> Result<String> {
        let wanted = json!({"workflow_name": workflow});
        let started = self.done("POST", "/executions", &wanted)?;
        Ok(started["id"].as_str().context("an id")?.to_owned())
    }

    /// The output of an execution that ends well.
    fn output(&self, id: &str) -> Result<Value> {
        let mut seen = Value::Null;
        eventually("its end", || {
            seen = self.get(&format!("/executions/{id}"))?;
            ensure!(seen["state"] != "ERROR", "{seen:#}");
            Ok(seen["state"] == "SUCCESS")
        })?;
        Ok(serde_json::from_str(
            seen["output"].as_str().context("an output")?,
        )?)
    }

    /// Which version a new execution gets.
    fn which(&self) -> Result<String> {
        let output = self.output(&self.start_execution("which")?)?;
        Ok(output["which"].as_str().context("a text")?.to_owned())
    }

    /// The versions of `acme` that the server gives to new executions.
    pub(crate) fn served(&self) -> Result<Vec<String>> {
        let list = self.get("/packs?name=acme")?;
        let all = list["packs"].as_array().context("a list")?;
        let served = all.iter().filter(|one| one["served"] == true);
        Ok(served
            .filter_map(|one| Some(one["version"].as_str()?.to_owned()))
            .collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Bytes in base64 (<https://www.rfc-editor.org/rfc/rfc4648#section-4>).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let number = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for digit in 0..4 {
            if digit > chunk.len() {
                text.push('=');
            } else {
                let at = (number >> (18 - 6 * digit)) & 63;
                text.push(char::from(DIGITS[at as usize]));
            }
        }
    }
    text
}

/// Makes a version of `acme` that says what it is. Its artifact, signed.
pub(crate) fn made(place: &Place, version: &str, has_other: bool, more: &str) -> Result<PathBuf> {
    let says = [("which", version), ("other", "x")];
    let made = Made {
        version,
        functions: if has_other { &says } else { &says[..1] },
        more,
        ..Made::default()
    };
    let file = made.build(place)?;
    place.sign("ops", &file)?;
    Ok(file)
}

#[test]
fn packs_are_installed_activated_and_rolled_back_while_executions_run() -> Result<()> {
    let place = Place::trusting()?;
    let one = made(&place, "1.0.0", true, "")?;
    let two = made(&place, "1.1.0", true, "")?;
    let three = made(&place, "1.2.0", false, "")?;
    let server = Server::start(&place, &[])?;
    for text in [WHICH, WAITING, OTHER] {
        server.define(text)?;
    }
    ensure!(server.get("/packs")? == json!({"packs": [], "problem": null}));

    // Installed, seen, and not yet there for anybody.
    let (status, row) = server.install(&one, "")?;
    ensure!(status == 201, "{status} {row:#}");
    ensure!(row["active"] == false && row["served"] == false, "{row:#}");
    ensure!(row["signer"]["key"].is_string(), "{row:#}");
    ensure!(row["size"].as_u64() == Some(fs::metadata(&one)?.len()));
    let (status, again) = server.install(&one, "")?;
    ensure!(status == 200, "{status} {again:#}");
    ensure!(
        server
            .ask("GET", "/actions/acme.power.which", &Value::Null)?
            .0
            == 404
    );
    let shown = server.get("/packs/acme/1.0.0")?;
    ensure!(
        shown["pack"]["actions"][0]["name"] == "acme.power.which",
        "{shown:#}"
    );
    let diff = server.get("/packs/acme/1.0.0/diff")?;
    ensure!(
        diff["against"].is_null() && diff["problem"].is_null(),
        "{diff:#}"
    );

    // Active, and pinned by an execution.
    let row = server.done("POST", "/packs/acme/1.0.0/activate", &Value::Null)?;
    ensure!(row["active"] == true && row["served"] == true, "{row:#}");
    server.get("/actions/acme.power.which")?;
    ensure!(server.which()? == "1.0.0");
    let waiting = server.start_execution("waiting")?;
    let mut rest = Value::Null;
    eventually("its second task", || {
        let tasks = server.get(&format!("/executions/{waiting}/tasks?name=rest"))?;
        rest = tasks["tasks"][0]["id"].clone();
        Ok(tasks["tasks"][0]["state"] == "RUNNING")
    })?;

    // Another version takes its place, and the execution keeps its own.
    let (status, row) = server.install(&two, "")?;
    ensure!(status == 201, "{status} {row:#}");
    let diff = server.get("/packs/acme/1.1.0/diff")?;
    ensure!(
        diff["against"] == "1.0.0" && diff["breaks"] == false,
        "{diff:#}"
    );
    ensure!(diff["workflows"] == json!([]), "{diff:#}");
    server.done("POST", "/packs/acme/1.1/activate", &Value::Null)?;
    ensure!(server.which()? == "1.1.0");
    let actions = server.get(&format!(
        "/action_executions?task_execution_id={}",
        rest.as_str().context("an id")?
    ))?;
    let action = actions["action_executions"][0]["id"].as_str();
    let action = action.context("an action")?;
    let end = json!({"state": "SUCCESS", "output": "{}"});
    server.done("PUT", &format!("/action_executions/{action}"), &end)?;
    let output = server.output(&waiting)?;
    ensure!(
        output == json!({"before": "1.0.0", "after": "1.0.0"}),
        "{output}"
    );

    let (status, row) = server.install(&three, "")?;
    ensure!(status == 201, "{status} {row:#}");
    breaks(&server)?;
    goes(&server)
}

/// 1.2.0 breaks a stored workflow, which is told, and refused.
fn breaks(server: &Server) -> Result<()> {
    let diff = server.get("/packs/acme/1.2.0/diff?against=1.0.0")?;
    ensure!(
        diff["against"] == "1.0.0" && diff["breaks"] == true,
        "{diff:#}"
    );
    let place_of = |found: &Value| {
        let found = &found["workflows"][0];
        (
            found["file"].clone(),
            found["line"].clone(),
            found["project"].clone(),
        )
    };
    let expected = (json!("others"), json!(6), json!("<default-project>"));
    ensure!(place_of(&diff) == expected, "{diff:#}");
    let activate = "/packs/acme/1.2.0/activate";
    let (reason, review) = server.refused("POST", activate, &Value::Null, 409)?;
    ensure!(reason.contains("others:6 of the project"), "{reason}");
    ensure!(reason.contains("force=true"), "{reason}");
    ensure!(place_of(&review) == expected, "{review:#}");
    ensure!(server.served()? == ["1.1.0"] && server.which()? == "1.1.0");

    // Or done all the same, and undone.
    server.done("POST", &format!("{activate}?force=true"), &Value::Null)?;
    ensure!(server.which()? == "1.2.0");
    ensure!(
        server
            .ask("GET", "/actions/acme.power.other", &Value::Null)?
            .0
            == 404
    );
    let active = server.done("POST", "/packs/acme/rollback", &Value::Null)?;
    ensure!(active["packs"][0]["version"] == "1.1.0", "{active:#}");
    ensure!(server.which()? == "1.1.0");
    server.get("/actions/acme.power.other")?;
    Ok(())
}

/// 1.1.0 is taken away, but not as long as new executions get it, or stored workflows call it.
fn goes(server: &Server) -> Result<()> {
    let remove = |version, status| {
        server.refused(
            "DELETE",
            &format!("/packs/acme/{version}"),
            &Value::Null,
            status,
        )
    };
    let (reason, _) = remove("1.1.0", 409)?;
    ensure!(reason.contains("is active"), "{reason}");
    remove("3.0.0", 404)?;
    let deactivate = "/packs/acme/1.1.0/deactivate";
    let (reason, review) = server.refused("POST", deactivate, &Value::Null, 409)?;
    ensure!(reason.contains("force=true"), "{reason}");
    ensure!(
        review["workflows"].as_array().map(Vec::len) == Some(4),
        "{review:#}"
    );
    server.done("POST", &format!("{deactivate}?force=true"), &Value::Null)?;
    ensure!(
        server
            .ask("GET", "/actions/acme.power.which", &Value::Null)?
            .0
            == 404
    );
    server.done("DELETE", "/packs/acme/1.1.0", &Value::Null)?;
    ensure!(server.ask("GET", "/packs/acme/1.1.0", &Value::Null)?.0 == 404);
    Ok(())
}

#[test]
fn a_server_notices_what_is_activated_beside_it_and_says_what_it_cannot_load() -> Result<()> {
    let place = Place::trusting()?;
    let one = made(&place, "1.0.0", true, "")?.display().to_string();
    let two = made(&place, "1.1.0", true, "")?.display().to_string();
    let secret = "grants: {secrets: [{name: of-nobody, services: [baremetal]}]}";
    let three = made(&place, "1.2.0", true, secret)?.display().to_string();
    let server = Server::start(&place, &[])?;
    server.define(WHICH)?;
    let soon = |version: &str| -> Result<()> {
        let began = Instant::now();
        eventually(version, || Ok(server.served()? == [version]))?;
        println!("{version} was noticed after {:?}", began.elapsed());
        ensure!(server.which()? == version);
        Ok(())
    };
    for (file, version) in [(one, "1.0.0"), (two, "1.1.0")] {
        place.well(&["pack", "install", &file, "--activate"])?;
        soon(version)?;
    }
    // The one before is the one to roll back to, and then the other way round.
    place.well(&["pack", "rollback", "acme"])?;
    soon("1.0.0")?;
    place.refused(&["pack", "remove", "acme@1.0.0"], &["is active"])?;

    // What cannot be loaded changes nothing, and is told.
    let grants = place.path().join("grants.yaml");
    fs::write(&grants, secret.trim_start_matches("grants: "))?;
    let grants = grants.display().to_string();
    place.well(&["pack", "install", &three, "--accept-grants", &grants])?;
    let activate = "/packs/acme/1.2.0/activate?force=true";
    let (reason, _) = server.refused("POST", activate, &Value::Null, 409)?;
    ensure!(reason.contains("of-nobody"), "{reason}");
    ensure!(server.get("/packs")?["problem"].is_null());
    place.well(&["pack", "activate", "acme@1.2.0"])?;
    let mut list = Value::Null;
    eventually("the problem", || {
        list = server.get("/packs")?;
        Ok(list["problem"].is_object())
    })?;
    let problem = list["problem"]["message"].as_str().unwrap_or_default();
    ensure!(problem.contains("of-nobody"), "{list:#}");
    ensure!(server.served()? == ["1.0.0"] && server.which()? == "1.0.0");
    // It is not recorded as active any more, but executions get it.
    place.well(&["pack", "deactivate", "acme"])?;
    eventually("that nothing is active", || {
        Ok(server.served()?.is_empty() && server.get("/packs")?["problem"].is_null())
    })?;
    ensure!(
        server
            .ask("GET", "/actions/acme.power.which", &Value::Null)?
            .0
            == 404
    );
    Ok(())
}

#[test]
fn what_a_server_gives_to_executions_is_not_deleted_beside_it() -> Result<()> {
    let place = Place::trusting()?;
    let one = made(&place, "1.0.0", true, "")?.display().to_string();
    place.well(&["pack", "install", &one, "--activate"])?;
    let server = Server::start(&place, &[])?;
    // One that cannot be loaded beside it: the server stays with what it has.
    let secret = "grants: {secrets: [{name: of-nobody, services: [baremetal]}]}";
    let two = made(&place, "2.0.0", true, secret)?.display().to_string();
    let grants = place.path().join("grants.yaml");
    fs::write(&grants, secret.trim_start_matches("grants: "))?;
    let grants = grants.display().to_string();
    place.well(&[
        "pack",
        "install",
        &two,
        "--activate",
        "--accept-grants",
        &grants,
    ])?;
    eventually("the problem", || {
        Ok(server.get("/packs")?["problem"].is_object())
    })?;
    place.well(&["pack", "deactivate", "acme@1"])?;
    let remove = ["pack", "remove", "acme@1.0.0"];
    place.refused(&remove, &["is what a running server gives to executions"])?;
    drop(server);
    place.well(&remove)?;
    Ok(())
}

#[test]
fn what_may_not_be_installed_over_http_is_refused_with_the_reason() -> Result<()> {
    let place = Place::trusting()?;
    let asks = "grants: {operations: [ironic.node_get]}";
    let asking = made(&place, "1.0.0", true, asks)?;
    let unsigned = Made {
        name: "plain",
        ..Made::default()
    };
    let unsigned = unsigned.build(&place)?;
    let server = Server::start(&place, &[])?;
    let refused = |file: &Path, query: &str, with: u16, part: &str| -> Result<Value> {
        let (status, mut answer) = server.install(file, query)?;
        ensure!(status == with, "{query}: {status} {answer:#}");
        let reason = answer["faultstring"].as_str().unwrap_or_default();
        ensure!(reason.contains(part), "{query}: {reason}");
        Ok(answer["review"].take())
    };
    refused(&unsigned, "", 409, "plain-1.0.0.ostro is not signed")?;
    refused(&unsigned, "?allow_unsigned=true", 403, "--unsigned-packs")?;
    refused(&unsigned, "?digest=sha256:00", 409, "not sha256:00")?;
    let review = refused(&asking, "", 409, "ironic.node_get")?;
    ensure!(review == json!({"asks": {"operations": ["ironic.node_get"]}}));
    let less = "?accept_grants=%7B%22operations%22:[%22nova.servers_list%22]%7D";
    refused(&asking, less, 409, "more than is accepted")?;
    refused(&asking, "?accept_grants=1%7B", 400, "no JSON")?;
    let broken = place.path().join("broken.ostro");
    fs::write(&broken, &fs::read(&unsigned)?[..700])?;
    refused(&broken, "", 400, "the pack that was sent")?;
    let changed = place.path().join("changed.ostro");
    fs::copy(&unsigned, &changed)?;
    fs::copy(
        format!("{}.minisig", asking.display()),
        place.path().join("changed.ostro.minisig"),
    )?;
    refused(&changed, "", 400, "does not fit")?;
    let named = json!({"source": asking.display().to_string()});
    let (reason, _) = server.refused("POST", "/packs", &named, 403)?;
    ensure!(reason.contains("not from files"), "{reason}");
    let named = json!({"source": "oci://127.0.0.1:9/acme:1.0.0"});
    let (reason, _) = server.refused("POST", "/packs", &named, 503)?;
    ensure!(reason.contains("127.0.0.1:9"), "{reason}");
    ensure!(server.get("/packs")?["packs"] == json!([]));

    // With what it asks for accepted it goes, and what it is granted can be changed.
    let all = "?accept_grants=%7B%22operations%22:[%22ironic.*%22]%7D";
    let (status, row) = server.install(&asking, all)?;
    ensure!(status == 201, "{status} {row:#}");
    ensure!(
        row["grants"] == json!({"operations": ["ironic.*"]}),
        "{row:#}"
    );
    server.done("POST", "/packs/acme/1.0.0/activate", &Value::Null)?;
    let grants = "/packs/acme/1.0.0/grants";
    let exact = json!({"operations": ["ironic.node_get"]});
    let row = server.done("PUT", grants, &exact)?;
    ensure!(row["grants"] == exact && row["served"] == true, "{row:#}");
    let (reason, review) = server.refused("PUT", grants, &json!({}), 409)?;
    ensure!(reason.contains("more than is accepted"), "{reason}");
    ensure!(review["asks"] == exact, "{review:#}");
    drop(server);

    // An operator can let in more.
    let more = ["--packs-from-paths", "--unsigned-packs"];
    let server = Server::start(&place, &more)?;
    let (status, row) = server.install(&unsigned, "?allow_unsigned=true")?;
    ensure!(status == 201 && row["signer"].is_null(), "{status} {row:#}");
    let named = json!({"source": asking.display().to_string()});
    let (status, row) = server.ask("POST", "/packs", &named)?;
    ensure!(status == 200, "{status} {row:#}");
    Ok(())
}
