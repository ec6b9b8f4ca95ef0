//! The syntax tree of a template.

use std::sync::Arc;

use ostro_core::Value;

/// A range of bytes of the template's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// An expression and where it stands.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    /// Where an error of it points: its last operator, call or name.
    pub(crate) at: Span,
    /// All of its text.
    pub(crate) whole: Span,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Const(Value),
    Var(Arc<str>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `a < b < c`: each operator with what stands at its right.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    If {
        test: Box<Expr>,
        then: Box<Expr>,
        otherwise: Option<Box<Expr>>,
    },
    Filter {
        /// None for what a `filter` block or a `set` block holds.
        input: Option<Box<Expr>>,
        name: Arc<str>,
        args: Vec<Arg>,
    },
    Test {
        input: Box<Expr>,
        name: Arc<str>,
        args: Vec<Arg>,
    },
    Attribute(Box<Expr>, Arc<str>),
    Item(Box<Expr>, Box<Expr>),
    Slice {
        target: Box<Expr>,
        start: Option<Box<Expr>>,
        stop: Option<Box<Expr>>,
        step: Option<Box<Expr>>,
    },
    Call(Box<Expr>, Vec<Arg>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    Concat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Debug)]
pub(crate) enum Arg {
    Positional(Expr),
    Named(Arc<str>, Expr),
    /// `*list`
    Spread(Expr),
    /// `**mapping`
    SpreadNamed(Expr),
}

/// What is assigned to.
#[derive(Debug)]
pub(crate) enum Target {
    Name(Arc<str>),
    /// `namespace.attribute`
    Attribute(Expr, Arc<str>),
    Several(Vec<Target>),
}

#[derive(Debug)]
pub(crate) enum Stmt {
    Text(Arc<str>),
    Emit(Expr),
    For(For),
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    With(Vec<(Target, Expr)>, Vec<Stmt>),
    Set(Target, Expr),
    SetBlock(Target, Option<Expr>, Vec<Stmt>),
    FilterBlock(Expr, Vec<Stmt>),
    /// What only has a scope of its own.
    Scoped(Vec<Stmt>),
    Macro(Arc<Macro>),
    Call {
        target: Expr,
        args: Vec<Arg>,
        caller: Arc<Macro>,
        at: Span,
    },
}

#[derive(Debug)]
pub(crate) struct For {
    pub(crate) target: Arc<Target>,
    pub(crate) over: Expr,
    pub(crate) filter: Option<Expr>,
    pub(crate) recursive: bool,
    pub(crate) body: Arc<Vec<Stmt>>,
    pub(crate) otherwise: Vec<Stmt>,
}

#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: Arc<str>,
    /// The parameters; the last ones may have a default.
    pub(crate) params: Vec<(Arc<str>, Option<Expr>)>,
    pub(crate) body: Vec<Stmt>,
}
