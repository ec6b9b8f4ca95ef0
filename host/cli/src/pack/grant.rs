//! `ostro pack grant`: what an installed version is granted.

use anyhow::Result;
use console::style;

use super::row::Row;
use super::{install, kept};
use crate::args::{Grant, Output};
use crate::errors::{Exit, WithHint as _};
use crate::state::StateDir;
use crate::terminal;

/// Carries out `ostro pack grant`.
pub(super) fn grant(args: &Grant) -> Result<Exit> {
    let (name, version) = kept::exact(&args.pack, "is granted it")?;
    let store = StateDir::new(args.place.state.state_dir.as_deref())?.store();
    let mut change = store.change()?;
    let found = change.record.find(name, Some(version));
    let mut target = found.map_err(kept::unknown)?.clone();
    let pack = store.open(&target)?;
    let grants = install::accepted(&pack, "GRANTS", &args.grants)?;
    pack.check_imports(&grants)
        .map_err(|error| install::imports(error.into(), &pack, Some(&args.grants)))?;
    target.grants = grants;
    change.record.add(target.clone(), None);
    change
        .commit()
        .hint(|| "what it was granted before, it still is".to_owned())?;
    tell(&Row::of(&change.record, &target), args.place.output)
}

/// Says what became of it.
pub(crate) fn tell(row: &Row, output: Output) -> Result<Exit> {
    match output {
        Output::Json => terminal::print(&terminal::json(row)?)?,
        Output::Table => terminal::complain(&format!(
            "{} {} is granted this from now on",
            style(&row.name).bold().for_stderr(),
            row.version
        )),
    }
    Ok(Exit::Success)
}
