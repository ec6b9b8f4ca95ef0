//! `ostro pack publish`: to an OCI registry.

use anyhow::{Result, anyhow};
use console::style;
use ostro_packs::{Pack, PackDiff};
use ostro_store::{Obstacle, Pushed, Registry, Source};
use semver::Version;
use serde_json::json;

use super::install::{described, fetch};
use crate::args::{Output, Publish};
use crate::errors::{Exit, WithHint as _, hinted, warn};
use crate::terminal;

/// Carries out `ostro pack publish`.
pub(super) fn publish(args: &Publish) -> Result<Exit> {
    let path = args.pack.display().to_string();
    if !args.pack.exists() {
        return Err(hinted(
            anyhow!("{path}: there is no such file or folder"),
            "DIR-or-FILE is a pack's folder, or the file that `ostro pack build` made",
        ));
    }
    let fetched = fetch(&Source::parse(&path, false)?)?;
    let pack = &fetched.pack;
    pack.check_imports(&pack.manifest.grants)
        .hint(|| "nobody could install it: grant it under `grants` in pack.yaml".to_owned())?;
    let reference = args
        .reference
        .strip_prefix("oci://")
        .unwrap_or(&args.reference);
    let registry = Registry::new(reference, args.plain_http)?;
    check_tag(&registry, pack)?;
    let signature = fetched.signature.as_deref();
    if let Some(signature) = signature {
        // What nobody could install is better told here.
        ostro_store::Keys::check(signature, &path)?;
    }
    let standing = crate::block_on(registry.standing(pack, signature))??;
    if let Some(obstacle) = standing.obstacle.as_ref().filter(|_| !args.force) {
        return Err(refusal(obstacle, pack));
    }
    let moves = registry
        .tag()
        .is_some_and(|tag| tag != pack.manifest.version.to_string());
    if standing.is_there && !moves {
        tell(args, &registry, pack, None)?;
        return Ok(Exit::Success);
    }
    let pushed = crate::block_on(registry.push(pack, signature))??;
    tell(args, &registry, pack, Some(&pushed))?;
    if signature.is_none() {
        warn(
            &format!("{path} is not signed: it can be installed with --allow-unsigned only"),
            Some(&format!(
                "`minisign -S -m {}` signs it; publish it again then",
                pack.file_name()
            )),
        );
    }
    Ok(Exit::Success)
}

/// A tag that looks like a version has to be the pack's.
fn check_tag(registry: &Registry, pack: &Pack) -> Result<()> {
    let version = &pack.manifest.version;
    let tag = registry.tag().unwrap_or_default();
    match Version::parse(&tag.replace('_', "+")) {
        Ok(tagged) if tagged != *version => Err(hinted(
            anyhow!("the tag {tag} is another version than the pack's, which is {version}"),
            "leave the tag out: it is tagged with its version",
        )),
        _ => Ok(()),
    }
}

fn refusal(obstacle: &Obstacle, pack: &Pack) -> anyhow::Error {
    let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
    match obstacle {
        Obstacle::Exists(digest) => hinted(
            anyhow!(
                "{name} is published already, with the digest {digest}, and this one has {}",
                pack.digest
            ),
            "what is published stays as it is: give it another version in pack.yaml",
        ),
        Obstacle::Breaks(diff) => hinted(
            anyhow!(
                "{name} breaks what {} has, and its number does not say so:\n{}",
                diff.old,
                broken(diff)
            ),
            format!(
                "give it the version {} in pack.yaml; --force publishes it as it is",
                next(&diff.old)
            ),
        ),
    }
}

/// What breaks, a line each.
fn broken(diff: &PackDiff) -> String {
    let breaks = diff.changes.iter().filter(|change| change.breaks);
    let lines: Vec<String> = breaks
        .map(|change| {
            let detail = change.detail.as_deref().map(|detail| format!(": {detail}"));
            let line = format!(
                "    {} {} {}{}",
                change.what,
                change.name,
                change.how,
                detail.unwrap_or_default()
            );
            terminal::clean(&line)
        })
        .collect();
    lines.join("\n")
}

/// The next version that may break something (<https://semver.org/#spec-item-8>).
fn next(old: &Version) -> Version {
    match old.major {
        0 => Version::new(0, old.minor + 1, 0),
        major => Version::new(major + 1, 0, 0),
    }
}

fn tell(args: &Publish, registry: &Registry, pack: &Pack, pushed: Option<&Pushed>) -> Result<()> {
    let version = pack.manifest.version.to_string().replace('+', "_");
    let reference = registry.with_tag(&version);
    if args.output == Output::Json {
        let mut shown = described(pack);
        shown["reference"] = json!(reference.to_string());
        shown["pushed"] = json!(pushed.is_some());
        shown["manifest"] = json!(pushed.map(|pushed| &pushed.manifest));
        shown["tags"] = json!(pushed.map(|pushed| &pushed.tags));
        shown["components"] = json!(pushed.map(|pushed| &pushed.components));
        return terminal::print(&terminal::json(&shown)?);
    }
    let name = style(&pack.manifest.name).bold();
    let Some(pushed) = pushed else {
        return terminal::print(&format!(
            "{name} {} is published already: {reference}",
            pack.manifest.version
        ));
    };
    terminal::print(&format!(
        "{name} {} is published: {reference}\n  {}\n  manifest {}",
        pack.manifest.version, pack.digest, pushed.manifest
    ))
}
