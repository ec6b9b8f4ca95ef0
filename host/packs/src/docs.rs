//! Documentation from a pack's WIT text: a component's binary keeps none.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use wit_parser::{Docs as WitDocs, Resolve, SourceMap, TypeDefKind, UnresolvedPackageGroup};

use crate::files::is_wit;
use crate::reflect::interface_key;

/// Ostro's own packages, which a pack need not carry.
const CONTRACT: [(&str, &[(&str, &str)]); 2] = [
    (
        "ostro:host",
        &[
            (
                "types.wit",
                include_str!("../../../wit/ostro-host/types.wit"),
            ),
            (
                "openstack.wit",
                include_str!("../../../wit/ostro-host/openstack.wit"),
            ),
            (
                "execution.wit",
                include_str!("../../../wit/ostro-host/execution.wit"),
            ),
        ],
    ),
    (
        "ostro:validation",
        &[(
            "types.wit",
            include_str!("../../../wit/ostro-validation/types.wit"),
        )],
    ),
];

/// What the WIT text says about functions and types, by name.
#[derive(Default)]
pub(crate) struct Docs(HashMap<String, Arc<str>>);

impl Docs {
    /// Reads the WIT files in `files` that are below `dir`. The text of an error says where.
    pub(crate) fn read(files: &BTreeMap<String, Vec<u8>>, dir: &str) -> Result<Self, String> {
        let mut main = SourceMap::new();
        let mut deps: BTreeMap<&str, SourceMap> = BTreeMap::new();
        let mut empty = true;
        for (path, bytes) in files {
            let Some(inside) = below(path, dir) else {
                continue;
            };
            if !is_wit(inside) {
                continue;
            }
            let text = std::str::from_utf8(bytes).map_err(|_| format!("{path} is no UTF-8"))?;
            let map = match inside.split('/').collect::<Vec<_>>()[..] {
                [_] => &mut main,
                ["deps", package, ..] => deps.entry(package).or_default(),
                _ => continue,
            };
            empty &= inside.starts_with("deps/");
            map.push_str(path, text);
        }
        if empty {
            return Err("there is no .wit file".to_owned());
        }
        let main = parse(main)?;
        let mut groups = deps
            .into_values()
            .map(parse)
            .collect::<Result<Vec<_>, _>>()?;
        for (package, files) in CONTRACT {
            let is = |group: &UnresolvedPackageGroup| {
                let name = &group.main.name;
                format!("{}:{}", name.namespace, name.name) == package
            };
            if !is(&main) && !groups.iter().any(is) {
                let mut map = SourceMap::new();
                for (path, text) in files {
                    map.push_str(path, *text);
                }
                groups.push(parse(map)?);
            }
        }
        let mut resolve = Resolve::new();
        resolve.push_groups(main, groups).map_err(|error| {
            let place = resolve.render_location(error.kind().span());
            format!("{place}: {error}")
        })?;
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

fn parse(map: SourceMap) -> Result<UnresolvedPackageGroup, String> {
    map.parse()
        .map_err(|(map, error)| format!("{}: {error}", map.render_location(error.kind().span())))
}

/// `path` as seen from `dir`, if it is below it.
fn below<'a>(path: &'a str, dir: &str) -> Option<&'a str> {
    if dir == "." {
        Some(path)
    } else {
        path.strip_prefix(dir)?.strip_prefix('/')
    }
}
