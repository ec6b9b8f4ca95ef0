//! Why there is no answer, or not the one that was wanted.

use reqwest::StatusCode;
use serde_json::Value;
use thiserror::Error;

/// Why a request did not give what was asked for.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is none that the client can ask.
    #[error("{url}: {reason}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No server answers.
    #[error("no server answers at {url}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why, as far as is known.
        reason: String,
    },
    /// The server was asked, and its answer never came, or not all of it: nobody knows whether it
    /// did what it was asked for.
    #[error("no answer came from {url}: {reason}")]
    Lost {
        /// Where the server is.
        url: String,
        /// Why, as far as is known.
        reason: String,
    },
    /// There is no token to show.
    #[error("no token: {0}")]
    Token(String),
    /// The server says no.
    #[error("{message}")]
    Refused {
        /// The status of its answer.
        status: StatusCode,
        /// What it says.
        message: String,
        /// What it has found, where it says that beside: of packs, what would break, or what is
        /// asked for.
        review: Option<Value>,
    },
    /// The answer is none that the API has.
    #[error("{url} gives an answer that makes no sense: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// Whether there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// Whether there is such a thing already.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::CONFLICT)
    }
}

/// All causes of a failed exchange, as a sentence: reqwest's own text leaves them out.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    if text.is_empty() {
        error.to_string()
    } else {
        text
    }
}
