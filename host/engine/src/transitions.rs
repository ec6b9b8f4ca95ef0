//! What follows a task that has ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use ostro_core::{State, Value};
use ostro_lang::{EngineCommand, Target, Task, Template, Transition};
use serde::{Deserialize, Serialize};

use crate::decide::{Step, Turn};
use crate::execution::Ending;
use crate::pause::Origin;
use crate::reason::{Reason, written};
use crate::task::{Arrivals, Clause};

/// Where a transition leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Goal {
    Task(Arc<str>),
    Fail(String),
    Succeed(Option<String>),
    Pause(Option<String>),
    Noop,
}

impl Goal {
    /// The task or the engine command.
    fn name(&self) -> Arc<str> {
        match self {
            Goal::Task(name) => Arc::clone(name),
            Goal::Fail(_) => "fail".into(),
            Goal::Succeed(_) => "succeed".into(),
            Goal::Pause(_) => "pause".into(),
            Goal::Noop => "noop".into(),
        }
    }
}

/// A transition that is to be taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// The task execution that it comes from.
    pub(crate) from: usize,
    pub(crate) clause: Clause,
    pub(crate) goal: Goal,
}

impl Turn<'_> {
    /// Finds and takes what follows `task`, which has ended.
    pub(crate) fn follow(&mut self, task: usize) {
        if self.execution.state == State::Paused {
            // It is found again when the execution is resumed.
            return;
        }
        self.take_all(task, true);
    }

    /// As [`Turn::follow`], for what ended while the execution was paused: `pause` does nothing.
    pub(crate) fn follow_after_pause(&mut self, task: usize) {
        self.take_all(task, false);
    }

    fn take_all(&mut self, task: usize, may_pause: bool) {
        if let Some(ending) = &mut self.execution.ending {
            // Should the execution run again after its end, what follows the others comes then.
            let awaited = ending.after.remove(&task);
            self.execution.task_mut(task).processed = awaited;
            return self.check_ending();
        }
        self.execution.task_mut(task).processed = true;
        if self.is_reverse() {
            return self.start_satisfied();
        }
        let Some(spec) = self.spec(task) else {
            return;
        };
        match self.find(task, spec) {
            Err(message) => self.break_task(task, "complete", &message),
            Ok(mut following) => {
                // What stands after `fail` or `succeed` never comes, so this task may be an end.
                let ends =
                    |pending: &Pending| matches!(pending.goal, Goal::Fail(_) | Goal::Succeed(_));
                if let Some(end) = following.iter().position(ends) {
                    following.truncate(end + 1);
                }
                let changed = self.execution.task_mut(task);
                changed.error_handled = changed.state == State::Error
                    && following
                        .iter()
                        .any(|pending| pending.clause == Clause::Error);
                changed.next = following
                    .iter()
                    .filter_map(|pending| match &pending.goal {
                        Goal::Task(name) => Some((Arc::clone(name), pending.clause)),
                        _ => None,
                    })
                    .collect();
                let taken = changed.next.iter().map(|(name, _)| Arc::clone(name));
                let taken: Vec<_> = taken.collect();
                if !may_pause {
                    following.retain(|pending| !matches!(pending.goal, Goal::Pause(_)));
                }
                self.dispatch(following);
                self.doubt_joins_after(task, &taken);
            }
        }
    }

    /// The transitions of `task` whose conditions hold.
    fn find(&mut self, task: usize, spec: &Task) -> Result<Vec<Pending>, String> {
        let transitions = &spec.transitions;
        let lists: &[(&[Transition], Clause)] = match self.execution.tasks[task].state {
            State::Error => &[
                (&transitions.on_error, Clause::Error),
                (&transitions.on_complete, Clause::Complete),
            ],
            State::Success => &[
                (&transitions.on_success, Clause::Success),
                (&transitions.on_complete, Clause::Complete),
            ],
            State::Skipped => &[
                (&transitions.on_skip, Clause::Skip),
                (&transitions.on_success, Clause::Success),
            ],
            _ => &[],
        };
        let mut found: Vec<Pending> = Vec::new();
        // Made when the first expression needs it.
        let mut data = None;
        for (list, clause) in lists {
            // A skipped task goes on as a successful one unless `on-skip` says how.
            let skipped = found.iter().any(|pending| pending.clause == Clause::Skip);
            if skipped && *clause == Clause::Success {
                break;
            }
            for transition in *list {
                if self.holds(transition, *clause, &mut data, task)? {
                    let goal = self.goal(transition, &mut data, task)?;
                    // Two clauses that lead to a join are one branch.
                    if self.is_join(&goal) && found.iter().any(|pending| pending.goal == goal) {
                        continue;
                    }
                    found.push(Pending {
                        from: task,
                        clause: *clause,
                        goal,
                    });
                }
            }
        }
        Ok(found)
    }

    fn is_join(&self, goal: &Goal) -> bool {
        let Goal::Task(name) = goal else {
            return false;
        };
        let spec = self.workflow.tasks.get(name);
        spec.is_some_and(|spec| spec.join.is_some())
    }

    fn holds(
        &mut self,
        transition: &Transition,
        clause: Clause,
        data: &mut Option<Value>,
        task: usize,
    ) -> Result<bool, String> {
        match &transition.condition {
            None => Ok(true),
            Some(condition) => {
                let value = self.evaluate_after(condition, data, task)?;
                let holds = value.is_truthy();
                self.because(|turn| Reason::Condition {
                    task: turn.name_of(task),
                    clause: clause.name(),
                    target: transition.target.name(),
                    expression: written(condition),
                    value,
                    holds,
                });
                Ok(holds)
            }
        }
    }

    /// The value of `template` after `task`, which has published; `$` is put into `data`.
    fn evaluate_after(
        &mut self,
        template: &Template,
        data: &mut Option<Value>,
        task: usize,
    ) -> Result<Value, String> {
        if let Template::Literal(value) = template {
            return Ok(value.clone());
        }
        if data.is_none() {
            let published = Arc::clone(&self.execution.tasks[task].published);
            *data = Some(self.task_data(task, &published));
        }
        let data = data.as_ref().unwrap_or(&Value::Null);
        self.evaluate(template, data, Some(task))
            .map_err(|error| error.to_string())
    }

    fn goal(
        &mut self,
        transition: &Transition,
        data: &mut Option<Value>,
        task: usize,
    ) -> Result<Goal, String> {
        match &transition.target {
            Target::Task(name) if self.workflow.tasks.contains_key(name) => {
                Ok(Goal::Task(Arc::clone(name)))
            }
            Target::Task(name) => Err(format!("{}: Task '{name}' not found.", transition.location)),
            Target::Command { command, message } => {
                let message = match message {
                    None => None,
                    Some(message) => {
                        let message = self.evaluate_after(message, data, task)?;
                        (!message.is_null()).then(|| crate::text::explain(&message))
                    }
                };
                let name = &self.execution.tasks[task].name;
                Ok(match command {
                    EngineCommand::Noop => Goal::Noop,
                    EngineCommand::Fail => Goal::Fail(
                        message.unwrap_or_else(|| format!("Failed by 'fail' after task '{name}'")),
                    ),
                    EngineCommand::Succeed => Goal::Succeed(message),
                    EngineCommand::Pause => Goal::Pause(message),
                })
            }
        }
    }

    /// Takes transitions in order. What stands after `pause` waits for the execution to be
    /// resumed.
    pub(crate) fn dispatch(&mut self, transitions: Vec<Pending>) {
        let mut started = BTreeSet::new();
        let mut rest = transitions.into_iter();
        while let Some(pending) = rest.next() {
            self.because(|turn| Reason::Transition {
                task: turn.name_of(pending.from),
                clause: pending.clause.name(),
                target: pending.goal.name(),
            });
            match pending.goal {
                Goal::Noop => {}
                Goal::Task(name) => started.extend(self.lead(pending.from, pending.clause, &name)),
                Goal::Fail(message) => return self.end_after(started, State::Error, Some(message)),
                Goal::Succeed(message) => return self.end_after(started, State::Success, message),
                Goal::Pause(message) => {
                    self.execution.backlog.extend(rest);
                    return self.pause(message, Origin::Own);
                }
            }
        }
    }

    /// Ends the execution once the tasks that stand before `fail` or `succeed` have ended.
    fn end_after(&mut self, after: BTreeSet<usize>, state: State, message: Option<String>) {
        if self.execution.ending.is_none() {
            self.execution.ending = Some(Ending {
                state,
                message,
                after,
            });
        }
        if let Some(ending) = &self.execution.ending {
            let (state, tasks) = (ending.state, ending.after.len());
            if tasks > 0 {
                self.because(|_| Reason::EndWaits { state, tasks });
            }
        }
        self.check_ending();
    }

    /// Ends the execution if it only waited for tasks that have ended.
    pub(crate) fn check_ending(&mut self) {
        if let Some(ending) = &self.execution.ending
            && ending.after.is_empty()
        {
            let (state, message) = (ending.state, ending.message.clone());
            self.end(state, message);
        }
    }

    /// Leads from the task execution `from` to the task `name`: creates an execution of it, or
    /// arrives at a join that waits. The answer is the execution that begins.
    fn lead(&mut self, from: usize, clause: Clause, name: &Arc<str>) -> Option<usize> {
        let join = self
            .workflow
            .tasks
            .get(name)
            .is_some_and(|spec| spec.join.is_some());
        if join {
            let from_name = Arc::clone(&self.execution.tasks[from].name);
            self.arrive(name, (from_name, (from, clause)));
            return None;
        }
        let context = self.outbound(from);
        let task = self.create(name, State::Idle, context, Arrivals::default());
        self.queue.push_back(Step::Begin(task));
        Some(task)
    }
}
