//! `ostro pack install`: fetched, checked, accepted, kept.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Result, anyhow};
use console::style;
use ostro_packs::{Grants, Pack};
use ostro_store::{Change, Fetched, Installed, Record, Signer, Source, StoreError};
use serde_json::json;

use super::activate;
use super::kept;
use super::obstacle::{self, Asks, Obstacle};
use super::row::Row;
use crate::args::{Install, Output};
use crate::errors::{Exit, WithHint as _, hinted};
use crate::state::StateDir;
use crate::{sources, terminal};

/// Carries out `ostro pack install`.
pub(super) fn install(args: &Install) -> Result<Exit> {
    let state = StateDir::new(args.place.state.state_dir.as_deref())?;
    let store = state.store();
    let source = Source::parse(&args.source, args.plain_http)?;
    let fetched = fetch(&source)?;
    obstacle::check_digest(&fetched, args.digest.as_deref()).map_err(told)?;
    let record = store.read()?;
    obstacle::check_lock(&record, &fetched, args.update).map_err(told)?;
    let shown = source.to_string();
    let verdict = store
        .keys()
        .verify(&fetched.artifact, fetched.signature.as_deref(), &shown)?;
    let signer = obstacle::signer(verdict, args.allow_unsigned, &shown).map_err(told)?;
    let pack = &fetched.pack;
    let grants = accept(&record, pack, args.accept_grants.as_deref())?;
    pack.check_imports(&grants)
        .map_err(|error| imports(error.into(), pack, args.accept_grants.as_deref()))?;

    let installed = installed(&fetched, signer, grants);
    let mut change = store.change()?;
    // Another process may have installed something since.
    obstacle::check_lock(&change.record, &fetched, args.update).map_err(told)?;
    let is_new = change.record.by_digest(&installed.digest).is_none();
    keep(&mut change, &fetched, &installed)
        .hint(|| "nothing was installed, and what was active stays active".to_owned())?;
    kept::sweep(&state, &mut change, false);
    drop(change);
    terminal::complain(&Row::of(&store.read()?, &installed).told(is_new));
    if args.activate {
        let request = activate::Request {
            name: installed.name.clone(),
            version: Some(installed.digest.clone()),
            files: &[],
            force: false,
        };
        return activate::switch(&state, &request, args.place.output);
    }
    let record = store.read()?;
    let packs = record.packs.get(&installed.name);
    let is_active = packs.is_some_and(|packs| packs.is_active(&installed));
    match args.place.output {
        Output::Json => terminal::print(&terminal::json(&kept::json(&record, &installed))?)?,
        Output::Table if is_active => {}
        Output::Table => terminal::complain(&format!(
            "  `ostro pack activate {}@{}` has new executions use it",
            installed.name, installed.version
        )),
    }
    Ok(Exit::Success)
}

/// What is recorded of a pack that is installed now.
pub(crate) fn installed(fetched: &Fetched, signer: Option<Signer>, grants: Grants) -> Installed {
    let pack = &fetched.pack;
    Installed {
        name: pack.manifest.name.clone(),
        version: pack.manifest.version.clone(),
        digest: pack.digest.clone(),
        source: fetched.source.clone(),
        signer,
        grants,
        installed_at: kept::now(),
        was_active: false,
    }
}

/// Fetches a pack; an error says what to do.
pub(crate) fn fetch(source: &Source) -> Result<Fetched> {
    let fetched = crate::block_on(source.fetch())?;
    fetched.map_err(|error| match &error {
        StoreError::Registry { reason, .. } if reason.contains("cannot be reached") => hinted(
            error,
            "is it up, and is that its name? a registry that has no TLS needs --plain-http",
        ),
        StoreError::Artifact { .. } => hinted(
            error,
            "do not install it; whoever publishes the pack should know",
        ),
        _ => error.into(),
    })
}

/// An obstacle, with what to do about it on the command line.
fn told(obstacle: Obstacle) -> anyhow::Error {
    let hint = match &obstacle {
        Obstacle::Digest(_) => "nothing was installed: it is not the pack that --digest names",
        Obstacle::Lock(_) => "if that is meant to be so, --update installs what is there now",
        Obstacle::Unsigned(_) => {
            "`minisign -S -m FILE` signs what `ostro pack build` made; --allow-unsigned installs \
             it as it is"
        }
        Obstacle::Untrusted(..) => {
            "`ostro pack trust add KEY.pub` trusts a key, once you know whose it is; \
             --allow-unsigned installs the pack without one"
        }
    };
    hinted(obstacle, hint)
}

/// What the pack is granted, if the operator accepts that.
fn accept(record: &Record, pack: &Pack, file: Option<&Path>) -> Result<Grants> {
    let asked = &pack.manifest.grants;
    let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
    if let Some(file) = file {
        return accepted(pack, "--accept-grants", file);
    }
    let Asks { asks, beyond } = match obstacle::known_grants(record, pack) {
        Ok(known) => return Ok(known),
        Err(asks) => *asks,
    };
    if ask(&asks, &beyond)? {
        return Ok(asked.clone());
    }
    Err(anyhow!(
        "{name} was not installed: its grants were not accepted"
    ))
}

/// What a file accepts, which has to be all that the pack asks for.
pub(super) fn accepted(pack: &Pack, option: &str, file: &Path) -> Result<Grants> {
    let granted = sources::grants(option, file)?;
    let Some(beyond) = granted.beyond(&pack.manifest.grants) else {
        return Ok(granted);
    };
    let (name, version) = (&pack.manifest.name, &pack.manifest.version);
    let file = file.display();
    Err(hinted(
        anyhow!("{name} {version} asks for more than {file} accepts"),
        format!("to accept it, add to {file}:\n{}", lines(&beyond)?),
    ))
}

/// Asks on the terminal whether a pack gets what it asks for; an error where there is none.
pub(crate) fn ask(asks: &str, beyond: &Grants) -> Result<bool> {
    let lines = lines(beyond)?;
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(hinted(
            anyhow!("{asks}:\n{lines}\nand there is no terminal to accept it on"),
            "--accept-grants FILE accepts what FILE says: the YAML that pack.yaml has under \
             `grants`",
        ));
    }
    terminal::complain(&format!(
        "{}:\n{}",
        style(asks).bold().for_stderr(),
        terminal::clean(&lines)
    ));
    confirmed("Grant it?")
}

/// The answer to a question on the terminal.
fn confirmed(question: &str) -> Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

/// Grants as they stand in a file of them, moved to the right.
pub(crate) fn lines(grants: &Grants) -> Result<String> {
    let text = serde_yaml::to_string(grants)?;
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    Ok(lines.join("\n"))
}

pub(super) fn imports(error: anyhow::Error, pack: &Pack, file: Option<&Path>) -> anyhow::Error {
    let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
    let error = error.context(name);
    match file {
        Some(file) => hinted(error, format!("{} says what it is granted", file.display())),
        None => error,
    }
}

/// Writes the artifact, and then the record that names it.
pub(crate) fn keep(
    change: &mut Change,
    fetched: &Fetched,
    installed: &Installed,
) -> Result<(), StoreError> {
    change.put(&fetched.pack)?;
    change
        .record
        .add(installed.clone(), fetched.reference.as_deref());
    change.commit()
}

/// What is said of a pack that was published or installed, as JSON.
pub(super) fn described(pack: &Pack) -> serde_json::Value {
    json!({
        "name": pack.manifest.name,
        "version": pack.manifest.version,
        "digest": pack.digest,
    })
}
