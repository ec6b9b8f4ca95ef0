//! A thousand actions that wait at the same time: how much memory they take.

use std::sync::Arc;
use std::time::Duration;

use ostro_core::ActionContext;
use ostro_sandbox::{Sandbox, SandboxConfig};

use crate::{NoCloud, Nobody, context, figure, guest, input};

/// How many wait.
const COUNT: u32 = 1_000;

/// The most that the whole process may take meanwhile, in MB.
const ALLOWED: f64 = 500.0;

/// The resident memory of this process and what is mapped, in MB.
fn memory() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes / 1000.0
    };
    (of("VmRSS:"), of("VmSize:"))
}

pub(crate) fn measure() -> bool {
    let mut pack = guest("hostile");
    pack.manifest.limits.time = Duration::from_hours(1);
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    assert!(sandbox.max_instances() >= COUNT, "there is no room");
    let loaded = sandbox.load(&pack, &pack.manifest.grants).unwrap();
    let (before, mapped) = memory();
    println!("with a pack loaded: {before:.0} MB resident, {mapped:.0} MB mapped");
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let (during, after) = tokio.block_on(async {
        let calls: Vec<_> = (0..COUNT)
            .map(|_| {
                let loaded = loaded.clone();
                tokio::spawn(async move {
                    let context = ActionContext {
                        timeout: Some(Duration::from_secs(6)),
                        ..context()
                    };
                    let (cloud, nobody) = (Arc::new(NoCloud), Arc::new(Nobody));
                    let input = input("{}");
                    let action = "evil.attack.sleep_for_a_day";
                    let result = loaded.call(action, &input, cloud, &context, nobody);
                    result.await.unwrap_err()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(4)).await;
        let waiting = calls.iter().filter(|call| !call.is_finished()).count();
        assert_eq!(waiting, COUNT as usize, "they all wait at the same time");
        let (during, _) = memory();
        for call in calls {
            let error = call.await.unwrap();
            assert!(error.to_string().contains("took too long"), "{error}");
        }
        (during, memory().0)
    });
    println!(
        "each takes {:.0} kB; once they have ended: {after:.0} MB resident",
        (during - before) * 1000.0 / f64::from(COUNT)
    );
    figure("a thousand actions that wait", during, ALLOWED, "MB")
}
