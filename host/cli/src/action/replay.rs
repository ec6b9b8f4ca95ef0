//! `ostro action replay`: a recorded action again, with no cloud.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use ostro_sandbox::{Difference, Recording};
use serde_json::{Value, json};

use crate::args::{Expect, Output, Replay};
use crate::errors::{Exit, WithHint as _, hinted, warn};
use crate::recordings::{self, Player, Words};
use crate::terminal;

/// Carries out `ostro action replay`.
pub(crate) fn replay(args: &Replay) -> Result<Exit> {
    if let Some(dir) = &args.save_test
        && !dir.join("pack.yaml").is_file()
    {
        return Err(hinted(
            anyhow!("--save-test {}: there is no pack.yaml in it", dir.display()),
            "it takes the folder of a pack, where the pack's tests are",
        ));
    }
    let path = recordings::find(&args.recording, &args.state)?;
    let mut recording = recordings::read(&path)?;
    if let Some(reason) = &recording.cut {
        return Err(hinted(
            anyhow!(
                "{}: it was cut and cannot be replayed: {reason}",
                path.display()
            ),
            "`ostro pack grants` can read what there is of it",
        ));
    }
    let pack = pack(&recording, args.pack.as_deref())?;
    let player = Player::open(&pack)?;
    if args.pack.is_none() {
        tell_changes(&recording, &player);
    }
    for import in &recording.not_recorded {
        warn(
            &format!("the component imports {import}, which is not recorded"),
            Some("what it gets from there may be different in each replay"),
        );
    }
    let count = recording.calls.len();
    if args.expect == Expect::Success {
        leave_open(&mut recording);
    }
    let replayed = crate::block_on(async { player.play(&recording).await })?.hint(|| {
        format!(
            "`ostro pack inspect {}` shows the actions of the pack",
            pack.display()
        )
    })?;
    let (difference, words) = match (replayed.difference, args.expect) {
        (Some(difference), _) => (Some(difference), Words::RECORDED),
        (None, Expect::Recorded) => (None, Words::RECORDED),
        (None, Expect::Success) => (no_success(replayed.outcome.as_ref()), Words::EXPECTED),
    };
    let is_right = difference.is_none();
    if args.output == Output::Json {
        let answer = json!({
            "action": recording.action,
            "same": is_right,
            "host_calls": count,
            "difference": difference.as_ref().map(|difference| words.json(difference)),
            "outcome": replayed.outcome,
        });
        terminal::print(&serde_json::to_string_pretty(&answer)?)?;
    } else if let Some(difference) = &difference {
        let lines = words.lines(difference);
        terminal::print(&format!(
            "{}: different, first at {}",
            recording.action,
            lines.join("\n")
        ))?;
    } else {
        let calls = match count {
            1 => "1 host call".to_owned(),
            many => format!("{many} host calls"),
        };
        let verdict = match args.expect {
            Expect::Recorded => "the same",
            Expect::Success => "it succeeds",
        };
        terminal::print(&format!("{}: {verdict} ({calls})", recording.action))?;
    }
    if let Some(dir) = &args.save_test {
        let saved = match (args.expect, replayed.outcome) {
            (Expect::Recorded, _) => save(recording, dir)?,
            (Expect::Success, Some(outcome)) if is_right => save_case(&recording, &outcome, dir)?,
            (Expect::Success, _) => {
                warn("no test is saved: it does not succeed", None);
                return Ok(Exit::Failure);
            }
        };
        terminal::complain(&format!("saved as {}", saved.display()));
    }
    Ok(if is_right {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// Leaves open how `recording` ends, and what is told on the way: what is not stopped where it
/// stopped then has more to tell.
fn leave_open(recording: &mut Recording) {
    let tells = ["log.write", "progress.report"];
    recording.is_case = true;
    recording.outcome = None;
    recording
        .calls
        .retain(|call| !tells.contains(&call.call.as_str()));
}

/// Why an outcome is not the success that is expected.
fn no_success(outcome: Option<&Value>) -> Option<Difference> {
    if outcome.is_some_and(|outcome| outcome.get("success").is_some()) {
        return None;
    }
    Some(Difference {
        place: match outcome {
            Some(_) => "the outcome".to_owned(),
            None => "the last host call, which never had an answer".to_owned(),
        },
        path: String::new(),
        recorded: Some("a success".into()),
        now: outcome.cloned(),
    })
}

/// Where the pack to replay with is.
fn pack(recording: &Recording, named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let name = &recording.pack.name;
    let hint = format!("--pack DIR says where the pack {name} is");
    match recording.pack.source.as_deref().map(PathBuf::from) {
        Some(source) if source.exists() => Ok(source),
        Some(source) => Err(hinted(
            anyhow!("the pack {name} is no longer in {}", source.display()),
            hint,
        )),
        None => Err(hinted(
            anyhow!("the recording does not say where the pack {name} is"),
            hint,
        )),
    }
}

/// Says if the pack is not the one that was recorded.
fn tell_changes(recording: &Recording, player: &Player) {
    let then = recording.pack.digest.as_deref();
    if then.is_some_and(|then| then != player.pack.digest) {
        warn(
            &format!(
                "the pack {} has changed since the recording",
                recording.pack.name
            ),
            None,
        );
    }
}

/// Makes a test of a recording.
fn save(mut recording: Recording, dir: &Path) -> Result<PathBuf> {
    // Where it was recorded is nobody's business, and the same nowhere else.
    recording.pack.source = None;
    let name = format!("{}.json", name(&recording));
    let folder = dir.join("tests").join("recordings");
    recordings::write(&folder, &name, &recording).context("--save-test")
}

/// Makes a case of a recording that succeeds now: it says nothing of log lines and progress.
fn save_case(recording: &Recording, outcome: &Value, dir: &Path) -> Result<PathBuf> {
    let context = &recording.context;
    let case = json!({
        "name": format!("{} succeeds on what was recorded", recording.action),
        "action": recording.action,
        "input": recording.input,
        "context": {
            "workflow-name": context.workflow_name,
            "task-name": context.task_name,
            "attempt": context.attempt,
        },
        "calls": recording.calls,
        "result": outcome.get("success"),
    });
    let name = format!("{}.yaml", name(recording));
    let text = serde_yaml::to_string(&case)?;
    recordings::write_text(&dir.join("tests"), &name, &text).context("--save-test")
}

/// What a test made of a recording is called.
fn name(recording: &Recording) -> String {
    let action = recording.action.rsplit('.').next().unwrap_or_default();
    let id = recording.context.action_execution_id.chars().take(8);
    format!("{action}-{}", id.collect::<String>().replace('/', "_"))
}
