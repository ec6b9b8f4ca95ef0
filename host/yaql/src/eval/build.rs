//! New values, counted.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use ostro_core::Map;

use super::Eval;
use crate::error::Res;
use crate::value::{Dict, Entries, Key, Lazy, List, OwnDict, OwnList, Set, Stream, Val};

/// What an item of a list takes, and what it takes to make one at all.
const ITEM: usize = size_of::<Val>();
const OBJECT: usize = 48;
/// What an entry of a mapping or a set takes.
const ENTRY: usize = size_of::<(Key, (Val, Val))>() + 16;

impl Eval<'_> {
    /// A list of `items`.
    pub(crate) fn list(&mut self, items: Vec<Val>) -> Res<Val> {
        self.own_list(items).map(Val::List)
    }

    /// A list of `items`.
    pub(crate) fn own_list(&mut self, items: Vec<Val>) -> Res<List> {
        self.charge(OBJECT + items.len() * ITEM)?;
        let deepest = items.iter().map(Val::depth).max().unwrap_or(0);
        let depth = self.nested(deepest + 1)?;
        Ok(List::Own(Rc::new(OwnList { items, depth })))
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) -> Res<Val> {
        self.charge(OBJECT + text.len())?;
        Ok(Val::Str(Arc::from(text)))
    }

    /// A lazy sequence that holds on to values that nest `depth - 1` deep.
    pub(crate) fn stream(&mut self, depth: u32, lazy: Box<dyn Lazy>) -> Res<Val> {
        self.charge(2 * OBJECT)?;
        Ok(Val::Iter(Rc::new(Stream {
            lazy: RefCell::new(lazy),
            made: Cell::new(0),
            depth: Cell::new(self.nested(depth)?),
        })))
    }

    /// A mapping to fill that begins with what `dict` has.
    pub(crate) fn dict_from(&mut self, dict: &Dict) -> Res<DictBuilder> {
        self.charge(OBJECT + dict.len() * ENTRY)?;
        self.step(dict.len() as u64)?;
        Ok(match dict {
            Dict::Own(dict) => DictBuilder {
                entries: dict.entries.clone(),
                depth: dict.depth.saturating_sub(1),
            },
            Dict::Json(map) => DictBuilder {
                entries: entries(map),
                depth: 0,
            },
        })
    }

    /// A set of `items`.
    pub(crate) fn set(&mut self, items: impl IntoIterator<Item = (Key, Val)>) -> Res<Rc<Set>> {
        let mut set = Set {
            items: indexmap::IndexMap::default(),
            depth: 0,
        };
        for (key, item) in items {
            self.step(1)?;
            self.charge(ENTRY)?;
            set.depth = set.depth.max(item.depth());
            set.items.entry(key).or_insert(item);
        }
        set.depth = self.nested(set.depth + 1)?;
        Ok(Rc::new(set))
    }
}

fn entries(map: &Map) -> Entries {
    map.iter()
        .map(|(key, value)| {
            (
                Key::Str(Arc::clone(key)),
                (Val::Str(Arc::clone(key)), Val::from(value)),
            )
        })
        .collect()
}

/// A mapping being made.
#[derive(Default)]
pub(crate) struct DictBuilder {
    pub(crate) entries: Entries,
    depth: u32,
}

impl DictBuilder {
    /// Sets `key`; one that is there keeps its place and its spelling.
    pub(crate) fn insert(&mut self, ev: &mut Eval<'_>, key: Val, value: Val) -> Res<()> {
        let wanted = ev.key(&key)?;
        ev.charge(ENTRY)?;
        self.depth = self.depth.max(key.depth()).max(value.depth());
        match self.entries.entry(wanted) {
            indexmap::map::Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            indexmap::map::Entry::Vacant(entry) => {
                entry.insert((key, value));
            }
        }
        Ok(())
    }

    /// Sets all that `dict` has.
    pub(crate) fn extend(&mut self, ev: &mut Eval<'_>, dict: &Dict) -> Res<()> {
        for (key, value) in dict.iter() {
            ev.step(1)?;
            self.insert(ev, key, value)?;
        }
        Ok(())
    }

    /// The mapping.
    pub(crate) fn finish(self, ev: &mut Eval<'_>) -> Res<Val> {
        ev.charge(OBJECT)?;
        let depth = ev.nested(self.depth + 1)?;
        Ok(Val::Dict(Dict::Own(Rc::new(OwnDict {
            entries: self.entries,
            depth,
        }))))
    }
}
