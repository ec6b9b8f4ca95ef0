//! `ostro doctor`: whether what is kept is whole, and will come to its end; installed packs, too.

use anyhow::Result;
use console::style;
use ostro_journal::{Journal, JournalError, Options};
use ostro_runtime::{Finding, diagnose};

use crate::args::Doctor;
use crate::errors::Exit;
use crate::state::{self, RunDir, StateDir, moment};
use crate::terminal;
use crate::text::counted;

/// Carries out `ostro doctor`.
pub(crate) fn doctor(args: &Doctor) -> Result<Exit> {
    let mut problems = 0;
    let mut interrupted = Vec::new();
    let state = StateDir::new(args.state.state_dir.as_deref())?;
    let runs = state.runs()?;
    for run in &runs {
        match examine(run, args.repair) {
            Ok(found) => {
                problems += found.problems;
                if found.is_interrupted {
                    interrupted.push(run.id.to_string());
                }
            }
            Err(error) => {
                problems += 1;
                tell(run, &format!("{error:#}"));
            }
        }
    }
    match examine_server(&state, args.repair) {
        Ok(found) => problems += found,
        Err(error) => {
            problems += 1;
            terminal::complain(&format!("server: {error:#}"));
        }
    }
    problems += examine_packs(&state);
    for id in &interrupted {
        terminal::print(&format!("{id}: interrupted: `ostro execution resume {id}`"))?;
    }
    let said = match problems {
        0 => style("nothing is wrong".to_owned()).green().for_stderr(),
        some => style(counted(some, "problem")).red().for_stderr(),
    };
    let all = counted(runs.len(), "execution");
    terminal::complain(&format!("{all}: {said}"));
    Ok(if problems == 0 {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// How many installed packs are not what was installed. What has to be known of them is said.
fn examine_packs(state: &StateDir) -> usize {
    let store = state.store();
    let record = match store.read() {
        Ok(record) => record,
        Err(error) => {
            terminal::complain(&error.to_string());
            return 1;
        }
    };
    let damaged = record.versions().filter_map(|one| store.open(one).err());
    damaged
        .map(|error| terminal::complain(&terminal::clean(&error.to_string())))
        .count()
}

/// How many problems the server's journal has. What there is to know is said.
fn examine_server(state: &StateDir, repair: bool) -> Result<usize> {
    let folder = state.server();
    let Some(journal) = Journal::open_to_read(&folder, &Options::default())? else {
        return Ok(0);
    };
    let say = |what: &str| terminal::complain(&format!("server: {what}"));
    let mut problems = damages(&journal, say)?;
    // What is read while somebody writes may be of two moments.
    if Journal::holder(&folder).is_some() {
        return Ok(problems);
    }
    let mut findings = Vec::new();
    for root in state::unfinished(&journal)? {
        findings.extend(diagnose(&journal, &root)?);
    }
    drop(journal);
    let open = || Ok(Journal::open(&folder, &Options::default())?);
    problems += mend(findings, repair, open, say)?;
    Ok(problems)
}

struct Found {
    problems: usize,
    is_interrupted: bool,
}

fn examine(run: &RunDir, repair: bool) -> Result<Found> {
    let held = run.holder().is_some();
    let journal = run.look_if_begun()?;
    let row = match &journal {
        Some(journal) => journal.execution(&run.id)?,
        None => None,
    };
    let (Some(journal), Some(row)) = (journal, row) else {
        if !held {
            tell(
                run,
                "its first step was never written; `ostro execution delete` removes it",
            );
        }
        return Ok(Found {
            problems: 0,
            is_interrupted: false,
        });
    };
    let mut problems = damages(&journal, |what| tell(run, what))?;
    // What is read while somebody writes may be of two moments.
    let findings = if held {
        Vec::new()
    } else {
        diagnose(&journal, &run.id)?
    };
    drop(journal);
    problems += mend(findings, repair, || run.open(), |what| tell(run, what))?;
    let ended = row.state.is_completed();
    if ended && !held {
        let at = row.finished_at.unwrap_or(row.updated_at);
        run.mark_ended(row.state, moment(at))?;
    }
    Ok(Found {
        problems,
        is_interrupted: !held && !ended && row.moving,
    })
}

/// How much of a journal is damaged.
fn damages(journal: &Journal, say: impl Fn(&str)) -> Result<usize> {
    let report = journal.check()?;
    for (place, problem) in report.problems.iter().enumerate() {
        let damage = || JournalError::Corrupt {
            path: journal.path().to_owned(),
            detail: problem.clone(),
        };
        // What to do about it is said once.
        let said = (place == 0).then(|| damage().to_string());
        say(said.as_ref().unwrap_or(problem));
    }
    Ok(report.problems.len())
}

/// Puts right what can be, if that is wanted. How many findings are left.
fn mend(
    findings: Vec<Finding>,
    repair: bool,
    open: impl Fn() -> Result<Journal>,
    say: impl Fn(&str),
) -> Result<usize> {
    let mut left = 0;
    for finding in findings {
        let what = format!("execution {}: {}", finding.execution, finding.what);
        if repair && finding.can_be_repaired() {
            finding.repair(&open()?)?;
            say(&format!("{what}: repaired"));
        } else {
            left += 1;
            let how = if finding.can_be_repaired() {
                "; --repair puts it right"
            } else {
                ""
            };
            say(&format!("{what}{how}"));
        }
    }
    Ok(left)
}

fn tell(run: &RunDir, what: &str) {
    terminal::complain(&format!("{}: {what}", run.id));
}
