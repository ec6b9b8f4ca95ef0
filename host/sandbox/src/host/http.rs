//! `wasi:http`: requests to hosts outside of the cloud that a pack is granted.
//!
//! A request is read whole, checked, sent, and its answer read whole before the guest gets it:
//! so both are bounded, and both are recorded. What a guest does with its handles is left to
//! wasmtime-wasi-http; where a request goes is decided here alone.

mod body;
mod exchange;

use http::HeaderName;
use ostro_core::Method;
use ostro_packs::{HttpTarget, TargetError};
use serde_json::Value;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, Method as WasiMethod, Scheme,
};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p2::{HttpError, HttpResult};
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView,
};

use super::headers;
use crate::recording::{self, Tape};
use crate::state::{Caller, State};
use exchange::{Outgoing, Requests};

/// The most that the headers of a request or an answer may be, in bytes, with what the host needs
/// to keep them.
pub(super) const MAX_HEADERS: usize = 64 << 10;

/// Links `wasi:http`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    types::add_to_linker::<State, WasiHttp>(linker, &(&options).into(), State::http)?;
    // By hand: the generated function wants all of `types` with it.
    let mut handler = linker.instance("wasi:http/outgoing-handler@0.2.12")?;
    handler.func_wrap(
        "handle",
        |mut store: StoreContextMut<'_, State>, (request, options): Given| {
            let mut handler = Handler(store.data_mut().parts());
            match handler.handle(request, options) {
                Ok(pending) => Ok((Ok(pending),)),
                Err(error) => Ok((Err(error.downcast()?),)),
            }
        },
    )
}

/// What a guest gives to have a request sent.
type Given = (
    Resource<HostOutgoingRequest>,
    Option<Resource<RequestOptions>>,
);

/// What an instance needs to send requests.
pub(crate) struct Http {
    context: WasiHttpCtx,
    hooks: Hooks,
    requests: Requests,
}

impl Http {
    /// With bodies of at most `most` bytes.
    pub(crate) fn new(most: u64) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(MAX_HEADERS);
        Self {
            context,
            hooks: Hooks,
            requests: Requests::new(most),
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Parts { http, table, .. } = self.parts();
        WasiHttpCtxView {
            hooks: &mut http.hooks,
            table,
            ctx: &mut http.context,
        }
    }
}

/// The parts of a [`State`] that a request needs.
pub(crate) struct Parts<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) tape: &'a mut Tape,
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) http: &'a mut Http,
}

struct Handler<'a>(Parts<'a>);

/// What wasmtime-wasi-http asks about requests.
struct Hooks;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        headers::is_of_connection(name.as_str())
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        std::sync::Arc::new(|name| headers::is_of_connection(name.as_str()))
    }

    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<
        dyn Future<
                Output = Result<
                    (
                        http::Response<WasiBody>,
                        Box<dyn Future<Output = Result<(), Error>> + Send>,
                    ),
                    Error,
                >,
            > + Send,
    > {
        // Requests go through `Handler`, never this way.
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl Handler<'_> {
    /// Begins a request. An error that is no [`ErrorCode`] stops the guest.
    fn handle(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> HttpResult<Resource<HostFutureIncomingResponse>> {
        let Parts {
            caller,
            tape,
            table,
            http,
        } = &mut self.0;
        let request = table.delete(request)?;
        let options = options.map(|options| table.delete(options)).transpose()?;
        caller.host_calls.count().map_err(HttpError::trap)?;
        let (outgoing, body) = read(request, options.unwrap_or_default())?;
        let later = tape
            .later("http.send", || arguments(&outgoing))
            .map_err(HttpError::trap)?;
        let requests = http.requests.clone();
        let caller = (*caller).clone();
        let pending = spawn(async move {
            let answer = requests.answer(&caller, outgoing, body, later).await?;
            Ok((answer, spawn(async {})))
        });
        Ok(table.push(HostFutureIncomingResponse::Pending(pending))?)
    }
}

/// The request that a guest made, if it is one.
fn read(
    request: HostOutgoingRequest,
    options: RequestOptions,
) -> Result<(Outgoing, Option<WasiBody>), ErrorCode> {
    let method = match &request.method {
        WasiMethod::Get => Method::Get,
        WasiMethod::Head => Method::Head,
        WasiMethod::Post => Method::Post,
        WasiMethod::Put => Method::Put,
        WasiMethod::Delete => Method::Delete,
        WasiMethod::Patch => Method::Patch,
        WasiMethod::Connect | WasiMethod::Options | WasiMethod::Trace | WasiMethod::Other(_) => {
            return Err(ErrorCode::HttpRequestMethodInvalid);
        }
    };
    let scheme = match &request.scheme {
        None | Some(Scheme::Https) => "https",
        Some(Scheme::Http) => "http",
        Some(Scheme::Other(other)) => other,
    };
    let authority = request.authority.as_deref().unwrap_or_default();
    let path = request.path_with_query.as_deref().unwrap_or_default();
    let target = HttpTarget::parse(scheme, authority, path).map_err(|error| match error {
        TargetError::Scheme(_) => ErrorCode::HttpProtocolError,
        TargetError::QueryTooLong => ErrorCode::HttpRequestUriTooLong,
        _ => ErrorCode::HttpRequestUriInvalid,
    })?;
    let mut headers = Vec::new();
    let mut length = None;
    for (name, value) in request.headers.iter() {
        let Ok(text) = value.to_str() else {
            return Err(ErrorCode::HttpRequestHeaderSize(None));
        };
        if *name == http::header::CONTENT_LENGTH {
            // The host counts the body itself, and says so.
            length = text.parse().ok();
        } else {
            headers.push((name.as_str().to_owned(), text.to_owned()));
        }
    }
    if request.body.is_none() && length.is_some_and(|length: u64| length != 0) {
        return Err(ErrorCode::HttpRequestBodySize(Some(0)));
    }
    let outgoing = Outgoing {
        method,
        target,
        headers,
        length,
        options,
    };
    Ok((outgoing, request.body))
}

/// What is recorded of a request. Its body comes later.
fn arguments(outgoing: &Outgoing) -> Value {
    let Outgoing {
        method,
        target,
        headers,
        ..
    } = outgoing;
    recording::http_request(*method, target, headers)
}
