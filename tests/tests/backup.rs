//! Copies of executions, made while they run and taken back; and which ones are kept at all.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Counter, Kept, eventually};
use serde_json::Value;

/// A chain of calls that takes a while.
fn chain(port: u16, links: usize) -> String {
    format!(
        "
version: '2.0'
chain:
  vars: {{server: 'http://127.0.0.1:{port}/'}}
  tasks:
    each:
      with-items: i in <% range({links}) %>
      concurrency: 1
      action: std.http
      safe-rerun: true
      input: {{url: \"<% $.server + str($.i) %>\", method: POST}}
short:
  tasks:
    one:
      action: std.noop
waiting:
  tasks:
    one:
      action: std.noop
      wait-before: 1000
failing:
  tasks:
    one:
      action: std.fail
"
    )
}

/// The executions in the state folder `dir`.
fn list(kept: &Kept, dir: &Path) -> Result<Vec<Value>> {
    let run = kept.ostro(["execution", "list", "--output", "json", "--state-dir"])?;
    let list = run.args([dir]).run()?.json(0)?;
    Ok(list.as_array().context("a list")?.clone())
}

#[test]
fn what_was_copied_while_it_ran_goes_on_elsewhere() -> Result<()> {
    let counter = Counter::start()?;
    let kept = Kept::new(&chain(counter.port, 400))?;
    let file = kept.file();
    kept.ostro(["run", &file, "short"])?.run()?.expect(0)?;
    let run = kept.ostro(["run", &file, "chain", "--http-deny", "none"])?;
    let mut child = run.spawn()?;
    eventually("progress", || Ok(counter.counts().len() >= 50))?;

    let copy = kept.path().join("backups/copy");
    let create = |ids: &[&str], to: &Path| {
        let command = kept.ostro(["backup", "create", "--to"])?.args([to]);
        command.args(ids).run()
    };
    create(&[], &copy)?.expect(0)?;
    ensure!(child.try_wait()?.is_none(), "it goes on meanwhile");
    let again = create(&[], &copy)?;
    ensure!(again.status == 2 && again.stderr.contains("is not overwritten"));
    ensure!(child.wait()?.success(), "nothing is amiss with it");
    let states = |list: &[Value]| {
        let mut states: Vec<String> = list.iter().map(|one| one["state"].to_string()).collect();
        states.sort();
        states.join(" ")
    };
    ensure!(states(&list(&kept, &copy)?) == "\"RUNNING\" \"SUCCESS\"");
    let doctor = kept.ostro(["doctor", "--state-dir"])?.args([&copy]).run()?;
    doctor.expect(0)?;

    let here = kept.ostro(["backup", "restore"])?.args([&copy]).run()?;
    ensure!(here.status == 2 && here.stderr.contains("is there already"));
    let other = kept.path().join("other");
    let restore = |from: &Path, ids: &[&str]| {
        let command = kept.ostro(["backup", "restore"])?.args([from]);
        command.args(ids).env("OSTRO_STATE_DIR", &other).run()
    };
    let restored = restore(&copy, &[])?;
    restored.expect(0)?;
    let found = list(&kept, &copy)?;
    let running = found.iter().find(|one| one["state"] == "RUNNING");
    let id = running
        .and_then(|one| one["id"].as_str())
        .context("an id")?;
    ensure!(restored.stdout.contains(&format!("execution resume {id}")));
    let resume = kept.ostro(["execution", "resume", id])?;
    let resumed = resume.env("OSTRO_STATE_DIR", &other).run()?;
    resumed.expect(0)?;
    ensure!(
        resumed.stderr.contains("chain goes on: "),
        "{}",
        resumed.stderr
    );
    ensure!(states(&list(&kept, &other)?) == "\"SUCCESS\" \"SUCCESS\"");
    // From the fiftieth on it did all of it again, and nothing before.
    let counts = counter.counts();
    ensure!(counts["0"] == 1 && counts["399"] == 2, "{counts:?}");
    let mut names: Vec<_> = fs::read_dir(&other)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()?;
    ensure!(names.pop().is_some_and(|name| name == "runs") && names.is_empty());

    // A copy that was damaged is not taken back, nor is a damaged run copied.
    let path = copy.join("runs").join(id).join("journal.db");
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(&path, &bytes)?;
    fs::remove_dir_all(&other)?;
    let damaged = restore(&copy, &[])?;
    ensure!(damaged.status == 2, "{damaged:?}");
    ensure!(damaged.stderr.contains("is damaged: "), "{damaged:?}");
    ensure!(list(&kept, &other)?.is_empty(), "nothing was restored");
    let own = kept.path().join("state/runs").join(id);
    for log in ["journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(own.join(log));
    }
    fs::copy(&path, own.join("journal.db"))?;
    let rest = kept.path().join("rest");
    let created = create(&[], &rest)?;
    ensure!(created.status == 1, "{created:?}");
    ensure!(created.stderr.contains("is left out: "), "{created:?}");
    ensure!(list(&kept, &rest)?.len() == 1);
    Ok(())
}

#[test]
fn old_executions_are_deleted_by_number_age_and_state() -> Result<()> {
    let kept = Kept::new(&chain(1, 1))?;
    let file = kept.file();
    let run = |workflow: &str, more: &[&str]| {
        let run = kept.ostro(["run", &file, workflow])?.args(more).run()?;
        let list = kept.list()?;
        ensure!(run.status < 2, "{run:?}");
        Ok(list.len())
    };
    run("failing", &[])?;
    for _ in 0..3 {
        run("short", &[])?;
    }
    ensure!(kept.list()?.len() == 4);
    // One that goes on is never old.
    let id = kept.start(["waiting", "--max-finished-executions", "0"])?;
    ensure!(kept.list()?.len() == 5);
    let left = run(
        "short",
        &[
            "--max-finished-executions",
            "2",
            "--ignored-states",
            "error",
        ],
    )?;
    ensure!(
        left == 5,
        "one failed, one runs, two are kept, one is new: {left}"
    );
    // The marks tell when they ended.
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    for entry in fs::read_dir(kept.path().join("state/runs"))? {
        let mark = entry?.path().join("ended");
        if mark.exists() {
            let file = File::options().write(true).open(mark)?;
            file.set_modified(hour_ago)?;
        }
    }
    ensure!(run("short", &["--older-than", "61"])? == 6);
    let left = run("short", &["--older-than", "59"])?;
    ensure!(left == 3, "one runs, and two are new: {left}");
    kept.execution("cancel", &id)?.expect(0)
}
