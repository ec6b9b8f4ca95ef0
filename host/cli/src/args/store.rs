//! The command line of installed packs.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{Asking, Output, State};

/// Where packs are installed, and how is told what came of a command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) state: State,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// In which form to print what came of it.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// Install a pack: fetch it, check it, and keep it for executions to come.
///
/// It has to be signed with a key that is trusted, and what it asks to be granted is shown and
/// has to be accepted. Nothing uses it before it is active.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro pack install registry.example/ops/acme:1.4.0 --activate
  ostro pack install registry.example/ops/acme            # the newest version
  ostro pack install acme-1.4.0.ostro                     # its signature is acme-1.4.0.ostro.minisig
  ostro pack install acme --allow-unsigned                # a folder that is built
  ostro pack install oci://localhost:5000/acme:1.4.0 --accept-grants acme.grants.yaml \
--digest sha256:9f86…

What goes wrong leaves all as it was.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Install {
    /// A file that `ostro pack build` made, a pack's folder, or HOST/REPO[:TAG][@sha256:…] in an
    /// OCI registry; `oci://` before it where it could be a file.
    #[arg(value_name = "REF-or-FILE-or-DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) source: String,
    /// Activate it, too: the same as `ostro pack activate` afterwards.
    #[arg(long)]
    pub(crate) activate: bool,
    /// Do not ask: FILE says what the pack is granted, as pack.yaml has it under `grants`. A pack
    /// that asks for more is not installed.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) accept_grants: Option<PathBuf>,
    /// Install it though it is not signed with a key that is trusted.
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
    /// Install it only if it has this digest: the pack's, or in a registry its manifest's.
    #[arg(long, value_name = "sha256:…")]
    pub(crate) digest: Option<String>,
    /// Install it though its reference or its version had another digest before.
    #[arg(long)]
    pub(crate) update: bool,
    /// Ask the registry without TLS. One on this machine always is.
    #[arg(long)]
    pub(crate) plain_http: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Have new executions get a version, in place of the active one with the same major number.
///
/// Running executions stay with the version that they began with. What changes is shown first; a
/// version that breaks what the active one had, or one of the workflows, is not activated.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro pack activate acme                                # the newest that is installed
  ostro pack activate acme@1 -f workflows/racks.yaml      # the newest of 1, if this stays right
  ostro pack activate acme@1.4.0

Versions with different major numbers are active side by side. Executions get the highest one,
or that which a tag of their workflow asks for, as in `tags: [\"pack:acme@1\"]`.
The workflows that active packs bring are looked at as those of -f are.")]
pub(crate) struct Activate {
    /// The pack, and which version: all of it, its first numbers, or a digest; else the newest.
    #[arg(value_name = "NAME[@VERSION]")]
    pub(crate) pack: String,
    /// Workflows that must not break.
    #[arg(short, long = "file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Activate it whatever breaks.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// A pack whose active versions are to change.
#[derive(Debug, Args)]
pub(crate) struct Switch {
    /// The pack.
    #[arg(value_name = "NAME")]
    pub(crate) pack: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// A pack, or with NAME@MAJOR a major number of one, that new executions are to get no longer.
#[derive(Debug, Args)]
pub(crate) struct Deactivate {
    #[command(flatten)]
    pub(crate) switch: Switch,
    /// With --url: deactivate it whatever the server's workflows call.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Say what an installed version is granted, in place of what it was.
///
/// It has to be all that the pack asks for. Executions that are started afterwards get it.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  ostro pack grant acme@1.4.0 acme.grants.yaml")]
pub(crate) struct Grant {
    /// The pack and the version.
    #[arg(value_name = "NAME@VERSION")]
    pub(crate) pack: String,
    /// The file with what it is granted, as pack.yaml has it under `grants`.
    #[arg(value_name = "GRANTS", value_hint = ValueHint::FilePath)]
    pub(crate) grants: PathBuf,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// A version to remove.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The pack and the version.
    #[arg(value_name = "NAME@VERSION")]
    pub(crate) pack: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Delete all versions that nothing needs.
///
/// What is active stays, what a rollback would bring back, and what an execution needs that has
/// not ended. Versions that took their turn go by themselves as soon as nothing needs them; this
/// deletes those, too, that never were active.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Only say what would be deleted.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Push a pack to an OCI registry, with its signature if there is one.
///
/// A version that is there already with other contents is not pushed, nor one that breaks what
/// the newest version before it has, unless its number says so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro pack build acme
  minisign -S -m acme/build/acme-1.4.0.ostro
  ostro pack publish acme registry.example/ops/acme

It is tagged with its version; a TAG that is given, as `stable`, moves to it.
`oras pull HOST/REPO:VERSION` gives the pack's folder, and
`wkg oci pull HOST/REPO:COMPONENT-VERSION` one of its components.
Log in with `docker login`, `podman login` or `oras login`.")]
pub(crate) struct Publish {
    /// The pack: its folder, built, or the file that `ostro pack build` made.
    #[arg(value_name = "DIR-or-FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) pack: PathBuf,
    /// Where to: HOST/REPO[:TAG].
    #[arg(value_name = "REF")]
    pub(crate) reference: String,
    /// Push it whatever is there, and whatever it breaks.
    #[arg(long)]
    pub(crate) force: bool,
    /// Talk to the registry without TLS. With one on this machine that is always so.
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// In which form to print what was pushed.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// Say whose signatures on packs count: minisign's public keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Trust a key: what it signed can be installed.
    Add {
        /// The file of the public key that `minisign -G` made, or the line of base64 in it.
        #[arg(value_name = "KEY", value_hint = ValueHint::FilePath)]
        key: String,
        #[command(flatten)]
        state: State,
    },
    /// List the keys that are trusted.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Trust a key no longer. What it signed stays installed.
    Remove {
        /// Its id, which may be cut short, or its file.
        #[arg(value_name = "ID-or-KEY", value_hint = ValueHint::FilePath)]
        key: String,
        #[command(flatten)]
        state: State,
    },
}

/// Which packs are installed.
#[derive(Debug, Args)]
pub(crate) struct Listed {
    /// Only this one.
    pub(crate) pack: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}
