//! Trusts: how a user lets the host act for them after their own token has ended
//! (<https://docs.openstack.org/api-ref/identity/v3-ext/#os-trust-api>).

use std::fmt;
use std::sync::Arc;

use ostro_core::{Method, RelativePath, ServiceRequest, ServiceResponse};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::config::{GivenToken, Login};
use crate::session::catalogue::Endpoint;
use crate::session::exchange::Outcome;
use crate::session::login::Account;
use crate::session::{Inner, Ready, Session};
use crate::{CloudConfig, CloudError};

/// A user as Keystone knows them by a token: whoever asks the host for something that is to be
/// done as them.
#[derive(Clone)]
pub struct Delegator {
    /// Their token, for one project.
    pub token: SecretString,
    /// Their id.
    pub user_id: String,
    /// The id of the project that the token is for.
    pub project_id: String,
    /// The names of the roles that the token gives there.
    pub roles: Vec<String>,
}

/// Without the token.
impl fmt::Debug for Delegator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delegator")
            .field("user_id", &self.user_id)
            .field("project_id", &self.project_id)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Has `delegator` trust the user of this session with their roles in their project, until
    /// somebody deletes the trust. Gives its id.
    ///
    /// [`CloudError::Denied`] where Keystone makes none of this token, as of one that came of an
    /// application credential or of a trust; [`CloudError::Authentication`] where the token, or
    /// the session's own login, is refused.
    pub async fn create_trust(&self, delegator: &Delegator) -> Result<String, CloudError> {
        let ready = self.ready()?;
        let own = ready.account.identity(None).await?;
        let trustee = own.user().ok_or_else(|| no_trusts(ready))?;
        let roles = delegator.roles.iter().map(|name| json!({"name": name}));
        let body = json!({"trust": {
            "trustor_user_id": delegator.user_id,
            "trustee_user_id": trustee,
            "project_id": delegator.project_id,
            "roles": roles.collect::<Vec<_>>(),
            "impersonation": true,
            "expires_at": null,
        }});
        let mut request = trusts(Method::Post, "")?;
        request.body = body.to_string().into_bytes();
        let answer = self.ask_keystone(ready, &request, &delegator.token).await?;
        let Some(answer) = answer else {
            return Err(CloudError::Authentication(format!(
                "{}: Keystone refuses the caller's token: it has expired or was revoked",
                ready.account.config().label()
            )));
        };
        if answer.status != 201 {
            return Err(refused(ready, delegator, &answer));
        }
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id = answer["trust"]["id"].as_str().filter(|id| is_id(id));
        id.map(str::to_owned)
            .ok_or_else(|| CloudError::Unreachable {
                service: "identity".to_owned(),
                reason: "it answers what is no trust".to_owned(),
            })
    }

    /// Deletes a trust that [`Session::create_trust`] made, as the user who gave it or with the
    /// rights of the session's own user. One that is gone already is no error.
    pub async fn delete_trust(&self, trust: &str) -> Result<(), CloudError> {
        if !is_id(trust) {
            return Err(CloudError::Invalid(format!(
                "{trust:?} is no id of a trust"
            )));
        }
        let request = trusts(Method::Delete, &format!("/{trust}"))?;
        let answer = self.ask_as_itself(&request).await?;
        if matches!(answer.status, 204 | 404) {
            return Ok(());
        }
        // Only administrators may, and whoever gave it: by the trust, that is this session.
        let trusted = self.by_trust(trust)?;
        let answer = trusted.ask_as_itself(&request).await?;
        if matches!(answer.status, 204 | 404) {
            return Ok(());
        }
        Err(CloudError::Denied(format!(
            "Keystone does not let the host delete trust {trust}: {}",
            message(&answer)
        )))
    }

    /// The same cloud, with the rights that a trust gives, as the user who gave it. It logs in
    /// again as this session does.
    pub fn by_trust(&self, trust: &str) -> Result<Self, CloudError> {
        let ready = self.ready()?;
        let mut config = ready.account.config().clone();
        let Login::Keystone(login) = &mut config.login else {
            return Err(no_trusts(ready));
        };
        login.trust = Some(trust.to_owned());
        config.label = format!("{} by trust", config.label);
        Ok(self.with_account(ready, config))
    }

    /// The same cloud as the user of a token, as long as it lasts; `then` is said once it does not.
    pub fn by_token(&self, token: SecretString, then: &str) -> Result<Self, CloudError> {
        let ready = self.ready()?;
        let mut config = ready.account.config().clone();
        let Login::Keystone(login) = &config.login else {
            return Err(no_trusts(ready));
        };
        config.login = Login::Given(Box::new(GivenToken {
            auth_url: login.auth_url.clone(),
            token,
            catalogue: None,
            then: then.to_owned(),
        }));
        config.label = format!("{} by the caller's token", config.label);
        Ok(self.with_account(ready, config))
    }

    fn with_account(&self, ready: &Ready, config: CloudConfig) -> Self {
        let exchange = ready.exchange.clone();
        let account = Account::new(config, exchange.client().clone());
        Self(Arc::new(Inner {
            limits: self.0.limits.clone(),
            state: Ok(Ready { account, exchange }),
        }))
    }

    /// The answer of this session's Keystone to its own token.
    async fn ask_as_itself(&self, request: &ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let ready = self.ready()?;
        let mut identity = ready.account.identity(None).await?;
        for _ in 0..2 {
            let token = identity.token().ok_or_else(|| no_trusts(ready))?;
            if let Some(answer) = self.ask_keystone(ready, request, token).await? {
                return Ok(answer);
            }
            identity = ready.account.identity(Some(&identity)).await?;
        }
        Err(super::refused(ready, "identity"))
    }

    /// The answer of this session's Keystone to somebody else's token; none where it is refused.
    async fn ask_keystone(
        &self,
        ready: &Ready,
        request: &ServiceRequest,
        token: &SecretString,
    ) -> Result<Option<ServiceResponse>, CloudError> {
        let Login::Keystone(login) = &ready.account.config().login else {
            return Err(no_trusts(ready));
        };
        let keystone = Endpoint::new("identity", login.auth_url.clone());
        let sent = ready
            .exchange
            .send(request, &keystone, Some(token), &self.0.limits);
        Ok(match sent.await? {
            Outcome::Answer(answer) => Some(answer),
            Outcome::TokenRefused => None,
        })
    }
}

/// A request about trusts, at `below` them.
fn trusts(method: Method, below: &str) -> Result<ServiceRequest, CloudError> {
    let path = RelativePath::parse(&format!("/v3/OS-TRUST/trusts{below}"))
        .map_err(|error| CloudError::Invalid(error.to_string()))?;
    Ok(ServiceRequest::new("identity", method, path))
}

/// Whether Keystone would give a trust this id.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn no_trusts(ready: &Ready) -> CloudError {
    CloudError::NoCloud(format!(
        "{}: nobody can be trusted there: it has no Keystone that the host logs in to",
        ready.account.config().label()
    ))
}

/// Why Keystone made no trust.
fn refused(ready: &Ready, delegator: &Delegator, answer: &ServiceResponse) -> CloudError {
    let label = ready.account.config().label();
    let (status, message) = (answer.status, message(answer));
    if !(400..500).contains(&status) {
        return CloudError::Unreachable {
            service: "identity".to_owned(),
            reason: format!("{label}: Keystone answers {status}: {message}"),
        };
    }
    let roles = delegator.roles.join(", ");
    CloudError::Denied(format!(
        "{label}: Keystone makes no trust of user {} for project {} with the roles {roles}: \
         {message} (none can be made with a token that came of an application credential or of a \
         trust)",
        delegator.user_id, delegator.project_id
    ))
}

/// What Keystone says.
fn message(answer: &ServiceResponse) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    if message.is_empty() {
        format!("status {}", answer.status)
    } else {
        message.trim_end_matches('.').to_owned()
    }
}
