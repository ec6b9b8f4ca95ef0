//! The command line of `ostro validation`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{Inputs, Output, Sources, State};

/// Run validations, and find out which there are.
///
/// A validation is a function of a pack that gives a verdict. It only ever reads.
#[derive(Debug, Subcommand)]
pub(crate) enum Validation {
    /// List the validations of packs.
    List {
        #[command(flatten)]
        packs: Packs,
        /// Only those of this group; repeat it for more groups.
        #[arg(short, long = "group", value_name = "NAME")]
        groups: Vec<String>,
        /// In which form to print them.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Show what a validation finds out, and what it takes.
    Show {
        /// The validation: its full name, or the last part of it.
        name: String,
        #[command(flatten)]
        packs: Packs,
        /// In which form to print it.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Run validations in parallel, and tell what they found.
    Run(Box<ValidationRun>),
    /// List the runs that are kept, the newest first; or show one again.
    History {
        /// The run to show: its id, which may be cut short.
        id: Option<String>,
        #[command(flatten)]
        state: State,
        /// In which form to print it.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

/// Where validations come from.
#[derive(Debug, Args)]
pub(crate) struct Packs {
    /// A pack beside those that are active: its folder, or the file that `ostro pack build` made.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) pack: Vec<PathBuf>,
    /// Leave out the packs that are installed and active.
    #[arg(long = "no-packs")]
    pub(crate) without_active: bool,
    #[command(flatten)]
    pub(crate) state: State,
}

/// Run validations in parallel, and tell what they found.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro validation run --pack plugins/tripleo --cloud admin
  ostro validation run --pack plugins/tripleo --group pre-deployment --junit validations.xml
  ostro validation run node-health --pack plugins/tripleo -i 'nodes=[\"node-1\"]' --output json

Exit status: 0 if all passed or were skipped, 1 if one failed, 3 if none failed and one could not \
be made (ERROR), 2 for wrong usage, when nothing is run, 130 after Ctrl-C.")]
pub(crate) struct ValidationRun {
    /// The validations: full names, or the last part of them. Without names and groups, all of
    /// the packs.
    pub(crate) names: Vec<String>,
    /// Run the validations of this group, too; repeat it for more groups.
    #[arg(short, long = "group", value_name = "NAME")]
    pub(crate) groups: Vec<String>,
    /// The plan: what validations get that take a `plan` or a `container`.
    #[arg(long, value_name = "NAME")]
    pub(crate) plan: Option<String>,
    /// Each input goes to those validations that take it.
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// How many validations run at the same time.
    #[arg(short, long, value_name = "COUNT", default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(crate) jobs: u16,
    /// In which form to print the result.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
    /// Write the result to FILE as JUnit's XML, too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
    /// Write the result to FILE as a page for people, too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: State,
    /// Keep the newest runs, this many; 0 keeps all.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) keep: usize,
    /// Do not keep this run.
    #[arg(long, conflicts_with = "keep")]
    pub(crate) ephemeral: bool,
}
