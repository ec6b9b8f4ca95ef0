//! A session with a cloud: logs in when it must, and sends what services take.

mod catalogue;
mod exchange;
mod given;
mod guard;
mod headers;
mod login;
mod target;
mod trust;
mod trusted;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ostro_core::{ServiceRequest, ServiceResponse};
use secrecy::ExposeSecret;
use url::Url;
use uuid::Uuid;

pub(crate) use catalogue::official;
pub use target::Target;
pub use trust::Delegator;

use crate::config::Login;
use crate::{Cloud, CloudConfig, CloudError, Environment, Upload};
use exchange::{Exchange, Outcome};
use login::{Account, Identity};

/// How long a session waits, how much it reads and how often it tries again.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long one exchange may take. The `api_timeout` of a cloud's entry goes before it.
    pub timeout: Duration,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a request's and a response's body may be, in bytes.
    pub max_body: usize,
    /// How often a read is sent again after a broken connection, 502, 503 or 504.
    pub read_retries: u32,
    /// The wait before a read is sent again; it doubles each time.
    pub read_pause: Duration,
    /// How often a request is sent again to a node that Ironic has locked.
    pub lock_retries: u32,
    /// The wait before that.
    pub lock_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
            max_body: 64 << 20,
            read_retries: 3,
            read_pause: Duration::from_millis(500),
            // python-ironicclient's defaults.
            lock_retries: 5,
            lock_pause: Duration::from_secs(2),
        }
    }
}

/// A cloud that `clouds.yaml` or `OS_*` variables describe.
///
/// It logs in when the first request needs a token, once for all that wait for it, and again
/// before the token expires or when a service answers 401. Clones share one login.
///
/// A request goes to the endpoint of its service as the catalogue has it, with the request's path
/// below; a version that starts the path and that the endpoint's path already ends with is not
/// doubled: `/v2.1/servers` below `http://nova:8774/v2.1` is `http://nova:8774/v2.1/servers`.
/// No redirect to another origin is followed.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    limits: Limits,
    state: Result<Ready, CloudError>,
}

struct Ready {
    account: Account,
    exchange: Exchange,
}

impl Session {
    /// A session with the cloud called `name`, or with the one that the process's environment
    /// means.
    ///
    /// A cloud that is named must exist. Where none is named and none is configured, the first
    /// request answers [`CloudError::NoCloud`]: a workflow that needs no cloud runs without one.
    pub fn open(name: Option<&str>) -> Result<Self, CloudError> {
        let environment = Environment::of_process();
        match CloudConfig::load(name, &environment) {
            Ok(config) => Self::new(config),
            Err(error) if name.is_none() => Ok(Self::unconfigured(error)),
            Err(error) => Err(error),
        }
    }

    /// A session with the cloud that `config` describes. Nothing is sent yet; a certificate file
    /// that cannot be read is an error.
    pub fn new(config: CloudConfig) -> Result<Self, CloudError> {
        Self::with_limits(config, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(config: CloudConfig, mut limits: Limits) -> Result<Self, CloudError> {
        if let Some(timeout) = config.api_timeout {
            limits.timeout = timeout;
        }
        let exchange = Exchange::new(&config, &limits, Uuid::new_v4())?;
        let account = Account::new(config, exchange.client().clone());
        Ok(Self(Arc::new(Inner {
            limits,
            state: Ok(Ready { account, exchange }),
        })))
    }

    /// A session with no cloud: it answers every request with `reason`.
    pub fn unconfigured(reason: CloudError) -> Self {
        Self(Arc::new(Inner {
            limits: Limits::default(),
            state: Err(reason),
        }))
    }

    /// Logs in now, to find out early whether the cloud is there and the credentials are right.
    pub async fn connect(&self) -> Result<(), CloudError> {
        self.ready()?.account.identity(None).await.map(drop)
    }

    /// A token of the cloud, other than `refused`: for a service that is not in its catalogue.
    pub async fn token(&self, refused: Option<&str>) -> Result<String, CloudError> {
        let account = &self.ready()?.account;
        let mut identity = account.identity(None).await?;
        if refused.is_some() && shown(&identity) == refused {
            identity = account.identity(Some(&identity)).await?;
        }
        let token = shown(&identity).map(str::to_owned);
        token.ok_or_else(|| CloudError::Authentication("the login gives no token".to_owned()))
    }

    /// Where `service` is, by the catalogue.
    pub async fn endpoint(&self, service: &str) -> Result<Url, CloudError> {
        let ready = self.ready()?;
        let identity = ready.account.identity(None).await?;
        let config = ready.account.config();
        let endpoint = identity.catalogue().endpoint(service, config)?;
        Ok(endpoint.url().clone())
    }

    /// What messages call the cloud: `cloud "admin"`, or `the OS_* environment`; none without one.
    pub fn label(&self) -> Option<&str> {
        self.0
            .state
            .as_ref()
            .ok()
            .map(|ready| ready.account.config().label())
    }

    /// Keystone's address, with its version; none without Keystone.
    pub fn auth_url(&self) -> Option<&Url> {
        match &self.0.state.as_ref().ok()?.account.config().login {
            Login::Keystone(login) => Some(&login.auth_url),
            Login::None | Login::Given(_) => None,
        }
    }

    fn ready(&self) -> Result<&Ready, CloudError> {
        self.0.state.as_ref().map_err(Clone::clone)
    }

    /// Sends `request` as `identity`.
    async fn attempt(
        &self,
        ready: &Ready,
        identity: &Identity,
        request: &ServiceRequest,
    ) -> Result<Outcome, CloudError> {
        let endpoint = identity
            .catalogue()
            .endpoint(&request.service, ready.account.config())?;
        ready
            .exchange
            .send(request, &endpoint, identity.token(), &self.0.limits)
            .await
    }
}

#[async_trait]
impl Cloud for Session {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let ready = self.ready()?;
        headers::check(&request)?;
        if request.body.len() > self.0.limits.max_body {
            return Err(CloudError::Invalid(format!(
                "the body of {request:?} has {} bytes: at most {} are sent",
                request.body.len(),
                self.0.limits.max_body
            )));
        }
        let identity = ready.account.identity(None).await?;
        match self.attempt(ready, &identity, &request).await? {
            Outcome::Answer(response) => Ok(response),
            Outcome::TokenRefused => {
                tracing::debug!(?request, "the token was refused, logging in again");
                let renewed = ready.account.identity(Some(&identity)).await?;
                match self.attempt(ready, &renewed, &request).await? {
                    Outcome::Answer(response) => Ok(response),
                    Outcome::TokenRefused => Err(refused(ready, &request.service)),
                }
            }
        }
    }

    /// What has been sent cannot be sent again, so that a token which is refused is an error:
    /// whoever uploads does well to ask the service something first, which renews it.
    async fn upload(
        &self,
        request: ServiceRequest,
        body: Upload,
    ) -> Result<ServiceResponse, CloudError> {
        let ready = self.ready()?;
        headers::check(&request)?;
        let identity = ready.account.identity(None).await?;
        let endpoint = identity
            .catalogue()
            .endpoint(&request.service, ready.account.config())?;
        let token = identity.token();
        let sent = ready
            .exchange
            .upload(&request, body, &endpoint, token, &self.0.limits);
        match sent.await? {
            Outcome::Answer(response) => Ok(response),
            Outcome::TokenRefused => Err(refused(ready, &request.service)),
        }
    }
}

/// The token of an identity, to be shown to a service.
fn shown(identity: &Identity) -> Option<&str> {
    identity.token().map(ExposeSecret::expose_secret)
}

fn refused(ready: &Ready, service: &str) -> CloudError {
    CloudError::Authentication(format!(
        "the {service:?} service refuses a token that Keystone has just given: check that the \
         service and {} use the same Keystone",
        ready.account.config().label()
    ))
}

/// Without credentials.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.state {
            Ok(ready) => f
                .debug_tuple("Session")
                .field(ready.account.config())
                .finish(),
            Err(reason) => f.debug_tuple("Session").field(reason).finish(),
        }
    }
}

impl Login {
    /// Whether requests carry a token.
    fn has_token(&self) -> bool {
        !matches!(self, Login::None)
    }
}
