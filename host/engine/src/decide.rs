//! The turn: one event in, all that follows from it out.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ostro_core::{Map, State, Value};
use ostro_lang::{
    Budget, Definitions, ExpressionError, Scope, Task, Template, Workflow, WorkflowKind,
};

use crate::context::Context;
use crate::event::{Change, Command, Event, EventKind};
use crate::execution::Execution;
use crate::functions::Functions;
use crate::pause::Origin;
use crate::query::{Answer, Query};
use crate::reason::Reason;

/// How many task executions one turn may create. A loop of tasks that wait for nothing would
/// otherwise never end.
const TASKS_A_TURN: usize = 10_000;

/// How many task executions one execution may have. All of them are kept.
const TASKS_AN_EXECUTION: usize = 100_000;

/// Finds definitions by name.
pub trait Resolver {
    /// The workflow that `name` means inside of `from`, in an execution that looks for workflows
    /// in `namespace`: one of the same workbook first.
    fn workflow(&self, name: &str, from: &Workflow, namespace: &str) -> Option<Arc<Workflow>>;

    /// The full name of the ad-hoc action that `name` means inside of `from`; none if it is no
    /// ad-hoc action.
    fn action(&self, name: &str, from: &Workflow) -> Option<Arc<str>>;
}

impl Resolver for Definitions {
    fn workflow(&self, name: &str, from: &Workflow, namespace: &str) -> Option<Arc<Workflow>> {
        self.resolve(name, from, namespace)
    }

    fn action(&self, name: &str, from: &Workflow) -> Option<Arc<str>> {
        Definitions::action(self, name, from).map(|action| Arc::clone(&action.name))
    }
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Decision {
    /// The execution after the event.
    pub execution: Execution,
    /// What is wanted, in order.
    pub commands: Vec<Command>,
    /// What changed, in order.
    pub changes: Vec<Change>,
    /// Why, where [`explain`] was asked.
    pub reasons: Vec<Reason>,
    /// What an expression asks about other executions. If there is a question, the turn did not
    /// happen, and nothing else is in here than the execution as it was: decide again, with the
    /// answer among those of the event.
    pub question: Option<Query>,
}

/// Takes `execution` of `workflow` one event further.
///
/// The turn goes on until nothing more follows without the world: tasks that run nothing, and
/// what follows them, are part of it. Events that do not apply any more (the result of an action
/// that timed out, a timer that was cancelled) change nothing.
///
/// After it, the execution has ended or waits for something that [`Execution::waits_for`] names.
pub fn decide(
    definitions: &dyn Resolver,
    workflow: &Workflow,
    execution: Execution,
    event: Event,
) -> Decision {
    take(definitions, workflow, execution, event, None)
}

/// As [`decide`], and says why.
pub fn explain(
    definitions: &dyn Resolver,
    workflow: &Workflow,
    execution: Execution,
    event: Event,
) -> Decision {
    take(definitions, workflow, execution, event, Some(Vec::new()))
}

fn take(
    definitions: &dyn Resolver,
    workflow: &Workflow,
    execution: Execution,
    event: Event,
    reasons: Option<Vec<Reason>>,
) -> Decision {
    // Only a turn that may turn out not to happen needs what was before it.
    let before = workflow.asks.then(|| execution.clone());
    let mut turn = Turn {
        definitions,
        workflow,
        execution,
        now: event.now,
        answers: event.answers,
        question: None,
        reasons,
        commands: Vec::new(),
        changes: Vec::new(),
        queue: VecDeque::new(),
        doubts: BTreeSet::new(),
        outbound: None,
        created: 0,
    };
    turn.because(|turn| turn.event_reason(&event.kind));
    turn.take(event.kind);
    turn.run();
    if turn.commands.is_empty() && turn.changes.is_empty() {
        turn.because(|_| Reason::Nothing);
    }
    if let (Some(question), Some(execution)) = (turn.question, before) {
        return Decision {
            execution,
            commands: Vec::new(),
            changes: Vec::new(),
            reasons: Vec::new(),
            question: Some(question),
        };
    }
    Decision {
        execution: turn.execution,
        commands: turn.commands,
        changes: turn.changes,
        reasons: turn.reasons.unwrap_or_default(),
        question: None,
    }
}

/// Something to be done in this turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A task execution begins.
    Begin(usize),
    /// A task execution has ended: what follows it is to be found.
    Follow(usize),
}

/// A turn that is under way.
pub(crate) struct Turn<'a> {
    pub(crate) definitions: &'a dyn Resolver,
    pub(crate) workflow: &'a Workflow,
    pub(crate) execution: Execution,
    pub(crate) now: i64,
    pub(crate) answers: Vec<Answer>,
    pub(crate) question: Option<Query>,
    /// Why, if anybody wants to know.
    pub(crate) reasons: Option<Vec<Reason>>,
    pub(crate) commands: Vec<Command>,
    pub(crate) changes: Vec<Change>,
    pub(crate) queue: VecDeque<Step>,
    /// Joins that may be met, or may never be.
    pub(crate) doubts: BTreeSet<usize>,
    /// What the task execution that was last asked hands on.
    pub(crate) outbound: Option<(usize, Context)>,
    /// How many task executions this turn has created.
    pub(crate) created: usize,
}

impl<'a> Turn<'a> {
    fn take(&mut self, event: EventKind) {
        match event {
            EventKind::Started => self.start(),
            EventKind::ActionFinished { id, outcome } => self.action_finished(&id, outcome),
            EventKind::ChildFinished {
                id,
                state,
                output,
                state_info,
            } => {
                self.child_finished(&id, state, output, state_info);
            }
            EventKind::TimerFired { id } => self.timer_fired(&id),
            EventKind::ActionChanged { id, state } => self.action_changed(&id, state),
            EventKind::ChildChanged { id, state } => self.child_changed(&id, state),
            EventKind::Paused => self.pause(None, Origin::Own),
            EventKind::Resumed { env } => self.resume(env.map(Arc::new).as_ref(), Origin::Own),
            EventKind::ParentPaused => self.pause(None, Origin::Parent),
            EventKind::ParentResumed { env } => self.resume(env.as_ref(), Origin::Parent),
            EventKind::Rerun { task, reset, env } => self.rerun(&task, reset, env.as_ref()),
            EventKind::Skipped { task, env } => self.skip(&task, env.as_ref()),
            EventKind::Stopped { state, message } => self.stop(state, message),
            EventKind::GivenUp { reason } => self.end_as(State::Error, Some(reason)),
        }
    }

    fn run(&mut self) {
        loop {
            while let Some(step) = self.queue.pop_front() {
                if self.execution.state.is_completed() || self.question.is_some() {
                    self.queue.clear();
                    break;
                }
                self.perform(step);
                self.check_bounds();
            }
            if self.execution.state != State::Running {
                break;
            }
            if !self.refresh_joins() && self.queue.is_empty() {
                break;
            }
            self.check_bounds();
        }
        if self.execution.state == State::Running {
            self.check_completion();
        }
        debug_assert!(
            self.execution.state != State::Running
                || self.execution.ending.is_some()
                || self.question.is_some()
                || self.joins_can_be_met(),
            "a join waits for what cannot come"
        );
        if self.execution.state == State::Running && !self.execution.is_at_work() {
            self.end(
                State::Error,
                Some(
                    "internal error: the execution is RUNNING and waits for nothing; \
                     please report this workflow"
                        .to_owned(),
                ),
            );
        }
        if !self.changes.is_empty() || !self.commands.is_empty() {
            self.execution.updated_at = self.now;
        }
    }

    /// Ends the execution if it has made too many tasks.
    fn check_bounds(&mut self) {
        let name = || self.execution.tasks.last().map_or("", |task| &*task.name);
        // A large workflow may come to its end in one turn.
        let most = TASKS_A_TURN.max(2 * self.workflow.tasks.len());
        let message = if self.created > most {
            format!(
                "more than {most} tasks followed each other without waiting for \
                 anything, at last task {}: is there a loop without an end?",
                name()
            )
        } else if self.execution.tasks.len() > TASKS_AN_EXECUTION {
            format!(
                "more than {TASKS_AN_EXECUTION} tasks have run, at last task {}: is there a \
                 loop without an end?",
                name()
            )
        } else {
            return;
        };
        self.end(State::Error, Some(message));
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Begin(task) => self.begin(task),
            Step::Follow(task) => self.follow(task),
        }
    }

    /// Where the definition of `task` stands. None only if the definition was changed under the
    /// execution.
    pub(crate) fn spec(&self, task: usize) -> Option<&'a Arc<Task>> {
        self.workflow.tasks.get(&*self.execution.tasks[task].name)
    }

    pub(crate) fn is_reverse(&self) -> bool {
        self.workflow.kind == WorkflowKind::Reverse
    }

    /// The value of `template` with `data` as `$`; `task` is the current one.
    pub(crate) fn evaluate(
        &mut self,
        template: &Template,
        data: &Value,
        task: Option<usize>,
    ) -> Result<Value, ExpressionError> {
        if let Template::Literal(value) = template {
            return Ok(value.clone());
        }
        let functions = Functions::new(
            &self.execution,
            self.workflow,
            task,
            self.now,
            &self.answers,
        );
        let budget = Budget::default();
        let value = template.evaluate(Scope {
            data,
            host: &functions,
            budget: &budget,
        });
        let ids = functions.ids();
        let question = functions.question();
        self.question = self.question.take().or(question);
        self.execution.ids = ids;
        value
    }

    /// The value of `template` for `task`, with `extra` over what the task got.
    pub(crate) fn evaluate_for(
        &mut self,
        template: &Template,
        task: usize,
        extra: &Map,
    ) -> Result<Value, ExpressionError> {
        if let Template::Literal(value) = template {
            return Ok(value.clone());
        }
        let data = self.task_data(task, extra);
        self.evaluate(template, &data, Some(task))
    }
}
