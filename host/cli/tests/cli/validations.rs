//! Runs of validations, and what is kept and written of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use libtest_mimic::Failed;

use super::{built, ostro, until_said};

/// `ostro validation run` with the guests' validations, in `folder`.
fn command(folder: &Path, arguments: &[&str]) -> Result<Command, Failed> {
    let mut command = ostro(folder);
    command
        .args(["validation", "run", "--pack"])
        .arg(built("validation")?)
        .args(arguments);
    Ok(command)
}

fn run(folder: &Path, arguments: &[&str]) -> Result<Output, Failed> {
    Ok(command(folder, arguments)?.output()?)
}

/// Runs a script of Python in `folder`; what it prints.
fn python(folder: &Path, script: &str) -> Result<String, Failed> {
    let output = Command::new("python3")
        .current_dir(folder)
        .args(["-c", script])
        .output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}

/// Expat reads the XML, and html.parser the page: all text of guests arrives as text.
pub(crate) fn reports() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("j.xml"), "x".repeat(1 << 16))?;
    let output = run(
        folder.path(),
        &[
            "all-is-well",
            "few-racks",
            "hostile",
            "of-a-plan",
            "unsure",
            "-i",
            "racks=[\"r1\", \"r2\"]",
            "--plan",
            "overcloud",
            "--junit",
            "j.xml",
            "--html",
            "r.html",
        ],
    )?;
    if output.status.code() != Some(1) {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let xml = python(folder.path(), include_str!("read_junit.py"))?;
    let wanted = "\
tests 5
failures 2
errors 1
skipped 1
test.ends all_is_well ['system-out']
test.ends few_racks ['failure']
test.ends hostile ['failure']
test.ends of_a_plan ['skipped']
test.ends unsure ['error']
['two', 'lines: one', '  two']
True
";
    if xml != wanted {
        return Err(format!("the XML says\n{xml}").into());
    }
    let html = python(folder.path(), include_str!("read_page.py"))?;
    if html != "[] False True\nTrue\nFalse\n" {
        return Err(format!("the page says\n{html}").into());
    }
    Ok(())
}

/// What has ended is told, and what has not, too.
pub(crate) fn ctrl_c() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let arguments = [
        "all-is-well",
        "waits",
        "unsure",
        "--jobs",
        "1",
        "--junit",
        "j.xml",
    ];
    // By name: all_is_well, unsure, waits.
    let mut child = command(folder.path(), &arguments)?
        .args([
            "of-a-plan",
            "writes",
            "-i",
            "operation=x",
            "-i",
            "arguments=y",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().ok_or("no stderr")?;
    let _stderr = until_said(stderr, &["waits  waits"])?;
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    let output = child.wait_with_output()?;
    let stdout = String::from_utf8(output.stdout)?;
    let junit = fs::read_to_string(folder.path().join("j.xml"))?;
    let told = [
        "PASSED   test.ends.all_is_well",
        "ERROR    test.ends.unsure",
        "ERROR    test.ends.waits",
        "it had not ended",
        "ERROR    test.ends.writes",
        "it had not begun",
        "Interrupted: 3 errors, 1 passed, 1 skipped",
    ];
    let all_told = told.iter().all(|part| stdout.contains(part));
    if output.status.code() == Some(130) && all_told && junit.contains("it had not begun") {
        return Ok(());
    }
    Err(format!("{}\n{stdout}\n{junit}", output.status).into())
}

/// Others run and end beside one that waits for ever.
pub(crate) fn jobs() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut child = command(folder.path(), &["waits", "writes", "--jobs", "2"])?
        .args(["have-names", "-i", "operation=x", "-i", "arguments=y"])
        .args(["--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().ok_or("no stderr")?;
    // One waits from the start, and the other two run beside it, one after the other.
    let wanted = ["waits  waits", "writes  ERROR", "have_names  ERROR"];
    let _stderr = until_said(stderr, &wanted)?;
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    let output = child.wait_with_output()?;
    let stdout = String::from_utf8(output.stdout)?;
    if output.status.code() == Some(130) && stdout.contains("\"interrupted\": true") {
        return Ok(());
    }
    Err(format!("{}\n{stdout}", output.status).into())
}

/// The newest runs are kept; one can be shown again by the beginning of its id, and a damaged one
/// is no harm to the others.
pub(crate) fn history() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let kept = folder.path().join(".local/state/ostro/validations");
    for name in ["all-is-well", "of-a-plan", "unsure"] {
        run(folder.path(), &[name, "--keep", "2"])?;
    }
    run(folder.path(), &["hostile", "--ephemeral"])?;
    let files: Vec<_> = fs::read_dir(&kept)?.collect::<Result<_, _>>()?;
    if files.len() != 2 {
        return Err(format!("{files:?} are kept").into());
    }
    let history = |arguments: &[&str]| -> Result<(String, String), Failed> {
        let output = ostro(folder.path())
            .args(["validation", "history"])
            .args(arguments)
            .output()?;
        Ok((
            String::from_utf8(output.stdout)?,
            String::from_utf8(output.stderr)?,
        ))
    };
    let (list, _) = history(&[])?;
    let lines: Vec<&str> = list.lines().collect();
    let [_, newest, older] = lines[..] else {
        return Err(list.into());
    };
    if !newest.contains("1 error") || !older.contains("1 skipped") {
        return Err(list.into());
    }
    let (shown, _) = history(&[&newest[..8]])?;
    if !shown.contains("the racks cannot be counted in the dark") {
        return Err(shown.into());
    }
    fs::write(kept.join("0000.json"), "{")?;
    let (list, said) = history(&[])?;
    if list.lines().count() != 3 || !said.contains("0000.json is no run of validations") {
        return Err(format!("{list}\n{said}").into());
    }
    let (_, said) = history(&["ffff"])?;
    if !said.contains("no run ffff is kept in") {
        return Err(said.into());
    }
    Ok(())
}
