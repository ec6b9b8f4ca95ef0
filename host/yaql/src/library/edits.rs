//! Lists with items left out, replaced or put in.

use super::{method, opt, req};
use crate::error::Res;
use crate::eval::{Call, Eval, Function, Param, Source, Ty};
use crate::value::{Lazy, Val};

const ITERABLE: Param = req("collection", Ty::Iterable);

pub(super) const FUNCTIONS: &[Function] = &[
    method(
        "delete",
        &[ITERABLE, req("position", Ty::Int), opt("count", Ty::Int)],
        |c| splice(c, 2, false, None),
    ),
    method(
        "replace",
        &[
            ITERABLE,
            req("position", Ty::Int),
            req("value", Ty::Any),
            opt("count", Ty::Int),
        ],
        |c| {
            let value = c.arg(2);
            let values = c.ev.list(vec![value])?;
            splice(c, 3, false, Some(values))
        },
    ),
    method(
        "replaceMany",
        &[
            ITERABLE,
            req("position", Ty::Int),
            req("values", Ty::Iterable),
            opt("count", Ty::Int),
        ],
        |c| {
            let values = c.arg(2);
            splice(c, 3, false, Some(values))
        },
    ),
    method(
        "insert",
        &[
            req("collection", Ty::NoSet),
            req("position", Ty::Int),
            req("value", Ty::Any),
        ],
        |c| {
            let value = c.arg(2);
            let values = c.ev.list(vec![value])?;
            splice(c, usize::MAX, false, Some(values))
        },
    ),
    method(
        "insertMany",
        &[
            ITERABLE,
            req("position", Ty::Int),
            req("values", Ty::Iterable),
        ],
        |c| {
            let values = c.arg(2);
            splice(c, usize::MAX, true, Some(values))
        },
    ),
];

/// `delete`, `replace` and `insert`: the collection without the items that the arguments name,
/// with `values` in their place. `count` is the argument with the number of items to drop;
/// `usize::MAX` for none. A negative position of an insertion is none, or with `at_start` the
/// start.
fn splice(c: &mut Call<'_, '_>, count: usize, at_start: bool, values: Option<Val>) -> Res<Val> {
    let source = c.source(0)?;
    let position = c.int_or(1, 0);
    let inserting = count == usize::MAX;
    let drop = if inserting { 0 } else { c.int_or(count, 1) };
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
        values,
        out: None,
    })
}

struct Splice {
    source: Source,
    at: i64,
    place: i64,
    /// How many items to leave out from `place` on; all if negative.
    drop: i64,
    inserting: bool,
    /// What comes in their place. Gone through only when it is its turn.
    values: Option<Val>,
    /// Values on their way out, and the item that follows them.
    out: Option<(Source, Option<Val>)>,
}

impl Lazy for Splice {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        loop {
            if let Some((values, after)) = &mut self.out {
                if let Some(item) = values.next(ev)? {
                    return Ok(Some(item));
                }
                let after = after.take();
                self.out = None;
                if after.is_some() {
                    return Ok(after);
                }
            }
            let Some(item) = self.source.next(ev)? else {
                // What is inserted past the end goes to the end.
                if self.inserting
                    && self.place >= self.at
                    && let Some(values) = self.values.take()
                {
                    self.out = Some((ev.source(&values)?, None));
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
            let values = if dropped || (self.inserting && at == self.place) {
                self.values.take()
            } else {
                None
            };
            let kept = (!dropped).then_some(item);
            match values {
                Some(values) => self.out = Some((ev.source(&values)?, kept)),
                None if kept.is_some() => return Ok(kept),
                None => {}
            }
        }
    }
}
