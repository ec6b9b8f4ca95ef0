//! Mistral's functions in expressions: `task()`, `execution()`, `env()`, …

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ostro_core::{Map, Value};
use ostro_lang::{FunctionEnv, Host, Work, Workflow, call_function};

use crate::execution::{Execution, nth_id};
use crate::task::TaskExecution;
use crate::text::time;

/// The names of the functions that are answered here.
const NAMES: &[&str] = &[
    "env",
    "execution",
    "executions",
    "global",
    "json_dump",
    "json_parse",
    "json_pp",
    "task",
    "tasks",
    "uuid",
    "yaml_dump",
    "yaml_parse",
];

/// The functions, as expressions of one execution see them.
pub(crate) struct Functions<'a> {
    execution: &'a Execution,
    workflow: &'a Workflow,
    task: Option<usize>,
    now: i64,
    /// Ids that expressions make are taken from those of the execution.
    ids: AtomicU64,
}

impl<'a> Functions<'a> {
    pub(crate) fn new(
        execution: &'a Execution,
        workflow: &'a Workflow,
        task: Option<usize>,
        now: i64,
    ) -> Self {
        let ids = AtomicU64::new(execution.ids);
        Self {
            execution,
            workflow,
            task,
            now,
            ids,
        }
    }

    /// How many ids the execution has made after this.
    pub(crate) fn ids(&self) -> u64 {
        self.ids.load(Ordering::Relaxed)
    }

    fn task(&self, name: Option<&str>) -> Result<Value, String> {
        let execution = self.execution;
        let current = self.task.map(|task| &execution.tasks[task]);
        let found = match (current, name) {
            (Some(current), None) => Some(current),
            (Some(current), Some(name)) if *current.name == *name => Some(current),
            (None, None) => {
                return Err("there is no current task here: give the name of one".to_owned());
            }
            (_, Some(name)) => execution
                .latest
                .get(name)
                .map(|task| &execution.tasks[*task]),
        };
        Ok(found.map_or(Value::Null, |task| self.show(task)))
    }

    fn show(&self, task: &TaskExecution) -> Value {
        let spec = self.workflow.tasks.get(&task.name);
        let with_items = spec.is_some_and(|spec| spec.with_items.is_some());
        let is_workflow = spec.is_some_and(|spec| matches!(spec.work, Work::Workflow(_)));
        let entries: [(&str, Value); 11] = [
            ("id", task.id.as_str().into()),
            ("name", Arc::clone(&task.name).into()),
            ("spec", self.task_spec(&task.name)),
            ("state", task.state.as_str().into()),
            ("state_info", task.state_info.clone().into()),
            ("result", task.result(with_items)),
            ("published", Value::Map(Arc::clone(&task.published))),
            (
                "type",
                if is_workflow { "WORKFLOW" } else { "ACTION" }.into(),
            ),
            ("workflow_execution_id", self.execution.id.as_str().into()),
            ("created_at", time(task.created_at).into()),
            ("updated_at", time(task.updated_at).into()),
        ];
        entries.into_iter().collect()
    }

    fn task_spec(&self, name: &Arc<str>) -> Value {
        let mut spec = Map::new();
        spec.insert("name".into(), Arc::clone(name).into());
        let tasks = self.workflow.definition.get("tasks");
        if let Some(Value::Map(written)) = tasks.and_then(|tasks| tasks.get(name)) {
            for (key, value) in written.iter() {
                spec.insert(Arc::clone(key), value.clone());
            }
        }
        spec.into()
    }

    fn tasks(&self, args: &Arguments<'_>) -> Result<Value, String> {
        let id = args.get(0, "workflow_execution_id");
        if id.is_some_and(|id| id.as_str() != Some(self.execution.id.as_str())) {
            return Err("only the tasks of the own execution can be listed".to_owned());
        }
        if args.get(1, "recursive").is_some_and(Value::is_truthy) {
            return Err("tasks of sub-workflows cannot be listed from an expression".to_owned());
        }
        let state = args.get(2, "state").and_then(Value::as_str);
        let flat = args.get(3, "flat").is_some_and(Value::is_truthy);
        let tasks = self.execution.tasks.iter();
        Ok(tasks
            .filter(|task| state.is_none_or(|state| task.state.as_str() == state))
            // A task whose sub-workflows all ended as it did adds nothing to a flat list.
            .filter(|task| {
                let same = |run: &crate::task::Run| {
                    matches!(run.kind, crate::task::RunKind::Child { .. })
                        && run.state == task.state
                };
                !flat || !task.runs.iter().any(same)
            })
            .map(|task| self.show(task))
            .collect())
    }

    fn execution(&self) -> Value {
        let execution = self.execution;
        let root = execution.params.root_execution_id.as_ref();
        let entries: [(&str, Value); 9] = [
            ("id", execution.id.as_str().into()),
            ("name", Arc::clone(&execution.workflow).into()),
            ("spec", self.workflow.definition.clone()),
            ("input", Value::Map(Arc::clone(&execution.input))),
            ("params", execution.params.to_map().into()),
            ("state", execution.state.as_str().into()),
            ("created_at", time(execution.params.created_at).into()),
            ("updated_at", time(execution.updated_at).into()),
            (
                "root_execution_id",
                root.map(|id| Value::from(id.as_str())).unwrap_or_default(),
            ),
        ];
        entries.into_iter().collect()
    }

    fn global(&self, name: Option<&Value>) -> Result<Value, String> {
        let name = name
            .and_then(Value::as_str)
            .ok_or("global needs the name of a variable")?;
        Ok(self
            .execution
            .globals
            .get(name)
            .cloned()
            .unwrap_or_default())
    }
}

/// What a function was called with.
struct Arguments<'a> {
    args: &'a [Value],
    kwargs: &'a [(&'a str, Value)],
}

impl Arguments<'_> {
    /// The argument at `index`, or called `name`; none if it is null or absent.
    fn get(&self, index: usize, name: &str) -> Option<&Value> {
        let named = || {
            self.kwargs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        self.args
            .get(index)
            .or_else(named)
            .filter(|value| !value.is_null())
    }
}

impl FunctionEnv for Functions<'_> {
    fn new_uuid(&self) -> String {
        nth_id(&self.execution.id, self.ids.fetch_add(1, Ordering::Relaxed))
    }
}

impl Host for Functions<'_> {
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>> {
        let given = Arguments { args, kwargs };
        Some(match name {
            "task" => self.task(match given.get(0, "task_name") {
                None => None,
                Some(Value::String(name)) => Some(name),
                Some(other) => {
                    return Some(Err(format!("task needs the name of a task, got {other}")));
                }
            }),
            "tasks" => self.tasks(&given),
            "execution" => Ok(self.execution()),
            "executions" => Err("other executions cannot be listed from an expression".to_owned()),
            "env" => Ok(Value::Map(Arc::clone(&self.execution.params.env))),
            "global" => self.global(given.get(0, "var_name")),
            _ => return call_function(name, args, kwargs, self),
        })
    }

    fn functions(&self) -> &[&str] {
        NAMES
    }

    fn now_millis(&self) -> i64 {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_functions_that_can_be_called_are_named() {
        for name in ostro_lang::FUNCTIONS {
            assert!(NAMES.contains(name), "{name} is missing");
        }
    }
}
