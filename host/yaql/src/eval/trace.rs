//! What each part of an expression gives.
//!
//! Iterators can be gone through once, so a value that was seen on its way can't be shown.
//! Instead it is noted in which context each part was evaluated first, and afterwards each is
//! evaluated again by itself.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::Eval;
use crate::ast::{Kind, NodeId, Tree};
use crate::error::Span;
use crate::value::Ctx;
use crate::{Budget, Host, Value, YaqlError};

/// The most parts that are shown.
const MAX_STEPS: usize = 1000;

/// What one part of an expression gave.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where the part stands in the source.
    pub span: Span,
    /// How many shown parts it stands in.
    pub depth: usize,
    /// How often it was evaluated: more than once where it is run for each item. `result` is
    /// that of the first time.
    pub times: u64,
    /// Its value, or what is wrong.
    pub result: Result<Value, YaqlError>,
}

/// Where parts were evaluated first, and how often.
pub(crate) type Visited = FxHashMap<NodeId, (Rc<Ctx>, u64)>;

impl Eval<'_> {
    /// Notes that the part `id` is evaluated, if that is wanted.
    pub(super) fn visit(&mut self, id: NodeId, ctx: &Rc<Ctx>) {
        if let Some(visited) = &mut self.visited {
            visited.entry(id).or_insert_with(|| (Rc::clone(ctx), 0)).1 += 1;
        }
    }
}

/// Evaluates `tree`, and then each of its parts in the context that it had.
pub(crate) fn traced(
    tree: &Tree,
    data: &Value,
    host: &dyn Host,
    budget: &Budget,
    whole: Span,
) -> (Result<Value, YaqlError>, Vec<Step>) {
    let mut eval = Eval::new(tree, host, budget);
    eval.visited = Some(Visited::default());
    let result = eval.run(data).map_err(|error| error.finish(whole));
    let visited = eval.visited.take().unwrap_or_default();
    let mut steps = Vec::new();
    let mut waiting = vec![(tree.root, 0)];
    while let Some((id, depth)) = waiting.pop() {
        let shown = match visited.get(&id) {
            Some((ctx, times)) if is_shown(tree, id, ctx) && steps.len() < MAX_STEPS => {
                let mut eval = Eval::new(tree, host, budget);
                let result = eval
                    .eval(id, ctx)
                    .and_then(|value| eval.finish(&value))
                    .map_err(|error| error.finish(tree.span(id)));
                steps.push(Step {
                    span: tree.span(id),
                    depth,
                    times: *times,
                    result,
                });
                true
            }
            _ => false,
        };
        let children = children(tree, id);
        waiting.extend(
            children
                .into_iter()
                .rev()
                .map(|child| (child, depth + usize::from(shown))),
        );
    }
    (result, steps)
}

/// Constants say it themselves, parentheses say what is in them, and the data as a whole is what
/// was given.
fn is_shown(tree: &Tree, id: NodeId, ctx: &Rc<Ctx>) -> bool {
    match tree.kind(id) {
        Kind::Constant(_)
        | Kind::Text(_)
        | Kind::Keyword(_)
        | Kind::Group(_)
        | Kind::Gap
        | Kind::Pair { .. } => false,
        Kind::Position(1) => ctx.parent.is_some(),
        _ => true,
    }
}

fn children(tree: &Tree, id: NodeId) -> Vec<NodeId> {
    match tree.kind(id) {
        Kind::Constant(_)
        | Kind::Text(_)
        | Kind::Keyword(_)
        | Kind::Position(_)
        | Kind::Variable(_)
        | Kind::Gap => Vec::new(),
        Kind::Group(inner) => vec![*inner],
        Kind::Call { args, .. } | Kind::List(args) | Kind::Map(args) => tree.args(*args).to_vec(),
        Kind::Binary { left, right, .. } => vec![*left, *right],
        Kind::Unary { operand, .. } => vec![*operand],
        Kind::Index { target, args } => {
            let mut all = vec![*target];
            all.extend(tree.args(*args));
            all
        }
        Kind::Pair { key, value } => vec![*key, *value],
    }
}
