//! `ostro pack dev`: rounds of build and test as a pack's files are saved, by the real binary in a
//! pipe.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Ostro, Run, eventually};
use tempfile::TempDir;

/// A round may have to build a tool, and a standard library.
const ROUND: Duration = Duration::from_mins(10);

/// A pack, and the `ostro pack dev` that watches it.
struct Dev {
    folder: TempDir,
    child: Child,
}

impl Dev {
    /// A fresh pack in a language; `more` goes to `ostro pack dev`.
    fn start(language: &str, more: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        ostro(&folder)?
            .args(["pack", "new", "acme", "--lang", language])
            .run()?
            .expect(0)?;
        let child = ostro(&folder)?
            .args(["pack", "dev", "acme"])
            .args(more)
            .spawn_telling(
                File::create(folder.path().join("printed"))?,
                File::create(folder.path().join("said"))?,
            )?;
        Ok(Self { folder, child })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("acme").join(file)
    }

    /// Puts `new` in the place of `old` in a file of the pack.
    fn edit(&self, file: &str, old: &str, new: &str) -> Result<()> {
        let path = self.path(file);
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(old), "{file} has no {old:?}");
        fs::write(path, text.replace(old, new))?;
        Ok(())
    }

    fn printed(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("printed"))?)
    }

    fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("said"))?)
    }

    /// The lines with which rounds ended.
    fn rounds(&self) -> Result<Vec<String>> {
        let is_end = |line: &&str| line.as_bytes().get(2) == Some(&b':');
        let printed = self.printed()?;
        Ok(printed.lines().filter(is_end).map(str::to_owned).collect())
    }

    /// Waits until there are `count` rounds: the last one's line, which has to have this in it.
    fn round(&mut self, count: usize, part: &str) -> Result<String> {
        let end = Instant::now() + ROUND;
        loop {
            let rounds = self.rounds()?;
            if let Some(round) = rounds.get(count - 1) {
                ensure!(
                    round.contains(part),
                    "no {part:?} in {round:?}\n{}",
                    self.said()?
                );
                return Ok(round.clone());
            }
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none(), "it ended: {ended:?}\n{}", self.said()?);
            ensure!(
                Instant::now() < end,
                "no round {count}: {rounds:?}\n{}",
                self.said()?
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ctrl-C; how it ends.
    fn interrupt(&mut self) -> Result<ExitStatus> {
        let id = self.child.id().to_string();
        ensure!(Command::new("kill").args(["-INT", &id]).status()?.success());
        self.ended()
    }

    fn ended(&mut self) -> Result<ExitStatus> {
        let mut status = None;
        eventually("the end", || {
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })?;
        status.context("a status")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ostro(folder: &TempDir) -> Result<Ostro> {
    let state = folder.path().join("state");
    Ok(Ostro::new()?
        .dir(folder.path())
        .env("OSTRO_STATE_DIR", state))
}

#[test]
fn each_save_is_a_round_and_a_wrong_one_says_what_is_wrong() -> Result<()> {
    let mut dev = Dev::start("c", &[])?;
    dev.round(1, "  ok  built, 3 tests passed (")?;
    ensure!(dev.said()?.contains("watching acme; Ctrl-C ends it"));

    dev.edit("actions/app.c", "bool excited =", "bool excited := ")?;
    dev.round(2, "  FAILED  not built (")?;
    let said = dev.said()?;
    for part in [
        "actions/app.c changed",
        "acme/actions: zig cc failed",
        "app.c:",
        "error: expected",
    ] {
        ensure!(said.contains(part), "no {part:?} in {said}");
    }

    dev.edit("actions/app.c", "bool excited := ", "bool excited =")?;
    dev.round(3, "  ok  built, 3 tests passed (")?;

    // A case needs no build.
    dev.edit("tests/actions.yaml", "hello Ada!", "good morning Ada!")?;
    dev.round(4, "  FAILED  1 of 3 tests failed (")?;
    let printed = dev.printed()?;
    for part in [
        "FAILED  Somebody is greeted",
        "good morning Ada!",
        "hello Ada!",
    ] {
        ensure!(printed.contains(part), "no {part:?} in {printed}");
    }
    dev.edit("tests/actions.yaml", "good morning Ada!", "hello Ada!")?;
    dev.round(5, "  ok  3 tests passed (")?;

    // It is tried again with the next save, whatever is wrong.
    dev.edit("pack.yaml", "version: 0.1.0", "version: soon")?;
    dev.round(6, "  FAILED  not built (")?;
    ensure!(dev.said()?.contains("acme/pack.yaml:2"), "{}", dev.said()?);
    dev.edit("pack.yaml", "version: soon", "version: 0.1.0")?;
    dev.round(7, "  ok  built, 3 tests passed (")?;

    // A folder that was not there is watched, too.
    fs::remove_dir_all(dev.path("tests"))?;
    dev.round(8, ", no tests (")?;
    fs::create_dir(dev.path("tests"))?;
    dev.round(9, ", no tests (")?;
    fs::write(
        dev.path("tests/one.yaml"),
        "name: one\naction: acme.greetings.greet\ninput: { name: A }\nresult: hello A\n",
    )?;
    dev.round(10, "  ok  1 test passed (")?;

    ensure!(dev.interrupt()?.code() == Some(0));
    ensure!(dev.rounds()?.len() == 10, "{:?}", dev.rounds()?);
    ensure!(
        !dev.said()?.contains('\u{1b}'),
        "colours in a pipe: {}",
        dev.said()?
    );
    Ok(())
}

#[test]
fn saves_that_come_together_are_one_round_and_what_is_no_source_is_none() -> Result<()> {
    let mut dev = Dev::start("c", &[])?;
    dev.round(1, "ok")?;
    for file in [
        "actions/.app.c.swp",
        "actions/app.c~",
        "actions/target/x.c",
        "node_modules/x.js",
        "build/x.c",
    ] {
        let path = dev.path(file);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(path, "x")?;
    }
    thread::sleep(Duration::from_secs(1));
    ensure!(dev.rounds()?.len() == 1, "{:?}", dev.rounds()?);

    // However many there are: one round while they go on, at most, and one after the last.
    for _ in 0..10 {
        dev.edit("actions/app.c", "\"hello", "\"hullo")?;
        dev.edit("actions/app.c", "\"hullo", "\"hello")?;
    }
    eventually("the end of the rounds", || {
        let before = dev.rounds()?;
        thread::sleep(Duration::from_secs(2));
        Ok(before.len() > 1 && dev.rounds()?.len() == before.len())
    })?;
    let rounds = dev.rounds()?;
    ensure!((2..=3).contains(&rounds.len()), "{rounds:?}");
    let last = rounds.last().context("a round")?;
    ensure!(last.contains("  ok  built, 3 tests passed ("), "{rounds:?}");
    ensure!(dev.interrupt()?.code() == Some(0));
    Ok(())
}

/// What cargo says, and what is saved while it builds.
#[test]
fn a_save_during_a_build_is_taken_up_by_the_next_round() -> Result<()> {
    let mut dev = Dev::start("rust", &[])?;
    // The first build takes its time. Cargo writes its lock file in it, which is no save.
    eventually("cargo's folder", || Ok(dev.path("actions/target").is_dir()))?;
    dev.edit("actions/src/lib.rs", "format!(\"hello", "forma!(\"hello")?;
    let first = dev.round(1, "")?;
    ensure!(first.contains("built"), "{first}");
    dev.round(2, "  FAILED  not built (")?;
    let said = dev.said()?;
    for part in ["cannot find macro `forma`", "--> src/lib.rs:"] {
        ensure!(said.contains(part), "no {part:?} in {said}");
    }
    dev.edit(
        "actions/src/lib.rs",
        "forma!(\"hello",
        "let unused = 1; format!(\"hello",
    )?;
    dev.round(3, "  FAILED  not built (")?;
    dev.edit(
        "actions/src/lib.rs",
        "Ok(let unused = 1; format!(\"hello {name}{end}\"))",
        "let unused = 1;\n        Ok(format!(\"hello {name}{end}\"))",
    )?;
    dev.round(4, "  ok  built, 3 tests passed (")?;
    // What the compiler warns of is told, though it builds.
    ensure!(
        dev.said()?.contains("unused variable: `unused`"),
        "{}",
        dev.said()?
    );
    ensure!(!dev.said()?.contains("Compiling"), "{}", dev.said()?);
    // Sources outside of the pack are watched, too, once cargo has read them.
    let beside = dev.folder.path().join("beside.txt");
    fs::write(&beside, "hello")?;
    dev.edit(
        "actions/src/lib.rs",
        "format!(\"hello {name}{end}\")",
        "format!(\"{} {name}{end}\", include_str!(\"../../../beside.txt\"))",
    )?;
    dev.round(5, "  ok  built, 3 tests passed (")?;
    fs::write(&beside, "hullo")?;
    dev.round(6, "  FAILED  built, 1 of 3 tests failed (")?;
    ensure!(
        dev.said()?.contains("beside.txt changed"),
        "{}",
        dev.said()?
    );
    thread::sleep(Duration::from_secs(1));
    ensure!(dev.rounds()?.len() == 6, "{:?}", dev.rounds()?);
    ensure!(dev.interrupt()?.code() == Some(0));
    Ok(())
}

#[test]
fn an_action_or_a_workflow_is_run_after_each_build() -> Result<()> {
    let action = [
        "--",
        "action",
        "run",
        "acme.greetings.greet",
        "-i",
        "name=Ada",
    ];
    let mut dev = Dev::start("c", &action)?;
    dev.round(
        1,
        "ok  built, 3 tests passed, acme.greetings.greet succeeded (",
    )?;
    ensure!(dev.printed()?.contains("\nhello Ada\n") || dev.printed()?.starts_with("hello Ada\n"));
    dev.edit("actions/app.c", "if (is_blank(name))", "if (true)")?;
    dev.round(
        2,
        "FAILED  built, 1 of 3 tests failed, acme.greetings.greet failed (",
    )?;
    ensure!(
        dev.said()?
            .contains("error: acme.greetings.greet: there is nobody to greet")
    );
    ensure!(dev.interrupt()?.code() == Some(0));

    let workflow = [
        "--",
        "run",
        "acme/workflows/greet.yaml",
        "--ephemeral",
        "-i",
        r#"names=["A"]"#,
    ];
    let mut dev = Dev::start("c", &workflow)?;
    dev.round(
        1,
        "ok  built, 3 tests passed, acme/workflows/greet.yaml succeeded (",
    )?;
    ensure!(dev.printed()?.contains("hello A!"), "{}", dev.printed()?);
    // One that takes long is cancelled by Ctrl-C, and that is the end.
    dev.edit(
        "workflows/greet.yaml",
        "action: acme.checks",
        "wait-before: 600\n      action: acme.checks",
    )?;
    eventually("the workflow", || {
        Ok(dev.said()?.matches("acme_greet  RUNNING").count() == 2)
    })?;
    ensure!(dev.interrupt()?.code() == Some(0), "{}", dev.said()?);
    ensure!(dev.said()?.contains("cancelling"), "{}", dev.said()?);
    Ok(())
}

#[test]
fn what_is_no_pack_or_no_command_is_told_at_once() -> Result<()> {
    let mut dev = Dev::start("c", &[])?;
    let run = |arguments: &[&str]| -> Result<Run> {
        ostro(&dev.folder)?
            .args(["pack", "dev"])
            .args(arguments)
            .run()
    };
    for (arguments, message) in [
        (&["nowhere"][..], "nowhere: there is no such folder"),
        (&["."], ".: there is no pack.yaml in it"),
        (
            &["acme", "--", "pack", "build", "acme"],
            "that cannot be run after each build",
        ),
        (&["acme", "--", "action", "run"], "<NAME>"),
    ] {
        let run = run(arguments)?;
        ensure!(run.status == 2, "{run:#?}");
        ensure!(run.stderr.contains(message), "{run:#?}");
    }

    dev.round(1, "ok")?;
    let pack = dev.folder.path().join("acme");
    fs::rename(pack, dev.folder.path().join("gone"))?;
    ensure!(dev.ended()?.code() == Some(1));
    ensure!(
        dev.said()?.contains("error: acme: the folder is gone"),
        "{}",
        dev.said()?
    );
    Ok(())
}
