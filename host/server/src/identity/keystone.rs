//! Tokens of Keystone: whose they are, as Keystone says.
//!
//! As keystonemiddleware does for Mistral, an answer of Keystone counts for a while: a token that
//! is revoked meanwhile is refused after that. Nothing that a caller writes beside the token is
//! believed, not even `X-Project-Id` and `X-Roles`, which that middleware sets.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use ostro_core::{Method, RelativePath, ServiceRequest};
use ostro_openstack::{Cloud as _, CloudError, Session};
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Semaphore;

use super::User;
use super::tokens::Tokens;
use crate::zaqar::{Authenticate, Authenticated, NotAuthenticated};

/// How many tokens Keystone is asked about at a time.
const AT_A_TIME: usize = 32;

/// How long a token may be, in bytes. Keystone's own have a few hundred.
const MAX_TOKEN: usize = 8 << 10;

/// How tokens are looked at.
#[derive(Debug)]
pub struct KeystoneSettings {
    /// The server's own account, which Keystone lets validate tokens: one with the role `service`
    /// or `admin`.
    pub session: Session,
    /// Where callers get tokens: what is answered to those who have none.
    pub address: String,
    /// How long an answer of Keystone's counts, 300 seconds as in keystonemiddleware. It takes at
    /// most this until a revoked token is refused. A token never counts after it has expired.
    pub remember: Duration,
    /// How many tokens are remembered at most, 10,000.
    pub max_tokens: usize,
}

impl KeystoneSettings {
    /// How long an answer of Keystone's counts, unless somebody says otherwise.
    pub const REMEMBER: Duration = Duration::from_mins(5);

    /// Those of keystonemiddleware, with the Keystone of `session`.
    pub fn new(session: Session) -> Self {
        let address = session.auth_url().map(ToString::to_string);
        let address = address.unwrap_or_default();
        Self {
            session,
            // As people write it, and keystonemiddleware says it.
            address: address.trim_end_matches('/').to_owned(),
            remember: Self::REMEMBER,
            max_tokens: 10_000,
        }
    }
}

/// Why a request is not let in.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no token, or none that counts; and where one is had.
    Token {
        reason: &'static str,
        address: String,
    },
    /// The token is for no project; and whose it is.
    NoProject(Arc<User>),
    /// Keystone did not say.
    Unavailable(String),
}

/// A Keystone that knows tokens.
pub(super) struct Keystone {
    settings: KeystoneSettings,
    tokens: Tokens,
    turns: Semaphore,
}

/// Tokens that come over websockets.
#[async_trait]
impl Authenticate for Keystone {
    async fn authenticate(&self, token: &str) -> Result<Authenticated, NotAuthenticated> {
        let known = self.known(token).await;
        let known = known.map_err(|_| NotAuthenticated::Unavailable)?;
        let user = known.ok_or(NotAuthenticated::Refused)?;
        let project = user.project.clone().ok_or(NotAuthenticated::Refused)?;
        Ok(Authenticated {
            project,
            expires_at: Some(user.expires),
        })
    }
}

impl Keystone {
    pub(super) fn new(settings: KeystoneSettings) -> Self {
        Self {
            tokens: Tokens::new(settings.remember, settings.max_tokens),
            turns: Semaphore::new(AT_A_TIME),
            settings,
        }
    }

    /// Whose token is in `headers`.
    pub(super) async fn user(&self, headers: &HeaderMap, now: i64) -> Result<Arc<User>, Refusal> {
        let refused = |reason| Refusal::Token {
            reason,
            address: self.settings.address.clone(),
        };
        let Some(token) = headers.get("x-auth-token") else {
            return Err(refused("Authentication required"));
        };
        let invalid = || refused("Auth token is invalid");
        let token = token.to_str().map_err(|_| invalid())?;
        if token.is_empty() {
            return Err(refused("Authentication required"));
        }
        let known = self.known(token).await;
        let user = known.map_err(Refusal::Unavailable)?.ok_or_else(invalid)?;
        if user.expires <= now {
            return Err(invalid());
        }
        Ok(user)
    }

    /// Whose token it is, as far as is remembered or Keystone says.
    async fn known(&self, token: &str) -> Result<Option<Arc<User>>, String> {
        if token.len() > MAX_TOKEN {
            return Ok(None);
        }
        self.tokens.get(token, || self.ask(token)).await
    }

    /// Whose token Keystone says it is; none where it does not count. The error is for the caller.
    async fn ask(&self, token: &str) -> Result<Option<User>, String> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err("the server stops".to_owned());
        };
        let path = RelativePath::parse("/v3/auth/tokens").map_err(|error| error.to_string())?;
        let mut request = ServiceRequest::new("identity", Method::Get, path);
        // The catalogue is the larger part of the answer, and is of no use here.
        request.query.push(("nocatalog".to_owned(), String::new()));
        let header = ("x-subject-token".to_owned(), token.to_owned());
        request.headers.push(header);
        let answer = match self.settings.session.send(request).await {
            Ok(answer) => answer,
            // What stands in the header cannot be sent, so that it is no token.
            Err(CloudError::Invalid(_)) => return Ok(None),
            Err(error) => {
                tracing::error!(%error, "Keystone cannot be asked about a token");
                return Err(
                    "Keystone cannot be asked whose token this is: try again later, \
                            or have the operator look into the log"
                        .to_owned(),
                );
            }
        };
        let reason = match answer.status {
            200 => match serde_json::from_slice::<Answer>(&answer.body) {
                Ok(answer) => match answer.token.user(token) {
                    Some(user) => return Ok(Some(user)),
                    None => "it gives no time at which the token expires".to_owned(),
                },
                Err(error) => format!("it answers what is no token: {error}"),
            },
            400 | 404 => return Ok(None),
            403 => "it does not let the server's own account validate tokens: give it the role \
                    service"
                .to_owned(),
            status => format!("it answers {status}"),
        };
        tracing::error!(%reason, "Keystone does not say whose token it is");
        Err(
            "Keystone does not say whose token this is: try again later, or have the operator \
             look into the log"
                .to_owned(),
        )
    }
}

/// What Keystone answers (<https://docs.openstack.org/api-ref/identity/v3/>, "Validate and show
/// information for token").
#[derive(Deserialize)]
struct Answer {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    expires_at: String,
    user: Owned,
    project: Option<Owned>,
    #[serde(default)]
    roles: Vec<Role>,
    is_admin_project: Option<bool>,
}

/// A user or a project.
#[derive(Deserialize)]
struct Owned {
    id: String,
    domain: Domain,
}

#[derive(Deserialize)]
struct Domain {
    id: String,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

impl Token {
    fn user(self, token: &str) -> Option<User> {
        let expires: jiff::Timestamp = self.expires_at.parse().ok()?;
        let (project, project_domain) = match self.project {
            Some(project) => (Some(project.id), Some(project.domain.id)),
            None => (None, None),
        };
        Some(User {
            id: self.user.id,
            domain: self.user.domain.id,
            project,
            project_domain,
            roles: self.roles.into_iter().map(|role| role.name).collect(),
            is_admin_project: self.is_admin_project.unwrap_or(true),
            token: SecretString::from(token.to_owned()),
            expires: expires.as_millisecond(),
        })
    }
}
