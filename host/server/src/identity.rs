//! Who asks.

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The project that it is made for.
    pub(crate) project: String,
    /// Whether the caller may do what only administrators may.
    pub(crate) is_admin: bool,
}

impl Caller {
    /// The one caller where nobody is asked who they are, as Mistral has it
    /// (`mistral/db/v2/sqlalchemy`, `DEFAULT_PROJECT_ID`).
    pub(crate) fn anybody() -> Self {
        Self {
            project: "<default-project>".to_owned(),
            is_admin: false,
        }
    }

    /// A project's own caller, for what happens in its name.
    pub(crate) fn of(project: &str) -> Self {
        Self {
            project: project.to_owned(),
            is_admin: false,
        }
    }

    /// Whether rows of `project` with this scope are seen.
    pub(crate) fn sees(&self, project: &str, scope: Scope) -> bool {
        self.project == project || scope == Scope::Public
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
