//! Specs: definitions after parsing, with everything compiled and every name checked that the
//! text alone can check.
//!
//! The shapes follow Mistral's DSL v2 documentation. A spec never changes once parsed; it is
//! shared by all executions of it.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::{Graph, Location, Template};

/// A workbook: workflows and ad-hoc actions under one name.
#[derive(Clone, Debug)]
pub struct Workbook {
    /// Its name, the prefix of everything in it: `tripleo.baremetal.v1`.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// Its tags.
    pub tags: Vec<Arc<str>>,
    /// Its workflows, in the order of the text.
    pub workflows: Vec<Arc<Workflow>>,
    /// Its ad-hoc actions, in the order of the text.
    pub actions: Vec<Arc<AdHocAction>>,
}

/// How the tasks of a workflow follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkflowKind {
    /// A task starts the tasks that its transitions name.
    Direct,
    /// A task is started because another requires it.
    Reverse,
}

/// A workflow.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Its full name: `tripleo.baremetal.v1.provide`.
    pub name: Arc<str>,
    /// The namespace that it was added to; empty for the default one.
    pub namespace: Arc<str>,
    /// The workbook's name, where it stands in one. Sub-workflows are looked up there first.
    pub workbook: Option<Arc<str>>,
    /// Direct or reverse.
    pub kind: WorkflowKind,
    /// What it does.
    pub description: Option<Arc<str>>,
    /// Its tags.
    pub tags: Vec<Arc<str>>,
    /// What it takes, in order.
    pub input: Vec<Input>,
    /// What it gives on SUCCESS; without one, the final context.
    pub output: Option<Template>,
    /// What it gives on ERROR.
    pub output_on_error: Option<Template>,
    /// Variables that are set once, at the start. Always a [`Template::Map`].
    pub vars: Option<Template>,
    /// Its tasks by name, in the order of the text, task defaults merged in.
    pub tasks: IndexMap<Arc<str>, Arc<Task>>,
    /// Which of its tasks can follow which.
    pub graph: Graph,
    /// Whether its text names `executions` or `tasks`, so that an expression may ask about other
    /// executions.
    pub asks: bool,
    /// Where it stands.
    pub location: Location,
    /// Its definition as a value, as `execution().spec` shows it.
    pub definition: ostro_core::Value,
}

/// One input of a workflow or an ad-hoc action.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: Arc<str>,
    /// Its default; none if the input must be given.
    pub default: Option<Template>,
    /// Where it stands.
    pub location: Location,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<Arc<str>>,
    /// What it runs.
    pub work: Work,
    /// The input of what it runs: a map, or an expression that gives one.
    pub input: Template,
    /// Over what it repeats.
    pub with_items: Option<WithItems>,
    /// What it publishes when it succeeds, fails and is skipped. The advanced form of the
    /// transitions (`on-success: {publish: …}`) is merged in here.
    pub publish: OnState<Publish>,
    /// What follows.
    pub transitions: Transitions,
    /// How many inbound branches it waits for.
    pub join: Option<Join>,
    /// The tasks that a reverse workflow runs before it.
    pub requires: Vec<Arc<str>>,
    /// Its policies.
    pub policies: Policies,
    /// Whether its result is kept (`keep-result`); the default is true.
    pub keep_result: Option<Template>,
    /// Whether it may run again when nobody knows how it ended (`safe-rerun`).
    pub safe_rerun: Option<Template>,
    /// Which executor it asks for.
    pub target: Option<Template>,
    /// Its tags.
    pub tags: Vec<Arc<str>>,
    /// Where it stands.
    pub location: Location,
}

/// What a task runs.
#[derive(Clone, Debug)]
pub enum Work {
    /// Nothing: `std.noop`.
    Noop,
    /// An action by name; the name may be an expression.
    Action(Template),
    /// A sub-workflow by name; the name may be an expression.
    Workflow(Template),
}

/// `with-items`: the variables and what each runs over, in step.
#[derive(Clone, Debug)]
pub struct WithItems {
    /// Variable and list, in order.
    pub items: Vec<(Arc<str>, Template)>,
    /// How many run at a time (`concurrency`); none or 0 for all.
    pub concurrency: Option<Template>,
}

/// One of something for each way in which a task can end.
#[derive(Clone, Debug, Default)]
pub struct OnState<T> {
    /// When it ends in SUCCESS.
    pub success: T,
    /// When it ends in ERROR.
    pub error: T,
    /// When it is skipped.
    pub skip: T,
}

/// What a task publishes. Each is a [`Template::Map`].
#[derive(Clone, Debug, Default)]
pub struct Publish {
    /// For the tasks that follow on this branch.
    pub branch: Option<Template>,
    /// For the whole execution.
    pub global: Option<Template>,
    /// For the whole execution, under a lock.
    pub atomic: Option<Template>,
}

/// What follows a task.
#[derive(Clone, Debug, Default)]
pub struct Transitions {
    /// `on-success`.
    pub on_success: Vec<Transition>,
    /// `on-error`.
    pub on_error: Vec<Transition>,
    /// `on-complete`: however it ends.
    pub on_complete: Vec<Transition>,
    /// `on-skip`.
    pub on_skip: Vec<Transition>,
}

/// One transition.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Where to.
    pub target: Target,
    /// When; none for always.
    pub condition: Option<Template>,
    /// Where it stands.
    pub location: Location,
}

/// Where a transition leads.
#[derive(Clone, Debug)]
pub enum Target {
    /// To a task.
    Task(Arc<str>),
    /// To an engine command.
    Command {
        /// Which.
        command: EngineCommand,
        /// Its `msg`, where it has one.
        message: Option<Template>,
    },
}

impl Target {
    /// The name of the task or the command.
    pub fn name(&self) -> Arc<str> {
        match self {
            Target::Task(name) => Arc::clone(name),
            Target::Command { command, .. } => match command {
                EngineCommand::Noop => "noop".into(),
                EngineCommand::Fail => "fail".into(),
                EngineCommand::Succeed => "succeed".into(),
                EngineCommand::Pause => "pause".into(),
            },
        }
    }
}

/// The engine commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineCommand {
    /// `noop`: nothing.
    Noop,
    /// `fail`: the execution ends in ERROR.
    Fail,
    /// `succeed`: the execution ends in SUCCESS.
    Succeed,
    /// `pause`: the execution pauses.
    Pause,
}

/// How many inbound branches a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// `join: all`.
    All,
    /// `join: N`; `join: one` is 1.
    Count(u32),
}

/// The policies of a task. All values may be expressions.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Tries again.
    pub retry: Option<Retry>,
    /// Seconds to wait before the task starts.
    pub wait_before: Option<Template>,
    /// Seconds to wait after the task has ended.
    pub wait_after: Option<Template>,
    /// Seconds after which the task fails.
    pub timeout: Option<Template>,
    /// Whether the execution pauses before the task.
    pub pause_before: Option<Template>,
    /// When a task that succeeded counts as failed.
    pub fail_on: Option<Template>,
}

/// The retry policy.
#[derive(Clone, Debug)]
pub struct Retry {
    /// How many more tries there are at most.
    pub count: Template,
    /// Seconds between tries.
    pub delay: Option<Template>,
    /// Stops trying when true.
    pub break_on: Option<Template>,
    /// Tries again after a success too, while true.
    pub continue_on: Option<Template>,
    /// Where it stands.
    pub location: Location,
}

/// An ad-hoc action: another action with prepared input and output.
#[derive(Clone, Debug)]
pub struct AdHocAction {
    /// Its full name.
    pub name: Arc<str>,
    /// The namespace that it was added to; empty for the default one.
    pub namespace: Arc<str>,
    /// What it does.
    pub description: Option<Arc<str>>,
    /// The action behind it.
    pub base: Arc<str>,
    /// The input of that action.
    pub base_input: Template,
    /// What it takes, in order.
    pub input: Vec<Input>,
    /// What it gives, made from the base action's result as `$`.
    pub output: Option<Template>,
    /// Its tags.
    pub tags: Vec<Arc<str>>,
    /// Where it stands.
    pub location: Location,
}
