//! Full, read-only and damaged disks, two processes at once and a clock that is set back, for the
//! real binary: each is told in one clear line, and nothing is lost or done twice.
//!
//! Disks are file systems in memory, in a mount namespace of the test's own. The clock is
//! libfaketime's, which is installed where it is missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail, ensure};
use ostro_tests::{Counter, Kept, Run, disk, eventually, on_a_disk};

fn remount(disk: &Path, how: &str) -> Result<()> {
    let how = format!("remount,{how}");
    let status = Command::new("mount")
        .args(["-o", &how])
        .arg(disk)
        .status()?;
    ensure!(status.success(), "mount -o {how} ended with {status}");
    Ok(())
}

/// The only execution that is kept.
fn only(kept: &Kept) -> Result<String> {
    let list = kept.list()?;
    ensure!(list.len() == 1, "{list:?}");
    Ok(list[0]["id"].as_str().context("an id")?.to_owned())
}

/// Runs it in the background until the server was asked `enough` times. What it says goes to
/// the file `said`.
fn run_until(kept: &Kept, said: &Path, counter: &Counter, enough: usize) -> Result<Child> {
    let run = kept.ostro(["run", &kept.file(), "--http-deny", "none"])?;
    let child = run.spawn_saying(File::create(said)?)?;
    eventually("progress", || Ok(counter.counts().len() >= enough))?;
    Ok(child)
}

/// Sends SIGKILL.
fn kill(mut child: Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The line that tells of the only error.
fn error_line(run: &Run) -> Result<&str> {
    ensure!(run.status == 2, "{run:?}");
    let mut errors = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    match (errors.next(), errors.next()) {
        (Some(line), None) => Ok(line),
        _ => bail!("not one error: {}", run.stderr),
    }
}

/// That each of `count` items was done exactly once.
fn each_once(counter: &Counter, count: usize) -> Result<()> {
    let counts = counter.counts();
    ensure!(counts.len() == count, "{} items", counts.len());
    ensure!(counts.values().all(|times| *times == 1), "{counts:?}");
    Ok(())
}

/// Many calls, some at a time.
fn items(port: u16, count: usize) -> String {
    format!(
        "
version: '2.0'
items:
  vars: {{server: 'http://127.0.0.1:{port}/'}}
  tasks:
    each:
      with-items: i in <% range({count}) %>
      concurrency: 4
      action: std.http
      input: {{url: \"<% $.server + str($.i) %>\", method: POST}}
"
    )
}

#[test]
fn a_full_disk_is_told_and_the_run_goes_on_once_there_is_room() -> Result<()> {
    let Some(disk) = disk() else {
        return on_a_disk(
            "a_full_disk_is_told_and_the_run_goes_on_once_there_is_room",
            "24m",
        );
    };
    let counter = Counter::start()?;
    let kept = Kept::new(&items(counter.port, 600))?;
    let small = kept.path().join("small.yaml");
    fs::write(
        &small,
        "{version: '2.0', small: {tasks: {one: {action: std.noop}}}}",
    )?;
    // What it says is on another disk, which has room.
    let said = disk.with_file_name("said");
    let mut child = run_until(&kept, &said, &counter, 20)?;
    let filler = disk.join("filler");
    let full = fs::write(&filler, vec![1; 32 << 20]);
    ensure!(full.is_err(), "the disk has no end");
    let said = || fs::read_to_string(&said);
    let waiting = |line: &&str| line.contains("waits: no room to write ");
    eventually("the fault", || {
        Ok(said()?.lines().any(|line| waiting(&line)))
    })?;
    let text = said()?;
    let line = text.lines().find(waiting).context("the line")?;
    ensure!(line.contains("journal.db: "), "{line}");
    ensure!(line.contains("free space on its disk"), "{line}");

    // Another one is refused; or it finds just the room to begin, and waits as the first one.
    let run = kept.ostro(["run", &small.display().to_string()])?;
    let second = disk.with_file_name("second");
    let mut other = run.spawn_saying(File::create(&second)?)?;
    eventually("the fault", || {
        let text = fs::read_to_string(&second)?;
        Ok(["error: ", "waits: "].iter().any(|word| {
            text.contains(&format!("{word}no room to write "))
                || text.contains(": No space left on device")
        }))
    })?;

    ensure!(child.try_wait()?.is_none(), "it waits for room");
    fs::remove_file(&filler)?;
    other.wait()?;
    ensure!(child.wait()?.success(), "{}", said()?);
    ensure!(said()?.contains("goes on"), "{}", said()?);
    each_once(&counter, 600)?;
    kept.ostro(["doctor"])?.run()?.expect(0)
}

#[test]
fn a_read_only_disk_is_told_and_can_be_looked_at() -> Result<()> {
    let Some(disk) = disk() else {
        return on_a_disk("a_read_only_disk_is_told_and_can_be_looked_at", "64m");
    };
    let counter = Counter::start()?;
    let kept = Kept::new(&items(counter.port, 200))?;
    let said = kept.path().join("said");
    kill(run_until(&kept, &said, &counter, 20)?)?;
    let id = only(&kept)?;
    remount(&disk, "ro")?;
    for arguments in [
        vec!["execution", "resume", &id],
        vec!["execution", "cancel", &id],
        vec!["execution", "delete", &id],
        vec!["run", &kept.file(), "--http-deny", "none"],
    ] {
        let run = kept.ostro([])?.args(&arguments).run()?;
        let line = error_line(&run)?;
        let words = line.to_lowercase();
        ensure!(words.contains(" read-only "), "{arguments:?}: {line}");
        ensure!(line.contains(&disk.display().to_string()), "{line}");
    }
    ensure!(kept.state(&id)? == "RUNNING");
    remount(&disk, "rw")?;
    // The calls that were at work when it was killed are lost, and fail the task.
    let resumed = kept.execution("resume", &id)?;
    ensure!(resumed.status == 1, "{resumed:?}");
    ensure!(resumed.stdout.contains("nobody knows"), "{resumed:?}");
    ensure!(counter.counts().values().all(|times| *times == 1));
    // It has ended and was closed well: there is no log of SQLite any more.
    remount(&disk, "ro")?;
    ensure!(kept.state(&id)? == "ERROR");
    kept.ostro(["doctor"])?.run()?.expect(0)?;
    remount(&disk, "rw")
}

#[test]
fn a_damaged_page_is_told_with_its_file_and_what_to_do() -> Result<()> {
    let kept = Kept::new(
        "
version: '2.0'
pausing:
  tasks:
    first:
      action: std.echo output='the first result'
      on-success: [pause, last]
    last:
      action: std.echo output='the last result'
",
    )?;
    kept.ostro(["run", &kept.file()])?.run()?.expect(1)?;
    let id = only(&kept)?;
    // A copy is one file; a run that has just ended may have a log beside it, with what is damaged.
    let copy = kept.path().join("copy");
    let create = kept.ostro(["backup", "create", "--to"])?;
    create.args([&copy]).run()?.expect(0)?;
    let ostro = |arguments: &[&str]| {
        let ostro = kept.ostro([])?.args(arguments);
        ostro.env("OSTRO_STATE_DIR", &copy).run()
    };
    let path = copy.join("runs").join(&id).join("journal.db");
    let name = path.display().to_string();
    let good = fs::read(&path)?;
    let pages = good.len() / 4096;
    let (mut told, mut ended) = (0, 0);
    for page in 0..pages {
        let mut bad = good.clone();
        bad[page * 4096..(page + 1) * 4096].fill(0xa5);
        fs::write(&path, &bad)?;
        let doctor = ostro(&["doctor"])?;
        ensure!(doctor.status == 1, "page {page}: {doctor:?}");
        let first = doctor.stderr.lines().next().context("a line")?;
        ensure!(first.contains(&name), "page {page}: {doctor:?}");
        let resumed = ostro(&["execution", "resume", &id])?;
        if resumed.status == 0 {
            ended += 1;
        } else {
            let line = error_line(&resumed)?;
            let clear = line.contains(&name)
                && ["is damaged: ", "is not a journal of ostro"]
                    .iter()
                    .any(|words| line.contains(words));
            ensure!(clear, "page {page}: {line}");
            told += 1;
        }
        let _ = fs::remove_file(path.with_file_name("journal.db-wal"));
        let _ = fs::remove_file(path.with_file_name("journal.db-shm"));
        let _ = fs::remove_file(path.with_file_name("ended"));
    }
    println!("{pages} pages: {told} keep it from going on, {ended} are found by doctor only");
    ensure!(told > 0);
    fs::write(&path, &good)?;
    ostro(&["doctor"])?.expect(0)?;
    ostro(&["execution", "resume", &id])?.expect(0)
}

#[test]
fn a_second_process_is_told_which_one_has_the_execution() -> Result<()> {
    let kept = Kept::new(
        "
version: '2.0'
waiting:
  tasks:
    wait:
      action: std.noop
      wait-before: 1000
",
    )?;
    let mut child = kept.ostro(["run", &kept.file()])?.spawn()?;
    eventually("the first step", || Ok(!kept.list()?.is_empty()))?;
    let id = only(&kept)?;
    let process = format!("process {} on ", child.id());
    for arguments in [
        vec!["execution", "rerun", &id, "wait"],
        vec!["execution", "skip", &id, "wait"],
        vec!["execution", "delete", &id],
    ] {
        let run = kept.ostro([])?.args(&arguments).run()?;
        let line = error_line(&run)?;
        ensure!(line.contains(&process), "{arguments:?}: {line}");
    }
    // One that dies holds nothing.
    child.kill()?;
    child.wait()?;
    kept.ostro(["execution", "cancel", &id])?.run()?.expect(0)
}

/// libfaketime, installed if it is not there.
fn faketime() -> Result<PathBuf> {
    let find = || -> Result<Option<PathBuf>> {
        for folder in fs::read_dir("/usr/lib")? {
            let path = folder?.path().join("faketime/libfaketime.so.1");
            if path.exists() {
                return Ok(Some(path));
            }
        }
        Ok(None)
    };
    if let Some(path) = find()? {
        return Ok(path);
    }
    let missing = "libfaketime is missing: `apt-get install libfaketime` as root";
    for arguments in [
        &["update"][..],
        &["install", "--yes", "--no-install-recommends", "libfaketime"],
    ] {
        let output = Command::new("apt-get")
            .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .context(missing)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{missing}\n{said}");
    }
    find()?.context(missing)
}

#[test]
fn a_clock_that_is_set_back_an_hour_holds_up_no_timer() -> Result<()> {
    let library = faketime()?;
    let kept = Kept::new(
        "
version: '2.0'
timers:
  tasks:
    first:
      action: std.noop
      wait-before: 4
      on-success: second
    second:
      action: std.noop
      wait-before: 4
",
    )?;
    let clock = kept.path().join("clock");
    let set = |offset: &str| -> Result<()> {
        let fresh = kept.path().join("clock.new");
        fs::write(&fresh, offset)?;
        Ok(fs::rename(&fresh, &clock)?)
    };
    let fake = |ostro: ostro_tests::Ostro| {
        ostro
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1")
            // Only the wall clock can be set.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    };
    set("+0")?;
    let child = fake(kept.ostro(["run", &kept.file()])?).spawn()?;
    eventually("the first step", || Ok(!kept.list()?.is_empty()))?;
    let id = only(&kept)?;
    // While it runs.
    set("-1h")?;
    let is_done = || -> Result<bool> {
        let run = kept.ostro(["execution", "show", &id, "--output", "json"])?;
        let shown = run.run()?.json(0)?;
        Ok(shown["tasks"][0]["state"] == "SUCCESS")
    };
    eventually("the first timer", is_done)?;
    kill(child)?;
    // And between two processes.
    set("-2h")?;
    let resumed = fake(kept.ostro(["execution", "resume", &id])?).run()?;
    resumed.expect(0)?;
    ensure!(kept.state(&id)? == "SUCCESS");
    let doctor = kept.ostro(["doctor"])?.run()?;
    doctor.expect(0)
}
