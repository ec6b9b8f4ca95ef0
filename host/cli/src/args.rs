//! The command line.

mod packs;
mod serve;
mod store;
mod validation;
mod workflow;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use ostro_openstack::ServiceLimit;

pub(crate) use packs::{Action, Complete, Dev, Expect, Lang, Pack, PackDiffArgs, Record, Replay};
pub(crate) use serve::{Address, Age, AuthKind, Expiration, LogFormat, Queues, Serve};
pub(crate) use store::{
    Activate, Deactivate, Grant, Install, Listed, Prune, Publish, Remove, Switch, Trust,
};
pub(crate) use validation::{Packs, Validation, ValidationRun};
pub(crate) use workflow::{Workflow, WorkflowDiff};

/// Ostro runs Mistral workflows whose custom actions are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(
    name = "ostro",
    bin_name = "ostro",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  Run a workflow and watch it
    ostro run workflows/baremetal.yaml enroll --input @instackenv.json --pack plugins/tripleo
  See what a pack can do, and what it asks for
    ostro pack inspect plugins/tripleo
  Try one action
    ostro action run ironic.node_list --cloud admin

Exit status: 0 for success, 1 for a workflow or action that failed, 2 for wrong usage or a \
wrong definition, 3 for validations that could not be made, 130 after Ctrl-C."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Tell on standard error what happens inside; twice tells more.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// When to use colours; NO_COLOR counts too.
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        global = true
    )]
    pub(crate) color: When,
    /// Have a server carry out `run`, `execution`, `action` and what is done with installed packs:
    /// its address, as http://127.0.0.1:8989, or `cloud` for the one in the cloud's catalogue.
    /// The cloud is that of --cloud, OS_CLOUD or the OS_* variables; it says who asks, too, where
    /// the server wants to know.
    #[arg(long, value_name = "URL", env = "OSTRO_URL", global = true, value_hint = ValueHint::Url)]
    pub(crate) url: Option<String>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// In which form a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One JSON value on standard output.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workflow and wait for its end.
    Run(Run),
    /// Find what is wrong with definitions, all of it, without running them.
    Lint(Lint),
    /// Explain a code that `lint` and `run` show, as E0601; without one, list all codes.
    Explain {
        /// The code.
        code: Option<String>,
    },
    /// Evaluate a YAQL or Jinja2 template, and show what each part of it gives.
    Eval(Eval),
    /// Put definitions in order: indentation, blank lines, spaces in expressions.
    Fmt(Fmt),
    /// Compare versions of workflows.
    #[command(subcommand, arg_required_else_help = true)]
    Workflow(Workflow),
    /// Start packs, build, publish, install and activate them.
    #[command(subcommand, arg_required_else_help = true)]
    Pack(Pack),
    /// Look at executions that are kept, and have them go on, pause, run again or end.
    #[command(subcommand, arg_required_else_help = true)]
    Execution(Execution),
    /// Serve Mistral's API v2: workflows are defined, started and watched from elsewhere.
    Serve(Serve),
    /// Check that what is kept is whole, and that all of it will come to its end.
    Doctor(Doctor),
    /// Copy what is kept of executions, also while they run, and take it back.
    #[command(subcommand, arg_required_else_help = true)]
    Backup(Backup),
    /// Run single actions, and find out which there are.
    #[command(subcommand, arg_required_else_help = true)]
    Action(Action),
    /// Run validations, and find out which there are.
    #[command(subcommand, arg_required_else_help = true)]
    Validation(Validation),
}

/// Where actions come from, beside those that are built in.
#[derive(Clone, Debug, PartialEq, Args)]
pub(crate) struct Sources {
    /// A pack whose actions are needed: its folder, or the file that `ostro pack build` made.
    /// It is granted what its pack.yaml asks for, unless --grants says otherwise, and takes the
    /// place of an installed one with its name.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) pack: Vec<PathBuf>,
    /// What packs of --pack are granted, in place of what they ask for: the YAML that pack.yaml has under
    /// `grants`.
    #[arg(long, value_name = "FILE", requires = "pack", value_hint = ValueHint::FilePath)]
    pub(crate) grants: Option<PathBuf>,
    /// Leave out the packs that are installed and active.
    #[arg(long)]
    pub(crate) no_packs: bool,
    /// The values of the secrets that packs are granted: a YAML file of names and values that only
    /// you can read, or a folder with a file for each. OSTRO_SECRET_NAME gives one, too, and
    /// systemd's credentials do.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) secrets: Option<PathBuf>,
    /// The cloud of clouds.yaml to talk to. Without it OS_CLOUD or the other OS_* variables say
    /// which, else the only cloud of clouds.yaml.
    #[arg(long, value_name = "NAME")]
    pub(crate) cloud: Option<String>,
    /// A network that std.http may not reach, as 10.0.0.0/8; `none` for none. Without it these
    /// are Mistral's: this machine and the link.
    #[arg(long, value_name = "CIDR")]
    pub(crate) http_deny: Vec<String>,
    /// How many requests a service may have to answer at a time, as baremetal=20; those beyond
    /// wait their turn.
    #[arg(long, value_name = "SERVICE=N")]
    pub(crate) limit: Vec<ServiceLimit>,
    /// Let the `proxy_command` of std.ssh_proxied run commands on this machine.
    #[arg(long)]
    pub(crate) ssh_proxy_commands: bool,
}

/// What to give as input.
#[derive(Debug, Args)]
pub(crate) struct Inputs {
    /// One input. VALUE is JSON where it reads as JSON, else text; @FILE reads a JSON or YAML
    /// file, and @FILE#/POINTER a part of it (a JSON pointer).
    #[arg(short, value_name = "KEY=VALUE")]
    pub(crate) input: Vec<String>,
    /// All inputs as one object: JSON text, or @FILE. Those of -i come on top.
    #[arg(long = "input", value_name = "@FILE", value_hint = ValueHint::FilePath)]
    pub(crate) inputs: Option<String>,
}

/// Run a workflow and wait for its end.
///
/// Progress goes to standard error: live on a terminal, else a line for each change. The result
/// goes to standard output.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro run hello.yaml
  ostro run hello.yaml greet -i name=Ada -i 'tags=[\"a\", \"b\"]' --output json
  ostro run baremetal.yaml provide -f messaging.yaml -i node_uuids=@nodes.json#/uuids
  ostro run workflows/baremetal.yaml enroll --input @instackenv.json --pack plugins/tripleo \
--cloud admin

WORKFLOW may be a short name: `provide` finds `tripleo.baremetal.v1.provide`.
Ctrl-C cancels the workflow; a second Ctrl-C leaves at once, and `ostro execution resume` goes on
with it. So it does after a crash: each step is on disk before the next one.")]
pub(crate) struct Run {
    /// The file that defines the workflow.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// The workflow; not needed where FILE has only one.
    pub(crate) workflow: Option<String>,
    /// A file with definitions that FILE needs; NAMESPACE=FILE puts them in a namespace.
    #[arg(short, long = "file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The namespace of what FILE defines. Sub-workflows and ad-hoc actions are looked for there
    /// first, and then in the default one.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) namespace: String,
    #[command(flatten)]
    pub(crate) inputs: Inputs,
    /// The environment, which `env()` gives: an object as JSON text, or @FILE.
    #[arg(long, value_name = "@FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env: Option<String>,
    /// The task that a reverse workflow is to reach.
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Option<String>,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) state: State,
    /// Keep nothing: an execution that is interrupted is lost.
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// The execution's id; a random one without it.
    #[arg(long, value_name = "UUID", conflicts_with = "ephemeral")]
    pub(crate) id: Option<uuid::Uuid>,
    /// Tell the story on standard error: each event, what the engine decided, and why. With
    /// `--output json` each turn is one JSON object on a line.
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) record: Record,
    /// In which form to print the result.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) expiry: Expiry,
}

/// Where executions are kept.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct State {
    /// The folder in which executions are kept; `ostro` in the user's state folder without it.
    #[arg(long, value_name = "DIR", env = "OSTRO_STATE_DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Who asks a server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Asking {
    /// With --url, the cloud of clouds.yaml that says who asks. Without it OS_CLOUD or the other
    /// OS_* variables say it.
    #[arg(long, value_name = "NAME")]
    pub(crate) cloud: Option<String>,
}

/// Which executions that have ended are deleted when a run starts: Mistral's
/// `[execution_expiration_policy]`.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is kept of earlier executions")]
pub(crate) struct Expiry {
    /// Delete those that ended this many minutes ago, or earlier.
    #[arg(long, value_name = "MINUTES", env = "OSTRO_OLDER_THAN",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) older_than: Option<u32>,
    /// Delete all that have ended but the newest ones, this many; 0 deletes none.
    #[arg(
        long,
        value_name = "COUNT",
        env = "OSTRO_MAX_FINISHED_EXECUTIONS",
        default_value_t = 100
    )]
    pub(crate) max_finished_executions: usize,
    /// Neither delete nor count those that ended in these states, as ERROR,CANCELLED.
    #[arg(
        long,
        value_name = "STATES",
        env = "OSTRO_IGNORED_STATES",
        value_delimiter = ',',
        value_parser = end_state
    )]
    pub(crate) ignored_states: Vec<ostro_core::State>,
}

/// A state in which an execution can end.
pub(crate) fn end_state(text: &str) -> Result<ostro_core::State, String> {
    use ostro_core::State;
    let states = [State::Success, State::Error, State::Cancelled];
    let known = |state: &State| state.as_str().eq_ignore_ascii_case(text.trim());
    let found = states.into_iter().find(known);
    found.ok_or_else(|| "executions end in SUCCESS, ERROR or CANCELLED".to_owned())
}

/// Copies of executions. A copy is a state folder by itself: `ostro execution list --state-dir DIR`
/// shows what is in it, and `ostro doctor --state-dir DIR` checks it.
#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Copy executions as they are now to a new folder, and check the copy. They may run
    /// meanwhile.
    ///
    /// The folder is there once all of it is written. The exit status is 1 if an execution is
    /// damaged: it is left out then, and the others are copied.
    Create {
        /// Their ids; all that are kept without any.
        ids: Vec<String>,
        /// The folder to make. It must not be there.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        to: PathBuf,
        #[command(flatten)]
        state: State,
    },
    /// Check a copy and take executions back from it: all that were named, or none.
    ///
    /// What is there already is not overwritten. An execution that had not ended goes on with
    /// `ostro execution resume`, from where it was when it was copied.
    Restore {
        /// The folder that `ostro backup create` made.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        from: PathBuf,
        /// Their ids; all that are in the copy without any.
        ids: Vec<String>,
        #[command(flatten)]
        state: State,
    },
}

/// Check that what is kept is whole, and that all of it will come to its end.
///
/// Each journal is read from its first page to its last, and each execution is decided again from
/// its events. The exit status is 0 if nothing is wrong, and 1 else.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Put right what the events prove to be wrong.
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) state: State,
}

/// What can be done with executions. An ID may be cut short, as long as it is the only one.
#[derive(Debug, Subcommand)]
pub(crate) enum Execution {
    /// Start a workflow in the background, and print its execution's id.
    Start(Run),
    /// List the executions that are kept, the newest first.
    List {
        /// Only those in this state, as RUNNING or ERROR.
        #[arg(long, value_name = "STATE")]
        only: Option<String>,
        #[command(flatten)]
        state: State,
        #[command(flatten)]
        asking: Asking,
        /// In which form to print them.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Show an execution with its tasks, as it is now.
    Show(Look),
    /// Show what failed, on which item, with which input, and why.
    Report(Look),
    /// Watch an execution that another process runs, until it ends.
    Watch(Look),
    /// Go on with an execution that was interrupted or paused, and wait for its end.
    Resume(Change),
    /// Pause an execution that another process runs: what is at work comes to its end.
    Pause(Look),
    /// End an execution as CANCELLED.
    Cancel(Change),
    /// Run a task again that failed, and what follows it, and wait for the end.
    Rerun {
        #[command(flatten)]
        change: Change,
        /// The task: its name, or the id of its execution.
        task: String,
        /// Run only those items of a with-items task again that failed.
        #[arg(long)]
        only_failed: bool,
    },
    /// Take a task that failed as done, and wait for the end.
    Skip {
        #[command(flatten)]
        change: Change,
        /// The task: its name, or the id of its execution.
        task: String,
    },
    /// Delete executions, and all that is kept of them.
    Delete {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        state: State,
        #[command(flatten)]
        asking: Asking,
    },
}

/// An execution to look at.
#[derive(Debug, Args)]
pub(crate) struct Look {
    /// Its id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) state: State,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// In which form to print it.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// An execution to change.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Its id.
    pub(crate) id: String,
    /// What to change in its environment: an object as JSON text, or @FILE.
    #[arg(long, value_name = "@FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env: Option<String>,
    #[command(flatten)]
    pub(crate) goes_on: GoesOn,
}

/// How an execution that is brought back goes on.
#[derive(Debug, Args)]
pub(crate) struct GoesOn {
    /// Take actions from here; without any of these, from where they came when it started.
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) state: State,
    #[command(flatten)]
    pub(crate) record: Record,
    /// In which form to print the result.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// In which form problems are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintOutput {
    /// For people.
    Text,
    /// A list of objects.
    Json,
    /// A SARIF 2.1.0 log, for code scanners.
    Sarif,
}

/// Find what is wrong with definitions, all of it, without running them.
///
/// The files are checked by themselves and together, against the actions of the packs that are
/// active or given.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro lint baremetal.yaml messaging.yaml --pack plugins/tripleo
  ostro lint workflows/*.yaml --output sarif > lint.sarif
  ostro explain E0601

A comment `# ostro: allow W0602` turns a warning off for its line; at the top of a file, for all
of it. The exit status is 0 without errors, and 2 with some.")]
pub(crate) struct Lint {
    /// The files; `-` is standard input.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The files and the packs are all that there is: what they call and do not have is an error
    /// instead of a warning.
    #[arg(long)]
    pub(crate) complete: bool,
    /// Count as errors only what Mistral's validator refuses. What it accepts, and fails at when a
    /// run gets there, is a warning then: for workbooks that are to be taken as they are.
    #[arg(long)]
    pub(crate) as_mistral: bool,
    /// Warn of inputs and variables that nothing reads, too.
    #[arg(long)]
    pub(crate) unused: bool,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) state: State,
    /// In which form to print what was found.
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    pub(crate) output: LintOutput,
}

/// Evaluate a YAQL or Jinja2 template, and show what each part of it gives.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro eval '<% $.nodes.where($.state = available).name %>' --context @nodes.json --explain
  ostro eval '{{ _.name | upper }}' --context '{\"name\": \"ada\"}'
  ostro eval 'task(introspect).result.len()' --task introspect=@result.json

The exit status is 0 with a value, 1 where the template cannot be evaluated, and 2 where it \
cannot be parsed.")]
pub(crate) struct Eval {
    /// The template, as it would stand in a workflow; @FILE reads it from a file, and `-` from
    /// standard input. Without `<% %>` and `{{ }}` it is a YAQL expression.
    pub(crate) template: String,
    /// The context, `$` in YAQL and `_` in Jinja2: JSON text, or @FILE (JSON or YAML), or
    /// @FILE#/POINTER for a part of it.
    #[arg(short, long, value_name = "@FILE", value_hint = ValueHint::FilePath)]
    pub(crate) context: Option<String>,
    /// The environment, which `env()` gives: an object as JSON text, or @FILE.
    #[arg(long, value_name = "@FILE", value_hint = ValueHint::FilePath)]
    pub(crate) env: Option<String>,
    /// The result that `task(NAME).result` gives, as for -i of `ostro run`; `task()` is the last
    /// one given.
    #[arg(long, value_name = "NAME=RESULT")]
    pub(crate) task: Vec<String>,
    /// Show the value of every sub-expression, too.
    #[arg(long)]
    pub(crate) explain: bool,
    /// In which form to print the result.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// Put definitions in order: indentation, blank lines, spaces in expressions.
///
/// Comments and the meaning stay as they are. What cannot be moved safely is left alone.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// The files, changed in place; `-` formats standard input to standard output.
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing: name the files that are not in order, with exit status 1 if there are any.
    #[arg(long)]
    pub(crate) check: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn short_and_long_input_are_two_options() {
        let cli = Cli::try_parse_from([
            "ostro", "run", "x.yaml", "-i", "a=1", "--input", "{}", "-i", "b=2",
        ]);
        let Command::Run(run) = cli.unwrap().command else {
            panic!("another command")
        };
        assert_eq!(run.inputs.input, ["a=1", "b=2"]);
        assert_eq!(run.inputs.inputs.as_deref(), Some("{}"));
    }
}
