//! The calls of OpenStack's Python clients, under the names that Mistral gives them.
//!
//! An operation is a row of data: parameters and where they go, method and path, and what of the
//! answer is the result. The few that no row can say (loops that wait, listings of several pages)
//! name an adapter. Rows are in `operations/catalogue/*.yaml`, a file a client; a new row needs
//! no code.
//!
//! Names are those of Mistral's `mapping.json`, parameters and results those of the client's
//! method. Mistral turns the objects of the clients into mappings of their attributes
//! (`jsonutils.to_primitive` in `mistral_lib.serialization`), so a result is the object that the
//! service's JSON describes. What Mistral adds by accident (the client's manager, request ids)
//! is left out, but for `_info` of Nova's objects, which TripleO's workbooks read.

mod adapters;
mod arguments;
mod error;
mod python;
mod request;
mod shape;
mod table;

use std::collections::HashMap;
use std::sync::LazyLock;

use ostro_core::{Map, Method, Value};

use crate::Cloud;
use adapters::Adapter;
use arguments::Arguments;
pub use error::OperationError;
use shape::Shape;

/// One call of a client.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The name, as `ironic.node_get`.
    pub name: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// What it takes.
    pub parameters: Vec<Parameter>,
    /// Whether it takes arguments beside its parameters, as Python's `**kwargs`.
    pub open: bool,
    /// The type of the service that it asks.
    pub service: String,
    /// How it asks. Composite operations may ask several times.
    pub method: Method,
    /// Where it asks, with parameters in braces.
    pub path: String,
    /// The microversion that it asks for.
    pub microversion: Option<String>,
    /// Whether it changes nothing.
    pub reads: bool,
    client: Client,
    failure: Option<String>,
    query: Vec<(String, String)>,
    rest: Option<Place>,
    result: Shape,
    adapter: Option<Adapter>,
}

/// One parameter of an operation.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// Another name that is taken for it.
    pub also: Option<String>,
    /// Whether a call must give it.
    pub required: bool,
    /// What it is when a call does not give it; null for nothing.
    pub default: Value,
    /// What kind of value it takes.
    pub kind: Kind,
    place: Place,
    key: String,
    encode: Encode,
    only_if_true: bool,
}

/// What kind of value a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Text; numbers and truth values are written out.
    String,
    /// A whole number, or text or a float that is one.
    Integer,
    /// A number.
    Number,
    /// A truth value, or text that is one.
    Boolean,
    /// A list.
    List,
    /// A mapping.
    Object,
    /// Anything.
    Any,
}

/// Where an argument goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// Into the path, as one segment.
    Path,
    /// Into the path, with the slashes that it has.
    PathTail,
    /// Into the query.
    Query,
    /// A mapping whose entries go into the query.
    QueryEntries,
    /// A query as text.
    QueryText,
    /// A member of the JSON body.
    Body,
    /// A mapping whose entries become members of the body.
    BodyEntries,
    /// The JSON body.
    WholeBody,
    /// The body as it is.
    Text,
    /// A header.
    Header,
    /// A mapping of headers.
    Headers,
    /// Appended to the path when true.
    Suffix,
    /// The microversion to ask for.
    Microversion,
    /// Where the adapter says.
    Adapter,
}

/// How an argument is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Encode {
    /// As it is in JSON, and as Python's `str` in a query: lists with commas.
    #[default]
    Plain,
    /// A list as the key repeated.
    Repeat,
    /// As JSON text.
    JsonText,
    /// A single value as a list of one.
    OneOrMany,
    /// A truth value as `0` or `1`.
    Digit,
}

/// Whose way of telling errors an operation has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Client {
    Glance,
    Heat,
    Inspector,
    Ironic,
    Keystone,
    Mistral,
    Nova,
    Swift,
    Zaqar,
}

static TABLE: LazyLock<(Vec<Operation>, HashMap<String, usize>)> = LazyLock::new(|| {
    let operations = table::read();
    let names = operations
        .iter()
        .enumerate()
        .map(|(index, row)| (row.name.clone(), index));
    let names = names.collect();
    (operations, names)
});

/// All operations, by name.
pub fn all() -> &'static [Operation] {
    &TABLE.0
}

/// The operation called `name`.
pub fn find(name: &str) -> Option<&'static Operation> {
    TABLE.0.get(*TABLE.1.get(name)?)
}

/// Carries out the operation called `name` in `cloud` and gives its result.
///
/// It asks only by [`Cloud::send`]. Operations that wait end when their arguments say, and fail
/// then.
pub async fn call(cloud: &dyn Cloud, name: &str, arguments: &Map) -> Result<Value, OperationError> {
    let operation = find(name).ok_or_else(|| OperationError::unknown(name))?;
    let arguments = Arguments::check(operation, arguments)?;
    if let Some(adapter) = operation.adapter {
        return adapter.run(cloud, operation, &arguments).await;
    }
    let request = request::build(operation, &arguments)?;
    let response = send(cloud, operation, request).await?;
    operation.result.of(operation, &response)
}

/// Sends `request`; an answer that is no success is an error in the client's words.
async fn send(
    cloud: &dyn Cloud,
    operation: &Operation,
    request: ostro_core::ServiceRequest,
) -> Result<ostro_core::ServiceResponse, OperationError> {
    let path = request.path.clone();
    let response = cloud.send(request).await?;
    match response.status {
        200..=299 => Ok(response),
        _ => Err(error::refused(operation, &path, &response)),
    }
}
