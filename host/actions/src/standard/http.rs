//! `std.http` and `std.mistral_http`: one request, as Python's requests makes it for Mistral.

mod answer;
mod cookies;
mod egress;
mod request;

use std::net::SocketAddr;
use std::time::Instant;

use hyper_util::client::proxy::matcher::Matcher;
use ostro_core::{ActionContext, ActionError, ActionErrorKind, Map, Value};
use ostro_egress::reason;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, Proxy};
use url::{Host, Url};

use super::Input;
use crate::describe::Parameter;
use answer::Answer;
use cookies::Jar;
pub use egress::HttpOptions;
use egress::Way;
use request::{Request, Verify, refused};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 30;

pub(super) fn parameters() -> Vec<Parameter> {
    let mut parameters = vec![
        Parameter::required("url"),
        Parameter::optional("method", "GET"),
    ];
    parameters.extend(
        [
            "params",
            "body",
            "json",
            "headers",
            "cookies",
            "auth",
            "timeout",
            "allow_redirects",
            "proxies",
            "verify",
        ]
        .map(|name| Parameter::optional(name, Value::Null)),
    );
    parameters
}

/// Sends the request that `input` describes and gives the answer. With a `context` it is
/// `std.mistral_http`'s, and says where it comes from.
pub(super) async fn run(
    input: &Map,
    context: Option<&ActionContext>,
    options: &HttpOptions,
) -> Result<Value, ActionError> {
    let action = match context {
        None => "std.http",
        Some(_) => "std.mistral_http",
    };
    let request = Request::read(&Input::new(action, input), context, options)?;
    let limit = options.max_time;
    tokio::time::timeout(limit, exchange(request, options))
        .await
        .unwrap_or_else(|_| {
            Err(ActionError::new(
                ActionErrorKind::Limit,
                format!("Failed to send HTTP request: it took more than {limit:?}"),
            ))
        })
}

/// Sends a request and, if it says so, those that its answers lead to.
async fn exchange(mut request: Request, options: &HttpOptions) -> Result<Value, ActionError> {
    let mut jar = Jar::default();
    for (name, value) in std::mem::take(&mut request.cookies) {
        jar.set(&request.url, name, value);
    }
    let mut history = Vec::new();
    loop {
        let answer = send(&request, &jar, options).await?;
        let cookies = jar.take(&request.url, &answer.headers);
        let target = Some(&request.url)
            .filter(|_| request.redirects)
            .and_then(|url| redirect(&answer, url));
        let Some(target) = target else {
            let result = answer.result(&request.url, history, cookies)?;
            if answer.is_good() {
                return Ok(result);
            }
            return Err(ActionError {
                kind: ActionErrorKind::Action,
                message: answer.failure(&request.method, &request.url),
                value: result,
            });
        };
        if history.len() == MAX_REDIRECTS {
            return Err(ActionError::new(
                ActionErrorKind::Action,
                format!("Failed to send HTTP request: Exceeded {MAX_REDIRECTS} redirects."),
            ));
        }
        history.push(answer.pieces());
        follow(&mut request, target, answer.status.as_u16());
    }
}

/// Where an answer redirects to.
fn redirect(answer: &Answer, url: &Url) -> Option<Url> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers.get(header::LOCATION)?;
    let location = String::from_utf8_lossy(location.as_bytes());
    let mut target = url.join(&location).ok()?;
    if target.fragment().is_none() {
        target.set_fragment(url.fragment());
    }
    Some(target)
}

/// Turns a request into the one that a redirect asks for, as requests does.
fn follow(request: &mut Request, target: Url, status: u16) {
    let is_post = request.method == Method::POST;
    if request.method != Method::HEAD && matches!(status, 302 | 303) || status == 301 && is_post {
        request.method = Method::GET;
    }
    if !matches!(status, 307 | 308) {
        request.headers.remove(header::CONTENT_TYPE);
        request.body.clear();
    }
    request.headers.remove(header::COOKIE);
    if !keeps_credentials(&request.url, &target) {
        request.headers.remove(header::AUTHORIZATION);
    }
    request.url = target;
}

/// Whether what `old` was told may be told to `new`: the same origin, or the same host over TLS.
fn keeps_credentials(old: &Url, new: &Url) -> bool {
    let upgraded = old.scheme() == "http"
        && new.scheme() == "https"
        && old.port().is_none()
        && new.port().is_none();
    old.host_str() == new.host_str() && (old.origin() == new.origin() || upgraded)
}

/// Sends one request, without its redirects.
async fn send(request: &Request, jar: &Jar, options: &HttpOptions) -> Result<Answer, ActionError> {
    let way = options.way(&request.url).await?;
    let proxy = proxy(&request.url, &request.proxies)?;
    let mut client = client(request, needs_tls(&request.url, proxy.as_ref()))?;
    match (proxy, way) {
        (None, Way::Nowhere(error)) => {
            return Err(no_connection(&format!("no address is known: {error}")));
        }
        (None, Way::Addresses(addresses)) => {
            client = pinned(client, &request.url, &addresses);
        }
        (Some(ToProxy { url, by_input }), _) => {
            // The operator's own proxy is where the operator put it. That of an input is no way
            // around what is denied.
            if by_input {
                match options.addresses_of(&url).await? {
                    Way::Addresses(addresses) => client = pinned(client, &url, &addresses),
                    Way::Nowhere(error) => {
                        return Err(no_connection(&format!(
                            "no address is known of the proxy: {error}"
                        )));
                    }
                }
            }
            client = client.proxy(Proxy::all(url.as_str()).map_err(|error| broken(&error))?);
        }
    }
    let client = client.build().map_err(|error| broken(&error))?;
    let mut outgoing = client
        .request(request.method.clone(), request.url.clone())
        .headers(with_cookies(request.headers.clone(), jar, &request.url));
    if !request.body.is_empty() {
        outgoing = outgoing.body(request.body.clone());
    } else if !matches!(request.method, Method::GET | Method::HEAD) {
        outgoing = outgoing.header(header::CONTENT_LENGTH, 0);
    }
    let begin = Instant::now();
    let response = outgoing.send().await.map_err(|error| {
        if error.is_timeout() {
            no_connection(&format!("no answer within {:?}", request.timeout))
        } else {
            unreachable(&error)
        }
    })?;
    Answer::read(response, begin.elapsed(), options.max_response_bytes).await
}

fn with_cookies(mut headers: HeaderMap, jar: &Jar, url: &Url) -> HeaderMap {
    let cookie = jar
        .header(url)
        .and_then(|text| HeaderValue::from_bytes(&super::python::latin1(&text)).ok());
    if let Some(mut cookie) = cookie {
        cookie.set_sensitive(true);
        headers.entry(header::COOKIE).or_insert(cookie);
    }
    headers
}

/// A client for one request.
fn client(request: &Request, needs_tls: bool) -> Result<reqwest::ClientBuilder, ActionError> {
    // Each target of a redirect is checked before anything is sent to it.
    let builder = ostro_egress::client()
        .http1_title_case_headers()
        .connect_timeout(request.timeout)
        .read_timeout(request.timeout);
    if !needs_tls {
        // Reading the machine's authorities takes longer than the request.
        return Ok(builder.tls_certs_only([]));
    }
    Ok(match &request.verify {
        Verify::Yes => builder,
        Verify::No => builder.danger_accept_invalid_certs(true),
        Verify::With(path) => builder.tls_certs_only(authorities(path)?),
    })
}

fn needs_tls(url: &Url, proxy: Option<&ToProxy>) -> bool {
    url.scheme() == "https" || proxy.is_some_and(|proxy| proxy.url.scheme() == "https")
}

/// A client that reaches the host of `url` at these addresses alone.
fn pinned(
    client: reqwest::ClientBuilder,
    url: &Url,
    addresses: &[SocketAddr],
) -> reqwest::ClientBuilder {
    match url.host() {
        Some(Host::Domain(name)) => ostro_egress::pinned(client, name, addresses),
        // An address is what it is.
        _ => client,
    }
}

/// The certificates in a file, or in the files of a folder.
fn authorities(path: &str) -> Result<Vec<Certificate>, ActionError> {
    let unusable = |reason: &str| {
        refused(format!(
            "verify: {path} has no certificates to check with: {reason}"
        ))
    };
    let read = |file: &std::path::Path| {
        let pem = std::fs::read(file).map_err(|error| unusable(&error.to_string()))?;
        Certificate::from_pem_bundle(&pem).map_err(|_| unusable("it is no bundle of PEM"))
    };
    let place = std::path::Path::new(path);
    if !place.is_dir() {
        return read(place);
    }
    let entries = std::fs::read_dir(place).map_err(|error| unusable(&error.to_string()))?;
    // A folder of authorities may hold other files too.
    let found = entries
        .flatten()
        .filter_map(|entry| read(&entry.path()).ok());
    Ok(found.flatten().collect())
}

/// The proxy that a request goes to.
struct ToProxy {
    url: Url,
    /// Whether the action's input named it; else the environment did.
    by_input: bool,
}

/// The proxy for `url`: that of the input, or of the environment (`http_proxy` and the like).
fn proxy(url: &Url, given: &Map) -> Result<Option<ToProxy>, ActionError> {
    let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
    let keys = [
        format!("{scheme}://{host}"),
        scheme.to_owned(),
        format!("all://{host}"),
        "all".to_owned(),
    ];
    let named = keys
        .iter()
        .find_map(|key| Some((key, given.get(key.as_str())?)));
    let text = match named {
        Some((_, Value::Null)) => return Ok(None),
        Some((_, Value::String(text))) => text.to_string(),
        Some((key, other)) => {
            return Err(refused(format!(
                "the proxy for {key} cannot be of type {}",
                other.kind()
            )));
        }
        None => {
            let uri = url.as_str().parse().ok();
            let found = uri.and_then(|uri| Matcher::from_env().intercept(&uri));
            let Some(found) = found else { return Ok(None) };
            let mut proxy = Url::parse(&found.uri().to_string())
                .map_err(|_| refused("the proxy of the environment is no URL"))?;
            if let Some((user, password)) = found.raw_auth() {
                _ = proxy.set_username(user);
                _ = proxy.set_password(Some(password));
            }
            return Ok(Some(ToProxy {
                url: proxy,
                by_input: false,
            }));
        }
    };
    let text = if text.contains("://") {
        text
    } else {
        format!("http://{text}")
    };
    // The URL may hold a password.
    let url = Url::parse(&text).map_err(|_| refused("the proxy is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(refused("the proxy must be an http or https URL"));
    }
    Ok(Some(ToProxy {
        url,
        by_input: true,
    }))
}

fn no_connection(reason: &str) -> ActionError {
    ActionError::new(
        ActionErrorKind::Host,
        format!("Failed to send HTTP request: {reason}"),
    )
}

fn broken(error: &reqwest::Error) -> ActionError {
    refused(reason(error))
}

/// What a failed exchange is for whoever called.
fn unreachable(error: &reqwest::Error) -> ActionError {
    no_connection(&reason(error))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A name server that gives an allowed address to the check and a denied one afterwards.
    #[tokio::test]
    async fn a_name_is_looked_up_once_and_its_address_is_what_is_connected_to() {
        let (good, bad) = ("127.0.0.2", "127.0.0.3");
        let server = TcpListener::bind((good, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let trap = TcpListener::bind((bad, port)).unwrap();
        trap.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            _ = stream.read(&mut [0; 4096]).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .unwrap();
        });
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let lookup = ostro_egress::Lookup::new(move |_, port| {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            let ip = if first { good } else { bad };
            Box::pin(async move { Ok(vec![SocketAddr::new(ip.parse().unwrap(), port)]) })
        });
        let mut options = HttpOptions::default().with_lookup(lookup);
        options.denied_networks = vec![HttpOptions::network(bad).unwrap()];
        let url = Value::from(format!("http://rebinding.test:{port}/"));
        let input: Map = [("url".into(), url)].into_iter().collect();
        let result = run(&input, None, &options).await.unwrap();
        assert_eq!(result.get("content"), Some(&"ok".into()));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(
            trap.accept().is_err(),
            "the denied address was connected to"
        );
    }
}
