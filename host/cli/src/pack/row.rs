//! A version of a pack as commands show it, whether it is installed here or at a server.

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use console::style;
use ostro_packs::Grants;
use ostro_store::{Installed, Record, Signer};
use serde::{Deserialize, Serialize};

use crate::args::Output;
use crate::terminal;
use crate::text::trimmed;

/// What is known of an installed version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    /// Whether new executions get it.
    pub(crate) active: bool,
    /// Whether a rollback would activate it.
    pub(crate) rollback: bool,
    source: String,
    signer: Option<Signer>,
    grants: Grants,
    /// In milliseconds since 1970 UTC.
    installed_at: i64,
}

impl Row {
    pub(crate) fn of(record: &Record, one: &Installed) -> Self {
        let packs = record.packs.get(&one.name);
        Self {
            name: one.name.clone(),
            version: one.version.to_string(),
            digest: one.digest.clone(),
            active: packs.is_some_and(|packs| packs.is_active(one)),
            rollback: packs.is_some_and(|packs| packs.is_before(one)),
            source: one.source.clone(),
            signer: one.signer.clone(),
            grants: one.grants.clone(),
            installed_at: one.installed_at,
        }
    }

    /// What a version is called that was installed.
    pub(crate) fn told(&self, is_new: bool) -> String {
        let signed = match &self.signer {
            Some(signer) => format!("signed with {} ({})", signer.key, signer.comment),
            None => "not signed with a key that is trusted".to_owned(),
        };
        let what = if is_new {
            "installed"
        } else {
            "was installed already"
        };
        format!(
            "{} {} {what}\n  from {}\n  {}\n  {}",
            style(&self.name).bold().for_stderr(),
            self.version,
            terminal::clean_line(&self.source),
            self.digest,
            terminal::clean_line(&signed),
        )
    }

    /// How it stands, in a word or two.
    fn standing(&self) -> &'static str {
        match self {
            Self { active: true, .. } => "active",
            Self { rollback: true, .. } => "to roll back to",
            _ => "-",
        }
    }
}

/// A table of versions.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "PACK",
            "VERSION",
            "STATE",
            "SIGNED WITH",
            "DIGEST",
            "SOURCE",
        ]);
    for row in rows {
        let signer = row
            .signer
            .as_ref()
            .map_or("-", |signer| signer.key.as_str());
        let digest: String = row.digest.chars().take("sha256:".len() + 12).collect();
        table.add_row([
            row.name.clone(),
            row.version.clone(),
            row.standing().to_owned(),
            signer.to_owned(),
            digest,
            terminal::clean_line(&row.source),
        ]);
    }
    trimmed(&table)
}

/// Shows what is active of a pack.
pub(crate) fn show_active(name: &str, rows: &[Row], output: Output) -> Result<()> {
    if output == Output::Json {
        return terminal::print(&terminal::json(&rows)?);
    }
    if rows.is_empty() {
        terminal::print(&format!("no version of {} is active", style(name).bold()))?;
    }
    for row in rows {
        let name = style(name).bold();
        terminal::print(&format!("{name} {} is active", row.version))?;
    }
    Ok(())
}

/// Says that a version is active, and which one executions get all the same.
pub(crate) fn tell_activated(target: &Row, newest: Option<&Row>, changes: bool) {
    let how = if changes {
        "is active"
    } else {
        "was active already"
    };
    terminal::complain(&format!(
        "{} {} {how}",
        style(&target.name).bold().for_stderr(),
        target.version
    ));
    if let Some(newest) = newest.filter(|newest| newest.digest != target.digest) {
        let major = target.version.split('.').next().unwrap_or_default();
        terminal::complain(&format!(
            "  executions get {}, unless their workflow has the tag pack:{}@{major}",
            newest.version, target.name,
        ));
    }
}
