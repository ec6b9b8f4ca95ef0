//! `ostro execution …` at a server.

use anyhow::{Result, anyhow};
use ostro_client::{Beginning, Client, Execution as Row};
use ostro_core::{Clock as _, State};
use ostro_runtime::SystemClock;
use ostro_runtime::tree::ExecutionNode;
use serde_json::json;

use super::{run, told, watch};
use crate::args::{Change, Execution, Look, Output};
use crate::errors::{Exit, hinted, warn};
use crate::execution::look::table;
use crate::run::{outline, report};
use crate::text::{duration, seconds_between};
use crate::{input, terminal};

/// How many executions are listed at most.
const MAX_LISTED: usize = 10_000;

/// How many characters an id has that is whole.
const WHOLE: usize = 36;

/// Carries out `ostro execution …`.
pub(super) fn execution(client: &Client, command: &Execution, verbose: bool) -> Result<Exit> {
    crate::block_on(async {
        match command {
            Execution::Start(args) => {
                let id = run::start(client, args).await?;
                terminal::print(&id)?;
                Ok(Exit::Success)
            }
            Execution::List { only, output, .. } => list(client, only.as_deref(), *output).await,
            Execution::Show(args) => show(client, args).await,
            Execution::Report(args) => report(client, args).await,
            Execution::Watch(args) => {
                let id = whole(client, &args.id).await?;
                watch::watch(client, &id, args.output, verbose, Beginning::Start).await
            }
            Execution::Pause(args) => {
                let id = whole(client, &args.id).await?;
                set(client, &id, State::Paused, None).await
            }
            Execution::Resume(args) => resume(client, args, verbose).await,
            Execution::Cancel(args) => cancel(client, args, verbose).await,
            Execution::Rerun {
                change,
                task,
                only_failed,
            } => {
                let reset = Some(!only_failed);
                again(client, change, task, reset, verbose).await
            }
            Execution::Skip { change, task } => again(client, change, task, None, verbose).await,
            Execution::Delete { ids, .. } => {
                for id in ids {
                    let id = whole(client, id).await?;
                    client.delete(&id).await.map_err(told)?;
                }
                Ok(Exit::Success)
            }
        }
    })?
}

/// The id that begins with what is given.
async fn whole(client: &Client, id: &str) -> Result<String> {
    if id.len() >= WHOLE {
        return Ok(id.to_owned());
    }
    let rows = client.executions(None, MAX_LISTED).await.map_err(told)?;
    let found: Vec<&Row> = rows.iter().filter(|row| row.id.starts_with(id)).collect();
    match found[..] {
        [only] => Ok(only.id.clone()),
        [] => Err(hinted(
            anyhow!("no execution {id} is at {}", client.url()),
            "`ostro execution list` lists those that are",
        )),
        _ => {
            let ids: Vec<&str> = found.iter().take(5).map(|row| &*row.id).collect();
            let error = anyhow!("{} executions begin with {id}", found.len());
            Err(hinted(
                error,
                format!("give more of it: {}", ids.join(", ")),
            ))
        }
    }
}

async fn list(client: &Client, only: Option<&str>, output: Output) -> Result<Exit> {
    let rows = client.executions(only, MAX_LISTED).await.map_err(told)?;
    if rows.len() == MAX_LISTED {
        warn("there may be more executions: these are the newest", None);
    }
    match output {
        Output::Json => {
            let rows: Vec<_> = rows.iter().map(as_json).collect();
            terminal::print(&serde_json::to_string_pretty(&rows)?)?;
        }
        Output::Table if rows.is_empty() => terminal::complain("no executions are kept"),
        Output::Table => {
            let mut table = table();
            let now = SystemClock.now_millis();
            for row in &rows {
                let [created, updated] = [&row.created_at, &row.updated_at].map(|at| millis(at));
                let between = |from: Option<i64>, to: Option<i64>| {
                    let seconds = from.zip(to).map(|(from, to)| seconds_between(from, to));
                    seconds.map_or_else(String::new, duration)
                };
                table.add_row([
                    row.id.as_str(),
                    &terminal::clean_line(&row.workflow_name),
                    row.state.as_str(),
                    &between(created, Some(now)),
                    &between(created, updated),
                    "",
                ]);
            }
            terminal::print(&table.to_string())?;
        }
    }
    Ok(Exit::Success)
}

/// A time of the API, in milliseconds since 1970 UTC.
fn millis(time: &str) -> Option<i64> {
    let time = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", time).ok()?;
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(time.timestamp().as_millisecond())
}

fn as_json(row: &Row) -> serde_json::Value {
    let finished = row.state.is_completed().then(|| millis(&row.updated_at));
    json!({
        "id": row.id,
        "workflow": row.workflow_name,
        "state": row.state,
        "state_info": row.state_info,
        "created_at": millis(&row.created_at),
        "updated_at": millis(&row.updated_at),
        "finished_at": finished.flatten(),
    })
}

async fn node(client: &Client, id: &str) -> Result<ExecutionNode> {
    let id = whole(client, id).await?;
    client.tree(&id).await.map_err(told)
}

async fn show(client: &Client, args: &Look) -> Result<Exit> {
    let root = node(client, &args.id).await?;
    terminal::print(&match args.output {
        Output::Json => serde_json::to_string_pretty(&root)?,
        Output::Table => outline(&root, SystemClock.now_millis()).join("\n"),
    })?;
    Ok(Exit::Success)
}

async fn report(client: &Client, args: &Look) -> Result<Exit> {
    let root = node(client, &args.id).await?;
    terminal::print(&match args.output {
        Output::Json => serde_json::to_string_pretty(&root)?,
        Output::Table => report::summary(&root),
    })?;
    Ok(Exit::Success)
}

async fn set(client: &Client, id: &str, state: State, why: Option<&str>) -> Result<Exit> {
    let set = client.set_state(id, state, None, why);
    set.await.map_err(told)?;
    Ok(Exit::Success)
}

async fn resume(client: &Client, args: &Change, verbose: bool) -> Result<Exit> {
    let id = whole(client, &args.id).await?;
    let env = environment(args)?;
    let row = client.execution(&id).await.map_err(told)?;
    if row.state.is_completed() {
        return Err(hinted(
            anyhow!("execution {id} has ended in {}", row.state),
            "`ostro execution rerun` runs a task again that failed",
        ));
    }
    let set = client.set_state(&id, State::Running, env, None);
    set.await.map_err(told)?;
    watch::watch(client, &id, args.goes_on.output, verbose, Beginning::Now).await
}

async fn cancel(client: &Client, args: &Change, verbose: bool) -> Result<Exit> {
    let id = whole(client, &args.id).await?;
    let row = client.execution(&id).await.map_err(told)?;
    if row.state.is_completed() {
        return Err(anyhow!("execution {id} has ended in {}", row.state));
    }
    let why = "cancelled by `ostro execution cancel`";
    set(client, &id, State::Cancelled, Some(why)).await?;
    watch::watch(client, &id, args.goes_on.output, verbose, Beginning::Now).await?;
    // That it ended as CANCELLED is what was wanted.
    Ok(Exit::Success)
}

/// Runs a task again that failed, with all of its items or only with those that failed; or, with no
/// `reset`, takes it as done.
async fn again(
    client: &Client,
    args: &Change,
    task: &str,
    reset: Option<bool>,
    verbose: bool,
) -> Result<Exit> {
    let env = environment(args)?;
    let root = node(client, &args.id).await?;
    let task = failed_task(&root, task)?;
    match reset {
        Some(reset) => client.rerun(&task, reset, env).await,
        None => client.skip(&task, env).await,
    }
    .map_err(told)?;
    watch::watch(
        client,
        root.id.as_str(),
        args.goes_on.output,
        verbose,
        Beginning::Now,
    )
    .await
}

fn environment(args: &Change) -> Result<Option<serde_json::Map<String, serde_json::Value>>> {
    let text = args.env.as_deref();
    let env = text.map(|text| input::object("--env", text)).transpose()?;
    Ok(env.map(|env| super::json(&env)))
}

/// The newest failed task with this name or id, in whichever execution.
fn failed_task(root: &ExecutionNode, name: &str) -> Result<String> {
    let mut failed = Vec::new();
    gather(root, &mut failed);
    let is_meant = |task: &Failed<'_>| task.name == name || task.id == name;
    let mut found: Vec<&Failed<'_>> = failed.iter().filter(|task| is_meant(task)).collect();
    found.sort_by_key(|task| task.began);
    let Some(newest) = found.last() else {
        if failed.is_empty() {
            return Err(anyhow!("no task of the execution failed"));
        }
        let mut others: Vec<&str> = failed.iter().map(|task| task.name).collect();
        others.sort_unstable();
        others.dedup();
        return Err(hinted(
            anyhow!("no task {name} failed"),
            format!("there is: {}", others.join(", ")),
        ));
    };
    if found.iter().any(|task| task.execution != newest.execution) {
        let ids: Vec<&str> = found.iter().map(|task| task.id).collect();
        return Err(hinted(
            anyhow!("several executions have a task {name} that failed"),
            format!("give one of the ids: {}", ids.join(", ")),
        ));
    }
    Ok(newest.id.to_owned())
}

struct Failed<'a> {
    execution: &'a str,
    id: &'a str,
    name: &'a str,
    began: Option<i64>,
}

fn gather<'a>(node: &'a ExecutionNode, failed: &mut Vec<Failed<'a>>) {
    for task in &node.tasks {
        if task.state == State::Error {
            failed.push(Failed {
                execution: node.id.as_str(),
                id: task.id.as_str(),
                name: &task.name,
                began: task.time.began,
            });
        }
        for child in &task.executions {
            gather(child, failed);
        }
    }
}
