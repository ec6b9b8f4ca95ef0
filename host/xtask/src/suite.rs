//! Everything that must pass before a change is merged, as a sequence of steps.
//!
//! Cheap steps come first. The cloud and the packs come before the workspace's tests, as those of
//! `tests/` use both. The tests are built before the packs, with the `ostro` that builds those:
//! by itself it would be built with other features of what it depends on, and all of that twice.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cloud::Cloud;
use crate::packs;
use crate::project::{self, Project, heading, seconds};

/// What the tests need of OpenStack.
const SERVICES: [&str; 7] = [
    "keystone",
    "swift",
    "ironic",
    "ironic-inspector",
    "zaqar",
    "glance",
    "nova",
];

const COMPONENTS_REMEDY: &str = "rustup component add rustfmt clippy";
/// What is built and run of the workspace's tests.
const TESTS: [&str; 3] = ["test", "--locked", "--workspace"];
const PLUGINS: [&str; 2] = ["--manifest-path", "plugins/Cargo.toml"];

/// One step: what it is called, and what it does.
struct Step {
    name: &'static str,
    run: fn(&Project) -> Result<Outcome>,
}

/// How a step ended well.
enum Outcome {
    Passed,
    /// It was not run, for this reason.
    Skipped(&'static str),
}

const STEPS: [Step; 10] = [
    Step {
        name: "format",
        run: format,
    },
    Step {
        name: "dependencies",
        run: dependencies,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "format of the plugins",
        run: plugins_format,
    },
    Step {
        name: "clippy of the plugins",
        run: plugins_clippy,
    },
    Step {
        name: "tests of the plugins",
        run: plugins_tests,
    },
    Step {
        name: "cloud",
        run: cloud,
    },
    Step {
        name: "build",
        run: build,
    },
    Step {
        name: "packs",
        run: packs,
    },
    Step {
        name: "tests",
        run: tests,
    },
];

/// Run the steps until one fails; ends with a summary.
pub(crate) fn run(project: &Project) -> Result<ExitCode> {
    let mut report = Vec::new();
    let mut failure = None;
    for step in &STEPS {
        heading(&format!("{}: running", step.name));
        let began = Instant::now();
        let result = (step.run)(project);
        let took = began.elapsed();
        let verdict = match &result {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(reason)) => format!("not run: {reason}"),
            Err(_) => "FAILED".to_owned(),
        };
        heading(&format!("{}: {verdict}, {}", step.name, seconds(took)));
        report.push((step.name, verdict, took));
        if let Err(error) = result {
            failure = Some(error.context(format!("step `{}` failed", step.name)));
            break;
        }
    }
    summarise(&report);
    match failure {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn summarise(report: &[(&str, String, Duration)]) {
    heading("summary");
    for (name, verdict, took) in report {
        eprintln!("{name:22} {:>12}  {verdict}", seconds(*took));
    }
    for step in STEPS.iter().skip(report.len()) {
        eprintln!("{:22} {:>12}  not reached", step.name, "");
    }
    let total = report.iter().map(|(_, _, took)| *took).sum();
    eprintln!("{:22} {:>12}", "all", seconds(total));
}

fn passed(command: &mut Command) -> Result<Outcome> {
    project::complete(command, "").map(|()| Outcome::Passed)
}

fn format(project: &Project) -> Result<Outcome> {
    has_component(project, "fmt")?;
    passed(&mut project.cargo(["fmt", "--all", "--check"]))
}

fn plugins_format(project: &Project) -> Result<Outcome> {
    passed(project.cargo(["fmt", "--all", "--check"]).args(PLUGINS))
}

fn clippy(project: &Project) -> Result<Outcome> {
    has_component(project, "clippy")?;
    let arguments = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    passed(&mut project.cargo(arguments))
}

fn plugins_clippy(project: &Project) -> Result<Outcome> {
    let mut command = project.cargo(["clippy", "--locked", "--workspace", "--all-targets"]);
    passed(command.args(PLUGINS).args(["--", "-D", "warnings"]))
}

fn plugins_tests(project: &Project) -> Result<Outcome> {
    passed(
        project
            .cargo(["test", "--locked", "--workspace"])
            .args(PLUGINS),
    )
}

/// What the dependencies are and may be, where `cargo-deny` is there to tell.
fn dependencies(project: &Project) -> Result<Outcome> {
    if !is_there(project, "deny") {
        // Building it takes longer than all the other steps together.
        return Ok(Outcome::Skipped(
            "no cargo-deny; `cargo install --locked cargo-deny` has it",
        ));
    }
    passed(&mut project.cargo(["deny", "check", "bans", "licenses", "sources"]))
}

fn cloud(project: &Project) -> Result<Outcome> {
    Cloud::new(project)?.up(&SERVICES).map(|()| Outcome::Passed)
}

fn build(project: &Project) -> Result<Outcome> {
    passed(project.cargo(TESTS).arg("--no-run"))
}

fn packs(project: &Project) -> Result<Outcome> {
    let ostro = packs::built(project.cargo(TESTS).arg("--no-run"))?;
    packs::build(project, &ostro).map(|()| Outcome::Passed)
}

fn tests(project: &Project) -> Result<Outcome> {
    let client = Cloud::new(project)?.client()?;
    // Whoever reads of one failure wants to know the others.
    let mut tests = project.cargo(TESTS);
    tests.arg("--no-fail-fast");
    passed(&mut client.of(tests))
}

/// Whether cargo has the subcommand `name`.
fn is_there(project: &Project, name: &str) -> bool {
    let mut probe = project.cargo([name, "--version"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

fn has_component(project: &Project, name: &str) -> Result<()> {
    is_there(project, name)
        .then_some(())
        .with_context(|| format!("no `cargo {name}`; {COMPONENTS_REMEDY}"))
}
