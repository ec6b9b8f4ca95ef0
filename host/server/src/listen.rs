//! Connections: how they are taken, how long they may be slow, and how they end.

mod stall;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tower::util::MapRequest;

use self::stall::Stall;
use crate::limits::{Connected, LimitSettings, Limits, drain};
use crate::tls::Tls;

/// How long to wait where the system gives no connection: it has no more files, most likely.
const PAUSE: Duration = Duration::from_millis(100);
/// How many requests of one connection are under way at a time, over HTTP/2.
const STREAMS: u32 = 128;
/// What says whether a caller came by TLS, also through a proxy.
pub(crate) const FORWARDED: &str = "x-forwarded-proto";

/// How the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// Whether `X-Forwarded-Proto` is believed: links in answers begin as it says. It is what a
    /// proxy in front sets; without one, callers could make it say anything.
    pub forwarded: bool,
    /// How long what is under way may take to end once the server is told to stop.
    pub grace: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            forwarded: false,
            grace: Duration::from_secs(10),
        }
    }
}

/// All routes, as one service.
pub(crate) type Routes = MapRequest<Router, fn(Request) -> Request>;

/// What connections have in common.
#[derive(Clone)]
struct Shared {
    routes: Routes,
    limits: Arc<Limits>,
    tls: Option<Arc<Tls>>,
    forwarded: bool,
    /// True once the server is told to stop.
    stopping: watch::Receiver<bool>,
}

/// Answers what comes to `listener` until `stop` is ready, and then what is under way.
pub(crate) async fn listen(
    listener: TcpListener,
    routes: Routes,
    limits: Arc<Limits>,
    tls: Option<Arc<Tls>>,
    settings: ListenSettings,
    stop: impl Future<Output = ()>,
) {
    let (stopping, told) = watch::channel(false);
    let shared = Shared {
        routes,
        limits,
        tls,
        forwarded: settings.forwarded,
        stopping: told,
    };
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let come = async {
            shared.limits.room().await;
            listener.accept().await
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            come = come => match come {
                Ok((stream, peer)) => {
                    let connected = shared.limits.connected();
                    connections.spawn(connection(stream, peer, connected, shared.clone()));
                }
                Err(error) if is_of_one(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the system gives no connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    // Nobody hears it where there is no connection.
    let _ = stopping.send(true);
    let ends = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.grace, ends).await.is_err() {
        let left = connections.len();
        tracing::warn!(left, grace = ?settings.grace, "connections are cut that do not end");
        connections.shutdown().await;
    }
}

/// Whether a connection broke before it was taken, which says nothing of the next one.
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn connection(stream: TcpStream, peer: SocketAddr, connected: Connected, shared: Shared) {
    // Small answers go out at once. Where that cannot be had, they go out later.
    let _ = stream.set_nodelay(true);
    let settings = shared.limits.settings();
    let is_past = connected.is_past;
    let stream = Stall::new(stream, settings.stall_time);
    let Some(tls) = shared.tls.clone() else {
        return http1(stream, peer, is_past, &settings, shared).await;
    };
    let met = tls.acceptor().accept(stream);
    let stream = match tokio::time::timeout(settings.header_time, met).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => return tracing::debug!(%peer, "TLS takes too long"),
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(stream, peer, is_past, &settings, shared).await;
    } else {
        http1(stream, peer, is_past, &settings, shared).await;
    }
}

/// Serves a connection with `$builder`: to its end, or to the end of what is under way when the
/// server stops. The two kinds of connections have no trait in common.
macro_rules! serve {
    ($connection:expr, $shared:expr, $peer:expr) => {{
        let mut connection = pin!($connection);
        let mut stopping = $shared.stopping.clone();
        let mut is_told = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %$peer, %error, "a connection breaks");
                    }
                    break;
                }
                _ = stopping.wait_for(|stopping| *stopping), if !is_told => {
                    is_told = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }};
}

async fn http1<S>(stream: S, peer: SocketAddr, past: bool, limits: &LimitSettings, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(limits.headers.get())
        .max_header_size(limits.header_bytes.get())
        .keep_alive(!past);
    let service = hyper::service::service_fn({
        let shared = shared.clone();
        move |request| answer(request, peer, past, shared.clone())
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    serve!(connection.with_upgrades(), shared, peer);
}

async fn http2<S>(stream: S, peer: SocketAddr, past: bool, limits: &LimitSettings, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let header_bytes = limits.header_bytes.get();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.header_time)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
    let service = hyper::service::service_fn({
        let shared = shared.clone();
        move |request| answer(request, peer, past, shared.clone())
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    serve!(connection, shared, peer);
}

async fn answer(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    past: bool,
    shared: Shared,
) -> Result<Response, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    if past {
        let settings = shared.limits.settings();
        drain(request.into_body(), &settings).await;
        let mut refusal = shared.limits.too_many_connections().into_response();
        let close = HeaderValue::from_static("close");
        refusal.headers_mut().insert(header::CONNECTION, close);
        return Ok(refusal);
    }
    request.extensions_mut().insert(ConnectInfo(peer));
    let headers = request.headers();
    if !shared.forwarded || !headers.contains_key(FORWARDED) {
        let scheme = if shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let scheme = HeaderValue::from_static(scheme);
        request.headers_mut().insert(FORWARDED, scheme);
    }
    // HTTP/2 says in the address what HTTP/1.1 says in a header.
    if !request.headers().contains_key(header::HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    shared.routes.oneshot(request).await
}
