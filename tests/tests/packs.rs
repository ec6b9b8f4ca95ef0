//! Packs as operators install, activate and swap them: the real binary, a real OCI registry
//! (Debian's `docker-registry`), real signatures (minisign) and a real client (`oras`).
//!
//! Components are made from text in no time, so that each case has packs of its own.

#[path = "packs/activate.rs"]
mod activate;
#[path = "packs/elsewhere.rs"]
mod elsewhere;
#[path = "packs/faults.rs"]
mod faults;
#[path = "packs/install.rs"]
mod install;
#[path = "packs/maker.rs"]
mod maker;
#[path = "packs/publish.rs"]
mod publish;
#[path = "packs/registry.rs"]
mod registry;
#[path = "packs/served.rs"]
mod served;
