use std::convert::Infallible;

use ostro_core::stored::{Digest, load, save};

use super::*;

fn map(entries: &[(&str, Value)]) -> Map {
    entries
        .iter()
        .map(|(key, value)| (Arc::from(*key), value.clone()))
        .collect()
}

#[test]
fn what_was_published_more_often_wins_where_branches_meet() {
    let start = Context::default().with_published(&map(&[("x", 1.into()), ("y", 1.into())]));
    let left = start.with_published(&map(&[("x", 2.into())]));
    let right = start.with_published(&map(&[("y", 3.into())]));
    for branches in [[left.clone(), right.clone()], [right, left]] {
        let merged = Context::merged(&branches);
        assert_eq!(merged.get("x"), Some(&Value::Int(2)));
        assert_eq!(merged.get("y"), Some(&Value::Int(3)));
    }
}

#[test]
fn maps_are_merged_key_by_key() {
    let left = Context::default().with_published(&map(&[("m", map(&[("a", 1.into())]).into())]));
    let right = Context::default().with_published(&map(&[("m", map(&[("b", 2.into())]).into())]));
    let merged = Context::merged(&[left, right]);
    assert_eq!(
        merged.get("m"),
        Some(&map(&[("a", 1.into()), ("b", 2.into())]).into())
    );
}

#[test]
fn the_last_branch_wins_a_tie() {
    let left = Context::default().with_published(&map(&[("x", 1.into())]));
    let right = Context::default().with_published(&map(&[("x", 2.into())]));
    assert_eq!(
        Context::merged(&[left, right]).get("x"),
        Some(&Value::Int(2))
    );
}

/// What a context means, written down without layers.
#[derive(Clone, Default)]
struct Flat {
    data: Map,
    versions: BTreeMap<String, u32>,
}

impl Flat {
    fn publish(&mut self, published: &Map) {
        fn count(published: &Map, prefix: &str, versions: &mut BTreeMap<String, u32>) {
            for (key, value) in published {
                let path = path_of(prefix, key);
                match value {
                    Value::Map(inner) => count(inner, &path, versions),
                    _ => *versions.entry(path).or_default() += 1,
                }
            }
        }
        count(published, "", &mut self.versions);
        self.data.extend(published.clone());
    }

    fn merge(&mut self, other: &Flat) {
        fn merge(left: &mut Map, before: &Flat, right: (&Map, &Flat), prefix: &str) {
            let version = |of: &Flat, path: &str| of.versions.get(path).copied().unwrap_or(0);
            for (key, value) in right.0 {
                let path = path_of(prefix, key);
                match (left.get_mut(key), value) {
                    (None, _) => {
                        left.insert(Arc::clone(key), value.clone());
                    }
                    (Some(Value::Map(own)), Value::Map(other)) => {
                        merge(Arc::make_mut(own), before, (other, right.1), &path);
                    }
                    (Some(own), _) if version(right.1, &path) > version(before, &path) => {
                        *own = value.clone();
                    }
                    (Some(_), _) => {}
                }
            }
        }
        let before = self.clone();
        merge(&mut self.data, &before, (&other.data, other), "");
        for (path, version) in &other.versions {
            let own = self.versions.entry(path.clone()).or_default();
            *own = (*own).max(*version);
        }
    }
}

#[test]
fn layers_hold_what_whole_copies_would() {
    let mut seed = 1_u64;
    let mut below = |limit: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % limit
    };
    for _ in 0..200 {
        let mut branches = vec![(Context::default(), Flat::default())];
        for step in 0..60_i64 {
            let count = u64::try_from(branches.len()).unwrap();
            let pick = usize::try_from(below(count)).unwrap();
            let (mut context, mut flat) = branches[pick].clone();
            if below(4) == 0 {
                let other = usize::try_from(below(count)).unwrap();
                context = Context::merged(&[branches[other].0.clone(), context]);
                flat.merge(&branches[other].1);
            } else {
                let mut published = Map::new();
                for _ in 0..=below(3) {
                    let key: Arc<str> = format!("k{}", below(12)).into();
                    let value = match below(3) {
                        0 => map(&[("a", step.into())]).into(),
                        1 => map(&[("b", step.into()), ("c", step.into())]).into(),
                        _ => step.into(),
                    };
                    published.insert(key, value);
                }
                context = context.with_published(&published);
                flat.publish(&published);
            }
            let is_same = context.to_map() == flat.data;
            let in_order = context.to_map().keys().eq(flat.data.keys());
            assert!(
                is_same && in_order,
                "{:?} {:?}",
                context.to_map(),
                flat.data
            );
            let stored = serde_json::to_string(&context).unwrap();
            assert_eq!(serde_json::from_str::<Context>(&stored).unwrap(), context);
            branches.push((context, flat));
        }
    }
}

#[test]
fn a_thousand_publications_share_what_they_have_in_common() {
    let mut contexts = vec![Context::default()];
    for number in 0..1_000_i64 {
        let published = map(&[(&format!("k{number}"), number.into())]);
        contexts.push(contexts[contexts.len() - 1].with_published(&published));
    }
    let layers = contexts.iter().flat_map(|context| context.layers.0.iter());
    let kept: BTreeMap<_, _> = layers.map(|layer| (Arc::as_ptr(layer), layer)).collect();
    let entries: usize = kept.values().map(|layer| layer.data.len()).sum();
    assert!(entries < 20_000, "{entries} entries are kept");
}

#[test]
fn what_was_stored_as_one_layer_is_read() {
    let stored = r#"{"data": {"x": 1}, "versions": {"x": 3}}"#;
    let context: Context = serde_json::from_str(stored).unwrap();
    assert_eq!(context.get("x"), Some(&Value::Int(1)));
    assert_eq!(context.version("x"), 3);
}

#[test]
fn layers_that_are_shared_are_stored_once_and_shared_again() {
    let many: Map = (0..100)
        .map(|i| (format!("key{i}").into(), Value::Int(i)))
        .collect();
    let start = Context::default().with_published(&many);
    let branches: Vec<Context> = (0..1_000)
        .map(|i| start.with_published(&map(&[("own", Value::Int(i))])))
        .collect();
    let saved = save(&branches).unwrap();
    assert_eq!(saved.values.len(), 1);
    assert!(saved.body.len() < 150 * branches.len());
    let bytes = Arc::clone(&saved.values[0].bytes);
    let mut fetch = |_: &Digest| Ok::<_, Infallible>(Some(Arc::clone(&bytes)));
    let loaded: Vec<Context> = load(&saved.body, &mut fetch).unwrap();
    assert_eq!(loaded, branches);
    for context in &loaded {
        assert!(Arc::ptr_eq(&context.layers.0[0], &loaded[0].layers.0[0]));
    }
    let met = Context::merged(&loaded[..2]);
    assert_eq!(met, Context::merged(&branches[..2]));
}
