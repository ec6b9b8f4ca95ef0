//! The host as a service: Mistral's API v2, over HTTP.
//!
//! A request is one of a caller ([`identity`]), who belongs to a project; what a project has
//! defined is in the [`catalogue`]; what runs is in the runtime, and what ran in its journal. The
//! answers are those of Mistral 23: the same fields, status codes and faults.
//!
//! Where to look: `api` has one file a resource; `start` is how executions begin, whoever wants
//! them; `query` is how lists are asked for; `fault` is what is answered where something is wrong;
//! [`Zaqar`] is the queues that watchers and executions share; `listen` takes connections, and `limits` is how much of all that there may be.
//!
//! Architecture Invariant: a request that has begun comes to its end, whoever hangs up. What is
//! durable is known to the host, too.
//!
//! Architecture Invariant: the server knows actions only through [`Actions`]. It depends on no
//! crate that runs them; of `openstack` it takes the door to a cloud, to stand in it. Packs it
//! knows through [`Packs`] alone.

mod actions;
mod api;
mod app;
mod audit;
mod catalogue;
mod cron;
mod delegation;
mod events;
mod expiration;
mod fault;
mod feed;
mod health;
mod identity;
mod limits;
mod listen;
mod maintenance;
mod packs;
mod policy;
mod python;
mod query;
mod records;
mod request;
mod row;
mod single;
mod start;
mod telemetry;
mod tls;
mod webhooks;
mod zaqar;

pub use actions::{Actions, Held, Parameter, SystemAction};
pub use api::{Route, routes};
pub use app::{Live, Server, ServerError};
pub use audit::AuditSettings;
pub use events::{AmqpUrl, EventDefinitions, EventSettings};
pub use expiration::ExpirationSettings;
pub use feed::FeedSettings;
pub use identity::{Auth, KeystoneSettings};
pub use limits::LimitSettings;
pub use listen::ListenSettings;
pub use packs::{
    Installation, PACK_RULES, PackProblem, PackRefusal, PackRefusalKind, PackSource, PackVersion,
    Packs, PacksSettings, Stored,
};
pub use policy::Policy;
pub use telemetry::{HostCall, HostCalls, OtlpEndpoint, OtlpHeaders, TelemetrySettings};
pub use tls::TlsSettings;
pub use webhooks::{Publisher, Reach, WebhookSettings};
pub use zaqar::{Authenticate, Authenticated, NotAuthenticated, Zaqar, ZaqarSettings};
