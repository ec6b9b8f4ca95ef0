//! `ostro lint` over every workbook of five releases of tripleo-common, from PyPI.
//!
//! Mistral's validator accepts all of them, and they were in use for years. What is an error here
//! must be one: something that fails each time it is reached, which nobody noticed.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ostro_tests::{Ostro, workbooks};
use serde_json::Value;

const RELEASES: [&str; 5] = ["7.6.18", "8.7.1", "9.6.1", "10.8.2", "11.7.0"];

/// The mistakes that the releases have: the first release with it (all later ones have it, too),
/// the file, the code, the message. Above each is what Mistral 23 says when it gets there.
const MISTAKES: [(&str, &str, &str, &str); 3] = [
    // "Unknown function "tag"": `task` is meant.
    ("7.6.18", "support.yaml", "E0306", "unknown function `tag`"),
    // "Can not evaluate YAQL expression [expression=$.result, error='result']": two workflows
    // publish under other names.
    (
        "9.6.1",
        "heat_environments.yaml",
        "E0601",
        "nothing sets `result` in this workflow",
    ),
    // "Invalid input [workflow=…, missing=['node_uuid'], …]": the workflow for one node is
    // given several.
    (
        "9.6.1",
        "baremetal.yaml",
        "E0504",
        "the workflow `tripleo.baremetal.v1.manual_cleaning` needs the input `node_uuid`",
    ),
];

/// What `ostro lint` finds in the workbooks of a release, given all together, and its exit status.
fn lint(release: &str, flags: &[&str]) -> Result<(Vec<Value>, i32)> {
    let folder = workbooks(release)?;
    let mut files: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    ensure!(
        files.len() > 10,
        "{} files in {}",
        files.len(),
        folder.display()
    );
    let run = Ostro::new()?
        .args(["lint", "--output", "json"])
        .args(flags)
        .args(&files)
        .run()?;
    let found = serde_json::from_str(&run.stdout).with_context(|| run.stderr.clone())?;
    Ok((found, run.status))
}

fn found(release: &str) -> Result<Vec<Value>> {
    Ok(lint(release, &[])?.0)
}

fn text<'a>(problem: &'a Value, key: &str) -> &'a str {
    problem[key].as_str().unwrap_or_default()
}

fn file(problem: &Value) -> &str {
    text(problem, "file").rsplit('/').next().unwrap_or_default()
}

#[test]
fn the_workbooks_of_five_releases_have_no_errors_but_those_that_fail_in_mistral_too() -> Result<()>
{
    for (index, release) in RELEASES.iter().enumerate() {
        let found = found(release)?;
        let errors: BTreeSet<_> = found
            .iter()
            .filter(|problem| problem["severity"] == "error")
            .map(|problem| {
                (
                    file(problem),
                    text(problem, "code"),
                    text(problem, "message"),
                )
            })
            .collect();
        let known = MISTAKES
            .iter()
            .filter(|(first, ..)| RELEASES[..=index].contains(first))
            .map(|(_, file, code, message)| (*file, *code, *message))
            .collect();
        ensure!(
            errors == known,
            "{release}: {errors:#?}\ninstead of {known:#?}"
        );
    }
    Ok(())
}

#[test]
fn what_mistral_accepts_is_accepted_as_mistral() -> Result<()> {
    for release in RELEASES {
        let (found, status) = lint(release, &["--as-mistral"])?;
        ensure!(status == 0, "{release}: {status}");
        for (first, file_name, code, message) in MISTAKES {
            let is_told = found.iter().any(|problem| {
                file(problem) == file_name
                    && text(problem, "code") == code
                    && text(problem, "message") == message
                    && text(problem, "severity") == "warning"
            });
            let place = |wanted| RELEASES.iter().position(|release| *release == wanted);
            ensure!(
                is_told == (place(release) >= place(first)),
                "{release}: {file_name}: {message}"
            );
        }
    }
    Ok(())
}

#[test]
fn sub_workflows_that_no_workbook_of_the_release_has_are_warnings() -> Result<()> {
    let network_data = (
        "networks.yaml",
        "there is no workflow `tripleo.plan_management.v1.get_network_data`",
    );
    let list_roles = ("plan_management.yaml", "there is no workflow `list_roles`");
    for (release, known) in [
        ("7.6.18", vec![]),
        ("8.7.1", vec![network_data]),
        ("9.6.1", vec![network_data]),
        ("10.8.2", vec![network_data]),
        ("11.7.0", vec![network_data, list_roles]),
    ] {
        let found = found(release)?;
        let mut missing: Vec<_> = found
            .iter()
            .filter(|problem| problem["code"] == "W0507")
            .map(|problem| (file(problem), text(problem, "message")))
            .collect();
        missing.dedup();
        ensure!(missing == known, "{release}: {missing:#?}");
    }
    Ok(())
}
