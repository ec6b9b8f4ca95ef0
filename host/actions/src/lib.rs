//! The one registry through which the engine's commands find std, OpenStack, ad-hoc and pack
//! actions.
//!
//! A pack can be there in several majors: a workflow with the tag `pack:NAME@MAJOR` gets that one,
//! every other one the newest.
//!
//! A name is looked up in this order: the ad-hoc actions of the calling workflow's workbook and
//! of all definitions, the packs, the OpenStack operations, the std actions. The registry is
//! an [`ostro_core::ActionRunner`] for drivers, and the `ActionCatalogue` that definitions are
//! checked against, so that what is checked is what runs.
//!
//! Who is to blame for a failure stays visible: what an action itself says is
//! [`Action`](ostro_core::ActionErrorKind::Action), a component that traps is `Trap`, a limit
//! `Limit`, a call that could not be made `Call`, a cloud out of reach `Host`.
//!
//! ```
//! use ostro_actions::{ActionKind, Registry};
//!
//! let registry = Registry::builder().build()?;
//! let action = registry.describe("ironic.node_get").unwrap();
//! assert_eq!(action.kind, ActionKind::Openstack);
//! assert!(action.parameters[0].required);
//! # Ok::<(), ostro_actions::RegistryError>(())
//! ```

mod adhoc;
mod describe;
mod error;
mod openstack;
mod outcome;
mod pack;
mod registry;
mod standard;
mod versions;

pub use describe::{ActionDescription, ActionKind, Parameter};
pub use error::RegistryError;
pub use ostro_egress::IpNet;
pub use registry::{Builder, Registry};
pub use standard::http::HttpOptions;
pub use standard::ssh::SshOptions;

#[cfg(test)]
mod tests;
