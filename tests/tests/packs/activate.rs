//! What new executions get, and what running ones keep.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::eventually;

use crate::maker::{Made, Place, WHICH};

/// Installs a version of `acme` that says what it is, unsigned.
fn install(place: &Place, version: &str, more: &[&str]) -> Result<()> {
    let says = [("which", version), ("other", "x")];
    let made = Made {
        version,
        functions: &says,
        ..Made::default()
    };
    installed(place, &made, more)
}

fn installed(place: &Place, made: &Made<'_>, more: &[&str]) -> Result<()> {
    let file = made.build(place)?.display().to_string();
    place.well(&[&["pack", "install", &file, "--allow-unsigned"][..], more].concat())?;
    Ok(())
}

/// A workflow that pauses before it asks which version it is run by.
const PAUSING: &str = "
version: '2.0'
pausing:
  output: {which: <% $.which %>}
  tasks:
    first:
      action: acme.power.which
      on-success: [pause, ask]
    ask:
      action: acme.power.which
      publish: {which: <% task().result %>}
";

#[test]
fn a_running_execution_keeps_its_version_and_new_ones_get_the_active_one() -> Result<()> {
    let place = Place::new()?;
    fs::write(place.path().join("pausing.yaml"), PAUSING)?;
    install(&place, "1.0.0", &["--activate"])?;
    place.run(&["run", "pausing.yaml"])?.expect(1)?;
    let list = place.kept.list()?;
    let id = list[0]["id"].as_str().context("an id")?;
    for version in ["1.1.0", "1.2.0", "1.3.0"] {
        install(&place, version, &["--activate"])?;
        ensure!(place.which()? == version);
    }
    // Of those that took their turn, only what something needs is kept.
    let versions = || -> Result<Vec<String>> {
        let list = place.json(&["pack", "list"])?;
        let all = list.as_array().context("a list")?;
        Ok(all
            .iter()
            .filter_map(|one| Some(one["version"].as_str()?.to_owned()))
            .collect())
    };
    ensure!(
        versions()? == ["1.3.0", "1.2.0", "1.0.0"],
        "{:?}",
        versions()?
    );
    place.refused(&["pack", "remove", "acme@1.3.0"], &["is active"])?;
    place.refused(
        &["pack", "remove", "acme@1.0.0"],
        &["is needed by execution", id],
    )?;
    place.well(&["pack", "prune"])?;
    ensure!(versions()?.len() == 3, "{:?}", versions()?);
    let resumed = place.json(&["execution", "resume", id])?;
    ensure!(resumed["output"]["which"] == "1.0.0", "{resumed:#}");
    // Now nothing needs it any more.
    place.well(&["pack", "prune", "--dry-run"])?;
    ensure!(versions()?.len() == 3);
    place.well(&["pack", "prune"])?;
    ensure!(versions()? == ["1.3.0", "1.2.0"]);
    let objects = fs::read_dir(place.store().join("objects"))?.count();
    ensure!(objects == 2, "{objects} objects");
    Ok(())
}

#[test]
fn an_execution_whose_version_is_gone_says_how_to_get_it_back() -> Result<()> {
    let place = Place::new()?;
    fs::write(place.path().join("pausing.yaml"), PAUSING)?;
    install(&place, "1.0.0", &["--activate"])?;
    place.run(&["run", "pausing.yaml"])?.expect(1)?;
    let list = place.kept.list()?;
    let id = list[0]["id"].as_str().context("an id")?;
    fs::rename(place.store(), place.path().join("lost"))?;
    let said = place.refused(
        &["execution", "resume", id],
        &[
            "the execution began with acme 1.0.0 (sha256:",
            "acme-1.0.0.ostro --digest sha256:",
        ],
    )?;
    // What it says to do, does it.
    let hint = said
        .lines()
        .find(|line| line.contains("brings it back"))
        .context("a hint")?;
    let command = hint.split('`').nth(1).context("a command")?;
    let words: Vec<&str> = command
        .split(' ')
        .skip(1)
        .chain(["--allow-unsigned"])
        .collect();
    place.well(&words)?;
    let resumed = place.json(&["execution", "resume", id])?;
    ensure!(resumed["output"]["which"] == "1.0.0", "{resumed:#}");
    Ok(())
}

#[test]
fn what_breaks_is_not_activated_without_force() -> Result<()> {
    let place = Place::new()?;
    let uses = WHICH.replace("acme.power.which", "acme.power.other");
    fs::write(place.path().join("uses.yaml"), &uses)?;
    install(&place, "1.0.0", &["--activate"])?;
    // It adds one action and takes another away.
    let other = [("which", "1.1.0"), ("third", "3")];
    installed(
        &place,
        &Made {
            version: "1.1.0",
            functions: &other,
            ..Made::default()
        },
        &[],
    )?;
    place.refused(
        &["pack", "activate", "acme"],
        &[
            "acme 1.1.0 breaks what 1.0.0 has: action acme.power.other",
            "--force",
        ],
    )?;
    place.refused(
        &[
            "pack",
            "activate",
            "acme",
            "-f",
            "test.yaml",
            "-f",
            "uses.yaml",
        ],
        &["breaks workflows that are right with 1.0.0: uses.yaml:7"],
    )?;
    ensure!(place.which()? == "1.0.0");
    let shown = place.run(&["pack", "activate", "acme", "--output", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout)?;
    ensure!(
        shown["active"] == false && shown["review"]["breaks"] == true,
        "{shown:#}"
    );
    let forced = place.well(&["pack", "activate", "acme", "--force"])?;
    ensure!(
        forced.stdout.contains("+ action    acme.power.third"),
        "{forced:#?}"
    );
    ensure!(
        forced
            .stdout
            .contains("- action    acme.power.other  breaks"),
        "{forced:#?}"
    );
    ensure!(place.which()? == "1.1.0");
    let back = place.json(&["pack", "rollback", "acme"])?;
    ensure!(back[0]["version"] == "1.0.0", "{back:#}");
    ensure!(place.which()? == "1.0.0");
    place.well(&["pack", "rollback", "acme"])?;
    ensure!(place.which()? == "1.1.0");
    place.well(&["pack", "deactivate", "acme"])?;
    let run = place.run(&["run", "test.yaml"])?;
    ensure!(run.status == 1, "{run:#?}");
    place.refused(
        &["pack", "deactivate", "acme"],
        &["no such version of acme is active"],
    )?;
    place.well(&["pack", "rollback", "acme"])?;
    ensure!(place.which()? == "1.1.0");
    place.refused(
        &["pack", "activate", "acme@3"],
        &["acme 3 is not installed", "ostro pack list"],
    )?;
    Ok(())
}

#[test]
fn two_majors_are_active_side_by_side_and_a_tag_says_which() -> Result<()> {
    let place = Place::new()?;
    // The workflow of another pack counts as much as the operator's own.
    let own = WHICH
        .replace("which:\n  output", "own:\n  output")
        .replace(".which", ".other");
    let named = own.replace("acme.power.other", "acme.power.which");
    let beside = Made {
        name: "beside",
        functions: &[("beside", "b")],
        workflow: Some(&named),
        ..Made::default()
    };
    installed(&place, &beside, &["--activate"])?;
    install(&place, "1.0.0", &["--activate"])?;
    let renamed = [("that", "2.0.0")];
    let two = Made {
        version: "2.0.0",
        functions: &renamed,
        ..Made::default()
    };
    installed(&place, &two, &[])?;
    place.refused(
        &["pack", "activate", "acme@2"],
        &["acme 2.0.0 breaks workflows that are right with 1.0.0: beside:workflows/own.yaml:7"],
    )?;
    place.well(&["pack", "deactivate", "beside"])?;
    let tagged = WHICH.replace(
        "which:\n  output",
        "which:\n  tags: ['pack:acme@1']\n  output",
    );
    fs::write(place.path().join("tagged.yaml"), &tagged)?;
    // One that says which it wants is not broken by another.
    place.well(&["pack", "activate", "acme@2", "-f", "tagged.yaml"])?;
    ensure!(
        place.active()? == ["2.0.0", "1.0.0"],
        "{:?}",
        place.active()?
    );
    let run = place.json(&["run", "tagged.yaml"])?;
    ensure!(run["output"]["which"] == "1.0.0", "{run:#}");
    place.run(&["run", "test.yaml"])?.expect(1)?;
    place.well(&["lint", "tagged.yaml", "--complete"])?;
    install(&place, "1.1.0", &[])?;
    let told = place.well(&["pack", "activate", "acme@1", "-f", "tagged.yaml"])?;
    ensure!(
        told.stderr
            .contains("executions get 2.0.0, unless their workflow has the tag pack:acme@1"),
        "{told:#?}"
    );
    let run = place.json(&["run", "tagged.yaml"])?;
    ensure!(run["output"]["which"] == "1.1.0", "{run:#}");
    fs::write(place.path().join("three.yaml"), tagged.replace("@1", "@3"))?;
    place.refused(
        &["run", "three.yaml"],
        &["asks for acme 3, and none is active"],
    )?;
    fs::write(place.path().join("none.yaml"), tagged.replace("@1", ""))?;
    place.refused(&["run", "none.yaml"], &["pack:NAME@MAJOR"])?;
    Ok(())
}

#[test]
fn no_version_is_deleted_while_an_execution_with_it_is_being_started() -> Result<()> {
    let place = Place::new()?;
    install(&place, "1.0.0", &["--activate"])?;
    let starting = fs::File::open(place.store().join("starting"))?;
    starting.lock_shared()?;
    install(&place, "1.1.0", &["--activate"])?;
    install(&place, "1.2.0", &["--activate"])?;
    let objects = || Ok::<_, anyhow::Error>(fs::read_dir(place.store().join("objects"))?.count());
    ensure!(objects()? == 3);
    place.refused(&["pack", "prune"], &["an execution is just being started"])?;
    place.refused(
        &["pack", "remove", "acme@1.0.0"],
        &["an execution is just being started"],
    )?;
    drop(starting);
    // Then the next change does it; that the lock goes may take the system a moment.
    eventually("the version to go", || {
        place.well(&["pack", "prune"])?;
        Ok(objects()? == 2)
    })
}
