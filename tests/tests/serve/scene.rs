//! Two terminals: in one, OpenStack's own client has a server take real nodes through a Rocky
//! workflow; in the other, `ostro execution watch` and a Zaqar websocket see how it goes, also
//! through a kill of the server.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Cloud, Ostro, eventually, python, repository, workbooks};
use serde_json::{Value, json};

use crate::{Server, client};

/// The nodes; no other test has these names.
const NODES: [&str; 2] = ["scene-1", "scene-2"];
/// What Keystone's catalogue calls the server.
const SERVICE: &str = "ostro-scene";
const QUEUE: &str = "tripleo";

const REGISTER: &str = "tripleo.baremetal.v1.register_or_update";
const PROVIDE: &str = "tripleo.baremetal.v1.provide";
const NODE_STATE: &str = "tripleo.baremetal.v1.set_node_state";

/// All that is posted, in order: one of it while nobody listens.
const MESSAGES: [&str; 5] = [
    "tripleo.baremetal.v1.validate_nodes SUCCESS",
    "tripleo.baremetal.v1.manage SUCCESS",
    "tripleo.baremetal.v1.register_or_update SUCCESS",
    "meanwhile ?",
    "tripleo.baremetal.v1.provide SUCCESS",
];

/// A program, and what it has printed so far.
struct Watcher {
    process: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Keeps what `process` prints there.
    fn of(process: Child, pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let theirs = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut lines = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line);
            }
        });
        Self {
            process,
            lines,
            reader: Some(reader),
        }
    }

    /// Waits for its end, which has to be a good one: all that it has printed.
    fn end(&mut self) -> Result<Vec<String>> {
        let status = self.process.wait()?;
        if let Some(reader) = self.reader.take() {
            ensure!(reader.join().is_ok(), "its lines cannot be read");
        }
        let lines = self.lines();
        ensure!(status.success(), "{status}: {lines:#?}");
        Ok(lines)
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock();
        lines.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many of its lines have `part` in them.
    fn until(&self, count: usize, part: &str) -> Result<()> {
        eventually(part, || {
            let lines = self.lines();
            Ok(lines.iter().filter(|line| line.contains(part)).count() >= count)
        })
        .with_context(|| self.lines().join("\n"))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where Keystone's catalogue has the server, until dropped.
struct Entry<'a> {
    cloud: &'a Cloud,
    id: String,
}

impl<'a> Entry<'a> {
    fn new(cloud: &'a Cloud, url: &str) -> Result<Self> {
        // Of runs that did not come to their end.
        for old in rows(cloud, "keystone.services_list", &format!("name={SERVICE}"))? {
            let id = old["id"].as_str().context("a service has an id")?;
            cloud.openstack_text(&["service", "delete", id])?;
        }
        let made = cloud.openstack(&["service", "create", "--name", SERVICE, "workflowv2"])?;
        let id = made["id"].as_str().context("a service has an id")?;
        let id = id.to_owned();
        let entry = Self { cloud, id };
        let endpoint = ["endpoint", "create", "--region", "RegionOne"];
        cloud.openstack(&[&endpoint[..], &[&entry.id, "public", url]].concat())?;
        Ok(entry)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        // The next run finds what is left.
        let _ = self.cloud.openstack_text(&["service", "delete", &self.id]);
    }
}

/// What OpenStack's own client answers, with Mistral's commands in it.
fn openstack(cloud: &Cloud, arguments: &[&str]) -> Result<Value> {
    let ran = Command::new(client()?.join("openstack"))
        .envs(cloud.environment())
        .args(arguments)
        .args(["-f", "json"])
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "openstack {arguments:?}: {said}");
    serde_json::from_slice(&ran.stdout).with_context(|| format!("openstack {arguments:?}"))
}

/// Has it start an execution: its id.
fn start(cloud: &Cloud, workflow: &str, input: &Value) -> Result<String> {
    let create = ["workflow", "execution", "create", workflow];
    let started = openstack(cloud, &[&create[..], &[&input.to_string()]].concat())?;
    Ok(started["ID"].as_str().context("it has an id")?.to_owned())
}

/// Zaqar's own client at the server's websocket.
fn websocket(cloud: &Cloud, server: &Server) -> Result<Watcher> {
    let wanted = ["python-zaqarclient==4.7.0", "websocket-client==1.9.0"];
    let import = "import websocket; from zaqarclient.transport import ws";
    let python = python("zaqarclient-4.7.0", &wanted, import)?.join("python");
    let endpoint = format!("ws://{}", server.host());
    let mut process = Command::new(python)
        .arg(repository().join("tests/zaqar/watch.py"))
        .args([&endpoint, QUEUE])
        .envs(cloud.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let printed = process.stdout.take().context("what it prints")?;
    Ok(Watcher::of(process, printed))
}

/// The types of the messages that a websocket was told of, with what they say.
fn messages(websocket: &Watcher) -> Vec<String> {
    let lines = websocket.lines();
    let told = lines.iter().filter_map(|line| {
        let told: Value = serde_json::from_str(line).ok()?;
        let message = told.get("message")?;
        let (kind, status) = (&message["type"], &message["payload"]["status"]);
        Some(format!("{} {}", kind.as_str()?, status.as_str()?))
    });
    told.collect()
}

/// Has the client register real nodes and provide them; the id of the latter execution.
fn started(cloud: &Cloud, websocket: &Watcher) -> Result<String> {
    let rocky = workbooks("9.6.1")?;
    for file in ["messaging.yaml", "baremetal.yaml"] {
        let file = rocky.join(file).display().to_string();
        openstack(cloud, &["workbook", "create", &file])?;
    }
    // They are cleaned by the ramdisks that they boot: Ironic waits for these.
    let nodes = (1..).zip(NODES);
    let nodes: Value = nodes.map(|(number, name)| node(number, name)).collect();
    start(cloud, REGISTER, &json!({"nodes_json": nodes}))?;
    websocket.until(1, &posted(REGISTER))?;
    start(cloud, PROVIDE, &json!({"node_uuids": NODES}))
}

/// The beginning of a line of the websocket's about a workflow.
fn posted(workflow: &str) -> String {
    format!(r#"{{"message": {{"type": "{workflow}""#)
}

/// What has to be told so often, and is.
fn each_once(seen: &[String]) -> Result<()> {
    for (times, end) in [
        (1, format!("  {PROVIDE}  RUNNING")),
        (2, format!("  {NODE_STATE} / set_provision_state  SUCCESS")),
        (
            2,
            format!("  {NODE_STATE} / wait_for_provision_state  SUCCESS"),
        ),
        (1, format!("  {PROVIDE}  SUCCESS")),
    ] {
        let told = seen.iter().filter(|line| line.ends_with(&end)).count();
        ensure!(told == times, "{times} times {end}: {seen:#?}");
    }
    Ok(())
}

#[test]
fn a_rocky_workflow_of_openstacks_client_is_watched_live_through_a_kill_of_the_server() -> Result<()>
{
    let cloud = Cloud::running()?;
    for left in rows(&cloud, "ironic.node_list", r#"fields=["name"]"#)? {
        if let Some(name) = NODES.iter().find(|name| left["name"] == **name) {
            cloud.delete_node(name)?;
        }
    }
    let folder = tempfile::tempdir()?;
    let serve = |listen: &str| {
        let pack = repository().join("plugins/tripleo").display().to_string();
        let flags = ["--auth", "keystone", "--no-packs", "--pack", &pack];
        Server::run(Ostro::new()?.cloud(&cloud), folder.path(), listen, &flags)
    };
    let mut server = serve("127.0.0.1:0")?;
    let entry = Entry::new(&cloud, &server.url)?;
    let mut websocket = websocket(&cloud, &server)?;
    websocket.until(1, "subscribed")?;

    let id = started(&cloud, &websocket)?;
    let url = server.url.clone();
    let ostro = |arguments: &[&str]| {
        let ostro = Ostro::new()?.cloud(&cloud).args(["--url", &url]);
        anyhow::Ok(ostro.args(arguments))
    };
    let watch = ["execution", "watch", &id, "--output", "json"];
    let mut process = ostro(&watch)?.start()?;
    let mut printed = process.stdout.take().context("what it prints")?;
    let said = process.stderr.take().context("what it says")?;
    let mut terminal = Watcher::of(process, said);

    // What is not safe to run twice has ended, as the terminal has seen; until the ramdisks boot,
    // the workflow can only look at the nodes again, every three seconds.
    terminal.until(2, &format!("{NODE_STATE} / set_provision_state  SUCCESS"))?;
    terminal.until(
        1,
        &format!("{NODE_STATE} / wait_for_provision_state  DELAYED"),
    )?;
    server.process.kill()?;
    server.process.wait()?;
    terminal.until(1, "the connection is lost")?;
    websocket.until(1, r#"{"lost""#)?;
    let listen = server.host().to_owned();
    let _again = serve(&listen)?;
    terminal.until(1, "the connection is there again")?;
    // A message while nobody listens.
    let meanwhile = r#"messages={"body": {"type": "meanwhile", "payload": {"status": "?"}}}"#;
    let post = ["action", "run", "zaqar.queue_post"];
    let post = ostro(&post)?.args(["-i", "queue_name=tripleo", "-i", meanwhile]);
    post.run()?.expect(0)?;
    let line = websocket.process.stdin.as_mut().context("its input")?;
    writeln!(line)?;
    websocket.until(2, "subscribed")?;

    let cleaned = Command::new("python3")
        .arg(repository().join("tests/cloud/cleaning.py"))
        .args(NODES)
        .envs(cloud.environment())
        .output()?;
    let told = String::from_utf8_lossy(&cleaned.stdout);
    ensure!(cleaned.status.success(), "{told}");
    let mut tree = String::new();
    printed.read_to_string(&mut tree)?;
    let mut seen = terminal.end()?;
    let tree: Value = serde_json::from_str(&tree)?;
    ensure!(tree["state"] == "SUCCESS", "{tree:#}");
    websocket.until(1, &posted(PROVIDE))?;

    // The terminal has seen what one sees that was never cut off: nothing less, nothing twice.
    seen.retain(|line| !line.contains("the connection is "));
    let whole = ostro(&watch)?.run()?;
    whole.expect(0)?;
    ensure!(
        seen.iter().eq(whole.stderr.lines()),
        "{seen:#?}\n{}",
        whole.stderr
    );
    each_once(&seen)?;
    let told = messages(&websocket);
    ensure!(told == MESSAGES, "{told:#?}");
    // And the catalogue has the server for `ostro`, too.
    let there = Ostro::new()?.cloud(&cloud).env("OS_CLOUD", "");
    let there = there.args([
        "--url",
        "cloud",
        "execution",
        "show",
        &id,
        "--cloud",
        "admin",
    ]);
    let there = there.args(["--output", "json"]).run()?.json(0)?;
    ensure!(there["state"] == "SUCCESS", "{there:#}");
    let shown = openstack(&cloud, &["workflow", "execution", "show", &id])?;
    ensure!(shown["State"] == "SUCCESS", "{shown:#}");
    let list = cloud.openstack(&["baremetal", "node", "list"])?;
    let list = list.as_array().context("a list")?;
    let ours = list
        .iter()
        .filter(|node| NODES.iter().any(|name| node["Name"] == *name));
    let states: Vec<&Value> = ours.map(|node| &node["Provisioning State"]).collect();
    ensure!(states == ["available", "available"], "{list:#?}");
    drop(entry);
    let delete = ["baremetal", "node", "delete"];
    cloud.openstack_text(&[&delete[..], &NODES].concat())?;
    Ok(())
}

/// What an operation lists.
fn rows(cloud: &Cloud, operation: &str, input: &str) -> Result<Vec<Value>> {
    let run = ["action", "run", operation, "-i", input, "--no-packs"];
    let ostro = Ostro::new()?.cloud(cloud).args(run);
    let mut ran = ostro.args(["--output", "json"]).run()?.json(0)?;
    let Value::Array(rows) = ran["output"].take() else {
        anyhow::bail!("{operation} gives no list: {ran:#}");
    };
    Ok(rows)
}

/// A node as `instackenv.json` has it, cleaned by what it boots. No other test uses its address.
fn node(number: u32, name: &str) -> Value {
    json!({
        "name": name,
        "pm_type": "fake-hardware",
        "deploy_interface": "direct",
        "mac": [format!("52:54:00:5c:e0:{number:02x}")],
        "cpu": "4",
        "memory": "8192",
        "disk": "40",
        "arch": "x86_64",
    })
}
