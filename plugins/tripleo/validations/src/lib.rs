//! TripleO's validations of bare metal nodes as a component. They only read.

pub mod boot;
#[cfg(target_arch = "wasm32")]
mod glue;
pub mod health;
pub mod selection;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use verdict::{Finding, Outcome, Verdict};
