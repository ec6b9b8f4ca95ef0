//! Packs that are taken in over HTTP, and what they are granted.

use std::fs;

use anyhow::Context as _;
use ostro_packs::{Grants, Pack};
use ostro_server::{Installation, PackRefusal, PackSource, PackVersion};
use ostro_store::{Fetched, Record, Source};
use serde_json::{Value, json};

use super::Operated;
use super::find;
use super::refusal::{conflict, invalid, refused};
use crate::pack::install::{installed, keep, lines};
use crate::pack::obstacle::{self, Asks};

/// What an artifact is called that a caller sent, before it is known which pack it is.
const SENT: &str = "sent.ostro";

impl Operated {
    pub(super) fn take_in(&self, wanted: &Installation) -> Result<(bool, Value), PackRefusal> {
        let fetched = fetch(&wanted.source)?;
        obstacle::check_digest(&fetched, wanted.digest.as_deref())?;
        let record = self.store.read().map_err(refused)?;
        obstacle::check_lock(&record, &fetched, wanted.update)?;
        let (shown, signature) = (&fetched.source, fetched.signature.as_deref());
        let verdict = self.store.keys();
        let verdict = verdict.verify(&fetched.artifact, signature, shown);
        let verdict = verdict.map_err(refused)?;
        let signer = obstacle::signer(verdict, wanted.allow_unsigned, shown)?;
        let grants = match &wanted.accept_grants {
            Some(grants) => accepted(&fetched.pack, grants)?,
            None => known(&record, &fetched.pack)?,
        };
        check_imports(&fetched.pack, &grants)?;

        let one = installed(&fetched, signer, grants);
        let mut change = self.store.change().map_err(refused)?;
        // Somebody else may have installed something since.
        obstacle::check_lock(&change.record, &fetched, wanted.update)?;
        let is_new = change.record.by_digest(&one.digest).is_none();
        keep(&mut change, &fetched, &one).map_err(refused)?;
        let row = self.row(&change.record, &one);
        self.sweep(&mut change);
        drop(change);
        // It may be active already, and be granted something else now.
        self.active.refresh();
        Ok((is_new, row))
    }

    pub(super) fn grant_to(
        &self,
        which: &PackVersion,
        grants: &Value,
    ) -> Result<Value, PackRefusal> {
        let mut change = self.store.change().map_err(refused)?;
        let mut target = find(&change.record, which).map_err(refused)?.clone();
        let pack = self.store.open(&target).map_err(refused)?;
        let grants = accepted(&pack, grants)?;
        check_imports(&pack, &grants)?;
        target.grants = grants;
        let packs = change.record.packs.get_mut(&target.name);
        let mut versions = packs.into_iter().flat_map(|packs| &mut packs.versions);
        if let Some(one) = versions.find(|one| one.digest == target.digest) {
            *one = target.clone();
        }
        let turn = self.active.turn();
        let set = self.loaded(&change.record)?;
        change.commit().map_err(refused)?;
        turn.swap(set);
        Ok(self.row(&change.record, &target))
    }
}

fn fetch(source: &PackSource) -> Result<Fetched, PackRefusal> {
    match source {
        PackSource::Named { source, plain_http } => {
            let source = Source::parse(source, *plain_http).map_err(refused)?;
            let fetched = crate::block_on(source.fetch()).map_err(refused)?;
            fetched.map_err(refused)
        }
        PackSource::Sent {
            artifact,
            signature,
        } => sent(artifact, signature.as_deref()),
    }
}

/// The pack that a caller sent. It is named after what it is, as nobody knows where it was.
fn sent(artifact: &[u8], signature: Option<&str>) -> Result<Fetched, PackRefusal> {
    let written = || {
        let folder = tempfile::tempdir().context("no room for what was sent")?;
        let file = folder.path().join(SENT);
        fs::write(&file, artifact)?;
        if let Some(signature) = signature {
            fs::write(folder.path().join(format!("{SENT}.minisig")), signature)?;
        }
        anyhow::Ok((folder, file))
    };
    let (_folder, file) = written().map_err(refused)?;
    let shown = file.display().to_string();
    let fetched = crate::block_on(Source::File(file).fetch()).map_err(refused)?;
    let fetched = fetched.map_err(|error| {
        let mut refusal = refused(error);
        refusal.message = refusal.message.replace(&shown, "the pack that was sent");
        refusal
    })?;
    Ok(Fetched {
        source: fetched.pack.file_name(),
        ..fetched
    })
}

/// What the caller accepts, which has to be all that the pack asks for.
fn accepted(pack: &Pack, grants: &Value) -> Result<Grants, PackRefusal> {
    let grants: Grants = serde_json::from_value(grants.clone()).map_err(|error| {
        invalid(format!(
            "accept_grants: {error}; they are what pack.yaml has under `grants`: openstack, \
             operations, messaging, files, http, object-store, secrets"
        ))
    })?;
    match grants.beyond(&pack.manifest.grants) {
        None => Ok(grants),
        Some(beyond) => {
            let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
            let asks = format!("{name} asks for more than is accepted");
            Err(asks_for(&Asks { asks, beyond }))
        }
    }
}

/// What was accepted before, where that is all that the pack asks for.
fn known(record: &Record, pack: &Pack) -> Result<Grants, PackRefusal> {
    obstacle::known_grants(record, pack).map_err(|asks| asks_for(&asks))
}

fn asks_for(Asks { asks, beyond }: &Asks) -> PackRefusal {
    let shown = lines(beyond).unwrap_or_default();
    let review = json!({ "asks": beyond });
    let message = format!("{asks}:\n{shown}\naccept_grants says what is accepted");
    conflict(message, Some(review))
}

/// Each component may have what it imports.
fn check_imports(pack: &Pack, grants: &Grants) -> Result<(), PackRefusal> {
    pack.check_imports(grants).map_err(|error| {
        invalid(format!(
            "{} {}: {error}",
            pack.manifest.name, pack.manifest.version
        ))
    })
}
