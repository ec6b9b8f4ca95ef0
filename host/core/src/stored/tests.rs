use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Deserializer, Serializer};

use super::*;
use crate::{Map, Value};

type Store = BTreeMap<Digest, Arc<[u8]>>;

fn store(saved: &Saved) -> Store {
    let values = saved.values.iter();
    let store: Store = values
        .map(|value| (value.digest, Arc::clone(&value.bytes)))
        .collect();
    assert_eq!(store.len(), saved.values.len(), "each is listed once");
    store
}

fn load_from<T: DeserializeOwned>(body: &[u8], store: &Store) -> Result<T, LoadError<Infallible>> {
    let mut asked = BTreeMap::new();
    load(body, &mut |digest| {
        *asked.entry(*digest).or_insert(0) += 1;
        assert_eq!(asked[digest], 1, "it is asked for once");
        Ok(store.get(digest).cloned())
    })
}

fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let saved = save(value).unwrap();
    load_from(&saved.body, &store(&saved)).unwrap()
}

fn plain<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

fn large(text: &str) -> Value {
    text.repeat(2 * THRESHOLD / text.len()).into()
}

fn refer(digest: &Digest) -> String {
    format!("@sha256:{}", reference::hex(digest))
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn text(&mut self) -> Arc<str> {
        let parts = [
            "@",
            "a",
            "\"",
            "\u{1}",
            "@sha256:",
            "é",
            "0123456789abcdef",
            "\u{2028}",
        ];
        let mut text = String::new();
        let times = [1, 1, 1, 64, 300][self.below(5)];
        for _ in 0..self.below(5) {
            text.push_str(parts[self.below(parts.len())]);
        }
        text.repeat(times).into()
    }

    fn value(&mut self, depth: usize, made: &mut Vec<Value>) -> Value {
        let value = match self.below(if depth == 0 { 7 } else { 13 }) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => Value::Int([0, -1, i64::MAX, i64::MIN, 1 << 53][self.below(5)]),
            3 => Value::Float([0.0, -0.0, 0.1, 1e300, 5e-324, 1.0, 1e19][self.below(7)]),
            4 | 5 => Value::String(self.text()),
            6 if !made.is_empty() => made[self.below(made.len())].clone(),
            6..=9 => (0..self.below(6))
                .map(|_| self.value(depth - depth.min(1), made))
                .collect(),
            _ => (0..self.below(6))
                .map(|_| (self.text(), self.value(depth - 1, made)))
                .collect(),
        };
        made.push(value.clone());
        value
    }
}

#[test]
fn random_values_come_back_as_they_were() {
    let mut random = Random(1);
    let mut taken_out = 0;
    for _ in 0..3_000 {
        let value = random.value(5, &mut Vec::new());
        for threshold in [0, THRESHOLD, usize::MAX] {
            let saved = save_from(threshold, &value).unwrap();
            assert_eq!(saved, save_from(threshold, &value).unwrap());
            taken_out += saved.values.len();
            let loaded: Value = load_from(&saved.body, &store(&saved)).unwrap();
            assert_eq!(plain(&loaded), plain(&value));
            // A copy that shares nothing gives the same bytes.
            let copy: Value = serde_json::from_str(&plain(&value)).unwrap();
            assert_eq!(saved, save_from(threshold, &copy).unwrap());
        }
    }
    assert!(taken_out > 5_000, "{taken_out}");
}

#[test]
fn what_is_small_is_written_as_serde_json_writes_it() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        Newtype(f64),
        Tuple(u8, Option<char>),
        Struct {
            key: BTreeMap<u128, u8>,
            other: (i128, [bool; 2]),
        },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Named {
        shapes: Vec<Shape>,
        unit: (),
        float: f32,
        by_char: BTreeMap<char, Newtype>,
        bytes: Vec<u8>,
        none: Option<Map>,
    }
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    struct Newtype(String);
    let named = Named {
        shapes: vec![
            Shape::Unit,
            Shape::Newtype(0.1),
            Shape::Tuple(1, Some('x')),
            Shape::Struct {
                key: [(u128::MAX, 2), (1, 3)].into(),
                other: (i128::MIN, [true, false]),
            },
        ],
        unit: (),
        float: 0.3,
        by_char: [('@', Newtype("a\"b".into())), ('"', Newtype(String::new()))].into(),
        bytes: vec![0, 255],
        none: None,
    };
    let saved = save(&named).unwrap();
    assert_eq!(String::from_utf8(saved.body).unwrap(), plain(&named));
    assert_eq!(saved.values, []);
    assert_eq!(again(&named), named);
}

#[test]
fn numbers_are_what_they_are_in_plain_json() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let saved = save(&Value::Float(number)).unwrap();
        assert_eq!(saved.body, b"null");
    }
    for text in [
        "18446744073709551615",
        "-9223372036854775808",
        "1.0",
        "1e400",
        "-0.0",
        "1e2",
    ] {
        let read = load_from::<Value>(text.as_bytes(), &Store::new());
        match serde_json::from_str::<Value>(text) {
            Ok(value) => assert_eq!(plain(&read.unwrap()), plain(&value)),
            Err(_) => assert!(read.is_err()),
        }
    }
}

#[test]
fn texts_that_look_like_references_are_texts() {
    let part = save(&large("x")).unwrap().values.remove(0);
    let text = refer(&part.digest);
    for text in [
        "@",
        "@@",
        "@@@sha256:",
        "a@",
        &text,
        &format!("@{text}"),
        &"@".repeat(5_000),
    ] {
        let value: Value = [("@key", Value::from(text))].into_iter().collect();
        assert_eq!(again(&value), value);
        assert_eq!(again(&text.to_owned()), text);
    }
    assert_eq!(again(&'@'), '@');
    for text in [
        "@x",
        "@sha256:",
        "@sha256:00",
        &text.to_uppercase(),
        &format!("{text}0"),
    ] {
        let body = format!("\"{text}\"");
        let read: Result<Value, _> = load_from(body.as_bytes(), &Store::new());
        assert!(matches!(read, Err(LoadError::Malformed(_))), "{text}");
    }
}

/// A mapping that counts how often it is written.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
struct Counted(Map);

static WRITTEN: AtomicUsize = AtomicUsize::new(0);

impl Counted {
    fn large() -> Self {
        let entries = (0..200).map(|i| (format!("key {i}").into(), Value::Null));
        Self(entries.collect())
    }
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WRITTEN.fetch_add(1, Ordering::Relaxed);
        self.0.serialize(serializer)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    #[serde(with = "shared")]
    counted: Arc<Counted>,
    #[serde(default, with = "shared::option")]
    map: Option<Arc<Map>>,
    value: Value,
}

#[test]
fn what_is_shared_is_written_once_and_shared_again() {
    // It is large itself, and not only by what is in it.
    let small = (0..100).map(|i| (format!("key {i}"), Value::Null));
    let entries = small.chain([("k".to_owned(), large("x"))]);
    let map: Arc<Map> = Arc::new(entries.map(|(k, v)| (k.into(), v)).collect());
    let holder = Holder {
        counted: Arc::new(Counted::large()),
        map: Some(Arc::clone(&map)),
        value: vec![Value::Map(map), large("y"), Value::Null].into(),
    };
    let holders = vec![holder; 100];
    let saved = save(&holders).unwrap();
    assert_eq!(WRITTEN.load(Ordering::Relaxed), 1);
    assert_eq!(
        saved.values.len(),
        4,
        "two texts, the mapping and what is counted"
    );
    let loaded: Vec<Holder> = load_from(&saved.body, &store(&saved)).unwrap();
    assert_eq!(loaded, holders);
    assert_eq!(save(&loaded).unwrap(), saved);
    let (first, last) = (&loaded[0], &loaded[99]);
    assert!(Arc::ptr_eq(&first.counted, &last.counted));
    let (Some(one), Some(Value::Map(other))) = (&first.map, last.value.index(0)) else {
        panic!("{last:?}");
    };
    assert!(Arc::ptr_eq(one, other), "whether it is a field or a value");
    let (Some(Value::String(one)), Some(Value::String(other))) =
        (first.value.index(1), last.value.index(1))
    else {
        panic!("{last:?}");
    };
    assert!(Arc::ptr_eq(one, other));
    let text = plain(&holders);
    assert_eq!(plain(&loaded), text);
    assert_eq!(serde_json::from_str::<Vec<Holder>>(&text).unwrap(), holders);
}

#[test]
fn values_that_only_live_while_they_are_written_are_not_mixed_up() {
    /// Makes a value for each number when it is written, mostly at the same address.
    struct Passing(Vec<u8>);
    impl Serialize for Passing {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.iter().map(|number| {
                let items: Value = vec![Value::from(i64::from(*number)); THRESHOLD].into();
                // Another serializer in between takes nothing away.
                let text = plain(&items);
                assert_eq!(plain(&serde_json::from_str::<Value>(&text).unwrap()), text);
                items
            }))
        }
    }
    let saved = save(&Passing((0..50).collect())).unwrap();
    let loaded: Vec<Value> = load_from(&saved.body, &store(&saved)).unwrap();
    for (number, items) in loaded.iter().enumerate() {
        assert_eq!(
            items.index(7).and_then(Value::as_int),
            i64::try_from(number).ok()
        );
    }
}

#[test]
fn what_others_read_on_the_way_is_not_mixed_up() {
    /// Texts that hold JSON.
    #[derive(Debug, PartialEq)]
    struct Inner(Value);
    impl<'de> Deserialize<'de> for Inner {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Ok(Self(serde_json::from_str(&text).unwrap()))
        }
    }
    let inner: Value = vec![large("x"), vec![large("y"); 20].into()].into();
    let outer = vec![
        Value::from(plain(&inner)),
        large("z"),
        plain(&large("u")).into(),
    ];
    let saved = save(&outer).unwrap();
    let loaded: (Inner, Value, Inner) = load_from(&saved.body, &store(&saved)).unwrap();
    assert_eq!(loaded, (Inner(inner), large("z"), Inner(large("u"))));
}

#[test]
fn what_is_buffered_on_the_way_is_still_right() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Texts(Vec<String>),
        Values { values: Vec<Value> },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        A {
            either: Either,
            #[serde(flatten)]
            rest: BTreeMap<String, Value>,
        },
    }
    let text = "@".repeat(5_000);
    let rest = [("more".to_owned(), vec![large("@y"); 3].into())];
    for either in [
        Either::Texts(vec![text.clone(), "@".into()]),
        Either::Values {
            values: vec![text.into(), large("x")],
        },
    ] {
        let tagged = Tagged::A {
            either,
            rest: rest.clone().into(),
        };
        assert_eq!(again(&tagged), tagged);
    }
}

#[test]
fn what_is_not_as_it_was_stored_is_refused() {
    let value: Value = vec![large("x"), vec![large("y"); 20].into()].into();
    let saved = save(&value).unwrap();
    assert_eq!(saved.values.len(), 3);
    for StoredValue { digest, bytes } in &saved.values {
        let mut store = store(&saved);
        let mut other = bytes.to_vec();
        other[3] ^= 1;
        store.insert(*digest, other.into());
        let error = load_from::<Value>(&saved.body, &store).unwrap_err();
        assert!(
            matches!(error, LoadError::Tampered(which) if which == *digest),
            "{error}"
        );
        store.remove(digest);
        let error = load_from::<Value>(&saved.body, &store).unwrap_err();
        assert!(
            matches!(error, LoadError::Missing(which) if which == *digest),
            "{error}"
        );
        assert!(error.to_string().contains(&reference::hex(digest)));
    }
    let error = load::<Value, _>(&saved.body, &mut |_| Err("the disk is gone")).unwrap_err();
    assert!(matches!(error, LoadError::Fetch("the disk is gone")));
    let store = store(&saved);
    for end in 0..saved.body.len() {
        assert!(load_from::<Value>(&saved.body[..end], &store).is_err());
    }
    let mut random = Random(2);
    for _ in 0..20_000 {
        let mut body = saved.body.clone();
        let at = random.below(body.len());
        body[at] = u8::try_from(random.below(256)).unwrap();
        let _: Result<Value, _> = load_from(&body, &store);
        let _: Result<Holder, _> = load_from(&body, &store);
    }
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(Value::from(Vec::new()), |value, _| {
        vec![large("x"), value, vec![Value::Int(1); THRESHOLD].into()].into()
    })
}

#[test]
fn what_is_nested_too_deeply_is_refused_and_nothing_else() {
    for threshold in [THRESHOLD, usize::MAX] {
        let deep = nested(127);
        let saved = save_from(threshold, &deep).unwrap();
        assert_eq!(
            load_from::<Value>(&saved.body, &store(&saved)).unwrap(),
            deep
        );
    }
    assert!(save(&nested(128)).is_err());
    for [left, right] in [
        ["", ""],
        ["[", "]"],
        ["{\"a\":", "}"],
        ["[{\"values\":", "}]"],
    ] {
        let mut store = Store::new();
        let mut body = "[]".to_owned();
        for _ in 0..5_000 {
            let digest = digest_of(body.as_bytes());
            store.insert(digest, body.as_bytes().into());
            body = format!("{left}\"{}\"{right}", refer(&digest));
        }
        let error = load_from::<Value>(body.as_bytes(), &store).unwrap_err();
        assert!(matches!(error, LoadError::Malformed(_)), "{error}");
        assert!(load_from::<String>(body.as_bytes(), &store).is_err());
    }
}

#[test]
fn a_panic_on_the_way_leaves_nothing_behind() {
    thread_local!(static PANICS: Cell<bool> = const { Cell::new(true) });
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert!(!PANICS.get());
            serializer.serialize_unit()
        }
    }
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            assert!(!PANICS.get());
            <()>::deserialize(deserializer).map(|()| Panics)
        }
    }
    let inner = vec![large("x"); 2];
    // What is saved or loaded within something else has nothing to do with it.
    let nested = std::panic::catch_unwind(|| save(&(&inner, Panics)));
    assert!(nested.is_err());
    hand::give(hand::Work::Load, || panic!("nobody could take it"));
    let saved = save(&inner).unwrap();
    let body = format!("[{},null]", String::from_utf8(saved.body.clone()).unwrap());
    let values = store(&saved);
    let nested = std::panic::catch_unwind(|| {
        load_from::<(Vec<Value>, Panics)>(body.as_bytes(), &values).map(|_| ())
    });
    assert!(nested.is_err());
    hand::give(hand::Work::Load, || panic!("nobody could take it"));
    PANICS.set(false);
    let loaded: (Vec<Value>, Panics) = load(body.as_bytes(), &mut |digest| {
        let inner: Vec<Value> = load_from(&saved.body, &values)?;
        assert_eq!(inner.len(), 2);
        Ok::<_, LoadError<Infallible>>(values.get(digest).cloned())
    })
    .unwrap();
    assert_eq!(loaded.0, inner);
}
