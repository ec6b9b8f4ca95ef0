//! `ostro pack install`: fetched, checked, accepted, kept.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Result, anyhow};
use console::style;
use ostro_packs::{Grants, Pack};
use ostro_store::{Change, Fetched, Installed, Record, Signer, Source, StoreError, Verdict};
use serde_json::json;

use super::activate;
use super::kept;
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
    check_digest(&fetched, args.digest.as_deref())?;
    let record = store.read()?;
    check_lock(&record, &fetched, args.update)?;
    let shown = source.to_string();
    let verdict = store
        .keys()
        .verify(&fetched.artifact, fetched.signature.as_deref(), &shown)?;
    let signer = signer(verdict, args.allow_unsigned, &shown)?;
    let pack = &fetched.pack;
    let grants = accept(&record, pack, args.accept_grants.as_deref())?;
    pack.check_imports(&grants)
        .map_err(|error| imports(error.into(), pack, args.accept_grants.as_deref()))?;

    let installed = Installed {
        name: pack.manifest.name.clone(),
        version: pack.manifest.version.clone(),
        digest: pack.digest.clone(),
        source: fetched.source.clone(),
        signer,
        grants,
        installed_at: kept::now(),
        was_active: false,
    };
    let mut change = store.change()?;
    // Another process may have installed something since.
    check_lock(&change.record, &fetched, args.update)?;
    let is_new = change.record.by_digest(&installed.digest).is_none();
    keep(&mut change, &fetched, &installed)
        .hint(|| "nothing was installed, and what was active stays active".to_owned())?;
    kept::sweep(&state, &mut change, false);
    drop(change);
    tell(&installed, is_new);
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

/// Fetches a pack; an error says what to do.
pub(super) fn fetch(source: &Source) -> Result<Fetched> {
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

fn check_digest(fetched: &Fetched, wanted: Option<&str>) -> Result<()> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let found = [Some(&fetched.pack.digest), fetched.manifest.as_ref()];
    if found.into_iter().flatten().any(|digest| digest == wanted) {
        return Ok(());
    }
    let manifest = fetched.manifest.as_ref();
    let manifest = manifest.map(|digest| format!(", and its manifest {digest}"));
    Err(hinted(
        anyhow!(
            "{} has the digest {}{}, not {wanted}",
            fetched.source,
            fetched.pack.digest,
            manifest.unwrap_or_default()
        ),
        "nothing was installed: it is not the pack that --digest names",
    ))
}

fn check_lock(record: &Record, fetched: &Fetched, update: bool) -> Result<()> {
    if update {
        return Ok(());
    }
    let manifest = &fetched.pack.manifest;
    let reference = fetched.reference.as_deref();
    record
        .check_lock(
            &manifest.name,
            &manifest.version,
            &fetched.pack.digest,
            reference,
        )
        .hint(|| "if that is meant to be so, --update installs what is there now".to_owned())
}

/// Who signed it, or nobody where that is allowed.
fn signer(verdict: Verdict, allow_unsigned: bool, shown: &str) -> Result<Option<Signer>> {
    match verdict {
        Verdict::Signed(signer) => Ok(Some(signer)),
        Verdict::Unsigned | Verdict::Untrusted(_) if allow_unsigned => Ok(None),
        Verdict::Unsigned => Err(hinted(
            anyhow!("{shown} is not signed"),
            "`minisign -S -m FILE` signs what `ostro pack build` made; --allow-unsigned installs \
             it as it is",
        )),
        Verdict::Untrusted(key) => Err(hinted(
            anyhow!("{shown} is signed with the key {key}, which is not trusted"),
            "`ostro pack trust add KEY.pub` trusts a key, once you know whose it is; \
             --allow-unsigned installs the pack without one",
        )),
    }
}

/// What the pack is granted, if the operator accepts that.
fn accept(record: &Record, pack: &Pack, file: Option<&Path>) -> Result<Grants> {
    let asked = &pack.manifest.grants;
    let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
    if let Some(file) = file {
        let granted = sources::grants("--accept-grants", file)?;
        return match granted.beyond(asked) {
            None => Ok(granted),
            Some(beyond) => Err(hinted(
                anyhow!("{name} asks for more than {} accepts", file.display()),
                format!(
                    "to accept it, add to {}:\n{}",
                    file.display(),
                    lines(&beyond)?
                ),
            )),
        };
    }
    if let Some(installed) = record.by_digest(&pack.digest) {
        return Ok(installed.grants.clone());
    }
    // What was accepted for any version of it is not asked for again.
    let known = record.packs.get(&pack.manifest.name);
    let mut beyond = Grants::default().beyond(asked);
    let is_first = known.is_none();
    for version in known.iter().flat_map(|packs| &packs.versions) {
        beyond = beyond.and_then(|beyond| version.grants.beyond(&beyond));
    }
    let Some(beyond) = beyond else {
        return Ok(asked.clone());
    };
    let asks = if is_first {
        format!("{name} asks to be granted")
    } else {
        format!("{name} asks for more than was accepted before")
    };
    let lines = lines(&beyond)?;
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
    if confirmed("Grant it?")? {
        return Ok(asked.clone());
    }
    Err(anyhow!(
        "{name} was not installed: its grants were not accepted"
    ))
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
fn lines(grants: &Grants) -> Result<String> {
    let text = serde_yaml::to_string(grants)?;
    let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
    Ok(lines.join("\n"))
}

fn imports(error: anyhow::Error, pack: &Pack, file: Option<&Path>) -> anyhow::Error {
    let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
    let error = error.context(name);
    match file {
        Some(file) => hinted(error, format!("{} says what it is granted", file.display())),
        None => error,
    }
}

/// Writes the artifact, and then the record that names it.
fn keep(change: &mut Change, fetched: &Fetched, installed: &Installed) -> Result<(), StoreError> {
    change.put(&fetched.pack)?;
    change
        .record
        .add(installed.clone(), fetched.reference.as_deref());
    change.commit()
}

fn tell(installed: &Installed, is_new: bool) {
    let signed = match &installed.signer {
        Some(signer) => format!("signed with {} ({})", signer.key, signer.comment),
        None => "not signed with a key that is trusted".to_owned(),
    };
    let what = if is_new {
        "installed"
    } else {
        "was installed already"
    };
    terminal::complain(&format!(
        "{} {} {what}\n  from {}\n  {}\n  {}",
        style(&installed.name).bold().for_stderr(),
        installed.version,
        terminal::clean_line(&installed.source),
        installed.digest,
        terminal::clean_line(&signed),
    ));
}

/// What is said of a pack that was published or installed, as JSON.
pub(super) fn described(pack: &Pack) -> serde_json::Value {
    json!({
        "name": pack.manifest.name,
        "version": pack.manifest.version,
        "digest": pack.digest,
    })
}
