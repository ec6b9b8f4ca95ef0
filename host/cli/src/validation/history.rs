//! Runs of validations that are kept: a file each, in the state folder.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use comfy_table::{ContentArrangement, Table, presets};
use tempfile::NamedTempFile;

use super::result::Report;
use super::table;
use crate::args::Output;
use crate::errors::{Exit, hinted, warn};
use crate::state::{self, StateDir};
use crate::terminal;
use crate::text::{duration, trimmed};

/// The fewest characters of an id that stand for it.
const SHORTEST: usize = 4;

/// Where runs are kept.
pub(crate) struct History {
    path: PathBuf,
}

impl History {
    /// That of the state folder that was named, or of the user's own.
    pub(crate) fn new(named: Option<&Path>) -> Result<Self> {
        let path = StateDir::new(named)?.validations();
        Ok(Self { path })
    }

    /// Keeps `report`, and deletes all but the newest ones, `keep` of them; 0 deletes none.
    pub(crate) fn add(&self, report: &Report, keep: usize) -> Result<()> {
        state::make(&self.path)?;
        // Whole or not at all, and for nobody else.
        let mut file = NamedTempFile::with_prefix_in(".new", &self.path)
            .with_context(|| self.path.display().to_string())?;
        let path = self.path.join(format!("{}.json", report.id));
        serde_json::to_vec(report)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(file.write_all(&bytes)?))
            .and_then(|()| Ok(file.persist(&path)?))
            .with_context(|| path.display().to_string())?;
        if keep > 0 {
            for (_, path) in self.files()?.into_iter().skip(keep) {
                match fs::remove_file(&path) {
                    // Another process that ends a run deletes the same ones.
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error).with_context(|| path.display().to_string());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The files of runs, the newest first.
    fn files(&self) -> Result<Vec<(SystemTime, PathBuf)>> {
        let named = || self.path.display().to_string();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.with_context(named)?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.with_context(named)?;
            let path = entry.path();
            let is_run = path.extension().is_some_and(|end| end == "json");
            // One that is gone by now was deleted by another process.
            if let (true, Ok(metadata)) = (is_run, entry.metadata()) {
                files.push((metadata.modified().with_context(named)?, path));
            }
        }
        files.sort_by(|a, b| b.cmp(a));
        Ok(files)
    }

    /// All runs, the newest first. Those that cannot be read are told about.
    fn runs(&self) -> Result<Vec<Report>> {
        let mut runs = Vec::new();
        for (_, path) in self.files()? {
            match read(&path) {
                Ok(report) => runs.push(report),
                Err(error) => warn(&format!("{error:#}"), None),
            }
        }
        Ok(runs)
    }

    /// The run that `id` means: an id, or its first characters.
    fn find(&self, id: &str) -> Result<Report> {
        let mut found = Vec::new();
        for (_, path) in self.files()? {
            let name = path.file_stem().and_then(|name| name.to_str());
            let is_meant =
                |name: &str| name == id || (id.len() >= SHORTEST && name.starts_with(id));
            if name.is_some_and(is_meant) {
                found.push(path);
            }
        }
        match &found[..] {
            [path] => read(path),
            [] => Err(hinted(
                anyhow!("no run {id} is kept in {}", self.path.display()),
                "`ostro validation history` lists those that are",
            )),
            _ => Err(hinted(
                anyhow!("{id} means more than one run"),
                "give more of the id",
            )),
        }
    }
}

fn read(path: &Path) -> Result<Report> {
    let named = || format!("{} is no run of validations", path.display());
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(named)
}

/// Carries out `ostro validation history`.
pub(crate) fn show(named: Option<&Path>, id: Option<&str>, output: Output) -> Result<Exit> {
    let history = History::new(named)?;
    match id {
        Some(id) => {
            let report = history.find(id)?;
            terminal::print(&match output {
                Output::Json => terminal::json(&report.as_json())?,
                Output::Table => table::text(&report),
            })?;
        }
        None => list(&history.runs()?, output)?,
    }
    Ok(Exit::Success)
}

fn list(runs: &[Report], output: Output) -> Result<()> {
    match output {
        Output::Json => {
            let runs: Vec<_> = runs.iter().map(Report::overview).collect();
            terminal::print(&terminal::json(&runs)?)
        }
        Output::Table if runs.is_empty() => {
            terminal::complain("no runs of validations are kept");
            Ok(())
        }
        Output::Table => {
            let mut table = Table::new();
            table
                .load_preset(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Disabled)
                .set_header(["ID", "STATUS", "BEGAN", "TOOK", ""]);
            for run in runs {
                table.add_row([
                    run.id.clone(),
                    run.status().as_str().to_owned(),
                    run.started_at.date(),
                    duration(run.took().as_secs_f64()),
                    run.counts(),
                ]);
            }
            terminal::print(&trimmed(&table))
        }
    }
}
