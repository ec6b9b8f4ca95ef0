//! Installed packs: fetched from a file, a folder or an OCI registry, checked, kept by digest,
//! activated and rolled back.
//!
//! A [`Store`] is a folder. An artifact is kept in it once, under its pack's digest, and is never
//! changed; which versions are installed, what the operator granted them and which of them are
//! active stands in one [`Record`], which is only ever replaced as a whole. So there is no moment
//! at which a process that dies, or a disk that is full, leaves half of something: either the
//! record names an artifact that is there, or it does not name it.
//!
//! Where to look: [`Source`] says where a pack comes from, and fetches it; [`Keys`] decides whose
//! signatures count; [`Record`] holds every decision about what is active, what can be rolled back
//! to and what may go; [`Registry`] says how a pack lies in an OCI registry, and why so.
//!
//! ```
//! use ostro_store::Store;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let store = Store::at(folder.path().join("packs"));
//! assert!(store.read().unwrap().packs.is_empty());
//! ```

mod credentials;
mod durable;
mod error;
mod keys;
mod record;
mod registry;
mod source;
mod store;

pub use error::StoreError;
pub use keys::{Keys, Signer, TrustedKey, Verdict};
pub use record::{Installed, Packs, Pin, Record};
pub use registry::{Obstacle, Pulled, Pushed, Registry, Standing};
pub use source::{Fetched, Source};
pub use store::{Change, Hold, Lease, Quiet, Store};
