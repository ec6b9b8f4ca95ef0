//! Lists with items left out, replaced or put in.

use std::collections::VecDeque;

use super::{method, opt, req};
use crate::error::Res;
use crate::eval::{Call, Eval, Function, Param, Source, Ty};
use crate::value::{Lazy, Val};

const ITERABLE: Param = req("collection", Ty::Iterable);

pub(super) const FUNCTIONS: &[Function] = &[
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

/// `delete`, `replace` and `insert`: the collection without the items that the arguments name,
/// with `values` in their place. `count` is the argument with the number of items to drop;
/// `usize::MAX` for none. A negative position of an insertion is none, or with `at_start` the
/// start.
fn splice(
    c: &mut Call<'_, '_>,
    count: usize,
    at_start: bool,
    values: fn(&mut Call<'_, '_>) -> Res<Vec<Val>>,
) -> Res<Val> {
    let source = c.source(0)?;
    let position = c.int_or(1, 0);
    let inserting = count == usize::MAX;
    let drop = if inserting { 0 } else { c.int_or(count, 1) };
    let values: VecDeque<Val> = values(c)?.into();
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
