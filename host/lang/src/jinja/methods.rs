//! Python's methods of text, lists and mappings.

use std::sync::Arc;

use ostro_core::{Map, Value};

use super::error::{Res, fail};
use super::eval::{Args, Eval};
use super::value::{Val, key_of};
use super::{format, functions, statements, text};

const TEXT: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];
const LIST: &[&str] = &["copy", "count", "index"];
const MAP: &[&str] = &["copy", "get", "items", "keys", "values"];
const LIST_CHANGES: &[&str] = &[
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
];
const MAP_CHANGES: &[&str] = &["clear", "pop", "popitem", "setdefault", "update"];

/// The names of the methods of `value`.
pub(crate) fn names(value: &Val) -> impl Iterator<Item = &'static str> {
    let (own, changes): (&[&str], &[&str]) = match value {
        Val::Data(Value::String(_)) => (TEXT, &[]),
        Val::Data(Value::List(_)) | Val::List(_) => (LIST, LIST_CHANGES),
        Val::Tuple(_) => (&["count", "index"], &[]),
        Val::Data(Value::Map(_)) => (MAP, MAP_CHANGES),
        Val::Data(Value::Float(_)) => (&["is_integer"], &[]),
        Val::Loop(_) => (&["cycle", "changed"], &[]),
        Val::Cycler(_) => (&["next", "reset"], &[]),
        _ => (&[], &[]),
    };
    own.iter().chain(changes).copied()
}

/// Whether `value` has a method of this name.
pub(crate) fn exists(value: &Val, name: &str) -> bool {
    names(value).any(|known| known == name)
}

/// Whether some method of this name changes what it is called on.
pub(crate) fn changes(name: &str) -> bool {
    LIST_CHANGES.contains(&name) || MAP_CHANGES.contains(&name)
}

/// Calls the method `name` of `value`.
pub(crate) fn call(eval: &mut Eval<'_>, value: &Val, name: &str, args: Args) -> Res<Val> {
    match value {
        Val::Data(Value::String(receiver)) => of_text(eval, receiver, name, args),
        Val::Data(Value::Map(entries)) if MAP.contains(&name) => of_map(eval, entries, name, args),
        Val::Loop(state) => statements::loop_method(state, name, args),
        Val::Cycler(cycler) => functions::cycler_method(cycler, name, args),
        Val::Data(Value::Float(number)) => Ok((number.fract() == 0.0).into()),
        Val::Data(Value::List(_)) | Val::List(_) | Val::Tuple(_) if LIST.contains(&name) => {
            if name == "copy" {
                return Ok(value.clone());
            }
            let [wanted] = args.bind(name, ["value"])?;
            let Some(wanted) = wanted else {
                return fail(format!("`{name}` needs a value"));
            };
            let mut count = 0;
            for (index, item) in eval.items(value)?.iter().enumerate() {
                if item.equals(&wanted)? {
                    if name == "index" {
                        return Ok(Val::count(index));
                    }
                    count += 1;
                }
            }
            if name == "index" {
                return fail("the list does not hold this value");
            }
            Ok(Val::count(count))
        }
        Val::Data(data) => {
            let mut data = data.clone();
            change(eval, &mut data, name, args)
        }
        other => fail(format!("{} has no method `{name}`", other.kind())),
    }
}

fn of_map(eval: &mut Eval<'_>, entries: &Arc<Map>, name: &str, args: Args) -> Res<Val> {
    if name == "get" {
        let [key, default] = args.bind("get", ["key", "default"])?;
        let Some(key) = key else {
            return fail("`get` needs a key");
        };
        let found = entries.get(&key_of(&key)?).cloned().map(Val::Data);
        return Ok(found.or(default).unwrap_or(Val::NONE));
    }
    let [] = args.bind(name, [])?;
    eval.charge_items(entries.len())?;
    Ok(match name {
        "copy" => Val::Data(Value::Map(Arc::clone(entries))),
        "keys" => Val::list(entries.keys().map(|key| Arc::clone(key).into()).collect()),
        "values" => Val::list(entries.values().cloned().map(Val::Data).collect()),
        _ => Val::list(
            entries
                .iter()
                .map(|(key, value)| {
                    Val::tuple(vec![Arc::clone(key).into(), Val::Data(value.clone())])
                })
                .collect(),
        ),
    })
}

/// Calls the method `name`, which changes `value`.
pub(crate) fn change(eval: &mut Eval<'_>, value: &mut Value, name: &str, args: Args) -> Res<Val> {
    match value {
        Value::List(items) => change_list(eval, Arc::make_mut(items), name, args),
        Value::Map(entries) => change_map(eval, Arc::make_mut(entries), name, args),
        other => fail(format!(
            "a value of type {} has no method `{name}`",
            other.kind()
        )),
    }
}

/// The place in a list that `index` names.
fn place(index: &Val, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = index.as_int()?;
    let index = if index < 0 { index + length } else { index };
    usize::try_from(index).ok().filter(|_| index < length)
}

fn change_list(eval: &mut Eval<'_>, items: &mut Vec<Value>, name: &str, args: Args) -> Res<Val> {
    match name {
        "append" => {
            let [item] = args.bind(name, ["object"])?;
            let Some(item) = item else {
                return fail("`append` needs a value");
            };
            eval.charge_items(1)?;
            items.push(item.into_value()?);
        }
        "extend" => {
            let [more] = args.bind(name, ["iterable"])?;
            for item in eval.items(&more.unwrap_or(Val::NONE))? {
                items.push(item.into_value()?);
            }
        }
        "insert" => {
            let [index, item] = args.bind(name, ["index", "object"])?;
            let (Some(index), Some(item)) = (index, item) else {
                return fail("`insert` needs an index and a value");
            };
            let Some(number) = index.as_int() else {
                return fail("`insert` takes a whole number as index");
            };
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let at = if number < 0 {
                number.saturating_add(length)
            } else {
                number
            };
            let at = usize::try_from(at.clamp(0, length)).unwrap_or(0);
            eval.charge_items(items.len() - at + 1)?;
            items.insert(at, item.into_value()?);
        }
        "pop" => {
            let [index] = args.bind(name, ["index"])?;
            return match place(&index.unwrap_or(Val::from(-1)), items.len()) {
                Some(at) => Ok(Val::Data(items.remove(at))),
                None => fail("`pop` from a list that has no such item"),
            };
        }
        "remove" => {
            let [item] = args.bind(name, ["value"])?;
            let item = item.unwrap_or(Val::NONE).into_value()?;
            match items.iter().position(|known| *known == item) {
                Some(at) => _ = items.remove(at),
                None => return fail("the list does not hold the value to remove"),
            }
        }
        "clear" => items.clear(),
        "reverse" => items.reverse(),
        _ => {
            let [reverse] = args.bind(name, ["reverse"])?;
            let reverse = match reverse {
                Some(reverse) => reverse.truth()?,
                None => false,
            };
            let mut sorted: Vec<Val> = items.drain(..).map(Val::Data).collect();
            super::filters::sort(&mut sorted, reverse, |item| Ok(vec![item.clone()]))?;
            for item in sorted {
                items.push(item.into_value()?);
            }
        }
    }
    Ok(Val::NONE)
}

fn change_map(eval: &mut Eval<'_>, entries: &mut Map, name: &str, args: Args) -> Res<Val> {
    match name {
        "clear" => entries.clear(),
        "update" => {
            if let [from] = &args.positional[..] {
                functions::extend(eval, entries, from)?;
            } else if !args.positional.is_empty() {
                return fail("`update` takes one value at most");
            }
            for (name, value) in args.named {
                entries.insert(name, value.into_value()?);
            }
        }
        "popitem" => {
            return match entries.pop() {
                Some((key, value)) => Ok(Val::tuple(vec![key.into(), Val::Data(value)])),
                None => fail("`popitem` on an empty mapping"),
            };
        }
        _ => {
            let [key, default] = args.bind(name, ["key", "default"])?;
            let Some(key) = key else {
                return fail(format!("`{name}` needs a key"));
            };
            let key = key_of(&key)?;
            if name == "setdefault" {
                let default = default.unwrap_or(Val::NONE).into_value()?;
                eval.charge_items(1)?;
                return Ok(Val::Data(entries.entry(key).or_insert(default).clone()));
            }
            return match (entries.shift_remove(&key), default) {
                (Some(value), _) => Ok(Val::Data(value)),
                (None, Some(default)) => Ok(default),
                (None, None) => fail("`pop` of a key that the mapping does not have"),
            };
        }
    }
    Ok(Val::NONE)
}

fn string(name: &str, value: Option<Val>) -> Res<Option<Arc<str>>> {
    match value {
        None | Some(Val::Data(Value::Null)) => Ok(None),
        Some(Val::Data(Value::String(text))) => Ok(Some(text)),
        Some(other) => {
            other.defined()?;
            fail(format!("`{name}` takes text, not {}", other.kind()))
        }
    }
}

fn integer(name: &str, value: Option<Val>) -> Res<Option<i64>> {
    match value {
        None => Ok(None),
        Some(value) if value.is_none() => Ok(None),
        Some(value) => match value.defined()?.as_int() {
            Some(number) => Ok(Some(number)),
            None => fail(format!(
                "`{name}` takes a whole number, not {}",
                value.kind()
            )),
        },
    }
}

fn needed<T>(name: &str, value: Option<T>) -> Res<T> {
    match value {
        Some(value) => Ok(value),
        None => fail(format!("`{name}` needs an argument")),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm a group of methods")]
fn of_text(eval: &mut Eval<'_>, receiver: &Arc<str>, name: &str, args: Args) -> Res<Val> {
    let this: &str = receiver;
    eval.charge(this.len())?;
    match name {
        "format" => {
            let named = args.named;
            let find = |name: &str| {
                named
                    .iter()
                    .find(|(known, _)| **known == *name)
                    .map(|(_, value)| value.clone())
            };
            let text = format::braces(this, &args.positional, &find)?;
            eval.made(text)
        }
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = args.bind(name, ["chars"])?;
            let chars = string(name, chars)?;
            let strip = |c: char| match &chars {
                Some(chars) => chars.contains(c),
                None => text::is_space(c),
            };
            Ok(match name {
                "strip" => this.trim_matches(strip),
                "lstrip" => this.trim_start_matches(strip),
                _ => this.trim_end_matches(strip),
            }
            .into())
        }
        "startswith" | "endswith" => {
            let [part, start, end] = args.bind(name, ["prefix", "start", "end"])?;
            let part = needed(name, part)?;
            let (from, to) = (integer(name, start)?, integer(name, end)?);
            let within = text::between(this, from, to);
            let parts = match &part {
                Val::Tuple(parts) => parts.to_vec(),
                other => vec![other.clone()],
            };
            for part in parts {
                let part = needed(name, string(name, Some(part))?)?;
                if name == "startswith" && within.starts_with(&*part)
                    || name == "endswith" && within.ends_with(&*part)
                {
                    return Ok(true.into());
                }
            }
            Ok(false.into())
        }
        "count" | "find" | "rfind" | "index" | "rindex" => {
            let [part, start, end] = args.bind(name, ["sub", "start", "end"])?;
            let part = needed(name, string(name, part)?)?;
            let (from, to) = (integer(name, start)?, integer(name, end)?);
            let within = text::between(this, from, to);
            if name == "count" {
                return Ok(Val::count(if part.is_empty() {
                    within.chars().count() + 1
                } else {
                    within.matches(&*part).count()
                }));
            }
            let found = if name.starts_with('r') {
                within.rfind(&*part)
            } else {
                within.find(&*part)
            };
            match found {
                Some(at) => {
                    let skipped = within.as_ptr() as usize - this.as_ptr() as usize;
                    Ok(Val::count(this[..skipped + at].chars().count()))
                }
                None if name.ends_with("find") => Ok((-1).into()),
                None => fail(format!("`{name}`: the text does not hold this")),
            }
        }
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let old = needed(name, string(name, old)?)?;
            let new = needed(name, string(name, new)?)?;
            let count = integer(name, count)?;
            text::replace(eval, this, &old, &new, count).map(Val::from)
        }
        "split" | "rsplit" => {
            let [separator, most] = args.bind(name, ["sep", "maxsplit"])?;
            let separator = string(name, separator)?;
            let most = integer(name, most)?.and_then(|most| usize::try_from(most).ok());
            if separator.as_deref() == Some("") {
                return fail(format!("`{name}` needs a separator that is not empty"));
            }
            let parts = text::split(this, separator.as_deref(), most, name == "rsplit");
            eval.list(parts.into_iter().map(Val::from).collect())
        }
        "splitlines" => {
            let [keep] = args.bind(name, ["keepends"])?;
            let keep = match keep {
                Some(keep) => keep.truth()?,
                None => false,
            };
            let lines = text::lines(this, keep);
            eval.list(lines.into_iter().map(Val::from).collect())
        }
        "partition" | "rpartition" => {
            let [separator] = args.bind(name, ["sep"])?;
            let separator = needed(name, string(name, separator)?)?;
            if separator.is_empty() {
                return fail(format!("`{name}` needs a separator that is not empty"));
            }
            let found = if name == "partition" {
                this.split_once(&*separator)
            } else {
                this.rsplit_once(&*separator)
            };
            let parts: [&str; 3] = match found {
                Some((before, after)) => [before, &separator, after],
                None if name == "partition" => [this, "", ""],
                None => ["", "", this],
            };
            Ok(Val::tuple(parts.into_iter().map(Val::from).collect()))
        }
        "join" => {
            let [items] = args.bind(name, ["iterable"])?;
            let items = eval.items(&needed(name, items)?)?;
            let mut out = String::new();
            for (index, item) in items.iter().enumerate() {
                let Some(item) = item.defined()?.as_str() else {
                    return fail(format!("`join` takes texts, not {}", item.kind()));
                };
                eval.charge(item.len() + this.len())?;
                if index > 0 {
                    out.push_str(this);
                }
                out.push_str(item);
            }
            Ok(out.into())
        }
        "center" | "ljust" | "rjust" | "zfill" => {
            let [width, fill] = args.bind(name, ["width", "fillchar"])?;
            let width = needed(name, integer(name, width)?)?;
            let fill = string(name, fill)?.unwrap_or_else(|| " ".into());
            let mut chars = fill.chars();
            let (Some(fill), None) = (chars.next(), chars.next()) else {
                return fail(format!("`{name}` fills with one character"));
            };
            text::padded(eval, this, name, width, fill).map(Val::from)
        }
        "removeprefix" | "removesuffix" => {
            let [part] = args.bind(name, ["part"])?;
            let part = needed(name, string(name, part)?)?;
            let rest = if name == "removeprefix" {
                this.strip_prefix(&*part)
            } else {
                this.strip_suffix(&*part)
            };
            Ok(rest.unwrap_or(this).into())
        }
        "expandtabs" => {
            let [size] = args.bind(name, ["tabsize"])?;
            let size = usize::try_from(integer(name, size)?.unwrap_or(8)).unwrap_or(0);
            text::expand_tabs(eval, this, size).map(Val::from)
        }
        _ => {
            let [] = args.bind(name, [])?;
            if name.starts_with("is") {
                return Ok(text::is(this, name).into());
            }
            let made = match name {
                "lower" => this.to_lowercase(),
                "casefold" => this.to_lowercase().replace('ß', "ss"),
                "upper" => this.to_uppercase(),
                "capitalize" => text::capitalize(this),
                "title" => text::title(this),
                "swapcase" => text::swap_case(this),
                _ => return fail(format!("text has no method `{name}`")),
            };
            eval.made(made)
        }
    }
}
