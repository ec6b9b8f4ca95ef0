//! Runs that are written down: what a workflow is given, what the actions of its tasks give, and
//! how it ends.
//!
//! They stand in `answers`, a file for each workbook, by the full names of its workflows:
//!
//! ```yaml
//! tripleo.scale.v1.delete_node:
//!   usual:              # What each run below has unless it says otherwise.
//!     input: {container: overcloud, nodes: [n1]}
//!   runs:
//!   - about: The stack does not become what it should.
//!     ends: ERROR       # What the rules of its tasks make of it.
//!     breaks: []        # The workflows that an expression ends that cannot be evaluated.
//!     input: {}         # Its entries are put into those of `usual`, also within mappings.
//!     env: {}
//!     results:          # The results of a task, in the order of its calls. The last is repeated.
//!       delete_node: [done, {fails: no such node}]
//!       tripleo.stack.v1._heat_stacks_list/heat_stacks_list: [[]]
//! ```
//!
//! A task's name alone means a task of the workflow; tasks of its sub-workflows stand behind
//! the names of those. `{fails: message}` is an error, all else a result. What an action gives to
//! tasks that are not named is the same in all runs; it stands in `answers/actions.yaml`, by
//! the names of the actions. Actions that are not there give null.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ostro_core::{Map, State, Value};
use ostro_lang::{Definitions, FunctionEnv};

/// The results of calls, in their order.
type Results = BTreeMap<String, Vec<Value>>;

/// Why tasks cannot be reached, by workflow and task.
pub(crate) type Reasons = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<str>>>;

/// A run that is written down.
pub(crate) struct Scenario {
    /// The workflow's full name.
    pub(crate) workflow: Arc<str>,
    /// What happens in it.
    pub(crate) about: Arc<str>,
    pub(crate) input: Map,
    pub(crate) env: Map,
    /// The state in which it ends.
    pub(crate) ends: State,
    /// The workflows that an expression ends that cannot be evaluated.
    pub(crate) breaks: BTreeSet<Arc<str>>,
    /// By workflow and task.
    results: Results,
    /// Those of them that only this run has.
    own: BTreeSet<String>,
}

impl Scenario {
    /// Where results are written down for what is no task.
    pub(crate) fn unknown(&self, definitions: &Definitions) -> Vec<&str> {
        let is_task = |name: &str| {
            name.split_once('/').is_some_and(|(workflow, task)| {
                let workflow = definitions.workflow(workflow);
                workflow.is_some_and(|workflow| workflow.tasks.contains_key(task))
            })
        };
        let names = self.results.keys().map(String::as_str);
        names.filter(|name| !is_task(name)).collect()
    }
}

/// All that is written down.
pub(crate) struct Answers {
    pub(crate) scenarios: Vec<Scenario>,
    /// By the names of actions.
    actions: Arc<Results>,
    pub(crate) unreachable: Reasons,
}

impl Answers {
    /// What the files in `folder` say.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut answers = Self {
            scenarios: Vec::new(),
            actions: Arc::default(),
            unreachable: BTreeMap::new(),
        };
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let of_file = || format!("in {}", path.display());
            let value = yaml(&std::fs::read_to_string(&path)?).with_context(of_file)?;
            let entries = mapping(&value, "the file").with_context(of_file)?;
            match path.file_stem().and_then(|name| name.to_str()) {
                Some("actions") => answers.actions = Arc::new(results(&value, str::to_owned)?),
                Some("unreachable") => answers.unreachable = reasons(entries)?,
                _ => {
                    for (workflow, runs) in entries {
                        let scenarios = scenarios(workflow, runs)
                            .with_context(|| workflow.to_string())
                            .with_context(of_file)?;
                        answers.scenarios.extend(scenarios);
                    }
                }
            }
        }
        // The order of the files is not that of the folder.
        answers
            .scenarios
            .sort_by(|one, other| one.workflow.cmp(&other.workflow));
        Ok(answers)
    }

    /// What `scenario` answers to the calls of a run.
    pub(crate) fn of(&self, scenario: &Scenario) -> Script {
        Script {
            results: scenario.results.clone(),
            own: scenario.own.clone(),
            actions: Arc::clone(&self.actions),
            asked: BTreeMap::new(),
        }
    }
}

/// The answers of a run that is under way.
pub(crate) struct Script {
    /// By workflow and task.
    results: Results,
    own: BTreeSet<String>,
    /// By the names of actions.
    actions: Arc<Results>,
    /// How often each was asked for.
    asked: BTreeMap<String, usize>,
}

impl Script {
    /// What a call of `action` for a task gives: a result, or an error.
    pub(crate) fn result(
        &mut self,
        workflow: &str,
        task: &str,
        action: &str,
    ) -> Result<Value, Arc<str>> {
        let name = format!("{workflow}/{task}");
        let asked = self.asked.entry(name.clone()).or_default();
        let number = *asked;
        *asked += 1;
        let known = self.results.get(&name).or_else(|| self.actions.get(action));
        let Some(given) = known.and_then(|known| known.get(number).or(known.last())) else {
            return Ok(Value::Null);
        };
        match given.as_map() {
            Some(entries) if entries.len() == 1 => match entries.get("fails") {
                Some(message) => Err(message.as_str().unwrap_or_default().into()),
                None => Ok(given.clone()),
            },
            _ => Ok(given.clone()),
        }
    }

    /// The tasks that this run alone has results for and that asked for none.
    pub(crate) fn unasked(&self) -> Vec<&str> {
        let names = self.own.iter().map(String::as_str);
        names
            .filter(|name| !self.asked.contains_key(*name))
            .collect()
    }
}

/// `text` as YAML.
fn yaml(text: &str) -> Result<Value> {
    struct NoIds;
    impl FunctionEnv for NoIds {
        fn new_uuid(&self) -> String {
            String::new()
        }
    }
    ostro_lang::call_function("yaml_parse", &[text.into()], &[], &NoIds)
        .context("there is no function that reads YAML")?
        .map_err(|message| anyhow!(message))
}

fn mapping<'v>(value: &'v Value, what: &str) -> Result<&'v Map> {
    value
        .as_map()
        .with_context(|| format!("{what} is not a mapping but {value}"))
}

fn reasons(entries: &Map) -> Result<Reasons> {
    let mut reasons = Reasons::new();
    for (workflow, tasks) in entries {
        let of_workflow = reasons.entry(Arc::clone(workflow)).or_default();
        for (task, reason) in mapping(tasks, workflow)? {
            let reason = reason.as_str().context("a reason is no text")?;
            of_workflow.insert(Arc::clone(task), reason.into());
        }
    }
    Ok(reasons)
}

/// The results in `value`, by the names that `named` makes of its keys.
fn results(value: &Value, named: impl Fn(&str) -> String) -> Result<Results> {
    let of_task = |(task, results): (&Arc<str>, &Value)| {
        let results = results.as_list();
        let results = results.with_context(|| format!("the results of {task} are no list"))?;
        Ok((named(task), results.to_vec()))
    };
    mapping(value, "results")?.iter().map(of_task).collect()
}

fn scenarios(workflow: &Arc<str>, value: &Value) -> Result<Vec<Scenario>> {
    let entries = mapping(value, "a workflow")?;
    let unknown = entries
        .keys()
        .find(|key| !matches!(&***key, "usual" | "runs"));
    ensure!(
        unknown.is_none(),
        "{unknown:?} means nothing for a workflow"
    );
    let usual = entries.get("usual").cloned();
    let usual = usual.unwrap_or_else(Value::empty_map);
    let runs = entries.get("runs").and_then(Value::as_list);
    let runs = runs.context("it has no list of runs")?.iter();
    runs.map(|run| scenario(workflow, &usual, run)).collect()
}

fn scenario(workflow: &Arc<str>, usual: &Value, run: &Value) -> Result<Scenario> {
    let run = mapping(run, "a run")?;
    let about = run.get("about").and_then(Value::as_str);
    let about = about.context("a run does not say what it is about")?;
    let known = |key: &&Arc<str>| {
        matches!(
            &***key,
            "about" | "ends" | "breaks" | "input" | "env" | "results"
        )
    };
    let unknown = run.keys().find(|key| !known(key));
    ensure!(unknown.is_none(), "{about} {unknown:?} means nothing");
    let part = |name: &str| {
        let usual = usual.get(name).cloned();
        let usual = usual.unwrap_or_else(Value::empty_map);
        run.get(name)
            .map_or(usual.clone(), |own| merged(&usual, own))
    };
    let map = |name: &str| Ok::<_, anyhow::Error>(mapping(&part(name), name)?.clone());
    let full = |task: &str| {
        if task.contains('/') {
            task.to_owned()
        } else {
            format!("{workflow}/{task}")
        }
    };
    let breaks = run.get("breaks").and_then(Value::as_list);
    let breaks = breaks.into_iter().flatten().filter_map(Value::as_str);
    let own = run.get("results").and_then(Value::as_map);
    let own = own.into_iter().flat_map(Map::keys);
    // Results are lists: those of a run stand in place of the usual ones.
    Ok(Scenario {
        workflow: Arc::clone(workflow),
        about: about.into(),
        input: map("input")?,
        env: map("env")?,
        ends: match run.get("ends").and_then(Value::as_str) {
            Some("SUCCESS") => State::Success,
            Some("ERROR") => State::Error,
            other => bail!("{about} It cannot end as {other:?}"),
        },
        breaks: breaks.map(Arc::from).collect(),
        own: own.map(|task| full(task)).collect(),
        results: results(&part("results"), full).with_context(|| about.to_owned())?,
    })
}

/// `own` put into `usual`: entry by entry where both are mappings, else in its place.
fn merged(usual: &Value, own: &Value) -> Value {
    let (Some(usual), Some(own)) = (usual.as_map(), own.as_map()) else {
        return own.clone();
    };
    let mut entries = usual.clone();
    for (key, value) in own {
        let merged = match entries.get(key) {
            Some(before) => merged(before, value),
            None => value.clone(),
        };
        entries.insert(Arc::clone(key), merged);
    }
    entries.into()
}
