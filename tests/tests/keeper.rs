//! Objects, secrets and work that goes on elsewhere: the real binary with the guest `keeper`,
//! against a real Swift and a real Ironic.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Cloud, Kept, Ostro, eventually, repository};
use serde_json::{Value, json};

const CONTAINER: &str = "ostro-keeper";
const PASSWORD: &str = "hunter2 \"and\" more";

/// The guest, built once a run.
fn guest() -> Result<&'static Path> {
    static GUEST: LazyLock<std::result::Result<PathBuf, String>> = LazyLock::new(|| {
        let guest = repository().join("tests/guests/keeper");
        let build = || -> Result<()> {
            Ostro::new()?
                .args(["pack", "build"])
                .args([&guest])
                .run()?
                .expect(0)
        };
        build().map_err(|error| format!("{error:#}"))?;
        Ok(guest)
    });
    GUEST
        .as_deref()
        .map_err(|error| anyhow::anyhow!(error.clone()))
}

/// `ostro action run` of an action of the guest.
fn action(cloud: &Cloud, action: &str, input: &Value) -> Result<Ostro> {
    let name = format!("test.{action}");
    let pack = guest()?.display().to_string();
    let words = ["action", "run", &name, "--pack", &pack, "--cloud", "admin"];
    let input = input.to_string();
    Ok(Ostro::new()?
        .cloud(cloud)
        .env("OSTRO_SECRET_IPMI_PASSWORD", PASSWORD)
        .env("OSTRO_SECRET_API_KEY", "4711-0815")
        .args(words)
        .args(["--input", &input, "--output", "json"]))
}

/// What an action gives.
fn gives(cloud: &Cloud, name: &str, input: &Value) -> Result<Value> {
    let answer = action(cloud, name, input)?.run()?.json(0)?;
    Ok(answer["output"].clone())
}

/// How an action fails.
fn fails(cloud: &Cloud, name: &str, input: &Value) -> Result<String> {
    let answer = action(cloud, name, input)?.run()?.json(1)?;
    let message = answer["error"]["message"].as_str().context("a message")?;
    Ok(message.to_owned())
}

fn object(name: &str) -> Value {
    json!({"container": CONTAINER, "object": name})
}

fn with(mut input: Value, key: &str, value: impl Into<Value>) -> Value {
    input[key] = value.into();
    input
}

/// A container of the tests, and the cloud.
fn cloud() -> Result<Cloud> {
    let cloud = Cloud::running()?;
    cloud.openstack_text(&["container", "create", CONTAINER])?;
    Ok(cloud)
}

/// The most memory that a process has had, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Runs an action, and gives what it gives and the most memory that the process had, in MiB.
fn measured(cloud: &Cloud, name: &str, input: &Value) -> Result<(Value, u64)> {
    let mut child = action(cloud, name, input)?.start()?;
    let mut most = 0;
    while child.try_wait()?.is_none() {
        most = peak(child.id()).unwrap_or(most).max(most);
        thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    Ok((answer["output"].clone(), most / 1024))
}

/// The bytes that the guest writes.
fn pattern(size: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| byte()).collect()
}

#[test]
fn an_object_of_200_mb_passes_a_guest_of_16_mib_both_ways() -> Result<()> {
    let cloud = cloud()?;
    let size = 200_000_000;
    let small = with(with(object("own/small"), "size", 1000), "piece", 1000);
    let (_, before) = measured(&cloud, "store.upload", &small)?;
    let input = with(with(object("own/large"), "size", size), "piece", 1 << 20);
    let (written, up) = measured(&cloud, "store.upload", &input)?;
    ensure!(written["size"] == size, "{written}");

    let dir = tempfile::tempdir()?;
    let file = dir.path().join("large");
    let saved = file.display().to_string();
    cloud.openstack_text(&["object", "save", CONTAINER, "own/large", "--file", &saved])?;
    ensure!(
        fs::read(&file)? == pattern(size),
        "the object is another one"
    );
    let shown = cloud.openstack(&["object", "show", CONTAINER, "own/large"])?;
    ensure!(shown["etag"] == written["etag"], "{shown}");

    let input = with(object("own/large"), "piece", 1 << 20);
    let (read, down) = measured(&cloud, "store.download", &input)?;
    ensure!(
        read["size"] == size && read["etag"] == written["etag"],
        "{read}"
    );
    ensure!(read["digest"] == written["digest"], "{read} {written}");
    println!("most memory: {before} MiB for 1 kB, {up} MiB up, {down} MiB down");
    for most in [up, down] {
        ensure!(
            most < before + 48,
            "{most} MiB, and {before} MiB for a small object"
        );
    }
    gives(&cloud, "store.remove", &object("own/large"))?;
    Ok(())
}

#[test]
fn an_upload_that_does_not_end_leaves_no_object() -> Result<()> {
    let cloud = cloud()?;
    let put = with(object("own/kept"), "text", "as it was");
    gives(&cloud, "store.put_new", &put)?;
    for name in ["own/kept", "own/never"] {
        let input = with(object(name), "size", 1_000_000);
        gives(&cloud, "store.leave", &input)?;
        let why = fails(&cloud, "store.break_off", &input)?;
        ensure!(why.contains("panicked"), "{why}");
    }
    // A process that is killed in the middle of it.
    let dir = tempfile::tempdir()?;
    let said = dir.path().join("said");
    let input = with(
        with(object("own/never"), "size", 1_000_000_000),
        "piece",
        1 << 20,
    );
    let upload = action(&cloud, "store.upload", &input)?;
    let mut child = upload.spawn_saying(fs::File::create(&said)?)?;
    eventually("the first pieces", || {
        Ok(fs::read_to_string(&said)?.contains("some pieces are written"))
    })?;
    ensure!(child.try_wait()?.is_none(), "it ended before it was killed");
    child.kill()?;
    child.wait()?;
    let all = with(json!({"container": CONTAINER}), "prefix", "own/");
    let names = gives(&cloud, "store.names", &all)?;
    ensure!(!names.to_string().contains("own/never"), "{names}");
    let part = with(with(object("own/kept"), "start", 3), "length", 100);
    ensure!(gives(&cloud, "store.part", &part)? == "it was");
    let why = fails(&cloud, "store.put_new", &put)?;
    ensure!(why.starts_with("refused: 412 "), "{why}");
    let why = fails(&cloud, "store.read_across", &object("own/kept"))?;
    ensure!(why.starts_with("refused: 412 "), "{why}");
    gives(&cloud, "store.remove", &object("own/kept"))?;
    let why = fails(&cloud, "store.remove", &object("own/kept"))?;
    ensure!(why.starts_with("refused: 404 "), "{why}");
    Ok(())
}

#[test]
fn containers_are_listed_and_objects_looked_at() -> Result<()> {
    let cloud = cloud()?;
    for name in [
        "own/list/a",
        "own/list/b/c",
        "own/list/b/d",
        "own/list/e f%",
    ] {
        let put = with(object(name), "text", "x");
        if name.ends_with('%') {
            let why = fails(&cloud, "store.put_new", &put)?;
            ensure!(why.starts_with("invalid: "), "{why}");
        } else {
            gives(&cloud, "store.put_new", &put)?;
        }
    }
    let list = |more: Value| -> Result<Value> {
        let mut input = json!({"container": CONTAINER, "prefix": "own/list/"});
        for (key, value) in more.as_object().context("an object")? {
            input[key] = value.clone();
        }
        gives(&cloud, "store.names", &input)
    };
    ensure!(list(json!({}))? == json!(["own/list/a", "own/list/b/c", "own/list/b/d"]));
    let folders = list(json!({"delimiter": "/"}))?;
    ensure!(folders == json!(["own/list/a", "own/list/b/"]), "{folders}");
    let page = list(json!({"limit": 1, "marker": "own/list/a"}))?;
    ensure!(page == json!(["own/list/b/c"]), "{page}");
    let input = with(
        with(object("own/list/a"), "name", "plan"),
        "value",
        "overcloud",
    );
    gives(&cloud, "store.mark", &input)?;
    let info = gives(&cloud, "store.look", &object("own/list/a"))?;
    ensure!(info["metadata"] == json!({"plan": "overcloud"}), "{info}");
    ensure!(
        info["size"] == 1 && info["type"] == "application/x-kept",
        "{info}"
    );
    for name in ["own/list/a", "own/list/b/c", "own/list/b/d"] {
        gives(&cloud, "store.remove", &object(name))?;
    }
    let why = fails(
        &cloud,
        "store.upload",
        &json!({
            "container": CONTAINER, "object": "seen/a", "size": 1, "piece": 1,
        }),
    )?;
    ensure!(why.starts_with("denied: writing"), "{why}");
    Ok(())
}

/// Asks for an action that hands its work over, twice, and ends with what was made of that.
const HANDED_OVER: &str = "
version: '2.0'
handed_over:
  output:
    first: <% task(first).result %>
    second: <% task(second).result %>
    after: <% task(after).result %>
  tasks:
    first:
      action: test.work.hand_over fail=false
      on-success: second
    second:
      action: test.work.hand_over fail=false
      on-error: after
    after:
      action: std.echo output='went on'
";

/// The action execution that a run waits for.
fn waits_for(kept: &Kept, id: &str) -> Result<String> {
    let mut found = None;
    eventually("an action that goes on elsewhere", || {
        let show = kept.ostro(["execution", "show", id, "--output", "json"])?;
        let shown = show.run()?;
        // It may not have begun.
        let Ok(shown) = shown.json(0) else {
            return Ok(false);
        };
        let tasks = shown["tasks"].as_array().into_iter().flatten();
        let actions = tasks.flat_map(|task| task["actions"].as_array().into_iter().flatten());
        found = actions
            .filter(|action| action["state"] == "RUNNING")
            .find_map(|action| action["id"].as_str().map(str::to_owned));
        Ok(found.is_some())
    })?;
    found.context("no action waits")
}

#[test]
fn work_that_was_handed_over_is_finished_from_outside() -> Result<()> {
    let kept = Kept::new(HANDED_OVER)?;
    let pack = guest()?.display().to_string();
    let secrets = kept.path().join("secrets.yaml");
    fs::write(
        &secrets,
        format!("ipmi-password: {PASSWORD:?}\napi-key: 4711-0815\n"),
    )?;
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600))?;
    let secrets = secrets.display().to_string();
    let id = "931c9f64-0c35-4c3e-9f0c-0d8b1b3b7a11";
    let run = kept.ostro(["run", &kept.file(), "--pack", &pack, "--id", id])?;
    let mut run = run.args(["--secrets", &secrets]).spawn()?;
    let first = waits_for(&kept, id)?;
    // The process that runs it takes the result.
    let complete = |words: [&str; 3]| -> Result<ostro_tests::Run> {
        let [id, how, what] = words;
        kept.ostro(["action", "complete", id, how, what])?.run()
    };
    complete([&first, "--success", "{\"disks\": 4}"])?.expect(0)?;
    let again = complete([&first, "--error", "too late"])?;
    ensure!(
        again.status == 2 && again.stderr.contains("has ended already"),
        "{again:?}"
    );
    let other = complete(["00000000-0000-4000-8000-000000000000", "--success", "1"])?;
    ensure!(
        other.status == 2 && other.stderr.contains("no action execution"),
        "{other:?}"
    );

    // Nobody runs it when the second result comes.
    let second = waits_for(&kept, id)?;
    ensure!(second != first, "{second}");
    run.kill()?;
    run.wait()?;
    let ended = complete([&second, "--error", "the burn-in failed"])?;
    ended.expect(0)?;
    let shown = kept.ostro(["execution", "show", id, "--output", "json"])?;
    let shown = shown.run()?.json(0)?;
    ensure!(shown["state"] == "SUCCESS", "{shown}");
    let output = &shown["output"];
    ensure!(output["first"] == json!({"disks": 4}), "{output}");
    ensure!(output["second"] == "the burn-in failed", "{output}");
    ensure!(output["after"] == "went on", "{output}");
    Ok(())
}

#[test]
fn a_secret_reaches_ironic_and_nothing_else() -> Result<()> {
    let cloud = cloud()?;
    let node = "ostro-keeper-secret";
    cloud.delete_node(node)?;
    let kept = Kept::new("")?;
    let driver = ["--driver", "fake-hardware", "--name", node];
    cloud.openstack_text(&[&["baremetal", "node", "create"][..], &driver].concat())?;
    let record = format!("--record={}", kept.path().join("recordings").display());
    let run = action(
        &cloud,
        "vault.operate",
        &json!({"name": "ipmi-password", "node": node}),
    )?;
    let run = run.args([&record]).run()?;
    run.expect(0)?;
    let shown = cloud.openstack(&["baremetal", "node", "show", node])?;
    cloud.delete_node(node)?;
    ensure!(shown["extra"]["key"] == PASSWORD, "{shown}");
    // Ironic shows it to the action, too, which sees something else.
    ensure!(run.stdout.contains("ostro-secret-"), "{}", run.stdout);
    let mut texts = vec![run.stdout, run.stderr];
    for entry in fs::read_dir(kept.path().join("recordings"))? {
        texts.push(fs::read_to_string(entry?.path())?);
    }
    ensure!(texts.len() == 3, "no recording");
    for text in texts {
        ensure!(!text.contains("hunter2"), "{text}");
    }
    Ok(())
}
