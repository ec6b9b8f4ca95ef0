//! `ostro run` at a server: what the files define is put there, and started.

use anyhow::{Result, anyhow};
use ostro_client::{Client, Definitions, Start};
use ostro_lang::parse;

use super::{json, told, watch};
use crate::args::Run;
use crate::definitions::{Files, placed};
use crate::errors::{Exit, hinted};
use crate::input;

/// Carries out `ostro run`.
pub(super) fn run(client: &Client, args: &Run, verbose: bool) -> Result<Exit> {
    crate::block_on(async {
        let id = start(client, args).await?;
        watch::interruptible(client, &id, args.output, verbose).await
    })?
}

/// Defines and starts it: the execution's id.
pub(super) async fn start(client: &Client, args: &Run) -> Result<String> {
    refuse(args)?;
    let given = input::gather(&args.inputs)?;
    let env = args
        .env
        .as_deref()
        .map(|text| input::object("--env", text))
        .transpose()?;
    let workflow = if args.file.exists() {
        defined(client, args).await?
    } else {
        // The name of a workflow that the server has.
        args.file.display().to_string()
    };
    let start = client.start(Start {
        workflow,
        namespace: args.namespace.clone(),
        input: json(&given),
        env: env.as_ref().map(json),
        task: args.task.clone(),
        id: args.id.map(|id| id.to_string()),
    });
    start.await.map_err(told)
}

/// What only the machine that runs a workflow can do.
fn refuse(args: &Run) -> Result<()> {
    let sources = &args.sources;
    let option = if !sources.pack.is_empty() {
        "--pack"
    } else if sources.secrets.is_some() {
        "--secrets"
    } else if args.ephemeral {
        "--ephemeral"
    } else if args.trace {
        "--trace"
    } else if args.record.record.is_some() {
        "--record"
    } else {
        return Ok(());
    };
    Err(hinted(
        anyhow!("{option} and --url do not go together: the server runs the workflow"),
        "its operator says which packs, secrets and recordings there are",
    ))
}

/// Puts what the files define on the server: the full name of the workflow that is meant.
async fn defined(client: &Client, args: &Run) -> Result<String> {
    let files = Files::read(&args.file, &args.namespace, &args.files)?;
    let workflow = files.workflow(&args.file, &args.namespace, args.workflow.as_deref())?;
    let others = args.files.iter().map(|given| placed(given));
    // What the first one needs is there before it.
    for (namespace, path) in others.chain([(args.namespace.as_str(), args.file.as_path())]) {
        let name = path.display().to_string();
        let text = input::read(&name)?;
        let parsed = parse(&text, &name);
        let kind = if !parsed.workbooks.is_empty() {
            Definitions::Workbook
        } else if !parsed.workflows.is_empty() {
            Definitions::Workflows
        } else {
            Definitions::Actions
        };
        let define = client.define(kind, &text, namespace).await;
        define.map_err(|error| told(error).context(format!("{name} is not taken")))?;
    }
    Ok(workflow.name.to_string())
}
