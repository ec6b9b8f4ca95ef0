//! The cloud as the TripleO pack's components see it.
//!
//! The components' logic speaks to [`ReadCloud`] and [`Cloud`]. In a component these are the
//! host's interfaces; in tests they are [`memory::MemoryCloud`].
//!
//! ```
//! use tripleo_cloud::{CloudError, Level, ReadCloud, Response, list};
//!
//! struct OneNode;
//!
//! impl ReadCloud for OneNode {
//!     fn get(
//!         &self,
//!         _service: &str,
//!         _path: &str,
//!         _query: &[(&str, &str)],
//!         _microversion: Option<&str>,
//!     ) -> Result<Response, CloudError> {
//!         Ok(Response { status: 200, body: br#"{"nodes": [{"uuid": "1"}]}"#.to_vec() })
//!     }
//!
//!     fn log(&self, _level: Level, _message: &str) {}
//!
//!     fn progress(&self, _percent: Option<u8>, _message: &str) {}
//! }
//!
//! assert_eq!(list::nodes(&OneNode).unwrap()[0]["uuid"], "1");
//! ```

pub mod cloud;
pub mod json;
pub mod list;
#[cfg(feature = "memory")]
pub mod memory;
pub mod path;
pub mod service;

pub use cloud::{Cloud, CloudError, Level, Method, ReadCloud, Request, Response};
