//! Mistral's functions in expressions: `task()`, `execution()`, `env()`, …

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ostro_core::{ExecutionId, State, Value};
use ostro_lang::{FUNCTIONS, FunctionEnv, Host, Workflow, call_function};

use crate::execution::{Execution, nth_id};
use crate::query::{Answer, Filter, MAX_QUESTIONS, Query, show_task};
use crate::text::time;

/// The functions, as expressions of one execution see them.
pub(crate) struct Functions<'a> {
    execution: &'a Execution,
    workflow: &'a Workflow,
    task: Option<usize>,
    now: i64,
    answers: &'a [Answer],
    /// The first question that has no answer.
    question: OnceLock<Query>,
    /// Ids that expressions make are taken from those of the execution.
    ids: AtomicU64,
}

impl<'a> Functions<'a> {
    pub(crate) fn new(
        execution: &'a Execution,
        workflow: &'a Workflow,
        task: Option<usize>,
        now: i64,
        answers: &'a [Answer],
    ) -> Self {
        let ids = AtomicU64::new(execution.ids);
        Self {
            execution,
            workflow,
            task,
            now,
            answers,
            question: OnceLock::new(),
            ids,
        }
    }

    /// What was asked and has no answer.
    pub(crate) fn question(self) -> Option<Query> {
        self.question.into_inner()
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
        Ok(found.map_or(Value::Null, |task| {
            show_task(execution, self.workflow, task)
        }))
    }

    fn tasks(&self, args: &Arguments<'_>) -> Result<Value, String> {
        let id = args.text(0, "workflow_execution_id")?;
        let own = id
            .as_deref()
            .is_none_or(|id| id == self.execution.id.as_str());
        let recursive = args.get(1, "recursive").is_some_and(Value::is_truthy);
        let state = args.text(2, "state")?;
        let flat = args.get(3, "flat").is_some_and(Value::is_truthy);
        let ask = |executions, recursive| {
            self.ask(Query::Tasks {
                executions,
                recursive,
                state: state.clone(),
                flat,
            })
        };
        if let (Some(id), false) = (id, own) {
            return ask(vec![ExecutionId::new(id)], recursive);
        }
        let filter = Filter {
            state: state.as_deref(),
            flat,
        };
        let mut tasks = filter.tasks(self.execution, self.workflow);
        let below = self.execution.sub_workflows();
        if recursive && !below.is_empty() {
            let more = ask(below, true)?;
            tasks.extend(more.as_list().unwrap_or_default().iter().cloned());
        }
        Ok(tasks.into_iter().collect())
    }

    fn executions(&self, args: &Arguments<'_>) -> Result<Value, String> {
        self.ask(Query::Executions {
            id: args.text(0, "id")?,
            root_execution_id: args.text(1, "root_execution_id")?,
            state: args.text(2, "state")?,
            from_time: args.text(3, "from_time")?,
            to_time: args.text(4, "to_time")?,
        })
    }

    /// The answer to `query`, if the event has it. If not, it is asked.
    fn ask(&self, query: Query) -> Result<Value, String> {
        if let Some(answer) = self.answers.iter().find(|answer| answer.query == query) {
            return Ok(answer.value.clone());
        }
        if !self.workflow.asks || self.execution.state == State::Idle {
            return Err("other executions cannot be looked at from here".to_owned());
        }
        if self.answers.len() >= MAX_QUESTIONS {
            return Err(format!(
                "expressions ask more than {MAX_QUESTIONS} different questions about other \
                 executions at once"
            ));
        }
        // Only the first question counts: what comes after it may come from its want.
        let _ = self.question.set(query);
        Err("the answer is not there yet".to_owned())
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

    /// The same, which must be text.
    fn text(&self, index: usize, name: &str) -> Result<Option<Arc<str>>, String> {
        match self.get(index, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(Arc::clone(text))),
            Some(other) => Err(format!("{name} must be text, got {}", other.kind())),
        }
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
            "executions" => self.executions(&given),
            "env" => Ok(Value::Map(Arc::clone(&self.execution.params.env))),
            "global" => self.global(given.get(0, "var_name")),
            _ => return call_function(name, args, kwargs, self),
        })
    }

    fn functions(&self) -> &[&str] {
        FUNCTIONS
    }

    fn now_millis(&self) -> i64 {
        self.now
    }
}
