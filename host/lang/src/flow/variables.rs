//! Variables that nothing sets before they are read.

use std::cell::OnceCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::graph::{Edge, Event, Graph, transitions};
use super::near::{self, Publishes};
use super::outcome::{global_names, keys, names};
use super::reads::{Moment, Read, Reads, expressions, of_expression};
use super::solve::{Ended, PORTION, Set, on_every_way, on_some_way};
use super::{Found, listed};
use crate::diagnostics::Code;
use crate::{AdHocAction, EngineCommand, Target, Task, Template, Work, WorkflowKind};

/// How many tasks of a way are named.
const SHOWN: usize = 4;

/// Whether the engine itself sets `name`.
fn is_given(name: &str) -> bool {
    name.starts_with("__") || name == "openstack"
}

/// Checks the reads of a workflow.
pub(super) fn check(graph: &Graph<'_>, reads: &Reads<'_>, found: &mut Found) {
    let workflow = graph.workflow;
    let inputs: FxHashSet<&str> = workflow.input.iter().map(|input| &*input.name).collect();
    let vars: FxHashSet<&str> = workflow.vars.iter().flat_map(keys).map(|n| &**n).collect();
    let mut numbers: FxHashMap<&str, usize> = FxHashMap::default();
    let mut open: Vec<(usize, &Read<'_>)> = Vec::new();
    for read in reads.all.iter().filter(|read| !read.optional) {
        if is_given(&read.name) || inputs.contains(&*read.name) {
            continue;
        }
        if read.moment == Moment::Vars {
            unset_in_vars(read, &inputs, &vars, found);
        } else if !vars.contains(&*read.name) {
            let next = numbers.len();
            open.push((*numbers.entry(&read.name).or_insert(next), read));
        }
    }
    if open.is_empty() {
        return;
    }
    let published = Published::of(graph, &numbers);
    open.retain(|(number, read)| !near::is_set(graph, &published, read.moment, *number));
    open.sort_by_key(|(number, _)| *number);
    for portion in open.chunk_by(|a, b| a.0 / PORTION == b.0 / PORTION) {
        if found.is_full() {
            return;
        }
        let first = portion[0].0 / PORTION * PORTION;
        let solved = Solved::new(graph, &published, first);
        for (number, read) in portion {
            solved.judge(read, number - first, &inputs, &vars, found);
        }
    }
}

/// `vars` see the inputs, and not each other.
fn unset_in_vars(
    read: &Read<'_>,
    inputs: &FxHashSet<&str>,
    vars: &FxHashSet<&str>,
    found: &mut Found,
) {
    let hint = if vars.contains(&*read.name) {
        Some("the values under `vars` don't see each other, only the inputs".to_owned())
    } else {
        found.did_you_mean(&read.name, inputs.iter().copied())
    };
    report(
        read,
        read.certain,
        "nothing sets",
        "before the first task",
        hint,
        found,
    );
}

fn report(
    read: &Read<'_>,
    certain: bool,
    what: &str,
    when: &str,
    hint: Option<String>,
    found: &mut Found,
) {
    let code = if certain {
        Code::UndefinedVariable
    } else {
        Code::MaybeUndefined
    };
    let message = format!("{what} `{}` {when}", read.name);
    let message = message.trim_end().to_owned();
    found.add(code, &read.location, read.length, message, hint);
}

/// Who publishes the names that are looked at.
struct Published {
    /// For each task the names by how it ends.
    tasks: Vec<[Vec<usize>; 3]>,
    /// Whether each task can fail.
    fails: Vec<bool>,
    /// The names that some task publishes for the whole execution.
    anywhere: FxHashSet<usize>,
    /// The tasks that publish each name.
    by: FxHashMap<usize, Vec<usize>>,
}

impl Published {
    fn of(graph: &Graph<'_>, numbers: &FxHashMap<&str, usize>) -> Self {
        let mut published = Published {
            tasks: Vec::with_capacity(graph.tasks.len()),
            fails: graph.tasks.iter().map(|task| may_fail(task)).collect(),
            anywhere: FxHashSet::default(),
            by: FxHashMap::default(),
        };
        for (number, task) in graph.tasks.iter().enumerate() {
            let publish = [
                &task.publish.success,
                &task.publish.error,
                &task.publish.skip,
            ];
            published.tasks.push(publish.map(|publish| {
                names(publish)
                    .filter_map(|name| numbers.get(&**name).copied())
                    .collect()
            }));
            for publish in publish {
                let global = global_names(publish).filter_map(|name| numbers.get(&**name));
                published.anywhere.extend(global);
                for name in names(publish).filter_map(|name| numbers.get(&**name)) {
                    let by = published.by.entry(*name).or_default();
                    if by.last() != Some(&number) {
                        by.push(number);
                    }
                }
            }
        }
        published
    }
}

/// As [`Ended::surely`], for one name.
impl Publishes for Published {
    fn surely(&self, task: usize, event: Event, name: usize) -> bool {
        let [success, error, skip] = &self.tasks[task];
        match event {
            Event::Success => success.contains(&name),
            Event::Error => !self.fails[task] || error.contains(&name),
            Event::Complete => {
                success.contains(&name) && (!self.fails[task] || error.contains(&name))
            }
            Event::Skip => skip.contains(&name),
        }
    }
}

/// What is set where, of one portion of names.
struct Solved<'g, 'w> {
    graph: &'g Graph<'w>,
    published: &'g Published,
    first: usize,
    /// What each task adds; none if it adds nothing of this portion.
    ended: Vec<Option<Box<Ended>>>,
    anywhere: Set,
    surely: Vec<Set>,
    // Most workflows are right, and need neither.
    maybe: OnceCell<Vec<Set>>,
    end: OnceCell<Set>,
}

impl<'g, 'w> Solved<'g, 'w> {
    fn new(graph: &'g Graph<'w>, published: &'g Published, first: usize) -> Self {
        let portion = first..first + PORTION;
        let set_of = |names: &Vec<usize>| {
            let mut set = Set::EMPTY;
            for name in names.iter().filter(|name| portion.contains(name)) {
                set.put(name - first);
            }
            set
        };
        let ended: Vec<Option<Box<Ended>>> = published
            .tasks
            .iter()
            .zip(&published.fails)
            .map(|(names, &fails)| {
                let all = names.iter().flatten();
                let adds = all.clone().any(|name| portion.contains(name)) || !fails;
                adds.then(|| {
                    let [success, error, skip] = names.each_ref().map(set_of);
                    Box::new(Ended {
                        success,
                        error,
                        skip,
                        fails,
                    })
                })
            })
            .collect();
        let anywhere = set_of(&published.anywhere.iter().copied().collect());
        let surely = on_every_way(graph, |edge: &Edge, set| match &ended[edge.from] {
            Some(ended) => set.or(&ended.surely(edge.event)),
            None => *set,
        });
        Self {
            graph,
            published,
            first,
            ended,
            anywhere,
            surely,
            maybe: OnceCell::new(),
            end: OnceCell::new(),
        }
    }

    fn maybe(&self) -> &[Set] {
        self.maybe.get_or_init(|| {
            on_some_way(self.graph, |edge: &Edge, set| {
                match &self.ended[edge.from] {
                    Some(ended) => set.or(&ended.maybe(edge.event)),
                    None => *set,
                }
            })
        })
    }

    fn end(&self) -> &Set {
        self.end.get_or_init(|| at_end(self.graph, &self.ended))
    }

    /// Whether the name is set for sure when `moment` comes.
    fn surely(&self, moment: Moment, name: usize) -> bool {
        let at = |task: usize, own: fn(&Ended, Event) -> Set, event| {
            let ended = self.ended[task].as_ref();
            self.surely[task].has(name) || ended.is_some_and(|ended| own(ended, event).has(name))
        };
        match moment {
            Moment::Vars => false,
            Moment::Start(task) => self.surely[task].has(name),
            Moment::Ended(task, event) => at(task, Ended::surely, event),
            Moment::Settled(task) => at(task, |ended, _| ended.any(), Event::Complete),
            // Which task is the last one is known only when a reverse workflow starts.
            Moment::Output if self.graph.workflow.kind == WorkflowKind::Direct => {
                self.end().has(name)
            }
            Moment::Output | Moment::OutputOnError => self.is_published(name),
        }
    }

    /// Whether the name may be set when `moment` comes.
    fn may(&self, moment: Moment, name: usize) -> bool {
        let at = |task: usize, own: fn(&Ended, Event) -> Set, event| {
            let ended = self.ended[task].as_ref();
            self.anywhere.has(name)
                || self.maybe()[task].has(name)
                || ended.is_some_and(|ended| own(ended, event).has(name))
        };
        match moment {
            Moment::Vars => false,
            Moment::Start(task) => self.anywhere.has(name) || self.maybe()[task].has(name),
            Moment::Ended(task, event) => at(task, Ended::maybe, event),
            Moment::Settled(task) => at(task, |ended, _| ended.any(), Event::Complete),
            Moment::Output | Moment::OutputOnError => self.is_published(name),
        }
    }

    /// Whether a task that can be reached publishes the name.
    fn is_published(&self, name: usize) -> bool {
        let by = self.published.by.get(&(self.first + name));
        by.is_some_and(|tasks| tasks.iter().any(|task| self.graph.reached[*task]))
    }

    fn judge(
        &self,
        read: &Read<'_>,
        name: usize,
        inputs: &FxHashSet<&str>,
        vars: &FxHashSet<&str>,
        found: &mut Found,
    ) {
        let task = match read.moment {
            Moment::Start(task) | Moment::Ended(task, _) | Moment::Settled(task) => Some(task),
            Moment::Vars | Moment::Output | Moment::OutputOnError => None,
        };
        if task.is_some_and(|task| !self.graph.reached[task]) {
            return;
        }
        if self.surely(read.moment, name) {
            return;
        }
        if self.may(read.moment, name) {
            let way = if task.is_some() {
                "leads here"
            } else {
                "leads to the end"
            };
            let message = format!("`{}` is not set on every way that {way}", read.name);
            let get = format!("`$.get({})` gives null where it is not set", read.name);
            let hint = match task.and_then(|task| self.way_without(task, name)) {
                Some(way) => format!("{way}; {get}"),
                None => get,
            };
            let code = Code::MaybeUndefined;
            found.add(code, &read.location, read.length, message, Some(hint));
            return;
        }
        let when = if task.is_some() {
            "before it is read here"
        } else {
            "in this workflow"
        };
        let hint = self.why_unset(&read.name, name, inputs, vars, found);
        report(read, read.certain, "nothing sets", when, Some(hint), found);
    }

    /// Why nothing sets the variable `text`.
    fn why_unset(
        &self,
        text: &str,
        name: usize,
        inputs: &FxHashSet<&str>,
        vars: &FxHashSet<&str>,
        found: &mut Found,
    ) -> String {
        let tasks = &self.graph.tasks;
        if let Some(by) = self.published.by.get(&(self.first + name)) {
            let all = listed(by.iter().map(|task| &*tasks[*task].name));
            return format!("{all} publishes it, but not on a way that leads here");
        }
        let published = tasks.iter().flat_map(|task| {
            let publish = &task.publish;
            [&publish.success, &publish.error, &publish.skip]
                .into_iter()
                .flat_map(names)
                .map(|name| &**name)
        });
        let known = inputs.iter().chain(vars).copied().chain(published);
        found.did_you_mean(text, known).unwrap_or_else(|| {
            "make it an input, set it under `vars`, or publish it in a task before".to_owned()
        })
    }

    /// A way to `task` on which nothing sets the name, in words.
    fn way_without(&self, task: usize, name: usize) -> Option<String> {
        let mut way = Vec::new();
        let mut seen = FxHashSet::default();
        let mut at = task;
        while seen.insert(at) && way.len() < SHOWN {
            let lacking = self
                .graph
                .sources(at)
                .flatten()
                .map(|edge| &self.graph.edges[*edge])
                .find(|edge| {
                    let ended = self.ended[edge.from].as_ref();
                    let adds = ended.is_some_and(|ended| ended.surely(edge.event).has(name));
                    !self.surely[edge.from].has(name) && !adds
                });
            let Some(edge) = lacking else { break };
            way.push(format!(
                "`{}` ({})",
                self.graph.tasks[edge.from].name,
                edge.event.key()
            ));
            at = edge.from;
        }
        way.reverse();
        (!way.is_empty()).then(|| format!("not on the way through {}", way.join(", ")))
    }
}

/// Whether a task can end in ERROR. One that runs nothing fails only if what it publishes can't be
/// evaluated; who minds that says what happens then.
fn may_fail(task: &Task) -> bool {
    let runs_nothing = match &task.work {
        Work::Noop => true,
        Work::Action(Template::Literal(name)) => name.as_str() == Some("std.noop"),
        _ => false,
    };
    let mut expressions_published = 0;
    let publish = &task.publish.success;
    for template in [&publish.branch, &publish.global, &publish.atomic]
        .into_iter()
        .flatten()
    {
        expressions(template, &mut |_| expressions_published += 1);
    }
    let policies = &task.policies;
    if policies.fail_on.is_some() || policies.timeout.is_some() {
        return true;
    }
    let minds =
        names(&task.publish.error).next().is_some() || !task.transitions.on_error.is_empty();
    !runs_nothing || (minds && expressions_published > 0)
}

/// What is set for sure when the workflow has succeeded and all its tasks, too.
///
/// Where a task failed, most workflows end in ERROR in one way or another, so that these ways are
/// not looked at. Of tasks that follow without a condition all run, so that the end has what each
/// of them leads to. Of tasks that follow with conditions, one is taken to run where there are
/// several, and none may run where there is one.
fn at_end(graph: &Graph<'_>, ended: &[Option<Box<Ended>>]) -> Set {
    let surely = &on_every_way(graph, |edge: &Edge, set| match edge.event {
        Event::Success | Event::Complete => match &ended[edge.from] {
            Some(ended) => set.or(&ended.success),
            None => *set,
        },
        Event::Error | Event::Skip => Set::ALL,
    });
    let mut ends = vec![Set::ALL; graph.tasks.len()];
    let mut again = true;
    while again {
        again = false;
        for &task in graph.order.iter().rev() {
            let set = if always_fails(graph, task) {
                Set::ALL
            } else {
                after(graph, task, ended, surely, &ends)
            };
            if set != ends[task] {
                ends[task] = set;
                again = true;
            }
        }
    }
    graph
        .starts
        .iter()
        .fold(Set::EMPTY, |set, start| set.or(&ends[*start]))
}

/// `std.fail` ends in ERROR, whatever it is given.
fn always_fails(graph: &Graph<'_>, task: usize) -> bool {
    matches!(
        &graph.tasks[task].work,
        Work::Action(Template::Literal(name)) if name.as_str() == Some("std.fail")
    )
}

/// What is set for sure at the end of a successful workflow in which `task` succeeded.
fn after(
    graph: &Graph<'_>,
    task: usize,
    ended: &[Option<Box<Ended>>],
    surely: &[Set],
    ends: &[Set],
) -> Set {
    let here = match &ended[task] {
        Some(ended) => surely[task].or(&ended.success),
        None => surely[task],
    };
    let mut unconditional: Option<Set> = None;
    let mut conditional: Option<Set> = None;
    let mut conditions = 0;
    for (_, transition) in transitions(graph.tasks[task])
        .filter(|(event, _)| matches!(event, Event::Success | Event::Complete))
    {
        let leads_to = match &transition.target {
            Target::Task(name) => graph.numbers.get(&**name).map_or(here, |to| ends[*to]),
            // The workflow doesn't succeed on this way.
            Target::Command {
                command: EngineCommand::Fail,
                ..
            } => Set::ALL,
            Target::Command { .. } => here,
        };
        if transition.condition.is_none() {
            unconditional = Some(unconditional.map_or(leads_to, |set| set.or(&leads_to)));
        } else {
            conditions += 1;
            conditional = Some(conditional.map_or(leads_to, |set| set.and(&leads_to)));
        }
    }
    match (unconditional, conditional) {
        (Some(set), _) => set,
        (None, Some(set)) if conditions > 1 => set,
        (None, Some(set)) => set.and(&here),
        (None, None) => here,
    }
}

/// Checks what the base input of an ad-hoc action reads: it sees the action's input alone.
pub(super) fn check_ad_hoc(action: &AdHocAction, found: &mut Found) {
    let inputs: FxHashSet<&str> = action.input.iter().map(|input| &*input.name).collect();
    let mut reads = Vec::new();
    expressions(&action.base_input, &mut |expression| {
        of_expression(expression, Moment::Vars, &mut reads, &inputs);
    });
    for read in reads
        .iter()
        .filter(|read| !read.optional && !is_given(&read.name))
    {
        let hint = found
            .did_you_mean(&read.name, inputs.iter().copied())
            .unwrap_or_else(|| "an ad-hoc action sees its own `input` alone".to_owned());
        report(
            read,
            read.certain,
            "no input of the ad-hoc action sets",
            "",
            Some(hint),
            found,
        );
    }
}
