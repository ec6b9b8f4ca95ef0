//! OpenStack: sessions and the catalogue of client operations.
//!
//! A [`Session`] logs in to a cloud that `clouds.yaml` or the `OS_*` environment describe and
//! sends requests to the services of its catalogue. [`operations`] are the calls of the Python
//! clients under the names that Mistral gives them, as data that any [`Cloud`] can carry out.
//!
//! ```no_run
//! use ostro_core::{Map, Value};
//! use ostro_openstack::{Session, operations};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Cloud `admin` of clouds.yaml. Nothing is sent before the first request needs it.
//! let session = Session::open(Some("admin"))?;
//!
//! let arguments = Map::from_iter([
//!     ("provision_state".into(), Value::from("manageable")),
//!     ("fields".into(), Value::from(vec![Value::from("uuid"), Value::from("name")])),
//!     ("limit".into(), Value::from(0)), // all pages
//! ]);
//! let nodes = operations::call(&session, "ironic.node_list", &arguments).await?;
//! for node in nodes.as_list().unwrap_or_default() {
//!     println!("{}", node.get("name").unwrap_or(&Value::Null));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Architecture Invariant: everything that reaches a service goes through [`Cloud::send`], or
//! [`Cloud::upload`] where its body comes in pieces, so whoever wraps a cloud (the sandbox, with the grants of a pack) sees all of it. A token never
//! leaves [`Session`].

mod cloud;
mod config;
mod delegations;
pub mod operations;
mod session;
mod throttle;
mod upload;

pub use cloud::{Cloud, CloudError};
pub use config::{CloudConfig, Environment};
pub use delegations::{Delegation, Delegations};
pub use operations::OperationError;
pub use session::{Delegator, Limits, Session, Target};
pub use throttle::{NoServiceLimit, ServiceLimit, Throttled};
pub use upload::{Left, Pieces, Upload};
