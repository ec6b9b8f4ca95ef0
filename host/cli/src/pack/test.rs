//! `ostro pack test`: a pack's own tests, with no cloud.

use std::path::Path;

use anyhow::{Result, anyhow};
use console::style;
use ostro_packs::Grants;
use ostro_sandbox::Recording;
use serde_json::{Value, json};

use super::case::{self, Test};
use super::needs;
use crate::args::Output;
use crate::errors::{Exit, hinted};
use crate::recordings::{self, Player, Words};
use crate::terminal;

/// Carries out `ostro pack test`.
pub(crate) fn test(dir: &Path, output: Output) -> Result<Exit> {
    let mut results = Vec::new();
    let count = run(dir, |test, problem| {
        if output == Output::Table {
            terminal::print(&shown(test, problem))?;
        }
        results.push(json!({
            "name": test.name,
            "action": test.recording.action,
            "passed": problem.is_none(),
            "problem": problem.map(Problem::json),
        }));
        Ok(())
    })?;
    let Count { passed, failed } = count;
    if passed + failed == 0 {
        return Err(hinted(
            anyhow!("{}: it has no tests", dir.display()),
            "tests are cases in tests/*.yaml and recordings in tests/recordings/*.json",
        ));
    }
    match output {
        Output::Json => {
            let answer = json!({ "tests": results, "passed": passed, "failed": failed });
            terminal::print(&serde_json::to_string_pretty(&answer)?)?;
        }
        Output::Table => terminal::print(&format!("{passed} passed, {failed} failed"))?,
    }
    Ok(if failed == 0 {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) passed: usize,
    pub(super) failed: usize,
}

/// Runs the tests of the pack in `dir`; `each` is told of one after the other.
pub(super) fn run(
    dir: &Path,
    mut each: impl FnMut(&Test, Option<&Problem>) -> Result<()>,
) -> Result<Count> {
    let mut count = Count::default();
    let tests = gather(dir)?;
    if tests.is_empty() {
        return Ok(count);
    }
    let player = Player::open(dir)?;
    for test in &tests {
        let problem = problem(&player, test)?;
        each(test, problem.as_ref())?;
        match problem {
            None => count.passed += 1,
            Some(_) => count.failed += 1,
        }
    }
    Ok(count)
}

/// All tests of a pack.
fn gather(dir: &Path) -> Result<Vec<Test>> {
    let folder = dir.join("tests");
    let mut tests = Vec::new();
    for path in recordings::files(&folder, &["yaml", "yml"])? {
        tests.extend(case::read(&path)?);
    }
    for path in recordings::files_in(&folder.join("recordings"))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let recording = recordings::read(&path)?;
        tests.push(Test::of_recording(format!("recordings/{name}"), recording));
    }
    Ok(tests)
}

/// Why a test fails.
pub(super) enum Problem {
    /// Something came that is not expected.
    Difference(Box<ostro_sandbox::Difference>),
    /// It cannot be run, or relies on what the pack does not ask for.
    Reason(String),
}

impl Problem {
    fn lines(&self) -> Vec<String> {
        match self {
            Problem::Difference(difference) => Words::EXPECTED.lines(difference).into(),
            Problem::Reason(reason) => terminal::clean(reason).lines().map(str::to_owned).collect(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Problem::Difference(difference) => Words::EXPECTED.json(difference),
            Problem::Reason(reason) => json!({ "reason": reason }),
        }
    }
}

fn problem(player: &Player, test: &Test) -> Result<Option<Problem>> {
    let replayed = crate::block_on(async { player.play(&test.recording).await })?;
    Ok(match replayed {
        Err(error) => Some(Problem::Reason(error.to_string())),
        Ok(replayed) => match test.difference(&replayed) {
            Some(difference) => Some(Problem::Difference(Box::new(difference))),
            None => not_granted(&test.recording, &player.pack.manifest.grants).map(Problem::Reason),
        },
    })
}

/// What the test relies on and the pack does not ask to be granted: the host would deny it.
fn not_granted(recording: &Recording, grants: &Grants) -> Option<String> {
    let needs = needs::of(recording);
    let denial = needs.iter().find_map(|need| grants.check(need).err())?;
    Some(denial.to_string())
}

/// What came of a test, for people.
pub(super) fn shown(test: &Test, problem: Option<&Problem>) -> String {
    let name = terminal::clean_line(&test.name);
    let Some(problem) = problem else {
        return format!("{}  {name}", style("ok").green());
    };
    let mut lines = vec![format!("{}  {name}", style("FAILED").red().bold())];
    lines.extend(problem.lines().iter().map(|line| format!("    {line}")));
    lines.join("\n")
}
