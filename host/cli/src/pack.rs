//! `ostro pack`: starts packs, builds, tests, publishes, installs and activates them.

pub(crate) mod activate;
mod case;
mod dev;
pub(crate) mod diff;
pub(crate) mod grant;
mod grants;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod kept;
mod needs;
pub(crate) mod obstacle;
mod publish;
pub(crate) mod row;
mod test;
mod trust;

use std::path::Path;

use anyhow::Result;
use ostro_packs::{Language, PackError, build};

use crate::args::{Lang, Output, Pack};
use crate::errors::{self, Exit, hinted};
use crate::{sources, terminal};

/// Carries out `ostro pack …`.
pub(crate) fn pack(command: &Pack) -> Result<Exit> {
    match command {
        Pack::New { name, lang, dir } => new_pack(name, *lang, dir.as_deref()),
        Pack::Build { dir } => build_pack(dir),
        Pack::Dev(args) => dev::dev(args),
        Pack::Diff(args) => diff::diff(args),
        Pack::Test { dir, output } => test::test(dir, *output),
        Pack::Grants { from, state } => grants::grants(from, state),
        Pack::Grant(args) => grant::grant(args),
        Pack::Install(args) => install::install(args),
        Pack::List(args) => kept::list(args),
        Pack::Activate(args) => activate::activate(args),
        Pack::Rollback(args) => activate::roll_back(args),
        Pack::Deactivate(args) => activate::deactivate(args),
        Pack::Remove(args) => kept::remove(args),
        Pack::Prune(args) => kept::prune(args),
        Pack::Publish(args) => publish::publish(args),
        Pack::Trust(command) => trust::trust(command),
        Pack::Inspect { pack, output } => {
            let pack = sources::open(pack)?;
            terminal::print(&match output {
                Output::Table => inspect::table(&pack),
                Output::Json => serde_json::to_string_pretty(&inspect::json(&pack))?,
            })?;
            Ok(Exit::Success)
        }
    }
}

fn new_pack(name: &str, lang: Lang, dir: Option<&Path>) -> Result<Exit> {
    let language = match lang {
        Lang::Rust => Language::Rust,
        Lang::Python => Language::Python,
        Lang::Js => Language::Js,
        Lang::C => Language::C,
    };
    let dir = dir.unwrap_or(Path::new(name));
    ostro_packs::new(name, language, dir)?;
    let shown = dir.display();
    terminal::print(&format!(
        "{shown}: next\n  ostro pack build {shown}\n  ostro pack test {shown}\n  ostro run {shown}/workflows/greet.yaml \
         --pack {shown} -i 'names=[\"Ironic\", \"Zaqar\"]'"
    ))?;
    Ok(Exit::Success)
}

fn build_pack(dir: &Path) -> Result<Exit> {
    let built = match build::build(dir, &mut |line| terminal::complain(line)) {
        Ok(built) => built,
        // The manifest is wrong, or there is none: nothing was built.
        Err(error @ (PackError::NoPack(_) | PackError::Yaml { .. })) => return Err(error.into()),
        Err(error) => {
            errors::show(&advised(error));
            return Ok(Exit::Failure);
        }
    };
    terminal::print(&inspect::built(&built)?)?;
    Ok(Exit::Success)
}

/// Why a pack was not built, with what to do where that is known.
fn advised(error: PackError) -> anyhow::Error {
    match error {
        PackError::Imports(_) => hinted(error, "grant it under `grants` in pack.yaml"),
        other => other.into(),
    }
}
