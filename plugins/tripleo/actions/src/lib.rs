//! TripleO's bare metal actions as a component.
//!
//! Each action is a function of a module here, over [`tripleo_cloud::Cloud`]; `glue` ties them
//! to the component's exports, and the cloud to the host's interfaces. What the actions do is
//! what those of tripleo-common 9.6 do; where they are better on purpose, the function says so.

pub mod boot;
pub mod capabilities;
pub mod compute;
pub mod driver;
pub mod error;
#[cfg(target_arch = "wasm32")]
mod glue;
pub mod images;
pub mod inventory;
pub mod ironic;
pub mod register;
pub mod root_device;
#[cfg(test)]
mod tests;
pub mod validate;

pub use error::ActionError;
