//! From an entry of `clouds.yaml` or `OS_*` variables to a [`CloudConfig`].

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use openstack_sdk_auth_core::{AuthTokenScope, Domain, Project, System};
use secrecy::SecretString;
use serde_yaml::{Mapping, Value as Yaml};
use url::Url;

use crate::CloudError;
use crate::config::{CloudConfig, Environment, KeystoneLogin, Login, Method};

/// The keys of an entry's `auth`, which are also variables: `OS_` and the key in upper case.
const AUTH_KEYS: [&str; 18] = [
    "auth_url",
    "username",
    "user_id",
    "user_domain_id",
    "user_domain_name",
    "password",
    "token",
    "project_id",
    "project_name",
    "project_domain_id",
    "project_domain_name",
    "domain_id",
    "domain_name",
    "system_scope",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "endpoint",
];

/// What a cloud's entry or the variables say, before it is known to make sense.
struct Raw {
    label: String,
    auth: BTreeMap<&'static str, String>,
    auth_type: Option<String>,
    region: Option<String>,
    interface: Option<String>,
    overrides: BTreeMap<String, String>,
    ca_file: Option<PathBuf>,
    verify: bool,
    api_timeout: Option<Duration>,
    default_domain: BTreeMap<&'static str, String>,
}

/// The cloud called `name`, from its entry in `clouds.yaml`.
pub(super) fn from_entry(
    name: &str,
    entry: &Mapping,
    environment: &Environment,
) -> Result<CloudConfig, CloudError> {
    let nested = entry
        .get("auth")
        .and_then(Yaml::as_mapping)
        .cloned()
        .unwrap_or_default();
    // As python-openstacksdk does, keys of `auth` are also taken from the entry itself.
    let auth = AUTH_KEYS
        .iter()
        .filter_map(|key| Some((*key, text(nested.get(key).or_else(|| entry.get(key))?)?)))
        .collect();
    let overrides = entry
        .iter()
        .filter_map(|(key, value)| {
            Some((
                key.as_str()?.strip_suffix("_endpoint_override")?.to_owned(),
                text(value)?,
            ))
        })
        .collect();
    let field = |key: &str| entry.get(key).and_then(text);
    build(Raw {
        label: format!("cloud {name:?}"),
        auth,
        auth_type: field("auth_type"),
        region: field("region_name"),
        interface: field("interface"),
        overrides,
        ca_file: field("cacert").map(|path| expand(&path, environment)),
        verify: entry.get("verify").and_then(Yaml::as_bool).unwrap_or(true),
        api_timeout: entry
            .get("api_timeout")
            .and_then(Yaml::as_u64)
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        default_domain: ["default_domain_id", "default_domain_name"]
            .into_iter()
            .zip(["default_domain_id", "default_domain"])
            .filter_map(|(key, alias)| Some((key, field(key).or_else(|| field(alias))?)))
            .collect(),
    })
}

/// The cloud that the `OS_*` variables mean.
pub(super) fn from_variables(environment: &Environment) -> Result<CloudConfig, CloudError> {
    let variable = |key: &str| environment.get(key).map(str::to_owned);
    let auth = AUTH_KEYS
        .iter()
        .filter_map(|key| {
            let value =
                variable(&format!("OS_{}", key.to_ascii_uppercase())).or_else(|| match *key {
                    // The names of Keystone's second version still stand in old `openrc` files.
                    "project_id" => variable("OS_TENANT_ID"),
                    "project_name" => variable("OS_TENANT_NAME"),
                    _ => None,
                });
            Some((*key, value?))
        })
        .collect();
    let overrides = environment
        .variables
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(key, value)| {
            let service = key
                .strip_prefix("OS_")?
                .strip_suffix("_ENDPOINT_OVERRIDE")?;
            Some((service.to_ascii_lowercase(), value.clone()))
        })
        .collect();
    build(Raw {
        label: "the OS_* environment".to_owned(),
        auth,
        auth_type: variable("OS_AUTH_TYPE"),
        region: variable("OS_REGION_NAME"),
        interface: variable("OS_INTERFACE").or_else(|| variable("OS_ENDPOINT_TYPE")),
        overrides,
        ca_file: variable("OS_CACERT").map(|path| expand(&path, environment)),
        verify: !variable("OS_INSECURE").is_some_and(|value| {
            matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes")
        }),
        api_timeout: None,
        default_domain: [
            ("default_domain_id", "OS_DEFAULT_DOMAIN_ID"),
            ("default_domain_name", "OS_DEFAULT_DOMAIN_NAME"),
        ]
        .into_iter()
        .filter_map(|(key, name)| Some((key, variable(name)?)))
        .collect(),
    })
}

fn build(raw: Raw) -> Result<CloudConfig, CloudError> {
    let mut overrides = BTreeMap::new();
    for (service, address) in &raw.overrides {
        let what = format!("{service}_endpoint_override");
        overrides.insert(service.clone(), address_of(&raw, &what, address)?);
    }
    let login = login(&raw, &mut overrides)?;
    // `internalURL` and the like are how old configurations spell interfaces.
    let interface = raw.interface.as_deref().unwrap_or("public");
    let interface = interface
        .strip_suffix("URL")
        .unwrap_or(interface)
        .to_owned();
    if !["public", "internal", "admin"].contains(&interface.as_str()) {
        return Err(invalid(
            &raw,
            &format!("interface {interface:?} is none of public, internal and admin"),
        ));
    }
    Ok(CloudConfig {
        label: raw.label,
        login,
        region: raw.region,
        interface,
        overrides,
        ca_file: raw.ca_file,
        verify: raw.verify,
        api_timeout: raw.api_timeout,
        denied: None,
    })
}

fn login(raw: &Raw, overrides: &mut BTreeMap<String, Url>) -> Result<Login, CloudError> {
    let has = |key: &str| raw.auth.contains_key(key);
    let method = match raw.auth_type.as_deref() {
        Some("none") => {
            if let Some(endpoint) = raw.auth.get("endpoint") {
                // One address is one service: stand-alone Ironic is the one that runs this way.
                let url = address_of(raw, "endpoint", endpoint)?;
                overrides.entry("baremetal".to_owned()).or_insert(url);
            }
            if overrides.is_empty() {
                return Err(invalid(
                    raw,
                    "auth_type none needs an endpoint (OS_ENDPOINT) or a \
                     baremetal_endpoint_override (OS_BAREMETAL_ENDPOINT_OVERRIDE)",
                ));
            }
            return Ok(Login::None);
        }
        Some("password" | "v3password") => Method::Password,
        Some("token" | "v3token") => Method::Token,
        Some("v3applicationcredential" | "applicationcredential" | "application_credential") => {
            Method::ApplicationCredential
        }
        Some(other) => {
            return Err(invalid(
                raw,
                &format!(
                    "auth_type {other:?} is not known: use v3password, v3token, \
                     v3applicationcredential or none"
                ),
            ));
        }
        None if has("application_credential_id") || has("application_credential_name") => {
            Method::ApplicationCredential
        }
        None if has("token") && !has("password") => Method::Token,
        None => Method::Password,
    };
    let auth_url = raw
        .auth
        .get("auth_url")
        .ok_or_else(|| missing(raw, "auth_url"))?;
    let auth_url = versioned(address_of(raw, "auth_url", auth_url)?);
    let user = || {
        if has("username") || has("user_id") {
            Ok(())
        } else {
            Err(missing(raw, "username"))
        }
    };
    match method {
        Method::Password => {
            user()?;
            if !has("password") {
                return Err(missing(raw, "password"));
            }
        }
        Method::Token if !has("token") => return Err(missing(raw, "token")),
        Method::Token => {}
        Method::ApplicationCredential => {
            if !has("application_credential_secret") {
                return Err(missing(raw, "application_credential_secret"));
            }
            if !has("application_credential_id") {
                user()?;
            }
        }
    }
    let mut values: HashMap<String, SecretString> = raw
        .auth
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretString::from(value.clone())))
        .collect();
    if let Some(domain) = domain(raw, "user") {
        values.extend(domain.id.map(|id| ("user_domain_id".to_owned(), id.into())));
        values.extend(
            domain
                .name
                .map(|name| ("user_domain_name".to_owned(), name.into())),
        );
    }
    // An application credential belongs to a project, and Keystone refuses any other scope.
    let scope = (method != Method::ApplicationCredential)
        .then(|| scope(raw))
        .flatten();
    Ok(Login::Keystone(Box::new(KeystoneLogin {
        auth_url,
        method,
        values,
        scope,
        trust: None,
    })))
}

/// What the token is to be for.
fn scope(raw: &Raw) -> Option<AuthTokenScope> {
    let text = |key: &str| raw.auth.get(key).cloned();
    if let Some(id) = text("project_id") {
        return Some(AuthTokenScope::Project(Project {
            id: Some(id),
            ..Project::default()
        }));
    }
    if let Some(name) = text("project_name") {
        let domain = domain(raw, "project");
        return Some(AuthTokenScope::Project(Project {
            name: Some(name),
            domain,
            id: None,
        }));
    }
    if raw.auth.contains_key("domain_id") || raw.auth.contains_key("domain_name") {
        let domain = Domain {
            id: text("domain_id"),
            name: text("domain_name"),
        };
        return Some(AuthTokenScope::Domain(domain));
    }
    text("system_scope").map(|scope| {
        AuthTokenScope::System(System {
            all: Some(scope == "all"),
        })
    })
}

/// The domain of the user or the project, which `prefix` says. Names are unique in a domain only,
/// so one is always named; `default` is what Keystone sets up.
fn domain(raw: &Raw, prefix: &str) -> Option<Domain> {
    let text = |key: &str| raw.auth.get(format!("{prefix}_{key}").as_str()).cloned();
    let own = Domain {
        id: text("domain_id"),
        name: text("domain_name"),
    };
    if own.id.is_some() || own.name.is_some() {
        return Some(own);
    }
    if text("id").is_some() {
        return None;
    }
    let default = |key: &str| raw.default_domain.get(key).cloned();
    Some(
        match (default("default_domain_id"), default("default_domain_name")) {
            (None, None) => Domain {
                id: Some("default".to_owned()),
                name: None,
            },
            (id, name) => Domain { id, name },
        },
    )
}

/// `url` with the version of the Identity API, and a slash so that more can be joined.
pub(crate) fn versioned(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    let version = if path.ends_with("/v3") { "" } else { "/v3" };
    url.set_path(&format!("{path}{version}/"));
    url
}

/// The address under `what`, without user and password: those would end in messages.
fn address_of(raw: &Raw, what: &str, address: &str) -> Result<Url, CloudError> {
    let mut url = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| invalid(raw, &format!("{what} must be an http or https address")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            raw,
            &format!("{what} must not hold a user or a password"),
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn missing(raw: &Raw, key: &str) -> CloudError {
    invalid(
        raw,
        &format!(
            "{key} is missing: put it under `auth` of the cloud in clouds.yaml, or set OS_{}",
            key.to_ascii_uppercase()
        ),
    )
}

fn invalid(raw: &Raw, reason: &str) -> CloudError {
    CloudError::NoCloud(format!("{}: {reason}", raw.label))
}

/// A scalar as text: a password of digits is a number for YAML.
fn text(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The path that `text` means: below the home folder after `~/`, else below the working folder.
fn expand(text: &str, environment: &Environment) -> PathBuf {
    match (text.strip_prefix("~/"), environment.get("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => environment.folder.join(text),
    }
}
