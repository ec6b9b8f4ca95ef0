//! `ostro pack diff`: what a new version of a pack changes, and which workflows it breaks.

use std::sync::Arc;

use anyhow::Result;
use ostro_actions::Registry;
use ostro_core::Value;
use ostro_lang::{ActionCatalogue, ActionParameter, Definitions, Diagnostic, check, parse};
use ostro_packs::{Change, Pack, PackDiff};
use serde_json::json;

use crate::args::{Output, PackDiffArgs};
use crate::change::Difference;
use crate::errors::Exit;
use crate::{input, sources, terminal};

/// Carries out `ostro pack diff`.
pub(super) fn diff(args: &PackDiffArgs) -> Result<Exit> {
    let (old, new) = (sources::open(&args.old)?, sources::open(&args.new)?);
    let diff = PackDiff::new(&old, &new);
    let mut texts = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let name = path.display().to_string();
        let text = input::read(&name)?;
        texts.push((name, text));
    }
    let broken = Broken::find(&old, &new, &texts)?;
    terminal::print(&match args.output {
        Output::Table => {
            let names = (&*old.manifest.name, &*new.manifest.name);
            table(names, &diff, &broken.shown())
        }
        Output::Json => serde_json::to_string_pretty(&json(&diff, &broken))?,
    })?;
    Ok(if diff.breaks() || !broken.found.is_empty() {
        Exit::Failure
    } else {
        Exit::Success
    })
}

/// What changes, for programs.
pub(crate) fn json(diff: &PackDiff, broken: &Broken) -> serde_json::Value {
    json!({
        "diff": diff,
        "breaks": diff.breaks(),
        "understates": diff.understates(),
        "asks-for-more": diff.asks_for_more(),
        "workflows": broken.json(),
    })
}

/// What is wrong in workflows with the new version that is not with the old one.
pub(crate) struct Broken {
    files: usize,
    /// Each with the text of its file.
    found: Vec<(Diagnostic, String)>,
    /// In what projects have defined, each with its project.
    defined: Vec<(String, Diagnostic)>,
}

impl Broken {
    /// What breaks in files, given with their names.
    pub(super) fn find(old: &Pack, new: &Pack, texts: &[(String, String)]) -> Result<Self> {
        let others = Registry::builder().build()?;
        let catalogue = |pack| Catalogue {
            pack,
            others: &others,
        };
        // Together, as they call each other, and each by itself: of two workflows with one name,
        // the first one hides the other.
        let all: Definitions = texts.iter().map(|(name, text)| parse(text, name)).collect();
        let each = texts
            .iter()
            .map(|(name, text)| std::iter::once(parse(text, name)).collect());
        let mut found: Vec<(Diagnostic, String)> = Vec::new();
        for definitions in std::iter::once(all).chain(each) {
            let before = check(&definitions, &catalogue(old));
            for wrong in check(&definitions, &catalogue(new)) {
                let is_it = |other: &Diagnostic| {
                    other.location == wrong.location && other.message == wrong.message
                };
                if before.iter().any(is_it) || found.iter().any(|(other, _)| is_it(other)) {
                    continue;
                }
                let text = texts
                    .iter()
                    .find(|(name, _)| **name == *wrong.location.file);
                let text = text.map(|(_, text)| text.clone()).unwrap_or_default();
                found.push((wrong, text));
            }
        }
        Ok(Self {
            files: texts.len(),
            found,
            defined: Vec::new(),
        })
    }

    /// Nothing breaks in so many files.
    pub(crate) fn none(files: usize) -> Self {
        Self {
            files,
            found: Vec::new(),
            defined: Vec::new(),
        }
    }

    /// Also what breaks in what projects have defined.
    pub(crate) fn add(&mut self, defined: Vec<(String, Diagnostic)>) {
        self.defined.extend(defined);
    }

    /// Where something breaks, as `FILE:LINE`; of what a project has defined, its name and line.
    /// None where nothing breaks; of many the first ones.
    pub(crate) fn places(&self) -> Option<String> {
        const MOST: usize = 20;
        let place = |found: &Diagnostic| format!("{}:{}", found.location.file, found.location.line);
        let files = self.found.iter().map(|(found, _)| place(found));
        let defined = self.defined.iter().map(|(project, found)| {
            let place = place(found);
            format!("{place} of the project {project}")
        });
        let mut places = files.chain(defined);
        let first: Vec<String> = places
            .by_ref()
            .take(MOST)
            .map(|place| terminal::clean_line(&place))
            .collect();
        let shown = first.join(", ");
        match places.count() {
            _ if first.is_empty() => None,
            0 => Some(shown),
            more => Some(format!("{shown} and {more} more")),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let row = |found: &Diagnostic| {
            json!({
                "file": found.location.file,
                "line": found.location.line,
                "column": found.location.column,
                "message": found.message,
            })
        };
        let files = self.found.iter().map(|(found, _)| row(found));
        let defined = self.defined.iter().map(|(project, found)| {
            let mut row = row(found);
            row["project"] = project.as_str().into();
            row
        });
        files.chain(defined).collect()
    }
}

/// The actions of one pack, and those that are built in.
struct Catalogue<'a> {
    pack: &'a Pack,
    others: &'a Registry,
}

impl ActionCatalogue for Catalogue<'_> {
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>> {
        let Some(signature) = self.pack.signature(action) else {
            return self.others.parameters(action);
        };
        let params = signature.params.iter().map(|param| ActionParameter {
            name: Arc::clone(&param.name.snake),
            required: !param.ty.is_optional(),
        });
        Some(params.collect())
    }

    fn takes_more(&self, action: &str) -> bool {
        self.pack.signature(action).is_none() && self.others.takes_more(action)
    }

    fn check_value(&self, action: &str, parameter: &str, value: &Value) -> Option<String> {
        match self.pack.signature(action) {
            Some(signature) => {
                let wrong = signature.check_param(parameter, value).err();
                wrong.map(|error| error.to_string())
            }
            None => self.others.check_value(action, parameter, value),
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        let own = self
            .pack
            .signatures()
            .map(|signature| Arc::clone(&signature.name));
        own.chain(ActionCatalogue::names(self.others)).collect()
    }
}

/// What breaks, for people.
pub(crate) struct Shown {
    /// Each place, with what is wrong there.
    pub(crate) places: Vec<String>,
    /// What is said of them all; none where nothing was looked at.
    pub(crate) sentence: Option<String>,
}

impl Broken {
    pub(super) fn shown(&self) -> Shown {
        let places = self.found.iter();
        let sentence = match (self.files, self.found.len()) {
            (0, _) => None,
            (_, 0) => Some("No workflow that was given breaks.".to_owned()),
            (_, found) => Some(wrong("given", found)),
        };
        Shown {
            places: places.map(|(found, source)| found.render(source)).collect(),
            sentence,
        }
    }
}

/// How much is wrong in workflows, which are `given` or otherwise known.
pub(crate) fn wrong(given: &str, found: usize) -> String {
    match found {
        1 => format!("The workflows {given} have an error with it that they have not now."),
        found => {
            format!("The workflows {given} have {found} errors with it that they have not now.")
        }
    }
}

/// What changes between two packs of these names, for people.
pub(crate) fn table((old, new): (&str, &str), diff: &PackDiff, broken: &Shown) -> String {
    let mut text = format!("{new} {} → {}\n", diff.old, diff.new);
    if old != new {
        text = format!(
            "{old} {} → {new} {}, which has another name\n",
            diff.old, diff.new
        );
    }
    if diff.changes.is_empty() {
        text.push_str("nothing changes for those who use it\n");
    }
    for change in &diff.changes {
        text.push_str(&line(change));
    }
    for place in &broken.places {
        text.push('\n');
        text.push_str(&terminal::clean(place));
    }
    text.push('\n');
    text.push_str(&verdict(diff, broken));
    text.trim_end().to_owned()
}

fn line(change: &Change) -> String {
    let shown = Difference {
        of: &change.what,
        name: &change.name,
        how: change.how,
        detail: change.detail.as_deref(),
        breaks: change.breaks,
        location: None,
    };
    format!("  {}\n", shown.line(9))
}

/// What it comes to, in sentences.
fn verdict(diff: &PackDiff, broken: &Shown) -> String {
    let mut said = Vec::new();
    if diff.understates() {
        said.push(format!(
            "{} breaks what {} had, and its number does not say so: a breaking version has \
             another major number.",
            diff.new, diff.old
        ));
    } else if diff.breaks() {
        said.push("It breaks what the old version had, as its number says.".to_owned());
    } else {
        said.push("Workflows that were right stay right.".to_owned());
    }
    if diff.asks_for_more() {
        said.push("It asks for more than before: look at its imports and grants.".to_owned());
    }
    said.extend(broken.sentence.clone());
    said.join("\n")
}
