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
    pub(crate) fn source(&mut self, value: &Val) -> Res<Source> {
        Ok(match value {
            Val::List(list) => Source::List(list.clone(), 0),
            Val::Set(set) => Source::Set(Rc::clone(set), 0),
            Val::View(view, dict) => Source::View(*view, dict.clone(), 0),
            Val::Iter(stream) => Source::Stream(Rc::clone(stream)),
            Val::Memo(memo) => Source::Memo(Rc::clone(memo), 0),
            Val::Order(order) => Source::List(self.sorted(order)?, 0),
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
        let mut rows = Vec::with_capacity(list.len());
        for item in list.iter() {
            let mut keys = Vec::with_capacity(order.by.len());
            // One item is not compared with anything, so its keys are not looked at either.
            if list.len() > 1 {
                for (lambda, _) in &order.by {
                    keys.push(self.apply(lambda, std::slice::from_ref(&item))?);
                }
            }
            self.charge((1 + keys.len()) * size_of::<Val>())?;
            rows.push((keys, item));
        }
        let rows = self.merge_sort(rows, &order.by)?;
        let list = self.own_list(rows.into_iter().map(|(_, item)| item).collect())?;
        *order.sorted.borrow_mut() = Some(list.clone());
        Ok(list)
    }

    /// A stable sort whose comparison may fail, which those of the standard library may not.
    fn merge_sort(&mut self, rows: Vec<Row>, by: &[(Rc<Lambda>, bool)]) -> Res<Vec<Row>> {
        let mut runs: Vec<Vec<Row>> = rows.into_iter().map(|row| vec![row]).collect();
        while runs.len() > 1 {
            let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
            let mut pairs = runs.into_iter();
            while let Some(left) = pairs.next() {
                merged.push(match pairs.next() {
                    Some(right) => self.merge(left, right, by)?,
                    None => left,
                });
            }
            runs = merged;
        }
        Ok(runs.pop().unwrap_or_default())
    }

    fn merge(
        &mut self,
        left: Vec<Row>,
        right: Vec<Row>,
        by: &[(Rc<Lambda>, bool)],
    ) -> Res<Vec<Row>> {
        let mut merged = Vec::with_capacity(left.len() + right.len());
        let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let row = if self.comes_first(&b.0, &a.0, by)? {
                right.next()
            } else {
                left.next()
            };
            merged.extend(row);
        }
        merged.extend(left);
        merged.extend(right);
        Ok(merged)
    }

    fn comes_first(&mut self, a: &[Val], b: &[Val], by: &[(Rc<Lambda>, bool)]) -> Res<bool> {
        for ((a, b), (_, ascending)) in a.iter().zip(b).zip(by) {
            self.step(1)?;
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

/// What an item is sorted by, and the item.
type Row = (Vec<Val>, Val);
