//! What a rule is after it was read, and whether somebody passes it.

use crate::identity::Caller;

/// A rule's expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// `@`, and nothing at all.
    Always,
    /// `!`.
    Never,
    /// `rule:name`.
    Rule(String),
    /// `role:name`, in whatever case.
    Role(Pattern),
    /// `credential:pattern`.
    Credential(Credential, Pattern),
    /// `'text':pattern`.
    Literal(String, Pattern),
    Not(Box<Check>),
    All(Vec<Check>),
    Any(Vec<Check>),
}

/// What is known of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    IsAdmin,
    IsAdminProject,
    ProjectDomain,
    Project,
    Roles,
    /// What only tokens of other kinds have, which are not taken.
    SystemOrDomain,
    UserDomain,
    User,
}

/// A text in which `%(name)s` stands for something of what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(pub(super) Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The project of what is asked for: the caller's own.
    Project,
    /// The user whose it is: the caller.
    User,
}

/// The names by which files know credentials, those of oslo.context
/// (`RequestContext.to_policy_values`), with two that were in use before.
pub(super) const CREDENTIALS: [(&str, Credential); 12] = [
    ("domain_id", Credential::SystemOrDomain),
    ("is_admin", Credential::IsAdmin),
    ("is_admin_project", Credential::IsAdminProject),
    ("project_domain_id", Credential::ProjectDomain),
    ("project_id", Credential::Project),
    ("roles", Credential::Roles),
    ("system_scope", Credential::SystemOrDomain),
    ("tenant", Credential::Project),
    ("tenant_id", Credential::Project),
    ("user", Credential::User),
    ("user_domain_id", Credential::UserDomain),
    ("user_id", Credential::User),
];

impl Check {
    /// Whether `caller` passes; `rule` says whether they pass another rule.
    pub(super) fn passes(&self, caller: &Caller, rule: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Rule(name) => rule(name),
            Self::Role(wanted) => wanted.of(caller).is_some_and(|wanted| {
                let wanted = wanted.to_lowercase();
                let mut roles = caller.credential(Credential::Roles).into_iter();
                roles.any(|role| role.to_lowercase() == wanted)
            }),
            Self::Credential(credential, wanted) => {
                let wanted = wanted.of(caller);
                wanted.is_some_and(|wanted| caller.credential(*credential).contains(&&*wanted))
            }
            Self::Literal(text, wanted) => wanted.of(caller).as_ref() == Some(text),
            Self::Not(check) => !check.passes(caller, rule),
            Self::All(checks) => checks.iter().all(|check| check.passes(caller, rule)),
            Self::Any(checks) => checks.iter().any(|check| check.passes(caller, rule)),
        }
    }

    /// The other rules that it asks for.
    pub(super) fn referred(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Rule(name) => Box::new(std::iter::once(name.as_str())),
            Self::Not(check) => check.referred(),
            Self::All(checks) | Self::Any(checks) => {
                Box::new(checks.iter().flat_map(Self::referred))
            }
            _ => Box::new(std::iter::empty()),
        }
    }
}

impl Pattern {
    /// The text for what is `caller`'s own; none where something of it is not known.
    fn of(&self, caller: &Caller) -> Option<String> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Project => caller.credential(Credential::Project).first().copied(),
            Piece::User => caller.credential(Credential::User).first().copied(),
        });
        pieces.collect()
    }
}
