//! `ostro execution start`: a run in the background.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use ostro_core::ExecutionId;

use crate::args::Run;
use crate::errors::{Exit, hinted};
use crate::state::StateDir;
use crate::terminal;

/// How long its first step may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Carries out `ostro execution start`: this program runs the workflow once more, by itself.
pub(crate) fn start(args: &Run) -> Result<Exit> {
    if args.ephemeral {
        return Err(hinted(
            anyhow!("--ephemeral keeps nothing, so nobody could see what came of it"),
            "`ostro run --ephemeral` runs it here",
        ));
    }
    let state = StateDir::new(args.state.state_dir.as_deref())?;
    let id = args.id.unwrap_or_else(uuid::Uuid::now_v7).to_string();
    let run = state.run(ExecutionId::new(id.as_str()));
    let program = std::env::current_exe().context("this program cannot be found")?;
    let mut words: Vec<_> = std::env::args_os().skip(1).collect();
    // `execution start` becomes `run`; what stands before and behind it is the same.
    let at = words
        .windows(2)
        .position(|pair| pair[0] == "execution" && pair[1] == "start")
        .context("`execution start` is not in the command line")?;
    words.splice(at..at + 2, ["run".into()]);
    if args.id.is_none() {
        words.extend(["--id".into(), id.as_str().into()]);
    }
    let said = tempfile::NamedTempFile::new().context("no temporary file can be made")?;
    let mut child = {
        use std::os::unix::process::CommandExt as _;
        Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said.reopen()?)
            // Ctrl-C here is not meant for it.
            .process_group(0)
            .spawn()
            .context("the run cannot be started")?
    };
    let end = Instant::now() + PATIENCE;
    loop {
        if run.exists() && run.row().ok().flatten().is_some() {
            terminal::print(&id)?;
            return Ok(Exit::Success);
        }
        if let Some(status) = child.try_wait()? {
            let mut text = String::new();
            File::open(said.path())?.read_to_string(&mut text)?;
            terminal::complain(text.trim_end());
            return Ok(if status.success() {
                Exit::Success
            } else {
                Exit::Usage
            });
        }
        if Instant::now() > end {
            return Err(anyhow!("the run has not come to its first step yet"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}
