//! `ostro pack …` at a server: what is done with installed packs.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use ostro_client::{Client, ClientError, Installation, PackFrom};
use ostro_packs::{Grants, Pack as Opened, PackDiff};
use ostro_store::Source;
use serde::Deserialize;
use serde_json::{Value, json};

use super::told;
use crate::args::{Activate, Deactivate, Grant, Install, Listed, Output, Pack, PackDiffArgs};
use crate::args::{Remove, Switch};
use crate::errors::{Exit, hinted, warn};
use crate::pack::diff::{Shown, table, wrong};
use crate::pack::row::{self, Row};
use crate::pack::{grant, install, kept};
use crate::{sources, terminal};

/// What a server says at the end of what it refuses unless it is forced: for who asks it by
/// themselves.
const FORCE: &str = "; force=true";

/// Whether servers carry it out.
pub(super) fn is_known(command: &Pack) -> bool {
    match command {
        Pack::Activate(_)
        | Pack::Deactivate(_)
        | Pack::Grant(_)
        | Pack::Install(_)
        | Pack::List(_)
        | Pack::Remove(_)
        | Pack::Rollback(_) => true,
        // Of packs that are here there is nothing to ask.
        Pack::Diff(args) => !args.old.exists() && !args.new.exists(),
        _ => false,
    }
}

/// Carries out `ostro pack …`.
pub(super) fn pack(client: &Client, command: &Pack) -> Result<Exit> {
    match command {
        Pack::Install(args) => {
            // Fetching has threads of its own.
            let wanted = wanted(args)?;
            crate::block_on(install(client, args, wanted))?
        }
        other => crate::block_on(carry_out(client, other))?,
    }
}

async fn carry_out(client: &Client, command: &Pack) -> Result<Exit> {
    match command {
        Pack::Activate(args) => {
            let (name, version) = kept::split(&args.pack);
            refuse_files(&args.files)?;
            activate(client, name, version, args).await
        }
        Pack::Deactivate(args) => deactivate(client, args).await,
        Pack::Diff(args) => diff(client, args).await,
        Pack::Grant(args) => grant(client, args).await,
        Pack::List(args) => list(client, args).await,
        Pack::Remove(args) => remove(client, args).await,
        Pack::Rollback(args) => roll_back(client, args).await,
        _ => Err(anyhow!("no server does this")),
    }
}

/// A row of a server's.
fn read(row: &Value) -> Result<Row> {
    Row::deserialize(row).context("the server tells of a pack in a way that makes no sense")
}

fn read_all(rows: &[Value]) -> Result<Vec<Row>> {
    rows.iter().map(read).collect()
}

/// The versions of a pack that a server has, the newest first.
async fn versions(client: &Client, name: &str) -> Result<Vec<Row>> {
    let packs = client.packs().await.map_err(told)?;
    let mut rows = read_all(&packs.versions)?;
    rows.retain(|row| row.name == name);
    if rows.is_empty() {
        return Err(hinted(
            anyhow!("no pack {name} is installed at {}", client.url()),
            "`ostro pack list` shows those that are",
        ));
    }
    Ok(rows)
}

async fn list(client: &Client, args: &Listed) -> Result<Exit> {
    let mut packs = client.packs().await.map_err(told)?;
    if let Some(name) = &args.pack {
        versions(client, name).await?;
        packs.versions.retain(|row| row["name"] == **name);
    }
    if let Some(problem) = packs.problem {
        let hint = "new executions get what they got before";
        warn(&terminal::clean(&problem), Some(hint));
    }
    match args.place.output {
        Output::Json => terminal::print(&terminal::json(&packs.versions)?)?,
        Output::Table if packs.versions.is_empty() => terminal::complain(kept::NONE),
        Output::Table => terminal::print(&row::table(&read_all(&packs.versions)?))?,
    }
    Ok(Exit::Success)
}

/// A pack that is to be installed, and what it is, where it is here.
struct Wanted {
    installation: Installation,
    pack: Option<Opened>,
}

fn wanted(args: &Install) -> Result<Wanted> {
    let grants = args.accept_grants.as_deref();
    let grants = grants.map(|file| sources::grants("--accept-grants", file));
    let source = Source::parse(&args.source, args.plain_http)?;
    let (from, pack) = if let Source::Oci(_) = source {
        let from = PackFrom::Registry {
            source: source.to_string(),
            plain_http: args.plain_http,
        };
        (from, None)
    } else {
        let fetched = install::fetch(&source)?;
        let from = PackFrom::Here {
            artifact: Arc::new(fetched.artifact),
            signature: fetched.signature,
        };
        (from, Some(fetched.pack))
    };
    Ok(Wanted {
        installation: Installation {
            from,
            digest: args.digest.clone(),
            accept_grants: grants.transpose()?.map(|grants| json!(grants)),
            allow_unsigned: args.allow_unsigned,
            update: args.update,
        },
        pack,
    })
}

async fn install(client: &Client, args: &Install, wanted: Wanted) -> Result<Exit> {
    let Wanted {
        mut installation,
        pack,
    } = wanted;
    let (is_new, row) = match client.install_pack(installation.clone()).await {
        Err(error) => {
            let asks = asks(&error).filter(|_| args.accept_grants.is_none());
            let (Some(asks), Some(pack)) = (asks, pack) else {
                return Err(not_installed(error));
            };
            let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
            if !install::ask(&format!("{name} asks to be granted"), &asks)? {
                return Err(anyhow!(
                    "{name} was not installed: its grants were not accepted"
                ));
            }
            installation.accept_grants = Some(json!(pack.manifest.grants));
            let again = client.install_pack(installation).await;
            again.map_err(not_installed)?
        }
        Ok(installed) => installed,
    };
    let known = read(&row)?;
    terminal::complain(&known.told(is_new));
    if args.activate {
        let args = Activate {
            pack: known.name.clone(),
            files: Vec::new(),
            force: false,
            place: args.place.clone(),
        };
        return activate(client, &known.name, Some(&known.digest), &args).await;
    }
    match args.place.output {
        Output::Json => terminal::print(&terminal::json(&row)?)?,
        Output::Table if known.active => {}
        Output::Table => terminal::complain(&format!(
            "  `ostro pack activate {}@{}` has new executions use it",
            known.name, known.version
        )),
    }
    Ok(Exit::Success)
}

/// What a pack asks for that was not accepted, where that is why it was refused.
fn asks(error: &ClientError) -> Option<Grants> {
    let ClientError::Refused { review, .. } = error else {
        return None;
    };
    Grants::deserialize(review.as_ref()?.get("asks")?).ok()
}

fn not_installed(error: ClientError) -> anyhow::Error {
    if asks(&error).is_some() {
        let hint = "--accept-grants FILE accepts what FILE says: the YAML that pack.yaml has \
                    under `grants`";
        return hinted(error, hint);
    }
    told(error)
}

/// The server looks at what is defined there.
fn refuse_files(files: &[std::path::PathBuf]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    Err(hinted(
        anyhow!("-f and --url do not go together: the server looks at the workflows that it has"),
        "leave -f out; `ostro pack diff` without --url compares packs that are here",
    ))
}

async fn activate(
    client: &Client,
    name: &str,
    version: Option<&str>,
    args: &Activate,
) -> Result<Exit> {
    let output = args.place.output;
    let newest = versions(client, name).await?;
    let newest = newest.first().map(|row| row.digest.clone());
    let version = version.map(str::to_owned).or(newest).unwrap_or_default();
    let before = read(&client.pack(name, &version).await.map_err(told)?)?;
    let answer = client.activate_pack(name, &before.digest, args.force).await;
    let row = match answer {
        Ok(row) => row,
        Err(error) => return Err(refused(client, &before, error, output).await?),
    };
    if output == Output::Json {
        terminal::print(&terminal::json(&row)?)?;
        return Ok(Exit::Success);
    }
    if !before.active
        && let Some(table) = review(name, &row["review"])?
    {
        terminal::print(&table)?;
    }
    let rows = versions(client, name).await?;
    let newest = rows.iter().find(|row| row.active);
    row::tell_activated(&read(&row)?, newest, !before.active);
    Ok(Exit::Success)
}

/// Why a version was not activated, once what it would change has been shown.
async fn refused(
    client: &Client,
    target: &Row,
    error: ClientError,
    output: Output,
) -> Result<anyhow::Error> {
    let ClientError::Refused {
        message,
        review: Some(found),
        ..
    } = &error
    else {
        return Ok(told(error));
    };
    match output {
        Output::Json => {
            let mut shown = client
                .pack(&target.name, &target.digest)
                .await
                .map_err(told)?;
            shown["review"] = found.clone();
            terminal::print(&terminal::json(&shown)?)?;
        }
        Output::Table => {
            if let Some(table) = review(&target.name, found)? {
                terminal::print(&table)?;
            }
        }
    }
    Ok(unless_forced(message))
}

/// What a server refuses unless it is forced.
fn unless_forced(message: &str) -> anyhow::Error {
    let reason = message.split(FORCE).next().unwrap_or(message);
    hinted(
        anyhow!("{reason}"),
        "--force does it all the same; all is as it was",
    )
}

/// A place where something breaks.
#[derive(Deserialize)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    message: String,
    project: Option<String>,
}

/// What a version changes and breaks, for people; none where it takes the place of nothing.
fn review(name: &str, review: &Value) -> Result<Option<String>> {
    let senseless = "the server tells in a way that makes no sense what changes";
    let diff = Option::<PackDiff>::deserialize(&review["diff"]).context(senseless)?;
    let places = Vec::<Place>::deserialize(&review["workflows"]).context(senseless)?;
    let Some(diff) = diff else {
        return Ok(None);
    };
    let sentence = (!places.is_empty()).then(|| wrong("that the server has", places.len()));
    let place = |place: &Place| {
        let of = place.project.as_ref();
        let of = of.map_or_else(String::new, |project| format!(" of the project {project}"));
        format!(
            "{}:{}:{}{of}: error: {}\n",
            place.file, place.line, place.column, place.message
        )
    };
    let shown = Shown {
        places: places.iter().map(place).collect(),
        sentence,
    };
    Ok(Some(table((name, name), &diff, &shown)))
}

async fn diff(client: &Client, args: &PackDiffArgs) -> Result<Exit> {
    refuse_files(&args.files)?;
    let (old, new) = (
        args.old.display().to_string(),
        args.new.display().to_string(),
    );
    let (name, against) = kept::exact(&old, "is the old one")?;
    let (other, version) = kept::exact(&new, "is the new one")?;
    if name != other {
        return Err(anyhow!(
            "{name} and {other} are two packs: a server compares versions of one"
        ));
    }
    let found = client.pack_diff(name, version, Some(against)).await;
    let found = found.map_err(told)?;
    let breaks = found["breaks"] == true
        || found["workflows"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
    match args.output {
        Output::Json => terminal::print(&terminal::json(&found)?)?,
        Output::Table => {
            let table = review(name, &found)?;
            let same = || format!("{old} and {new} are the same");
            terminal::print(&table.unwrap_or_else(same))?;
        }
    }
    if let Some(problem) = found["problem"].as_str() {
        let hint = "as it is, it cannot be activated";
        warn(&terminal::clean(problem), Some(hint));
    }
    Ok(if breaks { Exit::Failure } else { Exit::Success })
}

async fn deactivate(client: &Client, args: &Deactivate) -> Result<Exit> {
    let (name, version) = kept::split(&args.switch.pack);
    let mut active = versions(client, name).await?;
    if let Some(version) = version {
        let meant = read(&client.pack(name, version).await.map_err(told)?)?;
        let major = |row: &Row| row.version.split('.').next().map(str::to_owned);
        active.retain(|row| major(row) == major(&meant));
    }
    active.retain(|row| row.active);
    if active.is_empty() {
        return Err(anyhow!("no such version of {name} is active"));
    }
    let mut left = Vec::new();
    for row in active {
        let done = client.deactivate_pack(name, &row.digest, args.force).await;
        left = done.map_err(|error| match &error {
            ClientError::Refused {
                message,
                review: Some(_),
                ..
            } => unless_forced(message),
            _ => told(error),
        })?;
    }
    row::show_active(name, &read_all(&left)?, args.switch.place.output)?;
    Ok(Exit::Success)
}

async fn roll_back(client: &Client, args: &Switch) -> Result<Exit> {
    let active = client.roll_back_pack(&args.pack).await.map_err(told)?;
    row::show_active(&args.pack, &read_all(&active)?, args.place.output)?;
    if args.place.output == Output::Table {
        terminal::complain("  `ostro pack rollback` once more undoes that");
    }
    Ok(Exit::Success)
}

async fn grant(client: &Client, args: &Grant) -> Result<Exit> {
    let (name, version) = kept::exact(&args.pack, "is granted it")?;
    let grants = json!(sources::grants("GRANTS", &args.grants)?);
    let row = client.grant_pack(name, version, grants).await;
    let row = row.map_err(|error| match asks(&error) {
        Some(beyond) => {
            let file = args.grants.display();
            let lines = install::lines(&beyond).unwrap_or_default();
            let error = anyhow!("{} asks for more than {file} accepts", args.pack);
            hinted(error, format!("to accept it, add to {file}:\n{lines}"))
        }
        None => told(error),
    })?;
    grant::tell(&read(&row)?, args.place.output)
}

async fn remove(client: &Client, args: &Remove) -> Result<Exit> {
    let (name, version) = kept::exact(&args.pack, "is to go")?;
    let row = read(&client.pack(name, version).await.map_err(told)?)?;
    let removed = client.remove_pack(name, &row.digest).await;
    removed.map_err(told)?;
    kept::report(&[row], "removed", args.place.output)
}
