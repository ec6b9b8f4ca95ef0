//! Contexts: `let`, `with`, `def`, `unpack`; and `assert`, `call`.

use std::rc::Rc;

use super::{function, method, opt, req};
use crate::ast::Name;
use crate::error::{ErrorKind, Res, fail};
use crate::eval::{Call, Function, Ty};
use crate::value::{Ctx, Val};

pub(super) const FUNCTIONS: &[Function] = &[
    function("let", &[], let_).rest(Ty::Any).any_name(),
    function("with", &[], let_).rest(Ty::Any),
    function("def", &[req("name", Ty::Str), req("func", Ty::Lambda)], def),
    function(
        "call",
        &[
            req("name", Ty::Str),
            req("args", Ty::List),
            req("kwargs", Ty::Dict),
            opt("receiver", Ty::Any),
        ],
        call,
    ),
    method("unpack", &[req("sequence", Ty::Iterable)], unpack).rest(Ty::Str),
    method(
        "assert",
        &[
            req("obj", Ty::Any),
            req("condition", Ty::Lambda),
            opt("message", Ty::Str),
        ],
        assert,
    ),
];

fn let_(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut variables: Vec<(Name, Val)> = std::mem::take(&mut c.rest)
        .into_iter()
        .enumerate()
        .map(|(i, value)| (Name::Position(i + 1), value))
        .collect();
    variables.extend(
        c.named
            .drain(..)
            .map(|(name, value)| (Name::new(&name), value)),
    );
    let ctx = Rc::clone(&c.ctx);
    c.ev.context(&ctx, variables).map(Val::Context)
}

fn def(c: &mut Call<'_, '_>) -> Res<Val> {
    let depth = c.ev.nested(c.ctx.depth + 1)?;
    let Some(lambda) = c.lambda(1).filter(|lambda| lambda.constant.is_none()) else {
        return Err(fail(ErrorKind::NoMatch, "`def` needs the function's body"));
    };
    Ok(Val::Context(Rc::new(Ctx {
        parent: Some(Rc::clone(&c.ctx)),
        variables: Vec::new(),
        function: Some((c.text(0), lambda.body)),
        depth,
    })))
}

/// `call(name, args, kwargs)`, or with a receiver the call of its method.
fn call(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut kwargs = Vec::new();
    for (key, value) in c.dict(2).iter() {
        match key {
            Val::Str(name) if is_word(&name) => kwargs.push((name, value)),
            _ => {
                return Err(fail(
                    ErrorKind::Value,
                    "the name of an argument is a word: letters, digits and underscores",
                ));
            }
        }
    }
    let (name, args, ctx) = (c.text(0), c.list(1)?, Rc::clone(&c.ctx));
    let receiver = Some(c.arg(3)).filter(|receiver| !matches!(receiver, Val::Missing));
    c.ev.deeper(|ev| ev.call_by_name(&name, receiver, args.iter(), kwargs, &ctx))
}

/// Whether the text can be written as a bare word.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && !text.starts_with("__")
}

fn unpack(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut source = c.source(0)?;
    let mut items = Vec::new();
    let names = std::mem::take(&mut c.rest);
    while names.is_empty() || items.len() <= names.len() {
        match source.next(c.ev)? {
            Some(item) => items.push(item),
            None => break,
        }
    }
    if !names.is_empty() && items.len() != names.len() {
        let more = if items.len() > names.len() {
            "more"
        } else {
            "less"
        };
        return Err(fail(
            ErrorKind::Value,
            format!(
                "the sequence has {more} than the {} items to unpack",
                names.len()
            ),
        ));
    }
    let variables = items
        .into_iter()
        .enumerate()
        .map(|(i, item)| match names.get(i) {
            Some(Val::Str(name)) => (Name::new(name), item),
            _ => (Name::Position(i + 1), item),
        })
        .collect();
    let ctx = Rc::clone(&c.ctx);
    c.ev.context(&ctx, variables).map(Val::Context)
}

fn assert(c: &mut Call<'_, '_>) -> Res<Val> {
    let value = match c.arg(0) {
        Val::Iter(stream) => super::queries::memorized(stream),
        value => value,
    };
    let Some(condition) = c.lambda(1) else {
        return Ok(value);
    };
    if c.ev
        .apply(&condition, std::slice::from_ref(&value))?
        .is_truthy()
    {
        return Ok(value);
    }
    // The message is what the expression says, unless it was computed, possibly from data.
    Err(fail(
        ErrorKind::Assertion,
        match c.text_or_none(2) {
            Some(message) => format!("assertion failed: {message}"),
            None => "assertion failed".to_owned(),
        },
    ))
}
