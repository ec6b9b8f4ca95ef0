//! `ostro run`: one workflow, from its file to its end.

mod lines;
mod live;
mod plain;
mod report;
mod trace;
mod tree;
mod watch;

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use ostro_core::{Map, State, Value};
use ostro_lang::{Template, Workflow, WorkflowKind, bind_input};
use ostro_runtime::{Options, Runtime, StartRequest, SystemClock};

use crate::args::{Output, Run};
use crate::definitions::Files;
use crate::errors::{Exit, hinted};
use crate::{input, sources, terminal};
use watch::{Shows, Watched};

/// How many changes may wait to be shown. Fast workflows make many in a turn.
const BACKLOG: usize = 65_536;

/// Carries out `ostro run`.
pub(crate) fn run(args: &Run, verbose: bool) -> Result<Exit> {
    let given = input::gather(&args.inputs)?;
    let env = args
        .env
        .as_deref()
        .map(|text| input::object("--env", text))
        .transpose()?;
    let mut files = Files::read(&args.file, &args.files)?;
    let workflow = files.workflow(&args.file, args.workflow.as_deref())?;
    check_input(&workflow, &given)?;
    check_task(&workflow, args.task.as_deref())?;
    let actions = sources::load(&args.sources)?;
    files.add_packs(&actions.packs);
    files.check(&workflow, &actions.registry, verbose)?;

    let definitions = Arc::new(files.definitions);
    let registry = actions.registry.with_definitions(Arc::clone(&definitions));
    let request = StartRequest {
        env: env.unwrap_or_default(),
        task_name: args.task.clone(),
        ..StartRequest::new(&*workflow.name, given)
    };
    crate::block_on(async {
        let runtime = Runtime::new(
            definitions,
            Arc::new(registry),
            Arc::new(SystemClock),
            Options {
                backlog: BACKLOG,
                explain: args.trace,
                ..Options::default()
            },
        );
        // With -v the log goes to the same screen, and a tree in the middle of it is no help.
        let shows = match (args.trace, args.output) {
            (true, Output::Table) => Shows::Trace,
            (true, Output::Json) => Shows::JsonTrace,
            (false, Output::Table) if !verbose && terminal::is_live() => Shows::Tree,
            (false, _) => Shows::Lines,
        };
        execute(&runtime, request, shows, args.output).await
    })?
}

async fn execute(
    runtime: &Runtime,
    request: StartRequest,
    shows: Shows,
    output: Output,
) -> Result<Exit> {
    let notices = runtime.subscribe();
    let id = runtime.start(request).await?;
    let (told, interrupted) = match watch::watch(runtime, &id, notices, shows).await? {
        Watched::Left => return Ok(Exit::Interrupted),
        Watched::Ended { told, interrupted } => (told, interrupted),
    };
    let root = tree::tree(runtime, &id, &told)
        .with_context(|| format!("execution {id} has ended and is not kept"))?;
    terminal::print(&match output {
        Output::Table => report::summary(&root),
        Output::Json => serde_json::to_string_pretty(&root)?,
    })?;
    Ok(match root.state {
        _ if interrupted => Exit::Interrupted,
        State::Success => Exit::Success,
        _ => Exit::Failure,
    })
}

/// An error that names each input that is missing or too much, and what the workflow takes.
fn check_input(workflow: &Workflow, given: &Map) -> Result<()> {
    let Err(problems) = bind_input(workflow, given) else {
        return Ok(());
    };
    let problems: Vec<String> = problems
        .iter()
        .map(|problem| plain(&problem.to_string()))
        .collect();
    let error = anyhow!("{}: {}", workflow.name, problems.join("; "));
    let takes: Vec<String> = workflow
        .input
        .iter()
        .map(|input| match &input.default {
            None => format!("\n    {} (required)", input.name),
            Some(default) => format!("\n    {} (default {})", input.name, shown(default)),
        })
        .collect();
    Err(hinted(
        error,
        if takes.is_empty() {
            "it takes no input".to_owned()
        } else {
            format!(
                "give inputs with -i KEY=VALUE or --input; it takes:{}",
                takes.concat()
            )
        },
    ))
}

/// An error unless a reverse workflow, and only such a one, is told which task to reach.
fn check_task(workflow: &Workflow, task: Option<&str>) -> Result<()> {
    let tasks = || {
        let names: Vec<&str> = workflow.tasks.keys().map(|name| &**name).collect();
        format!("its tasks are {}", names.join(", "))
    };
    match (workflow.kind, task) {
        (WorkflowKind::Direct, None) => Ok(()),
        (WorkflowKind::Reverse, Some(name)) if workflow.tasks.contains_key(name) => Ok(()),
        (WorkflowKind::Direct, Some(_)) => Err(hinted(
            anyhow!(
                "{}: --task is for reverse workflows, and this is a direct one",
                workflow.name
            ),
            "leave --task out",
        )),
        (WorkflowKind::Reverse, Some(name)) => Err(hinted(
            anyhow!("{}: it has no task {name}", workflow.name),
            tasks(),
        )),
        (WorkflowKind::Reverse, None) => Err(hinted(
            anyhow!(
                "{}: a reverse workflow needs to know which task to reach",
                workflow.name
            ),
            format!("say it with --task NAME; {}", tasks()),
        )),
    }
}

/// A default as it was written, as far as that can be told.
fn shown(default: &Template) -> String {
    match default {
        Template::Literal(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
        Template::Literal(value) => value.to_string(),
        Template::Expression(expression) => {
            format!("<% {} %>", expression.expression.source().trim())
        }
        Template::Jinja(_) | Template::Text(_) | Template::List(_) | Template::Map(_) => {
            "an expression".to_owned()
        }
    }
}

/// `text` without the marks around names that diagnostics have.
fn plain(text: &str) -> String {
    text.replace('`', "")
}
