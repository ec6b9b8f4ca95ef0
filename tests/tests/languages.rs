//! For each language: from an empty folder to a workflow that calls the action, and what a
//! runtime that comes with WASI reaches: nothing. What is missing is installed by the build.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ostro_tests::{Ostro, Run};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs `ostro` in `folder`.
fn ostro(folder: &Path, arguments: &[&str]) -> Result<Run> {
    let state = folder.join("state");
    Ostro::new()?
        .dir(folder)
        .env("OSTRO_STATE_DIR", state)
        .args(arguments)
        .run()
}

/// The same, which has to go well.
fn well(folder: &Path, arguments: &[&str]) -> Result<Run> {
    let run = ostro(folder, arguments)?;
    ensure!(run.status == 0, "{arguments:?}: {run:#?}");
    Ok(run)
}

/// The JSON that a call prints.
fn printed(run: &Run) -> Result<Value> {
    serde_json::from_str(&run.stdout).with_context(|| run.stdout.clone())
}

/// From an empty folder to a workflow that calls the action.
fn from_nothing(language: &str) -> Result<()> {
    let folder = TempDir::new()?;
    let folder = folder.path();
    well(folder, &["pack", "new", "acme-racks", "--lang", language])?;
    let again = ostro(folder, &["pack", "new", "acme-racks", "--lang", language])?;
    ensure!(again.status == 2, "{again:#?}");
    ensure!(again.stderr.contains("exists already"), "{again:#?}");

    well(folder, &["pack", "build", "acme-racks"])?;
    let tests = well(folder, &["pack", "test", "acme-racks"])?;
    ensure!(tests.stdout.contains("3 passed, 0 failed"), "{tests:#?}");
    let artifact = "acme-racks/build/acme-racks-0.1.0.ostro";
    let run = well(folder, &["pack", "inspect", artifact, "--output", "json"])?;
    let pack = printed(&run)?;
    ensure!(pack["problem"].is_null(), "{pack:#}");
    let actions = pack["actions"].as_array().context("actions")?;
    let told: Vec<_> = actions
        .iter()
        .map(|action| (&action["signature"], &action["validation"]))
        .collect();
    let greet = "acme_racks.greetings.greet(name: string, excited: option<bool>) \
                 -> result<string, string>";
    let unique = "acme_racks.checks.names_are_unique(names: list<string>) \
                  -> result<verdict, string>";
    ensure!(
        told == [
            (&json!(greet), &json!(false)),
            (&json!(unique), &json!(true))
        ],
        "{told:#?}"
    );
    let docs = actions[0]["docs"].as_str().unwrap_or_default();
    ensure!(docs.starts_with("Greets somebody."), "{docs}");

    let workflow = "acme-racks/workflows/greet.yaml";
    let lint = ["lint", workflow, "--pack", artifact];
    well(folder, &lint)?;
    let greet = |names: &str| {
        let run = ["run", "--output", "json", workflow, "--pack", artifact];
        let input = format!("names={names}");
        ostro(folder, &[&run[..], &["-i", &input]].concat())
    };
    let run = greet(r#"["Ironic", "Zäqar"]"#)?;
    ensure!(run.status == 0, "{run:#?}");
    let output = &printed(&run)?["output"];
    let expected = json!({"greetings": ["hello Ironic!", "hello Zäqar!"]});
    ensure!(*output == expected, "{output}");
    let run = greet(r#"["Ironic", "Zaqar", "Ironic"]"#)?;
    ensure!(run.status == 1, "{run:#?}");
    let said = "1 of 3 names are there more than once";
    ensure!(run.stdout.contains(said), "{run:#?}");
    let run = greet(r#"["Ironic", ""]"#)?;
    ensure!(run.status == 1, "{run:#?}");
    ensure!(run.stdout.contains("there is nobody to greet"), "{run:#?}");
    Ok(())
}

#[test]
fn rust() -> Result<()> {
    from_nothing("rust")
}

#[test]
fn python() -> Result<()> {
    from_nothing("python")
}

#[test]
fn javascript() -> Result<()> {
    from_nothing("js")
}

#[test]
fn c() -> Result<()> {
    from_nothing("c")
}

#[test]
fn what_is_wrong_with_the_source_is_told() -> Result<()> {
    for (language, source, wrong, part) in [
        ("python", "app.py", "def (", "SyntaxError"),
        ("js", "app.js", "export const = 1", "app.js"),
        ("c", "app.c", "int f(void) { return nothing; }", "nothing"),
    ] {
        let folder = TempDir::new()?;
        let folder = folder.path();
        well(folder, &["pack", "new", "acme", "--lang", language])?;
        fs::write(folder.join("acme/actions").join(source), wrong)?;
        let run = ostro(folder, &["pack", "build", "acme"])?;
        ensure!(run.status == 1, "{language}: {run:#?}");
        ensure!(run.stderr.contains("error: acme/actions"), "{run:#?}");
        ensure!(run.stderr.contains(part), "{language}: {run:#?}");
        ensure!(!folder.join("acme/build/actions.wasm").exists());
    }
    Ok(())
}

/// Python with all of its standard library finds an empty world.
#[test]
fn a_runtime_with_wasi_reaches_nothing() -> Result<()> {
    let folder = TempDir::new()?;
    let folder = folder.path();
    well(folder, &["pack", "new", "nosy", "--lang", "python"])?;
    let app = folder.join("nosy/actions/app.py");
    let attacks = include_str!("../support/nosy.py");
    fs::write(&app, attacks)?;
    well(folder, &["pack", "build", "nosy"])?;
    let greet = |what: &str| {
        let what = format!("name={what}");
        let action = ["action", "run", "nosy.greetings.greet", "--pack", "nosy"];
        ostro(folder, &[&action[..], &["-i", &what]].concat())
    };
    for (what, expected) in [("environment", "{}"), ("arguments", "[]"), ("input", "")] {
        let run = greet(what)?;
        ensure!(run.status == 0, "{what}: {run:#?}");
        ensure!(run.stdout.trim() == expected, "{what}: {run:#?}");
    }
    for what in [
        "read", "write", "list", "tcp", "udp", "listen", "resolve", "process",
    ] {
        let run = greet(what)?;
        ensure!(run.status == 1, "{what}: {run:#?}");
        ensure!(run.stderr.contains("refused: "), "{what}: {run:#?}");
    }
    let run = greet("print")?;
    ensure!(run.status == 0, "{run:#?}");
    for line in ["note: debug: to output", "note: debug: to error"] {
        ensure!(run.stderr.contains(line), "{run:#?}");
    }
    // One that fails in a way that it did not foresee says where.
    let run = greet("fail")?;
    ensure!(run.status == 1, "{run:#?}");
    ensure!(run.stderr.contains("ZeroDivisionError"), "{run:#?}");
    Ok(())
}
