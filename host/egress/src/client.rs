//! A client that goes nowhere by itself.

use std::error::Error;
use std::net::SocketAddr;

use ostro_core::Method;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

/// A client for one request: no proxy, no redirect, no connection of another request, and bodies
/// as they come, so that they can be counted.
pub fn client() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .http1_only()
        .pool_max_idle_per_host(0)
        .no_gzip()
        .no_deflate()
}

/// The client, where the host called `name` is at these addresses and nowhere else. A host that
/// is an address needs none: it is what it is.
pub fn pinned(client: ClientBuilder, name: &str, addresses: &[SocketAddr]) -> ClientBuilder {
    client.resolve_to_addrs(name, addresses)
}

/// `method`, as the client has it.
pub fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// Why an exchange failed, in the words of its innermost cause and without an address, which may
/// hold what is secret.
pub fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let what = if error.is_connect() {
        "no connection: "
    } else {
        ""
    };
    // An error without a cause may name its address.
    if error.source().is_none() {
        format!("{what}the exchange failed")
    } else {
        format!("{what}{cause}")
    }
}
