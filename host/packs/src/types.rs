//! The types of parameters and results, as far as workflows can say them.

use std::fmt;
use std::sync::Arc;

/// A name in both of its spellings: `driver-info` in WIT is `driver_info` in workflows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The spelling of workflow values: snake case.
    pub snake: Arc<str>,
    /// The spelling of WIT: kebab case.
    pub wit: Arc<str>,
}

impl Name {
    /// The name that WIT spells `wit`.
    pub fn new(wit: &str) -> Self {
        Self {
            snake: wit.replace('-', "_").into(),
            wit: wit.into(),
        }
    }

    /// Whether `text` is this name, in either spelling.
    pub fn is(&self, text: &str) -> bool {
        *self.snake == *text || *self.wit == *text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.snake)
    }
}

/// The type of a parameter or result: every WIT type but those that hold resources.
///
/// Two types are equal when values pass from one to the other unchanged; documentation does not
/// matter. What is large is shared, so that cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A truth value.
    Bool,
    /// A whole number of 8 bits without sign.
    U8,
    /// A whole number of 16 bits without sign.
    U16,
    /// A whole number of 32 bits without sign.
    U32,
    /// A whole number of 64 bits without sign. Past `i64::MAX` a workflow has it as a float.
    U64,
    /// A whole number of 8 bits.
    S8,
    /// A whole number of 16 bits.
    S16,
    /// A whole number of 32 bits.
    S32,
    /// A whole number of 64 bits.
    S64,
    /// A number of 32 bits with a fraction.
    F32,
    /// A number of 64 bits with a fraction.
    F64,
    /// One character: a string of one.
    Char,
    /// Text.
    String,
    /// Any workflow value: `json` of `ostro:host/types`, which passes as JSON text.
    Json,
    /// A list.
    List(Arc<Type>),
    /// A value or null. A parameter or field of this type may be left out. In an
    /// `option<option<T>>`, to leave it out is `none`, and null is `some(none)`.
    Option(Arc<Type>),
    /// `{"ok": …}` or `{"err": …}`; null where the side carries nothing.
    Result(Arc<(Option<Type>, Option<Type>)>),
    /// A list of fixed length, each item with its own type.
    Tuple(Arc<[Type]>),
    /// An object with the fields that are named here. Optional ones may be left out.
    Record(Arc<Record>),
    /// `"case"` for a case that carries nothing, `{"case": value}` for one that does.
    Variant(Arc<Variant>),
    /// A string: one of the cases.
    Enum(Arc<Labels>),
    /// A list of strings, each one of the flags.
    Flags(Arc<Labels>),
}

/// A record type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What WIT calls it.
    pub name: Name,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// What the pack's WIT text says about it.
    pub docs: Option<Arc<str>>,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.ty == other.ty
    }
}

impl Eq for Field {}

/// A variant type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What WIT calls it.
    pub name: Name,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// A case of a variant.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: Name,
    /// What it carries.
    pub ty: Option<Type>,
    /// What the pack's WIT text says about it.
    pub docs: Option<Arc<str>>,
}

impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.ty == other.ty
    }
}

impl Eq for Case {}

/// The cases of an enum, or the members of a set of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// What WIT calls the type.
    pub name: Name,
    /// The labels, in order.
    pub labels: Vec<Label>,
}

/// A case of an enum, or a flag.
#[derive(Clone, Debug)]
pub struct Label {
    /// Its name.
    pub name: Name,
    /// What the pack's WIT text says about it.
    pub docs: Option<Arc<str>>,
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Label {}

impl Labels {
    /// The label that `text` names, in either spelling.
    pub fn find(&self, text: &str) -> Option<&Label> {
        self.labels.iter().find(|label| label.name.is(text))
    }

    /// The labels for a message: `disk, cdrom`.
    pub fn list(&self) -> String {
        join(self.labels.iter().map(|label| &label.name.snake))
    }
}

impl Type {
    /// The kind of type, in one word, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::Json => "json",
            Type::List(_) => "list",
            Type::Option(_) => "option",
            Type::Result(_) => "result",
            Type::Tuple(_) => "tuple",
            Type::Record(_) => "record",
            Type::Variant(_) => "variant",
            Type::Enum(_) => "enum",
            Type::Flags(_) => "flags",
        }
    }

    /// Whether null stands for "not given".
    pub fn is_optional(&self) -> bool {
        matches!(self, Type::Option(_))
    }

    /// The type spelled out, one level deep: `record {name: string, ports: list<port>}`.
    pub fn definition(&self) -> String {
        match self {
            Type::Record(record) => {
                let fields = record
                    .fields
                    .iter()
                    .map(|f| format!("{}: {}", f.name, f.ty));
                format!("record {{{}}}", join(fields))
            }
            Type::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| match &case.ty {
                    Some(ty) => format!("{}({ty})", case.name),
                    None => case.name.to_string(),
                });
                format!("variant {{{}}}", join(cases))
            }
            Type::Enum(labels) => format!("enum {{{}}}", labels.list()),
            Type::Flags(labels) => format!("flags {{{}}}", labels.list()),
            other => other.to_string(),
        }
    }

    /// The types with a name that this one is made of, itself first, each once, outermost first.
    pub fn named_types(&self) -> Vec<(Name, Type)> {
        let mut found = Vec::new();
        self.collect_named(&mut found);
        found
    }

    pub(crate) fn collect_named(&self, found: &mut Vec<(Name, Type)>) {
        let name = match self {
            Type::Record(record) => &record.name,
            Type::Variant(variant) => &variant.name,
            Type::Enum(labels) | Type::Flags(labels) => &labels.name,
            Type::List(inner) | Type::Option(inner) => return inner.collect_named(found),
            Type::Result(sides) => {
                for side in [&sides.0, &sides.1].into_iter().flatten() {
                    side.collect_named(found);
                }
                return;
            }
            Type::Tuple(items) => {
                return items.iter().for_each(|item| item.collect_named(found));
            }
            _ => return,
        };
        if found.iter().any(|(other, ty)| other == name && ty == self) {
            return;
        }
        found.push((name.clone(), self.clone()));
        match self {
            Type::Record(record) => {
                record
                    .fields
                    .iter()
                    .for_each(|field| field.ty.collect_named(found));
            }
            Type::Variant(variant) => {
                variant
                    .cases
                    .iter()
                    .filter_map(|case| case.ty.as_ref())
                    .for_each(|ty| {
                        ty.collect_named(found);
                    });
            }
            _ => {}
        }
    }
}

/// As WIT writes it, with names for what has one: `option<list<node>>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::List(item) => write!(f, "list<{item}>"),
            Type::Option(inner) => write!(f, "option<{inner}>"),
            Type::Result(sides) => match &**sides {
                (None, None) => f.write_str("result"),
                (Some(ok), None) => write!(f, "result<{ok}>"),
                (None, Some(err)) => write!(f, "result<_, {err}>"),
                (Some(ok), Some(err)) => write!(f, "result<{ok}, {err}>"),
            },
            Type::Tuple(items) => write!(f, "tuple<{}>", join(items.iter())),
            Type::Record(record) => f.write_str(&record.name.snake),
            Type::Variant(variant) => f.write_str(&variant.name.snake),
            Type::Enum(labels) | Type::Flags(labels) => f.write_str(&labels.name.snake),
            plain => f.write_str(plain.kind()),
        }
    }
}

/// `items`, with commas between them.
pub(crate) fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items
        .into_iter()
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
