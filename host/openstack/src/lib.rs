//! OpenStack: sessions and the catalogue of client operations.

mod cloud;

pub use cloud::{Cloud, CloudError};
