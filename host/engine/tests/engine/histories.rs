//! Recorded runs, replayed for ever.
//!
//! Each file of `tests/histories` holds definitions, the events of all executions in order, and
//! what the engine of its day made of them: after each turn the commands, the changes and a
//! digest of what is to be seen of the state; and the states in the middle of it as they were
//! stored. A replay has to give the same, from the start and from the middle, or executions that
//! are under way would not survive an upgrade.
//!
//! `OSTRO_RECORD_HISTORIES=1` records the cases of `RECORDED` that have no history yet. One that
//! exists is never written again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostro_core::{ExecutionId, Map};
use ostro_engine::{Change, Command, Event, Execution, Params, decide};
use ostro_lang::Definitions;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cases;
use crate::stored::again;
use crate::world::parse;

/// The cases that are recorded: their file, and their number in it from 0.
const RECORDED: &[(&str, usize)] = &[
    ("asking", 5),
    ("cascades", 1),
    ("cascades", 12),
    ("context", 0),
    ("control", 7),
    ("cycles", 0),
    ("errors", 0),
    ("functions", 0),
    ("joins", 0),
    ("joins", 3),
    ("policies", 0),
    ("policies", 4),
    ("rerun", 13),
    ("rerun", 24),
    ("reverse", 0),
    ("skip", 5),
    ("subworkflows", 7),
    ("with_items", 3),
];

/// An execution as it was created.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Created {
    pub(crate) id: ExecutionId,
    pub(crate) workflow: String,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) namespace: Arc<str>,
    pub(crate) input: Map,
    pub(crate) params: Params,
}

/// One turn.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Turn {
    pub(crate) execution: ExecutionId,
    pub(crate) event: Event,
    pub(crate) commands: Vec<Command>,
    pub(crate) changes: Vec<Change>,
    /// Of what is to be seen of the state after it.
    pub(crate) digest: String,
}

/// A recorded run.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) definitions: Vec<String>,
    pub(crate) executions: Vec<Created>,
    pub(crate) turns: Vec<Turn>,
    /// After how many turns `stored` was stored.
    #[serde(default)]
    pub(crate) middle: usize,
    /// The executions of then, as JSON.
    #[serde(default)]
    pub(crate) stored: Vec<serde_json::Value>,
}

/// A digest of what is to be seen of a state: FNV-1a of it as JSON, 128 bits.
pub(crate) fn digest(execution: &Execution) -> String {
    let tasks = execution.tasks().map(|task| {
        let actions = task.actions().map(|action| {
            json!([
                action.id,
                action.name,
                action.input,
                action.state,
                action.output
            ])
        });
        let children = task
            .children()
            .map(|child| json!([child.id, child.workflow, child.state, child.output]));
        json!({
            "id": task.id(),
            "name": task.name(),
            "state": task.state(),
            "state_info": task.state_info(),
            "result": task.result(),
            "published": task.published(),
            "attempt": task.attempt(),
            "times": [Some(task.created_at()), task.started_at(), task.ended_at()],
            "actions": actions.collect::<Vec<_>>(),
            "children": children.collect::<Vec<_>>(),
        })
    });
    let visible = json!({
        "state": execution.state(),
        "state_info": execution.state_info(),
        "output": execution.output(),
        "globals": execution.globals(),
        "env": execution.params().env,
        "tasks": tasks.collect::<Vec<_>>(),
        "waits": format!("{:?}", execution.waits_for()),
    });
    let text = visible.to_string();
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in text.bytes() {
        hash ^= u128::from(byte);
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{hash:032x}")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

/// The executions of `history` as they were created.
fn created(history: &History, library: &Definitions) -> BTreeMap<ExecutionId, Execution> {
    let mut executions = BTreeMap::new();
    for created in &history.executions {
        let workflow = library
            .workflow_in(&created.namespace, &created.workflow)
            .unwrap();
        let id = created.id.clone();
        let params = created.params.clone();
        let execution = Execution::new(id, workflow, &created.input, params).unwrap();
        executions.insert(created.id.clone(), execution);
    }
    executions
}

/// Takes the turns of `history` in `range` again.
fn replay(
    history: &History,
    library: &Definitions,
    executions: &mut BTreeMap<ExecutionId, Execution>,
    range: Range<usize>,
) {
    for number in range {
        let turn = &history.turns[number];
        let execution = again(&executions[&turn.execution]);
        let workflow = Arc::clone(execution.workflow(library).unwrap());
        let decision = decide(library, &workflow, execution, again(&turn.event));
        assert_eq!(decision.question, None, "turn {number}");
        assert_eq!(
            again(&decision.commands),
            turn.commands,
            "commands of turn {number}"
        );
        assert_eq!(decision.changes, turn.changes, "changes of turn {number}");
        assert_eq!(
            digest(&decision.execution),
            turn.digest,
            "the state after turn {number}: {:#?}",
            decision.execution
        );
        executions.insert(turn.execution.clone(), decision.execution);
    }
}

/// Stores the executions in the middle of `history` with it.
fn store_middle(mut history: History) -> History {
    let library = parse(&history.definitions);
    let mut executions = created(&history, &library);
    history.middle = history.turns.len() / 2;
    replay(&history, &library, &mut executions, 0..history.middle);
    let stored = executions.values().map(serde_json::to_value);
    history.stored = stored.collect::<Result<_, _>>().unwrap();
    history
}

#[test]
fn histories_are_replayed_to_the_same_states_and_commands() {
    let record = std::env::var_os("OSTRO_RECORD_HISTORIES").is_some();
    for (file, number) in RECORDED {
        let path = folder().join(format!("{file}_{number}.json"));
        if !path.exists() && record {
            let history = store_middle(cases::record(&format!("{file}.yaml"), *number));
            let text = serde_json::to_string_pretty(&history).unwrap() + "\n";
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        assert!(path.exists(), "{} was not recorded", path.display());
    }
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let history: History = serde_json::from_str(&text).unwrap();
        assert!(!history.turns.is_empty(), "{} is empty", path.display());
        let library = parse(&history.definitions);
        let mut executions = created(&history, &library);
        replay(&history, &library, &mut executions, 0..history.turns.len());
        let mut executions = created(&history, &library);
        for stored in &history.stored {
            let execution: Execution = serde_json::from_value(stored.clone()).unwrap();
            executions.insert(execution.id().clone(), execution);
        }
        let rest = history.middle..history.turns.len();
        replay(&history, &library, &mut executions, rest);
        replayed += 1;
    }
    assert!(replayed >= RECORDED.len());
}
