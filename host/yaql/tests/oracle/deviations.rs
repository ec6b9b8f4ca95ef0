//! The differences that are meant: what `COMPATIBILITY.md` names, and how to know one.

use ostro_yaql::ErrorKind;
use serde_json::Value as Json;

use crate::compare::Ours;

/// The document that says what differs and why.
const DOCUMENT: &str = include_str!("../../COMPATIBILITY.md");

#[test]
fn every_deviation_is_documented() {
    let told = VARIANTS.iter().map(|(_, name)| *name).chain(TOLD);
    for name in told.filter(|name| !name.starts_with("more than one")) {
        assert!(
            DOCUMENT.contains(name),
            "COMPATIBILITY.md says nothing of {name}"
        );
    }
}

/// The deviations that answers show by themselves.
const TOLD: [&str; 10] = [
    BOUNDS,
    INTEGERS,
    UNFIT,
    GAP,
    ITERATOR_TEXT,
    RANDOM,
    NOW,
    ZONES,
    CHARACTERS,
    TIME_TEXT,
];
const BOUNDS: &str = "steps, memory, nesting, length of iterators";
const INTEGERS: &str = "integers";
const UNFIT: &str = "a regex, a context, a timespan as result";
const GAP: &str = "`[1, , 2]`";
const ITERATOR_TEXT: &str = "`str(iterator)`";
const RANDOM: &str = "`random()`";
const NOW: &str = "`now()`";
const ZONES: &str = "`datetime.utc`, `.timestamp`";
const TIME_TEXT: &str = "`str` of a list with times";
const CHARACTERS: &str = "`characters(letters";

/// Variants of the oracle in which an accident of Python's is undone, and what it is called.
pub(crate) const VARIANTS: [(&[&str], &str); 4] = [
    (&["tuples_only"], "list against tuple"),
    (&["ordered_sets"], "sets"),
    (&["named_groups"], "a regex with named groups"),
    (
        &["tuples_only", "ordered_sets", "named_groups"],
        "more than one of these",
    ),
];

/// The name of the deviation that the answers themselves show.
pub(crate) fn told_by(expression: &str, ours: &Ours, theirs: &Json) -> Option<&'static str> {
    let value = theirs.get("value");
    if theirs["error"] == "TooSlow" && !matches!(ours, Ours::Panic) {
        return Some(BOUNDS);
    }
    match ours {
        Ours::Error(error) => match error.kind {
            ErrorKind::Steps
            | ErrorKind::Memory
            | ErrorKind::IteratorLength
            | ErrorKind::Depth
            | ErrorKind::TooComplex => Some(BOUNDS),
            ErrorKind::Arithmetic | ErrorKind::Lexical if error.message.contains("64 bits") => {
                Some(INTEGERS)
            }
            ErrorKind::Result if value.is_some_and(unfit) => Some(UNFIT),
            _ if error.message.contains("misses an item here") => Some(GAP),
            ErrorKind::NoMatch
                if [",,", "(,", ", ,"]
                    .iter()
                    .any(|gap| expression.contains(gap)) =>
            {
                Some(GAP)
            }
            _ if error.message.contains("has no text") => Some(ITERATOR_TEXT),
            ErrorKind::Host if expression.contains("random") => Some(RANDOM),
            _ => None,
        },
        Ours::Value(_) if expression.contains("now()") => Some(NOW),
        Ours::Value(_)
            if [".timestamp", ".utc"]
                .iter()
                .any(|name| expression.contains(name)) =>
        {
            Some(ZONES)
        }
        Ours::Value(_) if theirs.to_string().contains("datetime.datetime(") => Some(TIME_TEXT),
        Ours::Value(_)
            if theirs["error"] == "AttributeError" && expression.contains("characters(") =>
        {
            Some(CHARACTERS)
        }
        Ours::Value(_) | Ours::Panic => None,
    }
}

/// Whether there is something in the value that JSON can't say.
fn unfit(value: &Json) -> bool {
    match value {
        Json::Object(entries) => {
            entries
                .keys()
                .any(|key| key.contains("$object") || key.starts_with('$') && key != "$set")
                || entries.values().any(unfit)
        }
        Json::Array(items) => items.iter().any(unfit),
        _ => false,
    }
}
