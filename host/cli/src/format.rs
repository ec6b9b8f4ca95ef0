//! `ostro fmt`: definitions in order.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use crate::args::Fmt;
use crate::errors::Exit;
use crate::{input, terminal};

/// Carries out `ostro fmt`. One file that cannot be read does not keep others from it.
pub(crate) fn format(args: &Fmt) -> Result<Exit> {
    let mut changed = 0;
    let mut broken = 0;
    for path in &args.files {
        let name = path.display().to_string();
        let text = input::read(&name)?;
        let formatted = match ostro_lang::format(&text) {
            Ok(formatted) => formatted,
            Err(mut problem) => {
                problem.location.file = name.as_str().into();
                terminal::complain(terminal::clean(&problem.render(&text)).trim_end());
                broken += 1;
                continue;
            }
        };
        if name == "-" && !args.check {
            // The text ends its last line itself.
            terminal::print(formatted.strip_suffix('\n').unwrap_or(&formatted))?;
        } else if formatted != text {
            changed += 1;
            if args.check {
                terminal::print(&name)?;
            } else {
                replace(path, &formatted)?;
                terminal::complain(&format!("{name}: put in order"));
            }
        }
    }
    Ok(match (broken, changed) {
        (0, 0) => Exit::Success,
        (0, _) if args.check => Exit::Failure,
        (0, _) => Exit::Success,
        _ => Exit::Usage,
    })
}

/// Writes `text` to the file at `path`, or leaves it as it was: the new text is whole before it
/// takes the old one's place.
fn replace(path: &Path, text: &str) -> Result<()> {
    // A link stays a link: what it leads to is what changes.
    let path = path
        .canonicalize()
        .with_context(|| path.display().to_string())?;
    let folder = path
        .parent()
        .ok_or_else(|| anyhow!("{}: no file", path.display()))?;
    let write = || -> Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file()
            .set_permissions(fs::metadata(&path)?.permissions())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().with_context(|| format!("{}: cannot be written", path.display()))
}
