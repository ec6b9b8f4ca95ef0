//! `ostro action …` at a server.

use anyhow::{Result, anyhow};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use console::style;
use ostro_client::Client;
use ostro_core::{ActionError, ActionErrorKind, ActionOutcome, State, Value};
use serde_json::{Map, json};

use super::told;
use crate::args::{Action, Complete, Inputs, Output};
use crate::errors::{Exit, hinted};
use crate::text::{pretty, trimmed};
use crate::{input, terminal};

/// Carries out `ostro action …`.
pub(super) fn action(client: &Client, command: &Action) -> Result<Exit> {
    crate::block_on(async {
        match command {
            Action::Run {
                name,
                inputs,
                output,
                ..
            } => run(client, name, inputs, *output).await,
            Action::Complete(args) => complete(client, args).await,
            Action::List { output, .. } => list(client, *output).await,
            Action::Show { name, output, .. } => show(client, name, *output).await,
            Action::Replay(_) => Err(hinted(
                anyhow!("recordings are replayed where they are"),
                "leave --url out",
            )),
        }
    })?
}

async fn run(client: &Client, name: &str, inputs: &Inputs, output: Output) -> Result<Exit> {
    let given = super::json(&input::gather(inputs)?);
    let (state, result) = tokio::select! {
        answer = client.run_action(name, given) => answer.map_err(told)?,
        _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
    };
    if output == Output::Json {
        let key = if state == State::Error {
            "error"
        } else {
            "output"
        };
        let answer = json!({"action": name, "state": state, key: result});
        terminal::print(&serde_json::to_string_pretty(&answer)?)?;
    } else if state == State::Error {
        let text = pretty(&Value::from(result));
        let error = style("error:").red().bold().for_stderr();
        terminal::complain(&format!("{error} {name}: {text}"));
    } else if state.is_completed() {
        terminal::print(&pretty(&Value::from(result)))?;
    } else {
        terminal::complain(&format!(
            "{name} goes on until somebody finishes it from outside"
        ));
    }
    Ok(match state {
        State::Error | State::Cancelled => Exit::Failure,
        _ => Exit::Success,
    })
}

async fn complete(client: &Client, args: &Complete) -> Result<Exit> {
    let outcome = match (&args.success, &args.error) {
        (Some(value), _) => ActionOutcome::Success(input::single(value)?),
        (None, Some(text)) => {
            ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, text.as_str()))
        }
        (None, None) => return Err(anyhow!("give --success VALUE or --error TEXT")),
    };
    let finish = client.finish_action(&args.id, outcome);
    finish.await.map_err(told)?;
    Ok(Exit::Success)
}

/// A text of a row.
fn text<'a>(row: &'a Map<String, serde_json::Value>, name: &str) -> &'a str {
    row.get(name)
        .and_then(|text| text.as_str())
        .unwrap_or_default()
}

async fn list(client: &Client, output: Output) -> Result<Exit> {
    let rows = client.actions().await.map_err(told)?;
    if output == Output::Json {
        terminal::print(&serde_json::to_string_pretty(&rows)?)?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for row in &rows {
        let first = text(row, "description").lines().next();
        table.add_row([
            Cell::new(terminal::clean_line(text(row, "name"))),
            Cell::new(terminal::clean_line(text(row, "input"))),
            Cell::new(terminal::clean_line(first.unwrap_or_default())),
        ]);
    }
    terminal::print(&trimmed(&table))?;
    Ok(Exit::Success)
}

async fn show(client: &Client, name: &str, output: Output) -> Result<Exit> {
    let row = client.action(name).await.map_err(told)?;
    if output == Output::Json {
        terminal::print(&serde_json::to_string_pretty(&row)?)?;
        return Ok(Exit::Success);
    }
    let mut shown = style(terminal::clean_line(text(&row, "name")))
        .bold()
        .to_string();
    for line in terminal::clean(text(&row, "description")).lines() {
        shown.push_str("\n  ");
        shown.push_str(line);
    }
    let input = match text(&row, "input") {
        "" => "nothing",
        input => input,
    };
    shown.push_str("\n\nTakes: ");
    shown.push_str(&terminal::clean_line(input));
    terminal::print(&shown)?;
    Ok(Exit::Success)
}
