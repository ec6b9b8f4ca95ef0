//! What must not depend on the order in which branches come.

use ostro_core::{ActionOutcome, Map, State};
use ostro_engine::Params;

use crate::world::{Scripted, World, parse};

/// `j` cannot be met, and its failure is the branch that `k` waits for.
const TEXT: &str = "
version: '2.0'
w:
  tasks:
    a: {action: x, on-success: k, on-error: j}
    b: {action: y, on-complete: j}
    j: {join: all, on-error: k}
    k: {join: all}
";

#[test]
fn a_join_waits_for_the_failure_of_another_whichever_came_first() {
    for after in [0, 2_000] {
        let scripted = |after| Scripted {
            outcome: Some(ActionOutcome::Success(1.into())),
            after,
        };
        let script = [
            ("x".to_owned(), vec![scripted(after)]),
            ("y".to_owned(), vec![scripted(1_000)]),
        ];
        let mut world = World::new(parse(&[TEXT.to_owned()]), script.into());
        world
            .start("", "w", &Map::new(), Params::default())
            .unwrap();
        world.run(i64::MAX);
        let state = |name: &str| {
            let mut tasks = world.root().tasks();
            tasks.find(|task| **task.name() == *name).unwrap().state()
        };
        assert_eq!(state("j"), State::Error, "after {after} ms");
        assert_eq!(state("k"), State::Success, "after {after} ms");
        assert_eq!(world.root().state(), State::Success, "after {after} ms");
    }
}
