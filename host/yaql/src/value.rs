//! Values while an expression runs: the workflow's own, shared, and what only YAQL has.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use ostro_core::{Map, Value};
use rustc_hash::FxBuildHasher;

use crate::ast::{Constant, Name, NodeId};
use crate::error::Res;
use crate::eval::Eval;
use crate::library::regex::Pattern;
use crate::library::time::Moment;

/// A value while an expression runs. Cloning is cheap.
#[derive(Clone)]
pub(crate) enum Val {
    /// An argument that was left out.
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<str>),
    List(List),
    Dict(Dict),
    Set(Rc<Set>),
    /// The keys, values or entries of a mapping.
    View(View, Dict),
    /// Items that are made when they are asked for, once.
    Iter(Rc<Stream>),
    /// Items of an iterator that are kept once made.
    Memo(Rc<Memo>),
    Order(Rc<Order>),
    Regex(Rc<Pattern>),
    Time(Moment),
    /// A length of time in microseconds.
    Span(i64),
    Context(Rc<Ctx>),
    Lambda(Rc<Lambda>),
    /// `key => value`, not evaluated.
    Rule(Rc<Rule>),
    /// `key => value`, evaluated.
    Pair(Rc<(Val, Val)>),
}

/// A list: the workflow's, or one that the expression made.
#[derive(Clone)]
pub(crate) enum List {
    Json(Arc<Vec<Value>>),
    Own(Rc<OwnList>),
}

pub(crate) struct OwnList {
    pub(crate) items: Vec<Val>,
    pub(crate) depth: u32,
}

/// A mapping: the workflow's, or one that the expression made.
#[derive(Clone)]
pub(crate) enum Dict {
    Json(Arc<Map>),
    Own(Rc<OwnDict>),
}

/// Entries by key; the key as it was written is kept beside the value.
pub(crate) type Entries = IndexMap<Key, (Val, Val), FxBuildHasher>;

pub(crate) struct OwnDict {
    pub(crate) entries: Entries,
    pub(crate) depth: u32,
}

/// A set, in the order in which its items came.
pub(crate) struct Set {
    pub(crate) items: IndexMap<Key, Val, FxBuildHasher>,
    pub(crate) depth: u32,
}

/// Values that were seen already.
#[derive(Default)]
pub(crate) struct Seen {
    keys: IndexSet<Key, FxBuildHasher>,
    /// Kept, since a key may be an address, which must not become another value's.
    held: Vec<Val>,
}

impl Seen {
    /// Whether the value is new.
    pub(crate) fn insert(&mut self, ev: &mut Eval<'_>, value: &Val) -> Res<bool> {
        let key = ev.key(value)?;
        ev.charge(size_of_val(&key) + 16)?;
        if !value.is_scalar() {
            ev.charge(size_of::<Val>())?;
            self.held.push(value.clone());
        }
        Ok(self.keys.insert(key))
    }
}

/// What a view of a mapping shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Keys,
    Values,
    Items,
}

/// What a value is equal by, so that `1`, `1.0` and `true` are one key, as in Python.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Null,
    Int(i64),
    /// The bits of a float that is no whole number.
    Float(u64),
    Str(Arc<str>),
    List(Arc<[Key]>),
    /// Sorted by key.
    Dict(Arc<[(Key, Key)]>),
    /// Sorted.
    Set(Arc<[Key]>),
    /// Microseconds since 1970.
    Time(i64),
    Span(i64),
    /// A regular expression, its flags among its text.
    Regex(Arc<str>),
    /// What is only equal to itself, by its address.
    Identity(usize),
}

/// What makes items when they are asked for.
pub(crate) trait Lazy {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>>;
}

/// A lazy sequence that can be gone through once; those who hold it share its position.
pub(crate) struct Stream {
    pub(crate) lazy: RefCell<Box<dyn Lazy>>,
    pub(crate) made: Cell<usize>,
    pub(crate) depth: Cell<u32>,
}

pub(crate) struct Memo {
    pub(crate) source: Val,
    pub(crate) items: RefCell<Vec<Val>>,
}

/// `orderBy` and its `thenBy`s, not yet sorted.
pub(crate) struct Order {
    pub(crate) source: Val,
    /// What to sort by, and whether ascending.
    pub(crate) by: Vec<(Rc<Lambda>, bool)>,
    pub(crate) sorted: RefCell<Option<List>>,
}

/// An expression and the context that it sees.
pub(crate) struct Lambda {
    pub(crate) body: NodeId,
    pub(crate) ctx: Rc<Ctx>,
    /// A value that stands in an expression's place, whatever it is applied to.
    pub(crate) constant: Option<Val>,
}

/// `key => value` and the context that both see.
pub(crate) struct Rule {
    pub(crate) key: NodeId,
    pub(crate) value: NodeId,
    pub(crate) ctx: Rc<Ctx>,
}

/// Variables, and what defines those that aren't here.
pub(crate) struct Ctx {
    pub(crate) parent: Option<Rc<Ctx>>,
    pub(crate) variables: Vec<(Name, Val)>,
    /// A function of `def`: its name and body.
    pub(crate) function: Option<(Arc<str>, NodeId)>,
    pub(crate) depth: u32,
}

impl Ctx {
    /// The context that an expression starts with: `$` is `data`.
    pub(crate) fn root(data: &Value) -> Rc<Ctx> {
        Rc::new(Ctx {
            parent: None,
            variables: vec![(Name::Position(1), Val::from(data))],
            function: None,
            depth: 0,
        })
    }

    fn chain(&self) -> impl Iterator<Item = &Ctx> {
        std::iter::successors(Some(self), |ctx| ctx.parent.as_deref())
    }

    /// The value of `$name`; what nothing defines is null.
    pub(crate) fn named(&self, name: &str) -> Val {
        self.find(|known| matches!(known, Name::Text(known) if **known == *name))
    }

    /// The value of `$1`, `$2`, …; what nothing defines is null.
    pub(crate) fn position(&self, wanted: usize) -> Val {
        self.find(|known| matches!(known, Name::Position(known) if *known == wanted))
    }

    fn find(&self, is_wanted: impl Fn(&Name) -> bool) -> Val {
        self.chain()
            .find_map(|ctx| {
                let mut known = ctx.variables.iter().rev();
                known.find(|(name, _)| is_wanted(name))
            })
            .map_or(Val::Null, |(_, value)| value.clone())
    }

    /// The function that `def` made under this name, with the context that it sees: the one that
    /// it is in, so that it can call itself.
    pub(crate) fn function(self: &Rc<Ctx>, name: &str) -> Option<(NodeId, Rc<Ctx>)> {
        let mut ctx = Some(self);
        while let Some(at) = ctx {
            if let Some((known, body)) = &at.function
                && &**known == name
            {
                return Some((*body, Rc::clone(at)));
            }
            ctx = at.parent.as_ref();
        }
        None
    }
}

impl From<Constant> for Val {
    fn from(constant: Constant) -> Self {
        match constant {
            Constant::Null => Val::Null,
            Constant::Bool(truth) => Val::Bool(truth),
            Constant::Int(number) => Val::Int(number),
            Constant::Float(number) => Val::Float(number),
        }
    }
}

impl From<&Value> for Val {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Val::Null,
            Value::Bool(truth) => Val::Bool(*truth),
            Value::Int(number) => Val::Int(*number),
            Value::Float(number) => Val::Float(*number),
            Value::String(text) => Val::Str(Arc::clone(text)),
            Value::List(items) => Val::List(List::Json(Arc::clone(items))),
            Value::Map(entries) => Val::Dict(Dict::Json(Arc::clone(entries))),
        }
    }
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        Val::Str(text.into())
    }
}

impl List {
    pub(crate) fn len(&self) -> usize {
        match self {
            List::Json(items) => items.len(),
            List::Own(list) => list.items.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Val> {
        match self {
            List::Json(items) => items.get(index).map(Val::from),
            List::Own(list) => list.items.get(index).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Val> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl Dict {
    pub(crate) fn len(&self) -> usize {
        match self {
            Dict::Json(entries) => entries.len(),
            Dict::Own(dict) => dict.entries.len(),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Val> {
        match self {
            Dict::Json(entries) => match key {
                Key::Str(text) => lookup(entries, text).map(Val::from),
                _ => None,
            },
            Dict::Own(dict) => dict.entries.get(key).map(|(_, value)| value.clone()),
        }
    }

    pub(crate) fn get_str(&self, key: &Arc<str>) -> Option<Val> {
        match self {
            Dict::Json(entries) => lookup(entries, key).map(Val::from),
            Dict::Own(_) => self.get(&Key::Str(Arc::clone(key))),
        }
    }

    /// The key and value at `index`.
    pub(crate) fn entry(&self, index: usize) -> Option<(Val, Val)> {
        match self {
            Dict::Json(entries) => entries
                .get_index(index)
                .map(|(key, value)| (Val::Str(Arc::clone(key)), Val::from(value))),
            Dict::Own(dict) => dict
                .entries
                .get_index(index)
                .map(|(_, entry)| entry.clone()),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Val, Val)> + '_ {
        (0..self.len()).filter_map(|index| self.entry(index))
    }
}

/// The entry of a mapping. A small one is gone through: that touches less memory than its hash
/// table does, which is what counts where there are many of them.
fn lookup<'m>(entries: &'m Map, key: &str) -> Option<&'m Value> {
    const SMALL: usize = 8;
    if entries.len() <= SMALL {
        let mut entries = entries.iter();
        entries
            .find(|(known, _)| ***known == *key)
            .map(|(_, value)| value)
    } else {
        entries.get(key)
    }
}

impl Val {
    /// What sort of value this is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Val::Missing => "nothing",
            Val::Null => "null",
            Val::Bool(_) => "boolean",
            Val::Int(_) => "integer",
            Val::Float(_) => "number",
            Val::Str(_) => "string",
            Val::List(_) => "list",
            Val::Dict(_) => "object",
            Val::Set(_) => "set",
            Val::View(View::Keys, _) => "keys",
            Val::View(View::Values, _) => "values",
            Val::View(View::Items, _) => "items",
            Val::Iter(_) | Val::Memo(_) => "iterator",
            Val::Order(_) => "ordered iterator",
            Val::Regex(_) => "regex",
            Val::Time(_) => "datetime",
            Val::Span(_) => "timespan",
            Val::Context(_) => "context",
            Val::Lambda(_) => "lambda",
            Val::Rule(_) | Val::Pair(_) => "key => value",
        }
    }

    /// Python's truth: null, false, zero and what is empty are false.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Val::Missing | Val::Null => false,
            Val::Bool(truth) => *truth,
            Val::Int(number) | Val::Span(number) => *number != 0,
            Val::Float(number) => *number != 0.0,
            Val::Str(text) => !text.is_empty(),
            Val::List(list) => list.len() > 0,
            Val::Dict(dict) | Val::View(_, dict) => dict.len() > 0,
            Val::Set(set) => !set.items.is_empty(),
            _ => true,
        }
    }

    /// How deep this nests, as far as the expression made it. What the workflow brought along is
    /// bounded by what read it.
    pub(crate) fn depth(&self) -> u32 {
        match self {
            Val::List(List::Own(list)) => list.depth,
            Val::Dict(Dict::Own(dict)) | Val::View(_, Dict::Own(dict)) => dict.depth,
            Val::Set(set) => set.depth,
            Val::Iter(stream) => stream.depth.get(),
            Val::Memo(memo) => memo.source.depth() + 1,
            Val::Order(order) => {
                let by = order.by.iter().map(|(lambda, _)| lambda.ctx.depth).max();
                order.source.depth().max(by.unwrap_or(0)) + 1
            }
            Val::Context(ctx) => ctx.depth,
            Val::Lambda(lambda) => lambda.ctx.depth,
            Val::Rule(rule) => rule.ctx.depth,
            Val::Pair(pair) => pair.0.depth().max(pair.1.depth()) + 1,
            _ => 0,
        }
    }

    /// Whether this is null, a truth value, a number or text.
    fn is_scalar(&self) -> bool {
        matches!(
            self,
            Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) | Val::Str(_)
        )
    }

    /// Whether this can be gone through item by item: not strings and mappings.
    pub(crate) fn is_iterable(&self) -> bool {
        matches!(
            self,
            Val::List(_)
                | Val::Set(_)
                | Val::View(..)
                | Val::Iter(_)
                | Val::Memo(_)
                | Val::Order(_)
        )
    }

    /// Whether this is a set, or a view that is one.
    pub(crate) fn is_set(&self) -> bool {
        matches!(self, Val::Set(_) | Val::View(View::Keys | View::Items, _))
    }
}
