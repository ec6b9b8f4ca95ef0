//! Kills at any moment, and a full disk: nothing is half-done, and what was active stays active.

use std::fs;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{disk, on_a_disk};

use crate::maker::{Made, Place};

/// How many commands are killed; `OSTRO_KILLS` says otherwise.
const KILLS: usize = 80;

/// Installs and activates 1.0.0 and 1.1.0 in turn, each killed at a random moment. After each the
/// store is whole: both objects that the record names are what they were, exactly one version is
/// active, and executions run by it.
#[test]
fn a_kill_at_any_moment_leaves_the_store_whole() -> Result<()> {
    let kills = std::env::var("OSTRO_KILLS")
        .ok()
        .and_then(|text| text.parse().ok());
    let kills: usize = kills.unwrap_or(KILLS);
    let place = Place::new()?;
    let mut files = Vec::new();
    // Large enough that writing it takes a while.
    let ballast = format!("# {}\n", "ballast ".repeat(1 << 19));
    for version in ["1.0.0", "1.1.0"] {
        let says = [("which", version)];
        let more = format!("{ballast}# of {version}");
        let made = Made {
            version,
            functions: &says,
            more: &more,
            ..Made::default()
        };
        files.push(made.build(&place)?.display().to_string());
    }
    let install = |which: usize| {
        let file = &files[which];
        place.ostro(&["pack", "install", file, "--allow-unsigned", "--activate"])
    };
    let began = Instant::now();
    install(0)?.run()?.expect(0)?;
    install(1)?.run()?.expect(0)?;
    // One in ten comes too late, however fast the machine is at the moment.
    let mut within = began.elapsed() / 2;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut killed, mut changed, mut left) = (0, 0, 0);
    let mut was = place.active()?;
    for turn in 0..kills * 4 {
        if killed == kills {
            break;
        }
        let (next, other) = if was == ["1.0.0"] {
            (1, "acme@1.1.0")
        } else {
            (0, "acme@1.0.0")
        };
        if turn % 3 != 0 {
            // With the artifact to be written as well as with it there.
            place.run(&["pack", "remove", other])?;
        }
        let mut child = install(next)?.spawn()?;
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let share = u32::try_from(seed >> 40).unwrap_or_default();
        thread::sleep(within * share / (1 << 24));
        let ended = child.try_wait()?.is_some();
        within = if ended {
            within * 9 / 10
        } else {
            within * 91 / 90
        };
        child.kill()?;
        child.wait()?;
        killed += usize::from(!ended);

        left += unfinished(&place)?;
        let active = place.active()?;
        ensure!(active.len() == 1, "{turn}: {active:?}");
        ensure!(place.which()? == active[0], "{turn}: {active:?}");
        place.well(&["doctor"])?;
        changed += usize::from(active != was);
        was = active;
    }
    println!("{killed} kills: {changed} came after the change, {left} left something to sweep");
    ensure!(
        killed >= kills && changed > 0,
        "{killed} kills, {changed} changes"
    );
    // Nothing is left of all that.
    place.well(&["pack", "prune"])?;
    let list = place.json(&["pack", "list"])?;
    let versions = list.as_array().context("a list")?.len();
    ensure!(fs::read_dir(place.store().join("objects"))?.count() == versions);
    Ok(())
}

#[test]
fn a_full_disk_is_one_clear_line_and_changes_nothing() -> Result<()> {
    let Some(disk) = disk() else {
        return on_a_disk(
            "faults::a_full_disk_is_one_clear_line_and_changes_nothing",
            "24m",
        );
    };
    let place = Place::new()?;
    let says = |version| [("which", version)];
    let one = Made {
        functions: &says("1.0.0"),
        ..Made::default()
    }
    .build(&place)?;
    let more = format!("# {}", "ballast ".repeat(1 << 16));
    let made = Made {
        version: "1.1.0",
        functions: &says("1.1.0"),
        more: &more,
        ..Made::default()
    };
    let two = made.build(&place)?.display().to_string();
    let one = one.display().to_string();
    place.well(&["pack", "install", &one, "--allow-unsigned", "--activate"])?;
    ensure!(place.which()? == "1.0.0");
    let filler = disk.join("filler");
    ensure!(
        fs::write(&filler, vec![1; 32 << 20]).is_err(),
        "the disk has no end"
    );
    for arguments in [
        &["pack", "install", &two, "--allow-unsigned", "--activate"][..],
        &["pack", "install", &two, "--allow-unsigned"],
        &["pack", "deactivate", "acme"],
    ] {
        let said = place.refused(
            arguments,
            &["No space left on device", "what was active stays active"],
        )?;
        ensure!(
            said.contains(&place.store().display().to_string()),
            "{said}"
        );
        ensure!(place.active()? == ["1.0.0"]);
    }
    ensure!(unfinished(&place)? == 0);
    fs::remove_file(&filler)?;
    place.well(&["pack", "install", &two, "--allow-unsigned", "--activate"])?;
    ensure!(place.which()? == "1.1.0");
    Ok(())
}

/// How many artifacts are there that were not written to their end.
fn unfinished(place: &Place) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(place.store().join("objects"))? {
        count += usize::from(entry?.path().extension().is_some_and(|end| end == "new"));
    }
    Ok(count)
}
