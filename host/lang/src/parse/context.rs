//! What all parsers share: the source, the diagnostics, and the checks of plain values.

use std::sync::Arc;

use ostro_core::Value;
use rustc_hash::FxHashSet;

use super::Call;
use crate::Location;
use crate::diagnostics::{Bounded, Code, Diagnostic};
use crate::yaml::{self, Entry, Node, NodeKind, Place, Source};

/// The text that is being parsed and what was found out so far.
pub(crate) struct Context<'a> {
    pub(crate) source: Source<'a>,
    diagnostics: Bounded,
    pub(crate) calls: Vec<Call>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(text: &'a str, file: &str) -> Self {
        Self {
            source: Source::new(text, file),
            diagnostics: Bounded::default(),
            calls: Vec::new(),
        }
    }

    /// The document of the text, if it has one.
    pub(crate) fn load(&mut self) -> Option<Node> {
        let (root, problems) = yaml::load(self.source.text);
        for problem in problems {
            self.report(
                problem.code,
                problem.at,
                problem.length,
                problem.message,
                problem.hint,
            );
        }
        root
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// The diagnostics in the order of the text, each once, and the calls.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<Call>) {
        // Task defaults are parsed once but checked for every task.
        let mut seen = FxHashSet::default();
        let mut diagnostics = self.diagnostics.finish();
        diagnostics.retain(|diagnostic| {
            seen.insert((
                diagnostic.code,
                diagnostic.location.clone(),
                diagnostic.message.clone(),
            ))
        });
        diagnostics.sort_by(|a, b| a.location.cmp(&b.location));
        (diagnostics, self.calls)
    }

    /// The hint for a wrong name, as long as there are not too many of them.
    pub(crate) fn did_you_mean<'n>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Option<String> {
        self.diagnostics.did_you_mean(name, known)
    }

    pub(crate) fn location(&self, at: Place) -> Location {
        self.source.location(at)
    }

    pub(crate) fn report(
        &mut self,
        code: Code,
        at: Place,
        length: u32,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let location = self.source.location(at);
        self.report_at(code, location, length, message, hint);
    }

    pub(crate) fn report_at(
        &mut self,
        code: Code,
        location: Location,
        length: u32,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let severity = code.severity();
        let message = message.into();
        self.diagnostics.add(Diagnostic {
            code,
            severity,
            location,
            length,
            message,
            hint,
        });
    }

    pub(crate) fn at_node(&mut self, code: Code, node: &Node, message: impl Into<String>) {
        self.report(code, node.at, node.length, message, None);
    }

    pub(crate) fn at_key(&mut self, code: Code, entry: &Entry, message: impl Into<String>) {
        self.report(code, entry.key_at, entry.key_length, message, None);
    }

    /// Says that the value of `entry` must be `wanted`. An empty value is pointed at by its key.
    pub(crate) fn wrong_type(&mut self, entry: &Entry, wanted: &str) {
        let message = format!(
            "`{}` must be {wanted}, not {}",
            entry.key,
            entry.value.describe()
        );
        if entry.value.is_null() {
            self.at_key(Code::WrongType, entry, message);
        } else {
            self.at_node(Code::WrongType, &entry.value, message);
        }
    }

    /// Complains about keys of `node` that are not `known`.
    pub(crate) fn known_keys(&mut self, code: Code, node: &Node, what: &str, known: &[&[&str]]) {
        for entry in node.as_map().unwrap_or_default() {
            let mut all = known.iter().flat_map(|keys| keys.iter().copied());
            if all.clone().any(|key| key == &*entry.key) {
                continue;
            }
            let spelt = entry.key.replace('_', "-").to_lowercase();
            let hint = all
                .clone()
                .find(|key| *key == spelt)
                .map(|key| format!("did you mean `{key}`?"))
                .or_else(|| self.did_you_mean(&entry.key, all.by_ref()));
            let message = format!("{what} has no key `{}`", entry.key);
            self.report(code, entry.key_at, entry.key_length, message, hint);
        }
    }

    /// Text that is not empty.
    pub(crate) fn text(&mut self, entry: &Entry) -> Option<Arc<str>> {
        match entry.value.as_str() {
            Some(text) if !text.is_empty() => Some(Arc::clone(text)),
            _ => {
                self.wrong_type(entry, "text");
                None
            }
        }
    }

    /// The text under `key`, if it is there.
    pub(crate) fn text_of(&mut self, node: &Node, key: &str) -> Option<Arc<str>> {
        node.entry(key).and_then(|entry| self.text(entry))
    }

    /// A mapping that is not empty.
    pub(crate) fn mapping<'n>(&mut self, entry: &'n Entry) -> Option<&'n [Entry]> {
        match &entry.value.kind {
            NodeKind::Map(entries) if !entries.is_empty() => Some(entries),
            _ => {
                self.wrong_type(entry, "a mapping with at least one entry");
                None
            }
        }
    }

    /// Texts, each once: a list that is not empty.
    pub(crate) fn texts(&mut self, entry: &Entry) -> Vec<Arc<str>> {
        let NodeKind::List(items) = &entry.value.kind else {
            self.wrong_type(entry, "a list of texts");
            return Vec::new();
        };
        if items.is_empty() {
            self.wrong_type(entry, "a list with at least one item");
        }
        let mut texts: Vec<Arc<str>> = Vec::new();
        let mut seen = FxHashSet::default();
        for item in items {
            match item.as_str() {
                Some(text) if text.is_empty() || !seen.insert(text) => {
                    let message =
                        format!("`{}` holds texts that are not empty, each once", entry.key);
                    self.at_node(Code::BadValue, item, message);
                }
                Some(text) => texts.push(Arc::clone(text)),
                None => {
                    let message = format!("`{}` holds texts, not {}", entry.key, item.describe());
                    self.at_node(Code::WrongType, item, message);
                }
            }
        }
        texts
    }

    pub(crate) fn tags(&mut self, node: &Node) -> Vec<Arc<str>> {
        node.entry("tags")
            .map(|entry| self.texts(entry))
            .unwrap_or_default()
    }

    /// Complains if `node` has a version that is not 2.0.
    pub(crate) fn version(&mut self, node: &Node) {
        let Some(entry) = node.entry("version") else {
            return;
        };
        let fits = match &entry.value.kind {
            NodeKind::Scalar(Value::String(text)) => text.trim().parse::<f64>() == Ok(2.0),
            NodeKind::Scalar(Value::Int(number)) => *number == 2,
            NodeKind::Scalar(Value::Float(number)) => (*number - 2.0).abs() < f64::EPSILON,
            _ => false,
        };
        if !fits {
            self.report(
                Code::Version,
                entry.value.at,
                entry.value.length,
                "there is no such version of the language",
                Some("the version is '2.0'".to_owned()),
            );
        }
    }
}
