//! A call of an action in Python, as `ostro pack new` makes it.

use std::sync::Arc;
use std::time::Instant;

use ostro_packs::Language;
use ostro_sandbox::{Sandbox, SandboxConfig};

use crate::{NoCloud, Nobody, context, figure, input};

/// The most that a call may take after the first, in ms.
const ALLOWED: f64 = 5.0;

const CALLS: usize = 101;

pub(crate) fn measure() -> bool {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("snake");
    ostro_packs::new("snake", Language::Python, &dir).unwrap();
    let built = ostro_packs::build::build(&dir, &mut |line| println!("{line}")).unwrap();
    let pack = built.pack;
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let loaded = sandbox.load(&pack, &pack.manifest.grants).unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let input = input(r#"{"name": "Ada"}"#);
    let context = context();
    let call = || {
        let begin = Instant::now();
        let (cloud, nobody) = (Arc::new(NoCloud), Arc::new(Nobody));
        let called = loaded.call("snake.greetings.greet", &input, cloud, &context, nobody);
        let answer = tokio.block_on(called).unwrap();
        assert!(format!("{answer:?}").contains("Ada"), "{answer:?}");
        begin.elapsed().as_secs_f64() * 1000.0
    };
    println!("the first call: {:.2} ms", call());
    let mut rounds: Vec<f64> = (0..CALLS).map(|_| call()).collect();
    rounds.sort_by(f64::total_cmp);
    println!("nine of ten: {:.2} ms", rounds[CALLS * 9 / 10]);
    figure("an action in Python", rounds[CALLS / 2], ALLOWED, "ms")
}
