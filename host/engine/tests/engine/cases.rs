//! Cases as data: each file of `tests/cases` is a list of them.
//!
//! A case has `workflows` (texts), those of other `namespaces` by their names, the `workflow` to
//! run (or the only one) and its `namespace`, `input`, `env`, `params`, `actions` (by task or action: one outcome, or a list of them), `events` from outside
//! and what to `expect`, which is what Mistral gave where a case does not say it: see
//! `mistral.rs`.
//!
//! An event has `at`, a second, and one of `pause: true`, `resume: true` (with `env`), `stop:
//! STATE` (with `message`), `rerun: TASK` (with `reset` and `env`), `skip: TASK` (with `env`),
//! `finish: TASK` (with `ok` or `error`) for a deferred action, and `action: TASK` with `state`
//! for one that pauses, goes on or is cancelled. `in: WORKFLOW` has it happen to the only
//! execution of that sub-workflow.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::path::Path;
use std::sync::Arc;

use ostro_core::{ActionOutcome, Map, State, Value};
use ostro_engine::{EventKind, Execution, Params, TaskView, Waiting};
use serde::Deserialize;

use crate::histories::History;
use crate::world::{START, Scripted, World, failure, try_parse_all};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Which area of the language it is about, where that is not its file's.
    pub(crate) row: Option<String>,
    /// What `COMPATIBILITY.md` says where Mistral answers otherwise.
    pub(crate) deviates: Option<String>,
    /// Why it is not run on Mistral.
    pub(crate) unrecorded: Option<String>,
    workflows: OneOrMore<String>,
    /// What other namespaces than the default one define.
    #[serde(default)]
    namespaces: BTreeMap<String, OneOrMore<String>>,
    /// The namespace of the workflow that starts.
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    workflow: Option<String>,
    #[serde(default)]
    input: Map,
    #[serde(default)]
    env: Map,
    #[serde(default)]
    params: Map,
    #[serde(default)]
    actions: BTreeMap<String, OneOrMore<Outcome>>,
    #[serde(default)]
    events: Vec<Outside>,
    /// What Mistral answered, where it is not said.
    pub(crate) expect: Option<Expected>,
}

/// A list, or its only item.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    More(Vec<T>),
    One(T),
}

impl<T> OneOrMore<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            OneOrMore::More(items) => items,
            OneOrMore::One(item) => vec![item],
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    /// It succeeds with this.
    ok: Option<Value>,
    /// It fails with this.
    error: Option<Value>,
    /// It will be ended from outside.
    #[serde(default)]
    deferred: bool,
    /// Nothing ever comes of it.
    #[serde(default)]
    silent: bool,
    /// Seconds that it takes.
    #[serde(default)]
    after: i64,
}

impl From<Outcome> for Scripted {
    fn from(outcome: Outcome) -> Self {
        let after = outcome.after * 1000;
        let outcome = match outcome {
            Outcome { silent: true, .. } => None,
            Outcome { deferred: true, .. } => Some(ActionOutcome::Deferred),
            Outcome {
                error: Some(error), ..
            } => Some(failure(error)),
            Outcome { ok, .. } => Some(ActionOutcome::Success(ok.unwrap_or_default())),
        };
        Scripted { outcome, after }
    }
}

/// Something from outside, to the root execution or to the only one of a sub-workflow.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outside {
    at: i64,
    /// The sub-workflow's name; without one, it is for the root execution.
    #[serde(rename = "in")]
    workflow: Option<String>,
    #[serde(default)]
    pause: bool,
    #[serde(default)]
    resume: bool,
    env: Option<Map>,
    stop: Option<State>,
    message: Option<String>,
    /// Has this task run again, with `env`.
    rerun: Option<String>,
    /// Whether all items of a with-items task run again, and not only those that failed.
    #[serde(default = "yes")]
    reset: bool,
    /// Skips this task, with `env`.
    skip: Option<String>,
    /// Says that the deferred action of this task is in `state`.
    action: Option<String>,
    state: Option<State>,
    /// Ends the deferred action of this task.
    finish: Option<String>,
    ok: Option<Value>,
    error: Option<Value>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// The reason why it cannot be created.
    refused: Option<String>,
    state: Option<State>,
    /// Texts that the state's explanation holds.
    info: Option<OneOrMore<String>>,
    output: Option<Value>,
    /// All tasks by name, with what is to be seen of each of their executions.
    tasks: Option<BTreeMap<String, OneOrMore<TaskExpected>>>,
    /// All sub-workflows' executions by workflow, with their states, in any order.
    executions: Option<BTreeMap<String, Vec<State>>>,
    /// What the engine wanted, in order, with the second.
    log: Option<Vec<String>>,
    /// What it waits for at the end.
    waits: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum TaskExpected {
    State(State),
    More(TaskMore),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskMore {
    state: State,
    info: Option<String>,
    result: Option<Value>,
    published: Option<Value>,
    attempt: Option<u32>,
    /// Seconds from the start to its end.
    ended: Option<i64>,
}

impl TaskMore {
    fn of(state: State) -> Self {
        Self {
            state,
            info: None,
            result: None,
            published: None,
            attempt: None,
            ended: None,
        }
    }
}

fn run(case: Case) -> Result<(), String> {
    let Some(expect) = case.expect.clone() else {
        // `mistral.rs` compares it with what Mistral gave.
        return play(case, None).map(|_| ()).or(Ok(()));
    };
    match play(case, None) {
        Ok(world) => check(&world, expect),
        Err(error) => match expect.refused {
            Some(refused) if error.contains(&refused) => Ok(()),
            _ => Err(format!("refused: {error}")),
        },
    }
}

/// What happens in the case `number` of `file`.
pub(crate) fn record(file: &str, number: usize) -> History {
    let case = load::<Case>(file).into_iter().nth(number).unwrap();
    let history = History {
        definitions: case.workflows.clone().into_vec(),
        ..History::default()
    };
    play(case, Some(history)).unwrap().history.unwrap()
}

/// Lets a case happen, and notes it in `history`; an error says why it cannot begin.
pub(crate) fn play(case: Case, history: Option<History>) -> Result<World, String> {
    let Case {
        workflows,
        namespaces,
        namespace,
        workflow,
        input,
        env,
        params,
        actions,
        events,
        ..
    } = case;
    let namespaces = namespaces
        .into_iter()
        .map(|(name, texts)| (name, texts.into_vec()))
        .collect();
    let library = try_parse_all(&workflows.into_vec(), &namespaces)?;
    let only = library
        .workflows()
        .next()
        .map(|workflow| workflow.name.to_string());
    let script = actions
        .into_iter()
        .map(|(key, outcomes)| {
            (
                key,
                outcomes
                    .into_vec()
                    .into_iter()
                    .map(Scripted::from)
                    .collect(),
            )
        })
        .collect();
    let mut world = World::new(library, script);
    world.explains = true;
    world.history = history;
    let workflow = workflow.or(only).ok_or("no workflow")?;
    let mut all = Params::from_map(&params, START);
    all.env = Arc::new(env);
    world.start(&namespace, &workflow, &input, all)?;
    for event in events {
        world.run(START + event.at * 1000);
        happen(&mut world, event);
    }
    world.run(i64::MAX - 1);
    Ok(world)
}

/// Has something from outside happen next.
fn happen(world: &mut World, event: Outside) {
    let target = match &event.workflow {
        None => world.root.clone(),
        Some(name) => world.only(name),
    };
    let task = |name: &str| world.task(&target, name);
    let mut kinds = Vec::new();
    if event.pause {
        kinds.push(EventKind::Paused);
    }
    if event.resume {
        let env = event.env.clone();
        kinds.push(EventKind::Resumed { env });
    }
    if let Some(state) = event.stop {
        let message = event.message;
        kinds.push(EventKind::Stopped { state, message });
    }
    if let Some(name) = &event.rerun {
        kinds.push(EventKind::Rerun {
            task: task(name),
            reset: event.reset,
            env: event.env.clone(),
        });
    }
    if let Some(name) = &event.skip {
        let (task, env) = (task(name), event.env);
        kinds.push(EventKind::Skipped { task, env });
    }
    for kind in kinds {
        world.plan(0, target.clone(), kind);
    }
    if let (Some(task), Some(state)) = (event.action, event.state) {
        world.change_deferred(&task, state);
    }
    if let Some(task) = event.finish {
        let outcome = match event.error {
            Some(error) => failure(error),
            None => ActionOutcome::Success(event.ok.unwrap_or_default()),
        };
        world.finish_deferred(&task, outcome);
    }
}

/// What is not as it was expected.
#[derive(Default)]
struct Differences(String);

impl Differences {
    fn compare<T: PartialEq + Debug>(&mut self, what: &str, expected: &T, got: &T) {
        if expected != got {
            let _ = writeln!(
                self.0,
                "  {what}\n    expected {expected:?}\n         got {got:?}"
            );
        }
    }

    fn contains(&mut self, what: &str, part: &str, got: &str) {
        if !got.contains(part) {
            let _ = writeln!(self.0, "  {what}\n    expected {part:?} in\n    {got:?}");
        }
    }
}

fn check(world: &World, expect: Expected) -> Result<(), String> {
    let mut wrong = Differences::default();
    let root = world.root();
    if let Some(state) = expect.state {
        wrong.compare("state", &state, &root.state());
    }
    for info in expect.info.map(OneOrMore::into_vec).unwrap_or_default() {
        wrong.contains("info", &info, root.state_info().unwrap_or_default());
    }
    if let Some(output) = expect.output {
        wrong.compare(
            "output",
            &output,
            &root.output().cloned().unwrap_or_default(),
        );
    }
    if let Some(tasks) = expect.tasks {
        check_tasks(&mut wrong, root, tasks);
    }
    if let Some(expected) = expect.executions {
        check_executions(&mut wrong, world, expected);
    }
    if let Some(log) = expect.log {
        wrong.compare("log", &log, &world.log);
    }
    wrong.compare(
        "waits for",
        &expect.waits.unwrap_or_default(),
        &waits_for(root),
    );
    if wrong.0.is_empty() {
        Ok(())
    } else {
        Err(format!("{}  {:#?}", wrong.0, world.log))
    }
}

fn check_tasks(
    wrong: &mut Differences,
    root: &Execution,
    tasks: BTreeMap<String, OneOrMore<TaskExpected>>,
) {
    let mut runs: BTreeMap<String, Vec<TaskView<'_>>> = BTreeMap::new();
    for task in root.tasks() {
        runs.entry(task.name().to_string()).or_default().push(task);
    }
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
    wrong.compare(
        "tasks",
        &names(tasks.keys().collect()),
        &names(runs.keys().collect()),
    );
    for (name, expected) in tasks {
        let expected = expected.into_vec();
        let got = runs.remove(&name).unwrap_or_default();
        wrong.compare(&format!("runs of {name}"), &expected.len(), &got.len());
        for (expected, got) in expected.into_iter().zip(got) {
            let expected = match expected {
                TaskExpected::State(state) => TaskMore::of(state),
                TaskExpected::More(more) => more,
            };
            check_task(wrong, &name, expected, got);
        }
    }
}

fn check_task(wrong: &mut Differences, name: &str, expected: TaskMore, got: TaskView<'_>) {
    let info = got.state_info().unwrap_or_default();
    wrong.compare(
        &format!("state of {name} ({info})"),
        &expected.state,
        &got.state(),
    );
    if let Some(part) = expected.info {
        wrong.contains(&format!("info of {name}"), &part, info);
    }
    if let Some(result) = expected.result {
        wrong.compare(&format!("result of {name}"), &result, &got.result());
    }
    if let Some(published) = expected.published {
        let got = Value::Map(Arc::clone(got.published()));
        wrong.compare(&format!("published by {name}"), &published, &got);
    }
    if let Some(attempt) = expected.attempt {
        wrong.compare(&format!("tries of {name}"), &attempt, &got.attempt());
    }
    if let Some(ended) = expected.ended {
        let got = got.ended_at().map(|at| (at - START) / 1000);
        wrong.compare(&format!("end of {name}"), &Some(ended), &got);
    }
}

fn check_executions(
    wrong: &mut Differences,
    world: &World,
    expected: BTreeMap<String, Vec<State>>,
) {
    let mut got: BTreeMap<String, Vec<State>> = BTreeMap::new();
    for (id, execution) in &world.executions {
        if *id != world.root {
            got.entry(execution.workflow_name().to_string())
                .or_default()
                .push(execution.state());
        }
    }
    for (name, mut states) in expected {
        let mut got = got.remove(&name).unwrap_or_default();
        states.sort_by_key(|state| state.as_str());
        got.sort_by_key(|state| state.as_str());
        wrong.compare(&format!("executions of {name}"), &states, &got);
    }
}

fn waits_for(execution: &Execution) -> Vec<String> {
    let waiting = execution.waits_for();
    waiting
        .iter()
        .map(|waiting| match waiting {
            Waiting::Start => "start".to_owned(),
            Waiting::Action {
                task,
                deferred: false,
                ..
            } => format!("action of {task}"),
            Waiting::Action {
                task,
                deferred: true,
                ..
            } => format!("outside for {task}"),
            Waiting::Child { task, .. } => format!("child of {task}"),
            Waiting::Timer { task, .. } => format!("timer of {task}"),
            Waiting::Person => "person".to_owned(),
        })
        .collect()
}

/// The names of the files of cases, sorted.
pub(crate) fn case_files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "yaml"))
        .collect();
    found.sort();
    found
}

/// The cases of a file, or their plain data.
pub(crate) fn load<T: serde::de::DeserializeOwned>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(file);
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn run_file(file: &str) {
    let cases: Vec<Case> = load(file);
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.name.clone();
        let result = std::panic::catch_unwind(|| run(case));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(message)) => wrong.push(format!("{name}:\n{message}")),
            Err(_) => wrong.push(format!("{name}: panicked")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong in {file}\n\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

macro_rules! files {
    ($($test:ident => $file:literal;)*) => {
        $(#[test] fn $test() { run_file($file); })*

        #[test]
        fn every_file_of_cases_is_run() {
            assert_eq!(case_files(), [$($file),*]);
        }
    };
}

files! {
    ad_hoc_actions_prepare_and_finish => "adhoc.yaml";
    other_executions_can_be_asked_about => "asking.yaml";
    pause_and_cancel_go_up_and_down => "cascades.yaml";
    commands_are_obeyed => "commands.yaml";
    context_flows_as_in_mistral => "context.yaml";
    control_from_outside_holds => "control.yaml";
    cycles_run_again => "cycles.yaml";
    errors_end_where_nobody_handles_them => "errors.yaml";
    expressions_are_evaluated_everywhere => "expressions.yaml";
    functions_answer_as_in_mistral => "functions.yaml";
    joins_wait_for_what_can_come => "joins.yaml";
    namespaces_hide_and_fill_up_each_other => "namespaces.yaml";
    errors_of_expressions_say_where => "places.yaml";
    policies_hold => "policies.yaml";
    publishing_reaches_who_may_see_it => "publish.yaml";
    failed_tasks_run_again => "rerun.yaml";
    reverse_workflows_reach_their_target => "reverse.yaml";
    failed_tasks_are_skipped => "skip.yaml";
    states_say_what_is => "states.yaml";
    std_actions_are_there => "std.yaml";
    sub_workflows_are_tasks => "subworkflows.yaml";
    tasks_run_what_they_say => "task.yaml";
    transitions_are_taken => "transitions.yaml";
    items_are_run_over => "with_items.yaml";
    workbooks_name_what_is_theirs => "workbooks.yaml";
    workflows_take_input_and_give_output => "workflow.yaml";
}
