//! The command line of `ostro pack` and `ostro action`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::store::{
    Activate, Deactivate, Grant, Install, Listed, Prune, Publish, Remove, Switch, Trust,
};
use super::{Asking, GoesOn, Inputs, Output, Sources, State};

/// Whether host calls are recorded.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// Record what passes between the actions of packs and the host, without secrets, for
    /// `ostro action replay`: in `recordings` of the state folder, or in DIR.
    #[arg(long, value_name = "DIR", require_equals = true, value_hint = ValueHint::DirPath)]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option whose value may be left out"
    )]
    pub(crate) record: Option<Option<PathBuf>>,
}

/// Build packs, look into them, test them, publish and install them.
#[derive(Debug, Subcommand)]
pub(crate) enum Pack {
    /// Start a pack: a folder with an action, a validation and a workflow that calls them.
    #[command(after_help = "Example:
  ostro pack new acme --lang python
  ostro pack build acme
  ostro pack test acme
  ostro run acme/workflows/greet.yaml --pack acme -i 'names=[\"Ironic\", \"Zaqar\"]'")]
    New {
        /// What the pack is called. The names of its actions begin with it.
        name: String,
        /// The language of its component.
        #[arg(long, value_enum, value_name = "LANGUAGE")]
        lang: Lang,
        /// The folder to make; NAME here, if not given.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// Build a pack's components and put the pack in one file.
    Build {
        /// The pack's folder.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    Dev(Dev),
    /// Show a pack: its actions, what it imports, the grants that it asks for, its limits.
    Inspect {
        /// The pack: its folder, or the file that `ostro pack build` made.
        #[arg(value_name = "DIR-or-FILE", value_hint = ValueHint::AnyPath)]
        pack: PathBuf,
        /// In which form to print it.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Run a pack's tests, without a cloud: the cases in tests/*.yaml, and the recordings in
    /// tests/recordings.
    ///
    /// A case names an action and its input, the host calls that it is to make, in order, with
    /// the answers that it gets, and what is to come of it. Log lines, progress, time and who
    /// calls need no mention. The exit status is 1 if a test fails.
    #[command(after_help = "A case:
  name: A node that is powered on is named
  action: acme.power.nodes_on
  input: { rack: r1 }
  calls:
    - call: openstack.send
      arguments: { service: baremetal, method: GET, path: /v1/nodes }
      answer: { ok: { status: 200, body: { json: { nodes: [] } } } }
  result: []                     # or error: its text, or deferred: true

A recording has its calls in the same form; `ostro action replay ID --save-test DIR` makes a test
of one.")]
    Test {
        /// The pack's folder. It has to be built.
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// In which form to print what came of them.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Write the smallest grants that recorded runs needed.
    ///
    /// It is what pack.yaml has under `grants`, and what --grants takes. In paths `*` stands
    /// where there was a UUID, or a name that is another in another recording.
    Grants {
        /// Recordings: their files, folders with some, or the ids of action executions.
        #[arg(long, required = true, num_args = 1.., value_name = "RECORDING",
            value_hint = ValueHint::AnyPath)]
        from: Vec<String>,
        #[command(flatten)]
        state: State,
    },
    /// Show what a new version of a pack changes, asks for and breaks.
    Diff(PackDiffArgs),
    Install(Install),
    /// List the packs that are installed, with their versions.
    List(Listed),
    Activate(Activate),
    /// Have new executions get again what was active before the last change of a pack.
    Rollback(Switch),
    /// Have new executions get no version of a pack, or with NAME@MAJOR none of that number.
    Deactivate(Deactivate),
    Grant(Grant),
    /// Delete a version that is installed. It must not be active, nor needed by an execution.
    Remove(Remove),
    Prune(Prune),
    Publish(Publish),
    #[command(subcommand, arg_required_else_help = true)]
    Trust(Trust),
}

/// Build a pack and run its tests, and again each time that something in its folder is saved.
///
/// Each round ends with a line that says what came of it; before it stands what is wrong. What is
/// saved during a round is taken up by the next one. Left aside are what builds make (`build`,
/// `target`, `node_modules`, `__pycache__`), hidden files and those of editors. Ctrl-C ends it, with
/// exit status 0.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro pack dev acme
  ostro pack dev acme -- action run acme.greetings.greet -i name=Ada
  ostro pack dev acme -- run acme/workflows/greet.yaml -i 'names=[\"Ironic\", \"Zaqar\"]'")]
pub(crate) struct Dev {
    /// The pack's folder.
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// What to run after each build, with the pack: `run`, `action run` or `validation run`, as
    /// `ostro` takes them. --pack DIR needs no mention.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// A language that components are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// Rust, built by cargo.
    Rust,
    /// Python, built by componentize-py.
    Python,
    /// JavaScript, built by componentize-js.
    Js,
    /// C, built by zig.
    C,
}

/// Show what a new version of a pack changes, asks for and breaks.
///
/// The exit status is 1 if it breaks what the old version had, or one of the workflows given.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro pack diff tripleo-1.2.0.pack plugins/tripleo
  ostro pack diff old new -f workflows/baremetal.yaml
  ostro --url http://127.0.0.1:8989 pack diff acme@1.3.0 acme@1.4.0")]
pub(crate) struct PackDiffArgs {
    /// The old version: a folder, or a file that `ostro pack build` made. With --url, NAME@VERSION.
    #[arg(value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) old: PathBuf,
    /// The new version.
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    pub(crate) new: PathBuf,
    /// Workflows to check with both: what is wrong with the new version alone is shown.
    #[arg(short, long = "file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// In which form to print it.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// Run single actions, and find out which there are.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run one action and print its result.
    #[command(after_help = "Examples:
  ostro action run std.echo -i output=hello
  ostro action run ironic.node_list --cloud admin -i 'fields=[\"name\", \"provision_state\"]'
  ostro action run tripleo.baremetal.validate_nodes --pack plugins/tripleo \
-i nodes_json=@instackenv.json#/nodes")]
    Run {
        /// The action's full name.
        name: String,
        #[command(flatten)]
        inputs: Inputs,
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        record: Record,
        #[command(flatten)]
        state: State,
        /// In which form to print the result.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Give the result of an action that goes on until somebody finishes it from outside.
    Complete(Complete),
    /// Run a recorded action again with no cloud, and show the first difference.
    Replay(Replay),
    /// List the actions that there are.
    List {
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        state: State,
        /// In which form to print them.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
    /// Show what an action takes and gives.
    Show {
        /// The action's full name.
        name: String,
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        state: State,
        /// In which form to print it.
        #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
        output: Output,
    },
}

/// Give the result of an action that goes on until somebody finishes it from outside.
///
/// Such actions are std.async_noop, std.mistral_http, and those of packs that said so. One that is
/// at work is ended with this result. If no process runs its execution, this one brings it back and
/// waits for its end, as `ostro execution resume` does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro action complete 931c9f64-0c35-4c3e-9f0c-0d8b1b3b7a11 --success '{\"disks\": 4}'
  ostro action complete 931c9f64-0c35-4c3e-9f0c-0d8b1b3b7a11 --error 'the burn-in failed'")]
#[group(id = "end", required = true, multiple = false, args = ["success", "error"])]
pub(crate) struct Complete {
    /// The id of the action execution.
    pub(crate) id: String,
    /// It succeeded, and gave this: JSON where it reads as JSON, else text; @FILE reads a file.
    #[arg(long, value_name = "VALUE")]
    pub(crate) success: Option<String>,
    /// It failed, and says this.
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Option<String>,
    #[command(flatten)]
    pub(crate) change: GoesOn,
}

/// Run a recorded action again with no cloud, and show the first difference.
///
/// The answers of the host come from the recording, in order. What the action asks for, logs and
/// gives has to be what was recorded: the exit status is 0 then, and 1 where something differs.
///
/// With `--expect success` an action that failed has to succeed now, with the answers that it got
/// then: it may log what it likes and report any progress, but ask for nothing else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ostro action replay 931c9f64
  ostro action replay 931c9f64 --pack plugins/tripleo      # another version of the pack
  ostro action replay 931c9f64 --pack plugins/tripleo --expect success   # is it mended?
  ostro action replay 931c9f64 --save-test plugins/tripleo")]
pub(crate) struct Replay {
    /// The recording: its file, or the id of the action execution, which may be cut short.
    #[arg(value_name = "ID-or-FILE", value_hint = ValueHint::FilePath)]
    pub(crate) recording: String,
    /// The pack to run it with; without it, the one that was recorded, where it was.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath)]
    pub(crate) pack: Option<PathBuf>,
    /// What is to come of it.
    #[arg(long, value_enum, default_value = "recorded", value_name = "WHAT")]
    pub(crate) expect: Expect,
    /// Make a test of the recording, in tests/recordings of the pack in DIR.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) save_test: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: State,
    /// In which form to print what came of it.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Output,
}

/// What is to come of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expect {
    /// What was recorded.
    Recorded,
    /// A success, whatever was recorded.
    Success,
}
