//! Where what comes now differs first from what was recorded.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::Recording;

/// What the places of secrets begin with; see `redact`.
const SECRET: &str = "[secret ";

/// One difference: where, what was recorded there, and what came now.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What differs, as `host call 3, openstack.send`.
    pub place: String,
    /// Where in it, as `arguments.path`; empty for all of it.
    pub path: String,
    /// What was recorded; nothing if there was nothing.
    pub recorded: Option<Value>,
    /// What came now; nothing if nothing did.
    pub now: Option<Value>,
}

impl Difference {
    /// The first difference between two values, if there is one.
    pub fn first(place: &str, recorded: &Value, now: &Value) -> Option<Self> {
        Comparison::plain().first(place, recorded, now)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        Ok(())
    }
}

/// Compares what comes with what was recorded.
pub(super) struct Comparison {
    /// The secrets that the action was told, by the texts in their place. It can only pass on
    /// those; what it knew by itself, and was taken out, may come as anything.
    told: HashSet<String>,
}

impl Comparison {
    /// A comparison of values without secrets.
    fn plain() -> Self {
        Self {
            told: HashSet::new(),
        }
    }

    pub(super) fn new(recording: &Recording) -> Self {
        let mut told = HashSet::new();
        note(&recording.input, &mut told);
        let answers = recording
            .calls
            .iter()
            .filter_map(|call| call.answer.as_ref());
        answers.for_each(|answer| note(answer, &mut told));
        Self { told }
    }

    /// The first difference between two values.
    pub(super) fn first(&self, place: &str, recorded: &Value, now: &Value) -> Option<Difference> {
        let (path, recorded, now) = self.within(String::new(), recorded, now)?;
        Some(Difference {
            place: place.to_owned(),
            path,
            recorded: recorded.cloned(),
            now: now.cloned(),
        })
    }

    fn within<'a>(
        &self,
        path: String,
        recorded: &'a Value,
        now: &'a Value,
    ) -> Option<(String, Option<&'a Value>, Option<&'a Value>)> {
        match (recorded, now) {
            (Value::Object(old), Value::Object(new)) => {
                let added = new.keys().filter(|key| !old.contains_key(*key));
                old.keys().chain(added).find_map(|key| {
                    let dot = if path.is_empty() { "" } else { "." };
                    self.part(format!("{path}{dot}{key}"), old.get(key), new.get(key))
                })
            }
            (Value::Array(old), Value::Array(new)) => (0..old.len().max(new.len()))
                .find_map(|at| self.part(format!("{path}[{at}]"), old.get(at), new.get(at))),
            (Value::String(old), Value::String(new)) if self.are_same(old, new) => None,
            (old, new) if old == new => None,
            _ => Some((path, Some(recorded), Some(now))),
        }
    }

    fn part<'a>(
        &self,
        path: String,
        recorded: Option<&'a Value>,
        now: Option<&'a Value>,
    ) -> Option<(String, Option<&'a Value>, Option<&'a Value>)> {
        match (recorded, now) {
            (Some(old), Some(new)) => self.within(path, old, new),
            (None, None) => None,
            _ => Some((path, recorded, now)),
        }
    }

    /// Whether `now` is `recorded`, where what the action was never told stands for anything.
    fn are_same(&self, recorded: &str, now: &str) -> bool {
        if recorded == now {
            return true;
        }
        let mut parts = split(recorded).into_iter();
        let mut rest = now;
        let mut is_open = false;
        let found = parts.all(|(text, place)| {
            let at = if is_open {
                rest.find(text)
            } else {
                rest.starts_with(text).then_some(0)
            };
            let Some(at) = at else { return false };
            rest = &rest[at + text.len()..];
            is_open = false;
            match place {
                Some(place) if self.told.contains(place) => match rest.strip_prefix(place) {
                    Some(left) => rest = left,
                    None => return false,
                },
                Some(_) => is_open = true,
                None => {}
            }
            true
        });
        found && (rest.is_empty() || is_open)
    }
}

/// The texts of `text`, each with the place of a secret that follows it.
fn split(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(SECRET) {
        let Some(end) = rest[at..].find(']') else {
            break;
        };
        parts.push((&rest[..at], Some(&rest[at..=at + end])));
        rest = &rest[at + end + 1..];
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push((rest, None));
    }
    parts
}

fn note(value: &Value, told: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            let places = split(text).into_iter().filter_map(|(_, place)| place);
            told.extend(places.map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| note(item, told)),
        Value::Object(entries) => entries.values().for_each(|value| note(value, told)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recording::{RecordedContext, RecordedPack};

    fn compare(recorded: &Value, now: &Value) -> Option<String> {
        let input = json!({"password": "[secret 1]"});
        let context = RecordedContext::default();
        let recording = Recording::new(RecordedPack::default(), "a.b", input, context);
        let found = Comparison::new(&recording).first("it", recorded, now)?;
        Some(format!("{found}"))
    }

    #[test]
    fn the_first_difference_is_found() {
        let old = json!({"a": 1, "b": [1, {"c": "x"}]});
        assert_eq!(compare(&old, &json!({"b": [1, {"c": "x"}], "a": 1})), None);
        for (now, path) in [
            (json!({"a": 2, "b": []}), "it: a"),
            (json!({"a": 1, "b": [1, {"c": "y"}]}), "it: b[1].c"),
            (json!({"a": 1, "b": [1]}), "it: b[1]"),
            (json!({"a": 1, "b": [1, {"c": "x"}], "d": 0}), "it: d"),
            (json!(7), "it"),
        ] {
            assert_eq!(compare(&old, &now).as_deref(), Some(path), "{now}");
        }
    }

    #[test]
    fn a_secret_that_was_told_has_to_come_back_and_another_may_be_anything() {
        for (old, now, same) in [
            ("[secret 1]", "[secret 1]", true),
            ("[secret 1]", "other", false),
            ("[secret 2]", "other", true),
            ("is [secret 2]!", "is other!", true),
            ("is [secret 2]!", "is other?", false),
            ("is [secret 1]!", "is other!", false),
            ("[secret 2] [secret 1]", "other [secret 1]", true),
            ("plain", "other", false),
        ] {
            assert_eq!(
                compare(&json!(old), &json!(now)).is_none(),
                same,
                "{old} {now}"
            );
        }
    }
}
