//! One request and its answer: headers, bounds, redirects, and what is sent again.

use std::sync::Arc;
use std::time::Duration;

use ostro_core::{ServiceRequest, ServiceResponse};
use ostro_egress::{method, reason};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client, Response};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use crate::session::Limits;
use crate::session::catalogue::{Endpoint, official};
use crate::session::given;
use crate::session::guard::Guarded;
use crate::session::headers;
use crate::{CloudConfig, CloudError, Upload};

/// How many redirects of one read are followed.
const MAX_REDIRECTS: u32 = 5;

/// How long an upload may take. Whoever sends it has a limit of its own, and Swift ends one in
/// which nothing comes.
const UPLOAD: Duration = Duration::from_hours(24);

/// What came of a request.
pub(super) enum Outcome {
    Answer(ServiceResponse),
    /// 401 to a request with a token.
    TokenRefused,
}

/// The way to services.
#[derive(Clone)]
pub(super) struct Exchange {
    client: Client,
    /// Zaqar wants to know its clients apart.
    client_id: Uuid,
}

/// How long a connection may rest before it is not used again. Services give up those that rest
/// (gunicorn after 2 seconds, Apache after 5), and what is sent in that moment is lost; only reads
/// are sent again.
const IDLE: Duration = Duration::from_secs(1);

impl Exchange {
    pub(super) fn new(
        config: &CloudConfig,
        limits: &Limits,
        client_id: Uuid,
    ) -> Result<Self, CloudError> {
        let fail = |reason: String| CloudError::NoCloud(format!("{}: {reason}", config.label));
        let mut builder = Client::builder()
            .user_agent(concat!("ostro/", env!("CARGO_PKG_VERSION")))
            // The token would go wherever a redirect leads.
            .redirect(Policy::none())
            .timeout(limits.timeout)
            .connect_timeout(limits.connect_timeout)
            .pool_idle_timeout(IDLE)
            // A body is counted as it comes, so it must come as it is.
            .no_gzip()
            .no_deflate();
        if let Some(denied) = &config.denied {
            let guarded = Guarded::new(denied.clone());
            builder = builder.no_proxy().dns_resolver(Arc::new(guarded));
        }
        if let Some(path) = &config.ca_file {
            let pem = std::fs::read(path)
                .map_err(|error| fail(format!("cacert {}: {error}", path.display())))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| {
                fail(format!(
                    "cacert {} is no bundle of PEM certificates",
                    path.display()
                ))
            })?;
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        if !config.verify {
            builder = builder.danger_accept_invalid_certs(true);
        }
        let client = builder.build().map_err(|error| fail(reason(&error)))?;
        Ok(Self { client, client_id })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends `request` to `endpoint`, again where that is safe, and gives the last answer.
    pub(super) async fn send(
        &self,
        request: &ServiceRequest,
        endpoint: &Endpoint,
        token: Option<&SecretString>,
        limits: &Limits,
    ) -> Result<Outcome, CloudError> {
        let headers = self.headers(request, token)?;
        let mut reads = 0;
        let mut locks = 0;
        loop {
            let result = self.once(request, endpoint, headers.clone(), limits).await;
            let pause = match &result {
                Ok(answer) if is_locked(request, answer) && locks < limits.lock_retries => {
                    locks += 1;
                    Some(limits.lock_pause)
                }
                Ok(answer) if matches!(answer.status, 502..=504) => {
                    again(request, &mut reads, limits)
                }
                Err(Failure::Broken(_)) => again(request, &mut reads, limits),
                _ => None,
            };
            let Some(pause) = pause else {
                return match result {
                    Ok(answer) if answer.status == 401 && token.is_some() => {
                        Ok(Outcome::TokenRefused)
                    }
                    Ok(answer) => Ok(Outcome::Answer(headers::without_secrets(answer))),
                    Err(Failure::Final(error)) => Err(error),
                    Err(Failure::Broken(reason)) => Err(CloudError::Unreachable {
                        service: endpoint.service.clone(),
                        reason,
                    }),
                };
            };
            tracing::debug!(?request, ?pause, "sending again");
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends `request` once, with `body` as it comes.
    pub(super) async fn upload(
        &self,
        request: &ServiceRequest,
        body: Upload,
        endpoint: &Endpoint,
        token: Option<&SecretString>,
        limits: &Limits,
    ) -> Result<Outcome, CloudError> {
        let headers = self.headers(request, token)?;
        let url = endpoint.join(&request.path, &request.query)?;
        let outgoing = self
            .client
            .request(method(request.method), url.clone())
            .headers(headers)
            .timeout(UPLOAD)
            .body(Body::wrap(body));
        let answer = match outgoing.send().await {
            Ok(response) => read(response, endpoint, &url, limits.max_body).await,
            Err(error) => Err(broken(&url, &error)),
        };
        match answer {
            Ok(answer) if answer.status == 401 && token.is_some() => Ok(Outcome::TokenRefused),
            Ok(answer) => Ok(Outcome::Answer(headers::without_secrets(answer))),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::Broken(reason)) => Err(CloudError::Unreachable {
                service: endpoint.service.clone(),
                reason,
            }),
        }
    }

    /// One exchange, with the redirects of a read.
    async fn once(
        &self,
        request: &ServiceRequest,
        endpoint: &Endpoint,
        headers: HeaderMap,
        limits: &Limits,
    ) -> Result<ServiceResponse, Failure> {
        let mut url = endpoint
            .join(&request.path, &request.query)
            .map_err(Failure::Final)?;
        for _ in 0..=MAX_REDIRECTS {
            let mut outgoing = self
                .client
                .request(method(request.method), url.clone())
                .headers(headers.clone());
            // A body of no length still needs one: servers answer 411 to a PUT without it.
            if !request.method.is_read() || !request.body.is_empty() {
                outgoing = outgoing.body(request.body.clone());
            }
            let response = outgoing
                .send()
                .await
                .map_err(|error| broken(&url, &error))?;
            match redirect(&response, &url) {
                Some(target) if request.method.is_read() => {
                    if target.origin() != url.origin() {
                        return Err(Failure::Final(CloudError::Denied(format!(
                            "the {:?} service redirects {request:?} to another origin, {}: that \
                             is not followed",
                            endpoint.service,
                            target.origin().ascii_serialization()
                        ))));
                    }
                    url = target;
                }
                _ => return read(response, endpoint, &url, limits.max_body).await,
            }
        }
        Err(Failure::Final(CloudError::Unreachable {
            service: endpoint.service.clone(),
            reason: format!("{request:?} is redirected more than {MAX_REDIRECTS} times"),
        }))
    }

    fn headers(
        &self,
        request: &ServiceRequest,
        token: Option<&SecretString>,
    ) -> Result<HeaderMap, CloudError> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str| -> Result<(), CloudError> {
            let invalid =
                || CloudError::Invalid(format!("header {name:?} of {request:?} cannot be sent"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?;
            headers.insert(name, value);
            Ok(())
        };
        set("accept", "application/json")?;
        if !request.body.is_empty() {
            set("content-type", "application/json")?;
        }
        let service = official(&request.service);
        if service == "message" {
            set("client-id", &self.client_id.to_string())?;
        }
        if let Some(version) = &request.microversion {
            for (name, value) in headers::microversion(service, version) {
                set(name, &value)?;
            }
        }
        for (name, value) in &request.headers {
            set(name, value)?;
        }
        if let Some(token) = token {
            headers.insert("x-auth-token", given::header(token)?);
        }
        Ok(headers)
    }
}

/// Why an exchange gave no answer.
enum Failure {
    /// The connection did not come about or broke.
    Broken(String),
    Final(CloudError),
}

fn broken(url: &Url, error: &reqwest::Error) -> Failure {
    Failure::Broken(format!(
        "{}: {}",
        url.origin().ascii_serialization(),
        reason(error)
    ))
}

/// The wait before a read is sent again, if it is.
fn again(request: &ServiceRequest, reads: &mut u32, limits: &Limits) -> Option<Duration> {
    if !request.method.is_read() || *reads >= limits.read_retries {
        return None;
    }
    let pause = limits.read_pause.saturating_mul(1 << (*reads).min(6));
    *reads += 1;
    Some(pause)
}

/// Whether Ironic did not even begin: the node is locked, or no conductor has a worker for it.
/// python-ironicclient sends writes again then, too.
fn is_locked(request: &ServiceRequest, answer: &ServiceResponse) -> bool {
    let says = match answer.status {
        409 => "is locked by host",
        503 => "lack of free conductor workers",
        _ => return false,
    };
    official(&request.service) == "baremetal"
        && answer
            .body
            .windows(says.len())
            .any(|window| window == says.as_bytes())
}

/// Where `response`, the answer from `url`, redirects to.
fn redirect(response: &Response, url: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    url.join(response.headers().get(LOCATION)?.to_str().ok()?)
        .ok()
}

/// The answer with a body of at most `max` bytes.
async fn read(
    mut response: Response,
    endpoint: &Endpoint,
    url: &Url,
    max: usize,
) -> Result<ServiceResponse, Failure> {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| broken(url, &error))?
    {
        if body.len() + chunk.len() > max {
            return Err(Failure::Final(CloudError::Exhausted(format!(
                "the {:?} service answers with more than {max} bytes",
                endpoint.service
            ))));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(ServiceResponse {
        status,
        headers,
        body,
    })
}
