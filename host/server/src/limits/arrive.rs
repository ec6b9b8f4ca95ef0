//! How requests come in: small enough, and soon enough.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;

use super::count::Held;
use super::{LimitSettings, Limits, SOON};
use crate::app::App;
use crate::fault::Fault;

/// How much is still read of a body that is refused. Who gets an answer in the middle of sending
/// may take it for a broken connection.
const DRAINED: usize = 64 << 20;

/// What reads its bodies itself, once it is known who sends them, and has bounds of its own.
const OWN_BODIES: [&str; 1] = ["/v2/packs"];

/// Lets a request go on once all of it is there, if it is within the limits.
pub(crate) async fn arrive(State(app): State<App>, request: Request, next: Next) -> Response {
    let settings = app.limits.settings();
    let (parts, body) = request.into_parts();
    let address = parts.uri.path_and_query().map_or(0, |it| it.as_str().len());
    let most = settings.address_bytes.get();
    if address > most {
        drain(body, &settings).await;
        let message =
            format!("The address has {address} bytes, more than {most} (limits.address_bytes)");
        return Fault::long_address(message).into_response();
    }
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let arrived = if OWN_BODIES
        .iter()
        .any(|own| parts.uri.path().starts_with(own))
    {
        Ok((body, None))
    } else {
        let whole = whole(body, length, &app.limits, &settings).await;
        whole.map(|(bytes, held)| (Body::from(bytes), held))
    };
    // The bytes are counted until the answer is there.
    let admitted = arrived.and_then(|(body, held)| Ok((body, held, app.limits.one_more()?)));
    match admitted {
        Ok((body, _held, slot)) => {
            let mut request = Request::from_parts(parts, body);
            request.extensions_mut().insert(slot);
            next.run(request).await
        }
        Err(fault) => fault.into_response(),
    }
}

/// All of a body, of which `length` bytes are announced.
async fn whole(
    mut body: Body,
    length: Option<usize>,
    limits: &Limits,
    settings: &LimitSettings,
) -> Result<(Bytes, Option<Held>), Fault> {
    let most = settings.body_bytes.get();
    if length.is_some_and(|length| length > most) {
        drain(body, settings).await;
        return Err(too_large(most));
    }
    let come = async {
        let mut all = Vec::new();
        let mut held = limits.bodies.up_to(0, usize::MAX);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Fault::invalid(format!("The body of the request breaks off: {error}"))
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if all.len() + data.len() > most {
                return Err(too_large(most));
            }
            let bodies = settings.bodies_bytes.get();
            if !held
                .as_mut()
                .is_some_and(|held| held.grow(data.len(), bodies))
            {
                let message = format!(
                    "Too many bodies: those of all requests have {bodies} bytes together at most \
                     (limits.bodies_bytes)"
                );
                return Err(Fault::come_back(message, SOON));
            }
            all.extend_from_slice(&data);
        }
        Ok((Bytes::from(all), held))
    };
    match tokio::time::timeout(settings.body_time, come).await {
        Ok(Ok(all)) => Ok(all),
        Ok(Err(fault)) => {
            drain(body, settings).await;
            Err(fault)
        }
        Err(_) => Err(Fault::slow(format!(
            "The body of the request takes longer than {} to come (limits.body_time)",
            seconds(settings.body_time)
        ))),
    }
}

/// Reads what is left of a body, up to a bound.
pub(crate) async fn drain(mut body: Body, settings: &LimitSettings) {
    let all = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAINED {
                break;
            }
        }
    };
    // What is not read by then stays unread.
    let _ = tokio::time::timeout(settings.body_time, all).await;
}

fn too_large(most: usize) -> Fault {
    Fault::too_large(format!(
        "The body of the request has more than {most} bytes (limits.body_bytes)"
    ))
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
