//! `ostro action replay`: a recorded action again, with no cloud.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use ostro_sandbox::Recording;
use serde_json::json;

use crate::args::{Output, Replay};
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
    let recording = recordings::read(&path)?;
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
    let replayed = crate::block_on(async { player.play(&recording).await })?.hint(|| {
        format!(
            "`ostro pack inspect {}` shows the actions of the pack",
            pack.display()
        )
    })?;
    let is_same = replayed.difference.is_none();
    let count = recording.calls.len();
    if args.output == Output::Json {
        let difference = replayed.difference.as_ref();
        let answer = json!({
            "action": recording.action,
            "same": is_same,
            "host_calls": count,
            "difference": difference.map(|difference| Words::RECORDED.json(difference)),
            "outcome": replayed.outcome,
        });
        terminal::print(&serde_json::to_string_pretty(&answer)?)?;
    } else if let Some(difference) = &replayed.difference {
        let lines = Words::RECORDED.lines(difference);
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
        terminal::print(&format!("{}: the same ({calls})", recording.action))?;
    }
    if let Some(dir) = &args.save_test {
        let saved = save(recording, dir)?;
        terminal::complain(&format!("saved as {}", saved.display()));
    }
    Ok(if is_same {
        Exit::Success
    } else {
        Exit::Failure
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
    let action = recording.action.rsplit('.').next().unwrap_or_default();
    let id = recording.context.action_execution_id.chars().take(8);
    let name = format!("{action}-{}.json", id.collect::<String>().replace('/', "_"));
    let folder = dir.join("tests").join("recordings");
    recordings::write(&folder, &name, &recording).context("--save-test")
}
