//! `ostro pack trust`: whose signatures count.

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use console::style;
use serde_json::json;

use super::kept;
use crate::args::{Output, State, Trust};
use crate::errors::Exit;
use crate::state::StateDir;
use crate::terminal;
use crate::text::trimmed;

/// Carries out `ostro pack trust …`.
pub(super) fn trust(command: &Trust) -> Result<Exit> {
    let store = |state: &State| Ok(StateDir::new(state.state_dir.as_deref())?.store());
    match command {
        Trust::Add { key, state } => {
            let store: Result<ostro_store::Store> = store(state);
            let (key, is_new) = store?.trust(key)?;
            let how = if is_new {
                "is trusted"
            } else {
                "was trusted already"
            };
            say(&key, how)
        }
        Trust::Remove { key, state } => {
            let key = store(state)?.distrust(key).map_err(kept::unknown_key)?;
            say(&key, "is not trusted any more")
        }
        Trust::List { place } => list(&store(&place.state)?.keys().all()?, place.output),
    }
}

fn say(key: &ostro_store::TrustedKey, how: &str) -> Result<Exit> {
    let comment = terminal::clean_line(&key.comment);
    terminal::print(&format!("{} ({comment}) {how}", style(&key.id).bold()))?;
    Ok(Exit::Success)
}

fn list(keys: &[ostro_store::TrustedKey], output: Output) -> Result<Exit> {
    if output == Output::Json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| json!({ "id": key.id, "comment": key.comment }))
            .collect();
        terminal::print(&terminal::json(&keys)?)?;
        return Ok(Exit::Success);
    }
    if keys.is_empty() {
        terminal::complain("no key is trusted; `ostro pack trust add KEY.pub` trusts one");
        return Ok(Exit::Success);
    }
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["KEY", "COMMENT"]);
    for key in keys {
        table.add_row([key.id.clone(), terminal::clean_line(&key.comment)]);
    }
    terminal::print(&trimmed(&table))?;
    Ok(Exit::Success)
}
