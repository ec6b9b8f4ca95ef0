//! YAML that is no definition, read by the same rules, with the place of each value.

use std::sync::Arc;

use ostro_core::Value;

use super::context::Context;
use crate::yaml::{Node, NodeKind};
use crate::{Diagnostic, Location};

/// A value of a YAML text, and where it stands.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What it is.
    pub kind: PlacedKind,
    /// Where it starts.
    pub location: Location,
}

/// The three kinds of values.
#[derive(Clone, Debug)]
pub enum PlacedKind {
    /// Neither list nor mapping.
    Scalar(Value),
    /// A list.
    List(Vec<Placed>),
    /// A mapping, each of whose keys stands in it once.
    Map(Vec<PlacedEntry>),
}

/// A key of a mapping and its value.
#[derive(Clone, Debug)]
pub struct PlacedEntry {
    /// The key.
    pub key: Arc<str>,
    /// Where the key starts.
    pub location: Location,
    /// The value.
    pub value: Placed,
}

/// Reads YAML as definitions are read: YAML 1.1 without anchors, within the same bounds. None
/// where there is nothing in it, or where it cannot be read; the diagnostics then say why.
///
/// `file` is only for locations.
pub fn read_placed(text: &str, file: &str) -> (Option<Placed>, Vec<Diagnostic>) {
    let mut cx = Context::new(text, file);
    let root = cx.load().map(|root| placed(&cx, root));
    (root, cx.finish().0)
}

fn placed(cx: &Context<'_>, node: Node) -> Placed {
    let location = cx.location(node.at);
    let kind = match node.kind {
        NodeKind::Scalar(value) => PlacedKind::Scalar(value),
        NodeKind::List(items) => {
            PlacedKind::List(items.into_iter().map(|item| placed(cx, item)).collect())
        }
        NodeKind::Map(entries) => {
            let entries = entries.into_iter().map(|entry| PlacedEntry {
                key: entry.key,
                location: cx.location(entry.key_at),
                value: placed(cx, entry.value),
            });
            PlacedKind::Map(entries.collect())
        }
    };
    Placed { kind, location }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_places() {
        let (root, wrong) = read_placed("a: 1\nb:\n  c: [x]\n", "f");
        assert!(wrong.is_empty(), "{wrong:?}");
        let PlacedKind::Map(entries) = root.unwrap().kind else {
            panic!("a mapping");
        };
        let places = entries.iter().map(|entry| {
            let (key, value) = (&entry.location, &entry.value.location);
            (key.line, key.column, value.line, value.column)
        });
        assert_eq!(places.collect::<Vec<_>>(), [(1, 1, 1, 4), (2, 1, 3, 3)]);
    }
}
