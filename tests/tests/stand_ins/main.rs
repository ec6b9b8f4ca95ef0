//! Every workflow of tripleo-common 9.6.1, run with stand-ins for its actions.
//!
//! Runs that are written down in `answers` reach every task of every workflow at least once. Each
//! says in which state it ends. A task that no run reaches must stand in
//! `answers/unreachable.yaml`, with the reason why nothing that actions give leads to it; one that
//! stands there must not be reached by any run.
//!
//! To these come runs by chance: what actions give is drawn from values that the workbooks' own words
//! make likely to be looked at. Runs that reach a task for the first time are kept, and the next
//! ones are made from them by other choices here and there, to get far. The same choices are made
//! each time.
//!
//! Of all runs, every execution must end, and in a state that its tasks allow.

mod choices;
mod run;
mod scenarios;
mod values;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use ostro_core::Map;
use ostro_lang::{Definitions, Workflow};
use ostro_runtime::StartRequest;
use ostro_tests::workbooks;

use choices::{Choices, Seeds, Words};
use run::{Reached, Tally, run};
use scenarios::Answers;
use values::Random;

/// How often a workflow is run by chance at most, until all its tasks were reached;
/// `OSTRO_STAND_IN_RUNS` says otherwise.
const RUNS: u64 = 60;

/// How often it is run by chance at least.
const FEW_RUNS: u64 = 10;

/// The definitions of all workbooks.
fn definitions() -> Result<Arc<Definitions>> {
    let mut definitions = Definitions::new();
    for entry in std::fs::read_dir(workbooks("9.6.1")?)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path)?;
            definitions.add(ostro_lang::parse(&text, &path.display().to_string()));
        }
    }
    ensure!(
        !definitions.has_errors(),
        "{:#?}",
        definitions.diagnostics()
    );
    Ok(Arc::new(definitions))
}

/// What is written down.
fn answers() -> Result<Answers> {
    Answers::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_ins/answers"))
}

/// Puts `new` to what was `seen`; whether something of it was not there.
fn add(seen: &mut Reached, new: Reached) -> bool {
    let mut is_new = false;
    for (name, tasks) in new {
        let before = seen.entry(name).or_default();
        is_new |= !tasks.is_subset(before);
        before.extend(tasks);
    }
    is_new
}

/// How many tasks were reached.
fn count(seen: &Reached) -> usize {
    seen.values().map(BTreeSet::len).sum()
}

/// Tasks that were `seen` though they cannot be reached.
fn wrong(answers: &Answers, seen: &Reached) -> Vec<String> {
    let mut wrong = Vec::new();
    for (workflow, reasons) in &answers.unreachable {
        let seen = seen.get(workflow).into_iter().flatten();
        let seen = seen.filter(|task| reasons.contains_key(*task));
        wrong.extend(seen.map(|task| format!("{workflow}: {task} is reached all the same")));
    }
    wrong
}

/// Makes the runs that are written down; what is wrong with how they went.
async fn rehearse(
    definitions: &Arc<Definitions>,
    answers: &Answers,
    seen: &mut Reached,
    tally: &mut Tally,
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for scenario in &answers.scenarios {
        let name = || format!("{}: {}", scenario.workflow, scenario.about);
        let unknown = scenario.unknown(definitions);
        if !unknown.is_empty() {
            problems.push(format!("{} There are no tasks {unknown:?}", name()));
        }
        let request = StartRequest {
            env: scenario.env.clone(),
            ..StartRequest::new(&*scenario.workflow, scenario.input.clone())
        };
        let ran = run(definitions, request, answers.of(scenario), tally)
            .await
            .with_context(name)?;
        if ran.state != scenario.ends {
            let info = ran.info.unwrap_or_default();
            problems.push(format!("{} It is {}. {info}", name(), ran.state));
        }
        if ran.broken != scenario.breaks {
            problems.push(format!("{} It breaks {:?}.", name(), ran.broken));
        }
        let unasked = ran.source.unasked();
        if !unasked.is_empty() {
            problems.push(format!("{} Not asked for: {unasked:?}", name()));
        }
        add(seen, ran.reached);
    }
    Ok(problems)
}

/// Tasks that were not `seen` and do not stand among those that cannot be reached, and what stands
/// there without being a task.
fn missing(definitions: &Definitions, answers: &Answers, seen: &Reached) -> Vec<String> {
    let mut missing = Vec::new();
    for workflow in definitions.workflows() {
        let seen = seen.get(&workflow.name);
        let reasons = answers.unreachable.get(&workflow.name);
        for task in workflow.tasks.keys() {
            if !seen.is_some_and(|seen| seen.contains(task))
                && !reasons.is_some_and(|reasons| reasons.contains_key(task))
            {
                missing.push(format!("{}: {task} is not reached", workflow.name));
            }
        }
    }
    for (name, reasons) in &answers.unreachable {
        let workflow = definitions.workflow(name);
        for task in reasons.keys() {
            if !workflow.is_some_and(|workflow| workflow.tasks.contains_key(task)) {
                missing.push(format!("{name}: there is no task {task}"));
            }
        }
    }
    missing
}

#[tokio::test(start_paused = true)]
async fn every_rocky_task_is_reached_in_runs_that_end_as_is_written() -> Result<()> {
    let definitions = definitions()?;
    let answers = answers()?;
    let mut tally = Tally::default();
    let mut seen = Reached::new();
    let mut problems = rehearse(&definitions, &answers, &mut seen, &mut tally).await?;
    problems.extend(missing(&definitions, &answers, &seen));
    problems.extend(wrong(&answers, &seen));
    let tasks = definitions.workflows().map(|workflow| workflow.tasks.len());
    println!(
        "written down: {} of {} tasks of {} workflows are reached, {} cannot be; {tally}",
        count(&seen),
        tasks.sum::<usize>(),
        definitions.workflows().count(),
        answers.unreachable.values().flatten().count(),
    );
    ensure!(problems.is_empty(), "{problems:#?}");
    Ok(())
}

fn most_runs() -> u64 {
    let given = std::env::var("OSTRO_STAND_IN_RUNS").ok();
    given.and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// Runs `workflow` by chance until all its tasks were reached, or often enough; what was reached in
/// it and in its sub-workflows.
async fn explore(
    definitions: &Arc<Definitions>,
    workflow: &Arc<Workflow>,
    tally: &mut Tally,
) -> Result<Reached> {
    let words = Arc::new(Words::new(definitions, workflow));
    let mut seen = Reached::new();
    let mut random = Random::new(0);
    let mut kept = vec![Seeds::default()];
    for number in 0..most_runs() {
        let reached = seen.get(&workflow.name).map_or(0, BTreeSet::len);
        if number >= FEW_RUNS && reached == workflow.tasks.len() {
            break;
        }
        // The newest has got the farthest, most likely.
        let chosen = match random.below(2) {
            0 => kept.len() - 1,
            _ => random.below(kept.len()),
        };
        let seeds = kept[chosen].changed(&mut random);
        let mut choices = Choices::new(&words, seeds, number);
        let mut input = Map::new();
        for parameter in &workflow.input {
            let (name, is_optional) = (&parameter.name, parameter.default.is_some());
            if let Some(value) = choices.input(&workflow.name, name, is_optional) {
                input.insert(Arc::clone(name), value);
            }
        }
        let request = StartRequest::new(&*workflow.name, input);
        let ran = run(definitions, request, choices, tally)
            .await
            .with_context(|| format!("{}, run {number}", workflow.name))?;
        if add(&mut seen, ran.reached) {
            kept.push(ran.source.into_seeds());
        }
    }
    Ok(seen)
}

#[tokio::test(start_paused = true)]
async fn runs_of_every_rocky_workflow_by_chance_end_as_their_tasks_say() -> Result<()> {
    let definitions = definitions()?;
    let answers = answers()?;
    let mut tally = Tally::default();
    let mut seen = Reached::new();
    for workflow in definitions.workflows() {
        add(
            &mut seen,
            explore(&definitions, workflow, &mut tally).await?,
        );
    }
    println!("by chance: {} tasks are reached; {tally}", count(&seen));
    let wrong = wrong(&answers, &seen);
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}
