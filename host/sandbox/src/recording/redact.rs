//! Takes secrets out of recordings, so that they can be kept and shown around.
//!
//! A secret is what stands under a key that says so: `pm_password`, `x-auth-token`, the `value`
//! of a JSON patch of `/driver_info/ipmi_password`. Each becomes `[secret N]`, the same value the
//! same text wherever it stands, so that a component that passes it on, or compares it, does the
//! same in a replay.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::Recording;
use crate::secrets::replaced;

/// The fewest bytes of a secret that is looked for where no key says that there is one, and
/// within longer texts. Shorter ones are words like any other.
const FEWEST: usize = 6;

/// Takes the secrets out of `recording`: what keys give away, and what the operator `provides`,
/// wherever it stands.
pub(super) fn redact<'a>(recording: &mut Recording, provides: impl Iterator<Item = &'a str>) {
    let mut secrets = Secrets::default();
    for value in provides {
        secrets.add(value);
        secrets.provided.insert(value.to_owned());
    }
    secrets.collect(&recording.input, false);
    for call in &recording.calls {
        secrets.collect(&call.arguments, false);
        if let Some(answer) = &call.answer {
            secrets.collect(answer, false);
        }
    }
    if let Some(outcome) = &recording.outcome {
        secrets.collect(outcome, false);
    }
    if secrets.known.is_empty() {
        return;
    }
    secrets.sort();
    secrets.replace(&mut recording.input, false);
    for call in &mut recording.calls {
        secrets.replace(&mut call.arguments, false);
        if let Some(answer) = &mut call.answer {
            secrets.replace(answer, false);
        }
    }
    if let Some(outcome) = &mut recording.outcome {
        secrets.replace(outcome, false);
    }
}

/// Whether what stands under `key` is to be kept from readers.
fn is_secret(key: &str) -> bool {
    const PARTS: [&str; 13] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "credential",
        "private-key",
        "api-key",
        "apikey",
        "access-key",
        "auth-key",
        "temp-url-key",
        "cookie",
    ];
    const WORDS: [&str; 6] = ["auth", "authorization", "pass", "pwd", "priv", "community"];
    // What only says how something is kept secret.
    const PLAIN: [&str; 7] = [
        "url",
        "type",
        "method",
        "protocol",
        "interface",
        "version",
        "id",
    ];
    let key = key.to_lowercase().replace(['_', ' ', '.'], "-");
    let words = || key.split('-');
    if words()
        .next_back()
        .is_some_and(|last| PLAIN.contains(&last))
    {
        return false;
    }
    PARTS.iter().any(|part| key.contains(part)) || words().any(|word| WORDS.contains(&word))
}

/// The key of a JSON patch's `value`: the last part of its path.
fn patched(object: &Map<String, Value>) -> Option<&str> {
    let path = object.get("path")?.as_str()?;
    object.get("value")?;
    path.rsplit('/').next()
}

/// The name of a pair, as headers and queries have them.
fn named(items: &[Value]) -> Option<&str> {
    match items {
        [Value::String(name), Value::String(_)] => Some(name),
        _ => None,
    }
}

/// JSON in a text.
fn nested(text: &str) -> Option<Value> {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins.then(|| serde_json::from_str(text).ok()).flatten()
}

#[derive(Default)]
struct Secrets {
    known: HashMap<String, String>,
    /// Those of the operator: they are looked for everywhere, however short they are.
    provided: HashSet<String>,
    /// Those to look for within texts, the longest first: one may hold another.
    long: Vec<(String, String)>,
}

impl Secrets {
    fn add(&mut self, text: &str) {
        // Services mask what they do not tell; that is no secret.
        if text.is_empty() || text.chars().all(|c| c == '*') {
            return;
        }
        let number = self.known.len() + 1;
        let name = || format!("[secret {number}]");
        self.known.entry(text.to_owned()).or_insert_with(name);
    }

    fn sort(&mut self) {
        let is_long = |text: &String| text.len() >= FEWEST || self.provided.contains(text);
        let long = self.known.iter().filter(|(text, _)| is_long(text));
        self.long = long
            .map(|(text, name)| (text.clone(), name.clone()))
            .collect();
        self.long
            .sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    fn collect(&mut self, value: &Value, secret: bool) {
        match value {
            Value::String(text) if secret => self.add(text),
            Value::String(text) => {
                if let Some(value) = nested(text) {
                    self.collect(&value, false);
                }
            }
            Value::Number(number) if secret => self.add(&number.to_string()),
            Value::Array(items) => {
                let secret = secret || named(items).is_some_and(is_secret);
                let from = usize::from(named(items).is_some());
                items[from..]
                    .iter()
                    .for_each(|item| self.collect(item, secret));
            }
            Value::Object(entries) => {
                let patched = patched(entries).is_some_and(is_secret);
                for (key, value) in entries {
                    let secret = secret || is_secret(key) || (patched && key == "value");
                    self.collect(value, secret);
                }
            }
            _ => {}
        }
    }

    fn replace(&self, value: &mut Value, secret: bool) {
        match value {
            Value::String(text) => self.replace_text(text, secret),
            // Something of the same type has to stand there.
            Value::Number(number) if secret || self.provided.contains(&number.to_string()) => {
                *number = 0.into();
            }
            Value::Array(items) => {
                let secret = secret || named(items).is_some_and(is_secret);
                let from = usize::from(named(items).is_some());
                items[from..]
                    .iter_mut()
                    .for_each(|item| self.replace(item, secret));
            }
            Value::Object(entries) => {
                self.replace_bytes(entries);
                let patched = patched(entries).is_some_and(is_secret);
                for (key, value) in entries {
                    let secret = secret || is_secret(key) || (patched && key == "value");
                    self.replace(value, secret);
                }
            }
            _ => {}
        }
    }

    /// Takes what the operator provides out of bytes that are no text.
    fn replace_bytes(&self, object: &mut Map<String, Value>) {
        let Some(Value::String(encoded)) = object.get_mut("base64") else {
            return;
        };
        if self.provided.is_empty() {
            return;
        }
        let Ok(mut bytes) = STANDARD.decode(&*encoded) else {
            return;
        };
        let mut changed = false;
        for (secret, name) in &self.long {
            if !self.provided.contains(secret) {
                continue;
            }
            if let Some(without) = replaced(&bytes, secret.as_bytes(), name.as_bytes()) {
                bytes = without;
                changed = true;
            }
        }
        if changed {
            *encoded = STANDARD.encode(bytes);
        }
    }

    fn replace_text(&self, text: &mut String, secret: bool) {
        let whole = self.known.get(text.as_str());
        if let Some(name) = whole.filter(|_| secret || text.len() >= FEWEST) {
            name.clone_into(text);
            return;
        }
        if let Some(mut value) = nested(text) {
            let before = value.clone();
            self.replace(&mut value, false);
            if value != before {
                *text = value.to_string();
            }
        }
        for (secret, name) in &self.long {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recording::{RecordedCall, RecordedContext, RecordedPack};

    #[test]
    fn keys_say_what_is_secret() {
        for key in [
            "password",
            "pm_password",
            "ipmi_password",
            "X-Auth-Token",
            "snmp_auth_key",
            "auth",
            "Authorization",
            "application_credential_secret",
            "x-account-meta-temp-url-key",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in [
            "auth_url",
            "auth_type",
            "author",
            "name",
            "pm_user",
            "key",
            "token_type",
        ] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn a_secret_is_replaced_wherever_it_stands() {
        let input = json!({"nodes": [{"pm_password": "s3cr3t-1", "pm_user": "admin"},
            {"pm_password": "x", "masked_password": "******"}], "pin_token": 123_456});
        let mut recording = Recording::new(
            RecordedPack::default(),
            "a.b",
            input,
            RecordedContext::default(),
        );
        recording.calls.push(RecordedCall {
            call: "openstack.send".into(),
            arguments: json!({
                "headers": [["x-thing-token", "h34d3r"], ["accept", "x"]],
                "body": {"json": [{"op": "add", "path": "/driver_info/ipmi_password", "value": "p4tch3d"}]},
            }),
            answer: Some(json!({"ok": {"status": 200, "body": {"text": "{\"password\":  \"x\"}"}}})),
        });
        recording.calls.push(RecordedCall {
            call: "log.write".into(),
            arguments: json!({"level": "info", "message": "s3cr3t-1 and p4tch3d, 123456"}),
            answer: Some(json!({})),
        });
        recording.outcome = Some(json!({"success": "s3cr3t-1"}));
        redact(&mut recording, std::iter::empty());
        assert_eq!(
            recording.input,
            json!({"nodes": [{"pm_password": "[secret 1]", "pm_user": "admin"},
                {"pm_password": "[secret 2]", "masked_password": "******"}], "pin_token": 0})
        );
        let text = serde_json::to_string(&recording).unwrap();
        for secret in ["s3cr3t-1", "h34d3r", "p4tch3d", "123456", "\\\"x\\\""] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert_eq!(recording.outcome, Some(json!({"success": "[secret 1]"})));
        assert_eq!(
            recording.calls[0].arguments["headers"][1],
            json!(["accept", "x"])
        );
    }

    #[test]
    fn what_the_operator_provides_is_nowhere() {
        let input =
            json!({"a": "pin1", "b": "is pin1.", "c": 4711, "d": "{\"x\": \"say \\\"4711\\\"\"}"});
        let mut recording = Recording::new(
            RecordedPack::default(),
            "a.b",
            input,
            RecordedContext::default(),
        );
        recording.calls.push(RecordedCall {
            call: "secrets.reveal".into(),
            arguments: json!({"name": "pin"}),
            answer: Some(json!({"ok": "pin1"})),
        });
        recording.calls.push(RecordedCall {
            call: "object-store.write".into(),
            arguments: json!({"bytes": {"base64": STANDARD.encode(b"\xff pin1 \x00")}}),
            answer: None,
        });
        redact(&mut recording, ["pin1", "4711"].into_iter());
        let text = serde_json::to_string(&recording).unwrap();
        assert!(!text.contains("pin1") && !text.contains("4711"), "{text}");
        let bytes = recording.calls[1].arguments["bytes"]["base64"].as_str();
        let bytes = STANDARD.decode(bytes.unwrap()).unwrap();
        assert_eq!(bytes, b"\xff [secret 1] \x00");
        // A component that passes it on gets, in a replay, what stands for it.
        assert_eq!(recording.calls[0].answer, Some(json!({"ok": "[secret 1]"})));
    }
}
