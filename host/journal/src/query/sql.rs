//! A query as a statement.

use ostro_core::State;
use rusqlite::types::{ToSql, ToSqlOutput, Value};

use super::columns::{Kind, Spec, Table};
use super::{Column, Direction, Op, Operand, Query};
use crate::id::StoredId;
use crate::read::state;

/// A statement with what is bound to its parameters, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) bound: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn bind(&mut self, value: Value) -> &mut Self {
        self.text.push('?');
        self.bound.push(value);
        self
    }

    fn append(&mut self, other: &Sql) {
        self.text.push_str(&other.text);
        self.bound.extend_from_slice(&other.bound);
    }
}

/// What rows are sorted by: the query's keys, then the order of creation.
pub(super) struct Order {
    keys: Vec<(Spec, Direction)>,
    seq: &'static str,
    tie: Direction,
}

impl Order {
    pub(super) fn of<C: Column>(query: &Query<C>) -> Self {
        let table = C::table();
        let mut keys: Vec<(Spec, Direction)> = query
            .sort
            .iter()
            .map(|(column, direction)| (column.spec(), *direction))
            .collect();
        if keys.is_empty() {
            keys.push((table.created_at, Direction::Ascending));
        }
        let tie = keys
            .last()
            .map_or(Direction::Ascending, |(_, direction)| *direction);
        Self {
            keys,
            seq: table.seq,
            tie,
        }
    }

    /// Where the marker's row stands: as many values as there are keys, and its `seq`.
    pub(super) fn position(&self, table: &Table, marker: &str) -> Sql {
        let mut sql = Sql::default();
        sql.push("SELECT ");
        for (spec, _) in &self.keys {
            sql.push(&expression(spec)).push(", ");
        }
        sql.push(self.seq).push(" FROM ").push(table.from);
        sql.push(" WHERE ").push(table.id).push(" = ");
        sql.bind(id(marker));
        sql
    }

    pub(super) fn width(&self) -> usize {
        self.keys.len() + 1
    }

    /// The condition that a row comes after the one that stands at `position`.
    fn after(&self, position: &[Value]) -> Sql {
        let mut sql = Sql::default();
        let columns: Vec<(String, Direction, bool)> = self
            .keys
            .iter()
            .map(|(spec, direction)| (expression(spec), *direction, spec.nullable))
            .chain([(self.seq.to_owned(), self.tie, false)])
            .collect();
        let plain = columns
            .iter()
            .all(|(_, direction, nullable)| *direction == self.tie && !nullable);
        if plain {
            // As one comparison of rows, it is a range of an index.
            let names: Vec<&str> = columns.iter().map(|(name, _, _)| &**name).collect();
            sql.push("(").push(&names.join(", ")).push(")");
            sql.push(sign(self.tie)).push("(");
            for (index, value) in position.iter().enumerate() {
                sql.push(if index == 0 { "" } else { ", " });
                sql.bind(value.clone());
            }
            sql.push(")");
            return sql;
        }
        sql.push("(");
        for (index, (name, direction, nullable)) in columns.iter().enumerate() {
            sql.push(if index == 0 { "(" } else { " OR (" });
            for ((name, _, _), value) in columns.iter().zip(position).take(index) {
                sql.push(name)
                    .push(" IS ")
                    .bind(value.clone())
                    .push(" AND ");
            }
            let value = position.get(index).cloned().unwrap_or(Value::Null);
            match (direction, value) {
                (Direction::Ascending, Value::Null) => {
                    sql.push(name).push(" IS NOT NULL");
                }
                (Direction::Descending, Value::Null) => {
                    sql.push("0");
                }
                (Direction::Descending, value) if *nullable => {
                    sql.push("(").push(name).push(" < ").bind(value);
                    sql.push(" OR ").push(name).push(" IS NULL)");
                }
                (direction, value) => {
                    sql.push(name).push(sign(*direction)).bind(value);
                }
            }
            sql.push(")");
        }
        sql.push(")");
        sql
    }
}

/// The statement that finds the `seq` of the rows of a page; none if there can be none.
pub(super) fn find<C: Column>(
    query: &Query<C>,
    order: &Order,
    position: Option<&[Value]>,
) -> Option<Sql> {
    let table = C::table();
    let filters: Vec<(Spec, &Op)> = query
        .filters
        .iter()
        .map(|(column, op)| (column.spec(), op))
        .collect();
    let narrow = filters
        .iter()
        .any(|(spec, op)| spec.narrow.is_some() && matches!(op, Op::Eq(Operand::Text(_))));
    let by_time = order
        .keys
        .first()
        .is_some_and(|(spec, _)| matches!(spec.name, "created_at" | "updated_at"));
    let mut rest = Vec::new();
    let mut states = State::ALL.to_vec();
    let split = by_time && !narrow;
    for (spec, op) in filters {
        if !(split && spec.kind == Kind::State && restrict(&mut states, op)) {
            rest.push(condition(&spec, op));
        }
    }
    if let Some(position) = position {
        rest.push(order.after(position));
    }
    if !split {
        return Some(branch(&table, order, &rest, None, query.limit));
    }
    // Each state by itself is a range of an index, sorted already; and as few rows are read of
    // a state that is frequent as of one that is rare.
    let mut sql = Sql::default();
    sql.push("SELECT seq FROM (");
    for (index, state) in states.iter().enumerate() {
        sql.push(if index == 0 {
            "SELECT * FROM ("
        } else {
            " UNION ALL SELECT * FROM ("
        });
        sql.append(&branch(&table, order, &rest, Some(*state), query.limit));
        sql.push(")");
    }
    sql.push(") ORDER BY ");
    for (index, (_, direction)) in order.keys.iter().enumerate() {
        sql.push(&format!("key{index} {}, ", word(*direction)));
    }
    sql.push("seq ").push(word(order.tie)).push(" LIMIT ");
    sql.bind(limit(query.limit));
    (!states.is_empty()).then_some(sql)
}

/// The rows of one state, or of all; in order.
fn branch(
    table: &Table,
    order: &Order,
    conditions: &[Sql],
    state: Option<State>,
    rows: usize,
) -> Sql {
    let mut sql = Sql::default();
    sql.push("SELECT ").push(table.seq).push(" AS seq");
    for (index, (spec, _)) in order.keys.iter().enumerate() {
        sql.push(&format!(", {} AS key{index}", expression(spec)));
    }
    sql.push(" FROM ").push(table.from).push(" WHERE 1");
    if let Some(state) = state {
        sql.push(" AND ").push(table.state).push(" = ");
        sql.bind(Value::Text(state.as_str().to_owned()));
    }
    for condition in conditions {
        sql.push(" AND ").append(condition);
    }
    sql.push(" ORDER BY ");
    for (spec, direction) in &order.keys {
        sql.push(&expression(spec)).push(" ").push(word(*direction));
        sql.push(", ");
    }
    sql.push(table.seq).push(" ").push(word(order.tie));
    sql.push(" LIMIT ").bind(limit(rows));
    sql
}

/// Leaves those states that `op` finds. False if it is not about names of states alone.
fn restrict(states: &mut Vec<State>, op: &Op) -> bool {
    let named = |operand: &Operand| match operand {
        Operand::Text(name) => state(name),
        Operand::Null | Operand::Integer(_) => None,
    };
    match op {
        Op::Eq(one) => states.retain(|state| named(one) == Some(*state)),
        Op::Neq(one) => states.retain(|state| named(one) != Some(*state)),
        Op::In(some) => states.retain(|state| some.iter().any(|one| named(one) == Some(*state))),
        Op::Nin(some) => states.retain(|state| some.iter().all(|one| named(one) != Some(*state))),
        Op::Gt(_) | Op::Gte(_) | Op::Lt(_) | Op::Lte(_) | Op::Has(_) => return false,
    }
    true
}

fn condition(spec: &Spec, op: &Op) -> Sql {
    let mut sql = Sql::default();
    let name = expression(spec);
    let mut compare = |sign: &str, operand: &Operand| {
        sql.push(&name).push(sign).bind(value(spec.kind, operand));
    };
    match op {
        Op::Eq(Operand::Null) => compare(" IS ", &Operand::Null),
        Op::Neq(Operand::Null) => compare(" IS NOT ", &Operand::Null),
        Op::Eq(operand) => {
            if let Some(equal) = spec.narrow {
                sql.push(equal);
                sql.bound.push(value(spec.kind, operand));
            } else {
                compare(" = ", operand);
                if let (Some(indexed), false) = (spec.indexed, is_empty(operand)) {
                    sql.push(" AND ").push(indexed);
                }
            }
        }
        Op::Neq(operand) => compare(" <> ", operand),
        Op::Gt(operand) => compare(" > ", operand),
        Op::Gte(operand) => compare(" >= ", operand),
        Op::Lt(operand) => compare(" < ", operand),
        Op::Lte(operand) => compare(" <= ", operand),
        Op::In(some) => list(&mut sql, &name, " IN (", spec.kind, some),
        Op::Nin(some) => list(&mut sql, &name, " NOT IN (", spec.kind, some),
        Op::Has(text) => {
            sql.push("instr(").push(&readable(spec, name)).push(", ");
            sql.bind(Value::Text(text.clone())).push(") > 0");
        }
    }
    sql
}

fn is_empty(operand: &Operand) -> bool {
    matches!(operand, Operand::Text(text) if text.is_empty())
}

fn list(sql: &mut Sql, name: &str, verb: &str, kind: Kind, some: &[Operand]) {
    sql.push(name).push(verb);
    for (index, operand) in some.iter().enumerate() {
        sql.push(if index == 0 { "" } else { ", " });
        sql.bind(value(kind, operand));
    }
    sql.push(")");
}

/// A column, with what is kept among the values in its place.
fn expression(spec: &Spec) -> String {
    let name = spec.sql;
    match spec.kind {
        Kind::Large => format!(
            "CASE typeof({name}) WHEN 'integer'
             THEN (SELECT CAST(v.body AS TEXT) FROM value v WHERE v.seq = {name})
             ELSE {name} END"
        ),
        _ => name.to_owned(),
    }
}

/// An id as it is read, and not as it is stored.
fn readable(spec: &Spec, name: String) -> String {
    if spec.kind != Kind::Id {
        return name;
    }
    let part = |from, length| format!("lower(substr(hex({name}), {from}, {length}))");
    let parts = [
        part(1, 8),
        part(9, 4),
        part(13, 4),
        part(17, 4),
        part(21, 12),
    ];
    format!(
        "CASE typeof({name}) WHEN 'blob' THEN {} ELSE {name} END",
        parts.join(" || '-' || ")
    )
}

fn value(kind: Kind, operand: &Operand) -> Value {
    match operand {
        Operand::Null => Value::Null,
        Operand::Text(text) if kind == Kind::Id => id(text),
        Operand::Text(text) => Value::Text(text.clone()),
        Operand::Integer(number) => Value::Integer(*number),
    }
}

fn id(text: &str) -> Value {
    match StoredId::new(text).to_sql() {
        Ok(ToSqlOutput::Borrowed(stored)) => stored.try_into().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

fn limit(rows: usize) -> Value {
    Value::Integer(i64::try_from(rows).unwrap_or(i64::MAX))
}

fn sign(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => " > ",
        Direction::Descending => " < ",
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    }
}
