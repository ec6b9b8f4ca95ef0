//! Definitions from files: read, parsed, and what is wrong with them shown where it matters.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use console::style;
use ostro_actions::Registry;
use ostro_lang::{Code, Definitions, Diagnostic, Location, Workflow, check_reachable, parse};
use ostro_packs::Pack;
use ostro_runtime::File;

use crate::errors::{WithHint as _, hinted};
use crate::{input, suggest, terminal};

/// How many warnings are shown without `-v`.
const MAX_WARNINGS: usize = 3;

/// What files define, and their texts.
#[derive(Default)]
pub(crate) struct Files {
    /// All definitions.
    pub(crate) definitions: Definitions,
    /// The texts by the names that locations have, for excerpts.
    texts: BTreeMap<Arc<str>, String>,
    /// The files as they were read: namespace and name.
    order: Vec<(Arc<str>, Arc<str>)>,
    /// The names of files that packs brought.
    from_packs: Vec<Arc<str>>,
}

impl Files {
    /// Reads `first`, which belongs to `namespace`, and `others`, each once a namespace. Of
    /// those, `NAMESPACE=FILE` belongs to that namespace, and `FILE` to the default one.
    pub(crate) fn read(first: &Path, namespace: &str, others: &[PathBuf]) -> Result<Self> {
        let mut files = Self::default();
        let mut seen = Vec::new();
        let others = others.iter().map(|given| placed(given));
        for (namespace, path) in std::iter::once((namespace, first)).chain(others) {
            let same = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            if seen.contains(&(namespace, same.clone())) {
                continue;
            }
            seen.push((namespace, same));
            let name = path.display().to_string();
            let text = input::read(&name).hint(|| instead(path))?;
            files.add(namespace, &name, text);
        }
        Ok(files)
    }

    /// Adds the workflows that packs bring. Names that are taken stay with who has them: a file
    /// on the command line goes before the same workflow in a pack.
    pub(crate) fn add_packs(&mut self, packs: &[Pack]) {
        for pack in packs {
            for file in &pack.workflows {
                let name = format!("{}:{}", pack.manifest.name, file.path);
                self.from_packs.push(name.as_str().into());
                self.add("", &name, file.text.clone());
            }
        }
    }

    fn add(&mut self, namespace: &str, name: &str, text: String) {
        self.definitions.add_to(namespace, parse(&text, name));
        let name: Arc<str> = name.into();
        self.order.push((namespace.into(), Arc::clone(&name)));
        self.texts.insert(name, text);
    }

    /// The files, in the order in which they were read.
    pub(crate) fn sources(&self) -> Vec<File> {
        let files = self.order.iter().filter_map(|(namespace, name)| {
            Some(File {
                namespace: namespace.to_string(),
                ..File::new(&**name, self.texts.get(name)?)
            })
        });
        files.collect()
    }

    /// The workflow of `namespace` called `name` (all of it or the last part), or the only one of
    /// `file`.
    pub(crate) fn workflow(
        &self,
        file: &Path,
        namespace: &str,
        name: Option<&str>,
    ) -> Result<Arc<Workflow>> {
        let file = file.display().to_string();
        let all = self.definitions.workflows();
        let all: Vec<&Arc<Workflow>> = all
            .filter(|workflow| *workflow.namespace == *namespace)
            .collect();
        let own: Vec<&Arc<Workflow>> = all
            .iter()
            .copied()
            .filter(|workflow| *workflow.location.file == *file)
            .collect();
        let Some(name) = name else {
            return match own[..] {
                [only] => Ok(Arc::clone(only)),
                [] => {
                    self.stop_for_errors(|_| true)?;
                    Err(hinted(
                        anyhow!("{file}: it defines no workflow"),
                        "FILE holds the workflow to run; -f adds files that it needs",
                    ))
                }
                _ => Err(hinted(
                    anyhow!(
                        "{file}: it defines {} workflows: say which to run",
                        own.len()
                    ),
                    listed(&own),
                )),
            };
        };
        let exact = all.iter().find(|workflow| *workflow.name == *name);
        let short = |workflows: &[&Arc<Workflow>]| {
            let suffix = format!(".{name}");
            workflows
                .iter()
                .filter(|workflow| workflow.name.ends_with(&suffix))
                .map(|workflow| Arc::clone(workflow))
                .collect::<Vec<_>>()
        };
        if let Some(workflow) = exact {
            return Ok(Arc::clone(workflow));
        }
        // FILE goes before what it needs.
        let found = Some(short(&own)).filter(|found| !found.is_empty());
        let found = found.unwrap_or_else(|| short(&all));
        match &found[..] {
            [only] => Ok(Arc::clone(only)),
            [] => {
                // The wanted one may be missing because it could not be read.
                self.stop_for_errors(|_| true)?;
                let known = all.iter().map(|workflow| &*workflow.name);
                let error = anyhow!("{file}: no workflow is called {name}");
                let error = hinted(error, listed(&all));
                Err(match suggest::did_you_mean(name, known) {
                    Some(hint) => hinted(error, hint),
                    None => error,
                })
            }
            _ => Err(hinted(
                anyhow!("{name} means more than one workflow"),
                listed(&found.iter().collect::<Vec<_>>()),
            )),
        }
    }

    /// Shows what is wrong with `workflow` and with what it can reach. An error if it cannot
    /// run.
    ///
    /// A sub-workflow or an action that does not exist is a warning: as in Mistral, the task
    /// that calls it fails if it is ever reached. What nothing reaches may be as wrong as it
    /// likes.
    pub(crate) fn check(
        &self,
        workflow: &Arc<Workflow>,
        registry: &Registry,
        verbose: bool,
    ) -> Result<()> {
        let reached = self.reachable(workflow);
        self.stop_for_errors(|diagnostic| self.concerns(diagnostic, &reached))?;
        let calls = check_reachable(&self.definitions, workflow, registry);
        let mut warnings: Vec<&Diagnostic> = self
            .definitions
            .diagnostics()
            .iter()
            .filter(|found| !found.is_error() && self.concerns(found, &reached))
            .collect();
        // The same unknown name is said once, however many tasks call it.
        let mut said = Vec::new();
        let mut errors = Vec::new();
        for found in &calls {
            let unknown = matches!(found.code, Code::UnknownAction | Code::UnknownWorkflow);
            if found.is_error() && !unknown {
                errors.push(found);
            } else if !said.contains(&&found.message) {
                said.push(&found.message);
                warnings.push(found);
            }
        }
        let shown = if verbose {
            warnings.len()
        } else {
            MAX_WARNINGS
        };
        for warning in warnings.iter().take(shown) {
            self.show(warning, false);
        }
        if warnings.len() > shown {
            let more = warnings.len() - shown;
            crate::errors::warn(
                &format!("{more} more warnings about the definitions"),
                Some("-v shows all of them"),
            );
        }
        // After the warnings, which often tell why: text that was ignored is input that is
        // missing.
        if errors.is_empty() {
            Ok(())
        } else {
            Err(self.stop(&errors))
        }
    }

    /// An error if one of the files' own errors is among those that `concern` the run.
    fn stop_for_errors(&self, concern: impl Fn(&Diagnostic) -> bool) -> Result<()> {
        let shadowed = |found: &Diagnostic| {
            found.code == Code::DuplicateDefinition
                && self.from_packs.contains(&found.location.file)
        };
        let errors: Vec<&Diagnostic> = self
            .definitions
            .diagnostics()
            .iter()
            .filter(|found| found.is_error() && !shadowed(found) && concern(found))
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(self.stop(&errors))
        }
    }

    /// Shows `errors` and gives the error that ends the command.
    fn stop(&self, errors: &[&Diagnostic]) -> anyhow::Error {
        for error in errors {
            self.show(error, true);
        }
        let mut files: Vec<&str> = errors.iter().map(|error| &*error.location.file).collect();
        files.dedup();
        let count = match errors.len() {
            1 => "1 error".to_owned(),
            many => format!("{many} errors"),
        };
        anyhow!("{count} in {}: nothing was run", files.join(", "))
    }

    fn show(&self, diagnostic: &Diagnostic, fatal: bool) {
        let text = self
            .texts
            .get(&diagnostic.location.file)
            .map_or("", String::as_str);
        let rendered = diagnostic.render(text);
        let head = format!(
            "{}[",
            if diagnostic.is_error() {
                "error"
            } else {
                "warning"
            }
        );
        let rest = rendered.strip_prefix(&head).unwrap_or(&rendered);
        let head = if fatal {
            style("error").red().bold().for_stderr()
        } else {
            style("warning").yellow().bold().for_stderr()
        };
        terminal::complain(&format!("{head}[{rest}"));
    }

    /// All workflows that an execution of `workflow` can reach by name.
    fn reachable(&self, workflow: &Arc<Workflow>) -> Vec<Arc<Workflow>> {
        let namespace = &workflow.namespace;
        let mut reached = vec![Arc::clone(workflow)];
        let mut open = vec![Arc::clone(workflow)];
        while let Some(workflow) = open.pop() {
            for task in workflow.tasks.values() {
                let ostro_lang::Work::Workflow(ostro_lang::Template::Literal(name)) = &task.work
                else {
                    continue;
                };
                let called = name
                    .as_str()
                    .and_then(|name| self.definitions.resolve(name, &workflow, namespace));
                let known =
                    |called: &Arc<Workflow>| reached.iter().any(|other| Arc::ptr_eq(other, called));
                if let Some(called) = called.filter(|called| !known(called)) {
                    reached.push(Arc::clone(&called));
                    open.push(called);
                }
            }
        }
        reached
    }

    /// Whether `diagnostic` is about one of the workflows `reached`, or about a whole file.
    fn concerns(&self, diagnostic: &Diagnostic, reached: &[Arc<Workflow>]) -> bool {
        let at = &diagnostic.location;
        let workflows = self
            .definitions
            .workflows()
            .map(|workflow| (&workflow.location, Some(workflow)));
        let actions = self
            .definitions
            .actions()
            .map(|action| (&action.location, None));
        let owner = workflows
            .chain(actions)
            .filter(|(place, _)| place.file == at.file && before(place, at))
            .max_by_key(|(place, _)| place.line);
        match owner {
            // What stands no deeper than the definition before it is a neighbour of that.
            Some((place, Some(owner))) if at.line == place.line || at.column > place.column => {
                reached.iter().any(|other| Arc::ptr_eq(other, owner))
            }
            // Ad-hoc actions are few, and not worth following.
            _ => true,
        }
    }
}

/// The namespace and the path of what `-f` was given. A file with `=` in its name is that file.
pub(crate) fn placed(given: &Path) -> (&str, &Path) {
    let parts = given.to_str().and_then(|text| text.split_once('='));
    match parts {
        Some((namespace, path)) if !given.exists() => (namespace, Path::new(path)),
        _ => ("", given),
    }
}

fn before(place: &Location, at: &Location) -> bool {
    (place.line, place.column) <= (at.line, at.column)
}

/// The names of `workflows` with their inputs, for a hint.
fn listed(workflows: &[&Arc<Workflow>]) -> String {
    const MOST: usize = 40;
    let mut text = "there is:".to_owned();
    for workflow in workflows.iter().take(MOST) {
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "\n    {}", workflow.name);
    }
    if workflows.len() > MOST {
        let _ = write!(text, "\n    … and {} more", workflows.len() - MOST);
    }
    if workflows.is_empty() {
        "the files define no workflow".to_owned()
    } else {
        text
    }
}

/// What to do where `path` cannot be read.
fn instead(path: &Path) -> String {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let names: Vec<String> = std::fs::read_dir(folder.unwrap_or(Path::new(".")))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            let extension = Path::new(name)
                .extension()
                .and_then(|extension| extension.to_str());
            matches!(extension, Some("yaml" | "yml"))
        })
        .collect();
    let wanted = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    suggest::did_you_mean(wanted, names.iter().map(String::as_str))
        .unwrap_or_else(|| "FILE is a YAML file that defines workflows".to_owned())
}
