//! Iterators that make their items themselves.

use std::collections::VecDeque;
use std::rc::Rc;

use super::lazy::select;
use super::{function, method, opt, req};
use crate::error::{ErrorKind, Res, fail};
use crate::eval::{Call, Eval, Function, Param, Source, Ty, overflow};
use crate::value::{Lambda, Lazy, Seen, Val};

const ITERABLE: Param = req("collection", Ty::Iterable);

pub(super) const FUNCTIONS: &[Function] = &[
    function("range", &[req("stop", Ty::Int)], |c| {
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
        |c| {
            let (at, step) = (c.int_or(0, 0), c.int_or(1, 1));
            let range = Range {
                at,
                stop: None,
                step,
            };
            // Python's begins with what was given, which may be a truth value.
            let first = match c.arg(0) {
                first @ Val::Bool(_) => Some(first),
                _ => None,
            };
            c.stream(Sequence { first, range })
        },
    ),
    method(
        "repeat",
        &[req("value", Ty::Any), opt("times", Ty::Int)],
        |c| {
            let (value, times) = (c.arg(0), c.int_or(1, -1));
            c.stream(Repeat {
                value,
                left: u64::try_from(times).ok(),
            })
        },
    ),
    method("cycle", &[ITERABLE], |c| {
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
        |c| {
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
        |c| {
            let generate = GenerateMany {
                queue: VecDeque::from([c.arg(0)]),
                last: None,
                producer: c.lambda(1),
                selector: c.lambda(2),
                seen: c.flag(3, false).then(Seen::default),
                depth_first: c.flag(4, false),
            };
            c.stream(generate)
        },
    ),
];

fn range(c: &mut Call<'_, '_>) -> Res<Val> {
    let (at, end, step) = (c.int_or(0, 0), c.int_or(1, 0), c.int_or(2, 1));
    if step == 0 {
        return Err(fail(ErrorKind::Value, "the step of a range can't be zero"));
    }
    c.stream(Range {
        at,
        stop: Some(end),
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
            (None, None) => return Err(overflow()),
        }
        Ok(Some(value))
    }
}

struct Sequence {
    /// What is written in place of the first number.
    first: Option<Val>,
    range: Range,
}

impl Lazy for Sequence {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let number = self.range.next(ev)?;
        Ok(self.first.take().or(number))
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

fn accumulate(c: &mut Call<'_, '_>) -> Res<Val> {
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
        if let Some(seen) = &mut self.seen
            && !seen.insert(ev, &current)?
        {
            return Ok(None);
        }
        let item = select(ev, self.selector.as_ref(), &current)?;
        self.current = Some(current);
        Ok(Some(item))
    }
}

struct GenerateMany {
    queue: VecDeque<Val>,
    last: Option<Val>,
    producer: Option<Rc<Lambda>>,
    selector: Option<Rc<Lambda>>,
    seen: Option<Seen>,
    depth_first: bool,
}

impl Lazy for GenerateMany {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        // What an item produces is asked for after the item itself was taken.
        if let Some(last) = self.last.take() {
            let produced = select(ev, self.producer.as_ref(), &last)?;
            let produced = ev.list_of(&produced)?;
            ev.charge(produced.len() * size_of::<Val>())?;
            if self.depth_first {
                for item in produced.iter().rev() {
                    self.queue.push_front(item);
                }
            } else {
                self.queue.extend(produced.iter());
            }
        }
        while let Some(item) = self.queue.pop_front() {
            if let Some(seen) = &mut self.seen
                && !seen.insert(ev, &item)?
            {
                continue;
            }
            let selected = select(ev, self.selector.as_ref(), &item)?;
            self.last = Some(item);
            return Ok(Some(selected));
        }
        Ok(None)
    }
}
