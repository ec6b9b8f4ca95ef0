//! `/v2/events` and `/v2/executions/{id}/events`: the feed.

use std::collections::HashSet;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use ostro_core::ExecutionId;
use ostro_journal::{ExecutionColumn, ExecutionRow, Op, Query};
use ostro_runtime::feed::Change;

use super::executions::EXECUTIONS;
use super::kept::all_projects;
use super::routes::Routes;
use crate::app::{App, Request};
use crate::fault::Fault;
use crate::feed::{Beginning, End, Filter, Subscription, Wanted};
use crate::records::all_pages;

/// After how many seconds one that was refused is to ask again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// By what changes are chosen.
const CHOICES: [&str; 6] = [
    "type",
    "state",
    "workflow_name",
    "after",
    "from",
    "all_projects",
];

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/events", "executions:list", of_project)
        .about("Follow what changes in a project")
        .gives_events()
        .options(&CHOICES)
        .get("/executions/{id}/events", "executions:get", of_execution)
        .about("Follow what changes of an execution and those below it")
        .gives_events()
        .options(&CHOICES)
}

/// All that changes in the caller's project.
async fn of_project(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    let mut known = CHOICES.to_vec();
    known.extend(["root_execution_id", "execution_id"]);
    request.query.only(&known)?;
    let of_all = all_projects(&request, &EXECUTIONS)?;
    let id = |name: &str| request.query.get(name).map(ExecutionId::new);
    let filter = Filter {
        project: (!of_all).then(|| request.caller.project.as_str().into()),
        root: id("root_execution_id"),
        execution: id("execution_id"),
        ..chosen(&request)?
    };
    let beginning = beginning(&headers, &request, i64::MIN)?;
    answer(&app, Wanted::new(filter, None), beginning).await
}

/// All that changes of an execution and those below it.
async fn of_execution(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    let mut known = CHOICES.to_vec();
    known.push("until");
    request.query.only(&known)?;
    let bounds = app.read(|journal| Ok(journal.change_bounds()?));
    let after = bounds.await?.map_or(0, |(_, last)| last);
    let row = app.execution(&request.caller, &id).await?;
    let end = match request.query.get("until") {
        None => None,
        Some("end") => Some(End {
            execution: row.id.clone(),
            after,
            // The subscription puts the number of the last change there.
            at: row.state.is_completed().then_some((after, row.state)),
        }),
        Some(other) => {
            return Err(Fault::invalid(format!(
                "until is {other:?}: it can only be \"end\""
            )));
        }
    };
    let below = match &row.root_execution_id {
        None => None,
        Some(root) => Some(family(&app, root, &row.id).await?),
    };
    let filter = Filter {
        root: Some(row.root_execution_id.clone().unwrap_or(row.id.clone())),
        below,
        ..chosen(&request)?
    };
    let beginning = beginning(&headers, &request, row.created_at)?;
    answer(&app, Wanted::new(filter, end), beginning).await
}

/// The execution `top`, which is below `root`, and all below it.
async fn family(
    app: &App,
    root: &ExecutionId,
    top: &ExecutionId,
) -> Result<HashSet<ExecutionId>, Fault> {
    let query = Query::new()
        .filter(
            ExecutionColumn::RootExecutionId,
            Op::Eq(root.as_str().into()),
        )
        .omit(ExecutionColumn::Output)
        .omit(ExecutionColumn::Input);
    let read = app.read(move |journal| {
        all_pages(
            query,
            |query| journal.list_executions(query),
            |one: &ExecutionRow| one.id.as_str(),
        )
    });
    let rows = read.await?;
    let mut below = HashSet::from([top.clone()]);
    loop {
        let known = below.len();
        let is_below = |row: &&ExecutionRow| {
            let parent = row.parent_execution_id.as_ref();
            parent.is_some_and(|parent| below.contains(parent))
        };
        let more: Vec<ExecutionId> = rows
            .iter()
            .filter(is_below)
            .map(|row| row.id.clone())
            .collect();
        below.extend(more);
        if below.len() == known {
            return Ok(below);
        }
    }
}

/// What the caller chooses of what changes.
fn chosen(request: &Request) -> Result<Filter, Fault> {
    let list = |name: &str| {
        request.query.get(name).map(|text| {
            let names = text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            names.map(str::to_owned).collect::<Vec<String>>()
        })
    };
    let kinds = list("type");
    if let Some(odd) = kinds
        .iter()
        .flatten()
        .find(|kind| !Change::KINDS.contains(&kind.as_str()))
    {
        return Err(Fault::invalid(format!(
            "there is no type {odd:?}: there are {}",
            Change::KINDS.join(", ")
        )));
    }
    let states = list("state").map(|names| {
        let parsed = names.iter().map(|name| {
            serde_json::from_value(name.as_str().into())
                .map_err(|_| Fault::invalid(format!("there is no state {name:?}")))
        });
        parsed.collect::<Result<Vec<_>, Fault>>()
    });
    Ok(Filter {
        kinds,
        states: states.transpose()?,
        workflows: list("workflow_name"),
        ..Filter::default()
    })
}

/// Where the caller begins: after the last event that it has seen, or where it says; `since` is
/// how far back there is something to see.
fn beginning(headers: &HeaderMap, request: &Request, since: i64) -> Result<Beginning, Fault> {
    // A browser that connects again says the same in its address as the first time.
    let seen = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or("?"));
    let after = seen
        .filter(|id| !id.is_empty())
        .or(request.query.get("after"));
    if let Some(after) = after {
        let after = after.trim().parse().map_err(|_| {
            Fault::invalid(format!(
                "{after:?} is no number of an event: take the id of the last one that was seen"
            ))
        });
        return Ok(Beginning::After(after?));
    }
    match request.query.get("from") {
        None | Some("now") => Ok(Beginning::Now),
        Some("start") => Ok(Beginning::Start(since)),
        Some(other) => Err(Fault::invalid(format!(
            "from is {other:?}: it can be \"now\" or \"start\""
        ))),
    }
}

async fn answer(app: &App, wanted: Wanted, beginning: Beginning) -> Result<Response, Fault> {
    let subscription = Subscription::new(&app.feed, wanted, beginning).await?;
    let Some(subscription) = subscription else {
        let fault = Fault::too_many("as many watch the feed as may: try again in a few seconds");
        let retry = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
        return Ok((retry, fault).into_response());
    };
    let events = stream::unfold(subscription, |mut subscription| async {
        let next = subscription.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(next), subscription))
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}
