//! Calls that can't work, found without evaluating the expression.

use std::sync::Arc;

use ostro_core::suggest::did_you_mean;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::ast::{Constant, Kind, NodeId, Tree};
use crate::error::{Fail, Span};
use crate::eval::check_call;
use crate::lexer::Op;
use crate::signatures::CallStyle;
use crate::value::Val;
use crate::{ErrorKind, Expression, library};

/// A call in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite<'a> {
    /// The function's or method's name.
    pub name: &'a str,
    /// Where the name stands.
    pub span: Span,
    /// Where the whole call stands, without a receiver.
    pub whole: Span,
    /// How it is called.
    pub style: CallStyle,
    /// How many arguments are given by position, those left out (`f(a, , b)`) among them.
    pub positional: usize,
    /// The names of those given by name, in order.
    pub keywords: Vec<&'a str>,
}

/// A function of the host, as [`check`] needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFunction<'a> {
    /// Its name.
    pub name: &'a str,
    /// The names of its parameters, in order.
    pub parameters: &'a [&'a str],
    /// How many of them, from the first on, must be given.
    pub required: usize,
}

/// A call that fails whenever it is evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Of an unknown function, an unknown method, or arguments that don't fit.
    pub kind: ErrorKind,
    /// Where: the call's name, or the argument.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where there is something to say.
    pub hint: Option<String>,
}

/// The calls of `expression` that can't work, whatever the data: of a function that neither the
/// library, `def` nor the host has, or with a number, names or constants as arguments that none
/// of its forms takes.
pub fn check(expression: &Expression, host: &[HostFunction<'_>]) -> Vec<Problem> {
    let tree = &expression.parsed.tree;
    let names: Vec<&str> = host.iter().map(|function| function.name).collect();
    let defined = defined(tree);
    let receivers: FxHashMap<NodeId, NodeId> =
        dots(tree).map(|(left, right)| (right, left)).collect();
    let mut problems = Vec::new();
    for (id, site) in sites(tree) {
        let Kind::Call { args, .. } = tree.kind(id) else {
            continue;
        };
        if site.style == CallStyle::Function {
            if defined.contains(&Some(site.name)) || defined.contains(&None) {
                continue;
            }
            if let Some(function) = host.iter().find(|function| function.name == site.name) {
                problems.extend(check_host(function, &site));
                continue;
            }
        }
        let receiver = receivers.get(&id).and_then(|left| known(tree, *left));
        let is_method = site.style == CallStyle::Method;
        if let Err(error) = check_call(
            tree,
            site.name,
            tree.args(*args),
            is_method,
            receiver.as_ref(),
            &names,
        ) {
            problems.push(problem(error, site.span));
        }
    }
    problems.sort_by_key(|problem| problem.span.start);
    problems
}

fn problem(error: Fail, span: Span) -> Problem {
    let error = error.finish(span);
    Problem {
        kind: error.kind,
        span: error.span,
        message: error.message,
        hint: error.hint,
    }
}

fn check_host(function: &HostFunction<'_>, site: &CallSite<'_>) -> Option<Problem> {
    let wrong = |message: String, hint: Option<String>| {
        Some(Problem {
            kind: ErrorKind::NoMatch,
            span: site.span,
            message,
            hint,
        })
    };
    let (name, parameters) = (function.name, function.parameters);
    let form = Some(format!(
        "it is called as `{name}({})`",
        parameters.join(", ")
    ));
    if site.positional > parameters.len() {
        let count = parameters.len();
        return wrong(
            format!(
                "`{name}` takes at most {count} arguments, and gets {}",
                site.positional
            ),
            form,
        );
    }
    for keyword in &site.keywords {
        match parameters.iter().position(|parameter| parameter == keyword) {
            None => {
                let near = did_you_mean(keyword, parameters.iter().copied());
                return wrong(
                    format!("`{name}` has no argument `{keyword}`"),
                    near.or(form),
                );
            }
            Some(at) if at < site.positional => {
                return wrong(
                    format!("argument `{keyword}` of `{name}` is given twice"),
                    form,
                );
            }
            Some(_) => {}
        }
    }
    let missing = parameters
        .iter()
        .take(function.required)
        .skip(site.positional)
        .find(|parameter| !site.keywords.contains(parameter));
    match missing {
        Some(parameter) => wrong(format!("`{name}` needs its argument `{parameter}`"), form),
        None => None,
    }
}

/// Every call of the tree, in the order of the source.
pub(crate) fn sites(tree: &Tree) -> Vec<(NodeId, CallSite<'_>)> {
    let methods: FxHashSet<NodeId> = dots(tree).map(|(_, right)| right).collect();
    let mut sites: Vec<(NodeId, CallSite<'_>)> = ids(tree)
        .filter_map(|id| {
            let Kind::Call { name, args } = tree.kind(id) else {
                return None;
            };
            let mut keywords = Vec::new();
            let args = tree.args(*args);
            for arg in args {
                if let Kind::Pair { key, .. } = tree.kind(*arg)
                    && let Kind::Keyword(keyword) = tree.kind(*key)
                {
                    keywords.push(tree.text(*keyword));
                }
            }
            let site = CallSite {
                name: tree.text(*name),
                span: name.span(),
                whole: tree.span(id),
                style: if methods.contains(&id) {
                    CallStyle::Method
                } else {
                    CallStyle::Function
                },
                positional: args.len() - keywords.len(),
                keywords,
            };
            Some((id, site))
        })
        .collect();
    sites.sort_by_key(|(_, site)| site.span.start);
    sites
}

fn ids(tree: &Tree) -> impl Iterator<Item = NodeId> {
    // A tree has far fewer than 2^32 nodes, as its source is bounded.
    (0..u32::try_from(tree.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
}

/// The two sides of every dot.
fn dots(tree: &Tree) -> impl Iterator<Item = (NodeId, NodeId)> {
    ids(tree).filter_map(|id| match tree.kind(id) {
        Kind::Binary {
            op: Op::Dot | Op::SafeDot,
            left,
            right,
        } => Some((*left, *right)),
        _ => None,
    })
}

/// The value of a node, if the expression itself says it.
fn known(tree: &Tree, node: NodeId) -> Option<Val> {
    match tree.kind(node) {
        Kind::Constant(Constant::Null) => None,
        Kind::Constant(value) => Some(Val::from(*value)),
        _ => tree.literal(node).map(|text| Val::Str(Arc::clone(text))),
    }
}

/// The functions that `def` makes somewhere; None for one whose name is computed.
fn defined(tree: &Tree) -> Vec<Option<&str>> {
    let mut names = Vec::new();
    for id in ids(tree) {
        match tree.kind(id) {
            Kind::Call { name, args } if tree.text(*name) == "def" => {
                let name = tree.args(*args).first();
                names.push(
                    name.and_then(|name| tree.literal(*name))
                        .map(|name| &**name),
                );
            }
            _ => {}
        }
    }
    names
}

/// Whether the standard library has a function or a method of this name. `def` and the host may
/// add others.
pub fn is_library_function(name: &str) -> bool {
    library::is_function(name) || library::is_method(name)
}
