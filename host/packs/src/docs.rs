//! Documentation from a pack's WIT text: a component's binary keeps none.

use std::collections::HashMap;
use std::sync::Arc;

use wit_parser::{Docs as WitDocs, Resolve, TypeDefKind};

use crate::files::Files;
use crate::reflect::interface_key;
use crate::wit;

/// What the WIT text says about functions and types, by name.
#[derive(Default)]
pub(crate) struct Docs(HashMap<String, Arc<str>>);

impl Docs {
    /// Reads the WIT files in `files` that are below `dir`. The text of an error says where.
    pub(crate) fn read(files: &Files, dir: &str) -> Result<Self, String> {
        let (resolve, _) = wit::resolve(files, dir)?;
        let mut docs = Self::default();
        docs.collect(&resolve);
        Ok(docs)
    }

    /// What is said about a function of the interface `interface` (without version).
    pub(crate) fn of_function(&self, interface: &str, function: &str) -> Option<Arc<str>> {
        self.0.get(&format!("{interface}#{function}()")).cloned()
    }

    /// What is said about a type, `interface#type`.
    pub(crate) fn of_type(&self, ty: &str) -> Option<Arc<str>> {
        self.0.get(ty).cloned()
    }

    /// What is said about a field, case or flag of a type, `interface#type`.
    pub(crate) fn of_member(&self, ty: &str, member: &str) -> Option<Arc<str>> {
        self.0.get(&format!("{ty}.{member}")).cloned()
    }

    fn collect(&mut self, resolve: &Resolve) {
        for (id, interface) in &resolve.interfaces {
            let key = interface_key(resolve, id);
            for (name, function) in &interface.functions {
                self.keep(format!("{key}#{name}()"), &function.docs);
            }
            for (name, ty) in &interface.types {
                let def = &resolve.types[*ty];
                let key = format!("{key}#{name}");
                let mut keep = |member: &str, docs: &WitDocs| {
                    self.keep(format!("{key}.{member}"), docs);
                };
                match &def.kind {
                    TypeDefKind::Record(r) => r.fields.iter().for_each(|f| keep(&f.name, &f.docs)),
                    TypeDefKind::Variant(v) => v.cases.iter().for_each(|c| keep(&c.name, &c.docs)),
                    TypeDefKind::Enum(e) => e.cases.iter().for_each(|c| keep(&c.name, &c.docs)),
                    TypeDefKind::Flags(fs) => fs.flags.iter().for_each(|f| keep(&f.name, &f.docs)),
                    _ => {}
                }
                self.keep(key, &def.docs);
            }
        }
    }

    fn keep(&mut self, key: String, docs: &WitDocs) {
        if let Some(text) = docs
            .contents
            .as_deref()
            .map(str::trim)
            .filter(|t| !t.is_empty())
        {
            self.0.insert(key, text.into());
        }
    }
}
