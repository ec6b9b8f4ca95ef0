//! The data that flows from task to task.
//!
//! Each task hands on what it got and what it published. Where branches meet, the value that was
//! published more often along its branch wins, key by key (Mistral's context versioning, which
//! is on by default).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ostro_core::{Map, Value};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decide::Turn;
use crate::execution::Execution;

/// What a task gets from the tasks before it, and how often each key was published on the way.
///
/// Tasks share what they got from the same tasks: a context is a list of layers, each holding what
/// was published on a stretch of the way, the newest last. Layers are joined so that each is more
/// than twice as long as the next. So there are few of them, and a thousand tasks that publish a
/// key each keep some ten thousand entries instead of half a million.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Context {
    #[serde(with = "ostro_core::stored::shared")]
    layers: Arc<Layers>,
}

/// The layers of a context, the newest last.
#[derive(Clone, Debug, Default, PartialEq)]
struct Layers(Vec<Arc<Layer>>);

/// What was published on a stretch of the way, by the last that did so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Layer {
    data: Map,
    /// How often each key was published on the whole way; by path, `key` or `key.inner`.
    versions: BTreeMap<String, u32>,
}

impl Context {
    /// What it holds, in the order in which the keys came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        // A key of a later layer replaces that of an earlier one, which keeps its place when both
        // are put into one map.
        self.layers.0.iter().flat_map(|layer| &layer.data)
    }

    /// What it holds.
    pub(crate) fn to_map(&self) -> Map {
        let mut map = Map::with_capacity(self.layers.0.iter().map(|layer| layer.data.len()).sum());
        for (key, value) in self.iter() {
            map.insert(Arc::clone(key), value.clone());
        }
        map
    }

    fn get(&self, key: &str) -> Option<&Value> {
        let mut newest_first = self.layers.0.iter().rev();
        newest_first.find_map(|layer| layer.data.get(key))
    }

    /// How often what is at `path` was published.
    fn version(&self, path: &str) -> u32 {
        let mut newest_first = self.layers.0.iter().rev();
        let version = newest_first.find_map(|layer| layer.versions.get(path));
        version.copied().unwrap_or_default()
    }

    /// This context after a task published `published`.
    pub(crate) fn with_published(&self, published: &Map) -> Self {
        if published.is_empty() {
            return self.clone();
        }
        let mut versions = BTreeMap::new();
        self.count_paths(published, "", &mut versions);
        self.with(Layer {
            data: published.clone(),
            versions,
        })
    }

    fn with(&self, mut top: Layer) -> Self {
        let mut layers = self.layers.0.clone();
        while let Some(below) = layers.pop_if(|below| below.data.len() <= 2 * top.data.len()) {
            let mut joined = Arc::unwrap_or_clone(below);
            joined.data.extend(top.data);
            joined.versions.extend(top.versions);
            top = joined;
        }
        layers.push(Arc::new(top));
        Self {
            layers: Arc::new(Layers(layers)),
        }
    }

    fn count_paths(&self, published: &Map, prefix: &str, versions: &mut BTreeMap<String, u32>) {
        for (key, value) in published {
            let path = path_of(prefix, key);
            if let Value::Map(inner) = value {
                self.count_paths(inner, &path, versions);
            } else {
                let version = self.version(&path) + 1;
                versions.insert(path, version);
            }
        }
    }

    /// The contexts of branches that meet, as one. Where no branch published more often than
    /// another, the last one wins.
    pub(crate) fn merged(branches: &[Context]) -> Self {
        let Some((last, others)) = branches.split_last() else {
            return Self::default();
        };
        others.iter().fold(last.clone(), |merged, other| {
            let changes = merged.changes_by(other);
            if changes.data.is_empty() && changes.versions.is_empty() {
                merged
            } else {
                merged.with(changes)
            }
        })
    }

    /// What `other` changes where both meet. What both have from the same tasks changes nothing.
    fn changes_by(&self, other: &Context) -> Layer {
        let both = self.layers.0.iter().zip(other.layers.0.iter());
        let shared = both
            .take_while(|(own, other)| Arc::ptr_eq(own, other))
            .count();
        let mut changes = Layer::default();
        let (own_rest, other_rest) = (&self.layers.0[shared..], &other.layers.0[shared..]);
        // A mapping that only this one has published again lacks what the other one still has.
        let own_maps = own_rest.iter().flat_map(|layer| &layer.data);
        let own_maps = own_maps.filter(|(_, value)| matches!(value, Value::Map(_)));
        let others = other_rest.iter().flat_map(|layer| &layer.data);
        for (key, _) in others.chain(own_maps) {
            if changes.data.contains_key(key) {
                continue;
            }
            let Some(value) = other.get(key) else {
                continue;
            };
            match self.get(key) {
                None => {
                    changes.data.insert(Arc::clone(key), value.clone());
                }
                Some(own) => {
                    let chosen = choose((self, own), (other, value), key);
                    if let Some(chosen) = chosen {
                        changes.data.insert(Arc::clone(key), chosen);
                    }
                }
            }
        }
        for path in other_rest.iter().flat_map(|layer| layer.versions.keys()) {
            let version = other.version(path);
            if version > self.version(path) {
                changes.versions.insert(path.clone(), version);
            }
        }
        changes
    }
}

/// A layer of a list, to be read and written as what contexts share.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Stored(#[serde(with = "ostro_core::stored::shared")] Arc<Layer>);

impl Serialize for Layers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let layers = self.0.iter().map(Arc::clone);
        serializer.collect_seq(layers.map(Stored))
    }
}

/// As a list of layers; or one layer, as it was stored before there were several.
impl<'de> Deserialize<'de> for Layers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LayersVisitor)
    }
}

struct LayersVisitor;

impl<'de> Visitor<'de> for LayersVisitor {
    type Value = Layers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the layers of a context")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Layers, A::Error> {
        let mut layers = Vec::new();
        while let Some(Stored(layer)) = seq.next_element()? {
            layers.push(layer);
        }
        Ok(Layers(layers))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Layers, A::Error> {
        let layer = Layer::deserialize(MapAccessDeserializer::new(map))?;
        let is_empty = layer.data.is_empty() && layer.versions.is_empty();
        Ok(Layers(if is_empty {
            Vec::new()
        } else {
            vec![Arc::new(layer)]
        }))
    }
}

fn path_of(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

/// What is at `path` where both `left` and `right` have something there: `None` if it is what
/// `left` has.
fn choose(left: (&Context, &Value), right: (&Context, &Value), path: &str) -> Option<Value> {
    let ((left_context, left), (right_context, right)) = (left, right);
    if let (Value::Map(own), Value::Map(other)) = (left, right) {
        if Arc::ptr_eq(own, other) {
            return None;
        }
        let mut merged = None;
        for (key, value) in other.iter() {
            let chosen = match own.get(key) {
                None => Some(value.clone()),
                Some(inner) => choose(
                    (left_context, inner),
                    (right_context, value),
                    &path_of(path, key),
                ),
            };
            if let Some(chosen) = chosen {
                let merged = merged.get_or_insert_with(|| (**own).clone());
                merged.insert(Arc::clone(key), chosen);
            }
        }
        return merged.map(Into::into);
    }
    (right_context.version(path) > left_context.version(path)).then(|| right.clone())
}

/// `left` and `right` as one, maps merged deeply; where both have a value, `left`'s stays.
pub(crate) fn filled_up(left: &Map, right: &Map) -> Map {
    let mut filled = left.clone();
    for (key, value) in right {
        match filled.get_mut(key) {
            None => {
                filled.insert(Arc::clone(key), value.clone());
            }
            Some(own) => {
                if let (Value::Map(inner), Value::Map(other)) = (&*own, value) {
                    *own = filled_up(inner, other).into();
                }
            }
        }
    }
    filled
}

impl Execution {
    /// What a task hands on.
    pub(crate) fn outbound(&self, task: usize) -> Context {
        let task = &self.tasks[task];
        task.context.with_published(&task.published)
    }

    /// `$` where no task is at work: `context` over what belongs to the execution.
    pub(crate) fn data(&self, context: &Context) -> Map {
        let mut all = (*self.input).clone();
        for (key, value) in self.globals.iter().chain(context.iter()) {
            all.insert(Arc::clone(key), value.clone());
        }
        all.insert("__env".into(), Value::Map(Arc::clone(&self.params.env)));
        all.insert(
            "__execution".into(),
            [("id", self.id.as_str().into())].into_iter().collect(),
        );
        all
    }
}

impl Turn<'_> {
    /// What `task`, which has ended, hands on: to all that follow it the same.
    pub(crate) fn outbound(&mut self, task: usize) -> Context {
        match &self.outbound {
            Some((of, context)) if *of == task => context.clone(),
            _ => {
                let context = self.execution.outbound(task);
                self.outbound = Some((task, context.clone()));
                context
            }
        }
    }

    /// `$` for `task`: what it got, and `extra` over that.
    pub(crate) fn task_data(&self, task: usize, extra: &Map) -> Value {
        let task = &self.execution.tasks[task];
        let mut all = self.execution.data(&task.context);
        for (key, value) in extra {
            all.insert(Arc::clone(key), value.clone());
        }
        let current = [
            ("id", task.id.as_str().into()),
            ("name", Value::from(Arc::clone(&task.name))),
        ];
        all.insert("__task_execution".into(), current.into_iter().collect());
        all.into()
    }
}

#[cfg(test)]
mod tests;
