//! Tokens that somebody gave: what they are good for, and what is said once they are not.

use std::time::Duration;

use openstack_sdk_auth_core::{AuthResponse, ServiceEndpoints};
use ostro_egress::reason;
use reqwest::header::HeaderValue;
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use crate::config::GivenToken;
use crate::session::guard;
use crate::{CloudConfig, CloudError};

/// How long Keystone's answer may be, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// What Keystone says of a token.
pub(super) struct Known {
    pub(super) services: Vec<ServiceEndpoints>,
    /// Seconds since the epoch.
    pub(super) expires: Option<u64>,
}

/// Asks Keystone what `given` is good for.
pub(super) async fn look_up(
    client: &Client,
    config: &CloudConfig,
    given: &GivenToken,
) -> Result<Known, CloudError> {
    let (label, auth_url) = (&config.label, &given.auth_url);
    guard::check(auth_url, config)?;
    let unreachable = |reason: String| CloudError::Unreachable {
        service: "identity".to_owned(),
        reason: format!("{label}: Keystone at {auth_url}: {reason}"),
    };
    let url = auth_url
        .join("auth/tokens")
        .map_err(|_| unreachable("the address leads nowhere".to_owned()))?;
    let token = header(&given.token)?;
    let request = client
        .get(url)
        .header("x-auth-token", token.clone())
        .header("x-subject-token", token);
    let answer = request
        .send()
        .await
        .map_err(|error| unreachable(reason(&error)))?;
    match answer.status() {
        StatusCode::OK => {}
        // 404 is what Keystone answers where a token is of no use any more.
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => return Err(spent(label, given)),
        status => return Err(unreachable(format!("it answers {}", status.as_u16()))),
    }
    let body = body(answer).await.map_err(unreachable)?;
    let answer: AuthResponse = serde_json::from_slice(&body)
        .map_err(|_| unreachable("it answers what is no token".to_owned()))?;
    Ok(Known {
        services: answer.token.catalog.unwrap_or_default(),
        expires: u64::try_from(answer.token.expires_at.timestamp()).ok(),
    })
}

async fn body(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(format!("it answers with more than {MAX_ANSWER} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// A token as a header, which no log shows.
pub(super) fn header(token: &SecretString) -> Result<HeaderValue, CloudError> {
    let mut value = HeaderValue::from_str(token.expose_secret()).map_err(|_| {
        CloudError::Authentication("the token holds characters that no header may".into())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A token is of no use any more, and there is no other.
pub(super) fn spent(label: &str, given: &GivenToken) -> CloudError {
    CloudError::Authentication(format!(
        "{label}: the token has expired or was revoked, and nobody can renew it; {}",
        given.then
    ))
}

/// When a token that ends at `expires` is of no use any more: such a token is used to its end.
pub(super) fn to_its_end(expires: u64, margin: Duration) -> u64 {
    expires.saturating_add(margin.as_secs())
}
