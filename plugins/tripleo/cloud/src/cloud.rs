//! What a component needs of the host.

use thiserror::Error;

/// A cloud that answers reads, and whoever watches the action.
pub trait ReadCloud {
    /// Reads `path` of a service. The query is decoded; the host encodes it.
    fn get(
        &self,
        service: &str,
        path: &str,
        query: &[(&str, &str)],
        microversion: Option<&str>,
    ) -> Result<Response, CloudError>;

    /// Writes one line for the operator.
    fn log(&self, level: Level, message: &str);

    /// Says how far the action is.
    fn progress(&self, percent: Option<u8>, message: &str);
}

/// A cloud that also takes writes.
pub trait Cloud: ReadCloud {
    /// Sends one request and gives the answer, whatever its status.
    fn send(&self, request: &Request<'_>) -> Result<Response, CloudError>;

    /// Waits.
    fn sleep(&self, milliseconds: u64);
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Details for whoever looks for a fault.
    Debug,
    /// What was done.
    Info,
    /// What an operator should look at.
    Warning,
}

/// The methods that write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Create.
    Post,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// The method's name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One request that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The type of the service in the catalogue.
    pub service: &'a str,
    /// What to do.
    pub method: Method,
    /// The path below the service's endpoint.
    pub path: &'a str,
    /// The JSON body, empty for none.
    pub body: Vec<u8>,
    /// The API microversion to ask for.
    pub microversion: Option<&'a str>,
}

/// The answer of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer, or none that helps.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloudError {
    /// The service says that it failed. The text is the one that OpenStack's clients give.
    #[error("{message} (HTTP {status})")]
    Service {
        /// The HTTP status.
        status: u16,
        /// What the service said.
        message: String,
    },
    /// The host did not let the request through: not granted, malformed, or a limit is used up.
    #[error("{0}")]
    Refused(String),
    /// The service could not be reached.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is not what the API promises.
    #[error("the {service} service's answer to {path} cannot be read: {reason}")]
    Unreadable {
        /// The type of the service.
        service: String,
        /// The path that was asked for.
        path: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl CloudError {
    /// The HTTP status, where a service answered with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Service { status, .. } => Some(*status),
            _ => None,
        }
    }
}
