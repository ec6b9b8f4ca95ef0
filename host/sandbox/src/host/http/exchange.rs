//! One request: its body, its grant, its addresses, and its answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use ostro_core::Method;
use ostro_egress::{Zone, client, pinned, reason};
use ostro_packs::{Denial, Destination, Host, HttpTarget};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::MAX_HEADERS;
use super::body::{Held, Memory, whole};
use crate::host::contract::types::{CallError, Response};
use crate::host::headers;
use crate::host::text::clean;
use crate::recording::{HttpAnswer, Later};
use crate::state::Caller;

/// How many requests of an instance are under way at the same time. More wait.
const MAX_AT_ONCE: usize = 8;

/// A request, without its body.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) target: HttpTarget,
    pub(super) headers: Vec<(String, String)>,
    /// How long its body is, where the guest says so.
    pub(super) length: Option<u64>,
    pub(super) options: RequestOptions,
}

/// The requests of an instance. Cloning gives another handle of the same.
#[derive(Clone)]
pub(super) struct Requests {
    at_once: Arc<Semaphore>,
    memory: Memory,
    /// The most that one body may be, in bytes.
    most: u64,
}

impl Requests {
    pub(super) fn new(most: u64) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            // A request and its answer have to fit, and not many more.
            memory: Memory::new(most.saturating_mul(2)),
            most,
        }
    }

    /// The answer to a request: from its host, or from a recording.
    pub(super) async fn answer(
        &self,
        caller: &Caller,
        outgoing: Outgoing,
        body: Option<WasiBody>,
        later: Later,
    ) -> Result<http::Response<WasiBody>, Error> {
        let Ok(_one) = self.at_once.acquire().await else {
            return Err(Error::ConnectionLimitReached);
        };
        let mut held = self.memory.hold();
        let body = match body {
            Some(body) => self.collect(body, &mut held).await?,
            None => Vec::new(),
        };
        if outgoing
            .length
            .is_some_and(|length| length != body.len() as u64)
        {
            return Err(Error::HttpRequestBodySize(Some(body.len() as u64)));
        }
        let live = async {
            let mut is_private = false;
            let exchange = self.exchange(caller, &outgoing, body.clone(), &mut is_private);
            let result = caller.told("http.send", "http", exchange).await;
            HttpAnswer { result, is_private }
        };
        let Some(answer) = later.through(&body, live).await else {
            return Err(Error::InternalError(Some("the replay is over".to_owned())));
        };
        drop((body, held));
        match answer.result {
            Ok(answer) => self.response(answer),
            Err(CallError::Denied(_)) => Err(Error::HttpRequestDenied),
            Err(
                CallError::Invalid(text)
                | CallError::Unavailable(text)
                | CallError::Exhausted(text),
            ) => Err(Error::InternalError(Some(text))),
            Err(CallError::Refused(error)) => Err(Error::InternalError(Some(error.message))),
        }
    }

    /// All of a request's body.
    async fn collect(&self, mut body: WasiBody, held: &mut Held) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else {
                // Trailers are not sent.
                return Err(Error::HttpRequestTrailerSectionSize(None));
            };
            let size = all.len() + bytes.len();
            if size as u64 > self.most || !self.memory.take(held, bytes.len()) {
                return Err(Error::HttpRequestBodySize(Some(size as u64)));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// An answer as a guest gets it.
    fn response(&self, answer: Response) -> Result<http::Response<WasiBody>, Error> {
        let mut held = self.memory.hold();
        if !self.memory.take(&mut held, answer.body.len()) {
            return Err(Error::HttpResponseBodySize(Some(answer.body.len() as u64)));
        }
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        response
            .body(whole(answer.body, held))
            .map_err(|_| Error::HttpProtocolError)
    }

    async fn exchange(
        &self,
        caller: &Caller,
        outgoing: &Outgoing,
        body: Vec<u8>,
        is_private: &mut bool,
    ) -> Result<Response, CallError> {
        let Outgoing { method, target, .. } = outgoing;
        let deny = |denial: &Denial| {
            let pack = &caller.policy.id.name;
            caller.note(&format!("denied to pack {pack:?}: {denial}"));
            CallError::Denied(denial.what().to_owned())
        };
        let may_be_private = caller
            .policy
            .grants
            .check_http(*method, target)
            .map_err(|denial| deny(&denial))?;
        headers::check_http(&outgoing.headers).map_err(CallError::Invalid)?;
        let failed = |what: String| {
            caller.note(&format!("error: {target}: {}", clean(&what)));
            CallError::Unavailable(what)
        };
        let addresses = match &target.host {
            Host::Address(address) => vec![SocketAddr::new(*address, target.port)],
            Host::Name(name) => {
                let found =
                    tokio::time::timeout(longest(caller), caller.lookup.find(name, target.port));
                match found.await {
                    Ok(Ok(found)) => found,
                    Ok(Err(error)) => {
                        caller.note(&format!("error: {target}: {}", clean(&error.to_string())));
                        return Err(CallError::Unavailable(
                            "no address is known of the host".to_owned(),
                        ));
                    }
                    Err(_) => return Err(failed("the host was not found in time".to_owned())),
                }
            }
        };
        let zone = |address: &SocketAddr| Zone::of(address.ip());
        let worst = addresses.iter().max_by_key(|address| zone(address));
        let worst: Option<(IpAddr, Zone)> = worst.map(|worst| (worst.ip(), zone(worst)));
        match worst {
            Some((_, Zone::Public)) => {}
            Some((_, Zone::Private)) if may_be_private => *is_private = true,
            Some((address, zone)) => {
                let denial = Denial::address(*method, target, zone == Zone::Private);
                caller.note(&format!("{target} is at {address}"));
                return Err(deny(&denial));
            }
            None => return Err(failed("no address is known of the host".to_owned())),
        }
        let host = target.host.to_string();
        let to = Destination::Host(&host);
        let (mut headers, mut body) = (outgoing.headers.clone(), body);
        let secrets = &caller.secrets;
        secrets
            .fill_message(&mut headers, &mut body, &caller.policy.grants, to)
            .map_err(|denial| deny(&denial))?;
        caller.turn().await;
        let answer = self.send(caller, outgoing, (headers, body), &addresses);
        let mut answer = answer.await.map_err(|error| match error {
            Failed::Exchange(error) => failed(reason(&error)),
            Failed::Other(error) => error,
        })?;
        secrets.scrub_message(&mut answer.headers, &mut answer.body);
        Ok(answer)
    }

    async fn send(
        &self,
        caller: &Caller,
        outgoing: &Outgoing,
        (headers, body): (Vec<(String, String)>, Vec<u8>),
        addresses: &[SocketAddr],
    ) -> Result<Response, Failed> {
        let Outgoing {
            method,
            target,
            options,
            ..
        } = outgoing;
        let left = longest(caller);
        let within = |limit: Option<Duration>| limit.unwrap_or(left).min(left);
        let mut builder = client()
            .connect_timeout(within(options.connect_timeout))
            .read_timeout(
                within(options.first_byte_timeout).max(within(options.between_bytes_timeout)),
            )
            .timeout(left);
        if let Host::Name(name) = &target.host {
            builder = pinned(builder, name, addresses);
        }
        if !target.tls {
            // Reading the machine's authorities takes longer than the request.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build()?;
        let url = target.url();
        let url: reqwest::Url = url.parse().map_err(|_| invalid("the address"))?;
        // What is sent is what was checked: the client reads the address as we do.
        let is_same = url.host_str() == Some(target.host.to_string().as_str())
            && url.port_or_known_default() == Some(target.port)
            && url.path() == target.path.as_str();
        if !is_same {
            return Err(invalid("the address"));
        }
        let mut request = client.request(ostro_egress::method(*method), url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.body(body);
        } else if !matches!(method, Method::Get | Method::Head) {
            request = request.header(http::header::CONTENT_LENGTH, 0);
        }
        let mut answer = request.send().await?;
        let size: usize = answer
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if size > MAX_HEADERS {
            return Err(exhausted("the answer's headers", MAX_HEADERS as u64));
        }
        let headers = answer
            .headers()
            .iter()
            .filter(|(name, _)| !headers::is_of_connection(name.as_str()))
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let status = answer.status().as_u16();
        let mut held = self.memory.hold();
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await? {
            let size = (body.len() + bytes.len()) as u64;
            if size > self.most || !self.memory.take(&mut held, bytes.len()) {
                return Err(exhausted("the answer", self.most));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Response {
            status,
            headers,
            body,
        })
    }
}

/// How long a request may take where the guest does not say. The call ends all that it began at its
/// deadline; a request only has to reach that, or an answer could be recorded that nobody got.
fn longest(caller: &Caller) -> Duration {
    caller.time_left() + Duration::from_secs(1)
}

/// Why there is no answer.
enum Failed {
    Exchange(reqwest::Error),
    Other(CallError),
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        Failed::Exchange(error)
    }
}

fn invalid(what: &str) -> Failed {
    Failed::Other(CallError::Invalid(format!("{what} is not plain")))
}

fn exhausted(what: &str, limit: u64) -> Failed {
    Failed::Other(CallError::Exhausted(format!(
        "{what} is larger than {limit} bytes, which is all that is read"
    )))
}
