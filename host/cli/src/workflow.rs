//! `ostro workflow diff`: whether what workflows take and give stays compatible.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ostro_lang::{ContractChange, Definitions, Diagnostic, contract_changes, parse};
use serde_json::{Value as Json, json};

use crate::args::{Output, Workflow, WorkflowDiff};
use crate::change::Difference;
use crate::errors::{Exit, hinted};
use crate::{input, terminal};

/// Carries out `ostro workflow …`.
pub(crate) fn workflow(command: &Workflow) -> Result<Exit> {
    match command {
        Workflow::Diff(args) => diff(args),
    }
}

fn diff(args: &WorkflowDiff) -> Result<Exit> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let changes = contract_changes(&old, &new);
    let breaks = changes.iter().any(|change| change.breaks);
    terminal::print(&match args.output {
        Output::Table => table(&changes, breaks),
        Output::Json => serde_json::to_string_pretty(&json!({
            "breaks": breaks,
            "changes": changes.iter().map(json).collect::<Vec<_>>(),
        }))?,
    })?;
    Ok(if breaks { Exit::Failure } else { Exit::Success })
}

/// What the files at `path` define. What cannot be read cannot be compared.
fn read(path: &Path) -> Result<Definitions> {
    let mut definitions = Definitions::new();
    for file in files(path)? {
        let name = file.display().to_string();
        let text = input::read(&name)?;
        let parsed = parse(&text, &name);
        if let Some(error) = parsed.diagnostics.iter().find(|found| found.is_error()) {
            return Err(unreadable(error, &text));
        }
        definitions.add(parsed);
    }
    Ok(definitions)
}

fn unreadable(error: &Diagnostic, text: &str) -> anyhow::Error {
    terminal::complain(&terminal::clean(&error.render(text)));
    let file = &error.location.file;
    hinted(
        anyhow::anyhow!("{file} is wrong, so that it cannot be compared"),
        format!("ostro lint {file}    shows all that is wrong"),
    )
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let shown = path.display();
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {shown}"))? {
        let file = entry
            .with_context(|| format!("cannot read {shown}"))?
            .path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml")) {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("{shown}: there is no .yaml file in this folder");
    }
    files.sort_unstable();
    Ok(files)
}

fn json(change: &ContractChange) -> Json {
    json!({
        "of": change.of,
        "name": change.name,
        "how": change.how,
        "detail": change.detail,
        "breaks": change.breaks,
        "file": change.location.file,
        "line": change.location.line,
        "column": change.location.column,
    })
}

fn table(changes: &[ContractChange], breaks: bool) -> String {
    let mut text = String::new();
    for change in changes {
        let shown = Difference {
            of: &change.of,
            name: &change.name,
            how: change.how,
            detail: change.detail.as_deref(),
            breaks: change.breaks,
            location: Some(&change.location),
        };
        text.push_str(&shown.line(8));
        text.push('\n');
    }
    text.push_str(match (changes.is_empty(), breaks) {
        (true, _) => "What they take and give is the same.",
        (false, false) => "Calls that were right stay right.",
        (false, true) => "Calls that were right may be wrong with the new version.",
    });
    text
}
