//! What a real Zaqar answered: `tests/zaqar/frames`. How it is read: `tests/zaqar/README.md`.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::world::{CLIENT, PROJECT, TOKEN};

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/zaqar");

/// The steps of a topic, with what was answered to each.
pub(crate) fn steps(topic: &str) -> Vec<(Value, Value)> {
    let file = |ending: &str| {
        let path = Path::new(FOLDER).join(format!("frames/{topic}.{ending}"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let mut steps: Value = serde_yaml::from_str(&file("yaml")).unwrap();
    let answers: Vec<Value> = serde_json::from_str(&file("json")).unwrap();
    let Value::Array(steps) = steps["steps"].take() else {
        panic!("{topic} has no steps");
    };
    assert_eq!(
        steps.len(),
        answers.len(),
        "{topic} has to be recorded again"
    );
    steps.into_iter().zip(answers).collect()
}

/// Where the answers differ, by topic and step, with the reasons.
pub(crate) fn deviations(topic: &str) -> HashMap<u64, String> {
    let text = std::fs::read_to_string(Path::new(FOLDER).join("deviations.yaml")).unwrap();
    let all: Vec<Map<String, Value>> = serde_yaml::from_str(&text).unwrap();
    let of_topic = all.into_iter().filter(|one| one["topic"] == topic);
    let listed = of_topic.flat_map(|one| {
        let because = one["because"].as_str().unwrap().to_owned();
        let steps = one["steps"].as_array().unwrap().clone();
        steps
            .into_iter()
            .map(move |step| (step.as_u64().unwrap(), because.clone()))
    });
    listed.collect()
}

/// The values that steps save, and the masks for what is answered.
pub(crate) struct Masks {
    saved: HashMap<String, String>,
    seen: Vec<Vec<u8>>,
}

impl Masks {
    pub(crate) fn new() -> Self {
        let known = [("token", TOKEN), ("project", PROJECT), ("client", CLIENT)];
        let saved = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            saved: saved.into(),
            seen: Vec::new(),
        }
    }

    pub(crate) fn save(&mut self, step: &Value, answer: &Value) {
        for (name, path) in step["save"].as_object().into_iter().flatten() {
            let parts = path.as_str().unwrap().split('.');
            let leaf = parts.fold(answer, |value, part| match part.parse::<usize>() {
                Ok(index) => &value[index],
                Err(_) => &value[part],
            });
            let text = leaf
                .as_str()
                .unwrap_or_else(|| panic!("{path} in {answer}"));
            let id = text.rsplit('/').next().unwrap().to_owned();
            self.saved.insert(name.clone(), id);
        }
    }

    /// `value` with what stands for the variables in it.
    pub(crate) fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(map) => {
                let pairs = map
                    .iter()
                    .map(|(key, value)| (self.text(key), self.filled(value)));
                Value::Object(pairs.collect())
            }
            other => other.clone(),
        }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let (name, after) = behind.split_once('}').unwrap();
            out.push_str(before);
            match name
                .strip_prefix("repeat ")
                .and_then(|it| it.split_once(' '))
            {
                Some((what, count)) => out.push_str(&what.repeat(count.parse().unwrap())),
                None => out.push_str(&self.saved[name]),
            }
            rest = after;
        }
        out + rest
    }

    /// `data` with what differs from run to run masked.
    pub(crate) fn masked(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(data.len());
        let mut rest = data;
        while let Some(first) = rest.first() {
            let fixed = [
                (TOKEN, "<token>"),
                (PROJECT, "<project>"),
                ("websocket:", "<subscriber>"),
            ];
            let fixed = fixed
                .iter()
                .find(|(text, _)| rest.starts_with(text.as_bytes()));
            if let Some((text, mask)) = fixed {
                out.extend_from_slice(mask.as_bytes());
                rest = &rest[text.len()..];
            } else if let Some(after) = rest.strip_prefix(b"\"age\": ") {
                let digits = after
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                out.extend_from_slice(b"\"age\": 0");
                rest = &after[digits..];
            } else if let Some(after) = rest.strip_prefix(b"\xa3age") {
                out.extend_from_slice(b"\xa3age\0");
                rest = &after[1..];
            } else if has_form(rest, "9999-99-99T99:99:99Z") {
                out.extend_from_slice(b"<time>");
                rest = &rest[20..];
            } else if has_form(rest, "ffffffff-ffff-ffff-ffff-ffffffffffff") {
                let (id, after) = rest.split_at(36);
                let number = self.seen.iter().position(|seen| seen == id);
                let number = number.unwrap_or_else(|| {
                    self.seen.push(id.to_vec());
                    self.seen.len() - 1
                });
                out.extend(format!("00000000-0000-0000-0000-{:012}", number + 1).bytes());
                rest = after;
            } else {
                out.push(*first);
                rest = &rest[1..];
            }
        }
        out
    }
}

/// Whether `data` begins with digits where `form` has 9, and hexadecimal ones where it has f.
fn has_form(data: &[u8], form: &str) -> bool {
    let is = |(byte, form): (&u8, u8)| match form {
        b'9' => byte.is_ascii_digit(),
        b'f' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        other => *byte == other,
    };
    data.len() >= form.len() && data.iter().zip(form.bytes()).all(is)
}
