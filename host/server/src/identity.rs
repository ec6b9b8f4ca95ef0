//! Who asks.

mod keystone;
mod tokens;

use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use secrecy::SecretString;

use self::keystone::Keystone;
pub use self::keystone::KeystoneSettings;
pub(crate) use self::keystone::Refusal;
use crate::policy::{Credential, Policy};
use crate::zaqar::Authenticate;

/// How callers say who they are.
#[derive(Debug, Default)]
pub enum Auth {
    /// Not at all: all are one caller of one project, who is no administrator. Whoever reaches the
    /// server may do what it can, so that only its own machine should.
    #[default]
    None,
    /// By a token of Keystone in `X-Auth-Token`, for a project.
    Keystone(KeystoneSettings),
}

/// Who may do what, and how it is known who asks.
#[derive(Clone, Default)]
pub(crate) struct Identity {
    keystone: Option<Arc<Keystone>>,
    policy: Arc<RwLock<Arc<Policy>>>,
}

impl Identity {
    pub(crate) fn set_auth(&mut self, auth: Auth) {
        self.keystone = match auth {
            Auth::None => None,
            Auth::Keystone(settings) => Some(Arc::new(Keystone::new(settings))),
        };
    }

    /// The rules that hold now.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        let policy = self.policy.read();
        Arc::clone(&policy.unwrap_or_else(PoisonError::into_inner))
    }

    /// Has these rules hold from now on. What is under way goes by those before.
    pub(crate) fn set_policy(&self, policy: Policy) {
        let mut held = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(policy);
    }

    /// Whether callers are asked who they are.
    pub(crate) fn asks(&self) -> bool {
        self.keystone.is_some()
    }

    /// What knows the tokens that are sent over websockets; none where nobody is asked.
    pub(crate) fn of_tokens(&self) -> Option<Arc<dyn Authenticate>> {
        let keystone = Arc::clone(self.keystone.as_ref()?);
        Some(keystone)
    }

    /// Who sends a request with these headers, at `now` in milliseconds since 1970 UTC.
    pub(crate) async fn caller(&self, headers: &HeaderMap, now: i64) -> Result<Caller, Refusal> {
        let Some(keystone) = &self.keystone else {
            return Ok(Caller::anybody());
        };
        let user = keystone.user(headers, now).await?;
        let Some(project) = user.project.clone() else {
            return Err(Refusal::NoProject(user));
        };
        let mut caller = Caller {
            project,
            // Mistral's own measure, which the rule then may follow (`mistral/context.py`).
            is_admin: user.roles.iter().any(|role| role == "admin"),
            user: Some(user),
        };
        caller.is_admin = self.policy().allows("admin_only", &caller);
        Ok(caller)
    }
}

/// Whose request it is.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The project that it is made for.
    pub(crate) project: String,
    /// Whether the caller may do what only administrators may.
    pub(crate) is_admin: bool,
    /// Who it is; none where nobody is asked, and for what happens in a project's name.
    pub(crate) user: Option<Arc<User>>,
}

/// Whose token it is.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    /// The domain of the user.
    pub(crate) domain: String,
    /// The project that the token is for; none for one without, or for a domain or the system.
    pub(crate) project: Option<String>,
    pub(crate) project_domain: Option<String>,
    /// The names of their roles in the project.
    pub(crate) roles: Vec<String>,
    /// Whether the project is the one of administrators, where the cloud has one.
    pub(crate) is_admin_project: bool,
    /// The token itself, to act for the user with.
    pub(crate) token: SecretString,
    /// When it ends, in milliseconds since 1970 UTC.
    pub(crate) expires: i64,
}

impl Caller {
    /// The one caller where nobody is asked who they are, as Mistral has it
    /// (`mistral/db/v2/sqlalchemy`, `DEFAULT_PROJECT_ID`).
    pub(crate) fn anybody() -> Self {
        Self::of("<default-project>")
    }

    /// Whoever asks what is told to everybody. No project has this name.
    pub(crate) fn stranger() -> Self {
        Self::of("")
    }

    /// A project's own caller, for what happens in its name.
    pub(crate) fn of(project: &str) -> Self {
        Self {
            project: project.to_owned(),
            is_admin: false,
            user: None,
        }
    }

    /// Whether rows of `project` with this scope are seen.
    pub(crate) fn sees(&self, project: &str, scope: Scope) -> bool {
        self.project == project || scope == Scope::Public
    }

    /// What policies ask of callers. None where it is not known.
    pub(crate) fn credential(&self, credential: Credential) -> Vec<&str> {
        let user = self.user.as_deref();
        let truth = |is: bool| vec![if is { "True" } else { "False" }];
        match credential {
            Credential::IsAdmin => truth(self.is_admin),
            Credential::IsAdminProject => truth(user.is_none_or(|user| user.is_admin_project)),
            Credential::Project => vec![&self.project],
            Credential::ProjectDomain => user
                .and_then(|user| user.project_domain.as_deref())
                .into_iter()
                .collect(),
            Credential::Roles => {
                let roles = user.into_iter().flat_map(|user| &user.roles);
                roles.map(String::as_str).collect()
            }
            Credential::SystemOrDomain => Vec::new(),
            Credential::User => user.map(|user| user.id.as_str()).into_iter().collect(),
            Credential::UserDomain => user.map(|user| user.domain.as_str()).into_iter().collect(),
        }
    }
}

/// Who sees a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Its project.
    #[default]
    Private,
    /// Everybody.
    Public,
}

impl Scope {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}
