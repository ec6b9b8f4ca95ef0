//! Why an action failed.

use thiserror::Error;
use tripleo_cloud::CloudError;

/// Why an action failed. The texts are those of tripleo-common where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ActionError {
    /// What the caller says about a node makes no sense.
    #[error("Invalid node data: {0}")]
    InvalidNode(String),
    /// A capability is not of the form `name:value`.
    #[error("Invalid capabilities: {0}")]
    InvalidCapabilities(String),
    /// A capability that should be removed isn't there.
    #[error("the node has no capability {0:?}")]
    NoCapability(String),
    /// The root device cannot be chosen.
    #[error("{0}")]
    RootDevice(String),
    /// An image that was asked for isn't there.
    #[error("{0} image not found in Glance, and no path specified.")]
    NoImage(&'static str),
    /// No host can take bare metal nodes.
    #[error("{0}")]
    NoComputeHost(String),
    /// A service's answer lacks what every such answer has.
    #[error("{0}")]
    Unexpected(String),
    /// A service failed or could not be asked.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl ActionError {
    /// The name of the exception that tripleo-common had for it, which is part of the text of
    /// some of its errors.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::InvalidNode(_) => "InvalidNode",
            Self::InvalidCapabilities(_) | Self::NoImage(_) => "ValueError",
            Self::NoCapability(_) => "KeyError",
            Self::RootDevice(_) => "RootDeviceDetectionError",
            Self::NoComputeHost(_) => "ProcessExecutionError",
            Self::Unexpected(_) => "RuntimeError",
            Self::Cloud(error) => match error.status() {
                Some(400) => "BadRequest",
                Some(401) => "Unauthorized",
                Some(403) => "Forbidden",
                Some(404) => "NotFound",
                Some(406) => "NotAcceptable",
                Some(409) => "Conflict",
                Some(500) => "InternalServerError",
                Some(503) => "ServiceUnavailable",
                Some(_) => "HttpError",
                None => "ClientException",
            },
        }
    }
}
