//! The routes of executions, tasks and action executions, over HTTP.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test that they help"
)]

#[path = "api/wire.rs"]
mod wire;
#[path = "api/world.rs"]
mod world;

#[path = "api/acting.rs"]
mod acting;
#[path = "api/actions.rs"]
mod actions;
#[path = "api/audit.rs"]
mod audit;
#[path = "api/delegation.rs"]
mod delegation;
#[path = "api/event_triggers.rs"]
mod event_triggers;
#[path = "api/events.rs"]
mod events;
#[path = "api/executions.rs"]
mod executions;
#[path = "api/expiration.rs"]
mod expiration;
#[path = "api/identity.rs"]
mod identity;
#[path = "api/limits.rs"]
mod limits;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/load.rs"]
mod load;
#[path = "api/maintenance.rs"]
mod maintenance;
#[path = "api/openmetrics.rs"]
mod openmetrics;
#[path = "api/packs.rs"]
mod packs;
#[path = "api/stop.rs"]
mod stop;
#[path = "api/tasks.rs"]
mod tasks;
#[path = "api/telemetry.rs"]
mod telemetry;
#[path = "api/tls.rs"]
mod tls;
#[path = "api/traces.rs"]
mod traces;
#[path = "api/webhooks.rs"]
mod webhooks;
