//! Callers who say who they are, with a real Keystone.
//!
//! `OSTRO_TEST_CLOUDS` names a `clouds.yaml` with a cloud `admin`; without it, the cloud that
//! `cargo xtask cloud up` started is asked. A cloud that is not there fails the tests. Each test
//! makes projects and users of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test that they help"
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "api/world.rs"]
mod world;

#[path = "api/acting.rs"]
mod acting;
#[path = "keystone/audit.rs"]
mod audit;
#[expect(dead_code, reason = "the tests of event triggers use more of it")]
#[path = "events/broker.rs"]
mod broker;
#[path = "keystone/cloud.rs"]
mod cloud;
#[path = "keystone/delegation.rs"]
mod delegation;
#[path = "keystone/isolation.rs"]
mod isolation;
#[path = "keystone/members.rs"]
mod members;
#[path = "keystone/policy.rs"]
mod policy;
#[path = "keystone/recorded.rs"]
mod recorded;
#[path = "../../openstack/tests/real/running.rs"]
mod running;
#[path = "keystone/tokens.rs"]
mod tokens;
