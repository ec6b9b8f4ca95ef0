//! What callers say of an execution that is to start.

use super::given::Given;
use crate::app::App;
use crate::delegation::As;
use crate::fault::Fault;
use crate::identity::Caller;
use crate::start::{Wanted, merged, object};

/// What the engine adds to the parameters of an execution by itself.
const ADDED: [&str; 5] = [
    "namespace",
    "task_execution_id",
    "root_execution_id",
    "index",
    "description",
];

/// What is to be started: as the caller says, and for the rest as an earlier one was.
pub(super) async fn wanted(app: &App, caller: &Caller, given: &Given) -> Result<Wanted, Fault> {
    let id = given.text("id").map(str::to_owned);
    let own = |name| given.object(name).cloned().unwrap_or_default();
    let description = given.text("description").unwrap_or_default();
    let workflow = given
        .text("workflow_id")
        .or_else(|| given.text("workflow_name"));
    let Some(source) = given.text("source_execution_id") else {
        return Ok(Wanted {
            id,
            workflow: workflow.map(str::to_owned),
            namespace: given
                .text("workflow_namespace")
                .unwrap_or_default()
                .to_owned(),
            input: own("input"),
            params: own("params"),
            description: description.to_owned(),
            source: None,
            acts: As::default(),
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
    Ok(Wanted {
        id,
        workflow: workflow.or(Some(source.workflow_name)),
        namespace: given
            .text("workflow_namespace")
            .map_or(source.workflow_namespace, str::to_owned),
        input: merged(input, own("input")),
        params: merged(params, own("params")),
        description: note.trim().to_owned(),
        source: Some(source.id),
        acts: As::default(),
    })
}
