//! Queries that go through a collection at once, and those that order or keep its items.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::lazy::{Chain, count_items, select};
use super::{both, method, opt, req};
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::eval::{Call, Eval, Function, Param, Source, Ty};
use crate::value::{Dict, Lambda, Lazy, List, Memo, Order, Stream, Val};

const ITERABLE: Param = req("collection", Ty::Iterable);
const PREDICATE: Param = opt("predicate", Ty::Lambda);
const WHERE: &[Param] = &[ITERABLE, req("predicate", Ty::Lambda)];
const INITIAL: &[Param] = &[ITERABLE, opt("initial", Ty::Any)];
const DEFAULT: &[Param] = &[ITERABLE, opt("default", Ty::Any)];
const ITEM: &[Param] = &[ITERABLE, req("item", Ty::Any)];
const ORDER: &[Param] = &[ITERABLE, req("selector", Ty::Lambda)];
const THEN: &[Param] = &[req("collection", Ty::Ordered), req("selector", Ty::Lambda)];
const AGGREGATE: &[Param] = &[ITERABLE, req("selector", Ty::Lambda), opt("seed", Ty::Any)];

pub(super) const FUNCTIONS: &[Function] = &[
    both("any", &[ITERABLE, PREDICATE], |c| quantify(c, false)),
    both("all", &[ITERABLE, PREDICATE], |c| quantify(c, true)),
    both("len", &[req("collection", Ty::Iterator)], |c| {
        let value = c.arg(0);
        count_items(c.ev, &value)
    }),
    method("count", &[ITERABLE], |c| {
        let value = c.arg(0);
        count_items(c.ev, &value)
    }),
    method("memorize", &[ITERABLE], |c| {
        Ok(match c.arg(0) {
            Val::Iter(stream) => memorized(stream),
            value => value,
        })
    }),
    method("sum", INITIAL, |c| reduce(c, Reduce::Add)),
    method("max", INITIAL, |c| reduce(c, Reduce::Larger)),
    method("min", INITIAL, |c| reduce(c, Reduce::Smaller)),
    method("aggregate", AGGREGATE, aggregate),
    method("reduce", AGGREGATE, aggregate),
    method("first", DEFAULT, first),
    method("last", DEFAULT, last),
    method("single", &[ITERABLE], single),
    method("indexOf", ITEM, |c| index_of(c, false)),
    method("lastIndexOf", ITEM, |c| index_of(c, true)),
    method("indexWhere", WHERE, |c| index_where(c, false)),
    method("lastIndexWhere", WHERE, |c| index_where(c, true)),
    method("orderBy", ORDER, |c| order_by(c, true)),
    method("orderByDescending", ORDER, |c| order_by(c, false)),
    method("thenBy", THEN, |c| then_by(c, true)),
    method("thenByDescending", THEN, |c| then_by(c, false)),
    method(
        "groupBy",
        &[
            ITERABLE,
            req("keySelector", Ty::Lambda),
            opt("valueSelector", Ty::Lambda),
            opt("aggregator", Ty::Lambda),
        ],
        group_by,
    ),
    method("reverse", &[ITERABLE], |c| {
        let list = c.list(0)?;
        let items = c.ev.own_list(list.iter().rev().collect())?;
        let sources = VecDeque::from([crate::eval::Source::List(items, 0)]);
        c.stream(Chain { sources })
    }),
    method("splitAt", &[ITERABLE, req("index", Ty::Int)], split_at),
    method("splitWhere", WHERE, split_where),
    method("sliceWhere", WHERE, slice_where),
    method(
        "defaultIfEmpty",
        &[ITERABLE, req("default", Ty::Iterable)],
        default_if_empty,
    ),
    method(
        "mergeWith",
        &[
            req("dict", Ty::Dict),
            req("another", Ty::Dict),
            opt("listMerger", Ty::Lambda),
            opt("itemMerger", Ty::Lambda),
            opt("maxLevels", Ty::Int),
        ],
        merge_with,
    ),
];

/// An iterator whose items are kept, so that it can be gone through again.
pub(super) fn memorized(stream: Rc<Stream>) -> Val {
    Val::Memo(Rc::new(Memo {
        source: Val::Iter(stream),
        items: RefCell::default(),
    }))
}

/// One collection after the other, lazily.
pub(crate) fn chain(ev: &mut Eval<'_>, values: &[Val]) -> Res<Val> {
    let depth = values.iter().map(Val::depth).max().unwrap_or(0);
    let mut sources = VecDeque::new();
    for value in values {
        sources.push_back(ev.source(value)?);
    }
    ev.stream(depth + 1, Box::new(Chain { sources }))
}

pub(super) fn nothing_to_reduce() -> Fail {
    fail(
        ErrorKind::Cardinality,
        "the collection is empty and there is no initial value",
    )
    .hint(Some("give one, as in `sum(0)`".to_owned()))
}

fn quantify(c: &mut Call<'_, '_>, all: bool) -> Res<Val> {
    let mut source = c.source(0)?;
    let predicate = c.lambda(1);
    while let Some(item) = source.next(c.ev)? {
        // `any()` asks whether there is an item, `all()` whether all are true.
        let holds = match &predicate {
            None if !all => true,
            predicate => select(c.ev, predicate.as_ref(), &item)?.is_truthy(),
        };
        if holds != all {
            return Ok(Val::Bool(!all));
        }
    }
    Ok(Val::Bool(all))
}

/// How two items become one.
#[derive(Clone, Copy)]
enum Reduce {
    Add,
    Larger,
    Smaller,
}

fn reduce(c: &mut Call<'_, '_>, how: Reduce) -> Res<Val> {
    let mut source = c.source(0)?;
    let mut total = match c.arg(1) {
        Val::Missing => source.next(c.ev)?.ok_or_else(nothing_to_reduce)?,
        initial => initial,
    };
    while let Some(item) = source.next(c.ev)? {
        total = match how {
            Reduce::Add => c.ev.add(total, item)?,
            Reduce::Larger => c.ev.larger(total, item)?,
            Reduce::Smaller => c.ev.smaller(total, item)?,
        };
    }
    Ok(total)
}

fn aggregate(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut source = c.source(0)?;
    let Some(selector) = c.lambda(1) else {
        return Err(nothing_to_reduce());
    };
    let mut total = match c.arg(2) {
        Val::Missing => source.next(c.ev)?.ok_or_else(nothing_to_reduce)?,
        seed => seed,
    };
    while let Some(item) = source.next(c.ev)? {
        total = c.ev.apply(&selector, &[total, item])?;
    }
    Ok(total)
}

fn empty() -> Fail {
    fail(ErrorKind::Cardinality, "the collection is empty")
        .hint(Some("give a default, as in `first(null)`".to_owned()))
}

fn first(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut source = c.source(0)?;
    match (source.next(c.ev)?, c.arg(1)) {
        (Some(item), _) => Ok(item),
        (None, Val::Missing) => Err(empty()),
        (None, default) => Ok(default),
    }
}

fn last(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut last = c.arg(1);
    if let Val::List(list) = c.arg(0) {
        last = list.iter().next_back().unwrap_or(last);
    } else {
        let mut source = c.source(0)?;
        while let Some(item) = source.next(c.ev)? {
            last = item;
        }
    }
    match last {
        Val::Missing => Err(empty()),
        last => Ok(last),
    }
}

fn single(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut source = c.source(0)?;
    let item = source.next(c.ev)?.ok_or_else(|| {
        fail(
            ErrorKind::Cardinality,
            "the collection is empty where one item is wanted",
        )
    })?;
    match source.next(c.ev)? {
        None => Ok(item),
        Some(_) => Err(fail(
            ErrorKind::Cardinality,
            "the collection has more than the one item that is wanted",
        )),
    }
}

fn index_of(c: &mut Call<'_, '_>, last: bool) -> Res<Val> {
    let (mut source, wanted) = (c.source(0)?, c.arg(1));
    let (mut found, mut at) = (-1, 0);
    while let Some(item) = source.next(c.ev)? {
        if c.ev.equal(&item, &wanted)? {
            found = at;
            if !last {
                break;
            }
        }
        at += 1;
    }
    Ok(Val::Int(found))
}

fn index_where(c: &mut Call<'_, '_>, last: bool) -> Res<Val> {
    let (mut source, predicate) = (c.source(0)?, c.lambda(1));
    let (mut found, mut at) = (-1, 0);
    while let Some(item) = source.next(c.ev)? {
        if select(c.ev, predicate.as_ref(), &item)?.is_truthy() {
            found = at;
            if !last {
                break;
            }
        }
        at += 1;
    }
    Ok(Val::Int(found))
}

fn ordered(c: &Call<'_, '_>, source: Val, by: Vec<(Rc<Lambda>, bool)>) -> Res<Val> {
    let order = Val::Order(Rc::new(Order {
        source,
        by,
        sorted: RefCell::default(),
    }));
    c.ev.nested(order.depth())?;
    Ok(order)
}

fn order_by(c: &Call<'_, '_>, ascending: bool) -> Res<Val> {
    let by = c
        .lambda(1)
        .map(|lambda| (lambda, ascending))
        .into_iter()
        .collect();
    ordered(c, c.arg(0), by)
}

fn then_by(c: &Call<'_, '_>, ascending: bool) -> Res<Val> {
    let Val::Order(order) = c.arg(0) else {
        return Ok(c.arg(0));
    };
    let more = c.lambda(1).map(|lambda| (lambda, ascending));
    let by = order.by.iter().cloned().chain(more).collect();
    ordered(c, order.source.clone(), by)
}

fn group_by(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut source = c.source(0)?;
    let (key_selector, value_selector, aggregator) = (c.lambda(1), c.lambda(2), c.lambda(3));
    let mut groups: indexmap::IndexMap<_, (Val, Vec<Val>)> = indexmap::IndexMap::new();
    while let Some(item) = source.next(c.ev)? {
        let value = select(c.ev, value_selector.as_ref(), &item)?;
        let key_value = select(c.ev, key_selector.as_ref(), &item)?;
        let key = c.ev.key(&key_value)?;
        c.ev.charge(2 * size_of::<Val>())?;
        groups
            .entry(key)
            .or_insert_with(|| (key_value, Vec::new()))
            .1
            .push(value);
    }
    let mut rows = Vec::with_capacity(groups.len());
    for (_, (key, values)) in groups {
        let values = c.ev.list(values)?;
        rows.push((key, values));
    }
    c.stream(Groups {
        rows: rows.into_iter(),
        aggregator,
        old: Old::Possible,
    })
}

/// Whether the aggregator may follow the old convention.
///
/// It gets the values of a group; or, as in yaql before 1.1.1, `[key, values]`, and gives a pair.
/// Which it is shows when the first way fails.
#[derive(PartialEq, Eq)]
enum Old {
    Possible,
    Certain,
    No,
}

struct Groups {
    rows: std::vec::IntoIter<(Val, Val)>,
    aggregator: Option<Rc<Lambda>>,
    old: Old,
}

impl Lazy for Groups {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let Some((key, values)) = self.rows.next() else {
            return Ok(None);
        };
        let Some(aggregator) = &self.aggregator else {
            return ev.list(vec![key, values]).map(Some);
        };
        let mut first_error = None;
        if self.old != Old::Certain {
            match ev.apply(aggregator, std::slice::from_ref(&values)) {
                Ok(result) => {
                    // Two values and a pair that begins with the first: it could be either.
                    let could_be_old = match (&values, &result) {
                        (Val::List(values), Val::List(result)) if result.len() == 2 => {
                            values.len() == 2
                                && match (values.get(0), result.get(0)) {
                                    (Some(a), Some(b)) => ev.equal(&a, &b)?,
                                    _ => false,
                                }
                        }
                        _ => false,
                    };
                    if !could_be_old {
                        self.old = Old::No;
                    }
                    return ev.list(vec![key, result]).map(Some);
                }
                Err(error) if self.old == Old::Possible && old_convention(&error) => {
                    self.old = Old::Certain;
                    first_error = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let group = ev.list(vec![key, values])?;
        match ev.apply(aggregator, &[group]) {
            Ok(row) if matches!(&row, Val::List(list) if list.len() == 2) => Ok(Some(row)),
            _ => Err(first_error.unwrap_or_else(|| {
                fail(
                    ErrorKind::Value,
                    "the aggregator of `groupBy` takes the values of a group, or gives a pair",
                )
            })),
        }
    }
}

/// Whether an aggregator failed as one does that was written for `[key, values]`.
fn old_convention(error: &Fail) -> bool {
    matches!(error.kind(), ErrorKind::NoMatch | ErrorKind::Index)
}

fn split_at(c: &mut Call<'_, '_>) -> Res<Val> {
    let list = c.list(0)?;
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let index = c.int_or(1, 0);
    let index = if index < 0 {
        (index + length).max(0)
    } else {
        index.min(length)
    };
    let index = usize::try_from(index).unwrap_or(0);
    let head = c.ev.list(list.iter().take(index).collect())?;
    let tail = c.ev.list(list.iter().skip(index).collect())?;
    c.ev.list(vec![head, tail])
}

/// Items that are made all at once, when the first is asked for.
pub(super) struct Deferred<F> {
    make: Option<F>,
    items: Option<Source>,
}

impl<F: FnOnce(&mut Eval<'_>) -> Res<List>> Deferred<F> {
    pub(super) fn new(make: F) -> Self {
        Deferred {
            make: Some(make),
            items: None,
        }
    }
}

impl<F: FnOnce(&mut Eval<'_>) -> Res<List>> Lazy for Deferred<F> {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        if let Some(make) = self.make.take() {
            self.items = Some(Source::List(make(ev)?, 0));
        }
        match &mut self.items {
            Some(items) => items.next(ev),
            None => Ok(None),
        }
    }
}

fn parts(ev: &mut Eval<'_>, parts: Vec<Vec<Val>>) -> Res<List> {
    let mut lists = Vec::with_capacity(parts.len());
    for part in parts {
        lists.push(ev.list(part)?);
    }
    ev.own_list(lists)
}

fn split_where(c: &mut Call<'_, '_>) -> Res<Val> {
    let (mut source, predicate) = (c.source(0)?, c.lambda(1));
    c.stream(Deferred::new(move |ev: &mut Eval<'_>| {
        let mut done = Vec::new();
        let mut part = Vec::new();
        while let Some(item) = source.next(ev)? {
            ev.charge(size_of::<Val>())?;
            if select(ev, predicate.as_ref(), &item)?.is_truthy() {
                done.push(std::mem::take(&mut part));
            } else {
                part.push(item);
            }
        }
        if !part.is_empty() {
            done.push(part);
        }
        parts(ev, done)
    }))
}

fn slice_where(c: &mut Call<'_, '_>) -> Res<Val> {
    let (mut source, predicate) = (c.source(0)?, c.lambda(1));
    c.stream(Deferred::new(move |ev: &mut Eval<'_>| {
        let mut done = Vec::new();
        let mut part = Vec::new();
        let mut before: Option<Val> = None;
        while let Some(item) = source.next(ev)? {
            ev.charge(size_of::<Val>())?;
            let now = select(ev, predicate.as_ref(), &item)?;
            if let Some(before) = &before
                && !ev.equal(before, &now)?
            {
                done.push(std::mem::take(&mut part));
            }
            part.push(item);
            before = Some(now);
        }
        if !part.is_empty() {
            done.push(part);
        }
        parts(ev, done)
    }))
}

fn default_if_empty(c: &mut Call<'_, '_>) -> Res<Val> {
    let value = match c.arg(0) {
        Val::Iter(stream) => memorized(stream),
        value => value,
    };
    let is_empty = c.ev.source(&value)?.next(c.ev)?.is_none();
    match if is_empty { c.arg(1) } else { value } {
        // In Python what isn't a list or a set is an iterator from here on.
        order @ Val::Order(_) => chain(c.ev, &[order]),
        value => Ok(value),
    }
}

/// How `mergeWith` joins lists and other values.
struct Mergers {
    lists: Option<Rc<Lambda>>,
    items: Option<Rc<Lambda>>,
}

fn merge_with(c: &mut Call<'_, '_>) -> Res<Val> {
    let mergers = Mergers {
        lists: c.lambda(2),
        items: c.lambda(3),
    };
    let (left, right, levels) = (c.dict(0), c.dict(1), c.int_or(4, 0));
    mergers.merge(c.ev, &left, &right, levels)
}

impl Mergers {
    /// `levels` is how deep mappings are merged instead of replaced: 0 for all the way down.
    fn merge(&self, ev: &mut Eval<'_>, left: &Dict, right: &Dict, levels: i64) -> Res<Val> {
        let mut merged = ev.dict_from(left)?;
        for (key, theirs) in right.iter() {
            ev.step(1)?;
            let wanted = ev.key(&key)?;
            let value = match left.get(&wanted) {
                None => theirs,
                Some(ours) => match (&ours, &theirs) {
                    (Val::Dict(ours), Val::Dict(theirs)) if levels != 1 => {
                        let levels = if levels == 0 { 0 } else { levels - 1 };
                        ev.deeper(|ev| self.merge(ev, ours, theirs, levels))?
                    }
                    (Val::List(_), Val::List(_)) if levels != 1 => {
                        self.merge_lists(ev, ours, theirs)?
                    }
                    (_, Val::Dict(_) | Val::List(_)) if levels != 1 => {
                        return Err(fail(
                            ErrorKind::Value,
                            format!("can't merge {} with {}", ours.kind(), theirs.kind()),
                        ));
                    }
                    _ => match &self.items {
                        Some(lambda) => ev.apply(lambda, &[ours, theirs])?,
                        None => theirs,
                    },
                },
            };
            merged.insert(ev, key, value)?;
        }
        merged.finish(ev)
    }

    /// Without a merger: the items of both, each once.
    fn merge_lists(&self, ev: &mut Eval<'_>, ours: Val, theirs: Val) -> Res<Val> {
        if let Some(merger) = &self.lists {
            return ev.apply(merger, &[ours, theirs]);
        }
        let both = ev.add(ours, theirs)?;
        let set = ev.set_of(&both)?;
        ev.list(set.items.values().cloned().collect())
    }
}
