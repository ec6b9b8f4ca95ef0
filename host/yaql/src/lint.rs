//! What an expression reads, found without evaluating it.

use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Kind, NodeId, Tree};
use crate::error::Span;
use crate::lexer::Op;
use crate::library;

/// Where a name that an expression reads comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A key of the data: `$.name`, an error if it is missing.
    Key,
    /// A key of the data that may be missing: `$.get(name)`, `$?.name`.
    OptionalKey,
    /// `$name` that the expression defines, with `let` for instance.
    Bound,
    /// `$name` that nothing in the expression defines: it is null.
    Free,
}

/// A name that an expression reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Without its dollar.
    pub name: &'a str,
    /// Where it stands.
    pub span: Span,
    /// Where it comes from.
    pub role: Role,
}

/// What a node sees: whether `$` is still the data, and which names are defined.
#[derive(Clone)]
struct Scope {
    root: bool,
    names: Option<Rc<Names>>,
}

struct Names {
    defined: Vec<Arc<str>>,
    outer: Option<Rc<Names>>,
    /// `unpack` and regex groups define names that only evaluation knows.
    any: bool,
}

impl Scope {
    fn defines(&self, name: &str) -> bool {
        let mut names = self.names.as_deref();
        while let Some(at) = names {
            if at.any || at.defined.iter().any(|defined| **defined == *name) {
                return true;
            }
            names = at.outer.as_deref();
        }
        false
    }

    fn with(&self, root: bool, defined: Vec<Arc<str>>, any: bool) -> Scope {
        let names = Some(Rc::new(Names {
            defined,
            outer: self.names.clone(),
            any,
        }));
        Scope {
            root: self.root && root,
            names,
        }
    }
}

/// All names that `tree` reads, in the order of the source.
pub(crate) fn variables(tree: &Tree) -> Vec<Variable<'_>> {
    let mut found = Vec::new();
    let mut work = vec![(
        tree.root,
        Scope {
            root: true,
            names: None,
        },
    )];
    while let Some((id, scope)) = work.pop() {
        match tree.kind(id) {
            Kind::Variable(name) => {
                let name = tree.text(*name);
                let role = if scope.defines(name) {
                    Role::Bound
                } else {
                    Role::Free
                };
                found.push(Variable {
                    name,
                    span: tree.span(id),
                    role,
                });
            }
            Kind::Binary {
                op: op @ (Op::Dot | Op::SafeDot),
                left,
                right,
            } => {
                if scope.root && is_data(tree, *left) {
                    found.extend(key(tree, *op, *right));
                }
                work.push((*left, scope.clone()));
                work.push((*right, scope));
            }
            Kind::Index { target, args } => {
                let args = tree.args(*args);
                if scope.root
                    && is_data(tree, *target)
                    && let Some((name, span)) = args.first().and_then(|key| literal(tree, *key))
                {
                    let role = if args.len() == 1 {
                        Role::Key
                    } else {
                        Role::OptionalKey
                    };
                    found.push(Variable { name, span, role });
                }
                work.push((*target, scope.clone()));
                work.extend(args.iter().map(|arg| (*arg, scope.clone())));
            }
            Kind::Binary {
                op: Op::Send,
                left,
                right,
            } => {
                work.push((*left, scope.clone()));
                work.push((*right, sent(tree, *left, &scope)));
            }
            Kind::Binary { left, right, .. } => {
                work.push((*left, scope.clone()));
                work.push((*right, scope));
            }
            Kind::Call { name, args } => {
                let name = tree.text(*name);
                let inner = if library::rebinds(name) {
                    let any = matches!(name, "search" | "searchAll" | "replaceBy");
                    scope.with(false, Vec::new(), any)
                } else {
                    scope.clone()
                };
                for arg in tree.args(*args) {
                    match tree.kind(*arg) {
                        Kind::Pair { key, value }
                            if !matches!(tree.kind(*key), Kind::Keyword(_)) =>
                        {
                            work.push((*key, inner.clone()));
                            work.push((*value, inner.clone()));
                        }
                        Kind::Pair { value, .. } => work.push((*value, inner.clone())),
                        _ => work.push((*arg, inner.clone())),
                    }
                }
            }
            Kind::Group(inner) | Kind::Unary { operand: inner, .. } => work.push((*inner, scope)),
            Kind::List(items) | Kind::Map(items) => {
                work.extend(tree.args(*items).iter().map(|item| (*item, scope.clone())));
            }
            Kind::Pair { key, value } => {
                work.push((*key, scope.clone()));
                work.push((*value, scope));
            }
            Kind::Constant(_)
            | Kind::Text(_)
            | Kind::Keyword(_)
            | Kind::Position(_)
            | Kind::Gap => {}
        }
    }
    found.sort_by_key(|variable| variable.span.start);
    found
}

fn is_data(tree: &Tree, id: NodeId) -> bool {
    matches!(tree.kind(id), Kind::Position(1))
}

/// The key that `$.right` reads.
fn key(tree: &Tree, op: Op, right: NodeId) -> Option<Variable<'_>> {
    match tree.kind(right) {
        Kind::Keyword(name) => {
            let name = tree.text(*name);
            let role = if op == Op::Dot {
                Role::Key
            } else {
                Role::OptionalKey
            };
            Some(Variable {
                name,
                span: tree.span(right),
                role,
            })
        }
        Kind::Call { name, args } if tree.text(*name) == "get" => {
            let (name, span) = literal(tree, *tree.args(*args).first()?)?;
            Some(Variable {
                name,
                span,
                role: Role::OptionalKey,
            })
        }
        _ => None,
    }
}

/// The text that a node is by itself.
fn literal(tree: &Tree, id: NodeId) -> Option<(&str, Span)> {
    Some((tree.literal(id)?, tree.span(id)))
}

/// What the right side of `->` sees.
fn sent(tree: &Tree, left: NodeId, scope: &Scope) -> Scope {
    let mut defined = Vec::new();
    let mut root = true;
    let mut any = false;
    let mut at = left;
    // `let(…).…` and `x.unpack(…)` define names; what else stands here is not known.
    loop {
        match tree.kind(at) {
            Kind::Group(inner) => at = *inner,
            Kind::Binary {
                op: Op::Dot, right, ..
            } => at = *right,
            Kind::Binary {
                op: Op::Send,
                right,
                ..
            } => {
                any = true;
                at = *right;
            }
            Kind::Call { name, args } => {
                let args = tree.args(*args);
                match tree.text(*name) {
                    "let" | "with" => {
                        for arg in args {
                            match tree.kind(*arg) {
                                Kind::Pair { key, .. } => {
                                    if let Kind::Keyword(name) = tree.kind(*key) {
                                        defined.push(Arc::clone(tree.word(*name)));
                                    }
                                }
                                _ => root = false,
                            }
                        }
                    }
                    "unpack" => {
                        root = !args.is_empty();
                        defined.extend(
                            args.iter()
                                .filter_map(|arg| literal(tree, *arg))
                                .map(|n| n.0.into()),
                        );
                    }
                    "def" => {}
                    _ => any = true,
                }
                break;
            }
            _ => {
                any = true;
                break;
            }
        }
    }
    scope.with(root, defined, any)
}
