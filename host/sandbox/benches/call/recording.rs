//! What it costs to record a call that asks a service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ostro_core::{ServiceRequest, ServiceResponse};
use ostro_openstack::{Cloud, CloudError};
use ostro_sandbox::{LoadedPack, Recorder, Recording, Sandbox, SandboxConfig};

use crate::{Nobody, context, figure, guest, input, quiet};

/// How much longer a recorded call may take, in percent.
const ALLOWED: f64 = 10.0;

/// How many calls a round has, and how many rounds there are.
const CALLS: u32 = 50;
const ROUNDS: usize = 21;

/// A service that answers after a while, as fast ones on the same machine do.
struct Service(Duration);

#[async_trait]
impl Cloud for Service {
    async fn send(&self, _: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        if !self.0.is_zero() {
            tokio::time::sleep(self.0).await;
        }
        Ok(ServiceResponse {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: br#"{"nodes": [{"uuid": "1", "name": "node-0", "power_state": "on"}]}"#.to_vec(),
        })
    }
}

/// Takes recordings and keeps none.
struct Dropped;

impl Recorder for Dropped {
    fn recorded(&self, recording: Recording) {
        assert_eq!(recording.calls.len(), 1);
    }
}

pub(crate) fn measure() -> bool {
    let pack = guest("hostile");
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let plain = sandbox.load(&pack, &pack.manifest.grants).unwrap();
    let recorded = plain.recorded_by(Arc::new(Dropped));
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let send =
        input(r#"{"service": "baremetal", "method": "GET", "path": "/v1/nodes", "headers": []}"#);
    let context = context();
    let time = |pack: &LoadedPack, pause: Duration| {
        let begin = Instant::now();
        tokio.block_on(async {
            for _ in 0..CALLS {
                let (cloud, nobody) = (Arc::new(Service(pause)), Arc::new(Nobody));
                let called = pack.call("evil.attack.send", &send, cloud, &context, nobody);
                called.await.unwrap();
            }
        });
        begin.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
    };
    let more = |pause: Duration| {
        let rounds: Vec<(f64, f64)> = (0..ROUNDS)
            .map(|_| (time(&plain, pause), time(&recorded, pause)))
            .collect();
        let (plain, recorded) = quiet(&rounds);
        println!("a call {plain:.1} µs, recorded {recorded:.1} µs, service {pause:?}");
        (recorded / plain - 1.0) * 100.0
    };
    let at_once = more(Duration::ZERO);
    println!("recording where the service takes no time at all: {at_once:.1} % more");
    let usual = more(Duration::from_millis(1));
    figure(
        "recording, with a service that takes 1 ms",
        usual,
        ALLOWED,
        "%",
    )
}
