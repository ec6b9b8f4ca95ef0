//! Workbooks, workflows and ad-hoc actions.

use std::collections::HashSet;

use md5::{Digest as _, Md5};
use ostro_lang::{AdHocAction, Input, Location, Workbook, Workflow, parse, python_str};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Edits, Kept, Owned, Table, Tables};
use crate::fault::Fault;
use crate::identity::{Caller, Scope};
use crate::row;

/// What a definition defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Workbook,
    Workflow,
    Action,
}

/// A definition: of one thing, by its full name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) project: String,
    pub(crate) scope: Scope,
    pub(crate) tags: Vec<String>,
    pub(crate) description: Option<String>,
    /// What it takes, as Mistral writes it.
    pub(crate) input: String,
    /// The names of what a workflow takes and gives.
    pub(crate) interface: Option<Value>,
    /// The text that is shown. Of a text with several workflows, and of a workbook, it is cut out.
    pub(crate) text: String,
    /// The [`Text`] that it runs by, where that is not the one that is shown.
    pub(crate) source: Option<String>,
    /// Whether it stands in a workbook.
    pub(crate) in_workbook: bool,
    /// The projects that have taken the offer to share it, beside its own: those of its members
    /// that have accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shared_with: Vec<String>,
    /// In milliseconds since 1970 UTC, as all times.
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

/// A text that several definitions run by. Its id is the digest of its bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) id: String,
    pub(crate) text: String,
}

impl Kept for Definition {
    const KIND: &'static str = "definition";

    /// Its kind, its namespace and its full name.
    type Name = (Kind, String, String);

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> Self::Name {
        (self.kind, self.namespace.clone(), self.name.clone())
    }

    fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.definitions
    }
}

impl Owned for Definition {
    fn project(&self) -> &str {
        &self.project
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn is_shared_with(&self, project: &str) -> bool {
        self.shared_with.iter().any(|one| one == project)
    }

    fn row(&self) -> Map<String, Value> {
        let mut row = json!({
            "id": self.id,
            "name": self.name,
            "namespace": self.namespace,
            "definition": self.text,
            "tags": self.tags,
            "scope": self.scope.as_str(),
            "project_id": self.project,
            "created_at": row::time(self.created_at),
            "updated_at": row::maybe_time(self.updated_at),
        });
        match self.kind {
            Kind::Workbook => {}
            Kind::Workflow => {
                row["input"] = self.input.as_str().into();
                // JSON in a text, in lists and alone.
                row["interface"] = self.interface.as_ref().map(ToString::to_string).into();
                row["checksum"] = if self.in_workbook {
                    Value::Null
                } else {
                    format!("{:x}", Md5::digest(&self.text)).into()
                };
            }
            Kind::Action => {
                row["input"] = self.input.as_str().into();
                row["description"] = self.description.as_deref().into();
                row["is_system"] = false.into();
            }
        }
        match row {
            Value::Object(row) => row,
            _ => Map::new(),
        }
    }
}

impl Kept for Text {
    const KIND: &'static str = "text";

    type Name = String;

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> String {
        self.id.clone()
    }

    fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.texts
    }
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            id: ostro_journal::Blob::new(text.as_bytes().to_vec())
                .digest()
                .to_string(),
            text: text.to_owned(),
        }
    }
}

/// Where a definition is put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) project: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) scope: Scope,
    /// The time.
    pub(crate) now: i64,
}

impl Definition {
    fn new(kind: Kind, name: &str, place: Place<'_>) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            kind,
            name: name.to_owned(),
            namespace: place.namespace.to_owned(),
            project: place.project.to_owned(),
            scope: place.scope,
            tags: Vec::new(),
            description: None,
            input: String::new(),
            interface: None,
            text: String::new(),
            source: None,
            in_workbook: false,
            shared_with: Vec::new(),
            created_at: place.now,
            updated_at: None,
        }
    }

    /// A workbook, whose whole text is `text`.
    pub(crate) fn workbook(workbook: &Workbook, text: &str, place: Place<'_>) -> Self {
        Self {
            tags: owned(&workbook.tags),
            description: workbook.description.as_deref().map(str::to_owned),
            text: text.to_owned(),
            ..Self::new(Kind::Workbook, &workbook.name, place)
        }
    }

    /// A workflow that is shown as `shown`.
    pub(crate) fn workflow(workflow: &Workflow, shown: String, place: Place<'_>) -> Self {
        let output = workflow.output.as_ref().map(ostro_lang::Template::written);
        let gives: Vec<&str> = match &output {
            Some(ostro_core::Value::Map(map)) => map.keys().map(|name| &**name).collect(),
            _ => Vec::new(),
        };
        let takes: Vec<Value> = workflow.input.iter().map(interface).collect();
        Self {
            tags: owned(&workflow.tags),
            description: workflow.description.as_deref().map(str::to_owned),
            input: inputs(&workflow.input, |default| {
                format!("\"{}\"", python_str(default))
            }),
            interface: Some(json!({"input": takes, "output": gives})),
            text: shown,
            ..Self::new(Kind::Workflow, &workflow.name, place)
        }
    }

    /// An ad-hoc action that is shown as `shown`.
    pub(crate) fn action(action: &AdHocAction, shown: String, place: Place<'_>) -> Self {
        Self {
            tags: owned(&action.tags),
            description: action.description.as_deref().map(str::to_owned),
            input: inputs(&action.input, ToString::to_string),
            text: shown,
            ..Self::new(Kind::Action, &action.name, place)
        }
    }

    /// The same as what takes the place of `before`.
    pub(crate) fn instead_of(self, before: &Self, now: i64) -> Self {
        Self {
            id: before.id.clone(),
            shared_with: before.shared_with.clone(),
            created_at: before.created_at,
            updated_at: Some(now),
            ..self
        }
    }

    /// The same, shared with a project or not.
    pub(crate) fn shared_with(mut self, project: &str, is_shared: bool) -> Self {
        self.shared_with.retain(|one| one != project);
        if is_shared {
            self.shared_with.push(project.to_owned());
        }
        self
    }

    /// An administrator sees what no project shares with theirs; it runs in its own alone.
    pub(crate) fn runs_for(&self, caller: &Caller) -> Result<(), Fault> {
        if self.is_seen_by(caller) {
            return Ok(());
        }
        Err(Fault::forbidden(format!(
            "Workflow {} is private to project {}: have it shared with project {}, or start it in \
             its own",
            self.name, self.project, caller.project
        )))
    }

    /// The text that it runs by.
    pub(crate) fn runs_by<'a>(&'a self, tables: &'a Tables) -> &'a str {
        let source = self.source.as_deref();
        let text = source.and_then(|id| tables.texts.get(id));
        text.map_or(&*self.text, |text| &*text.text)
    }

    /// Its row in the answer to the request that has put it there.
    pub(crate) fn new_row(&self) -> Map<String, Value> {
        let mut row = self.row();
        if self.updated_at.is_none() {
            row.shift_remove("updated_at");
        }
        match self.kind {
            Kind::Workflow => {
                row.insert("interface".to_owned(), self.interface.clone().into());
            }
            Kind::Action if self.input.is_empty() => {
                row.insert("input".to_owned(), Value::Null);
            }
            Kind::Workbook | Kind::Action => {}
        }
        row
    }
}

impl Tables {
    /// The workflow that `caller` sees with this id, or else of this name in a namespace.
    pub(crate) fn workflow(
        &self,
        caller: &Caller,
        identifier: &str,
        namespace: &str,
    ) -> Result<&Definition, Fault> {
        let by_id = self.definitions.with_id(caller, identifier);
        by_id
            .filter(|one| one.kind == Kind::Workflow)
            .or_else(|| self.find(caller, Kind::Workflow, identifier, namespace))
            .ok_or_else(|| unknown_workflow(identifier, namespace))
    }

    /// The definition of this kind and name in a namespace that `caller` sees.
    pub(crate) fn find(
        &self,
        caller: &Caller,
        kind: Kind,
        name: &str,
        namespace: &str,
    ) -> Option<&Definition> {
        let name = (kind, namespace.to_owned(), name.to_owned());
        self.definitions.find(caller, &name)
    }

    /// As [`Tables::find`], among what is the caller's own.
    pub(crate) fn own(
        &self,
        caller: &Caller,
        kind: Kind,
        name: &str,
        namespace: &str,
    ) -> Option<&Definition> {
        let name = (kind, namespace.to_owned(), name.to_owned());
        self.definitions.own(caller, &name)
    }
}

pub(crate) fn unknown_workflow(identifier: &str, namespace: &str) -> Fault {
    Fault::not_found(format!(
        "Workflow not found [workflow_identifier={identifier}, namespace={namespace}]"
    ))
}

/// Drops the texts that nothing runs by any more.
pub(super) fn sweep(before: &Tables, edits: &mut Edits) {
    if edits.turn.is_empty() {
        return;
    }
    let needed: HashSet<&str> = before
        .definitions
        .all()
        .filter_map(|one| one.source.as_deref())
        .collect();
    let idle: Vec<String> = before
        .texts
        .all()
        .filter(|text| !needed.contains(text.id.as_str()))
        .map(|text| text.id.clone())
        .collect();
    // One that this very change needs again is put there once more after it was dropped.
    let written = std::mem::take(edits);
    for id in idle {
        edits.drop::<Text>(&id);
    }
    edits.turn.append(written.turn);
    edits.steps.extend(written.steps);
}

fn owned(tags: &[std::sync::Arc<str>]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

/// `a, b="1"`: names, and defaults as `shown` writes them.
fn inputs(inputs: &[Input], shown: impl Fn(&ostro_core::Value) -> String) -> String {
    let all: Vec<String> = inputs
        .iter()
        .map(|input| match &input.default {
            None => input.name.to_string(),
            Some(default) => format!("{}={}", input.name, shown(&default.written())),
        })
        .collect();
    all.join(", ")
}

fn interface(input: &Input) -> Value {
    match &input.default {
        None => input.name.to_string().into(),
        Some(default) => json!({ &*input.name: default.written() }),
    }
}

/// What stands in `text` at `location`, which is that of a key of a block mapping, without the
/// spaces before it. None where the mapping is written in one line.
pub(crate) fn cut(text: &str, location: &Location) -> Option<String> {
    let indent = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let start = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let mut lines = text.lines().skip(start);
    let first = lines.next()?;
    let margin = first.get(..indent)?;
    if !margin.chars().all(|c| c == ' ') {
        return None;
    }
    let mut block = vec![first.get(indent..)?];
    for line in lines {
        let body = line.trim_start();
        let depth = line.len() - body.len();
        // A list may stand as far left as its key.
        let is_item = depth == indent && (body.starts_with("- ") || body == "-");
        let is_text = !body.is_empty() && !body.starts_with('#');
        if is_text && depth <= indent && !is_item {
            break;
        }
        block.push(line.get(indent.min(depth)..)?);
    }
    while block
        .last()
        .is_some_and(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        block.pop();
    }
    Some(block.join("\n") + "\n")
}

/// One workflow of a text with several, as a text of its own; none where it cannot be cut out so
/// that it says the same.
pub(crate) fn alone(text: &str, workflow: &Workflow) -> Option<String> {
    let cut = format!("version: '2.0'\n{}", cut(text, &workflow.location)?);
    let parsed = parse(&cut, "");
    match parsed.workflows.as_slice() {
        [one] if !parsed.has_errors() && one.definition == workflow.definition => Some(cut),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
version: '2.0'

one:
  # Kept.
  tags: [a]
  tasks:
    t: {action: std.noop}

# About the other.
two:
  input:
  - a
  tasks: {t: {action: std.noop}}
";

    #[test]
    fn a_workflow_is_cut_out_of_a_text_with_several() {
        let parsed = parse(TWO, "");
        let texts: Vec<_> = parsed.workflows.iter().map(|one| alone(TWO, one)).collect();
        let one =
            "version: '2.0'\none:\n  # Kept.\n  tags: [a]\n  tasks:\n    t: {action: std.noop}\n";
        let two = "version: '2.0'\ntwo:\n  input:\n  - a\n  tasks: {t: {action: std.noop}}\n";
        assert_eq!(texts, [Some(one.to_owned()), Some(two.to_owned())]);
    }

    #[test]
    fn one_that_is_written_in_a_line_is_not_cut_out() {
        let text = "{version: '2.0', one: {tasks: {t: {action: std.noop}}}}";
        let parsed = parse(text, "");
        assert_eq!(alone(text, &parsed.workflows[0]), None);
    }
}
