//! `ostro validation`: checks that packs bring, run many at a time.

mod catalogue;
mod history;
mod html;
mod inputs;
mod junit;
mod markup;
mod moment;
mod result;
mod run;
mod table;
mod watch;

use std::fmt::Write as _;

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use console::style;

use crate::args::{Output, Validation};
use crate::errors::Exit;
use crate::terminal::{self, clean, clean_line};
use crate::text::trimmed;
use catalogue::Validation as Known;

/// Carries out `ostro validation …`.
pub(crate) fn validation(command: &Validation) -> Result<Exit> {
    match command {
        Validation::List {
            packs,
            groups,
            output,
        } => list(&catalogue::open(packs)?, groups, *output),
        Validation::Show {
            name,
            packs,
            output,
        } => show(&catalogue::open(packs)?, name, *output),
        Validation::Run(args) => run::run(args),
        Validation::History { id, state, output } => {
            history::show(state.state_dir.as_deref(), id.as_deref(), *output)
        }
    }
}

fn list(all: &[Known], groups: &[String], output: Output) -> Result<Exit> {
    let listed = catalogue::grouped(all, groups)?;
    if output == Output::Json {
        let listed: Vec<_> = listed.into_iter().map(Known::as_json).collect();
        terminal::print(&terminal::json(&listed)?)?;
        return Ok(Exit::Success);
    }
    let mut table = bare();
    table.set_header(["VALIDATION", "NAME", "GROUPS"]);
    for validation in listed {
        table.add_row([
            validation.id().to_owned(),
            clean_line(&validation.info.name),
            clean_line(&validation.info.groups.join(", ")),
        ]);
    }
    terminal::print(&trimmed(&table))?;
    Ok(Exit::Success)
}

fn show(all: &[Known], name: &str, output: Output) -> Result<Exit> {
    let validation = catalogue::find(all, name)?;
    if output == Output::Json {
        terminal::print(&terminal::json(&validation.as_json())?)?;
        return Ok(Exit::Success);
    }
    let mut text = format!(
        "{}\n  {}\n  from pack {}",
        style(validation.id()).bold(),
        clean_line(&validation.info.name),
        validation.pack
    );
    if !validation.info.groups.is_empty() {
        // Writing to a string cannot fail, here and below.
        let groups = clean_line(&validation.info.groups.join(", "));
        let _ = write!(text, "\n  in groups {groups}");
    }
    let docs = validation.signature.docs.as_deref();
    let description = Some(validation.info.description.as_str()).filter(|text| !text.is_empty());
    for part in description
        .into_iter()
        .chain(docs.filter(|docs| Some(*docs) != description))
    {
        text.push('\n');
        for line in clean(part).lines() {
            let _ = write!(text, "\n{}", format!("  {line}").trim_end());
        }
    }
    text.push_str("\n\nTakes:");
    if validation.signature.params.is_empty() {
        text.push_str(" nothing");
    } else {
        let mut table = bare();
        for param in &validation.signature.params {
            let need = if param.ty.is_optional() {
                "optional"
            } else {
                "required"
            };
            table.add_row([
                format!("  {}", param.name),
                param.ty.to_string(),
                need.to_owned(),
                clean_line(param.docs.as_deref().unwrap_or_default()),
            ]);
        }
        text.push('\n');
        text.push_str(&trimmed(&table));
    }
    terminal::print(&text)?;
    Ok(Exit::Success)
}

/// A table without lines.
fn bare() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}
