//! The server: what all routes share, and how it is started.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ostro_core::Clock;
use ostro_journal::Journal;
use ostro_openstack::{Delegations, Delegator, Target};
use ostro_runtime::{Library, Runtime};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::actions::Actions;
use crate::api;
use crate::audit::{Audit, AuditSettings};
use crate::catalogue::Catalogue;
use crate::cron;
use crate::delegation::{self, As, Delegating};
use crate::events::{self, EventSettings, Events};
use crate::expiration::{self, ExpirationSettings};
use crate::fault::Fault;
use crate::feed::{Feed, FeedSettings};
use crate::health::Health;
use crate::identity::{Auth, Caller, Identity};
use crate::limits::{LimitSettings, Limits};
use crate::listen::{FORWARDED, ListenSettings, listen};
use crate::maintenance::Maintenance;
use crate::packs::{Installing, PacksSettings};
use crate::policy::Policy;
use crate::query::Pairs;
use crate::request;
use crate::single::Single;
use crate::telemetry::{Telemetry, TelemetrySettings};
use crate::tls::{Tls, TlsSettings};
use crate::webhooks::{self, WebhookSettings, Webhooks};
use crate::zaqar::Zaqar;

/// How long what listens may take to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ServerError {
    /// What was defined cannot be read.
    #[error("the definitions in the journal cannot be read: the log says why")]
    Catalogue,
    /// A policy file cannot be followed; and where, and why.
    #[error("policy: {0}")]
    Policy(String),
    /// An [`AmqpUrl`](crate::AmqpUrl) is none. The text never holds it.
    #[error("the broker's URL {0}")]
    Broker(&'static str),
    /// [`EventDefinitions`](crate::EventDefinitions) cannot be read.
    #[error("event definitions: {0}")]
    EventDefinitions(String),
    /// A file that TLS needs cannot be read.
    #[error("{}: this TLS {what} cannot be read: {reason}", path.display())]
    Tls {
        /// What the file is to hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A certificate and a key cannot be used together.
    #[error("{} and {}: this TLS certificate and key cannot be used together: {reason}",
        certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is no TLS that could have another certificate.
    #[error("the server listens without TLS, and does so until it is started again")]
    NoTls,
    /// It cannot be written down who does what.
    #[error("{}: this audit log cannot be opened: {reason}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
}

/// Mistral's API over a runtime.
pub struct Server {
    pub(crate) app: App,
    expiration: ExpirationSettings,
    listen: ListenSettings,
    tls: Option<Arc<Tls>>,
}

/// What can be changed of a server while it runs.
#[derive(Clone)]
pub struct Live {
    audit: Arc<Audit>,
    identity: Identity,
    limits: Arc<Limits>,
    tls: Option<Arc<Tls>>,
}

/// What all routes share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) runtime: Runtime,
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) delegating: Arc<Delegating>,
    pub(crate) single: Arc<Single>,
    pub(crate) maintenance: Arc<Maintenance>,
    pub(crate) identity: Identity,
    /// The queues, if they are the server's own.
    pub(crate) zaqar: Option<Arc<Zaqar>>,
    pub(crate) packs: Arc<Installing>,
    pub(crate) events: Arc<Events>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) health: Arc<Health>,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl Server {
    /// A server for the executions of `runtime`, whose turns are durable in `journal`, and with
    /// the definitions that are kept there.
    pub fn new(
        runtime: Runtime,
        journal: Journal,
        actions: Arc<dyn Actions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServerError> {
        let telemetry = TelemetrySettings::default();
        let telemetry = Telemetry::new(telemetry, &runtime, Arc::clone(&actions));
        let catalogue = Catalogue::open(journal.clone(), actions);
        let catalogue = Arc::new(catalogue.map_err(|_| ServerError::Catalogue)?);
        let maintenance = Maintenance::open(&journal).map_err(|_| ServerError::Catalogue)?;
        let feed = Feed::new(journal.clone(), FeedSettings::default());
        let webhooks = Webhooks::open(journal.clone(), WebhookSettings::default());
        let app = App {
            catalogue,
            runtime,
            delegating: Arc::new(Delegating::none(journal.clone())),
            journal,
            clock,
            feed: feed.map_err(|_| ServerError::Catalogue)?,
            single: Arc::default(),
            maintenance: Arc::new(maintenance),
            identity: Identity::default(),
            zaqar: None,
            packs: Arc::new(PacksSettings::default().into()),
            events: Arc::new(Events::new(EventSettings::default())),
            limits: Arc::default(),
            webhooks: webhooks.map_err(|_| ServerError::Catalogue)?,
            audit: Arc::default(),
            health: Arc::default(),
            telemetry: Arc::new(telemetry),
        };
        Ok(Self {
            app,
            expiration: ExpirationSettings::default(),
            listen: ListenSettings::default(),
            tls: None,
        })
    }

    /// The same, where callers say who they are by `auth`; otherwise nobody is asked.
    #[must_use]
    pub fn with_auth(mut self, auth: Auth) -> Self {
        self.app.identity.set_auth(auth);
        self
    }

    /// The same by these rules; otherwise by Mistral's. They hold where callers are asked who they
    /// are.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        self.app.identity.set_policy(policy);
        self
    }

    /// The same with queues of its own, which are asked over Zaqar's websocket protocol.
    #[must_use]
    pub fn with_zaqar(mut self, zaqar: Arc<Zaqar>) -> Self {
        self.app.zaqar = Some(zaqar);
        self
    }

    /// The same, with the installed packs below `/v2/packs`.
    #[must_use]
    pub fn with_packs(mut self, settings: PacksSettings) -> Self {
        self.app.packs = Arc::new(settings.into());
        self
    }

    /// Listens for what other services notify, and starts what event triggers want for it.
    #[must_use]
    pub fn with_events(mut self, settings: EventSettings) -> Self {
        self.app.events = Arc::new(Events::new(settings));
        self
    }

    /// Serves the feed as `settings` say.
    pub fn with_feed(mut self, settings: FeedSettings) -> Result<Self, ServerError> {
        let feed = Feed::new(self.app.journal.clone(), settings);
        self.app.feed = feed.map_err(|_| ServerError::Catalogue)?;
        Ok(self)
    }

    /// The same, where what callers start acts as they do on a cloud: whatever runs actions learns
    /// from `delegations` as whom. To be called before executions are brought back, since these
    /// act by it, too.
    pub fn with_delegations(mut self, delegations: Arc<Delegations>) -> Result<Self, ServerError> {
        let delegating = Delegating::open(self.app.journal.clone(), delegations);
        self.app.delegating = Arc::new(delegating.map_err(|_| ServerError::Catalogue)?);
        Ok(self)
    }

    /// With these bounds of what comes over HTTP.
    #[must_use]
    pub fn with_limits(self, settings: LimitSettings) -> Self {
        self.app.limits.set(settings);
        self
    }

    /// The same, which keeps of executions that have ended what `settings` say.
    #[must_use]
    pub fn with_expiration(self, settings: ExpirationSettings) -> Self {
        Self {
            expiration: settings,
            ..self
        }
    }

    /// The same, where those are told of executions by HTTP whom `settings` say.
    pub fn with_webhooks(mut self, settings: WebhookSettings) -> Result<Self, ServerError> {
        let webhooks = Webhooks::open(self.app.journal.clone(), settings);
        self.app.webhooks = webhooks.map_err(|_| ServerError::Catalogue)?;
        Ok(self)
    }

    /// Listening like this.
    #[must_use]
    pub fn with_listen(self, settings: ListenSettings) -> Self {
        Self {
            listen: settings,
            ..self
        }
    }

    /// Over TLS, and nothing else.
    pub fn with_tls(self, settings: &TlsSettings) -> Result<Self, ServerError> {
        let tls = Some(Arc::new(Tls::open(settings)?));
        Ok(Self { tls, ..self })
    }

    /// What can be changed while it runs.
    pub fn live(&self) -> Live {
        Live {
            audit: Arc::clone(&self.app.audit),
            identity: self.app.identity.clone(),
            limits: Arc::clone(&self.app.limits),
            tls: self.tls.clone(),
        }
    }

    /// The same, which shows of itself what `settings` say. What happens is looked at from now on:
    /// to be called before executions are brought back, if these are to be seen.
    #[must_use]
    pub fn with_telemetry(mut self, settings: TelemetrySettings) -> Self {
        let actions = Arc::clone(self.app.catalogue.actions());
        self.app.telemetry = Arc::new(Telemetry::new(settings, &self.app.runtime, actions));
        self
    }

    /// The same, which writes down who did what where `settings` say. The file is opened now.
    pub fn with_audit(mut self, settings: &AuditSettings) -> Result<Self, ServerError> {
        self.app.audit = Arc::new(Audit::open(settings)?);
        Ok(self)
    }

    /// Answers what comes to `listener` until `stop` is ready, and then what is under way, as long
    /// as [`ListenSettings::grace`] allows.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        self.app.settle_actions().await;
        Maintenance::go_on(&self.app);
        let notices = self.app.runtime.subscribe();
        delegation::watch::look_at_doubtful(&self.app).await;
        let looking = tokio::spawn(delegation::watch::looking(self.app.clone(), notices));
        let deleting = tokio::spawn(delegation::watch::deleting(self.app.clone()));
        let watching = self.app.telemetry.watch();
        self.app.count_rows();
        let cron = tokio::spawn(cron::watch(self.app.clone()));
        let expiring = tokio::spawn(expiration::watch(self.app.clone(), self.expiration));
        let zaqar = self.app.zaqar.clone();
        let swept = zaqar.clone().map(|zaqar| tokio::spawn(zaqar.watch()));
        let swaps = tokio::spawn(self.app.clone().follow_packs());
        let (stop_webhooks, told) = watch::channel(false);
        let followers = webhooks::followers(&self.app).await;
        let delivering = tokio::spawn(webhooks::deliver(self.app.clone(), followers, told));
        let (stop_events, told) = watch::channel(false);
        let events = tokio::spawn(events::listen(self.app.clone(), told));
        let feed = Arc::clone(&self.app.feed);
        let _at_work = feed.start();
        let stop = async move {
            stop.await;
            // Whoever watches has no end of their own.
            feed.stop();
        };
        let limits = Arc::clone(&self.app.limits);
        let routes = api::service(self.app);
        listen(listener, routes, limits, self.tls, self.listen, stop).await;
        cron.abort();
        expiring.abort();
        if let Some(swept) = swept {
            swept.abort();
        }
        if let Some(zaqar) = zaqar {
            zaqar.close();
        }
        swaps.abort();
        stop_events.send_replace(true);
        if timeout(GRACE, events).await.is_err() {
            tracing::warn!(
                "what listens for events does not stop: what it began is delivered again"
            );
        }
        stop_webhooks.send_replace(true);
        // What it does not end is delivered again.
        let _ = timeout(GRACE, delivering).await;
        looking.abort();
        deleting.abort();
        watching.end().await;
        Ok(())
    }
}

impl Live {
    /// From now on these are the bounds. What is under way stays so.
    pub fn set_limits(&self, settings: LimitSettings) {
        self.limits.set(settings);
    }

    /// From now on these are the rules.
    pub fn set_policy(&self, policy: Policy) {
        self.identity.set_policy(policy);
    }

    /// Has new connections see the certificate that the files hold now. Where they cannot be
    /// read, all stays as it is.
    pub fn reload_tls(&self, settings: &TlsSettings) -> Result<(), ServerError> {
        let tls = self.tls.as_ref().ok_or(ServerError::NoTls)?;
        tls.reload(settings)
    }

    /// Has the audit log go on in what is at its path now, if it is a file: for one that was moved
    /// away. Where that cannot be opened, it goes on in the old one.
    pub fn reopen_audit_log(&self) -> Result<(), ServerError> {
        self.audit.reopen()
    }
}

impl App {
    /// Has the journal count its rows, for metrics. Nobody waits for it.
    fn count_rows(&self) {
        if self.telemetry.shows_metrics {
            let journal = self.journal.clone();
            tokio::task::spawn_blocking(move || {
                if let Err(error) = journal.count() {
                    tracing::error!(%error, "metrics have no states: rows cannot be counted");
                }
            });
        }
    }

    /// The time, in milliseconds since 1970 UTC.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    /// Has new executions get the actions that there are now, and nothing keep those that there
    /// were but what runs by them.
    pub(crate) fn renew(&self) {
        let (origin, runner) = self.catalogue.actions().runner(Arc::default());
        if *self.runtime.library().origin() != origin {
            let library = Library::new(Vec::new(), origin).with_runner(runner);
            self.runtime.activate(library);
        }
        self.catalogue.renew();
    }

    /// Renews what there is each time that new executions get other packs, whoever activated them.
    async fn follow_packs(self) {
        let Some(packs) = self.packs.settings.packs.clone() else {
            return;
        };
        let mut swaps = packs.swaps();
        while swaps.changed().await.is_ok() {
            self.renew();
        }
    }
}

/// What most routes want to know of a request.
pub(crate) struct Request {
    pub(crate) caller: Caller,
    policy: Arc<Policy>,
    pub(crate) query: Pairs,
    /// The address of the resource, without the query.
    pub(crate) url: String,
    /// Where the caller thinks the server is.
    pub(crate) base: String,
    /// The cloud that what the caller starts acts on, where that is not the operator's.
    target: Option<Target>,
}

impl Request {
    /// As whom what the caller starts acts.
    pub(crate) fn acts(&self) -> As {
        match (&self.target, &self.caller.user) {
            (Some(target), _) => As::Target(Box::new(target.clone())),
            (None, Some(user)) => As::User(Delegator {
                token: user.token.clone(),
                user_id: user.id.clone(),
                project_id: self.caller.project.clone(),
                roles: user.roles.clone(),
            }),
            (None, None) => As::Operator,
        }
    }
}

impl FromRequestParts<App> for Request {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        // Where nobody has looked who asks, nobody is answered.
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Fault::forbidden("It is not known who asks"))?;
        let header = |name: &str| parts.headers.get(name)?.to_str().ok();
        let target = Target::read(header).map_err(Fault::invalid)?;
        let base = base(&parts.headers);
        // Inside of a nest of routes the address is without what leads there.
        let whole = parts.extensions.get::<OriginalUri>();
        let path = whole.map_or(parts.uri.path(), |whole| whole.path());
        Ok(Self {
            caller,
            policy: app.identity.policy(),
            query: Pairs::parse(parts.uri.query()),
            url: format!("{base}{path}"),
            base,
            target,
        })
    }
}

impl Request {
    /// Whether the caller passes a rule of the policy, beside that of the route.
    pub(crate) fn may(&self, rule: &str) -> bool {
        let may = self.policy.allows(rule, &self.caller);
        if !may {
            request::is_denied_by(rule);
        }
        may
    }
}

/// Where the caller thinks the server is.
pub(crate) fn base(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    // Whoever takes connections sets it, or has checked that it may be believed.
    let scheme = headers
        .get(FORWARDED)
        .and_then(|scheme| scheme.to_str().ok());
    let scheme = match scheme {
        Some("https") => "https",
        _ => "http",
    };
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}
