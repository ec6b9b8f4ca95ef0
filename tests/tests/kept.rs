//! Executions that are kept: killed and resumed, paused, run again, looked at, by the real binary.

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Counter, Kept, eventually};

/// Twenty chains of fifty tasks, each of which asks the server for its own name. What can run twice
/// is called `safe`.
fn thousand(port: u16) -> String {
    let mut text = String::from("version: '2.0'\nthousand:\n  tasks:\n");
    for chain in 0..20 {
        for link in 0..50 {
            let kind = if link % 2 == 0 { "once" } else { "safe" };
            let next = if link % 2 == 0 { "safe" } else { "once" };
            let _ = writeln!(text, "    {kind}_{chain}_{link}:");
            let _ = writeln!(text, "      action: std.http");
            let url = format!("http://127.0.0.1:{port}/{kind}_{chain}_{link}");
            let _ = writeln!(text, "      input: {{url: '{url}', method: POST, body: x}}");
            let _ = writeln!(text, "      safe-rerun: {}", kind == "safe");
            if link < 49 {
                let _ = writeln!(text, "      on-complete: {next}_{chain}_{}", link + 1);
            }
        }
    }
    text
}

#[test]
fn a_killed_run_is_resumed_and_does_nothing_twice_that_must_not() -> Result<()> {
    let counter = Counter::start()?;
    let kept = Kept::new(&thousand(counter.port))?;
    let run = kept.ostro(["run", &kept.file(), "--http-deny", "none"])?;
    let mut child = run.spawn()?;
    for kill in 1..=4 {
        let enough = kill * 200;
        eventually("progress", || {
            Ok(counter.counts().values().sum::<usize>() >= enough)
        })?;
        // SIGKILL.
        child.kill()?;
        child.wait()?;
        let list = kept.list()?;
        ensure!(list.len() == 1 && list[0]["state"] == "RUNNING", "{list:?}");
        let id = list[0]["id"].as_str().context("an id")?.to_owned();
        child = kept.ostro(["execution", "resume", &id])?.spawn()?;
    }
    ensure!(child.wait()?.code().is_some(), "it ends by itself");
    let kept_now = kept.list()?;
    let id = kept_now[0]["id"].as_str().context("an id")?;
    let shown = kept.ostro(["execution", "show", id, "--output", "json"])?;
    let shown = shown.run()?.json(0)?;
    let tasks = shown["tasks"].as_array().context("tasks")?;
    ensure!(tasks.len() == 1_000, "{} tasks", tasks.len());
    let counts = counter.counts();
    let (mut lost, mut twice) = (0, 0);
    for task in tasks {
        let name = task["name"].as_str().context("a name")?;
        let count = counts.get(name).copied().unwrap_or_default();
        let ended = task["state"].as_str().context("a state")?;
        if name.starts_with("safe") {
            ensure!(ended == "SUCCESS" && count >= 1, "{name}: {ended}, {count}");
            twice += count - 1;
        } else if ended == "ERROR" {
            let why = task["state_info"].as_str().unwrap_or_default();
            ensure!(why.contains("nobody knows"), "{name}: {why}");
            ensure!(count <= 1, "{name} was done {count} times");
            lost += 1;
        } else {
            ensure!(ended == "SUCCESS" && count == 1, "{name}: {ended}, {count}");
        }
    }
    println!("4 kills: {lost} of 500 tasks lost, {twice} calls of 500 safe tasks repeated");
    Ok(())
}

/// A thousand executions, ten at a time, each of some tasks that ask the server one after the other.
fn family(port: u16, links: usize) -> String {
    let mut text = format!(
        "version: '2.0'
family:
  tasks:
    each:
      with-items: i in <% range(1000) %>
      concurrency: 10
      workflow: one
      input: {{i: <% $.i %>}}
one:
  input: [i]
  vars: {{server: 'http://127.0.0.1:{port}/'}}
  tasks:
"
    );
    for link in 0..links {
        let kind = if link % 2 == 0 { "once" } else { "safe" };
        let next = if link % 2 == 0 { "safe" } else { "once" };
        let url = format!("<% $.server + '{kind}_{link}_' + str($.i) %>");
        let _ = writeln!(text, "    {kind}_{link}:");
        let _ = writeln!(text, "      action: std.http");
        let _ = writeln!(text, "      input: {{url: \"{url}\", method: POST}}");
        let _ = writeln!(text, "      safe-rerun: {}", kind == "safe");
        if link + 1 < links {
            // A failure that is handled so is none of the execution's.
            let _ = writeln!(text, "      on-success: {next}_{}", link + 1);
            let _ = writeln!(text, "      on-error: {next}_{}", link + 1);
        }
    }
    text
}

/// `OSTRO_KILLS` says how many kills there are to be, about.
#[test]
fn a_thousand_executions_survive_kills_at_random_moments() -> Result<()> {
    let wanted: usize = match std::env::var("OSTRO_KILLS") {
        Ok(text) => text.parse()?,
        Err(_) => 10,
    };
    // An even number: the last one of each chain is safe, so that each execution ends well.
    let links = (wanted / 4).max(2).next_multiple_of(2);
    let counter = Counter::start()?;
    let kept = Kept::new(&family(counter.port, links))?;
    let said = || File::create(kept.path().join("said"));
    let run = kept.ostro(["run", &kept.file(), "family", "--http-deny", "none"])?;
    let mut child = run.spawn_saying(said()?)?;
    eventually("the first step", || Ok(!kept.list()?.is_empty()))?;
    let id = kept.list()?[0]["id"].as_str().context("an id")?.to_owned();
    let mut seed = 1_u64;
    let mut kills = 0;
    let mut is_over = false;
    while kills < wanted {
        let before = counter.counts().len();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let moment = Duration::from_millis(seed % 300);
        // In the middle of recovery once in a while, and at work else.
        if kills % 4 != 0 {
            eventually("progress", || {
                Ok(counter.counts().len() > before || child.try_wait()?.is_some())
            })?;
        }
        thread::sleep(moment);
        if child.try_wait()?.is_some() {
            break;
        }
        child.kill()?;
        child.wait()?;
        kills += 1;
        // It may have come to its end in the last moment.
        is_over = kept.state(&id)? == "SUCCESS";
        if is_over {
            break;
        }
        let resume = kept.ostro(["execution", "resume", &id])?;
        child = resume.spawn_saying(said()?)?;
    }
    let ends_well = child.wait()?.success() || is_over;
    let text = std::fs::read_to_string(kept.path().join("said"))?;
    let newest: Vec<&str> = text.lines().rev().take(20).collect();
    let state = kept.state(&id)?;
    ensure!(
        ends_well && state == "SUCCESS",
        "{state} after {kills} kills, having said {newest:#?}"
    );
    let shown = kept.ostro(["execution", "show", &id, "--output", "json"])?;
    let shown = shown.run()?.json(0)?;
    let executions = shown["tasks"][0]["executions"]
        .as_array()
        .context("executions")?;
    ensure!(executions.len() == 1_000, "{} executions", executions.len());
    let counts = counter.counts();
    let (mut lost, mut repeated, mut calls) = (0, 0, 0);
    for (item, execution) in executions.iter().enumerate() {
        let tasks = execution["tasks"].as_array().context("tasks")?;
        let whole = tasks.len() == links && execution["state"] == "SUCCESS";
        ensure!(whole, "{execution:#}");
        for task in tasks {
            let name = task["name"].as_str().context("a name")?;
            let count = counts.get(&format!("{name}_{item}")).copied();
            let count = count.unwrap_or_default();
            let ended = task["state"].as_str().context("a state")?;
            let is_safe = name.starts_with("safe");
            let why = task["state_info"].as_str().unwrap_or_default();
            calls += count;
            match (ended, is_safe) {
                ("SUCCESS", true) if count >= 1 => repeated += count - 1,
                ("SUCCESS", false) if count == 1 => {}
                ("ERROR", false) if count <= 1 && why.contains("nobody knows") => lost += 1,
                _ => anyhow::bail!("{name} of {item}: {ended} ({why}), done {count} times"),
            }
        }
    }
    println!(
        "{kills} kills, {} tasks, {calls} calls: {lost} tasks lost their result, {repeated} calls \
         of safe tasks repeated",
        1_000 * links
    );
    Ok(())
}

#[test]
fn an_execution_in_the_background_is_paused_resumed_and_cancelled() -> Result<()> {
    let kept = Kept::new(
        "
version: '2.0'
steps:
  input: [n]
  tasks:
    each:
      with-items: i in <% range($.n) %>
      concurrency: 1
      action: std.sleep seconds=1
",
    )?;
    let id = kept.start(["-i", "n=3"])?;
    ensure!(
        kept.execution("delete", &id)?.status == 2,
        "it is being run"
    );
    kept.execution("pause", &id)?.expect(0)?;
    kept.until(&id, "PAUSED")?;
    eventually("rest", || Ok(kept.list()?[0]["held_by"].is_null()))?;
    ensure!(kept.execution("watch", &id)?.status == 2, "nobody runs it");
    kept.execution("resume", &id)?.expect(0)?;
    ensure!(kept.state(&id)? == "SUCCESS");
    ensure!(kept.execution("resume", &id)?.status == 2, "it has ended");

    let id = kept.start(["-i", "n=100"])?;
    kept.execution("cancel", &id)?.expect(0)?;
    let watched = kept.execution("watch", &id)?;
    ensure!(watched.status == 1 && watched.stdout.contains("CANCELLED"));
    kept.execution("delete", &id[..8])?.expect(0)?;
    ensure!(kept.list()?.len() == 1);
    Ok(())
}

#[test]
fn what_failed_is_reported_run_again_and_skipped() -> Result<()> {
    let kept = Kept::new(
        "
version: '2.0'
outer:
  input: [flag]
  tasks:
    call:
      workflow: inner flag=<% $.flag %>
      on-success: after
    after:
      action: std.echo output='done'
inner:
  input: [flag]
  tasks:
    each:
      with-items: i in <% range(3) %>
      action: std.http
      input:
        url: <% $.flag + '/item/' + str($.i) %>
",
    )?;
    // Nobody listens there yet, and no connection is from there: those are from 127.0.0.1.
    let address = TcpListener::bind("127.0.0.77:0")?.local_addr()?;
    let flag = format!("flag=http://{address}");
    let file = kept.file();
    let run = kept.ostro(["run", &file, "outer", "-i", &flag, "--http-deny", "none"])?;
    run.run()?.expect(1)?;
    let id = kept.list()?[0]["id"].as_str().context("an id")?.to_owned();
    let report = kept.execution("report", &id)?.stdout;
    for part in [
        "outer › call › inner › each › item 2 › std.http",
        "/item/2",
        "refused",
    ] {
        ensure!(report.contains(part), "no {part} in\n{report}");
    }
    let unknown = kept.ostro(["execution", "rerun", &id, "eech"])?.run()?;
    ensure!(unknown.status == 2 && unknown.stderr.contains("call, each"));

    let counter = Counter::at(address)?;
    let again = kept.ostro(["execution", "rerun", &id, "each"])?.run()?;
    again.expect(0)?;
    ensure!(again.stderr.contains("after"), "{}", again.stderr);
    ensure!(counter.counts().len() == 3);

    let run = kept.ostro(["run", &file, "outer", "-i", "flag=nowhere"])?;
    run.run()?.expect(1)?;
    let id = kept.list()?[0]["id"].as_str().context("an id")?.to_owned();
    kept.ostro(["execution", "skip", &id, "each"])?
        .run()?
        .expect(0)?;
    ensure!(kept.state(&id)? == "SUCCESS");
    Ok(())
}

#[test]
fn one_process_at_a_time_has_an_execution() -> Result<()> {
    let kept = Kept::new(
        "
version: '2.0'
waits:
  tasks:
    wait:
      action: std.noop
      wait-before: 100
",
    )?;
    let id = kept.start([])?;
    let again = kept.ostro(["run", &kept.file(), "--id", &id])?.run()?;
    ensure!(again.status == 2 && again.stderr.contains("is there already"));
    let shown = kept.execution("show", &id)?;
    ensure!(shown.stderr.contains("is being run"), "{}", shown.stderr);
    kept.execution("cancel", &id)?.expect(0)?;
    eventually("the end", || Ok(kept.list()?[0]["held_by"].is_null()))?;
    let mode = std::fs::metadata(kept.path().join("state/runs").join(&id))?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    ensure!(mode & 0o777 == 0o700, "others may look: {mode:o}");
    let marked = kept.path().join("state/runs").join(&id).join("ended");
    ensure!(marked.exists(), "it is known to have ended");
    Ok(())
}
