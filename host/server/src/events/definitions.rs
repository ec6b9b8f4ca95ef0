//! What workflows get to know of events.

use ostro_lang::{Budget, Host, Scope, Template};
use serde_json::{Value, json};

use super::notification::Notification;
use crate::app::ServerError;
use crate::start::Object;

/// What workflows get to know of events, by the types of these: what Mistral reads from
/// `event_definitions.yaml`. Without a definition for its type, it is of an event the `service`
/// that sent it, its `timestamp`, and the `project_id` and `user_id` that it is of.
#[derive(Clone, Debug, Default)]
pub struct EventDefinitions(Vec<Definition>);

#[derive(Clone, Debug)]
struct Definition {
    /// Patterns, of which one is to match.
    types: Vec<String>,
    properties: Vec<(String, Template)>,
}

impl EventDefinitions {
    /// Reads the text of a file in Mistral's format: a list of mappings, each with `event_types`,
    /// a pattern or a list of patterns as those of shells, and `properties`, a mapping of names to
    /// expressions over the event, which has `event_type`, `payload`, `publisher`, `timestamp` and
    /// `context`. The last one that matches counts. An error says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let wrong = |why: String| ServerError::EventDefinitions(why);
        let read: Value = serde_yaml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let Value::Array(rows) = read else {
            return Err(wrong("it is to be a list".to_owned()));
        };
        let read = rows.iter().enumerate().map(|(place, row)| {
            Definition::of(row).map_err(|why| wrong(format!("number {}: {why}", place + 1)))
        });
        // The last one that matches counts.
        Ok(Self(read.rev().collect::<Result<_, _>>()?))
    }

    /// What is known of an event. A property that cannot be told is null.
    pub(super) fn params(&self, event: &Notification, now: i64) -> Object {
        let mut definitions = self.0.iter();
        let found = definitions.find(|one| one.is_for(&event.event_type));
        let Some(definition) = found else {
            return event.usual();
        };
        let data = event.whole().into();
        let (host, budget) = (Now(now), Budget::default());
        let scope = Scope {
            data: &data,
            host: &host,
            budget: &budget,
        };
        let properties = definition.properties.iter().map(|(name, template)| {
            let value = template.evaluate(scope).unwrap_or_else(|error| {
                let event = &event.event_type;
                tracing::warn!(event, name, %error, "a property of an event cannot be told");
                ostro_core::Value::Null
            });
            (name.clone(), Value::from(&value))
        });
        properties.collect()
    }
}

impl Definition {
    fn of(row: &Value) -> Result<Self, String> {
        let types = match &row["event_types"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(all) if !all.is_empty() => {
                let all = all.iter().map(|one| one.as_str().map(str::to_owned));
                let all: Option<_> = all.collect();
                all.ok_or("`event_types` are to be texts")?
            }
            _ => return Err("`event_types` is to be a pattern or a list of patterns".to_owned()),
        };
        let properties = row["properties"].as_object();
        let properties = properties.ok_or("`properties` is to be a mapping")?;
        let properties = properties.iter().map(|(name, value)| {
            let value = ostro_core::Value::from(value.clone());
            let template = Template::from_value(&value, name);
            let problem = |problems: Vec<ostro_lang::Diagnostic>| {
                let first = problems.into_iter().next();
                let message = first.map_or_else(String::new, |problem| problem.message);
                format!("`{name}`: {message}")
            };
            Ok((name.clone(), template.map_err(problem)?))
        });
        Ok(Self {
            types,
            properties: properties.collect::<Result<_, String>>()?,
        })
    }

    fn is_for(&self, event_type: &str) -> bool {
        let event_type: Vec<char> = event_type.chars().collect();
        self.types.iter().any(|pattern| {
            let pattern: Vec<char> = pattern.chars().collect();
            matches(&pattern, &event_type)
        })
    }
}

impl Notification {
    /// The event as expressions see it.
    fn whole(&self) -> Value {
        json!({
            "event_type": self.event_type,
            "payload": self.payload,
            "publisher": self.publisher,
            "timestamp": self.timestamp,
            "context": self.context,
        })
    }

    /// What there is to know without a definition.
    fn usual(&self) -> Object {
        let of_context = |name: &str| self.context.get(name).cloned().unwrap_or_default();
        Object::from_iter([
            ("service".to_owned(), self.publisher.clone()),
            ("project_id".to_owned(), of_context("project_id")),
            ("user_id".to_owned(), of_context("user_id")),
            ("timestamp".to_owned(), self.timestamp.clone()),
        ])
    }
}

/// Whether `text` is as a shell's pattern says (Python's `fnmatch`): `*`, `?`, `[abc]`, `[a-z]`,
/// `[!abc]`.
fn matches(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on if the last star takes one more.
    let mut again: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            again = Some((p + 1, t));
            p += 1;
        } else if let Some(width) = one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
        } else if let Some((after, from)) = again {
            again = Some((after, from + 1));
            (p, t) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&left| left == '*')
}

/// How much of a pattern stands for this one character, if it does.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match *pattern.first()? {
        '?' => Some(1),
        '[' => {
            let from = if pattern.get(1) == Some(&'!') { 2 } else { 1 };
            // A bracket right at the beginning is one of the letters.
            let end = pattern.iter().skip(from + 1).position(|&one| one == ']');
            let Some(end) = end.map(|place| place + from + 1) else {
                return (letter == '[').then_some(1);
            };
            (is_in(&pattern[from..end], letter) == (from == 1)).then_some(end + 1)
        }
        plain => (plain == letter).then_some(1),
    }
}

fn is_in(mut set: &[char], letter: char) -> bool {
    loop {
        set = match set {
            [] => return false,
            [low, '-', high, ..] if (*low..=*high).contains(&letter) => return true,
            [_, '-', _, rest @ ..] => rest,
            [same, ..] if *same == letter => return true,
            [_, rest @ ..] => rest,
        };
    }
}

/// The time, for `now()`.
struct Now(i64);

impl Host for Now {
    fn call(
        &self,
        _: &str,
        _: &[ostro_core::Value],
        _: &[(&str, ostro_core::Value)],
    ) -> Option<Result<ostro_core::Value, String>> {
        None
    }

    fn functions(&self) -> &[&str] {
        &[]
    }

    fn now_millis(&self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_type: &str) -> Notification {
        let body = json!({
            "event_type": event_type,
            "publisher_id": "compute.one",
            "payload": {"state": "active"},
            "timestamp": "2026-03-01 10:20:30",
            "_context_project_id": "p",
        });
        Notification::parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn without_a_definition_it_is_what_mistral_tells() {
        let told = EventDefinitions::default().params(&event("compute.start"), 0);
        let wanted = json!({
            "service": "compute.one",
            "project_id": "p",
            "user_id": null,
            "timestamp": "2026-03-01 10:20:30",
        });
        assert_eq!(Value::Object(told), wanted);
    }

    #[test]
    fn the_last_definition_that_matches_counts() {
        let definitions = EventDefinitions::parse(
            "
- event_types: [compute.*, volume.*]
  properties: {general: true}
- event_types: compute.instance.*
  properties:
    state: <% $.payload.state %>
    said: 'of {{ _.publisher }}'
    lost: <% $.payload.odd.odd %>
",
        )
        .unwrap();
        let told = definitions.params(&event("compute.instance.end"), 0);
        let wanted = json!({"state": "active", "said": "of compute.one", "lost": null});
        assert_eq!(Value::Object(told), wanted);
        let told = definitions.params(&event("volume.end"), 0);
        assert_eq!(Value::Object(told), json!({"general": true}));
        assert!(definitions.params(&event("image.end"), 0)["service"].is_string());
    }

    #[test]
    fn what_is_wrong_with_definitions_is_said() {
        for (text, wanted) in [
            ("{}", "it is to be a list"),
            ("- {properties: {}}", "number 1: `event_types` is to be"),
            ("- {event_types: a}", "number 1: `properties` is to be"),
            ("- {event_types: a, properties: {b: <% $. %>}}", "`b`"),
            ("[", "line"),
        ] {
            let error = EventDefinitions::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn patterns_are_those_of_fnmatch() {
        for (pattern, text, wanted) in [
            ("compute.*", "compute.instance.end", true),
            ("compute.*", "compute", false),
            ("*.end", "compute.instance.end", true),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxbxxbxx", false),
            ("??", "ab", true),
            ("??", "abc", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[x", "[x", true),
            ("a.b", "a-b", false),
            ("", "", true),
            ("**", "", true),
        ] {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let found = matches(&chars(pattern), &chars(text));
            assert_eq!(found, wanted, "{pattern} {text}");
        }
    }
}
