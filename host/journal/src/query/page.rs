//! Pages: which rows, then the rows themselves, so that nothing large is ever sorted.

use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::columns::sealed::Sealed;
use super::sql::{Order, find};
use super::{ActionColumn, Column, ExecutionColumn, Query, TaskColumn};
use crate::read::{Raw, Read, raw_action, raw_execution, raw_task};
use crate::{ActionRecord, ExecutionRow, JournalError, TaskRecord};

impl Read<'_> {
    pub(super) fn executions(
        self,
        query: &Query<ExecutionColumn>,
    ) -> Result<Vec<ExecutionRow>, JournalError> {
        self.page(query, raw_execution, Self::execution_row)
    }

    pub(super) fn tasks(self, query: &Query<TaskColumn>) -> Result<Vec<TaskRecord>, JournalError> {
        self.page(query, raw_task, Self::task_record)
    }

    pub(super) fn actions(
        self,
        query: &Query<ActionColumn>,
    ) -> Result<Vec<ActionRecord>, JournalError> {
        self.page(query, raw_action, Self::action_record)
    }

    fn page<C: Column, T, const N: usize>(
        self,
        query: &Query<C>,
        raw: fn(&Row<'_>) -> rusqlite::Result<Raw<T, N>>,
        finish: fn(Self, Raw<T, N>) -> Result<T, JournalError>,
    ) -> Result<Vec<T>, JournalError> {
        let rows = self.find(query)?;
        let sql = fetch(query);
        let mut page = Vec::with_capacity(rows.len());
        for seq in rows {
            if let Some(raw) = self.one(&sql, params![seq], raw)? {
                page.push(finish(self, raw)?);
            }
        }
        Ok(page)
    }

    /// The rows of a page, by `seq`.
    fn find<C: Column>(self, query: &Query<C>) -> Result<Vec<i64>, JournalError> {
        let order = Order::of(query);
        let position = match &query.marker {
            None => None,
            Some(marker) => {
                let sql = order.position(&C::table(), marker);
                let width = order.width();
                let position = self.one(&sql.text, params_from_iter(sql.bound), |row| {
                    values(row, width)
                })?;
                Some(position.ok_or_else(|| JournalError::UnknownMarker(marker.clone()))?)
            }
        };
        match find(query, &order, position.as_deref()) {
            None => Ok(Vec::new()),
            Some(sql) => self.many(&sql.text, params_from_iter(sql.bound), |row| row.get(0)),
        }
    }
}

/// The statement that reads one row of the page, without what the query omits.
fn fetch<C: Column>(query: &Query<C>) -> String {
    let table = C::table();
    let omitted = |text: &&str| {
        query
            .omit
            .iter()
            .any(|column| Sealed::spec(*column).sql == *text)
    };
    let texts: Vec<&str> = table
        .texts
        .iter()
        .map(|text| if omitted(text) { "NULL" } else { text })
        .collect();
    format!(
        "SELECT {}, {} FROM {} WHERE {} = ?",
        table.narrow,
        texts.join(", "),
        table.from,
        table.seq
    )
}

fn values(row: &Row<'_>, width: usize) -> rusqlite::Result<Vec<Value>> {
    (0..width).map(|index| row.get(index)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, Op};
    use super::*;
    use crate::{Journal, Options};

    /// How SQLite would find the rows of a page.
    fn plan<C: Column>(journal: &Journal, query: &Query<C>, position: Option<&[Value]>) -> String {
        let sql = find(query, &Order::of(query), position).unwrap();
        journal
            .read(|read| {
                read.many(
                    &format!("EXPLAIN QUERY PLAN {}", sql.text),
                    params_from_iter(sql.bound),
                    |row| row.get::<_, String>(3),
                )
            })
            .unwrap()
            .join("\n")
    }

    /// Neither reads a whole table nor sorts one: all it sorts are the pages of the states.
    #[track_caller]
    fn assert_quick<C: Column>(journal: &Journal, query: &Query<C>, states: usize) {
        let key = vec![Value::Integer(5), Value::Integer(7)];
        for position in [None, Some(&*key)] {
            let plan = plan(journal, query, position);
            let scans = plan.lines().filter(|line| {
                line.contains("SCAN")
                    && !line.contains("SCAN (subquery")
                    && !line.contains("CONSTANT")
            });
            assert_eq!(scans.count(), 0, "{plan}");
            let sorts = plan.matches("USE TEMP B-TREE").count();
            assert!(sorts <= 1, "{plan}");
            let indexed = plan.matches("SEARCH e USING").count()
                + plan.matches("SEARCH t USING INDEX task").count()
                + plan.matches("SEARCH t USING COVERING INDEX task").count()
                + plan.matches("SEARCH a USING").count();
            assert!(indexed >= states, "{plan}");
        }
    }

    #[test]
    fn common_pages_neither_scan_nor_sort_a_table() {
        use ExecutionColumn as E;
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        for direction in [Direction::Ascending, Direction::Descending] {
            let by = |column| Query::new().sort(column, direction).limit(100);
            let error = || Op::Eq("ERROR".into());
            assert_quick(&journal, &by(E::CreatedAt), 9);
            assert_quick(&journal, &by(E::UpdatedAt), 9);
            assert_quick(&journal, &by(E::CreatedAt).filter(E::State, error()), 1);
            assert_quick(&journal, &by(E::UpdatedAt).filter(E::State, error()), 1);
            assert_quick(
                &journal,
                &by(E::CreatedAt).filter(E::State, Op::Nin(vec!["SUCCESS".into()])),
                8,
            );
            for column in [E::WorkflowName, E::ProjectId] {
                let named = || by(E::CreatedAt).filter(column, Op::Eq("x".into()));
                assert_quick(&journal, &named(), 9);
                assert_quick(&journal, &named().filter(E::State, error()), 1);
            }
            let project = by(E::CreatedAt).filter(E::ProjectId, Op::Eq("x".into()));
            let plan = plan(&journal, &project, None);
            assert_eq!(plan.matches("execution_project").count(), 9, "{plan}");
            for column in [E::RootExecutionId, E::TaskExecutionId, E::ParentExecutionId] {
                let below = by(E::CreatedAt).filter(column, Op::Eq("x".into()));
                assert_quick(&journal, &below, 1);
            }
            let tasks = Query::new().sort(TaskColumn::CreatedAt, direction);
            assert_quick(&journal, &tasks.clone(), 9);
            let id = Op::Eq("x".into());
            let tasks = tasks.filter(TaskColumn::WorkflowExecutionId, id.clone());
            assert_quick(&journal, &tasks, 1);
            let actions = Query::new().sort(ActionColumn::CreatedAt, direction);
            assert_quick(&journal, &actions.clone(), 9);
            let actions = actions.filter(ActionColumn::TaskExecutionId, id);
            assert_quick(&journal, &actions, 1);
        }
    }

    #[test]
    fn what_is_unfinished_is_read_from_its_indexes_alone() {
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        for sql in [crate::read::MOVING, crate::read::STILL] {
            let plan = journal
                .read(|read| {
                    read.many(
                        &format!("EXPLAIN QUERY PLAN {sql}"),
                        params![i64::MIN, 100],
                        |row| row.get::<_, String>(3),
                    )
                })
                .unwrap()
                .join("\n");
            for line in plan.lines() {
                let good = line.contains("execution_moving")
                    || line.contains("execution_unfinished")
                    || line.contains("SEARCH e USING INTEGER PRIMARY KEY")
                    || !(line.contains("SCAN execution") || line.contains("SCAN e"));
                assert!(good, "{plan}");
            }
            // What is sorted is one page, and the letters that nobody has taken in, which are few.
            let sorts = plan.matches("TEMP B-TREE").count();
            let most = 2 * plan.matches("MERGE (UNION)").count();
            assert!(sorts <= most, "{plan}");
        }
    }
}
