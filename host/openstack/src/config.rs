//! Which cloud to talk to, and as whom: from `clouds.yaml` or from `OS_*` variables.
//!
//! The lookup is that of python-openstacksdk
//! (<https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html>):
//! `clouds.yaml`, `clouds-public.yaml` for vendor profiles and `secure.yaml`, each from the
//! working folder, the user's configuration folder or `/etc/openstack`, whichever has it first.

mod build;
mod file;

pub(crate) use build::versioned;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use openstack_sdk_auth_core::{AuthTokenScope, ServiceEndpoints};
use ostro_egress::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::CloudError;

/// What a configuration is looked up in: variables and the folder that relative paths start at.
#[derive(Clone, Default)]
pub struct Environment {
    /// `OS_CLOUD`, `OS_AUTH_URL`, `HOME` and the like.
    pub variables: BTreeMap<String, String>,
    /// The working folder.
    pub folder: PathBuf,
    /// The folder for all users, `/etc/openstack` on a real machine; none to leave it out.
    pub system_folder: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            folder: std::env::current_dir().unwrap_or_default(),
            system_folder: Some("/etc/openstack".into()),
        }
    }

    /// The variable called `name`; an empty one counts as not set.
    fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

/// Variables hold passwords: none is shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// One cloud, and the credentials for it.
#[derive(Clone)]
pub struct CloudConfig {
    /// What messages call it: `cloud "admin"`, or `the OS_* environment`.
    pub(crate) label: String,
    pub(crate) login: Login,
    /// The region, where the catalogue has several.
    pub(crate) region: Option<String>,
    /// Which of a service's endpoints: `public`, `internal` or `admin`.
    pub(crate) interface: String,
    /// Addresses that replace the catalogue's, by service type with underscores.
    pub(crate) overrides: BTreeMap<String, Url>,
    /// Certificates to trust beside the system's, as a PEM file.
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether certificates are checked at all.
    pub(crate) verify: bool,
    /// How long a request may take, where the cloud's entry says so.
    pub(crate) api_timeout: Option<Duration>,
    /// Networks that requests may not go to, where who names the cloud is not the operator; none
    /// where it is.
    pub(crate) denied: Option<Vec<IpNet>>,
}

/// How to become someone.
#[derive(Clone)]
pub(crate) enum Login {
    /// No Keystone: stand-alone services, reached at their `*_endpoint_override`.
    None,
    /// Keystone, by password, token or application credential.
    Keystone(Box<KeystoneLogin>),
    /// A token that somebody gave. Nobody can renew it.
    Given(Box<GivenToken>),
}

/// A token that somebody gave.
#[derive(Clone)]
pub(crate) struct GivenToken {
    /// As [`KeystoneLogin::auth_url`].
    pub(crate) auth_url: Url,
    pub(crate) token: SecretString,
    /// The services, where they came with the token; Keystone is asked for them otherwise.
    pub(crate) catalogue: Option<Vec<ServiceEndpoints>>,
    /// What is said beside once the token is of no use any more.
    pub(crate) then: String,
}

/// What Keystone is to be shown.
#[derive(Clone)]
pub(crate) struct KeystoneLogin {
    /// Keystone's address, without user and password, with the version and a last slash.
    pub(crate) auth_url: Url,
    pub(crate) method: Method,
    /// What the method takes, by its names.
    pub(crate) values: HashMap<String, SecretString>,
    /// What the token is for; Keystone chooses without it.
    pub(crate) scope: Option<AuthTokenScope>,
    /// The trust that the token is for, in the place of a scope.
    pub(crate) trust: Option<String>,
}

/// The kind of what is shown to Keystone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Password,
    Token,
    ApplicationCredential,
}

impl CloudConfig {
    /// The configuration of the cloud called `name`, or of the one that `environment` means:
    /// `OS_CLOUD`, else `OS_AUTH_URL` and the like, else the only cloud of `clouds.yaml`.
    ///
    /// Errors are [`CloudError::NoCloud`] and say where was looked and what to do.
    pub fn load(name: Option<&str>, environment: &Environment) -> Result<Self, CloudError> {
        if let Some(name) = name.or_else(|| environment.get("OS_CLOUD")) {
            return build::from_entry(name, &file::find(name, environment)?, environment);
        }
        if ["OS_AUTH_URL", "OS_AUTH_TYPE", "OS_ENDPOINT"]
            .iter()
            .any(|variable| environment.get(variable).is_some())
        {
            return build::from_variables(environment);
        }
        let (name, entry) = file::only(environment)?;
        build::from_entry(&name, &entry, environment)
    }

    /// What messages call it: `cloud "admin"`, or `the OS_* environment`.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// Without credentials.
impl fmt::Debug for CloudConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auth_url = match &self.login {
            Login::None => "none",
            Login::Keystone(login) => login.auth_url.as_str(),
            Login::Given(given) => given.auth_url.as_str(),
        };
        f.debug_struct("CloudConfig")
            .field("label", &self.label)
            .field("auth_url", &auth_url)
            .field("region", &self.region)
            .field("interface", &self.interface)
            .finish_non_exhaustive()
    }
}
