//! How executions are started over the API.

use ostro_core::{ExecutionId, Map, State};
use ostro_journal::ExecutionRow;
use ostro_lang::{Workflow, WorkflowKind, bind_input, invalid_input};
use ostro_runtime::StartRequest;
use serde_json::Value;

use super::given::{Given, class, python};
use super::workflows;
use crate::app::App;
use crate::fault::Fault;
use crate::identity::Caller;

/// A JSON object.
type Object = serde_json::Map<String, Value>;

/// What the engine adds to the parameters of an execution by itself.
const ADDED: [&str; 5] = [
    "namespace",
    "task_execution_id",
    "root_execution_id",
    "index",
    "description",
];

/// Starts an execution, unless there is one with the id that is wanted.
pub(crate) async fn start(
    app: &App,
    caller: &Caller,
    given: &Given,
) -> Result<ExecutionRow, Fault> {
    if let Some(row) = known(app, caller, given.text("id")).await? {
        return Ok(row);
    }
    let wanted = Wanted::of(app, caller, given).await?;
    let (name, namespace) = {
        let kept = app.catalogue.kept();
        let found = workflows::find(&kept, caller, &wanted.workflow, &wanted.namespace)?;
        (found.name.clone(), found.namespace.clone())
    };
    let library = app.catalogue.library(caller);
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
        id: given.text("id").map(ExecutionId::new),
    };
    let id = app.runtime.start(request).await?;
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

/// What is to be started: as the caller says, and for the rest as an earlier one was.
struct Wanted {
    /// An id or a name.
    workflow: String,
    namespace: String,
    input: Object,
    params: Object,
    description: String,
    source: Option<ExecutionId>,
}

impl Wanted {
    async fn of(app: &App, caller: &Caller, given: &Given) -> Result<Self, Fault> {
        let own = |name| given.object(name).cloned().unwrap_or_default();
        let description = given.text("description").unwrap_or_default();
        let workflow = given
            .text("workflow_id")
            .or_else(|| given.text("workflow_name"));
        let Some(source) = given.text("source_execution_id") else {
            let workflow = workflow.ok_or_else(|| {
                Fault::invalid(
                    "Workflow ID or workflow name must be provided. \
                     Workflow ID is recommended.",
                )
            })?;
            return Ok(Self {
                workflow: workflow.to_owned(),
                namespace: given
                    .text("workflow_namespace")
                    .unwrap_or_default()
                    .to_owned(),
                input: own("input"),
                params: own("params"),
                description: description.to_owned(),
                source: None,
            });
        };
        let source = app.execution(caller, source).await?;
        let mut params = object(source.params.as_deref());
        params.retain(|name, _| !ADDED.contains(&name.as_str()));
        let input = object(source.input.as_deref());
        let note = format!("{description} Based on the execution '{}'", source.id);
        // The workflow is that of the source, whatever name is given.
        let workflow = given.text("workflow_id").map(str::to_owned);
        let workflow = workflow.or(source.workflow_id);
        Ok(Self {
            workflow: workflow.unwrap_or(source.workflow_name),
            namespace: given
                .text("workflow_namespace")
                .map_or(source.workflow_namespace, str::to_owned),
            input: merged(input, own("input")),
            params: merged(params, own("params")),
            description: note.trim().to_owned(),
            source: Some(source.id),
        })
    }
}

/// The environment of an execution: an object, or the name of one that is kept.
fn environment(app: &App, caller: &Caller, env: Option<Value>) -> Result<Object, Fault> {
    match env {
        None | Some(Value::Null) => Ok(Object::new()),
        Some(Value::Object(env)) => Ok(env),
        Some(Value::String(name)) => {
            let kept = app.catalogue.kept();
            let found = kept.environment(caller, &name);
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
pub(super) fn merged(mut under: Object, over: Object) -> Object {
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
pub(super) fn object(json: Option<&str>) -> Object {
    let object = json.and_then(|json| serde_json::from_str(json).ok());
    object.unwrap_or_default()
}

/// An object as the engine has it.
pub(super) fn map(object: Object) -> Map {
    let entries = object.into_iter();
    entries
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
