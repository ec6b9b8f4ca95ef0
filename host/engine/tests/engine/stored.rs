//! States and events, stored with their large parts apart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use ostro_core::stored::{Digest, Saved, load, save, save_from};
use ostro_core::{ActionOutcome, ExecutionId, Map, State, Value};
use ostro_engine::{Command, Event, EventKind, Execution, Params, decide};
use ostro_lang::Definitions;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::world::parse;

fn loaded<T: DeserializeOwned>(saved: &Saved) -> T {
    let values = saved.values.iter();
    let values: BTreeMap<Digest, Arc<[u8]>> = values
        .map(|value| (value.digest, Arc::clone(&value.bytes)))
        .collect();
    let mut fetch = |digest: &Digest| Ok::<_, Infallible>(values.get(digest).cloned());
    load(&saved.body, &mut fetch).unwrap()
}

/// `value` after it was stored and loaded, with nearly all of its parts apart.
pub(crate) fn again<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> T {
    let saved = save_from(0, value).unwrap();
    let again = loaded(&saved);
    assert_eq!(again, *value, "what is loaded is what was saved");
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    assert_eq!(save_from(0, &again).unwrap(), saved);
    again
}

/// Where the texts under `last` are in memory.
fn places<'a>(maps: impl Iterator<Item = &'a Arc<Map>>) -> BTreeSet<*const u8> {
    let texts = maps.filter_map(|map| map.values().find_map(Value::as_str));
    texts.map(str::as_ptr).collect()
}

/// The workflow `w`, run to its end by actions that all give `outcome`.
fn finished(definitions: &Definitions, outcome: &ActionOutcome) -> Execution {
    let workflow = definitions.workflow("w").unwrap();
    let id = ExecutionId::new("7d0f1c3e-5d7c-4b0e-9a53-0a7cbd7d3c11");
    let mut execution = Execution::new(id, workflow, &Map::new(), Params::default()).unwrap();
    let mut kinds = VecDeque::from([EventKind::Started]);
    while let Some(kind) = kinds.pop_front() {
        let decision = decide(definitions, workflow, execution, Event::new(0, kind));
        execution = decision.execution;
        kinds.extend(
            decision
                .commands
                .into_iter()
                .filter_map(|command| match command {
                    Command::RunAction { id, .. } => {
                        let outcome = outcome.clone();
                        Some(EventKind::ActionFinished { id, outcome })
                    }
                    _ => None,
                }),
        );
    }
    assert_eq!(execution.state(), State::Success);
    execution
}

fn size(saved: &Saved) -> usize {
    let values: usize = saved.values.iter().map(|value| value.bytes.len()).sum();
    saved.body.len() + values
}

#[test]
fn a_thousand_tasks_that_hand_on_a_megabyte_store_it_once() {
    const TASKS: usize = 1_000;
    let mut text = "version: '2.0'\nw:\n  tasks:\n".to_owned();
    for index in 1..=TASKS {
        let _ = writeln!(
            text,
            "    t{index}:\n      action: act\n      input: {{v: <% $.get(last) %>}}\n      \
             publish: {{last: <% task().result %>}}"
        );
        if index < TASKS {
            let _ = writeln!(text, "      on-success: t{}", index + 1);
        }
    }
    let outcome = ActionOutcome::Success("x".repeat(1 << 20).into());
    let execution = finished(&parse(&[text]), &outcome);

    let saved = save(&execution).unwrap();
    assert_eq!(saved.values.len(), 1);
    assert!(size(&saved) < (1 << 20) + 1_500 * TASKS, "{}", size(&saved));

    let again: Execution = loaded(&saved);
    assert_eq!(again.tasks().count(), TASKS);
    let published = places(again.tasks().map(|task| task.published()));
    let actions: Vec<_> = again
        .tasks()
        .flat_map(|task| task.actions().collect::<Vec<_>>())
        .collect();
    let inputs = places(actions.iter().skip(1).map(|action| action.input));
    let outputs: BTreeSet<_> = actions
        .iter()
        .filter_map(|action| action.output.as_str())
        .map(str::as_ptr)
        .collect();
    assert_eq!(published.len(), 1);
    assert_eq!((&published, &published), (&inputs, &outputs));
    assert_eq!(save(&again).unwrap(), saved);

    let id = actions[0].id.clone();
    let event = Event::new(0, EventKind::ActionFinished { id, outcome });
    let stored = save(&event).unwrap();
    assert_eq!(
        stored.values, saved.values,
        "the event refers to the same value"
    );
    assert!(stored.body.len() < 300);
    assert_eq!(loaded::<Event>(&stored), event);
}
