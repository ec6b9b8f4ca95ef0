//! A driver in memory: scripted actions, sub-workflows, and a clock that jumps from event to
//! event.
//!
//! It is as unkind as a driver may be: timers that were cancelled fire all the same, results of
//! actions that were cancelled come all the same, and turns are taken twice, the second time with
//! a state that was stored and restored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ostro_core::{
    ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome, ExecutionId, Map, State,
    TaskExecutionId, Value,
};
use ostro_engine::{
    Change, Command, Decision, Event, EventKind, Execution, Params, Query, Records, Waiting,
    decide, explain,
};
use ostro_lang::{Definitions, Workflow};

use crate::actions::{Resolved, standard};
use crate::histories::{Created, History, Turn, digest};
use crate::stored::again;

/// 2026-01-01 00:00:00 UTC.
pub(crate) const START: i64 = 1_767_225_600_000;

/// How many turns a world may take.
const MAX_TURNS: usize = 20_000;

/// How a scripted action goes.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    /// What comes of it; none if nothing ever does.
    pub(crate) outcome: Option<ActionOutcome>,
    /// After how many milliseconds.
    pub(crate) after: i64,
}

/// What `texts` define, which is no error.
pub(crate) fn parse(texts: &[String]) -> Definitions {
    try_parse(texts).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What `texts` define, or what is wrong with them.
pub(crate) fn try_parse(texts: &[String]) -> Result<Definitions, String> {
    try_parse_all(texts, &BTreeMap::new())
}

/// What `texts` define, and those of other namespaces, or what is wrong with them.
pub(crate) fn try_parse_all(
    texts: &[String],
    namespaces: &BTreeMap<String, Vec<String>>,
) -> Result<Definitions, String> {
    let parsed = |text: &String| ostro_lang::parse(text, "case.yaml");
    let mut definitions: Definitions = texts.iter().map(parsed).collect();
    for (namespace, texts) in namespaces {
        for text in texts {
            definitions.add_to(namespace, parsed(text));
        }
    }
    let errors: Vec<_> = definitions
        .diagnostics()
        .iter()
        .filter(|problem| problem.is_error())
        .collect();
    if errors.is_empty() {
        Ok(definitions)
    } else {
        Err(format!("{errors:#?}"))
    }
}

/// All executions of a case, and what is to happen to them.
pub(crate) struct World {
    library: Definitions,
    script: BTreeMap<String, Vec<Scripted>>,
    called: BTreeMap<String, usize>,
    pub(crate) root: ExecutionId,
    pub(crate) executions: BTreeMap<ExecutionId, Execution>,
    parents: BTreeMap<ExecutionId, ExecutionId>,
    /// What is to happen, by time and then in order.
    agenda: BTreeMap<(i64, u64), (ExecutionId, EventKind)>,
    count: u64,
    pub(crate) now: i64,
    /// The commands, with the second in which they came.
    pub(crate) log: Vec<String>,
    pub(crate) changes: Vec<(ExecutionId, Change)>,
    /// Actions that wait for somebody outside, by task.
    deferred: BTreeMap<String, (ExecutionId, ActionExecutionId)>,
    /// All actions that ever did.
    elsewhere: BTreeSet<ActionExecutionId>,
    /// Whether each turn is also taken with reasons.
    pub(crate) explains: bool,
    /// What happened, if it is to be recorded.
    pub(crate) history: Option<History>,
    /// Every how many turns the turn is also taken with a restored state.
    pub(crate) restores: usize,
    turns: usize,
}

impl World {
    pub(crate) fn new(library: Definitions, script: BTreeMap<String, Vec<Scripted>>) -> Self {
        Self {
            library,
            script,
            called: BTreeMap::new(),
            root: ExecutionId::new("7d0f1c3e-5d7c-4b0e-9a53-0a7cbd7d3c11"),
            executions: BTreeMap::new(),
            parents: BTreeMap::new(),
            agenda: BTreeMap::new(),
            count: 0,
            now: START,
            log: Vec::new(),
            changes: Vec::new(),
            deferred: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            explains: false,
            history: None,
            restores: 1,
            turns: 0,
        }
    }

    /// Creates the first execution, of `workflow`, and has it start.
    pub(crate) fn start(
        &mut self,
        namespace: &str,
        workflow: &str,
        input: &Map,
        mut params: Params,
    ) -> Result<(), String> {
        params.created_at = self.now;
        let spec = self.library.workflow_in(namespace, workflow).cloned();
        let spec = spec.ok_or_else(|| format!("no workflow {workflow}"))?;
        let root = self.root.clone();
        self.created(&root, &spec, input, &params);
        let execution = Execution::new(self.root.clone(), &spec, input, params)
            .map_err(|error| error.to_string())?;
        self.executions.insert(self.root.clone(), execution);
        self.plan(0, self.root.clone(), EventKind::Started);
        Ok(())
    }

    /// Has `kind` happen to `execution` in `after` milliseconds.
    pub(crate) fn plan(&mut self, after: i64, execution: ExecutionId, kind: EventKind) {
        self.count += 1;
        self.agenda
            .insert((self.now + after, self.count), (execution, kind));
    }

    /// Has the deferred action of `task` end in `after` milliseconds from the start.
    pub(crate) fn finish_deferred(&mut self, task: &str, outcome: ActionOutcome) {
        let Some((execution, id)) = self.deferred.remove(task) else {
            panic!("no action of task {task} waits for anybody");
        };
        self.plan(0, execution, EventKind::ActionFinished { id, outcome });
    }

    /// Has somebody say that the deferred action of `task` is in `state`.
    pub(crate) fn change_deferred(&mut self, task: &str, state: State) {
        let Some((execution, id)) = self.deferred.get(task).cloned() else {
            panic!("no action of task {task} waits for anybody");
        };
        self.plan(0, execution, EventKind::ActionChanged { id, state });
    }

    /// The same for some deferred action; whether there is one.
    pub(crate) fn change_any_deferred(&mut self, state: State) -> bool {
        let Some(task) = self.deferred.keys().next().cloned() else {
            return false;
        };
        self.change_deferred(&task, state);
        true
    }

    /// All that executions wait for exists: it is under way, or somebody has it in hand.
    pub(crate) fn check_waits(&self) {
        for (id, execution) in &self.executions {
            let comes = |wanted: &dyn Fn(&EventKind) -> bool| {
                let mut agenda = self.agenda.values();
                agenda.any(|(whose, kind)| whose == id && wanted(kind))
            };
            for waiting in execution.waits_for() {
                let exists = match &waiting {
                    Waiting::Start => comes(&|kind| matches!(kind, EventKind::Started)),
                    Waiting::Action { id: action, .. } => {
                        self.elsewhere.contains(action)
                            || comes(
                                &|kind| matches!(kind, EventKind::ActionFinished { id, .. } if id == action),
                            )
                    }
                    Waiting::Child { id: child, .. } => {
                        !self.executions[child].state().is_completed()
                            || comes(
                                &|kind| matches!(kind, EventKind::ChildFinished { id, .. } if id == child),
                            )
                    }
                    Waiting::Timer { id: timer, .. } => {
                        comes(&|kind| matches!(kind, EventKind::TimerFired { id } if id == timer))
                    }
                    Waiting::Person => execution.state() == State::Paused,
                };
                assert!(
                    exists,
                    "nobody will ever bring {waiting:?} to {execution:#?}"
                );
            }
        }
    }

    /// The only execution of the sub-workflow `name`.
    pub(crate) fn only(&self, name: &str) -> ExecutionId {
        let mut found = self
            .executions
            .iter()
            .filter(|(id, execution)| **id != self.root && **execution.workflow_name() == *name);
        match (found.next(), found.next()) {
            (Some((id, _)), None) => id.clone(),
            (None, _) => panic!("no execution of {name} runs as a sub-workflow"),
            (Some(_), Some(_)) => panic!("several executions of {name} run"),
        }
    }

    /// The newest execution of the task `name` in `execution`.
    pub(crate) fn task(&self, execution: &ExecutionId, name: &str) -> TaskExecutionId {
        let tasks = self.executions[execution].tasks();
        let task = tasks.filter(|task| **task.name() == *name).last();
        let Some(task) = task else {
            panic!("no task {name} has run");
        };
        task.id().clone()
    }

    /// Lets happen what is to happen until `until`; whether all is done.
    pub(crate) fn run(&mut self, until: i64) {
        let mut turns = 0;
        while let Some((&(at, count), _)) = self.agenda.first_key_value() {
            if at > until {
                break;
            }
            turns += 1;
            assert!(turns < MAX_TURNS, "too many turns: {:#?}", self.log);
            let Some((id, kind)) = self.agenda.remove(&(at, count)) else {
                break;
            };
            self.now = self.now.max(at);
            self.step(&id, kind);
        }
        self.now = self.now.max(until.min(i64::MAX - 1));
    }

    /// What can happen next, in no particular time: for random orders. Only what a parent and
    /// its sub-workflow tell each other stays in order.
    pub(crate) fn agenda(&self) -> Vec<(i64, u64)> {
        let mut told = BTreeSet::new();
        let mut next = Vec::new();
        for (key, (whose, kind)) in &self.agenda {
            let from = match kind {
                EventKind::ChildChanged { id, .. } | EventKind::ChildFinished { id, .. } => id,
                EventKind::Started
                | EventKind::ParentPaused
                | EventKind::ParentResumed { .. }
                | EventKind::Stopped { .. } => whose,
                _ => {
                    next.push(*key);
                    continue;
                }
            };
            if told.insert((whose, from)) {
                next.push(*key);
            }
        }
        next
    }

    /// Lets `key` of the agenda happen.
    pub(crate) fn pick(&mut self, key: (i64, u64)) {
        if let Some((id, kind)) = self.agenda.remove(&key) {
            self.now = self.now.max(key.0);
            self.step(&id, kind);
        }
    }

    fn step(&mut self, id: &ExecutionId, kind: EventKind) {
        let Some(execution) = self.executions.get(id).cloned() else {
            return;
        };
        let workflow = Arc::clone(execution.workflow(&self.library).unwrap());
        let mut event = Event::new(self.now, kind);
        self.turns += 1;
        let restored = self.turns.is_multiple_of(self.restores).then(|| {
            let stored = serde_json::to_string(&execution).unwrap();
            let restored: Execution = serde_json::from_str(&stored).unwrap();
            assert_eq!(restored, execution, "what is restored is what was stored");
            event = again(&event);
            [restored, again(&execution)]
        });
        let decision = loop {
            let mut decision = decide(&self.library, &workflow, execution.clone(), event.clone());
            for restored in restored.iter().flatten().cloned() {
                let again = decide(&self.library, &workflow, restored, event.clone());
                assert_eq!(decision, again, "a restored state decides as the live one");
                assert_eq!(
                    serde_json::to_string(&decision.execution).unwrap(),
                    serde_json::to_string(&again.execution).unwrap(),
                );
            }
            if self.explains {
                let mut why = explain(&self.library, &workflow, execution.clone(), event.clone());
                assert!(decision.reasons.is_empty(), "nobody asked for reasons");
                assert!(decision.question.is_some() || !why.reasons.is_empty());
                why.reasons.clear();
                assert_eq!(decision, why, "reasons make no difference");
            }
            match decision.question.take() {
                None => break decision,
                Some(query) => {
                    assert_eq!(decision.execution, execution, "the turn did not happen");
                    assert!(decision.commands.is_empty() && decision.changes.is_empty());
                    event.answers.push(query.answer(self));
                }
            }
        };
        if let Some(history) = &mut self.history {
            history.turns.push(Turn {
                execution: id.clone(),
                event,
                commands: decision.commands.clone(),
                changes: decision.changes.clone(),
                digest: digest(&decision.execution),
            });
        }
        self.carry_out(id, decision);
    }

    fn created(&mut self, id: &ExecutionId, workflow: &Workflow, input: &Map, params: &Params) {
        if let Some(history) = &mut self.history {
            history.executions.push(Created {
                id: id.clone(),
                workflow: workflow.name.to_string(),
                namespace: Arc::clone(&workflow.namespace),
                input: input.clone(),
                params: params.clone(),
            });
        }
    }

    fn carry_out(&mut self, id: &ExecutionId, decision: Decision) {
        let Decision {
            execution,
            commands,
            changes,
            reasons: _,
            question: _,
        } = decision;
        let waiting = execution.waits_for();
        assert_eq!(
            waiting.is_empty(),
            execution.state().is_completed(),
            "it has ended or waits for something: {execution:#?}"
        );
        if execution.state().is_completed() {
            let open = execution.tasks().find(|task| !task.state().is_completed());
            assert!(
                open.is_none(),
                "an ended execution has an open task: {open:#?}"
            );
        }
        let ends = commands
            .iter()
            .filter(|c| matches!(c, Command::Finish { .. }))
            .count();
        let ran = changes.iter().any(
            |change| matches!(change, Change::Execution { state, .. } if !state.is_completed()),
        );
        let ran = ran || !self.executions[id].state().is_completed();
        assert_eq!(
            ends,
            usize::from(execution.state().is_completed() && ran),
            "its end is told once"
        );
        let info = execution.state_info().unwrap_or_default();
        assert!(
            !info.starts_with("internal error"),
            "it was stuck: {execution:#?}"
        );
        self.executions.insert(id.clone(), execution);
        self.changes
            .extend(changes.into_iter().map(|change| (id.clone(), change)));
        for command in commands {
            let second = (self.now - START) / 1000;
            let what = self.command(id, command);
            self.log.push(format!("{second}s {what}"));
        }
    }

    fn command(&mut self, id: &ExecutionId, command: Command) -> String {
        match command {
            Command::RunAction {
                id: action,
                task_name,
                name,
                input,
                attempt,
                timeout,
                safe_rerun,
                target,
                ..
            } => {
                self.run_action(id, action, &task_name, &name, &input);
                let safe = if safe_rerun { " safe-rerun" } else { "" };
                let target = target.map(|t| format!(" target={t}")).unwrap_or_default();
                let attempt = if attempt > 1 {
                    format!(" try={attempt}")
                } else {
                    String::new()
                };
                let timeout = timeout.map(|t| format!(" timeout={t}")).unwrap_or_default();
                format!(
                    "run {task_name}: {name} {}{attempt}{timeout}{safe}{target}",
                    Value::Map(input)
                )
            }
            Command::StartChild {
                id: child,
                task_name,
                workflow,
                namespace,
                input,
                params,
                ..
            } => {
                let spec = self.library.workflow_in(&namespace, &workflow).cloned();
                self.start_child(id, child, &spec.unwrap(), &input, &params);
                format!("start {task_name}: {workflow} {}", Value::Map(input))
            }
            Command::SetTimer { id: timer, at } => {
                self.plan(
                    at - self.now,
                    id.clone(),
                    EventKind::TimerFired { id: timer },
                );
                format!("timer in {}s", (at - self.now) / 1000)
            }
            Command::CancelTimer { .. } => "cancel timer".to_owned(),
            Command::CancelAction { id: action } => {
                // Its result comes all the same, too late.
                let outcome = ActionOutcome::Success("too late".into());
                self.plan(
                    0,
                    id.clone(),
                    EventKind::ActionFinished {
                        id: action,
                        outcome,
                    },
                );
                "cancel action".to_owned()
            }
            Command::StopChild {
                id: child,
                state,
                message,
            } => {
                let name = self.tell(child, EventKind::Stopped { state, message });
                format!("stop {name} {state}")
            }
            Command::PauseChild { id: child } => {
                format!("pause {}", self.tell(child, EventKind::ParentPaused))
            }
            Command::ResumeChild { id: child, env } => {
                format!(
                    "resume {}",
                    self.tell(child, EventKind::ParentResumed { env })
                )
            }
            Command::Report { state } => {
                let event = EventKind::ChildChanged {
                    id: id.clone(),
                    state,
                };
                format!("report {} {state}", self.tell_parent(id, event))
            }
            Command::Finish {
                state,
                output,
                state_info,
            } => {
                let event = EventKind::ChildFinished {
                    id: id.clone(),
                    state,
                    output,
                    state_info,
                };
                let name = self.tell_parent(id, event);
                format!("finish {name} {state}")
            }
        }
    }

    fn start_child(
        &mut self,
        parent: &ExecutionId,
        child: ExecutionId,
        workflow: &Workflow,
        input: &Map,
        params: &Map,
    ) {
        let params = Params::from_map(params, self.now);
        self.created(&child, workflow, input, &params);
        let execution = Execution::new(child.clone(), workflow, input, params).unwrap();
        self.executions.insert(child.clone(), execution);
        self.parents.insert(child.clone(), parent.clone());
        self.plan(0, child, EventKind::Started);
    }

    /// Has `event` happen to the parent of `child`, whose name is the answer.
    fn tell_parent(&mut self, child: &ExecutionId, event: EventKind) -> Arc<str> {
        if let Some(parent) = self.parents.get(child).cloned() {
            self.plan(0, parent, event);
        }
        Arc::clone(self.executions[child].workflow_name())
    }

    /// Has `event` happen to a sub-workflow, whose name is the answer.
    fn tell(&mut self, child: ExecutionId, event: EventKind) -> Arc<str> {
        let name = Arc::clone(self.executions[&child].workflow_name());
        self.plan(0, child, event);
        name
    }

    fn run_action(
        &mut self,
        execution: &ExecutionId,
        id: ActionExecutionId,
        task: &Arc<str>,
        name: &str,
        input: &Arc<Map>,
    ) {
        let namespace = Arc::clone(self.executions[execution].workflow_namespace());
        let resolved = match Resolved::new(&self.library, &namespace, name, input) {
            Ok(resolved) => resolved,
            Err(message) => {
                let outcome = failure(message.into());
                let event = EventKind::ActionFinished { id, outcome };
                return self.plan(0, execution.clone(), event);
            }
        };
        let scripted = self.scripted(task, &resolved.base, &resolved.input);
        let Some(outcome) = scripted.outcome else {
            return;
        };
        let outcome = resolved.outcome(outcome);
        if outcome == ActionOutcome::Deferred {
            self.elsewhere.insert(id.clone());
            self.deferred
                .insert(task.to_string(), (execution.clone(), id.clone()));
        }
        let event = EventKind::ActionFinished { id, outcome };
        self.plan(scripted.after, execution.clone(), event);
    }

    /// How the next call of the action for the task goes: by the task's name, or the action's.
    /// One without a script is a std action, or gives its input.
    fn scripted(&mut self, task: &str, action: &str, input: &Arc<Map>) -> Scripted {
        let key = if self.script.contains_key(task) {
            task
        } else {
            action
        };
        let Some(script) = self.script.get(key) else {
            if let Some(scripted) = standard(action, input) {
                return scripted;
            }
            let outcome = Some(ActionOutcome::Success(Value::Map(Arc::clone(input))));
            return Scripted { outcome, after: 0 };
        };
        let call = self.called.entry(key.to_owned()).or_default();
        let scripted = script.get(*call).or(script.last()).unwrap().clone();
        *call += 1;
        scripted
    }

    pub(crate) fn root(&self) -> &Execution {
        &self.executions[&self.root]
    }
}

impl Records for World {
    fn execution(&self, id: &ExecutionId) -> Option<(Arc<Execution>, Arc<Workflow>)> {
        let execution = self.executions.get(id)?;
        let workflow = execution.workflow(&self.library)?;
        Some((Arc::new(execution.clone()), Arc::clone(workflow)))
    }

    fn executions(&self, _: &Query) -> Vec<Arc<Execution>> {
        self.executions.values().cloned().map(Arc::new).collect()
    }
}

/// The outcome of an action that fails with `value`.
pub(crate) fn failure(value: Value) -> ActionOutcome {
    let message = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    ActionOutcome::Error(ActionError {
        kind: ActionErrorKind::Action,
        message,
        value,
    })
}
