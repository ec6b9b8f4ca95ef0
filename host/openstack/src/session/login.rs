//! Logging in at Keystone, once for all that wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use openstack_sdk::auth::Auth;
use openstack_sdk::config::CloudConfig as KeystoneConfig;
use openstack_sdk::types::ServiceType;
use openstack_sdk::{AsyncOpenStack, AuthError, OpenStackError};
// A crate that nobody names is not linked, and then the SDK does not know its way to log in.
use openstack_sdk_auth_applicationcredential as _;
use openstack_sdk_auth_password as _;
use openstack_sdk_auth_token as _;
use reqwest::Client;
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::config::Login;
use crate::session::Limits;
use crate::session::catalogue::Catalogue;
use crate::session::exchange::reason;
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
}

impl Identity {
    pub(super) fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
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
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Identity>>,
    failure: Option<(Instant, CloudError)>,
}

impl Account {
    pub(super) fn new(config: CloudConfig, client: Client, limits: &Limits) -> Self {
        Self {
            config,
            client,
            timeout: limits.timeout,
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
        let Login::Keystone { config, .. } = &self.config.login else {
            return Ok(Identity {
                token: None,
                catalogue: Catalogue::default(),
                expires: None,
            });
        };
        // A new connection each time: the SDK would rather renew the token that it holds, which
        // keeps that token's end. Its configuration has the cache on disk turned off.
        let session = match self.connect(config).await {
            Ok(session) => session,
            Err(error) => return Err(self.explain(error).await),
        };
        let token = session.get_auth_token();
        let info = session.get_auth_info();
        let (Some(token), Some(info)) = (token, info) else {
            return Err(CloudError::Authentication(format!(
                "{}: Keystone gave no token",
                self.config.label
            )));
        };
        let expires = u64::try_from(info.token.expires_at.timestamp()).ok();
        let catalogue = Catalogue::new(info.token.catalog.unwrap_or_default());
        tracing::debug!(cloud = %self.config.label, services = %catalogue, "logged in");
        Ok(Identity {
            token: Some(token),
            catalogue,
            expires,
        })
    }

    async fn connect(&self, config: &KeystoneConfig) -> Result<AsyncOpenStack, OpenStackError> {
        let mut config = config.clone();
        config.options.insert(
            "api_timeout".to_owned(),
            self.timeout.as_secs().max(1).into(),
        );
        let session = AsyncOpenStack::new_impl(&config, Auth::None)?;
        session
            .discover_service_endpoint(&ServiceType::Identity)
            .await?;
        match session.authorize(None, false, true).await {
            // Reading the catalogue is its last step, and it wants only http addresses there,
            // where Zaqar's websocket has another. The catalogue is read here, so all is well.
            Err(OpenStackError::Catalog { .. }) if session.get_auth_token().is_some() => {}
            result => result?,
        }
        Ok(session)
    }

    /// What went wrong, where, and what to do about it.
    async fn explain(&self, error: OpenStackError) -> CloudError {
        let Login::Keystone { auth_url, .. } = &self.config.login else {
            return CloudError::Authentication(error.to_string());
        };
        let label = &self.config.label;
        match &error {
            OpenStackError::AuthError { source } => match source {
                AuthError::Identity(refusal) => CloudError::Authentication(format!(
                    "{label}: Keystone at {auth_url} refuses the credentials: {} Check user, \
                     password, project and their domains",
                    sentence(&refusal.message)
                )),
                AuthError::Reqwest { source } => self.unreachable(&reason(source)),
                other => CloudError::Authentication(format!("{label}: {other}")),
            },
            OpenStackError::Communication { source } => self.unreachable(&reason(source)),
            // The SDK keeps the reason to itself, so it is looked for.
            OpenStackError::Discovery { .. } => {
                match self.client.get(auth_url.clone()).send().await {
                    Err(error) => self.unreachable(&reason(&error)),
                    Ok(answer) => self.unreachable(&format!(
                        "it answers {} and lists no version of the Identity API",
                        answer.status()
                    )),
                }
            }
            other => CloudError::Authentication(format!("{label}: {other}")),
        }
    }

    fn unreachable(&self, reason: &str) -> CloudError {
        let address = match &self.config.login {
            Login::Keystone { auth_url, .. } => auth_url.as_str(),
            Login::None => "",
        };
        CloudError::Unreachable {
            service: "identity".to_owned(),
            reason: format!(
                "{}: Keystone at {address}: {reason}; check that it runs and that auth_url is right",
                self.config.label
            ),
        }
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
