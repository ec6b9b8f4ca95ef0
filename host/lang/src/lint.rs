//! Everything that is wrong with some files, at once.

mod allow;
mod output;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::check::{ActionCatalogue, check_as};
use crate::diagnostics::Bounded;
use crate::flow::{self, Knowledge};
use crate::text::lines;
use crate::{Definitions, Diagnostic, Location, Severity, parse};

/// What [`lint`] is to take for granted.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, named where it is answered"
)]
#[derive(Clone, Debug, Default)]
pub struct LintOptions<'a> {
    /// Whether the catalogue knows all actions that there are. A call of another one is then an
    /// error, and else a warning.
    pub all_actions: bool,
    /// Whether the files hold all workflows that there are. A call of another one is then an
    /// error, and else a warning.
    pub all_workflows: bool,
    /// Whether to warn of inputs and variables that nothing reads, too.
    pub unused: bool,
    /// Whether only what Mistral refuses is an error: what it accepts, and fails at when a run
    /// gets to it, is a warning then.
    pub as_mistral: bool,
    /// Functions that expressions may call beside YAQL's and Mistral's own.
    pub functions: &'a [&'a str],
}

/// What [`lint`] found.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The files, as name and text, in the order in which they were given.
    pub files: Vec<(&'a str, &'a str)>,
    /// All that is wrong, in the order of the files and of their text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks `files`, each a name and its text, by themselves and together: what [`parse`] and
/// [`check`](crate::check()) find, how data and control flow through each workflow, and what
/// expressions call.
///
/// A comment `# ostro: allow W0602` turns warnings off: for its line if something stands before
/// it there, else for the next line that holds something, and for the whole file if nothing but
/// comments stands before it. Several codes are separated by commas. Errors can't be allowed.
///
/// ```
/// use ostro_lang::{ActionCatalogue, ActionParameter, LintOptions, lint};
///
/// struct Nothing;
/// impl ActionCatalogue for Nothing {
///     fn parameters(&self, _action: &str) -> Option<Vec<ActionParameter>> {
///         None
///     }
/// }
///
/// let text = "\
/// version: '2.0'
/// greet:
///   input: [name]
///   tasks:
///     hello: {action: std.echo output=<% $.nmae %>} # ostro: allow W0508
/// ";
/// let report = lint(&[("greet.yaml", text)], &Nothing, &LintOptions::default());
/// assert_eq!(
///     report.render(),
///     "error[E0601]: nothing sets `nmae` before it is read here
///  --> greet.yaml:5:42
///   |
/// 5 |     hello: {action: std.echo output=<% $.nmae %>} # ostro: allow W0508
///   |                                          ^^^^
///   = help: did you mean `name`?
/// "
/// );
/// ```
pub fn lint<'a>(
    files: &[(&'a str, &'a str)],
    catalogue: &dyn ActionCatalogue,
    options: &LintOptions<'_>,
) -> Report<'a> {
    let parsed = files.iter().map(|(name, text)| parse(text, name));
    let definitions: Definitions = parsed.collect();
    let knowledge = Knowledge {
        functions: options.functions,
        unused: options.unused,
    };
    let mut diagnostics = definitions.diagnostics().to_vec();
    diagnostics.extend(check_as(
        &definitions,
        catalogue,
        options.all_workflows,
        options.all_actions,
    ));
    for workflow in definitions.workflows() {
        diagnostics.extend(flow::workflow(workflow, &knowledge));
    }
    for action in definitions.actions() {
        diagnostics.extend(flow::ad_hoc(action, &knowledge));
    }
    for (name, text) in files {
        let file: Arc<str> = Arc::from(*name);
        diagnostics = allow::apply(&file, text, diagnostics);
    }
    let order: FxHashMap<&str, usize> = files
        .iter()
        .enumerate()
        .map(|(place, (name, _))| (*name, place))
        .collect();
    let place = |location: &Location| {
        (
            order.get(&*location.file).copied(),
            location.line,
            location.column,
        )
    };
    diagnostics.sort_by_key(|found| (place(&found.location), found.code));
    // Task defaults stand in one place and count for every task.
    let mut seen = FxHashSet::default();
    diagnostics.retain(|d| seen.insert((d.code, d.location.clone(), d.message.clone())));
    if options.as_mistral {
        for found in &mut diagnostics {
            if found.code.fails_when_reached() {
                found.severity = Severity::Warning;
            }
        }
    }
    let mut bounded = Bounded::default();
    for found in diagnostics {
        bounded.add(found);
    }
    Report {
        files: files.to_vec(),
        diagnostics: bounded.finish(),
    }
}

impl Report<'_> {
    /// Whether any of it is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// How many are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        let of = |diagnostic: &&Diagnostic| diagnostic.severity == severity;
        self.diagnostics.iter().filter(of).count()
    }

    /// All of it as text for people, each with the line that it points at.
    pub fn render(&self) -> String {
        let all: FxHashMap<&str, Vec<&str>> = self
            .files
            .iter()
            .map(|(name, text)| (*name, lines(text).collect()))
            .collect();
        let line = |at: &Location| {
            let index = usize::try_from(at.line).ok()?.checked_sub(1)?;
            all.get(&*at.file)?.get(index).copied()
        };
        self.diagnostics
            .iter()
            .map(|d| d.render_in(line(&d.location)))
            .collect()
    }

    /// All of it as JSON: a list of objects with `code`, `severity`, `file`, `line`, `column`,
    /// `length`, `message` and `hint`.
    pub fn to_json(&self) -> serde_json::Value {
        output::json(&self.diagnostics)
    }

    /// All of it as a SARIF 2.1.0 log. `version` is the version of the tool.
    pub fn to_sarif(&self, version: &str) -> serde_json::Value {
        output::sarif(&self.diagnostics, version)
    }
}
