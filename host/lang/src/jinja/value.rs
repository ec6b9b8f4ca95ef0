//! What an expression handles while it is evaluated.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use ostro_core::{Map, Value};

use super::ast::{Macro, Stmt, Target};
use super::error::{Res, error, fail};
use crate::text::python_str;

/// How deep a value may be that is compared or written.
const MAX_DEPTH: usize = 200;

/// Why `a if b` without `else` gives nothing. In text, and as a condition, it counts as empty.
pub(crate) const NO_ELSE: &str = "the condition is false, and there is no `else`";

/// A value. Data of the context is shared, never copied.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    /// Something that isn't there, and why. Using it is an error, asking about it is not.
    Undefined(Rc<str>),
    /// What a workflow can say.
    Data(Value),
    /// A list with items that are no data.
    List(Rc<Vec<Val>>),
    Tuple(Rc<Vec<Val>>),
    Function(Function),
    Loop(Rc<Loop>),
    Namespace(Rc<RefCell<IndexMap<Arc<str>, Val>>>),
    Cycler(Rc<Cycler>),
    Joiner(Rc<Joiner>),
}

/// What can be called.
#[derive(Clone, Debug)]
pub(crate) enum Function {
    /// One of the host's.
    Host(Arc<str>),
    /// One of Jinja2's own.
    Global(&'static str),
    /// A method and what it is a method of.
    Method(Rc<Val>, Arc<str>),
    /// A macro, and what `caller` is in it.
    Macro(Arc<Macro>),
}

/// `loop` in a `for` block.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) items: Vec<Val>,
    pub(crate) index: Cell<usize>,
    pub(crate) depth: usize,
    /// What `loop.changed` was last called with.
    pub(crate) changed: RefCell<Option<Vec<Val>>>,
    /// What a recursive loop runs again.
    pub(crate) again: Option<(Arc<Target>, Arc<Vec<Stmt>>)>,
}

#[derive(Debug)]
pub(crate) struct Cycler {
    pub(crate) items: Vec<Val>,
    pub(crate) index: Cell<usize>,
}

#[derive(Debug)]
pub(crate) struct Joiner {
    pub(crate) separator: Val,
    pub(crate) used: Cell<bool>,
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        Val::Data(value)
    }
}

macro_rules! from {
    ($($from:ty),*) => {$(
        impl From<$from> for Val {
            fn from(value: $from) -> Self {
                Val::Data(value.into())
            }
        }
    )*};
}
from!(bool, i64, f64, String, &str, Arc<str>);

impl Val {
    pub(crate) const NONE: Val = Val::Data(Value::Null);

    pub(crate) fn undefined(why: impl Into<String>) -> Self {
        Val::Undefined(why.into().into())
    }

    /// A list, as data where it can be.
    pub(crate) fn list(items: Vec<Val>) -> Self {
        if items.iter().all(|item| matches!(item, Val::Data(_))) {
            let data = items.into_iter().filter_map(|item| match item {
                Val::Data(value) => Some(value),
                _ => None,
            });
            return Val::Data(data.collect());
        }
        Val::List(Rc::new(items))
    }

    pub(crate) fn tuple(items: Vec<Val>) -> Self {
        Val::Tuple(Rc::new(items))
    }

    pub(crate) fn count(number: usize) -> Self {
        Val::Data(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// Itself, unless it is undefined.
    pub(crate) fn defined(&self) -> Res<&Self> {
        match self {
            Val::Undefined(why) => fail(&**why),
            _ => Ok(self),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Val::Undefined(why) if **why == *NO_ELSE)
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Val::Data(Value::Null))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Val::Data(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Arc<Map>> {
        match self {
            Val::Data(Value::Map(entries)) => Some(entries),
            _ => None,
        }
    }

    /// Truth values are numbers in Python.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Val::Data(Value::Int(number)) => Some(*number),
            Val::Data(Value::Bool(truth)) => Some(i64::from(*truth)),
            _ => None,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what Python's conversion to float gives as well"
    )]
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Val::Data(Value::Float(number)) => Some(*number),
            _ => self.as_int().map(|number| number as f64),
        }
    }

    /// The number of items, for what has items.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Val::Data(Value::List(items)) => Some(items.len()),
            Val::Data(Value::Map(entries)) => Some(entries.len()),
            Val::Data(Value::String(text)) => Some(text.chars().count()),
            Val::List(items) | Val::Tuple(items) => Some(items.len()),
            _ => None,
        }
    }

    /// The items: of a mapping its keys, of text its characters.
    pub(crate) fn items(&self) -> Res<Vec<Val>> {
        match self.defined()? {
            Val::Data(Value::List(items)) => Ok(items.iter().cloned().map(Val::Data).collect()),
            Val::Data(Value::Map(entries)) => Ok(entries
                .keys()
                .map(|key| Val::from(Arc::clone(key)))
                .collect()),
            Val::Data(Value::String(text)) => {
                Ok(text.chars().map(|c| Val::from(c.to_string())).collect())
            }
            Val::List(items) | Val::Tuple(items) => Ok(items.to_vec()),
            other => fail(format!("{} can't be gone through", other.kind())),
        }
    }

    /// Python's truth.
    pub(crate) fn truth(&self) -> Res<bool> {
        if self.is_nothing() {
            return Ok(false);
        }
        Ok(match self.defined()? {
            Val::Data(value) => value.is_truthy(),
            Val::List(items) | Val::Tuple(items) => !items.is_empty(),
            _ => true,
        })
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Val::Undefined(_) => "an undefined value",
            Val::Data(Value::Null) => "`none`",
            Val::Data(Value::Bool(_)) => "a truth value",
            Val::Data(Value::Int(_)) => "a whole number",
            Val::Data(Value::Float(_)) => "a number",
            Val::Data(Value::String(_)) => "text",
            Val::Data(Value::List(_)) | Val::List(_) => "a list",
            Val::Data(Value::Map(_)) => "a mapping",
            Val::Tuple(_) => "a tuple",
            Val::Function(_) => "a function",
            Val::Loop(_) => "a loop",
            Val::Namespace(_) => "a namespace",
            Val::Cycler(_) => "a cycler",
            Val::Joiner(_) => "a joiner",
        }
    }

    /// Python's name of its type, as Jinja2 has it in messages.
    pub(crate) fn python_type(&self) -> &'static str {
        match self {
            Val::Undefined(_) => "Undefined",
            Val::Data(Value::Null) => "None",
            Val::Data(Value::Bool(_)) => "bool",
            Val::Data(Value::Int(_)) => "int",
            Val::Data(Value::Float(_)) => "float",
            Val::Data(Value::String(_)) => "str",
            Val::Data(Value::List(_)) | Val::List(_) => "list",
            Val::Data(Value::Map(_)) => "dict",
            Val::Tuple(_) => "tuple",
            Val::Function(_) => "function",
            Val::Loop(_) => "loop",
            Val::Namespace(_) => "namespace",
            Val::Cycler(_) => "cycler",
            Val::Joiner(_) => "joiner",
        }
    }

    /// As data: tuples become lists.
    pub(crate) fn into_value(self) -> Res<Value> {
        self.value_within(MAX_DEPTH)
    }

    fn value_within(self, left: usize) -> Res<Value> {
        if left == 0 {
            return fail(format!("a value nests deeper than {MAX_DEPTH} levels"));
        }
        match self {
            Val::Undefined(why) => fail(&*why),
            Val::Data(value) => Ok(value),
            Val::List(items) | Val::Tuple(items) => items
                .iter()
                .map(|item| item.clone().value_within(left - 1))
                .collect(),
            Val::Function(Function::Method(_, name)) => {
                Err(error(format!("`{name}` is a method, which is no value"))
                    .hint(Some(format!("call it: `{name}()`"))))
            }
            Val::Function(_) => Err(error("a function is no value")
                .hint(Some("call it: put `()` behind its name".to_owned()))),
            Val::Namespace(entries) => entries
                .borrow()
                .iter()
                .map(|(key, value)| Ok((Arc::clone(key), value.clone().value_within(left - 1)?)))
                .collect::<Res<Map>>()
                .map(Value::from),
            other => fail(format!("{} is no value", other.kind())),
        }
    }

    /// As text, as Python's `str` writes it.
    pub(crate) fn text(&self) -> Res<Cow<'_, str>> {
        if self.is_nothing() {
            return Ok(Cow::Borrowed(""));
        }
        match self.defined()? {
            Val::Data(Value::String(text)) => Ok(Cow::Borrowed(text)),
            Val::Data(value) if shallow(value, MAX_DEPTH) => Ok(Cow::Owned(python_str(value))),
            _ => {
                let mut out = String::new();
                self.write(&mut out, MAX_DEPTH)?;
                Ok(Cow::Owned(out))
            }
        }
    }

    /// As Python's `repr` writes it.
    pub(crate) fn repr(&self) -> Res<String> {
        let mut out = String::new();
        self.write(&mut out, MAX_DEPTH)?;
        Ok(out)
    }

    fn write(&self, out: &mut String, left: usize) -> Res<()> {
        if left == 0 {
            return fail(format!("a value nests deeper than {MAX_DEPTH} levels"));
        }
        match self {
            Val::Undefined(_) => out.push_str("Undefined"),
            Val::Data(value) if shallow(value, left) => crate::text::write_repr(out, value),
            Val::List(items) => {
                out.push('[');
                write_items(out, items, left)?;
                out.push(']');
            }
            Val::Tuple(items) => {
                out.push('(');
                write_items(out, items, left)?;
                out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Val::Data(_) => return fail(format!("a value nests deeper than {MAX_DEPTH} levels")),
            Val::Function(Function::Method(_, name)) => {
                return Err(error(format!("`{name}` is a method, which has no text"))
                    .hint(Some(format!("call it: `{name}()`"))));
            }
            other => return fail(format!("{} has no text", other.kind())),
        }
        Ok(())
    }

    /// Python's `==`.
    pub(crate) fn equals(&self, other: &Val) -> Res<bool> {
        Ok(match (self.defined()?, other.defined()?) {
            (Val::Data(a), Val::Data(b)) => {
                if !shallow(a, MAX_DEPTH) || !shallow(b, MAX_DEPTH) {
                    return fail(format!("a value nests deeper than {MAX_DEPTH} levels"));
                }
                a == b
            }
            (Val::Tuple(a), Val::Tuple(b)) | (Val::List(a), Val::List(b)) => all_equal(a, b)?,
            (Val::List(a), Val::Data(Value::List(b)))
            | (Val::Data(Value::List(b)), Val::List(a)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b.iter())
                        .map(|(a, b)| a.equals(&Val::Data(b.clone())))
                        .collect::<Res<Vec<_>>>()?
                        .into_iter()
                        .all(|equal| equal)
            }
            (Val::Namespace(a), Val::Namespace(b)) => Rc::ptr_eq(a, b),
            _ => false,
        })
    }

    /// Python's order.
    pub(crate) fn compare(&self, other: &Val) -> Res<Ordering> {
        let number = |val: &Val| val.as_float();
        match (self.defined()?, other.defined()?) {
            (Val::Data(Value::String(a)), Val::Data(Value::String(b))) => Ok(a.cmp(b)),
            (a, b) if a.as_int().is_some() && b.as_int().is_some() => {
                Ok(a.as_int().cmp(&b.as_int()))
            }
            (a, b) if number(a).is_some() && number(b).is_some() => {
                // What has no order is neither less nor more.
                Ok(number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal))
            }
            (a @ (Val::Data(Value::List(_)) | Val::List(_)), b) if b.python_type() == "list" => {
                compare_items(&a.items()?, &b.items()?)
            }
            (Val::Tuple(a), Val::Tuple(b)) => compare_items(a, b),
            (a, b) => fail(format!(
                "'{}' and '{}' have no order",
                a.python_type(),
                b.python_type()
            )),
        }
    }
}

fn write_items(out: &mut String, items: &[Val], left: usize) -> Res<()> {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        item.write(out, left - 1)?;
    }
    Ok(())
}

fn all_equal(a: &[Val], b: &[Val]) -> Res<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !a.equals(b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn compare_items(a: &[Val], b: &[Val]) -> Res<Ordering> {
    for (a, b) in a.iter().zip(b) {
        if !a.equals(b)? {
            return a.compare(b);
        }
    }
    Ok(a.len().cmp(&b.len()))
}

/// Whether `value` is at most `left` deep.
fn shallow(value: &Value, left: usize) -> bool {
    match value {
        Value::List(items) => left > 0 && items.iter().all(|item| shallow(item, left - 1)),
        Value::Map(entries) => left > 0 && entries.values().all(|item| shallow(item, left - 1)),
        _ => true,
    }
}

/// The key of a mapping that `key` is: text; what isn't becomes text as JSON writes it.
pub(crate) fn key_of(key: &Val) -> Res<Arc<str>> {
    match key.defined()? {
        Val::Data(Value::String(text)) => Ok(Arc::clone(text)),
        Val::Data(value @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_))) => {
            Ok(value.to_string().into())
        }
        other => fail(format!("{} can't be a key", other.kind())),
    }
}
