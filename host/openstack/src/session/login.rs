//! Logging in at Keystone, once for all that wait for it.
//!
//! The ways to log in are openstack_sdk's plugins (`OpenStackAuthType`), and a plugin of another
//! way goes in beside them. Its client, which would call them, is not used: it refuses a catalogue
//! with an address that is not HTTP, as Zaqar's websocket has; it follows redirects with the
//! credentials; and it makes a folder in the user's home for tokens.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use openstack_sdk_auth_applicationcredential::ANCHOR as APPLICATION_CREDENTIAL;
use openstack_sdk_auth_core::{Auth, AuthError, OpenStackAuthType, OpenStackMultifactorAuthMethod};
use openstack_sdk_auth_password::ANCHOR as PASSWORD;
use openstack_sdk_auth_token::ANCHOR as TOKEN;
use ostro_egress::reason;
use reqwest::Client;
use secrecy::SecretString;
use tokio::sync::Mutex;
use url::Url;

use crate::config::{KeystoneLogin, Login, Method};
use crate::session::catalogue::Catalogue;
use crate::session::given;
use crate::session::trusted::Trusted;
use crate::{CloudConfig, CloudError};

/// A token is renewed this long before it expires, so that it outlives the request it is sent
/// with.
const MARGIN: Duration = Duration::from_secs(30);

/// Who the session is: a token with the catalogue that came with it.
#[derive(Debug)]
pub(super) struct Identity {
    token: Option<SecretString>,
    catalogue: Catalogue,
    /// Seconds since the epoch; none for a token without end.
    expires: Option<u64>,
    /// The id of the user that Keystone knows; none where it was not asked.
    user: Option<String>,
}

impl Identity {
    pub(super) fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn is_fresh(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.expires
            .is_none_or(|expires| now + MARGIN < Duration::from_secs(expires))
    }
}

/// The credentials, and the identity that they last gave.
pub(super) struct Account {
    config: CloudConfig,
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Identity>>,
    failure: Option<(Instant, CloudError)>,
}

impl Account {
    pub(super) fn new(config: CloudConfig, client: Client) -> Self {
        Self {
            config,
            client,
            state: Mutex::default(),
        }
    }

    pub(super) fn config(&self) -> &CloudConfig {
        &self.config
    }

    /// An identity other than `refused`. Who comes while another logs in waits for that login,
    /// and shares its error too: a Keystone that is down is asked once, not once a caller.
    pub(super) async fn identity(
        &self,
        refused: Option<&Arc<Identity>>,
    ) -> Result<Arc<Identity>, CloudError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(current) = &state.current
            && !refused.is_some_and(|refused| Arc::ptr_eq(refused, current))
            && current.is_fresh()
        {
            return Ok(Arc::clone(current));
        }
        if let Some((when, error)) = &state.failure
            && *when >= asked
        {
            return Err(error.clone());
        }
        if let Login::Given(given) = &self.config.login
            && state.current.is_some()
        {
            return Err(given::spent(&self.config.label, given));
        }
        match self.log_in().await {
            Ok(identity) => {
                let identity = Arc::new(identity);
                *state = State {
                    current: Some(Arc::clone(&identity)),
                    failure: None,
                };
                Ok(identity)
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn log_in(&self) -> Result<Identity, CloudError> {
        let label = &self.config.label;
        match &self.config.login {
            Login::None => Ok(Identity {
                token: None,
                catalogue: Catalogue::default(),
                expires: None,
                user: None,
            }),
            Login::Keystone(login) => {
                let identity = ask(&self.client, label, login).await?;
                let services = &identity.catalogue;
                tracing::debug!(cloud = %label, %services, "logged in");
                Ok(identity)
            }
            Login::Given(given) => {
                let (services, expires) = if let Some(services) = &given.catalogue {
                    (services.clone(), None)
                } else {
                    let known = given::look_up(&self.client, &self.config, given).await?;
                    let to_its_end = |expires| given::to_its_end(expires, MARGIN);
                    (known.services, known.expires.map(to_its_end))
                };
                Ok(Identity {
                    token: Some(given.token.clone()),
                    catalogue: Catalogue::new(services),
                    expires,
                    user: None,
                })
            }
        }
    }
}

/// Shows Keystone what `login` has.
async fn ask(client: &Client, label: &str, login: &KeystoneLogin) -> Result<Identity, CloudError> {
    let KeystoneLogin {
        auth_url,
        method,
        values,
        scope,
        trust,
    } = login;
    let auth = match trust {
        None => {
            let method: &dyn OpenStackAuthType = match method {
                Method::Password => &PASSWORD,
                Method::Token => &TOKEN,
                Method::ApplicationCredential => &APPLICATION_CREDENTIAL,
            };
            let auth = method.auth(client, auth_url, values, scope.as_ref(), None);
            auth.await.map_err(|error| explain(label, auth_url, &error))
        }
        Some(trust) => {
            let method: &dyn OpenStackMultifactorAuthMethod = match method {
                Method::Password => &PASSWORD,
                Method::Token => &TOKEN,
                Method::ApplicationCredential => {
                    return Err(CloudError::Authentication(format!(
                        "{label}: nobody acts by a trust with an application credential: give \
                         the host a user with a password"
                    )));
                }
            };
            let trusted = Trusted { method, trust };
            let auth = trusted.auth(client, auth_url, values, None, None);
            let explain = |error| distrusted(label, auth_url, trust, &error);
            auth.await.map_err(explain)
        }
    };
    let Auth::AuthToken(auth) = auth? else {
        return Err(CloudError::Authentication(format!(
            "{label}: Keystone gave no token"
        )));
    };
    let info = auth.auth_info.unwrap_or_default().token;
    Ok(Identity {
        token: Some(auth.token),
        catalogue: Catalogue::new(info.catalog.unwrap_or_default()),
        expires: u64::try_from(info.expires_at.timestamp()).ok(),
        user: Some(info.user.id).filter(|id| !id.is_empty()),
    })
}

/// Why nobody acts by a trust.
fn distrusted(label: &str, auth_url: &Url, trust: &str, error: &AuthError) -> CloudError {
    match error {
        AuthError::Identity(refusal) if (400..500).contains(&refusal.code) => {
            CloudError::Authentication(format!(
                "{label}: Keystone at {auth_url} does not let the host act by trust {trust}: {} \
                 Whoever gave it may have deleted it, lost a role or been disabled; or the host's \
                 own credentials are wrong",
                sentence(&refusal.message)
            ))
        }
        other => explain(label, auth_url, other),
    }
}

/// What went wrong, where, and what to do about it.
fn explain(label: &str, auth_url: &Url, error: &AuthError) -> CloudError {
    let unreachable = |reason: String| CloudError::Unreachable {
        service: "identity".to_owned(),
        reason: format!(
            "{label}: Keystone at {auth_url}: {reason}; check that it runs and that auth_url is \
             right"
        ),
    };
    match error {
        AuthError::Identity(refusal) if (400..500).contains(&refusal.code) => {
            CloudError::Authentication(format!(
                "{label}: Keystone at {auth_url} refuses the credentials: {} Check user, \
                 password, project and their domains",
                sentence(&refusal.message)
            ))
        }
        AuthError::Identity(failure) => {
            unreachable(format!("it answers {}: {}", failure.code, failure.message))
        }
        AuthError::AuthReceipt(_) => CloudError::Authentication(format!(
            "{label}: Keystone at {auth_url} wants a second factor: use an application credential"
        )),
        // The body is of whoever listens there, and may be a page.
        AuthError::UnknownAuth { code, .. } => {
            unreachable(format!("it answers {code} and is no Identity API"))
        }
        AuthError::AuthToken { .. } | AuthError::Serde { .. } => {
            unreachable("it answers what is no token".to_owned())
        }
        AuthError::Reqwest { source } => unreachable(reason(source)),
        other => CloudError::Authentication(format!("{label}: {other}")),
    }
}

/// `text` with a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}
