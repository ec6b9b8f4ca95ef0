//! `ostro lint` and `ostro explain`: what is wrong with definitions, and what that means.

use anyhow::{Result, anyhow};
use console::style;
use ostro_lang::{Code, Definitions, LintOptions, Report, Severity, parse};

use crate::args::{Lint, LintOutput};
use crate::errors::{Exit, hinted};
use crate::installed::Wanted;
use crate::text::counted;
use crate::{input, sources, suggest, terminal};

/// Carries out `ostro lint`.
pub(crate) fn lint(args: &Lint) -> Result<Exit> {
    let mut texts = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let name = path.display().to_string();
        let text = input::read(&name)?;
        texts.push((name, text));
    }
    // Their tags say which of two majors each of them means.
    let parsed = texts.iter().map(|(name, text)| parse(text, name));
    let definitions: Definitions = parsed.collect();
    let tags = definitions.workflows().flat_map(|workflow| &workflow.tags);
    let wanted = Wanted::all(&args.state, tags)?;
    let actions = sources::load(&args.sources, &wanted)?;
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let options = LintOptions {
        all_actions: args.complete,
        all_workflows: args.complete,
        as_mistral: args.as_mistral,
        unused: args.unused,
        ..LintOptions::default()
    };
    let report = ostro_lang::lint(&files, &actions.registry, &options);
    match args.output {
        LintOutput::Text => show(&report)?,
        LintOutput::Json => terminal::print(&serde_json::to_string_pretty(&report.to_json())?)?,
        LintOutput::Sarif => {
            let log = report.to_sarif(env!("CARGO_PKG_VERSION"));
            terminal::print(&serde_json::to_string_pretty(&log)?)?;
        }
    }
    Ok(if report.has_errors() {
        Exit::Usage
    } else {
        Exit::Success
    })
}

/// Prints the problems, and how many there are.
fn show(report: &Report<'_>) -> Result<()> {
    let text = report.render();
    if !text.is_empty() {
        terminal::print(terminal::clean(&text).trim_end())?;
        terminal::complain("");
    }
    let files = counted(report.files.len(), "file");
    let errors = report.count(Severity::Error);
    let warnings = report.count(Severity::Warning);
    let found = match (errors, warnings) {
        (0, 0) => style("no problems".to_owned()).green().for_stderr(),
        (0, _) => style(counted(warnings, "warning")).yellow().for_stderr(),
        (_, 0) => style(counted(errors, "error")).red().for_stderr(),
        _ => style(format!(
            "{}, {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        ))
        .red()
        .for_stderr(),
    };
    terminal::complain(&format!("{files}: {found}"));
    if errors + warnings > 0 {
        terminal::complain("  `ostro explain CODE` tells more of a code");
    }
    Ok(())
}

/// Carries out `ostro explain`.
pub(crate) fn explain(code: Option<&str>) -> Result<Exit> {
    let Some(text) = code else {
        let codes = Code::ALL.iter();
        let lines: Vec<String> = codes
            .map(|code| format!("{}  {}", code.as_str(), code.explanation()))
            .collect();
        terminal::print(&lines.join("\n"))?;
        return Ok(Exit::Success);
    };
    let wanted = text.to_ascii_uppercase();
    let Some(code) = Code::parse(&wanted) else {
        let error = anyhow!("there is no code {text}");
        let known = Code::ALL.iter().map(|code| code.as_str());
        let hint = suggest::did_you_mean(&wanted, known)
            .unwrap_or_else(|| "`ostro explain` lists all codes".to_owned());
        return Err(hinted(error, hint));
    };
    terminal::print(code.page().trim_end())?;
    Ok(Exit::Success)
}
