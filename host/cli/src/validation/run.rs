//! `ostro validation run`: many at a time, each by itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use ostro_actions::Registry;
use ostro_core::{
    ActionCall, ActionContext, ActionExecutionId, ActionOutcome, ActionRunner as _, ExecutionId,
    Map,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::history::History;
use super::moment::Moment;
use super::result::{Cause, Outcome, Report};
use super::watch::{Sink, Watch};
use super::{catalogue, html, inputs, junit, table};
use crate::args::{Output, ValidationRun};
use crate::errors::{self, Exit, WithHint as _, warn};
use crate::installed::Wanted;
use crate::state::StateDir;
use crate::{input, sources, terminal};

/// Carries out `ostro validation run`.
pub(crate) fn run(args: &ValidationRun) -> Result<Exit> {
    let given = input::gather(&args.inputs)?;
    if !args.ephemeral {
        // Before packs are loaded: none of them gets it.
        StateDir::new(args.state.state_dir.as_deref())?;
    }
    let wanted = Wanted::active(&args.state, [])?;
    let actions = sources::load(&args.sources, &wanted)?;
    let all = catalogue::of(&actions.packs)?;
    let chosen = catalogue::choose(&all, &args.names, &args.groups)?;
    let inputs = inputs::share(&chosen, &given, args.plan.as_deref())?;
    let history = if args.ephemeral {
        None
    } else {
        Some(History::new(args.state.state_dir.as_deref())?)
    };
    // A place where nothing can be written is told before the work, not after it.
    let junit = open("--junit", args.junit.as_deref())?;
    let html = open("--html", args.html.as_deref())?;

    let id = Uuid::new_v4().to_string();
    let started_at = Moment::now();
    let results: Vec<Outcome> = chosen
        .iter()
        .map(|validation| Outcome::unknown(Uuid::new_v4().to_string(), validation))
        .collect();
    let watch = Watch::new(results.len());
    let crew = Crew {
        registry: actions.registry,
        run: ExecutionId::new(id.clone()),
        watch: Arc::clone(&watch),
        jobs: usize::from(args.jobs),
    };
    let (results, interrupted) = crate::block_on(crew.work(results, inputs))?;
    watch.finish();
    let report = Report {
        id,
        started_at,
        ended_at: Moment::now(),
        plan: args.plan.clone(),
        cloud: args.sources.cloud.clone(),
        interrupted,
        results,
    };
    let kept = history.is_some_and(|history| match history.add(&report, args.keep) {
        Ok(()) => true,
        // What came of the run is told all the same.
        Err(error) => {
            warn(&format!("the run cannot be kept: {error:#}"), None);
            false
        }
    });
    let mut exit = report.exit();
    let reports = [
        (
            "--junit",
            &args.junit,
            junit,
            junit::xml as fn(&Report) -> String,
        ),
        ("--html", &args.html, html, html::page),
    ];
    for (option, path, file, text) in reports {
        if let (Some(path), Some(file)) = (path, file)
            && let Err(error) = write(file, &text(&report))
        {
            // The validations did run: this is not wrong usage, and no success either.
            errors::show(&anyhow!("{option} {}: {error}", path.display()));
            if exit == Exit::Success {
                exit = Exit::Failure;
            }
        }
    }
    terminal::print(&match args.output {
        Output::Json => terminal::json(&report.as_json())?,
        Output::Table => table::text(&report),
    })?;
    if kept && args.output == Output::Table {
        terminal::complain(&format!(
            "`ostro validation history {}` shows it again",
            report.id
        ));
    }
    Ok(exit)
}

/// What all validations of a run share.
struct Crew {
    registry: Registry,
    run: ExecutionId,
    watch: Arc<Watch>,
    jobs: usize,
}

impl Crew {
    /// Fills in `results`, whose inputs are `inputs`, and tells whether a person ended that.
    async fn work(self, mut results: Vec<Outcome>, inputs: Vec<Map>) -> (Vec<Outcome>, bool) {
        let mut waiting: VecDeque<(usize, Map)> = inputs.into_iter().enumerate().collect();
        let mut running = JoinSet::new();
        let sinks: Vec<Arc<Sink>> = results
            .iter()
            .map(|outcome| Sink::new(&outcome.id, &self.watch))
            .collect();
        let mut interrupted = false;
        // One for all turns: what comes between two of them is heard, too.
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut listens = true;
        loop {
            while running.len() < self.jobs
                && let Some((place, input)) = waiting.pop_front()
                && let (Some(outcome), Some(sink)) = (results.get_mut(place), sinks.get(place))
            {
                outcome.started_at = Some(Moment::now());
                self.watch.begins(&outcome.id);
                let call = self.call(outcome, input, sink);
                let registry = self.registry.clone();
                running.spawn(async move { (place, registry.run(call).await) });
            }
            tokio::select! {
                ended = running.join_next() => match ended {
                    None => break,
                    Some(Ok((place, came))) => self.ended(&mut results, place, &came),
                    // It stays without an end, which is told below.
                    Some(Err(error)) => tracing::error!("a validation was lost: {error}"),
                },
                came = &mut interrupt, if listens => {
                    listens = false;
                    if came.is_ok() {
                        interrupted = true;
                        break;
                    }
                }
            }
        }
        // What has ended in the same moment is known, too.
        while let Some(ended) = running.try_join_next() {
            if let Ok((place, came)) = ended {
                self.ended(&mut results, place, &came);
            }
        }
        running.abort_all();
        for outcome in results
            .iter_mut()
            .filter(|outcome| outcome.ended_at.is_none())
        {
            match (interrupted, outcome.started_at) {
                (true, Some(_)) => {
                    outcome.ended_at = Some(Moment::now());
                    outcome.fail(Cause::Interrupted, "it had not ended".to_owned());
                }
                (true, None) => outcome.fail(Cause::Interrupted, "it had not begun".to_owned()),
                (false, _) => outcome.fail(Cause::Host, "the host lost it".to_owned()),
            }
        }
        for (outcome, sink) in results.iter_mut().zip(&sinks) {
            outcome.notes = sink.notes();
        }
        (results, interrupted)
    }

    fn ended(&self, results: &mut [Outcome], place: usize, came: &ActionOutcome) {
        if let Some(outcome) = results.get_mut(place) {
            outcome.ended_at = Some(Moment::now());
            outcome.take(came);
            self.watch.ends(outcome);
        }
    }

    fn call(&self, outcome: &Outcome, input: Map, sink: &Arc<Sink>) -> ActionCall {
        ActionCall {
            name: outcome.id.as_str().into(),
            input: Arc::new(input),
            context: ActionContext {
                project: Arc::default(),
                execution_id: self.run.clone(),
                workflow_name: "".into(),
                workflow_namespace: Arc::default(),
                task_execution_id: None,
                task_name: None,
                action_execution_id: ActionExecutionId::new(outcome.uuid.clone()),
                attempt: 1,
                timeout: None,
            },
            root: self.run.clone(),
            progress: Arc::<Sink>::clone(sink),
        }
    }
}

/// Opens a file that a report goes to, and leaves what is in it until then.
fn open(option: &str, path: Option<&Path>) -> Result<Option<File>> {
    let Some(path) = path else { return Ok(None) };
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("{option} {}", path.display()))
        .hint(|| "it takes a file that can be written; nothing was run".to_owned())
        .map(Some)
}

/// Writes a report over what was in its file.
fn write(mut file: File, text: &str) -> io::Result<()> {
    // A pipe or a device has no length.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}
