//! The project's own chores, run as `cargo xtask CHORE`.
//!
//! | chore | what it does |
//! |---|---|
//! | `cloud` | an OpenStack on loopback for demo and tests (`tests/cloud`) |
//! | `packs` | builds every pack of `plugins/` |
//! | `demo` | takes three nodes from a file to `available`, on a real Ironic |
//! | `test` | everything that must pass before a change is merged |

mod cloud;
mod demo;
mod packs;
mod project;
mod suite;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cloud::Cloud;
use crate::project::Project;

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run a small real OpenStack on loopback: `cloud up|env|status|down [--purge] [SERVICE]...`
    #[command(disable_help_flag = true)]
    Cloud {
        /// What tests/cloud/cloud understands; without any, it explains itself.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build every pack in plugins/ with `ostro pack build`
    Packs,
    /// Register, introspect and provide three nodes on a real Ironic with `ostro run`
    Demo,
    /// Run all checks and tests, including those against real OpenStack services
    Test,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<ExitCode> {
    let project = Project::find()?;
    match chore {
        Chore::Cloud { arguments } => return Cloud::new(&project)?.pass_through(&arguments),
        Chore::Packs => packs::build(&project, &packs::binary(&project)?)?,
        Chore::Demo => demo::run(&project)?,
        Chore::Test => return suite::run(&project),
    }
    Ok(ExitCode::SUCCESS)
}
