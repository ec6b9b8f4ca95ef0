//! What the server has to know of installed packs.

use std::collections::HashSet;
use std::sync::Arc;

use ostro_lang::Definitions;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

/// The policy rules of `/v2/packs`, each with its default in the form of oslo.policy.
///
/// | rule | lets |
/// |---|---|
/// | `packs:list`, `packs:get` | see what is installed |
/// | `packs:diff` | compare two installed versions |
/// | `packs:install`, `packs:grants` | install a version, and say what it is granted |
/// | `packs:activate`, `packs:rollback` | say what new executions get |
/// | `packs:delete` | take a version away |
pub const PACK_RULES: [(&str, &str); 8] = [
    ("packs:activate", "rule:admin_only"),
    ("packs:delete", "rule:admin_only"),
    ("packs:diff", "rule:admin_or_owner"),
    ("packs:get", "rule:admin_or_owner"),
    ("packs:grants", "rule:admin_only"),
    ("packs:install", "rule:admin_only"),
    ("packs:list", "rule:admin_or_owner"),
    ("packs:rollback", "rule:admin_only"),
];

/// How many packs are taken in at a time; more are refused for the moment.
const MOST_INSTALLATIONS: usize = 2;

/// What there is below `/v2/packs`, and what callers may ask for there.
#[derive(Clone)]
pub struct PacksSettings {
    /// The installed packs; without any, requests are answered with 501.
    pub packs: Option<Arc<dyn Packs>>,
    /// How large a pack may be that a caller sends, in bytes.
    pub max_size: usize,
    /// Whether callers may name files and folders of this machine as sources.
    pub from_paths: bool,
    /// Whether callers may have packs installed that no trusted key has signed.
    pub unsigned: bool,
}

impl Default for PacksSettings {
    fn default() -> Self {
        Self {
            packs: None,
            max_size: 64 << 20,
            from_paths: false,
            unsigned: false,
        }
    }
}

/// The settings, and who is at work.
pub(crate) struct Installing {
    pub(crate) settings: PacksSettings,
    pub(crate) slots: Semaphore,
}

impl From<PacksSettings> for Installing {
    fn from(settings: PacksSettings) -> Self {
        Self {
            settings,
            slots: Semaphore::new(MOST_INSTALLATIONS),
        }
    }
}

/// A version of a pack, as a caller names it: by its number, the first numbers of it, or its
/// digest, which may be cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackVersion {
    /// The pack.
    pub name: String,
    /// Which version of it.
    pub version: String,
}

/// Where a pack comes from that is to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackSource {
    /// From the caller.
    Sent {
        /// The artifact that `ostro pack build` made.
        artifact: Vec<u8>,
        /// Its signature, as minisign writes it.
        signature: Option<String>,
    },
    /// From where `ostro pack install` would take it.
    Named {
        /// `oci://HOST/REPO[:TAG][@sha256:…]`, or a path of this machine.
        source: String,
        /// Whether the registry is asked without TLS.
        plain_http: bool,
    },
}

/// A pack that is to be installed.
#[derive(Clone, Debug, PartialEq)]
pub struct Installation {
    /// Where it comes from.
    pub source: PackSource,
    /// The digest that it has to have.
    pub digest: Option<String>,
    /// What it is granted, as pack.yaml has it under `grants`.
    pub accept_grants: Option<Value>,
    /// Whether it is installed though no trusted key signed it.
    pub allow_unsigned: bool,
    /// Whether it takes the place of what had its version or its reference.
    pub update: bool,
}

/// What a project has defined, which must not break.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The project.
    pub project: String,
    /// All that its executions see.
    pub definitions: Arc<Definitions>,
    /// The names of the texts that are its own; what others share is theirs.
    pub own: HashSet<String>,
}

/// Why something was not done with a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct PackRefusal {
    /// Of what kind the reason is.
    pub kind: PackRefusalKind,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// What was found, for programs: what would break, or what is asked for.
    pub review: Option<Value>,
}

/// Of what kind the reason is for which something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackRefusalKind {
    /// There is no such pack or version.
    Unknown,
    /// What was sent or named is wrong in itself.
    Invalid,
    /// It cannot be done as things stand.
    Conflict,
    /// A registry, a disk or a file is to blame.
    Unavailable,
}

/// Why new executions do not get what is recorded as active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackProblem {
    /// What is wrong.
    pub message: String,
    /// Since when, in milliseconds since 1970 UTC.
    pub since: i64,
}

/// The installed packs of a host. All of it may block, but for [`Packs::problem`] and
/// [`Packs::swaps`].
///
/// Versions are described by the same JSON as `ostro pack … --output json` prints.
pub trait Packs: Send + Sync {
    /// All installed versions, by name, the newest first.
    fn list(&self) -> Result<Vec<Value>, PackRefusal>;

    /// A version with its actions, what it asks for and what it is granted.
    fn show(&self, which: &PackVersion) -> Result<Value, PackRefusal>;

    /// Installs a version. Whether it is new, and what is known of it.
    fn install(&self, installation: Installation) -> Result<(bool, Value), PackRefusal>;

    /// What activating a version changes and breaks, in place of what is active, or of the version
    /// `against`.
    fn diff(
        &self,
        which: &PackVersion,
        against: Option<&str>,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal>;

    /// Has new executions get a version. What breaks something is refused, unless `force`.
    fn activate(
        &self,
        which: &PackVersion,
        force: bool,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal>;

    /// Has new executions get no version of its major number. As [`Packs::activate`].
    fn deactivate(
        &self,
        which: &PackVersion,
        force: bool,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal>;

    /// Has new executions get again what was active before the last change of a pack. What is
    /// active then.
    fn roll_back(&self, name: &str) -> Result<Value, PackRefusal>;

    /// Says what an installed version is granted, as pack.yaml has it under `grants`.
    fn grant(&self, which: &PackVersion, grants: Value) -> Result<Value, PackRefusal>;

    /// Takes a version away that is neither active nor needed.
    fn remove(&self, which: &PackVersion) -> Result<(), PackRefusal>;

    /// Why new executions do not get what is recorded as active, if they do not.
    fn problem(&self) -> Option<PackProblem>;

    /// A number that grows each time that new executions get other versions.
    fn swaps(&self) -> watch::Receiver<u64>;
}
