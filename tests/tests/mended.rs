//! An action that failed against a real Ironic is recorded there, fails again with no service
//! running, is mended in its source, and succeeds on what was recorded.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use ostro_tests::{Cloud, Ostro, OwnCloud, Run, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

const ACTION: &str = "tripleo.baremetal.register_or_update_nodes";
/// The file of the stock pack that is wrong in the copy.
const SOURCE: &str = "tripleo/actions/src/register.rs";
/// Where what is wrong begins.
const PLACE: &str = "    for uuid in known.difference(&seen) {\n";
/// What is wrong: each node has a name, somebody thought. Ironic knows nodes that have none.
const DEFECT: &str = r#"        let other = &registered.nodes[*uuid];
        if text_at(other, "name").is_none() {
            let what = format!("node {uuid} has no name");
            return Err(ActionError::Unexpected(what));
        }
"#;

/// A copy of the stock packs' sources, to change.
struct Plugins {
    dir: TempDir,
}

impl Plugins {
    fn copy() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let from = repository().join("plugins");
        copy(&from, &dir.path().join("plugins"))?;
        std::os::unix::fs::symlink(repository().join("wit"), dir.path().join("wit"))?;
        // The crates that the packs' own depend on are built once for all runs of this test.
        let config = dir.path().join("plugins/.cargo/config.toml");
        let mut text = fs::read_to_string(&config)?;
        let target = Ostro::path()?.with_file_name("tmp").join("mended");
        writeln!(text, "[build]\ntarget-dir = '{}'", target.display())?;
        fs::write(&config, text)?;
        Ok(Self { dir })
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("plugins").join(SOURCE)
    }

    fn pack(&self) -> String {
        let pack = self.dir.path().join("plugins/tripleo");
        pack.display().to_string()
    }

    fn build(&self) -> Result<()> {
        let build = Ostro::new()?.args(["pack", "build"]).args([self.pack()]);
        build.run()?.expect(0)
    }
}

/// Copies a folder, without what builds make.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name == "build" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Registers a node with the pack, recorded in `recordings`.
fn register(cloud: &Cloud, pack: &str, recordings: &Path) -> Result<Run> {
    let nodes = json!([{
        "name": "mended-1", "pm_type": "fake-hardware", "mac": ["52:54:00:0e:0d:01"],
        "cpu": "4", "memory": "8192", "disk": "40", "arch": "x86_64",
    }]);
    Ostro::new()?
        .cloud(cloud)
        .args(["action", "run", ACTION, "--no-packs", "--pack", pack])
        .args(["--output", "json", "-i", &format!("nodes_json={nodes}")])
        .args([&format!("--record={}", recordings.display())])
        .run()
}

/// Replays the recording with the pack, where there is no cloud.
fn replay(recording: &str, pack: &str, more: &[&str]) -> Result<Run> {
    Ostro::new()?
        .args(["action", "replay", recording, "--pack", pack])
        .args(["--output", "json"])
        .args(more)
        .run()
}

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_default()
}

#[test]
fn what_failed_in_a_real_cloud_is_mended_with_no_service_running() -> Result<()> {
    let starting = thread::spawn(|| OwnCloud::start(&["ironic"]));
    let plugins = Plugins::copy()?;
    let right = fs::read_to_string(plugins.source())?;
    ensure!(
        right.matches(PLACE).count() == 1,
        "{SOURCE} has another form"
    );
    let wrong = right.replace(PLACE, &format!("{PLACE}{DEFECT}"));
    fs::write(plugins.source(), wrong)?;
    plugins.build()?;
    let pack = plugins.pack();
    let recordings = plugins.dir.path().join("recordings");

    // In the cloud there is a node that somebody enrolled without a name.
    let own = starting
        .join()
        .map_err(|_| anyhow!("the cloud's start panicked"))??;
    let create = ["baremetal", "node", "create", "--driver", "fake-hardware"];
    let unnamed = own.cloud()?.openstack(&create)?;
    let unnamed = unnamed["uuid"].as_str().context("a UUID")?;
    let failed = register(own.cloud()?, &pack, &recordings)?.json(1)?;
    let why = format!("node {unnamed} has no name");
    ensure!(message(&failed).contains(&why), "{failed:#}");
    // It is not that nothing happened.
    let node = ["baremetal", "node", "show", "mended-1"];
    let registered = own.cloud()?.openstack(&node)?;
    let files: Vec<_> = fs::read_dir(&recordings)?.collect::<std::io::Result<_>>()?;
    ensure!(files.len() == 1, "{files:?}");
    let recording = files[0].path().display().to_string();

    // The same command finds no service now.
    own.stop()?;
    let elsewhere = plugins.dir.path().join("elsewhere");
    let unreached = register(own.cloud()?, &pack, &elsewhere)?.json(1)?;
    ensure!(
        message(&unreached).contains("cannot be reached"),
        "{unreached:#}"
    );
    ensure!(own.cloud()?.openstack(&node).is_err(), "a service runs");
    drop(own);

    let again = replay(&recording, &pack, &[])?.json(0)?;
    ensure!(again["same"] == true, "{again:#}");
    ensure!(
        again["outcome"]["error"].to_string().contains(&why),
        "{again:#}"
    );
    let again = replay(&recording, &pack, &["--expect", "success"])?.json(1)?;
    ensure!(again["difference"]["place"] == "the outcome", "{again:#}");

    fs::write(plugins.source(), &right)?;
    plugins.build()?;
    // It goes on where it ended then.
    let differs = replay(&recording, &pack, &[])?.json(1)?;
    let now = &differs["difference"]["now"];
    ensure!(now["call"] == "log.write", "{differs:#}");
    ensure!(
        now.to_string().contains("Extra registered node"),
        "{differs:#}"
    );
    let mended = replay(
        &recording,
        &pack,
        &["--expect", "success", "--save-test", &pack],
    )?
    .json(0)?;
    ensure!(mended["same"] == true, "{mended:#}");
    ensure!(mended["host_calls"].as_u64() > Some(4), "{mended:#}");
    let nodes = mended["outcome"]["success"].as_array().context("nodes")?;
    ensure!(nodes.len() == 1, "{mended:#}");
    ensure!(nodes[0]["uuid"] == registered["uuid"], "{mended:#}");

    // From now on the pack's tests see to it.
    let tests = Ostro::new()?.args(["pack", "test", &pack]).run()?;
    tests.expect(0)?;
    ensure!(tests.stdout.contains("on what was recorded"), "{tests:#?}");
    Ok(())
}
