//! Values that workflows are likely to look into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ostro_core::{Map, Value};

/// How many mappings there are to draw from inside of others.
const INNER: usize = 8;

/// The words of a workflow's expressions: names of entries that they read, texts in quotes.
pub(crate) struct Vocabulary {
    names: Vec<Arc<str>>,
    texts: Vec<Arc<str>>,
    /// Texts by the name that stood before them, which is most likely compared with them.
    compared: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Mappings with an entry for every name.
    inner: Vec<Value>,
}

impl Vocabulary {
    /// The words in the expressions of a definition. Texts are also those of `root`, which may hand
    /// them on.
    pub(crate) fn of(definition: &Value, root: &Value) -> Self {
        let mut names = BTreeSet::new();
        let mut texts: BTreeSet<Arc<str>> = plain(root).into_iter().map(Arc::from).collect();
        for expression in expressions(root) {
            texts.extend(
                expression
                    .split(['\'', '"'])
                    .skip(1)
                    .step_by(2)
                    .map(Arc::from),
            );
        }
        let mut compared: BTreeMap<Arc<str>, Vec<Arc<str>>> = BTreeMap::new();
        for expression in expressions(definition) {
            let mut last: Option<Arc<str>> = None;
            for (index, part) in expression.split(['\'', '"']).enumerate() {
                if index % 2 == 1 {
                    let text: Arc<str> = part.into();
                    if let Some(name) = &last {
                        let known = compared.entry(Arc::clone(name)).or_default();
                        known.push(Arc::clone(&text));
                    }
                    texts.insert(text);
                    continue;
                }
                let words = part.split(|c: char| !c.is_alphanumeric() && c != '_');
                let is_name =
                    |word: &&str| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
                for word in words.filter(is_name) {
                    let name: Arc<str> = word.into();
                    names.insert(Arc::clone(&name));
                    last = Some(name);
                }
            }
        }
        let mut vocabulary = Self {
            names: names.into_iter().collect(),
            texts: texts.into_iter().collect(),
            compared,
            inner: Vec::new(),
        };
        let mut random = Random::new(1);
        let inner = (0..INNER).map(|_| vocabulary.mapping(&mut random));
        vocabulary.inner = inner.collect();
        vocabulary
    }

    /// A mapping with an entry for every name.
    fn mapping(&self, random: &mut Random) -> Value {
        let names = self.names.iter();
        let entry = |name: &Arc<str>| {
            let value = self.named(name, random, |random| {
                let inner = self.inner.get(random.below(INNER));
                inner.cloned().unwrap_or_else(Value::empty_map)
            });
            (Arc::clone(name), value)
        };
        names.map(entry).collect::<Map>().into()
    }

    /// One of the texts.
    pub(crate) fn text(&self, random: &mut Random) -> Arc<str> {
        let text = self.texts.get(random.below(self.texts.len()));
        text.cloned().unwrap_or_default()
    }

    /// A value for an input or entry called `name`.
    pub(crate) fn value(&self, name: &str, random: &mut Random) -> Value {
        self.named(name, random, |random| self.mapping(random))
    }

    fn named(&self, name: &str, random: &mut Random, rich: impl Fn(&mut Random) -> Value) -> Value {
        match self.compared.get(name) {
            Some(texts) if random.below(2) == 0 => {
                Value::String(Arc::clone(&texts[random.below(texts.len())]))
            }
            _ => self.draw(random, rich),
        }
    }

    /// Any value.
    pub(crate) fn any(&self, random: &mut Random) -> Value {
        self.draw(random, |random| self.mapping(random))
    }

    fn draw(&self, random: &mut Random, rich: impl Fn(&mut Random) -> Value) -> Value {
        match random.below(20) {
            0..=4 => rich(random),
            5 => Value::empty_map(),
            6 => Value::List(Arc::default()),
            7 | 8 => vec![rich(random)].into(),
            9 => vec![rich(random), rich(random)].into(),
            10 => vec![Value::String(self.text(random))].into(),
            11 => Value::Bool(random.below(2) == 0),
            12 => Value::Int([0, 1, 2][random.below(3)]),
            13 => Value::Null,
            // Swift's answers: headers, and a list or a text.
            14 => vec![rich(random), vec![rich(random), rich(random)].into()].into(),
            15 => vec![rich(random), rich(random).to_string().into()].into(),
            16 => rich(random).to_string().into(),
            17 => vec![rich(random)]
                .into_iter()
                .collect::<Value>()
                .to_string()
                .into(),
            _ => Value::String(self.text(random)),
        }
    }
}

/// The texts of one word in `value`.
fn plain(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if text.len() < 30 && !text.contains(['<', ' ', '.']) => vec![text],
        Value::List(items) => items.iter().flat_map(plain).collect(),
        Value::Map(entries) => entries.values().flat_map(plain).collect(),
        _ => Vec::new(),
    }
}

/// What stands between `<%` and `%>` in the texts of `value`.
fn expressions(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text
            .split("<%")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once("%>")?.0))
            .collect(),
        Value::List(items) => items.iter().flat_map(expressions).collect(),
        Value::Map(entries) => entries.values().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// Numbers that look random, the same for the same seed (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    /// Numbers for `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % bound.max(1)
    }
}
