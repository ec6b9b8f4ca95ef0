//! Filters of lists and mappings.

use std::cmp::Ordering;
use std::rc::Rc;

use ostro_core::Value;

use super::super::error::{Res, fail};
use super::super::eval::{Args, Eval};
use super::super::operators;
use super::super::predicates;
use super::super::value::Val;

#[expect(clippy::too_many_lines, reason = "one arm a filter")]
pub(super) fn call(eval: &mut Eval<'_>, name: &str, input: &Val, args: Args) -> Res<Val> {
    match name {
        "length" | "count" => {
            let [] = args.bind(name, [])?;
            match input.len() {
                Some(length) => Ok(Val::count(length)),
                None => fail(format!("{} has no length", input.kind())),
            }
        }
        "list" => {
            let [] = args.bind(name, [])?;
            let items = eval.items(input)?;
            Ok(Val::list(items))
        }
        "first" | "last" => {
            let [] = args.bind(name, [])?;
            let items = input.items()?;
            let found = if name == "first" {
                items.first()
            } else {
                items.last()
            };
            Ok(found
                .cloned()
                .unwrap_or_else(|| Val::undefined(format!("No {name} item, sequence was empty."))))
        }
        "reverse" => {
            let [] = args.bind(name, [])?;
            if let Some(text) = input.as_str() {
                return Ok(text.chars().rev().collect::<String>().into());
            }
            let mut items = eval.items(input)?;
            items.reverse();
            Ok(Val::list(items))
        }
        "items" => {
            let [] = args.bind(name, [])?;
            let Some(entries) = input.as_map() else {
                return fail("`items` takes a mapping");
            };
            let pairs = entries
                .iter()
                .map(|(key, value)| Val::tuple(vec![key.clone().into(), value.clone().into()]))
                .collect();
            eval.list(pairs)
        }
        "join" => join(eval, input, args),
        "sum" => {
            let [attribute, start] = args.bind(name, ["attribute", "start"])?;
            let path = path(attribute.as_ref())?;
            let mut sum = start.unwrap_or_else(|| 0.into());
            for item in eval.items(input)? {
                let item = follow(&item, &path, None)?;
                if sum.as_str().is_some() || item.as_str().is_some() {
                    return fail("`sum` does not add texts; use `join`");
                }
                sum = eval.binary(super::super::ast::Op::Add, &sum, &item)?;
            }
            Ok(sum)
        }
        "min" | "max" => {
            let [case, attribute] = args.bind(name, ["case_sensitive", "attribute"])?;
            let key = Key::new(case, attribute.as_ref())?;
            let wanted = if name == "min" {
                Ordering::Less
            } else {
                Ordering::Greater
            };
            let mut best: Option<(Val, Val)> = None;
            for item in eval.items(input)? {
                let by = key.of(&item)?;
                let better = match &best {
                    None => true,
                    Some((known, _)) => by.compare(known)? == wanted,
                };
                if better {
                    best = Some((by, item));
                }
            }
            Ok(match best {
                Some((_, item)) => item,
                None => Val::undefined("No aggregated item, sequence was empty."),
            })
        }
        "unique" => {
            let [case, attribute] = args.bind(name, ["case_sensitive", "attribute"])?;
            let key = Key::new(case, attribute.as_ref())?;
            let mut seen: Vec<Val> = Vec::new();
            let mut texts = rustc_hash::FxHashSet::default();
            let mut kept = Vec::new();
            'items: for item in eval.items(input)? {
                let by = key.of(&item)?;
                if let Some(text) = by.as_str() {
                    if texts.insert(text.to_owned()) {
                        kept.push(item);
                    }
                    continue;
                }
                if matches!(by, Val::Data(Value::List(_) | Value::Map(_)) | Val::List(_)) {
                    return fail(format!("`unique` does not work on {}", by.kind()));
                }
                for known in &seen {
                    eval.step()?;
                    if known.equals(&by)? {
                        continue 'items;
                    }
                }
                seen.push(by);
                kept.push(item);
            }
            Ok(Val::list(kept))
        }
        "sort" => {
            let [reverse, case, attribute] =
                args.bind(name, ["reverse", "case_sensitive", "attribute"])?;
            let reverse = truth(reverse)?;
            let keys = Keys::new(case, attribute.as_ref())?;
            let mut items = eval.items(input)?;
            sort(&mut items, reverse, |item| keys.of(item))?;
            Ok(Val::list(items))
        }
        "dictsort" => {
            let [case, by, reverse] = args.bind(name, ["case_sensitive", "by", "reverse"])?;
            let key = Key::new(case, None)?;
            let reverse = truth(reverse)?;
            let by = match by.as_ref().map_or(Some("key"), Val::as_str) {
                Some("key") => 0,
                Some("value") => 1,
                _ => return fail("`dictsort` sorts by `key` or by `value`"),
            };
            let mut pairs = pairs_of(input)?;
            eval.charge_items(pairs.len())?;
            sort(&mut pairs, reverse, |pair| {
                let part = operators::item(pair, &Val::from(by))?;
                Ok(vec![key.of(&part)?])
            })?;
            Ok(Val::list(pairs))
        }
        "groupby" => group(eval, input, args),
        "batch" | "slice" => chunks(eval, name, input, args),
        "map" => map(eval, input, &args),
        _ => select(eval, name, input, args),
    }
}

fn truth(value: Option<Val>) -> Res<bool> {
    value.map_or(Ok(false), |value| value.truth())
}

fn pairs_of(input: &Val) -> Res<Vec<Val>> {
    match input.as_map() {
        Some(entries) => Ok(entries
            .iter()
            .map(|(key, value)| Val::tuple(vec![key.clone().into(), value.clone().into()]))
            .collect()),
        None => fail(format!("`dictsort` takes a mapping, not {}", input.kind())),
    }
}

fn join(eval: &mut Eval<'_>, input: &Val, args: Args) -> Res<Val> {
    let [separator, attribute] = args.bind("join", ["d", "attribute"])?;
    let path = path(attribute.as_ref())?;
    let separator = match &separator {
        Some(separator) => separator.text()?.into_owned(),
        None => String::new(),
    };
    let mut out = String::new();
    for (index, item) in eval.items(input)?.iter().enumerate() {
        let item = follow(item, &path, None)?;
        let text = item.text()?;
        eval.charge(text.len() + separator.len())?;
        if index > 0 {
            out.push_str(&separator);
        }
        out.push_str(&text);
    }
    Ok(out.into())
}

/// What `attribute="a.b.0"` names: its keys in order.
fn path(attribute: Option<&Val>) -> Res<Vec<Val>> {
    match attribute {
        None => Ok(Vec::new()),
        Some(value) if value.is_none() => Ok(Vec::new()),
        Some(Val::Data(Value::String(text))) => Ok(keys(text)),
        Some(value @ Val::Data(Value::Int(_))) => Ok(vec![value.clone()]),
        Some(other) => fail(format!("an attribute is a name, not {}", other.kind())),
    }
}

fn keys(text: &str) -> Vec<Val> {
    text.split('.')
        .map(|part| match part.parse::<i64>() {
            Ok(index) if part.bytes().all(|b| b.is_ascii_digit()) => Val::from(index),
            _ => Val::from(part),
        })
        .collect()
}

fn follow(item: &Val, path: &[Val], default: Option<&Val>) -> Res<Val> {
    let mut found = item.clone();
    for key in path {
        found = operators::item(&found, key)?;
        if let (Val::Undefined(_), Some(default)) = (&found, default) {
            found = default.clone();
        }
    }
    Ok(found)
}

/// By what items are compared: an attribute, where one is named, and without the case of letters
/// unless that is wanted.
struct Key {
    path: Vec<Val>,
    case: bool,
}

impl Key {
    fn new(case: Option<Val>, attribute: Option<&Val>) -> Res<Self> {
        Ok(Key {
            path: path(attribute)?,
            case: truth(case)?,
        })
    }

    fn of(&self, item: &Val) -> Res<Val> {
        let found = follow(item, &self.path, None)?;
        Ok(match found.as_str() {
            Some(text) if !self.case => text.to_lowercase().into(),
            _ => found,
        })
    }
}

/// Several keys: `attribute="a,b"`.
struct Keys(Vec<Key>);

impl Keys {
    fn new(case: Option<Val>, attribute: Option<&Val>) -> Res<Self> {
        let case = truth(case)?;
        let paths = match attribute {
            Some(Val::Data(Value::String(text))) => text.split(',').map(keys).collect(),
            other => vec![path(other)?],
        };
        Ok(Keys(
            paths.into_iter().map(|path| Key { path, case }).collect(),
        ))
    }

    fn of(&self, item: &Val) -> Res<Vec<Val>> {
        self.0.iter().map(|key| key.of(item)).collect()
    }
}

/// Sorts by keys, and leaves equal items in their order.
pub(crate) fn sort(
    items: &mut Vec<Val>,
    reverse: bool,
    key: impl Fn(&Val) -> Res<Vec<Val>>,
) -> Res<()> {
    let mut keyed = items
        .drain(..)
        .map(|item| Ok((key(&item)?, item)))
        .collect::<Res<Vec<_>>>()?;
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        for (a, b) in a.iter().zip(b) {
            match a.compare(b) {
                Ok(Ordering::Equal) => {}
                Ok(order) => return if reverse { order.reverse() } else { order },
                Err(error) => {
                    failed = Some(error);
                    return Ordering::Equal;
                }
            }
        }
        Ordering::Equal
    });
    if let Some(error) = failed {
        return Err(error);
    }
    items.extend(keyed.into_iter().map(|(_, item)| item));
    Ok(())
}

fn group(eval: &mut Eval<'_>, input: &Val, args: Args) -> Res<Val> {
    let [attribute, default, case] =
        args.bind("groupby", ["attribute", "default", "case_sensitive"])?;
    if attribute.is_none() {
        return fail("`groupby` needs an attribute");
    }
    let path = path(attribute.as_ref())?;
    let fold = Key {
        path: Vec::new(),
        case: truth(case)?,
    };
    let mut items = eval.items(input)?;
    let by = |item: &Val| follow(item, &path, default.as_ref());
    sort(&mut items, false, |item| Ok(vec![fold.of(&by(item)?)?]))?;
    let mut groups: Vec<(Val, Vec<Val>)> = Vec::new();
    for item in items {
        let key = by(&item)?;
        let same = match groups.last() {
            Some((known, _)) => fold.of(known)?.equals(&fold.of(&key)?)?,
            None => false,
        };
        match groups.last_mut() {
            Some((_, group)) if same => group.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    let groups = groups
        .into_iter()
        .map(|(key, group)| Val::tuple(vec![key, Val::list(group)]))
        .collect();
    eval.list(groups)
}

fn chunks(eval: &mut Eval<'_>, name: &str, input: &Val, args: Args) -> Res<Val> {
    let parameter = if name == "batch" {
        "linecount"
    } else {
        "slices"
    };
    let [count, fill] = args.bind(name, [parameter, "fill_with"])?;
    let count = count.and_then(|count| count.as_int());
    let Some(count) = count
        .and_then(|count| usize::try_from(count).ok())
        .filter(|c| *c > 0)
    else {
        return fail(format!("`{name}` needs a number that is more than zero"));
    };
    let fill = fill.filter(|fill| !fill.is_none());
    let items = eval.items(input)?;
    let mut lists = Vec::new();
    if name == "batch" {
        for batch in items.chunks(count) {
            let mut batch = batch.to_vec();
            if let Some(fill) = &fill {
                eval.charge_items(count)?;
                batch.resize(count, fill.clone());
            }
            lists.push(Val::list(batch));
        }
        return eval.list(lists);
    }
    eval.charge_items(count)?;
    let (each, longer) = (items.len() / count, items.len() % count);
    let mut rest = &items[..];
    for index in 0..count {
        let take = each + usize::from(index < longer);
        let (slice, after) = rest.split_at(take);
        rest = after;
        let mut slice = slice.to_vec();
        if let Some(fill) = &fill
            && index >= longer
        {
            slice.push(fill.clone());
        }
        lists.push(Val::list(slice));
    }
    Ok(Val::list(lists))
}

fn map(eval: &mut Eval<'_>, input: &Val, args: &Args) -> Res<Val> {
    let mut out = Vec::new();
    let named = |name: &str| args.named.iter().find(|(known, _)| **known == *name);
    if args.positional.is_empty() && named("attribute").is_some() {
        let default = named("default").map(|(_, value)| value.clone());
        if let Some((name, _)) = args
            .named
            .iter()
            .find(|(name, _)| !matches!(&**name, "attribute" | "default"))
        {
            return if args.spread {
                fail("`map` is given a parameter that it does not have")
            } else {
                fail(format!("`map` has no parameter `{name}`"))
            };
        }
        let path = path(named("attribute").map(|(_, value)| value))?;
        for item in eval.items(input)? {
            eval.step()?;
            out.push(follow(&item, &path, default.as_ref())?);
        }
        return Ok(Val::list(out));
    }
    let Some((filter, rest)) = args.positional.split_first() else {
        return fail("`map` needs the name of a filter, or `attribute=`");
    };
    let Some(filter) = filter.as_str() else {
        return fail("`map` takes the name of a filter");
    };
    if !super::exists(filter) {
        return fail("`map` is given the name of a filter that there is not");
    }
    let rest = Args {
        positional: rest.to_vec(),
        named: args.named.clone(),
        spread: args.spread,
    };
    for item in eval.items(input)? {
        eval.step()?;
        let made = eval.deeper(|eval| super::call(eval, filter, item, rest.clone()))?;
        out.push(made);
    }
    eval.list(out)
}

fn select(eval: &mut Eval<'_>, name: &str, input: &Val, args: Args) -> Res<Val> {
    let wanted = name.starts_with("select");
    let mut positional = args.positional.into_iter();
    let path = if name.ends_with("attr") {
        let attribute = positional.next();
        if attribute.is_none() {
            return fail(format!("`{name}` needs the name of an attribute"));
        }
        path(attribute.as_ref())?
    } else {
        Vec::new()
    };
    let test = match positional.next() {
        None => None,
        Some(Val::Data(Value::String(test))) if predicates::exists(&test) => Some(test),
        Some(_) => return fail(format!("`{name}` takes the name of a test")),
    };
    let rest = Args {
        positional: positional.collect(),
        named: args.named,
        spread: args.spread,
    };
    let mut kept = Vec::new();
    for item in eval.items(input)? {
        eval.step()?;
        let value = follow(&item, &path, None)?;
        let passes = match &test {
            Some(test) => predicates::call(eval, test, &value, rest.clone())?,
            None => value.truth()?,
        };
        if passes == wanted {
            kept.push(item);
        }
    }
    Ok(match input {
        Val::List(all) if all.len() == kept.len() => Val::List(Rc::clone(all)),
        _ => Val::list(kept),
    })
}
