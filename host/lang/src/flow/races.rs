//! Variables that tasks which run in parallel publish both.
//!
//! Where branches meet, a variable has the value that was published more often along its branch;
//! where that is the same, the order decides in which the branches happened to end. So two
//! publications race if neither is on the way of the other, and a task behind the join, or the
//! output, reads the variable.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Found;
use super::graph::{Edge, Event, Graph, transitions};
use super::outcome::{branch_names, global_names};
use super::reads::{Moment, Reads};
use super::solve::{PORTION, Set, on_some_way};
use crate::diagnostics::Code;
use crate::{Join, Location, Task, WorkflowKind};

/// How many branches of one join are each compared with each other; of more, each is compared
/// with its neighbour and the first one.
const MOST_PAIRED: usize = 32;
/// How many pairs of tasks are looked at for whether they run in parallel.
const MOST_PAIRS: usize = 200;

/// Checks a direct workflow.
pub(super) fn check(graph: &Graph<'_>, reads: &Reads<'_>, found: &mut Found) {
    if graph.workflow.kind == WorkflowKind::Reverse {
        return;
    }
    let mut pairs = MOST_PAIRS;
    globals(graph, &mut pairs, found);
    let mut readers = Readers::of(graph, reads);
    let names = Sites::of(graph, &readers);
    for portion in names.portions() {
        if found.is_full() {
            return;
        }
        let solved = Solved::new(graph, portion);
        solved.at_joins(&mut readers, found);
        solved.at_the_end(&readers, &mut pairs, found);
    }
}

/// Variables for the whole execution that two parallel tasks set.
fn globals(graph: &Graph<'_>, pairs: &mut usize, found: &mut Found) {
    let mut by: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    let mut order = Vec::new();
    for &task in &graph.order {
        let publish = &graph.tasks[task].publish;
        for name in [&publish.success, &publish.error]
            .into_iter()
            .flat_map(global_names)
        {
            let tasks = by.entry(name).or_insert_with(|| {
                order.push(&**name);
                Vec::new()
            });
            if tasks.last() != Some(&task) {
                tasks.push(task);
            }
        }
    }
    for name in order {
        if let Some((first, second)) = first_parallel(graph, &by[name], pairs) {
            race(
                graph,
                graph.tasks[second],
                name,
                first,
                second,
                "which one wins",
                found,
            );
        }
    }
}

/// The first two of `tasks` that run in parallel.
fn first_parallel(graph: &Graph<'_>, tasks: &[usize], pairs: &mut usize) -> Option<(usize, usize)> {
    for (index, &second) in tasks.iter().enumerate() {
        for &first in &tasks[..index] {
            if *pairs == 0 {
                return None;
            }
            *pairs -= 1;
            if in_parallel(graph, first, second) {
                return Some((first, second));
            }
        }
    }
    None
}

/// Whether some task is certain to start two branches at once that lead to `a` and to `b`, and
/// neither of them is on the way to the other.
fn in_parallel(graph: &Graph<'_>, a: usize, b: usize) -> bool {
    let (to_a, to_b) = (graph.before(a), graph.before(b));
    if to_a[b] || to_b[a] {
        return false;
    }
    let parts = |next: &[usize]| {
        next.iter().filter(|one| to_a[**one]).any(|one| {
            next.iter()
                .filter(|other| to_b[**other] && *other != one)
                .any(|other| !(to_b[*one] && to_a[*other]))
        })
    };
    // Only few tasks lead to both, of the many that one task may start.
    let to_either = |next: Vec<usize>| -> Vec<usize> {
        next.into_iter()
            .filter(|task| to_a[*task] || to_b[*task])
            .take(64)
            .collect()
    };
    if parts(&to_either(graph.starts.clone())) {
        return true;
    }
    graph
        .order
        .iter()
        .filter(|task| to_a[**task] && to_b[**task])
        .any(|task| {
            [Event::Success, Event::Error].into_iter().any(|event| {
                let next = graph
                    .leaving(*task)
                    .filter(|edge| !edge.conditional)
                    .filter(|edge| edge.event == event || edge.event == Event::Complete)
                    .map(|edge| edge.to)
                    .collect();
                parts(&to_either(next))
            })
        })
}

fn race(
    graph: &Graph<'_>,
    at: &Task,
    name: &str,
    first: usize,
    second: usize,
    what: &str,
    found: &mut Found,
) {
    let (first, second) = (first.min(second), first.max(second));
    let message = format!(
        "`{}` and `{}` run in parallel and both publish `{name}`: {what} is left to chance",
        graph.tasks[first].name, graph.tasks[second].name
    );
    let hint = "publish it under two names, or let one of the tasks follow the other".to_owned();
    found.at_task(Code::PublishRace, at, message, Some(hint));
}

/// Who reads which variable.
struct Readers<'r> {
    by_task: FxHashMap<&'r str, FxHashSet<usize>>,
    in_output: FxHashMap<&'r str, Location>,
    known: FxHashMap<(usize, &'r str), bool>,
}

impl<'r> Readers<'r> {
    fn of(graph: &Graph<'_>, reads: &'r Reads<'_>) -> Self {
        let mut readers = Self {
            by_task: FxHashMap::default(),
            in_output: FxHashMap::default(),
            known: FxHashMap::default(),
        };
        for read in &reads.all {
            match read.moment {
                Moment::Start(task) | Moment::Settled(task) | Moment::Ended(task, _) => {
                    // What a task publishes, its transitions read: that is no race.
                    let own = matches!(read.moment, Moment::Ended(..) | Moment::Settled(_))
                        && publishes(graph.tasks[task], &read.name);
                    if !own {
                        readers.by_task.entry(&read.name).or_default().insert(task);
                    }
                }
                Moment::Output => {
                    let at = || read.location.clone();
                    readers.in_output.entry(&read.name).or_insert_with(at);
                }
                Moment::Vars | Moment::OutputOnError => {}
            }
        }
        readers
    }

    fn any(&self, name: &str) -> bool {
        self.by_task.contains_key(name) || self.in_output.contains_key(name)
    }

    /// Whether what `name` is when `start` starts is read, by it or by a task after it.
    fn after(&mut self, graph: &Graph<'_>, start: usize, name: &'r str) -> bool {
        if let Some(known) = self.known.get(&(start, name)) {
            return *known;
        }
        let readers = self.by_task.get(name);
        let mut seen: FxHashSet<usize> = FxHashSet::from_iter([start]);
        let mut open = vec![start];
        let mut is_read = false;
        while let Some(task) = open.pop() {
            if readers.is_some_and(|readers| readers.contains(&task)) {
                is_read = true;
                break;
            }
            if publishes(graph.tasks[task], name) {
                continue;
            }
            if graph.leaving(task).next().is_none() && self.in_output.contains_key(name) {
                is_read = true;
                break;
            }
            open.extend(
                graph
                    .leaving(task)
                    .map(|edge| edge.to)
                    .filter(|to| seen.insert(*to)),
            );
        }
        self.known.insert((start, name), is_read);
        is_read
    }
}

fn publishes(task: &Task, name: &str) -> bool {
    branch_names(&task.publish.success).any(|published| **published == *name)
}

/// The places where variables are published that more than one task publishes and something
/// reads.
struct Sites<'n> {
    /// Name and publishing tasks.
    names: Vec<(&'n str, Vec<usize>)>,
}

/// Names with the facts that their publications are.
struct Portion<'n> {
    /// Name, its first fact, and its tasks.
    names: Vec<(&'n str, usize, Vec<usize>)>,
}

impl<'n> Sites<'n> {
    fn of<'g>(graph: &'g Graph<'_>, readers: &Readers<'n>) -> Self
    where
        'g: 'n,
    {
        let mut by: FxHashMap<&str, usize> = FxHashMap::default();
        let mut names: Vec<(&'n str, Vec<usize>)> = Vec::new();
        for &task in &graph.order {
            let publish = &graph.tasks[task].publish;
            for name in [&publish.success, &publish.error]
                .into_iter()
                .flat_map(branch_names)
            {
                let in_task = readers.by_task.get_key_value(&**name);
                let in_output = readers.in_output.get_key_value(&**name);
                let name = in_task.map(|(name, _)| *name);
                let Some(name) = name.or(in_output.map(|(name, _)| *name)) else {
                    continue;
                };
                let index = *by.entry(name).or_insert_with(|| {
                    names.push((name, Vec::new()));
                    names.len() - 1
                });
                let tasks = &mut names[index].1;
                // Of a name that everything publishes, some are enough.
                if tasks.last() != Some(&task) && tasks.len() < PORTION {
                    tasks.push(task);
                }
            }
        }
        names.retain(|(name, tasks)| tasks.len() > 1 && readers.any(name));
        Self { names }
    }

    fn portions(self) -> Vec<Portion<'n>> {
        let mut portions: Vec<Portion<'n>> = Vec::new();
        let mut next = PORTION;
        for (name, tasks) in self.names {
            if next + tasks.len() > PORTION {
                portions.push(Portion { names: Vec::new() });
                next = 0;
            }
            let count = tasks.len();
            if let Some(portion) = portions.last_mut() {
                portion.names.push((name, next, tasks));
            }
            next += count;
        }
        portions
    }
}

/// What arrives where.
struct Solved<'g, 'w, 'n> {
    graph: &'g Graph<'w>,
    portion: Portion<'n>,
    /// The task of each fact.
    site: Vec<usize>,
    /// What a task adds and what it replaces, by success and error.
    adds: FxHashMap<usize, [(Set, Set); 2]>,
    /// The publications whose value may arrive at a task.
    arrives: Vec<Set>,
    /// The publications that may lie on the way to a task.
    passed: Vec<Set>,
}

impl<'g, 'w, 'n> Solved<'g, 'w, 'n> {
    fn new(graph: &'g Graph<'w>, portion: Portion<'n>) -> Self {
        let mut adds: FxHashMap<usize, [(Set, Set); 2]> = FxHashMap::default();
        let mut site = Vec::new();
        for (name, first, tasks) in &portion.names {
            let mut all = Set::EMPTY;
            (0..tasks.len()).for_each(|place| all.put(first + place));
            for (place, &task) in tasks.iter().enumerate() {
                site.push(task);
                let publish = &graph.tasks[task].publish;
                let of = adds.entry(task).or_insert([(Set::EMPTY, Set::EMPTY); 2]);
                for (of, publish) in of.iter_mut().zip([&publish.success, &publish.error]) {
                    if branch_names(publish).any(|published| **published == **name) {
                        of.0.put(first + place);
                        of.1 = of.1.or(&all);
                    }
                }
            }
        }
        let mut solved = Self {
            graph,
            portion,
            site,
            adds,
            arrives: Vec::new(),
            passed: Vec::new(),
        };
        solved.arrives = on_some_way(graph, |edge, set| solved.arriving(edge, set));
        solved.passed = on_some_way(graph, |edge, set| solved.passing(edge, set));
        solved
    }

    /// What arrives along `edge` of what its task got.
    fn arriving(&self, edge: &Edge, set: &Set) -> Set {
        let Some([success, error]) = self.adds.get(&edge.from) else {
            return *set;
        };
        match edge.event {
            Event::Success => set.without(&success.1).or(&success.0),
            Event::Error => set.without(&error.1).or(&error.0),
            Event::Complete => {
                let kept = set.without(&success.1.and(&error.1));
                kept.or(&success.0).or(&error.0)
            }
            Event::Skip => *set,
        }
    }

    fn passing(&self, edge: &Edge, set: &Set) -> Set {
        let Some([success, error]) = self.adds.get(&edge.from) else {
            return *set;
        };
        match edge.event {
            Event::Success => set.or(&success.0),
            Event::Error => set.or(&error.0),
            Event::Complete => set.or(&success.0).or(&error.0),
            Event::Skip => *set,
        }
    }

    /// The first two publications of each name that race where `a` and `b` meet, each being
    /// what arrives and what was passed.
    fn clashes(&self, a: &(Set, Set), b: &(Set, Set)) -> Vec<(usize, usize, usize)> {
        let (left, right) = (a.0.without(&b.1), b.0.without(&a.1));
        if left.is_empty() || right.is_empty() {
            return Vec::new();
        }
        let first_of = |set: &Set, from: usize, count: usize| {
            set.iter().find(|fact| (from..from + count).contains(fact))
        };
        let names = self.portion.names.iter().enumerate();
        names
            .filter_map(|(name, (_, from, tasks))| {
                let one = first_of(&left, *from, tasks.len())?;
                let other = first_of(&right, *from, tasks.len())?;
                Some((name, self.site[one], self.site[other]))
            })
            .collect()
    }

    fn at_joins<'r>(&self, readers: &mut Readers<'r>, found: &mut Found)
    where
        'n: 'r,
    {
        for &task in &self.graph.order {
            let waits = match self.graph.tasks[task].join {
                None | Some(Join::Count(0 | 1)) => false,
                Some(Join::All | Join::Count(_)) => true,
            };
            let branches: Vec<(Set, Set)> = self
                .graph
                .sources(task)
                .map(|edges| {
                    let empty = (Set::EMPTY, Set::EMPTY);
                    edges.iter().fold(empty, |(arrives, passed), edge| {
                        let edge = &self.graph.edges[*edge];
                        (
                            arrives.or(&self.arriving(edge, &self.arrives[edge.from])),
                            passed.or(&self.passing(edge, &self.passed[edge.from])),
                        )
                    })
                })
                .collect();
            // With a number, those that arrive may be alternatives of each other.
            let alternatives = matches!(self.graph.tasks[task].join, Some(Join::Count(count))
                if usize::try_from(count).is_ok_and(|count| count < branches.len()));
            if !waits || alternatives || branches.len() < 2 {
                continue;
            }
            let mut told = FxHashSet::default();
            for (index, branch) in branches.iter().enumerate().skip(1) {
                let others = if branches.len() <= MOST_PAIRED {
                    (0..index).collect()
                } else {
                    vec![0, index - 1]
                };
                for other in others {
                    for (name, first, second) in self.clashes(&branches[other], branch) {
                        let text = self.portion.names[name].0;
                        if told.insert(name) && readers.after(self.graph, task, text) {
                            let what = format!("what `{}` gets", self.graph.tasks[task].name);
                            let at = self.graph.tasks[task];
                            race(self.graph, at, text, first, second, &what, found);
                        }
                    }
                }
            }
        }
    }

    /// Branches that end without a join meet in the output.
    fn at_the_end(&self, readers: &Readers<'_>, pairs: &mut usize, found: &mut Found) {
        let ends: Vec<(Set, Set)> = self
            .graph
            .order
            .iter()
            .flat_map(|task| [Event::Success, Event::Error].map(|event| (*task, event)))
            .filter(|(task, event)| self.is_end(*task, *event))
            .map(|(task, event)| {
                let edge = Edge {
                    from: task,
                    to: task,
                    event,
                    conditional: false,
                };
                (
                    self.arriving(&edge, &self.arrives[task]),
                    self.passing(&edge, &self.passed[task]),
                )
            })
            .filter(|(arrives, _)| !arrives.is_empty())
            .take(MOST_PAIRED * 2)
            .collect();
        let mut told = FxHashSet::default();
        for (index, end) in ends.iter().enumerate() {
            for other in &ends[..index] {
                for (name, first, second) in self.clashes(other, end) {
                    let text = self.portion.names[name].0;
                    if *pairs == 0 || told.contains(text) || !readers.in_output.contains_key(text) {
                        continue;
                    }
                    *pairs -= 1;
                    if in_parallel(self.graph, first, second) {
                        told.insert(text);
                        let at = self.graph.tasks[first.max(second)];
                        race(
                            self.graph,
                            at,
                            text,
                            first,
                            second,
                            "what the output gets",
                            found,
                        );
                    }
                }
            }
        }
    }

    /// Whether a successful workflow may end with `task` when it ended so.
    fn is_end(&self, task: usize, event: Event) -> bool {
        let mut next = transitions(self.graph.tasks[task])
            .filter(|(taken, _)| *taken == event || *taken == Event::Complete)
            .peekable();
        match next.peek() {
            None => event == Event::Success,
            Some(_) => false,
        }
    }
}
