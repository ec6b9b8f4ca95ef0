//! The pack commands, carried out by a server.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::maker::{Place, WHICH};
use crate::served::{OTHER, Server, made};

/// `text` without what depends on where a pack came from.
fn masked(text: &str) -> String {
    let words = |line: &str| -> String {
        let is_source = |word: &&str| {
            let end = Path::new(word).extension();
            end.is_some_and(|end| end == "ostro")
        };
        let kept: Vec<&str> = line.split(' ').filter(|word| !is_source(word)).collect();
        kept.join(" ")
    };
    let lines = text.lines().filter(|line| {
        // The server does not tell which versions it deletes.
        !line.ends_with("is needed no more: deleted")
    });
    let lines: Vec<String> = lines.map(words).collect();
    lines.join("\n")
}

#[test]
fn the_pack_commands_say_of_a_server_what_they_say_of_this_machine() -> Result<()> {
    let here = Place::trusting()?;
    let asks = "grants: {operations: [ironic.node_get]}";
    let packs = [
        made(&here, "1.0.0", true, asks)?,
        made(&here, "1.1.0", true, asks)?,
        made(&here, "1.2.0", false, asks)?,
        made(&here, "2.0.0", false, asks)?,
    ];
    let [one, two, three, four] = packs.map(|path| path.display().to_string());
    let write = |name: &str, text: &str| -> Result<String> {
        let path = here.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let grants = write("grants.yaml", "operations: [ironic.*]")?;
    let less = write("less.yaml", "operations: [nova.servers_list]")?;
    let there = Place::new()?;
    let key = here.path().join("ops.pub").display().to_string();
    there.well(&["pack", "trust", "add", &key])?;
    let server = Server::start(&there, &[])?;
    let url = format!("http://{}", server.host);

    for command in [
        &["list"][..],
        &["install", &one],
        &["install", &one, "--accept-grants", &less],
        &["install", &one, "--accept-grants", &grants],
        &["list"],
        &["activate", "acme@1.0.0"],
        &["activate", "acme"],
        &["install", &two, "--activate"],
        &["list", "acme"],
        &["rollback", "acme"],
        &["list"],
        &["install", &three],
        &["activate", "acme"],
        &["activate", "acme@1.2", "--force"],
        &["install", &four, "--activate"],
        &["activate", "acme@1.1"],
        &["deactivate", "acme@1"],
        &["remove", "acme@2.0.0"],
        &["deactivate", "acme"],
        &["deactivate", "acme"],
        &["grant", "acme@2.0.0", &less],
        &["grant", "acme@2.0.0", &grants],
        &["remove", "acme"],
        &["remove", "acme@2.0.0"],
        &["list"],
    ] {
        let command = [&["pack"], command].concat();
        let is = here.run(&command)?;
        // The folder of the other one, so that nothing but the server can know of it.
        let elsewhere = here
            .ostro(&["--url", &url])?
            .env("OSTRO_STATE_DIR", "/nowhere");
        let said = elsewhere.args(&command).run()?;
        let log = server.log();
        let said_is = format!("{command:?}\nhere: {is:#?}\nthere: {said:#?}\n{log}");
        ensure!(is.status == said.status, "{said_is}");
        ensure!(masked(&is.stdout) == masked(&said.stdout), "{said_is}");
        if is.status == 0 {
            ensure!(masked(&is.stderr) == masked(&said.stderr), "{said_is}");
        }
    }
    Ok(())
}

#[test]
fn versions_at_a_server_are_compared_with_what_it_has_defined() -> Result<()> {
    let place = Place::trusting()?;
    let server = Server::start(&place, &[])?;
    let url = format!("http://{}", server.host);
    let there = |command: &[&str]| {
        let ostro = place.ostro(&["--url", &url, "pack"])?;
        ostro.env("OSTRO_STATE_DIR", "/nowhere").args(command).run()
    };
    for (version, has_other) in [("1.0.0", true), ("1.2.0", false)] {
        let file = made(&place, version, has_other, "")?;
        there(&["install", &file.display().to_string()])?.expect(0)?;
    }
    there(&["activate", "acme@1.0.0"])?.expect(0)?;
    for text in [WHICH, OTHER] {
        server.define(text)?;
    }
    let diff = there(&["diff", "acme@1.0.0", "acme@1.2.0"])?;
    diff.expect(1)?;
    for part in [
        "acme 1.0.0 → 1.2.0",
        "- action    acme.power.other",
        "others:6:",
        "The workflows that the server has have an error with it that they have not now.",
    ] {
        ensure!(diff.stdout.contains(part), "{part}: {}", diff.stdout);
    }
    let refused = there(&["activate", "acme"])?;
    refused.expect(2)?;
    ensure!(refused.stdout == diff.stdout, "{}", refused.stdout);
    for part in ["others:6 of the project", "--force"] {
        ensure!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let both = ["activate", "acme", "-f", "test.yaml"];
    let refused = there(&both)?;
    refused.expect(2)?;
    ensure!(
        refused.stderr.contains("-f and --url"),
        "{}",
        refused.stderr
    );
    ensure!(server.served()? == ["1.0.0"]);
    Ok(())
}
