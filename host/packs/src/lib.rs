//! Action packs: what an operator installs.
//!
//! A pack is components, the WIT that documents them, stock workflows, the grants that it asks
//! for and its limits, under one name, version and digest. This crate reads packs, finds the
//! signatures of their actions in the components themselves, and decides what a grant allows.
//! It runs nothing: `ostro-sandbox` does.
//!
//! Where to look: [`Manifest`] is `pack.yaml`; [`Grants`] holds every decision about what a
//! pack may do; [`Signature`] is an action's type; [`lower`] is the one walk from workflow
//! values to WIT values; [`PackDiff`] is what a new version changes; [`Pack`] brings them together;
//! [`new`](fn@new) starts a pack, and [`mod@build`] makes it from source.
//!
//! ```
//! use ostro_packs::Grants;
//!
//! let grants: Grants = Grants::parse("operations: [ironic.node_get, swift.*]", "grants.yaml").unwrap();
//! assert!(grants.check_operation("swift.get_object").is_ok());
//! let denial = grants.check_operation("nova.servers_list").unwrap_err();
//! assert!(denial.to_string().contains("operations: [nova.servers_list]"));
//! ```

pub mod build;
mod compat;
mod cover;
mod diff;
mod docs;
mod error;
mod files;
mod grants;
mod imports;
mod lower;
mod manifest;
mod new;
mod pack;
mod pattern;
mod reflect;
mod scalar;
mod signature;
mod smallest;
mod tag;
mod types;
mod units;
mod wit;

pub use diff::{Change, PackDiff, What};
pub use error::PackError;
pub use files::{MAX_FILE, MAX_FILES, MAX_TOTAL};
pub use grants::{
    Access, Denial, Destination, FolderGrant, FolderMode, Grants, Host, HostPattern, HttpGrant,
    HttpTarget, ObjectGrant, SecretGrant, ServiceGrant, TargetError,
};
pub use imports::{Import, ImportError};
pub use lower::{InputError, LowerError, Sink, lower, lower_params};
pub use manifest::{BuildSpec, ComponentSpec, Language, Limits, Manifest, ValidationInfo};
pub use new::new;
pub use pack::{Component, Pack, WorkflowFile, digest};
pub use pattern::PathPattern;
pub use semver::Version;
pub use signature::{Export, Param, Signature};
pub use smallest::Need;
pub use tag::{MajorTag, TagError};
pub use types::{Case, Field, Label, Labels, Name, Record, Type, Variant};
