//! Choices: `switch`, `coalesce` and their like.

use std::rc::Rc;

use super::{function, method, req};
use crate::error::Res;
use crate::eval::{Call, Eval, Function, Ty};
use crate::value::{Lambda, Lazy, Val};

pub(super) const FUNCTIONS: &[Function] = &[
    function("switch", &[], switch).rest(Ty::Rule).pairs(),
    function("selectCase", &[], select_case).rest(Ty::Lambda),
    function("selectAllCases", &[], |c| cases(c, false)).rest(Ty::Lambda),
    function("examine", &[], |c| cases(c, true)).rest(Ty::Lambda),
    method("switchCase", &[req("case", Ty::Int)], switch_case).rest(Ty::Lambda),
    function("coalesce", &[], coalesce).rest(Ty::Lambda),
];

fn run(ev: &mut Eval<'_>, arg: &Val) -> Res<Val> {
    match arg {
        Val::Lambda(lambda) => ev.run_in(lambda, None),
        _ => Ok(Val::Null),
    }
}

fn switch(c: &mut Call<'_, '_>) -> Res<Val> {
    for rule in &c.rest {
        if let Val::Rule(rule) = rule
            && c.ev.eval(rule.key, &rule.ctx)?.is_truthy()
        {
            return c.ev.eval(rule.value, &rule.ctx);
        }
    }
    Ok(Val::Null)
}

fn index(index: usize) -> Val {
    Val::Int(i64::try_from(index).unwrap_or(i64::MAX))
}

fn select_case(c: &mut Call<'_, '_>) -> Res<Val> {
    for (i, case) in c.rest.iter().enumerate() {
        if run(c.ev, case)?.is_truthy() {
            return Ok(index(i));
        }
    }
    Ok(index(c.rest.len()))
}

/// `selectAllCases`, or with `all` `examine`.
fn cases(c: &mut Call<'_, '_>, all: bool) -> Res<Val> {
    let cases = std::mem::take(&mut c.rest);
    let lambdas = cases
        .into_iter()
        .map(|case| match case {
            Val::Lambda(lambda) => Some(lambda),
            _ => None,
        })
        .collect();
    c.stream(Cases {
        lambdas,
        at: 0,
        all,
    })
}

struct Cases {
    lambdas: Vec<Option<Rc<Lambda>>>,
    at: usize,
    all: bool,
}

impl Lazy for Cases {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        while let Some(case) = self.lambdas.get(self.at) {
            self.at += 1;
            let truth = match case {
                Some(lambda) => ev.run_in(lambda, None)?.is_truthy(),
                None => false,
            };
            if self.all {
                return Ok(Some(Val::Bool(truth)));
            }
            if truth {
                return Ok(Some(index(self.at - 1)));
            }
        }
        Ok(None)
    }
}

fn switch_case(c: &mut Call<'_, '_>) -> Res<Val> {
    let case = usize::try_from(c.int_or(0, 0))
        .ok()
        .and_then(|case| c.rest.get(case));
    match case.or(c.rest.last()) {
        Some(case) => run(c.ev, case),
        None => Ok(Val::Null),
    }
}

fn coalesce(c: &mut Call<'_, '_>) -> Res<Val> {
    for arg in &c.rest {
        let value = run(c.ev, arg)?;
        if !matches!(value, Val::Null) {
            return Ok(value);
        }
    }
    Ok(Val::Null)
}
