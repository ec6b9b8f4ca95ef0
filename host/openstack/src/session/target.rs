//! A second cloud, which a caller names with a token of their own: Mistral's `X-Target-*` headers
//! (`mistral/context.py`).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use openstack_sdk_auth_core::{CatalogEndpoint, ServiceEndpoints};
use ostro_egress::IpNet;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::config::{GivenToken, Login, versioned};
use crate::{CloudConfig, CloudError, Limits, Session};

/// How many bytes a catalogue in a header may have.
const MAX_CATALOGUE: usize = 256 << 10;

/// A second cloud.
#[derive(Clone)]
pub struct Target {
    auth_url: Url,
    token: SecretString,
    region: Option<String>,
    insecure: bool,
    catalogue: Option<Vec<ServiceEndpoints>>,
}

impl Target {
    /// The cloud that headers name, which `header` gives by their names; none where they name
    /// none. Project, user and roles are the token's, whatever headers say of them. The error is a
    /// sentence.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, String> {
        let given = |name: &str| header(name).filter(|value| !value.is_empty());
        let Some(auth_url) = given("X-Target-Auth-Uri") else {
            return Ok(None);
        };
        let insecure = match given("X-Target-Insecure") {
            None | Some("False") => false,
            Some("True") => true,
            Some(_) => {
                return Err(
                    "X-Target-Insecure must be either \"True\", \"False\" or not \
                            provided. The default is \"False\"."
                        .to_owned(),
                );
            }
        };
        let Some(token) = given("X-Target-Auth-Token") else {
            return Err("Target auth URI (X-Target-Auth-Uri) target auth token \
                        (X-Target-Auth-Token) must be present"
                .to_owned());
        };
        let auth_url = Url::parse(auth_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .filter(|url| url.username().is_empty() && url.password().is_none())
            .ok_or("X-Target-Auth-Uri must be an http or https address without a user")?;
        let catalogue = given("X-Target-Service-Catalog").map(catalogue);
        Ok(Some(Self {
            auth_url: versioned(auth_url),
            token: token.to_owned().into(),
            region: given("X-Target-Region-Name").map(str::to_owned),
            insecure,
            catalogue: catalogue.transpose()?,
        }))
    }

    /// What messages call the cloud: where its Keystone is.
    pub fn origin(&self) -> String {
        self.auth_url.origin().ascii_serialization()
    }

    /// A session with it. No request goes to the networks `denied`, or to a metadata service.
    pub(crate) fn session(&self, denied: &[IpNet]) -> Result<Session, CloudError> {
        let given = GivenToken {
            auth_url: self.auth_url.clone(),
            token: self.token.clone(),
            catalogue: self.catalogue.clone(),
            then: "start the execution again with a new X-Target-Auth-Token".to_owned(),
        };
        let config = CloudConfig {
            label: format!("target cloud {}", self.origin()),
            login: Login::Given(Box::new(given)),
            region: self.region.clone(),
            interface: "public".to_owned(),
            overrides: BTreeMap::new(),
            ca_file: None,
            verify: !self.insecure,
            api_timeout: None,
            denied: Some(denied.to_vec()),
        };
        Session::with_limits(config, Limits::default())
    }
}

/// Without the token.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("auth_url", &self.auth_url.as_str())
            .field("region", &self.region)
            .field("insecure", &self.insecure)
            .finish_non_exhaustive()
    }
}

/// Keystone's catalogue, as JSON in base64: the list, or a token that has it.
fn catalogue(text: &str) -> Result<Vec<ServiceEndpoints>, String> {
    let wrong = || {
        "X-Target-Service-Catalog must be the catalogue of a Keystone v3 token, as JSON in base64"
            .to_owned()
    };
    if text.len() > MAX_CATALOGUE {
        return Err(format!(
            "X-Target-Service-Catalog may have {MAX_CATALOGUE} bytes at most"
        ));
    }
    let json = BASE64_STANDARD.decode(text).map_err(|_| wrong())?;
    let json: Value = serde_json::from_slice(&json).map_err(|_| wrong())?;
    let token = json.get("token").unwrap_or(&json);
    let list = token.get("catalog").unwrap_or(token);
    let services = list.as_array().ok_or_else(wrong)?;
    Ok(services.iter().filter_map(service).collect())
}

/// A service, where it has a type; endpoints, where they have an address.
fn service(entry: &Value) -> Option<ServiceEndpoints> {
    let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    let endpoints = entry.get("endpoints").and_then(Value::as_array);
    let endpoint = |one: &Value| {
        Some(CatalogEndpoint {
            id: text(one, "id").unwrap_or_default(),
            interface: text(one, "interface")?,
            region: text(one, "region").or_else(|| text(one, "region_id")),
            url: text(one, "url")?,
        })
    };
    Some(ServiceEndpoints {
        endpoints: endpoints
            .into_iter()
            .flatten()
            .filter_map(endpoint)
            .collect(),
        name: text(entry, "name").unwrap_or_default(),
        service_type: text(entry, "type")?,
    })
}
