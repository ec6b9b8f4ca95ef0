//! Signatures and imports, read from a component's own type.

use std::collections::HashMap;
use std::sync::Arc;

use wit_parser::{
    Function, FunctionKind, InterfaceId, Resolve, Type as WitType, TypeDefKind, TypeId, TypeOwner,
    World, WorldItem, WorldKey,
};

use crate::docs::Docs;
use crate::error::PackError;
use crate::imports::Import;
use crate::signature::{Export, Param, Signature};
use crate::types::{Case, Field, Label, Labels, Name, Record, Type, Variant};

/// What a component exports and imports.
pub(crate) struct Reflected {
    pub(crate) signatures: Vec<Arc<Signature>>,
    pub(crate) imports: Vec<Import>,
}

/// Reads the type of the component `bytes`. `name` and `path` are its own, for messages.
pub(crate) fn reflect(
    name: &str,
    path: &str,
    bytes: &[u8],
    docs: &Docs,
) -> Result<Reflected, PackError> {
    let wrong = |reason: String| PackError::Component {
        component: name.to_owned(),
        path: path.to_owned(),
        reason,
    };
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => {
            return Err(wrong(
                "this is a core module, not a component: build it with `ostro pack build`".into(),
            ));
        }
        Some([0, b'a', b's', b'm', ..]) => {}
        _ => return Err(wrong("this is no WebAssembly".into())),
    }
    // The decoder reads as from a stream, and makes room for what is announced before it looks for
    // it: a few bytes would take gigabytes. Reading over all of it finds what is not there.
    for part in wasmparser::Parser::new(0).parse_all(bytes) {
        part.map_err(|error| wrong(format!("not a valid component: {error:#}")))?;
    }
    let decoded = wit_component::decode(bytes)
        .map_err(|error| wrong(format!("not a valid component: {error:#}")))?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        return Err(wrong("this is a package of WIT, not a component".into()));
    };
    let world = resolve
        .worlds
        .get(world)
        .ok_or_else(|| wrong("not a valid component: it has no world".into()))?;
    let mut reflector = Reflector {
        resolve: &resolve,
        docs,
        component: name,
        types: HashMap::new(),
    };
    Ok(Reflected {
        signatures: reflector.exports(world)?,
        imports: imports(&resolve, world),
    })
}

/// The interfaces that `world` imports.
fn imports(resolve: &Resolve, world: &World) -> Vec<Import> {
    let import = |(key, item): (&WorldKey, &WorldItem)| match item {
        WorldItem::Interface { id, .. } => {
            let interface = &resolve.interfaces[*id];
            let resources = interface
                .types
                .iter()
                .filter(|(_, ty)| matches!(resolve.types[**ty].kind, TypeDefKind::Resource));
            let items = interface
                .functions
                .keys()
                .chain(resources.map(|(name, _)| name));
            Some(Import {
                interface: resolve.name_world_key(key),
                items: items.cloned().collect(),
            })
        }
        WorldItem::Function(function) => Some(Import {
            interface: function.name.clone(),
            items: vec![function.name.clone()],
        }),
        WorldItem::Type { .. } => None,
    };
    world.imports.iter().filter_map(import).collect()
}

struct Reflector<'a> {
    resolve: &'a Resolve,
    docs: &'a Docs,
    component: &'a str,
    /// Types that were converted already: a shared type is converted once.
    types: HashMap<TypeId, Type>,
}

impl Reflector<'_> {
    fn exports(&mut self, world: &World) -> Result<Vec<Arc<Signature>>, PackError> {
        let mut signatures = Vec::new();
        for (key, item) in &world.exports {
            match (key, item) {
                (WorldKey::Interface(id), WorldItem::Interface { .. }) => {
                    self.interface(*id, &mut signatures)?;
                }
                (_, WorldItem::Type { .. }) => {}
                (WorldKey::Name(name), WorldItem::Interface { id, .. })
                    if self.initialises_python(name, *id) => {}
                (key, item) => {
                    let name = self.resolve.name_world_key(key);
                    let what = match item {
                        WorldItem::Function(_) => "a function outside an interface",
                        _ => "an interface without a package",
                    };
                    return Err(self.refuse(
                        "world",
                        &name,
                        &format!(
                            "it is {what}, which gives it no namespace; export it from an \
                                  interface of the pack's own WIT package"
                        ),
                    ));
                }
            }
        }
        Ok(signatures)
    }

    /// Whether an interface is what componentize-py exports for itself: it starts Python while
    /// the component is built. No action calls it.
    fn initialises_python(&self, name: &str, id: InterfaceId) -> bool {
        let functions = &self.resolve.interfaces[id].functions;
        name == "exports" && functions.keys().eq(["init"])
    }

    fn interface(
        &mut self,
        id: InterfaceId,
        signatures: &mut Vec<Arc<Signature>>,
    ) -> Result<(), PackError> {
        let interface = &self.resolve.interfaces[id];
        let package = interface
            .package
            .map(|package| &self.resolve.packages[package].name);
        let (Some(package), Some(short)) = (package, &interface.name) else {
            return Ok(());
        };
        // What the runtime of a language exports for itself is no action.
        if package.namespace == "wasi" {
            return Ok(());
        }
        let full = self.resolve.id_of(id).unwrap_or_default();
        let key = interface_key(self.resolve, id);
        for function in interface.functions.values() {
            let name = format!("{}.{short}.{}", package.namespace, function.name).replace('-', "_");
            let signature = self.signature(name, &full, &key, function)?;
            signatures.push(Arc::new(signature));
        }
        Ok(())
    }

    fn signature(
        &mut self,
        name: String,
        interface: &str,
        key: &str,
        function: &Function,
    ) -> Result<Signature, PackError> {
        let refuse = |this: &Self, reason: &str| this.refuse(interface, &function.name, reason);
        match function.kind {
            FunctionKind::Freestanding => {}
            FunctionKind::AsyncFreestanding => {
                return Err(refuse(
                    self,
                    "it is `async`; the host is async by itself: use `func`",
                ));
            }
            _ => {
                return Err(refuse(
                    self,
                    "it belongs to a resource, and no workflow value can stand for one",
                ));
            }
        }
        let mut params = Vec::with_capacity(function.params.len());
        for param in &function.params {
            let ty = self
                .ty(&param.ty)
                .map_err(|what| refuse(self, &format!("its parameter {:?} {what}", param.name)))?;
            let docs = self.type_docs(&param.ty);
            params.push(Param {
                name: Name::new(&param.name),
                ty,
                docs,
            });
        }
        let returned = function.result.as_ref().map(|ty| self.ty(ty)).transpose();
        let returned = returned.map_err(|what| refuse(self, &format!("its result {what}")))?;
        let is_validation = function
            .result
            .as_ref()
            .is_some_and(|ty| self.gives_verdict(ty));
        let (result, fallible, error) = match returned {
            Some(Type::Result(sides)) => (sides.0.clone(), true, sides.1.clone()),
            other => (other, false, None),
        };
        Ok(Signature {
            name: name.into(),
            export: Export {
                interface: interface.into(),
                function: (*function.name).into(),
            },
            params,
            result,
            fallible,
            error,
            docs: self.docs.of_function(key, &function.name),
            is_validation,
        })
    }

    /// The type behind `ty`, or why workflows cannot say it.
    fn ty(&mut self, ty: &WitType) -> Result<Type, String> {
        Ok(match ty {
            WitType::Bool => Type::Bool,
            WitType::U8 => Type::U8,
            WitType::U16 => Type::U16,
            WitType::U32 => Type::U32,
            WitType::U64 => Type::U64,
            WitType::S8 => Type::S8,
            WitType::S16 => Type::S16,
            WitType::S32 => Type::S32,
            WitType::S64 => Type::S64,
            WitType::F32 => Type::F32,
            WitType::F64 => Type::F64,
            WitType::Char => Type::Char,
            WitType::String => Type::String,
            WitType::ErrorContext => return Err("holds an error-context".into()),
            WitType::Id(id) => {
                if let Some(known) = self.types.get(id) {
                    return Ok(known.clone());
                }
                let made = self.type_def(*id)?;
                self.types.insert(*id, made.clone());
                made
            }
        })
    }

    fn type_def(&mut self, id: TypeId) -> Result<Type, String> {
        let resolve = self.resolve;
        let def = &resolve.types[id];
        let key = self.type_key(id);
        let name = || Name::new(def.name.as_deref().unwrap_or(def.kind.as_str()));
        let label = |this: &Self, label: &str| Label {
            name: Name::new(label),
            docs: this.docs.of_member(&key, label),
        };
        Ok(match &def.kind {
            TypeDefKind::Type(_) if self.is_defined_in(id, "ostro", "host", "json") => Type::Json,
            TypeDefKind::Type(other) => self.ty(other)?,
            TypeDefKind::List(item) => Type::List(Arc::new(self.ty(item)?)),
            TypeDefKind::Option(inner) => Type::Option(Arc::new(self.ty(inner)?)),
            TypeDefKind::Result(sides) => {
                let ok = sides.ok.as_ref().map(|ty| self.ty(ty)).transpose()?;
                let err = sides.err.as_ref().map(|ty| self.ty(ty)).transpose()?;
                Type::Result(Arc::new((ok, err)))
            }
            TypeDefKind::Tuple(tuple) => {
                let items = tuple.types.iter().map(|ty| self.ty(ty));
                Type::Tuple(items.collect::<Result<Vec<_>, _>>()?.into())
            }
            TypeDefKind::Record(record) => {
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    let ty = self.ty(&field.ty)?;
                    let docs = self.docs.of_member(&key, &field.name);
                    fields.push(Field {
                        name: Name::new(&field.name),
                        ty,
                        docs,
                    });
                }
                Type::Record(Arc::new(Record {
                    name: name(),
                    fields,
                }))
            }
            TypeDefKind::Variant(variant) => {
                let mut cases = Vec::with_capacity(variant.cases.len());
                for case in &variant.cases {
                    let ty = case.ty.as_ref().map(|ty| self.ty(ty)).transpose()?;
                    let docs = self.docs.of_member(&key, &case.name);
                    cases.push(Case {
                        name: Name::new(&case.name),
                        ty,
                        docs,
                    });
                }
                Type::Variant(Arc::new(Variant {
                    name: name(),
                    cases,
                }))
            }
            TypeDefKind::Enum(cases) => {
                let labels = cases
                    .cases
                    .iter()
                    .map(|case| label(self, &case.name))
                    .collect();
                Type::Enum(Arc::new(Labels {
                    name: name(),
                    labels,
                }))
            }
            TypeDefKind::Flags(flags) => {
                let labels = flags
                    .flags
                    .iter()
                    .map(|flag| label(self, &flag.name))
                    .collect();
                Type::Flags(Arc::new(Labels {
                    name: name(),
                    labels,
                }))
            }
            TypeDefKind::Resource | TypeDefKind::Handle(_) => {
                return Err("holds a resource, and no workflow value can stand for one".into());
            }
            other => {
                return Err(format!(
                    "holds a {}, which no workflow value can say",
                    other.as_str()
                ));
            }
        })
    }

    /// Whether `ty` is `result<verdict, …>` with the `verdict` of `ostro:validation`.
    fn gives_verdict(&self, ty: &WitType) -> bool {
        let WitType::Id(id) = ty else { return false };
        match &self.resolve.types[self.origin(*id)].kind {
            TypeDefKind::Result(sides) => match sides.ok {
                Some(WitType::Id(ok)) => {
                    self.is_defined_in(self.origin(ok), "ostro", "validation", "verdict")
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The type that `id` is another name for.
    fn origin(&self, mut id: TypeId) -> TypeId {
        while let TypeDefKind::Type(WitType::Id(next)) = self.resolve.types[id].kind {
            id = next;
        }
        id
    }

    /// Whether `id` is `name` of the interface `types` of a package, in any version.
    fn is_defined_in(&self, id: TypeId, namespace: &str, package: &str, name: &str) -> bool {
        let def = &self.resolve.types[id];
        let TypeOwner::Interface(owner) = def.owner else {
            return false;
        };
        let interface = &self.resolve.interfaces[owner];
        let Some(owner) = interface.package else {
            return false;
        };
        let owner = &self.resolve.packages[owner].name;
        def.name.as_deref() == Some(name)
            && interface.name.as_deref() == Some("types")
            && owner.namespace == namespace
            && owner.name == package
    }

    /// Where the documentation of a type is kept.
    fn type_key(&self, id: TypeId) -> String {
        let def = &self.resolve.types[id];
        match (def.owner, &def.name) {
            (TypeOwner::Interface(owner), Some(name)) => {
                format!("{}#{name}", interface_key(self.resolve, owner))
            }
            _ => String::new(),
        }
    }

    fn type_docs(&self, ty: &WitType) -> Option<Arc<str>> {
        let WitType::Id(id) = ty else { return None };
        // `option<list<node>>` is documented by `node`.
        match &self.resolve.types[*id].kind {
            TypeDefKind::Option(inner) | TypeDefKind::List(inner) => self.type_docs(inner),
            // `json` says more about the contract than about the parameter.
            _ => {
                let key = self.type_key(self.origin(*id));
                if key == "ostro:host/types#json" {
                    None
                } else {
                    self.docs.of_type(&key)
                }
            }
        }
    }

    fn refuse(&self, interface: &str, function: &str, reason: &str) -> PackError {
        PackError::Function {
            component: self.component.to_owned(),
            interface: interface.to_owned(),
            function: function.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// The name of an interface without its version: `tripleo:actions/baremetal`.
pub(crate) fn interface_key(resolve: &Resolve, id: InterfaceId) -> String {
    let interface = &resolve.interfaces[id];
    let package = interface
        .package
        .map(|package| &resolve.packages[package].name);
    match (package, &interface.name) {
        (Some(package), Some(name)) => format!("{}:{}/{name}", package.namespace, package.name),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component of these sections.
    fn component(sections: &[u8]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".as_slice(), sections].concat()
    }

    /// The most room that this process had asked for so far, in bytes.
    #[cfg(target_os = "linux")]
    fn address_space() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmPeak:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<usize>().unwrap() * 1024
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_announced_and_not_there_is_found_before_room_is_made_for_it() {
        // A core module whose one function says that it has three gigabytes.
        let module = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x0a\x06\x01\xff\xff\xff\xff\x0b";
        let length = u8::try_from(module.len()).unwrap();
        let nested = [&[1, length], module.as_slice()].concat();
        for sections in [
            // A section of two gigabytes.
            &[0, 0xff, 0xff, 0xff, 0xff, 0x07, 0x05][..],
            &[0, 3, 1, b'a'],
            &[0, 0x80],
            &[0],
            &nested,
        ] {
            let before = address_space();
            let bytes = component(sections);
            let error = reflect("a", "a.wasm", &bytes, &Docs::default()).err();
            let error = error.unwrap().to_string();
            assert!(error.contains("not a valid component"), "{error}");
            assert!(address_space() - before < 1 << 30);
        }
    }
}
