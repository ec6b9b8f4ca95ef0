//! How executions are started: by callers, and by triggers.

use ostro_core::{ExecutionId, Map, State};
use ostro_journal::ExecutionRow;
use ostro_lang::{Workflow, WorkflowKind, bind_input, invalid_input};
use ostro_runtime::StartRequest;
use serde_json::Value;
use uuid::Uuid;

use crate::app::App;
use crate::delegation::As;
use crate::fault::Fault;
use crate::identity::Caller;
use crate::python::{class, python};
use crate::request;
use crate::webhooks::Webhooks;

/// A JSON object.
pub(crate) type Object = serde_json::Map<String, Value>;

/// What is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Its id; where there is an execution that has it, that one is meant and nothing starts.
    pub(crate) id: Option<String>,
    /// The workflow, by its id or its name.
    pub(crate) workflow: Option<String>,
    pub(crate) namespace: String,
    pub(crate) input: Object,
    pub(crate) params: Object,
    pub(crate) description: String,
    /// The execution that it is another run of.
    pub(crate) source: Option<ExecutionId>,
    /// As whom it acts.
    pub(crate) acts: As,
}

/// Starts an execution, unless there is one with the id that is wanted.
pub(crate) async fn start(
    app: &App,
    caller: &Caller,
    wanted: Wanted,
) -> Result<ExecutionRow, Fault> {
    if let Some(row) = known(app, caller, wanted.id.as_deref()).await? {
        return Ok(row);
    }
    let workflow = wanted.workflow.ok_or_else(|| {
        Fault::invalid("Workflow ID or workflow name must be provided. Workflow ID is recommended.")
    })?;
    let (name, namespace) = {
        let kept = app.catalogue.kept();
        let found = kept.workflow(caller, &workflow, &wanted.namespace)?;
        found.runs_for(caller)?;
        (found.name.clone(), found.namespace.clone())
    };
    // Held until the execution is written.
    let (library, held) = app.catalogue.beginning(caller).await?;
    let mut params = wanted.params;
    let env = environment(app, caller, params.shift_remove("env"))?;
    let task_name = params.shift_remove("task_name");
    if params.contains_key("description") {
        return Err(Fault::invalid(
            "The description of an execution stands beside its params, not in them",
        ));
    }
    let input = map(wanted.input);
    if let Some(workflow) = library.definitions().workflow_in(&namespace, &name) {
        bind_input(workflow, &input)
            .map_err(|problems| Fault::invalid(invalid_input(workflow, &problems)))?;
        reaches(workflow, task_name.as_ref())?;
    }
    let publishers = Webhooks::named(&params);
    let parent = request::current().and_then(|current| current.trace);
    let tracer = app.telemetry.tracer.as_ref().zip(parent);
    // As whom it acts, who is told, and its trace, have to be known before anything of it happens.
    let is_of_somebody = !matches!(wanted.acts, As::Operator);
    let is_known = is_of_somebody || !publishers.is_empty() || tracer.is_some();
    let id = wanted.id;
    let id = id.or_else(|| is_known.then(|| Uuid::now_v7().to_string()));
    let _pin = match &id {
        Some(id) => app.delegating.execution(id, &wanted.acts).await?,
        None => None,
    };
    let id = id.map(ExecutionId::new);
    let is_told = match &id {
        Some(id) => {
            let (project, last) = (&caller.project, app.feed.last());
            let begun = app.webhooks.begin(id, project, publishers, last);
            begun.await?
        }
        None => false,
    };
    if let (Some((tracer, parent)), Some(id)) = (tracer, &id) {
        tracer.starts(id, parent);
    }
    let request = StartRequest {
        workflow: name,
        namespace,
        input,
        env: map(env),
        task_name: task_name.and_then(|name| name.as_str().map(str::to_owned)),
        project: caller.project.clone(),
        description: Some(wanted.description),
        params: map(params),
        library: Some(library),
        source: wanted.source,
        id: id.clone(),
    };
    let started = app.runtime.start(request).await;
    if let (Err(_), Some(id), true) = (&started, &id, is_told) {
        app.webhooks.cancel(id).await;
    }
    drop(held);
    if let (Some((tracer, _)), Some(id), Err(_)) = (tracer, &id, &started) {
        tracer.started(id);
    }
    let id = started?;
    request::has_made(id.as_str());
    request::is_about_execution(id.as_str());
    let row = app.execution(caller, id.as_str()).await?;
    // It may have gone far since; the answer is that it has started.
    Ok(ExecutionRow {
        state: State::Running,
        state_info: None,
        output: None,
        updated_at: row.created_at,
        ..row
    })
}

/// The execution that has this id already.
async fn known(
    app: &App,
    caller: &Caller,
    id: Option<&str>,
) -> Result<Option<ExecutionRow>, Fault> {
    let Some(id) = id.map(ExecutionId::new) else {
        return Ok(None);
    };
    let taken = Fault::conflict(format!(
        "Duplicate entry for WorkflowExecution ['id']: {id}"
    ));
    let found = app.read(move |journal| Ok(journal.execution(&id)?)).await?;
    match found {
        Some(row) if !caller.owns(&row.project_id) => Err(taken),
        found => Ok(found),
    }
}

/// The environment of an execution: an object, or the name of one that is kept.
fn environment(app: &App, caller: &Caller, env: Option<Value>) -> Result<Object, Fault> {
    match env {
        None | Some(Value::Null) => Ok(Object::new()),
        Some(Value::Object(env)) => Ok(env),
        Some(Value::String(name)) => {
            let kept = app.catalogue.kept();
            let found = kept.environments.find(caller, &name);
            let found = found.map(|environment| environment.variables.clone().unwrap_or_default());
            found.ok_or_else(|| Fault::invalid(format!("Environment is not found: {name}")))
        }
        Some(other) => Err(Fault::invalid(format!(
            "Unexpected value type for environment [env={}, type=<class '{}'>]",
            python(&other),
            class(&other)
        ))),
    }
}

/// A reverse workflow is to reach one of its tasks.
fn reaches(workflow: &Workflow, task: Option<&Value>) -> Result<(), Fault> {
    let known = task
        .and_then(Value::as_str)
        .is_some_and(|name| workflow.tasks.contains_key(name));
    if known || workflow.kind == WorkflowKind::Direct {
        return Ok(());
    }
    let task = match task {
        Some(Value::String(name)) => name.clone(),
        other => python(other.unwrap_or(&Value::Null)),
    };
    Err(Fault::invalid(format!(
        "Invalid task name [workflow={}, task_name={task}]",
        workflow.name
    )))
}

/// `over`, and what only `under` has; objects in both likewise.
pub(crate) fn merged(mut under: Object, over: Object) -> Object {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(value)) => {
                *below = merged(std::mem::take(below), value);
            }
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
    under
}

/// The object that a text of JSON is.
pub(crate) fn object(json: Option<&str>) -> Object {
    let object = json.and_then(|json| serde_json::from_str(json).ok());
    object.unwrap_or_default()
}

/// An object as the engine has it.
pub(crate) fn map(object: Object) -> Map {
    let entries = object.into_iter();
    entries
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
