//! The command line of `ostro workflow`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::Output;

/// Compare definitions.
#[derive(Debug, Subcommand)]
pub(crate) enum Workflow {
    /// Tell whether those who call workflows can go over to a new version of them.
    Diff(WorkflowDiff),
}

/// Tell whether those who call workflows can go over to a new version of them.
///
/// What workflows and ad-hoc actions take and give is compared, by their full names; how they do
/// it is not. The exit status is 1 if a call that was right may be wrong with the new version.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro workflow diff baremetal.yaml new/baremetal.yaml
  ostro workflow diff workbooks-1.0 workbooks --output json")]
pub(crate) struct WorkflowDiff {
    /// The old version: a file, or a folder whose .yaml files all count.
    #[arg(value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) old: PathBuf,
    /// The new version.
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    pub(crate) new: PathBuf,
    /// In which form to print it.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}
