//! `auth`, `policy_file` and `token_cache`: who callers are, and who may do what.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use ostro_openstack::Session;
use ostro_server::{Auth, KeystoneSettings, Policy};

use super::reader::Section;
use crate::args::{AuthKind, Serve, Sources};
use crate::errors::{WithHint as _, hinted};

/// Who callers are, and who may do what.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IdentityConfig {
    /// Whether they are asked.
    pub(crate) is_asked: bool,
    policy_file: Option<PathBuf>,
    /// How long an answer of Keystone's counts.
    token_cache: Duration,
}

pub(super) fn read(section: &mut Section<'_>, args: &Serve) -> IdentityConfig {
    let given = section.parsed::<String>("auth");
    let is_asked = match (args.auth, given) {
        (Some(kind), _) => kind == AuthKind::Keystone,
        (None, None) => false,
        (None, Some((text, at))) => match text.as_str() {
            "none" => false,
            "keystone" => true,
            _ => {
                let message = format!("`auth`: {text:?} is neither none nor keystone");
                section.mistake(&at, message, None);
                false
            }
        },
    };
    let file = section.existing("policy_file");
    let flag = args.policy_file.clone();
    let file = flag.map(|path| (path, "--policy-file".to_owned())).or(file);
    if let Some((path, at)) = &file
        && let Err(error) = Policy::load(path)
    {
        section.mistake(at, error.to_string(), None);
    }
    let mut token_cache = KeystoneSettings::REMEMBER;
    section.time("token_cache", &mut token_cache);
    IdentityConfig {
        is_asked,
        policy_file: file.map(|(path, _)| path),
        token_cache,
    }
}

impl IdentityConfig {
    /// Whether callers are asked as before.
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        (self.is_asked, self.token_cache) == (other.is_asked, other.token_cache)
    }

    /// The same, with the policy of `newer`.
    pub(crate) fn with_policy_of(self, newer: Self) -> Self {
        Self {
            policy_file: newer.policy_file,
            ..self
        }
    }

    /// How callers are asked: by the Keystone of the cloud that `sources` name.
    pub(crate) fn auth(&self, sources: &Sources) -> Result<Auth> {
        if !self.is_asked {
            return Ok(Auth::None);
        }
        let session = Session::open(sources.cloud.as_deref())
            .hint(|| "--cloud takes a name from clouds.yaml".to_owned())?;
        if session.auth_url().is_none() {
            return Err(hinted(
                anyhow!(
                    "callers are to be asked for a token of Keystone, and there is no Keystone"
                ),
                "--cloud takes a name from clouds.yaml, or OS_AUTH_URL and the other OS_* variables \
                 say where it is, and the server's own account there",
            ));
        }
        Ok(Auth::Keystone(KeystoneSettings {
            remember: self.token_cache,
            ..KeystoneSettings::new(session)
        }))
    }

    /// Mistral's rules, and over them those of the file.
    pub(crate) fn policy(&self) -> Result<Policy> {
        Ok(match &self.policy_file {
            None => Policy::default(),
            Some(file) => Policy::load(file)?,
        })
    }
}
