//! What is installed, what is refused, and why.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use ostro_tests::{Ostro, debian};
use serde_json::json;

use crate::maker::{Made, Place, dummy};

#[test]
fn a_signed_file_is_installed_activated_and_run() -> Result<()> {
    let place = Place::trusting()?;
    let file = Made::default().build(&place)?;
    place.sign("ops", &file)?;
    let file = file.display().to_string();
    let installed = place.json(&["pack", "install", &file])?;
    ensure!(installed["active"] == false, "{installed:#}");
    ensure!(
        installed["signer"]["key"]
            .as_str()
            .is_some_and(|key| key.len() == 16),
        "{installed:#}"
    );
    // Nothing uses it before it is active.
    let run = place.run(&["run", "test.yaml"])?;
    ensure!(
        run.status == 1 && run.stderr.contains("acme.power.which"),
        "{run:#?}"
    );
    place.well(&["pack", "activate", "acme"])?;
    ensure!(place.which()? == "one");
    // Installing it again changes nothing.
    let again = place.well(&["pack", "install", &file])?;
    ensure!(again.stderr.contains("was installed already"), "{again:#?}");
    ensure!(place.active()? == ["1.0.0"]);
    for (arguments, part) in [
        (&["action", "list"][..], "acme.power.which"),
        (&["action", "show", "acme.power.which"], "pack acme"),
        (&["action", "run", "acme.power.which"], "one"),
        (&["pack", "list"], "active"),
        (&["pack", "list", "acme"], "1.0.0"),
    ] {
        let run = place.well(arguments)?;
        ensure!(run.stdout.contains(part), "{arguments:?}: {run:#?}");
    }
    place.well(&["lint", "test.yaml", "--complete"])?;
    let without = place.run(&["lint", "test.yaml", "--complete", "--no-packs"])?;
    ensure!(without.status == 2, "{without:#?}");
    let without = place.run(&["action", "run", "acme.power.which", "--no-packs"])?;
    ensure!(without.status == 2, "{without:#?}");
    // A folder that is given takes its place.
    let two = [("which", "two")];
    Made {
        functions: &two,
        ..Made::default()
    }
    .build(&place)?;
    let run = place.json(&["run", "test.yaml", "--pack", "acme-1.0.0"])?;
    ensure!(run["output"]["which"] == "two", "{run:#}");
    ensure!(place.which()? == "one");
    place.refused(
        &["pack", "list", "acne"],
        &["no pack acne is installed: installed are acme"],
    )?;
    Ok(())
}

#[test]
fn a_signature_counts_only_if_a_trusted_key_made_it_for_these_bytes() -> Result<()> {
    let place = Place::trusting()?;
    let path = Made::default().build(&place)?;
    let file = path.display().to_string();
    let install = ["pack", "install", &file];
    place.refused(&install, &["is not signed", "--allow-unsigned"])?;
    place.key("stranger")?;
    place.sign("stranger", &path)?;
    place.refused(&install, &["which is not trusted", "ostro pack trust add"])?;
    place.sign("ops", &path)?;
    let signature = path.with_extension("ostro.minisig");
    let good = fs::read_to_string(&signature)?;
    // The signature of another version, of nothing at all, and one that was edited.
    let other = Made {
        version: "1.0.1",
        ..Made::default()
    }
    .build(&place)?;
    place.sign("ops", &other)?;
    let other = fs::read_to_string(other.with_extension("ostro.minisig"))?;
    let edited = good.replace("timestamp:", "timestamp:1");
    for (text, part) in [
        (other.as_str(), "does not fit"),
        (&edited, "does not fit"),
        ("hello", "no signature of minisign"),
        (&good[..good.len() / 2], "no signature of minisign"),
    ] {
        fs::write(&signature, text)?;
        // Whatever else is allowed.
        for arguments in [
            &install[..],
            &[&install[..], &["--allow-unsigned"]].concat(),
        ] {
            place.refused(arguments, &[part])?;
        }
    }
    ensure!(place.json(&["pack", "list"])? == json!([]));
    fs::write(&signature, good)?;
    place.well(&install)?;
    // A key that is trusted no longer signs no more.
    let keys = place.json(&["pack", "trust", "list"])?;
    let id = keys[0]["id"].as_str().context("an id")?;
    place.well(&["pack", "trust", "remove", &id[..8]])?;
    place.refused(&install, &["which is not trusted"])?;
    place.refused(
        &["pack", "trust", "remove", "FFFF0000"],
        &["no key FFFF0000 is trusted"],
    )?;
    place.refused(
        &["pack", "trust", "add", "test.yaml"],
        &["no public key of minisign"],
    )?;
    Ok(())
}

#[test]
fn a_file_that_was_cut_off_or_edited_is_refused_wherever_that_is() -> Result<()> {
    let place = Place::trusting()?;
    let path = Made::default().build(&place)?;
    place.sign("ops", &path)?;
    let file = path.display().to_string();
    let good = fs::read(&path)?;
    let (mut cut, mut edited) = (0, 0);
    for at in (0..good.len()).step_by(good.len() / 40) {
        fs::write(&path, &good[..at])?;
        // Even where nobody signed it.
        place.refused(&["pack", "install", &file, "--allow-unsigned"], &[&file])?;
        cut += 1;
    }
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad)?;
        place.refused(&["pack", "install", &file], &[])?;
        edited += 1;
    }
    ensure!(cut >= 40 && edited >= 60);
    ensure!(place.json(&["pack", "list"])? == json!([]));
    fs::write(&path, good)?;
    place.well(&["pack", "install", &file])?;
    Ok(())
}

#[test]
fn packs_that_cannot_run_here_are_refused_with_what_is_wrong() -> Result<()> {
    let place = Place::new()?;
    let with = |folder: &str, manifest: &str, component: &[u8]| -> Result<()> {
        let dir = place.path().join(folder);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("pack.yaml"), manifest)?;
        Ok(fs::write(dir.join("a.wasm"), component)?)
    };
    let manifest = "name: bad\nversion: 1.0.0\ncomponents: [{name: a, path: a.wasm}]\n";
    let install = |folder: &'static str| ["pack", "install", folder, "--allow-unsigned"];

    let plain = dummy("package bad:one;\ninterface i { f: func(); }\nworld w { export i; }")?;
    with("keys", &format!("{manifest}colour: red\n"), &plain)?;
    place.refused(
        &install("keys"),
        &["keys/pack.yaml:4:1: unknown field `colour`"],
    )?;

    let logs = "package bad:one;\ninterface i { f: func(); }\n\
                world w { import ostro:host/log@0.1.0; export i; }";
    let mut newer = dummy(logs)?;
    replace(&mut newer, b"ostro:host/log@0.1.0", b"ostro:host/log@0.9.0")?;
    with("newer", manifest, &newer)?;
    place.refused(
        &install("newer"),
        &[
            "imports ostro:host/log@0.9.0",
            "this host offers ostro:host 0.1",
        ],
    )?;

    let resources =
        "package bad:one;\ninterface i { resource r; f: func() -> r; }\nworld w { export i; }";
    with("resources", manifest, &dummy(resources)?)?;
    place.refused(
        &install("resources"),
        &[
            "bad:one/i#f cannot be an action",
            "its result holds a resource",
        ],
    )?;

    with("core", manifest, b"\0asm\x01\0\0\0")?;
    place.refused(
        &install("core"),
        &["this is a core module, not a component"],
    )?;
    place.refused(
        &install("nowhere"),
        &["nowhere: there is no such file or folder"],
    )?;
    ensure!(place.json(&["pack", "list"])? == json!([]));
    Ok(())
}

/// Replaces all of some bytes by as many others.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) -> Result<()> {
    let mut found = 0;
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
    }
    ensure!(found > 0, "nothing to replace");
    Ok(())
}

#[test]
fn grants_are_accepted_once_and_more_are_asked_for_again() -> Result<()> {
    let place = Place::new()?;
    let build = |version: &str, grants: &str| -> Result<String> {
        let more = format!("grants: {grants}");
        let made = Made {
            version,
            more: &more,
            ..Made::default()
        };
        Ok(made.build(&place)?.display().to_string())
    };
    let one = build(
        "1.0.0",
        "{operations: [ironic.node_get], messaging: [tripleo]}",
    )?;
    let install = |file: &str, more: &[&str]| {
        let arguments = [&["pack", "install", file, "--allow-unsigned"][..], more].concat();
        place.ostro(&arguments)
    };
    // Where nobody can be asked, nothing is taken for granted.
    let said = place.refused(
        &["pack", "install", &one, "--allow-unsigned"],
        &[
            "acme 1.0.0 asks to be granted",
            "- ironic.node_get",
            "- tripleo",
            "--accept-grants FILE",
        ],
    )?;
    ensure!(said.contains("no terminal"), "{said}");
    // A file that says less is refused with what to add.
    fs::write(place.path().join("less.yaml"), "operations: ['ironic.*']\n")?;
    let run = install(&one, &["--accept-grants", "less.yaml"])?.run()?;
    ensure!(run.status == 2, "{run:#?}");
    ensure!(
        run.stderr.contains("asks for more than less.yaml accepts"),
        "{run:#?}"
    );
    ensure!(
        run.stderr
            .contains("add to less.yaml:\n    messaging:\n    - tripleo"),
        "{run:#?}"
    );
    ensure!(!run.stderr.contains("ironic"), "{run:#?}");
    // On a terminal, no is no, and yes is yes.
    let no = on_a_terminal(&install(&one, &[])?, "n\n")?;
    ensure!(
        no.contains("Grant it? [y/N]") && no.contains("was not installed"),
        "{no}"
    );
    ensure!(place.json(&["pack", "list"])? == json!([]));
    let yes = on_a_terminal(&install(&one, &[])?, "y\n")?;
    ensure!(
        yes.contains("- ironic.node_get") && yes.contains("1.0.0 installed"),
        "{yes}"
    );
    // What asks for no more is not asked again, and gets no more than it asks for.
    let two = build("1.1.0", "{messaging: [tripleo]}")?;
    place.well(&["pack", "install", &two, "--allow-unsigned"])?;
    let list = place.json(&["pack", "list"])?;
    ensure!(
        list[0]["grants"] == json!({"messaging": ["tripleo"]}),
        "{list:#}"
    );
    let three = build(
        "1.2.0",
        "{operations: [ironic.node_get, ironic.node_set], messaging: [tripleo]}",
    )?;
    let said = place.refused(
        &["pack", "install", &three, "--allow-unsigned"],
        &[
            "acme 1.2.0 asks for more than was accepted before",
            "- ironic.node_set",
        ],
    )?;
    ensure!(!said.contains("node_get"), "{said}");
    // What is accepted is what it gets.
    let all = "operations: ['ironic.*']\nmessaging: [tripleo]\n";
    fs::write(place.path().join("all.yaml"), all)?;
    install(&three, &["--accept-grants", "all.yaml"])?
        .run()?
        .expect(0)?;
    let list = place.json(&["pack", "list"])?;
    let granted = json!({"operations": ["ironic.*"], "messaging": ["tripleo"]});
    ensure!(list[0]["grants"] == granted, "{list:#}");
    Ok(())
}

/// Runs `ostro` on a terminal, on which somebody types. What stands on it afterwards.
fn on_a_terminal(ostro: &Ostro, typed: &str) -> Result<String> {
    let command = ostro.command();
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut script = Command::new(debian("script", "bsdutils")?);
    script.args(["-qec", &words.join(" "), "/dev/null"]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.current_dir(command.get_current_dir().context("a folder")?);
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("input")?
        .write_all(typed.as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
