//! Lists, mappings and sets.

use std::rc::Rc;

use super::{both, function, method, opt, req};
use crate::error::{ErrorKind, Res, fail};
use crate::eval::{Call, DictBuilder, Eval, Function, Param, Ty};
use crate::value::{Dict, Key, Set, Val, View};

const DICT: Param = req("dict", Ty::Dict);
const ITERABLE: Param = req("collection", Ty::Iterable);
const SETS: &[Param] = &[req("left", Ty::Set), req("right", Ty::Set)];
const ANY: &[Param] = &[req("arg", Ty::Any)];
const VALUE: &[Param] = &[req("value", Ty::Any)];

pub(super) const FUNCTIONS: &[Function] = &[
    function("list", &[], |c| {
        let items = flat(c.ev, &c.rest)?;
        c.ev.list(items)
    })
    .rest(Ty::Any),
    method("toList", &[ITERABLE], |c| c.list(0).map(Val::List)),
    function("dict", &[], dict_of_pairs).rest(Ty::Pair).pairs(),
    function("dict", &[req("items", Ty::Iterable)], dict_of_items).pairs(),
    method(
        "toDict",
        &[
            ITERABLE,
            req("keySelector", Ty::Lambda),
            opt("valueSelector", Ty::Lambda),
        ],
        to_dict,
    ),
    method(
        "get",
        &[DICT, req("key", Ty::Any), opt("default", Ty::Any)],
        get,
    ),
    method(
        "set",
        &[DICT, req("key", Ty::Any), req("value", Ty::Any)],
        |c| {
            let mut dict = c.ev.dict_from(&c.dict(0))?;
            dict.insert(c.ev, c.arg(1), c.arg(2))?;
            dict.finish(c.ev)
        },
    )
    .pairs(),
    method("set", &[DICT, req("replacements", Ty::Dict)], |c| {
        let (dict, replacements) = (c.dict(0), c.dict(1));
        c.ev.merged(&dict, &replacements)
    })
    .pairs(),
    method("set", &[DICT], set_pairs).rest(Ty::Pair).pairs(),
    method("keys", &[DICT], |c| Ok(Val::View(View::Keys, c.dict(0)))),
    method("values", &[DICT], |c| {
        Ok(Val::View(View::Values, c.dict(0)))
    }),
    method("items", &[DICT], |c| Ok(Val::View(View::Items, c.dict(0)))),
    method("contains", &[ITERABLE, req("value", Ty::Any)], |c| {
        let (collection, value) = (c.arg(0), c.arg(1));
        c.ev.contains(&collection, &value).map(Val::Bool)
    }),
    method("containsKey", &[DICT, req("key", Ty::Any)], |c| {
        let key = c.arg(1);
        let key = c.ev.key(&key)?;
        Ok(Val::Bool(c.dict(0).get(&key).is_some()))
    }),
    method("containsValue", &[DICT, req("value", Ty::Any)], |c| {
        let (values, value) = (Val::View(View::Values, c.dict(0)), c.arg(1));
        c.ev.contains(&values, &value).map(Val::Bool)
    }),
    function("isList", ANY, |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::List(_))))
    }),
    function("isDict", ANY, |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Dict(_))))
    }),
    function("isSet", ANY, |c| Ok(Val::Bool(c.arg(0).is_set()))),
    function("isIterable", VALUE, |c| {
        Ok(Val::Bool(c.arg(0).is_iterable()))
    }),
    both("len", &[DICT], |c| Ok(count(c.dict(0).len()))),
    both("len", &[req("sequence", Ty::List)], |c| {
        Ok(count(c.list(0)?.len()))
    }),
    both("len", &[req("set", Ty::Set)], |c| {
        Ok(count(match c.arg(0) {
            Val::Set(set) => set.items.len(),
            Val::View(_, dict) => dict.len(),
            _ => 0,
        }))
    }),
    method("delete", &[DICT], |c| {
        let keys = c.rest.clone();
        without(c, keys)
    })
    .rest(Ty::Any),
    method("deleteAll", &[DICT, req("keys", Ty::Iterable)], |c| {
        let keys = c.list(1)?.iter().collect();
        without(c, keys)
    }),
    method(
        "insert",
        &[
            req("collection", Ty::List),
            req("position", Ty::Int),
            req("value", Ty::Any),
        ],
        insert,
    ),
    function("set", &[], |c| {
        let items = flat(c.ev, &c.rest)?;
        make_set(c.ev, items).map(Val::Set)
    })
    .rest(Ty::Any),
    method("toSet", &[ITERABLE], |c| {
        let value = c.arg(0);
        c.ev.set_of(&value).map(Val::Set)
    }),
    method("union", SETS, |c| combine(c, |_, _| true, |_, _| true)),
    method("intersect", SETS, |c| {
        combine(c, |key, right| right.items.contains_key(key), |_, _| false)
    }),
    method("difference", SETS, |c| {
        combine(c, |key, right| !right.items.contains_key(key), |_, _| false)
    }),
    method("symmetricDifference", SETS, |c| {
        combine(
            c,
            |key, right| !right.items.contains_key(key),
            |key, left| !left.items.contains_key(key),
        )
    }),
    method("add", &[req("set", Ty::Set)], |c| {
        let (set, more) = set_and_rest(c.ev, &c.args, &c.rest)?;
        let items = set.items.iter().chain(&more.items);
        let items: Vec<_> = items
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect();
        c.ev.set(items).map(Val::Set)
    })
    .rest(Ty::Any),
    method("remove", &[req("set", Ty::Set)], |c| {
        let (set, less) = set_and_rest(c.ev, &c.args, &c.rest)?;
        let items = set
            .items
            .iter()
            .filter(|(key, _)| !less.items.contains_key(*key));
        let items: Vec<_> = items
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect();
        c.ev.set(items).map(Val::Set)
    })
    .rest(Ty::Any),
];

pub(super) fn count(count: usize) -> Val {
    Val::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The values, and the items of those that are iterators.
fn flat(ev: &mut Eval<'_>, values: &[Val]) -> Res<Vec<Val>> {
    let mut items = Vec::new();
    for value in values {
        match value {
            Val::Iter(_) | Val::Memo(_) => {
                let mut source = ev.source(value)?;
                while let Some(item) = source.next(ev)? {
                    ev.charge(size_of::<Val>())?;
                    if matches!(item, Val::Iter(_) | Val::Memo(_)) {
                        items.extend(ev.deeper(|ev| flat(ev, &[item]))?);
                    } else {
                        items.push(item);
                    }
                }
            }
            value => items.push(value.clone()),
        }
    }
    Ok(items)
}

fn make_set(ev: &mut Eval<'_>, items: Vec<Val>) -> Res<Rc<Set>> {
    let mut keyed: Vec<(Key, Val)> = Vec::with_capacity(items.len());
    for item in items {
        keyed.push((ev.key(&item)?, item));
    }
    ev.set(keyed)
}

fn set_and_rest(ev: &mut Eval<'_>, args: &[Val], rest: &[Val]) -> Res<(Rc<Set>, Rc<Set>)> {
    let set = ev.set_of(args.first().unwrap_or(&Val::Null))?;
    let rest = make_set(ev, rest.to_vec())?;
    Ok((set, rest))
}

/// The items of the left set and then those of the right set that are wanted, given the other.
fn combine(
    c: &mut Call<'_, '_>,
    from_left: fn(&Key, &Set) -> bool,
    from_right: fn(&Key, &Set) -> bool,
) -> Res<Val> {
    let (left, right) = (c.arg(0), c.arg(1));
    let (left, right) = (c.ev.set_of(&left)?, c.ev.set_of(&right)?);
    c.ev.step((left.items.len() + right.items.len()) as u64)?;
    let items = left.items.iter().filter(|(key, _)| from_left(key, &right));
    let items = items.chain(right.items.iter().filter(|(key, _)| from_right(key, &left)));
    let items: Vec<_> = items
        .map(|(key, item)| (key.clone(), item.clone()))
        .collect();
    c.ev.set(items).map(Val::Set)
}

fn dict_of_pairs(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut dict = DictBuilder::default();
    for pair in &c.rest {
        if let Val::Pair(pair) = pair {
            dict.insert(c.ev, pair.0.clone(), pair.1.clone())?;
        }
    }
    dict.finish(c.ev)
}

fn set_pairs(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut dict = c.ev.dict_from(&c.dict(0))?;
    for pair in &c.rest {
        if let Val::Pair(pair) = pair {
            dict.insert(c.ev, pair.0.clone(), pair.1.clone())?;
        }
    }
    dict.finish(c.ev)
}

fn dict_of_items(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut source = c.source(0)?;
    let mut dict = DictBuilder::default();
    while let Some(item) = source.next(c.ev)? {
        let (key, value) = match &item {
            // Python goes through a string's characters.
            Val::Str(text) => {
                let mut chars = text.chars().map(|c| Val::from(&*c.to_string()));
                (chars.next(), chars.next())
            }
            // And a mapping's keys.
            Val::Dict(dict) => {
                let mut keys = dict.iter().map(|(key, _)| key);
                (keys.next(), keys.next())
            }
            item => {
                let mut entry = c.ev.source(item)?;
                (entry.next(c.ev)?, entry.next(c.ev)?)
            }
        };
        let (Some(key), Some(value)) = (key, value) else {
            return Err(fail(
                ErrorKind::Cardinality,
                "an entry for a mapping needs two items: key and value",
            ));
        };
        dict.insert(c.ev, key, value)?;
    }
    dict.finish(c.ev)
}

fn to_dict(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut source = c.source(0)?;
    let (key_selector, value_selector) = (c.lambda(1), c.lambda(2));
    let mut dict = DictBuilder::default();
    while let Some(item) = source.next(c.ev)? {
        let item = [item];
        let key = match &key_selector {
            Some(lambda) => c.ev.apply(lambda, &item)?,
            None => Val::Null,
        };
        let value = match &value_selector {
            Some(lambda) => c.ev.apply(lambda, &item)?,
            None => item[0].clone(),
        };
        dict.insert(c.ev, key, value)?;
    }
    dict.finish(c.ev)
}

fn get(c: &mut Call<'_, '_>) -> Res<Val> {
    let key = c.arg(1);
    let key = c.ev.key(&key)?;
    Ok(match c.dict(0).get(&key) {
        Some(value) => value,
        None if c.is_missing(2) => Val::Null,
        None => c.arg(2),
    })
}

fn without(c: &mut Call<'_, '_>, keys: Vec<Val>) -> Res<Val> {
    let dict: Dict = c.dict(0);
    let mut builder = c.ev.dict_from(&dict)?;
    for key in keys {
        let key = c.ev.key(&key)?;
        c.ev.step(dict.len() as u64)?;
        builder.entries.shift_remove(&key);
    }
    builder.finish(c.ev)
}

fn insert(c: &mut Call<'_, '_>) -> Res<Val> {
    let list = c.list(0)?;
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let position = c.int_or(1, 0);
    let position = if position < 0 {
        (position + length).max(0)
    } else {
        position.min(length)
    };
    let mut items: Vec<Val> = list.iter().collect();
    items.insert(usize::try_from(position).unwrap_or(0), c.arg(2));
    c.ev.list(items)
}
