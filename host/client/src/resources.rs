//! What there is: executions, tasks, actions, definitions.

use ostro_core::{ActionOutcome, State};
use ostro_runtime::tree::ExecutionNode;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::client::{Ask, segment};
use crate::{Client, ClientError};

/// How many rows are asked for at once: the most that Mistral gives.
const PAGE: usize = 1000;

/// A row of an execution.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// Its workflow, by its full name.
    pub workflow_name: String,
    /// Its state.
    pub state: State,
    /// Why it is in that state.
    pub state_info: Option<String>,
    /// When it was created, as Mistral writes times: `2026-01-02 03:04:05`, in UTC.
    pub created_at: String,
    /// When it last changed, likewise.
    pub updated_at: String,
}

/// What is to start.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The workflow, by its id or its name.
    pub workflow: String,
    /// Its namespace; empty for the default one.
    pub namespace: String,
    /// Its input.
    pub input: Map<String, Value>,
    /// Its environment.
    pub env: Option<Map<String, Value>>,
    /// The task that a reverse workflow is to reach.
    pub task: Option<String>,
    /// The execution's id, a random one without it; where there is one that has it, that one is
    /// meant.
    pub id: Option<String>,
}

/// What a text defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definitions {
    /// A workbook.
    Workbook,
    /// Workflows.
    Workflows,
    /// Ad-hoc actions.
    Actions,
}

impl Definitions {
    fn path(self) -> &'static str {
        match self {
            Self::Workbook => "workbooks",
            Self::Workflows => "workflows",
            Self::Actions => "actions",
        }
    }
}

impl Client {
    /// Puts what `text` defines there, or in the place of what is there.
    pub async fn define(
        &self,
        kind: Definitions,
        text: &str,
        namespace: &str,
    ) -> Result<(), ClientError> {
        let ask = |method| {
            let ask = Ask::new(method, kind.path()).text(text);
            if namespace.is_empty() {
                ask
            } else {
                ask.query("namespace", namespace)
            }
        };
        match self.json(ask(Method::POST)).await {
            Err(error) if error.is_conflict() => {
                self.json(ask(Method::PUT)).await?;
            }
            other => {
                other?;
            }
        }
        Ok(())
    }

    /// Starts an execution: its id.
    ///
    /// It has an id before it starts, so that it starts once where no answer comes and it is asked
    /// for again, also while the server is started again.
    pub async fn start(&self, start: Start) -> Result<String, ClientError> {
        let mut params = Map::new();
        if let Some(env) = start.env {
            params.insert("env".to_owned(), env.into());
        }
        if let Some(task) = start.task {
            params.insert("task_name".to_owned(), task.into());
        }
        let body = json!({
            "id": start.id.unwrap_or_else(|| Uuid::new_v4().to_string()),
            "workflow_name": start.workflow,
            "workflow_namespace": start.namespace,
            "input": start.input,
            "params": params,
        });
        let answer = self.json_again(Ask::new(Method::POST, "executions").json(body), false);
        let row: Execution = self.read(answer.await?)?;
        Ok(row.id)
    }

    /// Root executions, the newest first, at most `most`; only those in `state`, if one is given.
    pub async fn executions(
        &self,
        state: Option<&str>,
        most: usize,
    ) -> Result<Vec<Execution>, ClientError> {
        let mut rows: Vec<Execution> = Vec::new();
        loop {
            let limit = PAGE.min(most - rows.len());
            let mut ask = Ask::get("executions")
                .query("nulls", "task_execution_id")
                .query("sort_keys", "created_at")
                .query("sort_dirs", "desc")
                .query("limit", limit.to_string());
            if let Some(state) = state {
                ask = ask.query("state", state.to_ascii_uppercase());
            }
            if let Some(last) = rows.last() {
                ask = ask.query("marker", &*last.id);
            }
            let mut answer = self.json(ask).await?;
            let page = answer
                .get_mut("executions")
                .map(Value::take)
                .unwrap_or_default();
            let page: Vec<Execution> = self.read(page)?;
            let is_last = page.len() < limit;
            rows.extend(page);
            if is_last || rows.len() >= most {
                return Ok(rows);
            }
        }
    }

    /// The row of an execution.
    pub async fn execution(&self, id: &str) -> Result<Execution, ClientError> {
        let answer = self.json(Ask::get(format!("executions/{}", segment(id))));
        self.read(answer.await?)
    }

    /// An execution with all below it.
    pub async fn tree(&self, id: &str) -> Result<ExecutionNode, ClientError> {
        let answer = self.json(Ask::get(format!("executions/{}/tree", segment(id))));
        self.read(answer.await?)
    }

    /// As [`Client::tree`], of a server that was there: where it is away, it is waited for.
    pub async fn tree_again(&self, id: &str) -> Result<ExecutionNode, ClientError> {
        let ask = Ask::get(format!("executions/{}/tree", segment(id)));
        self.read(self.json_again(ask, true).await?)
    }

    /// Pauses an execution, has it go on, or ends it: Mistral's words for what it is to be.
    /// `env` is what changes in its environment where it goes on, `why` a reason where it ends.
    pub async fn set_state(
        &self,
        id: &str,
        state: State,
        env: Option<Map<String, Value>>,
        why: Option<&str>,
    ) -> Result<(), ClientError> {
        let mut body = json!({"state": state});
        if let Some(env) = env {
            body["params"] = json!({"env": env});
        }
        if let Some(why) = why {
            body["state_info"] = why.into();
        }
        let ask = Ask::new(Method::PUT, format!("executions/{}", segment(id))).json(body);
        self.json(ask).await.map(drop)
    }

    /// Runs a task again that failed; `reset` says whether all of its items.
    pub async fn rerun(
        &self,
        task: &str,
        reset: bool,
        env: Option<Map<String, Value>>,
    ) -> Result<(), ClientError> {
        let body = json!({"state": State::Running, "reset": reset});
        self.change_task(task, body, env).await
    }

    /// Takes a task that failed as done.
    pub async fn skip(
        &self,
        task: &str,
        env: Option<Map<String, Value>>,
    ) -> Result<(), ClientError> {
        self.change_task(task, json!({"state": State::Skipped}), env)
            .await
    }

    async fn change_task(
        &self,
        task: &str,
        mut body: Value,
        env: Option<Map<String, Value>>,
    ) -> Result<(), ClientError> {
        if let Some(env) = env {
            // Mistral takes it as text.
            body["env"] = Value::Object(env).to_string().into();
        }
        let ask = Ask::new(Method::PUT, format!("tasks/{}", segment(task))).json(body);
        self.json(ask).await.map(drop)
    }

    /// Deletes an execution that has ended, and all that is kept of it.
    pub async fn delete(&self, id: &str) -> Result<(), ClientError> {
        let ask = Ask::new(Method::DELETE, format!("executions/{}", segment(id)));
        self.json(ask).await.map(drop)
    }

    /// Runs one action to its end: whether it succeeded, and what it gave.
    pub async fn run_action(
        &self,
        name: &str,
        input: Map<String, Value>,
    ) -> Result<(State, Value), ClientError> {
        let mut ask = Ask::new(Method::POST, "action_executions").json(json!({
            "name": name,
            "input": Value::Object(input).to_string(),
            "params": json!({"run_sync": true, "save_result": true}).to_string(),
        }));
        ask.timeout = None;
        let answer = self.json(ask).await?;
        let state = answer.get("state").cloned().unwrap_or_default();
        let state: State = self.read(state)?;
        // The output is JSON in a text, with the result under its name.
        let output = answer.get("output").and_then(Value::as_str);
        let output: Value = serde_json::from_str(output.unwrap_or("null")).unwrap_or_default();
        let result = output.get("result").cloned();
        Ok((state, result.unwrap_or(output)))
    }

    /// Gives the result of an action that goes on elsewhere.
    pub async fn finish_action(&self, id: &str, outcome: ActionOutcome) -> Result<(), ClientError> {
        let (state, output) = match outcome {
            ActionOutcome::Success(value) => (State::Success, Value::from(&value)),
            ActionOutcome::Error(error) => (State::Error, Value::from(&error.value)),
            ActionOutcome::Deferred => return Ok(()),
        };
        let body = json!({"state": state, "output": output.to_string()});
        let ask = Ask::new(Method::PUT, format!("action_executions/{}", segment(id))).json(body);
        self.json(ask).await.map(drop)
    }

    /// All actions: rows as the API has them.
    pub async fn actions(&self) -> Result<Vec<Map<String, Value>>, ClientError> {
        let mut answer = self.json(Ask::get("actions")).await?;
        let rows = answer
            .get_mut("actions")
            .map(Value::take)
            .unwrap_or_default();
        self.read(rows)
    }

    /// One action, by its name.
    pub async fn action(&self, name: &str) -> Result<Map<String, Value>, ClientError> {
        let answer = self.json(Ask::get(format!("actions/{}", segment(name))));
        self.read(answer.await?)
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(
        &self,
        value: Value,
    ) -> Result<T, ClientError> {
        serde_json::from_value(value).map_err(|error| ClientError::Answer {
            url: self.url().to_owned(),
            reason: error.to_string(),
        })
    }
}
