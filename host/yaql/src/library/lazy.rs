//! Queries whose items are made when they are asked for.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{both, function, method, opt, req};
use crate::error::Res;
use crate::eval::{Call, Eval, Function, Param, Source, Ty};
use crate::library::collections::count;
use crate::value::{Lambda, Lazy, Seen, Val};

const ITERABLE: Param = req("collection", Ty::Iterable);
const WHERE: &[Param] = &[ITERABLE, req("predicate", Ty::Lambda)];
const SELECT: &[Param] = &[ITERABLE, req("selector", Ty::Lambda)];
const COUNT: &[Param] = &[ITERABLE, req("count", Ty::Int)];

pub(super) const FUNCTIONS: &[Function] = &[
    method("where", WHERE, filter),
    method("filter", WHERE, filter),
    method("select", SELECT, map),
    method("map", SELECT, map),
    method("selectMany", SELECT, select_many),
    method("skip", COUNT, |c| slice(c, true)),
    method("limit", COUNT, |c| slice(c, false)),
    method("take", COUNT, |c| slice(c, false)),
    both("append", &[ITERABLE], |mut c| {
        let source = c.source(0)?;
        let more = c.rest.clone();
        let more = c.ev.own_list(more)?;
        c.stream(Chain {
            sources: VecDeque::from([source, Source::List(more, 0)]),
        })
    })
    .rest(Ty::Any),
    both("concat", &[], |mut c| {
        let mut sources = VecDeque::new();
        for value in &c.rest {
            sources.push_back(c.ev.source(value)?);
        }
        c.stream(Chain { sources })
    })
    .rest(Ty::Iterable),
    both(
        "distinct",
        &[ITERABLE, opt("keySelector", Ty::Lambda)],
        |mut c| {
            let source = c.source(0)?;
            let key = c.lambda(1);
            c.stream(Distinct {
                source,
                key,
                seen: Seen::default(),
            })
        },
    ),
    both(
        "enumerate",
        &[ITERABLE, opt("start", Ty::IntOrNull)],
        |mut c| {
            let (source, at) = (c.source(0)?, c.int_or(1, 0));
            c.stream(Enumerate { source, at })
        },
    ),
    method("flatten", &[ITERABLE], |mut c| {
        let source = c.source(0)?;
        c.stream(Flatten {
            sources: vec![source],
        })
    }),
    method("takeWhile", WHERE, |mut c| {
        let source = c.source(0)?;
        let predicate = c.lambda(1);
        c.stream(While {
            source,
            predicate,
            taking: true,
            passed: false,
        })
    }),
    method("skipWhile", WHERE, |mut c| {
        let source = c.source(0)?;
        let predicate = c.lambda(1);
        c.stream(While {
            source,
            predicate,
            taking: false,
            passed: false,
        })
    }),
    method("zip", &[], |c| zip(c, false)).rest(Ty::Iterable),
    method("zipLongest", &[], |c| zip(c, true))
        .rest(Ty::Iterable)
        .any_name(),
    method(
        "join",
        &[
            req("collection1", Ty::Iterable),
            req("collection2", Ty::Iterable),
            req("predicate", Ty::Lambda),
            req("selector", Ty::Lambda),
        ],
        join,
    ),
    function("range", &[req("stop", Ty::Int)], |mut c| {
        let stop = c.int_or(0, 0);
        c.stream(Range {
            at: 0,
            stop: Some(stop),
            step: 1,
        })
    }),
    function(
        "range",
        &[
            req("start", Ty::Int),
            req("stop", Ty::Int),
            opt("step", Ty::Int),
        ],
        range,
    ),
    function(
        "sequence",
        &[opt("start", Ty::Int), opt("step", Ty::Int)],
        |mut c| {
            let (at, step) = (c.int_or(0, 0), c.int_or(1, 1));
            c.stream(Range {
                at,
                stop: None,
                step,
            })
        },
    ),
    method(
        "repeat",
        &[req("value", Ty::Any), opt("times", Ty::Int)],
        |mut c| {
            let (value, times) = (c.arg(0), c.int_or(1, -1));
            c.stream(Repeat {
                value,
                left: u64::try_from(times).ok(),
            })
        },
    ),
    method("cycle", &[ITERABLE], |mut c| {
        let source = c.source(0)?;
        c.stream(Cycle {
            source: Some(source),
            items: Vec::new(),
            at: 0,
        })
    }),
    method(
        "accumulate",
        &[ITERABLE, req("selector", Ty::Lambda), opt("seed", Ty::Any)],
        accumulate,
    ),
    function(
        "generate",
        &[
            req("initial", Ty::Any),
            req("predicate", Ty::Lambda),
            req("producer", Ty::Lambda),
            opt("selector", Ty::Lambda),
            opt("decycle", Ty::Bool),
        ],
        |mut c| {
            let generate = Generate {
                current: Some(c.arg(0)),
                predicate: c.lambda(1),
                producer: c.lambda(2),
                selector: c.lambda(3),
                seen: c.flag(4, false).then(Seen::default),
                started: false,
            };
            c.stream(generate)
        },
    ),
    function(
        "generateMany",
        &[
            req("initial", Ty::Any),
            req("producer", Ty::Lambda),
            opt("selector", Ty::Lambda),
            opt("decycle", Ty::Bool),
            opt("depthFirst", Ty::Bool),
        ],
        |mut c| {
            let generate = GenerateMany {
                queue: VecDeque::from([c.arg(0)]),
                producer: c.lambda(1),
                selector: c.lambda(2),
                seen: c.flag(3, false).then(Seen::default),
                depth_first: c.flag(4, false),
            };
            c.stream(generate)
        },
    ),
    method("slice", &[ITERABLE, req("length", Ty::Int)], |mut c| {
        let source = c.source(0)?;
        let length = usize::try_from(c.int_or(1, 0)).unwrap_or(0);
        c.stream(Slices { source, length })
    }),
    method(
        "delete",
        &[ITERABLE, req("position", Ty::Int), opt("count", Ty::Int)],
        |c| splice(c, 2, false, |_| Ok(Vec::new())),
    ),
    method(
        "replace",
        &[
            ITERABLE,
            req("position", Ty::Int),
            req("value", Ty::Any),
            opt("count", Ty::Int),
        ],
        |c| splice(c, 3, false, |c| Ok(vec![c.arg(2)])),
    ),
    method(
        "replaceMany",
        &[
            ITERABLE,
            req("position", Ty::Int),
            req("values", Ty::Iterable),
            opt("count", Ty::Int),
        ],
        |c| splice(c, 3, false, |c| Ok(c.list(2)?.iter().collect())),
    ),
    method(
        "insert",
        &[
            req("collection", Ty::NoSet),
            req("position", Ty::Int),
            req("value", Ty::Any),
        ],
        |c| splice(c, usize::MAX, false, |c| Ok(vec![c.arg(2)])),
    ),
    method(
        "insertMany",
        &[
            ITERABLE,
            req("position", Ty::Int),
            req("values", Ty::Iterable),
        ],
        |c| splice(c, usize::MAX, true, |c| Ok(c.list(2)?.iter().collect())),
    ),
];

/// What the lambda makes of `item`; the item itself without one.
pub(super) fn select(ev: &mut Eval<'_>, lambda: Option<&Rc<Lambda>>, item: &Val) -> Res<Val> {
    match lambda {
        Some(lambda) => ev.apply(lambda, std::slice::from_ref(item)),
        None => Ok(item.clone()),
    }
}

fn filter(mut c: Call<'_, '_>) -> Res<Val> {
    let source = c.source(0)?;
    let predicate = c.lambda(1);
    c.stream(Filter { source, predicate })
}

struct Filter {
    source: Source,
    predicate: Option<Rc<Lambda>>,
}

impl Lazy for Filter {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        while let Some(item) = self.source.next(ev)? {
            if select(ev, self.predicate.as_ref(), &item)?.is_truthy() {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }
}

fn map(mut c: Call<'_, '_>) -> Res<Val> {
    let source = c.source(0)?;
    let selector = c.lambda(1);
    c.stream(Map { source, selector })
}

struct Map {
    source: Source,
    selector: Option<Rc<Lambda>>,
}

impl Lazy for Map {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        match self.source.next(ev)? {
            Some(item) => select(ev, self.selector.as_ref(), &item).map(Some),
            None => Ok(None),
        }
    }
}

fn select_many(mut c: Call<'_, '_>) -> Res<Val> {
    let source = c.source(0)?;
    let selector = c.lambda(1);
    c.stream(SelectMany {
        source,
        selector,
        inner: None,
    })
}

struct SelectMany {
    source: Source,
    selector: Option<Rc<Lambda>>,
    inner: Option<Source>,
}

impl Lazy for SelectMany {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        loop {
            if let Some(inner) = &mut self.inner {
                if let Some(item) = inner.next(ev)? {
                    return Ok(Some(item));
                }
                self.inner = None;
            }
            let Some(item) = self.source.next(ev)? else {
                return Ok(None);
            };
            let selected = select(ev, self.selector.as_ref(), &item)?;
            if !selected.is_iterable() {
                return Ok(Some(selected));
            }
            self.inner = Some(ev.source(&selected)?);
        }
    }
}

fn slice(mut c: Call<'_, '_>, skip: bool) -> Res<Val> {
    let source = c.source(0)?;
    let Ok(count) = u64::try_from(c.int_or(1, 0)) else {
        return Err(crate::error::fail(
            crate::error::ErrorKind::Value,
            "a number of items can't be negative",
        ));
    };
    if skip {
        c.stream(Skip {
            source,
            left: count,
        })
    } else {
        c.stream(Take {
            source,
            left: count,
        })
    }
}

struct Skip {
    source: Source,
    left: u64,
}

impl Lazy for Skip {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        while self.left > 0 {
            if self.source.next(ev)?.is_none() {
                return Ok(None);
            }
            self.left -= 1;
        }
        self.source.next(ev)
    }
}

struct Take {
    source: Source,
    left: u64,
}

impl Lazy for Take {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.source.next(ev)
    }
}

/// One collection after the other.
pub(super) struct Chain {
    pub(super) sources: VecDeque<Source>,
}

impl Lazy for Chain {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        while let Some(source) = self.sources.front_mut() {
            if let Some(item) = source.next(ev)? {
                return Ok(Some(item));
            }
            self.sources.pop_front();
        }
        Ok(None)
    }
}

struct Distinct {
    source: Source,
    key: Option<Rc<Lambda>>,
    seen: Seen,
}

impl Lazy for Distinct {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        while let Some(item) = self.source.next(ev)? {
            let key = select(ev, self.key.as_ref(), &item)?;
            let key = ev.key(&key)?;
            ev.charge(size_of_val(&key) + 16)?;
            if self.seen.insert(key) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }
}

struct Enumerate {
    source: Source,
    at: i64,
}

impl Lazy for Enumerate {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let Some(item) = self.source.next(ev)? else {
            return Ok(None);
        };
        let index = Val::Int(self.at);
        self.at = self.at.checked_add(1).ok_or_else(crate::eval::overflow)?;
        ev.list(vec![index, item]).map(Some)
    }
}

struct Flatten {
    sources: Vec<Source>,
}

impl Lazy for Flatten {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        while let Some(source) = self.sources.last_mut() {
            match source.next(ev)? {
                Some(item) if item.is_iterable() => {
                    ev.nested(u32::try_from(self.sources.len()).unwrap_or(u32::MAX))?;
                    self.sources.push(ev.source(&item)?);
                }
                Some(item) => return Ok(Some(item)),
                None => {
                    self.sources.pop();
                }
            }
        }
        Ok(None)
    }
}

/// `takeWhile` and `skipWhile`.
struct While {
    source: Source,
    predicate: Option<Rc<Lambda>>,
    taking: bool,
    passed: bool,
}

impl Lazy for While {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        if self.taking && self.passed {
            return Ok(None);
        }
        while let Some(item) = self.source.next(ev)? {
            if self.passed {
                return Ok(Some(item));
            }
            let holds = select(ev, self.predicate.as_ref(), &item)?.is_truthy();
            self.passed = !holds;
            match (self.taking, holds) {
                (true, true) | (false, false) => return Ok(Some(item)),
                (true, false) => return Ok(None),
                (false, true) => {}
            }
        }
        Ok(None)
    }
}

fn zip(mut c: Call<'_, '_>, longest: bool) -> Res<Val> {
    let mut fill = None;
    if longest {
        fill = Some(Val::Null);
        for (name, value) in &c.named {
            if &**name != "default" {
                return Err(crate::error::fail(
                    crate::error::ErrorKind::NoMatch,
                    format!("`zipLongest` has no argument `{name}`"),
                ));
            }
            fill = Some(value.clone());
        }
    }
    let mut sources = Vec::new();
    for value in &c.rest {
        sources.push(Some(c.ev.source(value)?));
    }
    let named = c
        .named
        .iter()
        .map(|(_, value)| value.depth())
        .max()
        .unwrap_or(0);
    c.ev.nested(named)?;
    c.stream(Zip { sources, fill })
}

struct Zip {
    sources: Vec<Option<Source>>,
    /// What stands for items of a collection that has no more; None to end with the first.
    fill: Option<Val>,
}

impl Lazy for Zip {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let mut row = Vec::with_capacity(self.sources.len());
        let mut any = false;
        for source in &mut self.sources {
            let item = match source {
                Some(some) => some.next(ev)?,
                None => None,
            };
            match (item, &self.fill) {
                (Some(item), _) => {
                    any = true;
                    row.push(item);
                }
                (None, Some(fill)) => {
                    *source = None;
                    row.push(fill.clone());
                }
                (None, None) => return Ok(None),
            }
        }
        if any {
            ev.list(row).map(Some)
        } else {
            Ok(None)
        }
    }
}

fn join(mut c: Call<'_, '_>) -> Res<Val> {
    let left = c.source(0)?;
    let right = match c.arg(1) {
        Val::Iter(stream) => super::queries::memorized(stream),
        value => value,
    };
    let (predicate, selector) = (c.lambda(2), c.lambda(3));
    c.stream(Join {
        left,
        right,
        current: None,
        predicate,
        selector,
    })
}

struct Join {
    left: Source,
    right: Val,
    current: Option<(Val, Source)>,
    predicate: Option<Rc<Lambda>>,
    selector: Option<Rc<Lambda>>,
}

impl Lazy for Join {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let (Some(predicate), Some(selector)) = (&self.predicate, &self.selector) else {
            return Ok(None);
        };
        loop {
            if let Some((left, source)) = &mut self.current {
                while let Some(right) = source.next(ev)? {
                    let pair = [left.clone(), right];
                    if ev.apply(predicate, &pair)?.is_truthy() {
                        return ev.apply(selector, &pair).map(Some);
                    }
                }
            }
            let Some(left) = self.left.next(ev)? else {
                return Ok(None);
            };
            self.current = Some((left, ev.source(&self.right)?));
        }
    }
}

fn range(mut c: Call<'_, '_>) -> Res<Val> {
    let (at, stop, step) = (c.int_or(0, 0), c.int_or(1, 0), c.int_or(2, 1));
    if step == 0 {
        return Err(crate::error::fail(
            crate::error::ErrorKind::Value,
            "the step of a range can't be zero",
        ));
    }
    c.stream(Range {
        at,
        stop: Some(stop),
        step,
    })
}

struct Range {
    at: i64,
    stop: Option<i64>,
    step: i64,
}

impl Lazy for Range {
    fn next(&mut self, _: &mut Eval<'_>) -> Res<Option<Val>> {
        match self.stop {
            Some(stop) if self.step > 0 && self.at >= stop => return Ok(None),
            Some(stop) if self.step < 0 && self.at <= stop => return Ok(None),
            _ => {}
        }
        let value = Val::Int(self.at);
        match (self.at.checked_add(self.step), self.stop) {
            (Some(next), _) => self.at = next,
            // The stop lies before the end of the numbers.
            (None, Some(stop)) => self.at = stop,
            (None, None) => return Err(crate::eval::overflow()),
        }
        Ok(Some(value))
    }
}

struct Repeat {
    value: Val,
    left: Option<u64>,
}

impl Lazy for Repeat {
    fn next(&mut self, _: &mut Eval<'_>) -> Res<Option<Val>> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                return Ok(None);
            }
            *left -= 1;
        }
        Ok(Some(self.value.clone()))
    }
}

struct Cycle {
    source: Option<Source>,
    items: Vec<Val>,
    at: usize,
}

impl Lazy for Cycle {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        if let Some(source) = &mut self.source {
            if let Some(item) = source.next(ev)? {
                ev.charge(size_of::<Val>())?;
                self.items.push(item.clone());
                return Ok(Some(item));
            }
            self.source = None;
        }
        let item = self.items.get(self.at).cloned();
        self.at = (self.at + 1) % self.items.len().max(1);
        Ok(item)
    }
}

fn accumulate(mut c: Call<'_, '_>) -> Res<Val> {
    let source = c.source(0)?;
    let selector = c.lambda(1);
    let seed = (!c.is_missing(2)).then(|| c.arg(2));
    c.stream(Accumulate {
        source,
        selector,
        total: None,
        seed,
    })
}

struct Accumulate {
    source: Source,
    selector: Option<Rc<Lambda>>,
    total: Option<Val>,
    seed: Option<Val>,
}

impl Lazy for Accumulate {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let total = match self.total.take() {
            None => match self.seed.take() {
                Some(seed) => seed,
                None => self
                    .source
                    .next(ev)?
                    .ok_or_else(super::queries::nothing_to_reduce)?,
            },
            Some(total) => {
                let Some(item) = self.source.next(ev)? else {
                    self.total = Some(total);
                    return Ok(None);
                };
                match &self.selector {
                    Some(selector) => ev.apply(selector, &[total, item])?,
                    None => item,
                }
            }
        };
        self.total = Some(total.clone());
        Ok(Some(total))
    }
}

struct Generate {
    current: Option<Val>,
    predicate: Option<Rc<Lambda>>,
    producer: Option<Rc<Lambda>>,
    selector: Option<Rc<Lambda>>,
    seen: Option<Seen>,
    started: bool,
}

impl Lazy for Generate {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let Some(mut current) = self.current.take() else {
            return Ok(None);
        };
        if std::mem::replace(&mut self.started, true) {
            current = select(ev, self.producer.as_ref(), &current)?;
        }
        if !select(ev, self.predicate.as_ref(), &current)?.is_truthy() {
            return Ok(None);
        }
        if let Some(seen) = &mut self.seen {
            let key = ev.key(&current)?;
            ev.charge(size_of_val(&key) + 16)?;
            if !seen.insert(key) {
                return Ok(None);
            }
        }
        let item = select(ev, self.selector.as_ref(), &current)?;
        self.current = Some(current);
        Ok(Some(item))
    }
}

struct GenerateMany {
    queue: VecDeque<Val>,
    producer: Option<Rc<Lambda>>,
    selector: Option<Rc<Lambda>>,
    seen: Option<Seen>,
    depth_first: bool,
}

impl Lazy for GenerateMany {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        while let Some(item) = self.queue.pop_front() {
            if let Some(seen) = &mut self.seen {
                let key = ev.key(&item)?;
                ev.charge(size_of_val(&key) + 16)?;
                if !seen.insert(key) {
                    continue;
                }
            }
            let selected = select(ev, self.selector.as_ref(), &item)?;
            let produced = select(ev, self.producer.as_ref(), &item)?;
            let produced = ev.to_list(&produced)?;
            ev.charge(produced.len() * size_of::<Val>())?;
            if self.depth_first {
                for item in produced.iter().rev() {
                    self.queue.push_front(item);
                }
            } else {
                self.queue.extend(produced.iter());
            }
            return Ok(Some(selected));
        }
        Ok(None)
    }
}

struct Slices {
    source: Source,
    length: usize,
}

impl Lazy for Slices {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let mut items = Vec::new();
        while items.len() < self.length {
            match self.source.next(ev)? {
                Some(item) => items.push(item),
                None => break,
            }
            ev.charge(size_of::<Val>())?;
        }
        if items.is_empty() {
            Ok(None)
        } else {
            ev.list(items).map(Some)
        }
    }
}

/// `delete`, `replace` and `insert`: the collection without the items that the arguments name,
/// with `values` in their place. `count` is the argument with the number of items to drop;
/// `usize::MAX` for none. A negative position of an insertion is none, or with `at_start` the
/// start.
fn splice(
    mut c: Call<'_, '_>,
    count: usize,
    at_start: bool,
    values: fn(&mut Call<'_, '_>) -> Res<Vec<Val>>,
) -> Res<Val> {
    let source = c.source(0)?;
    let position = c.int_or(1, 0);
    let inserting = count == usize::MAX;
    let drop = if inserting { 0 } else { c.int_or(count, 1) };
    let values: VecDeque<Val> = values(&mut c)?.into();
    let place = if inserting && at_start && position < 0 {
        0
    } else {
        position
    };
    c.stream(Splice {
        source,
        at: 0,
        place,
        drop,
        inserting,
        values: Some(values),
        out: VecDeque::new(),
    })
}

struct Splice {
    source: Source,
    at: i64,
    place: i64,
    /// How many items to leave out from `place` on; all if negative.
    drop: i64,
    inserting: bool,
    values: Option<VecDeque<Val>>,
    /// Values on their way out, with the item that follows them.
    out: VecDeque<Val>,
}

impl Lazy for Splice {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        loop {
            if let Some(item) = self.out.pop_front() {
                return Ok(Some(item));
            }
            let Some(item) = self.source.next(ev)? else {
                // What is inserted past the end goes to the end.
                if self.inserting
                    && self.place >= self.at
                    && let Some(values) = self.values.take()
                {
                    self.out = values;
                    continue;
                }
                return Ok(None);
            };
            let at = self.at;
            self.at += 1;
            let dropped = if self.drop < 0 {
                at >= self.place
            } else {
                at >= self.place && at < self.place.saturating_add(self.drop)
            };
            if dropped || (self.inserting && at == self.place) {
                self.out = self.values.take().unwrap_or_default();
            }
            if !dropped {
                self.out.push_back(item);
            }
        }
    }
}

/// How many items, having gone through them.
pub(super) fn count_items(ev: &mut Eval<'_>, value: &Val) -> Res<Val> {
    let mut source = ev.source(value)?;
    let mut items = 0;
    while source.next(ev)?.is_some() {
        items += 1;
    }
    Ok(count(items))
}
