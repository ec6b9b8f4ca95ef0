//! YAML as Mistral loads it: YAML 1.1 by PyYAML's rules, without anchors and aliases.
//!
//! saphyr-parser gives the events; what a plain scalar means ([`resolve`]), which characters
//! are plain text ([`standin`]) and where every character of a value stands in the file
//! ([`trace`]) are decided here.

mod load;
mod node;
mod resolve;
mod source;
mod standin;
mod trace;

pub(crate) use load::load;
pub(crate) use node::{Entry, Node, NodeKind, Style};
pub(crate) use source::{Place, Source};
pub(crate) use trace::Trace;
