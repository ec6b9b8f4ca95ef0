//! Cron triggers: executions that are started at times.

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Kept, Owned, Table, Tables};
use crate::identity::Scope;
use crate::row;

/// What Mistral says is the pattern of a trigger that has none, and starts one execution only.
pub(crate) const NEVER: &str = "0 0 30 2 0";

/// A cron trigger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CronTrigger {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) pattern: String,
    pub(crate) workflow_id: String,
    pub(crate) workflow_name: String,
    pub(crate) workflow_input: Map<String, Value>,
    pub(crate) workflow_params: Map<String, Value>,
    /// How often it starts one more; none for as long as it is there.
    pub(crate) remaining: Option<u64>,
    pub(crate) first: Option<i64>,
    /// When it starts the next one, in milliseconds since 1970 UTC.
    pub(crate) next: i64,
    pub(crate) project: String,
    pub(crate) scope: Scope,
    pub(crate) created_at: i64,
    pub(crate) updated_at: Option<i64>,
}

impl Kept for CronTrigger {
    const KIND: &'static str = "cron-trigger";

    type Name = String;

    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn table_mut(tables: &mut Tables) -> &mut Table<Self> {
        &mut tables.cron_triggers
    }
}

impl Owned for CronTrigger {
    fn project(&self) -> &str {
        &self.project
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn row(&self) -> Map<String, Value> {
        let row = json!({
            "id": self.id,
            "name": self.name,
            "workflow_name": self.workflow_name,
            "workflow_id": self.workflow_id,
            "workflow_input": Value::Object(self.workflow_input.clone()).to_string(),
            "workflow_params": Value::Object(self.workflow_params.clone()).to_string(),
            "project_id": self.project,
            "scope": self.scope.as_str(),
            "pattern": self.pattern,
            "remaining_executions": self.remaining,
            "first_execution_time": row::maybe_time(self.first),
            "next_execution_time": row::time(self.next),
            "created_at": row::time(self.created_at),
            "updated_at": row::maybe_time(self.updated_at),
        });
        match row {
            Value::Object(row) => row,
            _ => Map::new(),
        }
    }
}

impl CronTrigger {
    /// The same after it has started one; none if that was the last.
    pub(crate) fn after(&self, now: i64) -> Option<Self> {
        let remaining = match self.remaining {
            Some(0 | 1) => return None,
            Some(more) => Some(more - 1),
            None => None,
        };
        // Times that went by while nobody looked are not made up for, as in Mistral.
        let next = Pattern::parse(&self.pattern)?.next(self.next.max(now))?;
        Some(Self {
            remaining,
            next,
            updated_at: Some(now),
            ..self.clone()
        })
    }
}

/// When something happens again and again.
pub(crate) struct Pattern(Cron);

impl Pattern {
    /// Reads a pattern as croniter does: five fields, a sixth one behind them for seconds, or a
    /// name such as `@daily`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let text = match fields.as_slice() {
            [first, .., last] if fields.len() == 6 => {
                let middle = fields[1..5].join(" ");
                format!("{last} {first} {middle}")
            }
            [_] if text.starts_with('@') => text.to_owned(),
            [_, _, _, _, _] => fields.join(" "),
            _ => return None,
        };
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        parser.parse(&text).ok().map(Self)
    }

    /// The first time after `millis`, both in milliseconds since 1970 UTC.
    pub(crate) fn next(&self, millis: i64) -> Option<i64> {
        let from: DateTime<Utc> = DateTime::from_timestamp_millis(millis)?;
        let next = self.0.find_next_occurrence(&from, false).ok()?;
        Some(next.timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(pattern: &str, from: &str) -> Option<String> {
        let from: DateTime<Utc> = from.parse().unwrap();
        let next = Pattern::parse(pattern)?.next(from.timestamp_millis())?;
        Some(DateTime::from_timestamp_millis(next)?.to_rfc3339())
    }

    #[test]
    fn patterns_are_those_of_croniter() {
        let from = "2026-03-01T10:20:30Z";
        for (pattern, wanted) in [
            ("*/5 * * * *", "2026-03-01T10:25:00+00:00"),
            ("0 0 1 1 *", "2027-01-01T00:00:00+00:00"),
            ("0 0 7 JAN MON", "2027-01-04T00:00:00+00:00"),
            ("@yearly", "2027-01-01T00:00:00+00:00"),
            ("0 0 7 1 * 30", "2027-01-07T00:00:30+00:00"),
        ] {
            assert_eq!(next(pattern, from).as_deref(), Some(wanted), "{pattern}");
        }
        for wrong in ["odd", "0 0 1 1", "61 0 1 1 *", ""] {
            assert!(Pattern::parse(wrong).is_none(), "{wrong}");
        }
    }
}
