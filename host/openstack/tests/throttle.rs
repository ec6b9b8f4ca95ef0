//! Limits for services.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ostro_core::{Method, RelativePath, ServiceRequest, ServiceResponse};
use ostro_openstack::{Cloud, CloudError, ServiceLimit, Throttled};

/// A cloud that takes a second for each answer, and counts.
#[derive(Default)]
struct Slow {
    counts: Mutex<BTreeMap<String, Count>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    now: usize,
    most: usize,
    all: usize,
}

#[async_trait]
impl Cloud for Slow {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let service = request.service;
        {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(service.clone()).or_default();
            count.now += 1;
            count.all += 1;
            count.most = count.most.max(count.now);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.counts.lock().unwrap().get_mut(&service).unwrap().now -= 1;
        Err(CloudError::NoCloud("this is a test".to_owned()))
    }
}

fn request(service: &str) -> ServiceRequest {
    let path = RelativePath::parse("/v1/nodes").unwrap();
    ServiceRequest::new(service, Method::Get, path)
}

async fn send_many(cloud: &Arc<Throttled>, service: &'static str, count: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let cloud = Arc::clone(cloud);
        tasks.spawn(async move { cloud.send(request(service)).await });
    }
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_has_no_more_requests_at_a_time_than_its_limit_and_loses_none() {
    let slow = Arc::new(Slow::default());
    let limits = ["baremetal=20".parse().unwrap()];
    let cloud = Arc::new(Throttled::new(Arc::clone(&slow) as _, &limits));
    tokio::join!(
        send_many(&cloud, "baremetal", 1_000),
        send_many(&cloud, "object-store", 100)
    );
    let counts = slow.counts.lock().unwrap();
    assert_eq!(
        (counts["baremetal"].most, counts["baremetal"].all),
        (20, 1_000)
    );
    assert_eq!(counts["object-store"].most, 100);
}

#[tokio::test(start_paused = true)]
async fn an_alias_of_a_service_has_the_same_limit() {
    let slow = Arc::new(Slow::default());
    let limits = ["object-storage=2".parse().unwrap()];
    let cloud = Arc::new(Throttled::new(Arc::clone(&slow) as _, &limits));
    send_many(&cloud, "object-store", 10).await;
    assert_eq!(slow.counts.lock().unwrap()["object-store"].most, 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_while_it_waits_is_not_sent_and_frees_its_turn() {
    let slow = Arc::new(Slow::default());
    let limits = ["baremetal=1".parse().unwrap()];
    let cloud = Arc::new(Throttled::new(Arc::clone(&slow) as _, &limits));
    let first = tokio::spawn({
        let cloud = Arc::clone(&cloud);
        async move { cloud.send(request("baremetal")).await }
    });
    tokio::task::yield_now().await;
    let patience = Duration::from_millis(100);
    let second = tokio::time::timeout(patience, cloud.send(request("baremetal"))).await;
    assert!(second.is_err());
    let _ = first.await.unwrap();
    let _ = cloud.send(request("baremetal")).await;
    assert_eq!(slow.counts.lock().unwrap()["baremetal"].all, 2);
}

#[test]
fn what_is_no_limit_is_refused() {
    for text in [
        "",
        "baremetal",
        "=20",
        "baremetal=",
        "baremetal=0",
        "baremetal=-1",
        "baremetal=x",
    ] {
        assert!(text.parse::<ServiceLimit>().is_err(), "{text:?}");
    }
    let limit: ServiceLimit = "baremetal = 20".parse().unwrap();
    assert_eq!((&*limit.service, limit.requests), ("baremetal", 20));
}
