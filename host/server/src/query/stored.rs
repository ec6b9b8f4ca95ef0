//! Lists of what the journal has, as its queries.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ostro_journal::{Column, Op, Operand, Query};
use serde_json::Value;

use super::{Listing, Test};
use crate::fault::Fault;

/// Fields that hold the id of something.
const IDS: [&str; 6] = [
    "workflow_id",
    "task_execution_id",
    "root_execution_id",
    "source_execution_id",
    "workflow_execution_id",
    "project_id",
];
const TIMES: [&str; 4] = ["created_at", "updated_at", "started_at", "finished_at"];
const TRUTHS: [&str; 2] = ["accepted", "processed"];
const JSON: [&str; 6] = [
    "input",
    "output",
    "params",
    "published",
    "published_global",
    "runtime_context",
];
/// Times are asked for to the second.
const SECOND: i64 = 1000;

impl Listing {
    /// What the journal is to be asked for this list.
    pub(crate) fn stored<C: Column>(&self) -> Result<Query<C>, Fault> {
        let mut query = Query::new();
        for (name, test) in &self.filters {
            let column = C::from_name(name)
                .ok_or_else(|| Fault::invalid(format!("A list cannot be filtered by {name}")))?;
            for op in ops(name, test)? {
                query = query.filter(column, op);
            }
        }
        // Rows that are alike come in the order of their creation, for which nobody need ask.
        let keys = match self.sort.as_slice() {
            [keys @ .., (last, _)] if last == "id" && !keys.is_empty() => keys,
            keys => keys,
        };
        for (name, direction) in keys {
            let column = C::from_name(name)
                .ok_or_else(|| Fault::invalid(format!("Sort key supplied is invalid: {name}")))?;
            query = query.sort(column, *direction);
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit);
        }
        if let Some(marker) = &self.marker {
            query = query.after(marker.clone());
        }
        Ok(query)
    }

    /// Whether rows are to show `name`, which they do not unless somebody asks.
    pub(crate) fn asks_for(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field == name)
    }
}

fn ops(name: &str, filter: &Test) -> Result<Vec<Op>, Fault> {
    if TIMES.contains(&name) {
        return times(name, filter);
    }
    if name == "tags" {
        return Ok(tags(filter));
    }
    let operand = |text: &String| operand(name, text);
    let all = |texts: &[String]| texts.iter().map(operand).collect::<Result<Vec<_>, _>>();
    let op = match filter {
        Test::Eq(text) => Op::Eq(operand(text)?),
        Test::Neq(text) => Op::Neq(operand(text)?),
        Test::Gt(text) => Op::Gt(operand(text)?),
        Test::Gte(text) => Op::Gte(operand(text)?),
        Test::Lt(text) => Op::Lt(operand(text)?),
        Test::Lte(text) => Op::Lte(operand(text)?),
        Test::In(texts) => Op::In(all(texts)?),
        Test::Nin(texts) => Op::Nin(all(texts)?),
        Test::Has(text) => Op::Has(text.clone()),
    };
    Ok(vec![op])
}

fn operand(name: &str, text: &str) -> Result<Operand, Fault> {
    if IDS.contains(&name) {
        return uuid(name, text).map(Into::into);
    }
    if TRUTHS.contains(&name) {
        return match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true.into()),
            "false" | "0" => Ok(false.into()),
            _ => Err(Fault::invalid(format!(
                "Invalid input for field/attribute {name}. Value: '{text}'. \
                 It is neither true nor false"
            ))),
        };
    }
    if JSON.contains(&name) {
        let value: Value = serde_json::from_str(text).map_err(|_| {
            Fault::invalid(format!(
                "Invalid input for field/attribute {name}. Value: '{text}'. \
                 unable to convert to json. Error: Expecting value: line 1 column 1 (char 0)"
            ))
        })?;
        return Ok(value.to_string().into());
    }
    Ok(text.into())
}

/// `text`, which must be a UUID.
pub(crate) fn uuid<'a>(name: &str, text: &'a str) -> Result<&'a str, Fault> {
    if uuid::Uuid::try_parse(text).is_ok() {
        return Ok(text);
    }
    Err(Fault::invalid(format!(
        "Invalid input for field/attribute {name}. Value: '{text}'. \
         unable to convert to uuid. Error: Expected a uuid but received {text}."
    )))
}

/// All of the tags that are wanted.
fn tags(filter: &Test) -> Vec<Op> {
    // They are kept as a JSON list.
    let quoted = |tag: &str| Value::from(tag).to_string();
    match filter {
        Test::Eq(wanted) => wanted.split(',').map(|tag| Op::Has(quoted(tag))).collect(),
        Test::In(wanted) => wanted.iter().map(|tag| Op::Has(quoted(tag))).collect(),
        Test::Has(part) => vec![Op::Has(part.clone())],
        Test::Neq(_) | Test::Nin(_) | Test::Gt(_) | Test::Gte(_) | Test::Lt(_) | Test::Lte(_) => {
            vec![Op::In(Vec::new())]
        }
    }
}

/// A time is all of its second.
fn times(name: &str, filter: &Test) -> Result<Vec<Op>, Fault> {
    let from = |text: &str| millis(name, text);
    let to = |text: &str| millis(name, text).map(|millis| millis.saturating_add(SECOND));
    Ok(match filter {
        Test::Eq(text) => vec![Op::Gte(from(text)?.into()), Op::Lt(to(text)?.into())],
        Test::Gt(text) => vec![Op::Gte(to(text)?.into())],
        Test::Gte(text) => vec![Op::Gte(from(text)?.into())],
        Test::Lt(text) => vec![Op::Lt(from(text)?.into())],
        Test::Lte(text) => vec![Op::Lt(to(text)?.into())],
        Test::Neq(_) | Test::In(_) | Test::Nin(_) | Test::Has(_) => {
            return Err(Fault::invalid(format!(
                "Times are compared by eq, gt, gte, lt and lte only: {name}"
            )));
        }
    })
}

fn millis(name: &str, text: &str) -> Result<i64, Fault> {
    let text = text.trim();
    let with_offset = text.parse::<jiff::Timestamp>().ok();
    let time = with_offset.or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    let time = time.ok_or_else(|| {
        Fault::invalid(format!(
            "Invalid input for field/attribute {name}. Value: '{text}'. \
             It is no time like 2026-01-02 03:04:05"
        ))
    })?;
    Ok(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_all_of_its_second() {
        let day = 1_767_312_000_000;
        for text in ["2026-01-02", "2026-01-02 00:00:00", "2026-01-02T00:00:00Z"] {
            assert_eq!(millis("created_at", text).ok(), Some(day), "{text}");
        }
        let ops = times("created_at", &Test::Gt("2026-01-02".to_owned())).unwrap();
        assert_eq!(ops, [Op::Gte((day + SECOND).into())]);
        assert!(millis("created_at", "text").is_err());
    }

    #[test]
    fn what_cannot_be_in_a_column_is_refused() {
        for (name, text) in [
            ("workflow_id", "text"),
            ("input", "text"),
            ("accepted", "odd"),
        ] {
            assert!(operand(name, text).is_err(), "{name}");
        }
        assert_eq!(
            operand("input", "{\"n\": 5}").ok(),
            Some(Operand::Text("{\"n\":5}".to_owned()))
        );
        let wanted = tags(&Test::Eq("a,b".to_owned()));
        assert_eq!(
            wanted,
            [Op::Has("\"a\"".to_owned()), Op::Has("\"b\"".to_owned())]
        );
    }
}
