//! What a route is about, as the OpenAPI document tells it.

use super::given::Shape;
use crate::query::Resource;

/// What a route is about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About {
    /// What it does, in a few words.
    pub(crate) summary: &'static str,
    /// What it takes beside its address.
    pub(crate) takes: Takes,
    /// What it gives where all is well.
    pub(crate) gives: Gives,
    /// What else its query may have.
    pub(crate) options: &'static [&'static str],
}

/// The body that a route takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Takes {
    /// None.
    #[default]
    Nothing,
    /// An object.
    Json(&'static Shape),
    /// Definitions in the DSL, as YAML.
    Definitions,
}

/// What a route gives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Gives {
    /// JSON of its own form.
    #[default]
    Json,
    /// A page of rows.
    List(&'static Resource),
    /// One row.
    One(&'static Resource),
    /// No body.
    Nothing,
    /// Text of this media type.
    Text(&'static str),
}
