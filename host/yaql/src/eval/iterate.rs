//! Going through collections.

use std::rc::Rc;

use super::{Eval, no_operator};
use crate::error::{ErrorKind, Res, fail};
use crate::value::{Dict, Key, Lambda, Lazy, List, Memo, Order, Set, Stream, Val, View};

/// A position in a collection.
pub(crate) enum Source {
    List(List, usize),
    Set(Rc<Set>, usize),
    View(View, Dict, usize),
    Stream(Rc<Stream>),
    Memo(Rc<Memo>, usize),
    /// Sorted when its first item is asked for.
    Order(Rc<Order>, usize),
}

impl Source {
    /// The next item.
    pub(crate) fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        ev.step(1)?;
        match self {
            Source::List(list, at) => {
                *at += 1;
                Ok(list.get(*at - 1))
            }
            Source::Set(set, at) => {
                *at += 1;
                Ok(set.items.get_index(*at - 1).map(|(_, item)| item.clone()))
            }
            Source::View(view, dict, at) => {
                *at += 1;
                let Some((key, value)) = dict.entry(*at - 1) else {
                    return Ok(None);
                };
                match view {
                    View::Keys => Ok(Some(key)),
                    View::Values => Ok(Some(value)),
                    View::Items => ev.list(vec![key, value]).map(Some),
                }
            }
            Source::Stream(stream) => stream.next(ev),
            Source::Order(order, at) => {
                *at += 1;
                Ok(ev.sorted(order)?.get(*at - 1))
            }
            Source::Memo(memo, at) => {
                *at += 1;
                if let Some(item) = memo.items.borrow().get(*at - 1) {
                    return Ok(Some(item.clone()));
                }
                let Val::Iter(stream) = &memo.source else {
                    return Ok(None);
                };
                let item = stream.next(ev)?;
                if let Some(item) = &item {
                    ev.charge(size_of::<Val>())?;
                    memo.items.borrow_mut().push(item.clone());
                }
                Ok(item)
            }
        }
    }
}

impl Lazy for Source {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        Source::next(self, ev)
    }
}

impl Stream {
    /// The next item.
    pub(crate) fn next(&self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        ev.step(1)?;
        let Ok(mut lazy) = self.lazy.try_borrow_mut() else {
            return Err(fail(
                ErrorKind::Value,
                "an iterator asks itself for its next item",
            ));
        };
        let item = ev.deeper(|ev| lazy.next(ev))?;
        if let Some(item) = &item {
            self.made.set(self.made.get() + 1);
            self.depth.set(self.depth.get().max(item.depth()));
            ev.check_length(self.made.get())?;
        }
        Ok(item)
    }
}

impl Eval<'_> {
    /// The start of a collection; of an iterator, where it stands.
    #[expect(clippy::unused_self, reason = "it reads as what it is part of")]
    pub(crate) fn source(&self, value: &Val) -> Res<Source> {
        Ok(match value {
            Val::List(list) => Source::List(list.clone(), 0),
            Val::Set(set) => Source::Set(Rc::clone(set), 0),
            Val::View(view, dict) => Source::View(*view, dict.clone(), 0),
            Val::Iter(stream) => Source::Stream(Rc::clone(stream)),
            Val::Memo(memo) => Source::Memo(Rc::clone(memo), 0),
            Val::Order(order) => Source::Order(Rc::clone(order), 0),
            other => return Err(no_operator("iteration", &[other])),
        })
    }

    /// The items of a collection as a list; a list itself.
    pub(crate) fn list_of(&mut self, value: &Val) -> Res<List> {
        match value {
            Val::List(list) => Ok(list.clone()),
            Val::Order(order) => self.sorted(order),
            _ => {
                let mut source = self.source(value)?;
                let mut items = Vec::new();
                while let Some(item) = source.next(self)? {
                    self.charge(size_of::<Val>())?;
                    items.push(item);
                }
                self.own_list(items)
            }
        }
    }

    /// The items of a collection as a set; a set itself.
    pub(crate) fn set_of(&mut self, value: &Val) -> Res<Rc<Set>> {
        if let Val::Set(set) = value {
            return Ok(Rc::clone(set));
        }
        let mut source = self.source(value)?;
        let mut items: Vec<(Key, Val)> = Vec::new();
        while let Some(item) = source.next(self)? {
            self.charge(size_of::<(Key, Val)>())?;
            items.push((self.key(&item)?, item));
        }
        self.set(items)
    }

    fn sorted(&mut self, order: &Order) -> Res<List> {
        if let Some(list) = &*order.sorted.borrow() {
            return Ok(list.clone());
        }
        let list = self.list_of(&order.source)?;
        self.charge(list.len() * (size_of::<Row>() + size_of::<usize>()))?;
        let mut rows: Vec<Row> = list.iter().map(|item| (Vec::new(), item)).collect();
        let places = self.deeper(|ev| ev.merge_sort(&mut rows, &order.by))?;
        let items = places.into_iter().filter_map(|at| list.get(at));
        let list = self.own_list(items.collect())?;
        *order.sorted.borrow_mut() = Some(list.clone());
        Ok(list)
    }

    /// A stable sort whose comparison may fail, which those of the standard library may not.
    fn merge_sort(&mut self, rows: &mut [Row], by: &[(Rc<Lambda>, bool)]) -> Res<Vec<usize>> {
        let mut runs: Vec<Vec<usize>> = (0..rows.len()).map(|at| vec![at]).collect();
        while runs.len() > 1 {
            let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
            let mut pairs = runs.into_iter();
            while let Some(left) = pairs.next() {
                merged.push(match pairs.next() {
                    Some(right) => self.merge(&left, &right, rows, by)?,
                    None => left,
                });
            }
            runs = merged;
        }
        Ok(runs.pop().unwrap_or_default())
    }

    fn merge(
        &mut self,
        left: &[usize],
        right: &[usize],
        rows: &mut [Row],
        by: &[(Rc<Lambda>, bool)],
    ) -> Res<Vec<usize>> {
        let mut merged = Vec::with_capacity(left.len() + right.len());
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let place = if self.comes_first(**b, **a, rows, by)? {
                right.next()
            } else {
                left.next()
            };
            merged.extend(place);
        }
        merged.extend(left);
        merged.extend(right);
        Ok(merged)
    }

    fn comes_first(
        &mut self,
        a: usize,
        b: usize,
        rows: &mut [Row],
        by: &[(Rc<Lambda>, bool)],
    ) -> Res<bool> {
        for (i, (lambda, ascending)) in by.iter().enumerate() {
            self.step(1)?;
            // What decides no comparison is not asked for, as it may fail.
            for row in [a, b] {
                if rows[row].0.len() == i {
                    let key = self.apply(lambda, std::slice::from_ref(&rows[row].1))?;
                    self.charge(size_of::<Val>())?;
                    rows[row].0.push(key);
                }
            }
            let (a, b) = (&rows[a].0[i], &rows[b].0[i]);
            if self.less(a, b)? {
                return Ok(*ascending);
            }
            if self.less(b, a)? {
                return Ok(!ascending);
            }
        }
        Ok(false)
    }
}

/// What an item is sorted by, as far as it was asked for, and the item.
type Row = (Vec<Val>, Val);
