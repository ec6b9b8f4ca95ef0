//! Queries whose items are made when they are asked for.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{both, method, opt, req};
use crate::error::{ErrorKind, Res, fail};
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
    both("append", &[ITERABLE], |c| {
        let source = c.source(0)?;
        let more = c.rest.clone();
        let more = c.ev.own_list(more)?;
        c.stream(Chain {
            sources: VecDeque::from([source, Source::List(more, 0)]),
        })
    })
    .rest(Ty::Any),
    both("concat", &[], |c| {
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
        |c| {
            let source = c.source(0)?;
            let key = c.lambda(1);
            c.stream(Distinct {
                source,
                key,
                seen: Seen::default(),
            })
        },
    ),
    both("enumerate", &[ITERABLE, opt("start", Ty::IntOrNull)], |c| {
        if matches!(c.arg(1), Val::Null) {
            return Err(fail(ErrorKind::Value, "the first number can't be null"));
        }
        let (source, at) = (c.source(0)?, c.int_or(1, 0));
        c.stream(Enumerate { source, at })
    }),
    method("flatten", &[ITERABLE], |c| {
        let source = c.source(0)?;
        c.stream(Flatten {
            sources: vec![source],
        })
    }),
    method("takeWhile", WHERE, |c| {
        let source = c.source(0)?;
        let predicate = c.lambda(1);
        c.stream(While {
            source,
            predicate,
            taking: true,
            passed: false,
        })
    }),
    method("skipWhile", WHERE, |c| {
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
    method("slice", &[ITERABLE, req("length", Ty::Int)], |c| {
        let source = c.source(0)?;
        let length = size(c)?;
        c.stream(Slices { source, length })
    }),
];

/// What the lambda makes of `item`; the item itself without one.
pub(super) fn select(ev: &mut Eval<'_>, lambda: Option<&Rc<Lambda>>, item: &Val) -> Res<Val> {
    match lambda {
        Some(lambda) => ev.apply(lambda, std::slice::from_ref(item)),
        None => Ok(item.clone()),
    }
}

fn filter(c: &mut Call<'_, '_>) -> Res<Val> {
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

fn map(c: &mut Call<'_, '_>) -> Res<Val> {
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

fn select_many(c: &mut Call<'_, '_>) -> Res<Val> {
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

/// The second argument as a number of items.
fn size(c: &Call<'_, '_>) -> Res<usize> {
    usize::try_from(c.int_or(1, 0))
        .map_err(|_| fail(ErrorKind::Value, "a number of items can't be negative"))
}

fn slice(c: &mut Call<'_, '_>, skip: bool) -> Res<Val> {
    let source = c.source(0)?;
    let count = size(c)?;
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
    left: usize,
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
    left: usize,
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
            if self.seen.insert(ev, &key)? {
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

fn zip(c: &mut Call<'_, '_>, longest: bool) -> Res<Val> {
    let mut fill = None;
    if longest {
        fill = Some(Val::Null);
        if let Some((_, value)) = c.named.iter().find(|(name, _)| &**name == "default") {
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

fn join(c: &mut Call<'_, '_>) -> Res<Val> {
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

/// How many items, having gone through them.
pub(super) fn count_items(ev: &mut Eval<'_>, value: &Val) -> Res<Val> {
    let mut source = ev.source(value)?;
    let mut items = 0;
    while source.next(ev)?.is_some() {
        items += 1;
    }
    Ok(count(items))
}
