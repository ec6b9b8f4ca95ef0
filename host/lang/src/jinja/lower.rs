//! From what minijinja's parser gives to the tree that is evaluated.
//!
//! minijinja knows Jinja2's syntax, its white space control included. Its tree borrows the text
//! and keeps no places of whole expressions, so it is made into one that is owned and does.

use std::sync::Arc;

use minijinja::machinery::ast;
use minijinja::machinery::{Span as Place, Token, parse, parse_expr, tokenize};
use minijinja::syntax::SyntaxConfig;
use ostro_core::Value;

use super::ast::{Arg, Comparison, Expr, For, Kind, Macro, Op, Span, Stmt, Target};
use super::error::{Fail, Res, error, fail};
use super::{filters, predicates};
use ostro_core::suggest::did_you_mean;

/// The most operators that stand between one `{{` or `{%` and its end: they nest, in the tree
/// and on the stack.
const MAX_OPERATORS: usize = 500;
/// The most `elif` that one text may have: they nest as well.
const MAX_ELIF: usize = 200;

/// The expression that `text` is.
pub(crate) fn expression(text: &str) -> Res<Expr> {
    bounded(text, true)?;
    let tree = parse_expr(text).map_err(|e| syntax(text, &e))?;
    Lower { text }.expr(&tree)
}

/// The template that `text` is.
pub(crate) fn template(text: &str) -> Res<Vec<Stmt>> {
    bounded(text, false)?;
    let tree = parse(text, "", config()?).map_err(|e| syntax(text, &e))?;
    match &tree {
        ast::Stmt::Template(template) => Lower { text }.body(&template.children),
        _ => fail("this is no template"),
    }
}

/// White space around blocks as Mistral configures it.
fn config() -> Res<SyntaxConfig> {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|e| error(e.to_string()))
}

/// Refuses what would nest too deep for the parser and all that follows it.
fn bounded(text: &str, in_expression: bool) -> Res<()> {
    let mut operators = 0;
    let mut elif = 0;
    for token in tokenize(text, in_expression, config()?) {
        // The parser says what is wrong with it.
        let Ok((token, at)) = token else {
            return Ok(());
        };
        match token {
            Token::VariableStart | Token::BlockStart => operators = 0,
            Token::Ident("elif") => elif += 1,
            Token::Ident("and" | "or" | "not" | "is" | "in" | "if" | "else")
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Tilde
            | Token::Dot
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte
            | Token::BracketOpen
            | Token::ParenOpen
            | Token::BraceOpen => operators += 1,
            _ => {}
        }
        if operators > MAX_OPERATORS || elif > MAX_ELIF {
            return Err(error("the expression is too complex")
                .hint(Some("split it into several".to_owned()))
                .at(span(at)));
        }
    }
    Ok(())
}

fn span(at: Place) -> Span {
    let offset = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Span {
        start: offset(at.start_offset),
        end: offset(at.end_offset).max(offset(at.start_offset)),
    }
}

fn syntax(text: &str, found: &minijinja::Error) -> Fail {
    let message = found.detail().unwrap_or("syntax error").to_owned();
    let hint = message
        .strip_prefix("unknown statement ")
        .and_then(|name| did_you_mean(name, STATEMENTS.iter().copied()));
    let at = found.range().map_or(
        Span {
            start: text.len(),
            end: text.len(),
        },
        |range| Span {
            start: range.start,
            end: range.end,
        },
    );
    error(message).hint(hint).at(at)
}

const STATEMENTS: &[&str] = &[
    "for",
    "endfor",
    "if",
    "elif",
    "else",
    "endif",
    "set",
    "endset",
    "with",
    "endwith",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "raw",
    "endraw",
];

struct Lower<'t> {
    text: &'t str,
}

impl Lower<'_> {
    fn exprs(&self, items: &[ast::Expr<'_>]) -> Res<Vec<Expr>> {
        items.iter().map(|item| self.expr(item)).collect()
    }

    fn boxed(&self, item: &ast::Expr<'_>) -> Res<Box<Expr>> {
        Ok(Box::new(self.expr(item)?))
    }

    fn optional(&self, item: Option<&ast::Expr<'_>>) -> Res<Option<Box<Expr>>> {
        item.map(|item| self.boxed(item)).transpose()
    }

    fn expr(&self, from: &ast::Expr<'_>) -> Res<Expr> {
        let at = span(from.span());
        let kind = match from {
            ast::Expr::Var(var) => Kind::Var(var.id.into()),
            ast::Expr::Const(constant) => Kind::Const(literal(&constant.value, at)?),
            ast::Expr::List(list) => Kind::List(self.exprs(&list.items)?),
            ast::Expr::Tuple(tuple) => Kind::Tuple(self.exprs(&tuple.items)?),
            ast::Expr::Map(map) => Kind::Map(
                map.keys
                    .iter()
                    .zip(&map.values)
                    .map(|(key, value)| Ok((self.expr(key)?, self.expr(value)?)))
                    .collect::<Res<_>>()?,
            ),
            ast::Expr::UnaryOp(unary) => match unary.op {
                ast::UnaryOpKind::Not => Kind::Not(self.boxed(&unary.expr)?),
                ast::UnaryOpKind::Neg => Kind::Negative(self.boxed(&unary.expr)?),
            },
            ast::Expr::BinOp(binary) => {
                let left = self.boxed(&binary.left)?;
                let right = self.boxed(&binary.right)?;
                match operator(binary.op) {
                    Operator::And => Kind::And(left, right),
                    Operator::Or => Kind::Or(left, right),
                    Operator::Compare(op) => Kind::Compare(left, vec![(op, *right)]),
                    Operator::Plain(op) => Kind::Binary(op, left, right),
                }
            }
            ast::Expr::Compare(compare) => Kind::Compare(
                self.boxed(&compare.expr)?,
                compare
                    .ops
                    .iter()
                    .map(|op| Ok((comparison(op.op), self.expr(&op.expr)?)))
                    .collect::<Res<_>>()?,
            ),
            ast::Expr::IfExpr(choice) => Kind::If {
                test: self.boxed(&choice.test_expr)?,
                then: self.boxed(&choice.true_expr)?,
                otherwise: self.optional(choice.false_expr.as_ref())?,
            },
            ast::Expr::Filter(filter) => {
                if !filters::exists(filter.name) {
                    let hint = did_you_mean(filter.name, filters::names());
                    return Err(error(format!("there is no filter `{}`", filter.name))
                        .hint(hint)
                        .at(at));
                }
                Kind::Filter {
                    input: self.optional(filter.expr.as_ref())?,
                    name: filter.name.into(),
                    args: self.args(&filter.args)?,
                }
            }
            ast::Expr::Test(test) => {
                if !predicates::exists(test.name) {
                    let hint = did_you_mean(test.name, predicates::names());
                    return Err(error(format!("there is no test `{}`", test.name))
                        .hint(hint)
                        .at(at));
                }
                Kind::Test {
                    input: self.boxed(&test.expr)?,
                    name: test.name.into(),
                    args: self.args(&test.args)?,
                }
            }
            ast::Expr::GetAttr(get) => Kind::Attribute(self.boxed(&get.expr)?, get.name.into()),
            ast::Expr::GetItem(get) => {
                Kind::Item(self.boxed(&get.expr)?, self.boxed(&get.subscript_expr)?)
            }
            ast::Expr::Slice(slice) => Kind::Slice {
                target: self.boxed(&slice.expr)?,
                start: self.optional(slice.start.as_ref())?,
                stop: self.optional(slice.stop.as_ref())?,
                step: self.optional(slice.step.as_ref())?,
            },
            ast::Expr::Call(call) => Kind::Call(self.boxed(&call.expr)?, self.args(&call.args)?),
        };
        let whole = self.whole(&kind, at);
        let at = match &kind {
            // The parser's span starts before these.
            Kind::Compare(..) | Kind::If { .. } | Kind::And(..) | Kind::Or(..) => whole,
            _ => at,
        };
        Ok(Expr { kind, at, whole })
    }

    /// All of the text of an expression, its parentheses included where they are its parts'.
    fn whole(&self, kind: &Kind, at: Span) -> Span {
        let first = match kind {
            Kind::Binary(_, first, _)
            | Kind::And(first, _)
            | Kind::Or(first, _)
            | Kind::Compare(first, _)
            | Kind::If { then: first, .. }
            | Kind::Filter {
                input: Some(first), ..
            }
            | Kind::Test { input: first, .. }
            | Kind::Attribute(first, _)
            | Kind::Item(first, _)
            | Kind::Slice { target: first, .. }
            | Kind::Call(first, _) => first.whole.start,
            _ => at.start,
        };
        let mut start = first;
        let unbalanced = |start: usize| {
            let text = self.text.get(start..at.end).unwrap_or_default();
            text.matches(')').count() > text.matches('(').count()
        };
        while unbalanced(start) {
            match self.text[..start].rfind('(') {
                Some(earlier) => start = earlier,
                None => break,
            }
        }
        Span { start, end: at.end }
    }

    fn args(&self, from: &[ast::CallArg<'_>]) -> Res<Vec<Arg>> {
        from.iter()
            .map(|arg| {
                Ok(match arg {
                    ast::CallArg::Pos(value) => Arg::Positional(self.expr(value)?),
                    ast::CallArg::Kwarg(name, value) => {
                        Arg::Named((*name).into(), self.expr(value)?)
                    }
                    ast::CallArg::PosSplat(value) => Arg::Spread(self.expr(value)?),
                    ast::CallArg::KwargSplat(value) => Arg::SpreadNamed(self.expr(value)?),
                })
            })
            .collect()
    }

    fn target(&self, from: &ast::Expr<'_>) -> Res<Target> {
        Ok(match from {
            ast::Expr::Var(var) => Target::Name(var.id.into()),
            ast::Expr::GetAttr(get) => Target::Attribute(self.expr(&get.expr)?, get.name.into()),
            ast::Expr::List(list) => Target::Several(
                list.items
                    .iter()
                    .map(|item| self.target(item))
                    .collect::<Res<_>>()?,
            ),
            other => return Err(error("nothing can be assigned to this").at(span(other.span()))),
        })
    }

    fn body(&self, from: &[ast::Stmt<'_>]) -> Res<Vec<Stmt>> {
        from.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn stmt(&self, from: &ast::Stmt<'_>) -> Res<Stmt> {
        Ok(match from {
            ast::Stmt::Template(template) => Stmt::Scoped(self.body(&template.children)?),
            ast::Stmt::EmitRaw(raw) => Stmt::Text(raw.raw.into()),
            ast::Stmt::EmitExpr(emit) => Stmt::Emit(self.expr(&emit.expr)?),
            ast::Stmt::ForLoop(each) => Stmt::For(For {
                target: Arc::new(self.target(&each.target)?),
                over: self.expr(&each.iter)?,
                filter: each
                    .filter_expr
                    .as_ref()
                    .map(|filter| self.expr(filter))
                    .transpose()?,
                recursive: each.recursive,
                body: Arc::new(self.body(&each.body)?),
                otherwise: self.body(&each.else_body)?,
            }),
            ast::Stmt::IfCond(choice) => Stmt::If(
                self.expr(&choice.expr)?,
                self.body(&choice.true_body)?,
                self.body(&choice.false_body)?,
            ),
            ast::Stmt::WithBlock(with) => Stmt::With(
                with.assignments
                    .iter()
                    .map(|(target, value)| Ok((self.target(target)?, self.expr(value)?)))
                    .collect::<Res<_>>()?,
                self.body(&with.body)?,
            ),
            ast::Stmt::Set(set) => Stmt::Set(self.target(&set.target)?, self.expr(&set.expr)?),
            ast::Stmt::SetBlock(set) => Stmt::SetBlock(
                self.target(&set.target)?,
                set.filter
                    .as_ref()
                    .map(|filter| self.expr(filter))
                    .transpose()?,
                self.body(&set.body)?,
            ),
            // Mistral escapes nothing, and neither does this.
            ast::Stmt::AutoEscape(block) => {
                return Err(error("`autoescape` is not supported").at(span(block.span())));
            }
            ast::Stmt::FilterBlock(block) => {
                Stmt::FilterBlock(self.expr(&block.filter)?, self.body(&block.body)?)
            }
            ast::Stmt::Macro(from) => Stmt::Macro(Arc::new(self.define(from)?)),
            ast::Stmt::CallBlock(block) => Stmt::Call {
                target: self.expr(&block.call.expr)?,
                args: self.args(&block.call.args)?,
                caller: Arc::new(self.define(&block.macro_decl)?),
                at: span(block.call_expr_span),
            },
            ast::Stmt::Do(block) => {
                return Err(error("unknown statement do")
                    .hint(Some("write `{% set _x = … %}`".to_owned()))
                    .at(span(block.span())));
            }
        })
    }

    fn define(&self, from: &ast::Macro<'_>) -> Res<Macro> {
        let without = from.args.len().saturating_sub(from.defaults.len());
        let params = from
            .args
            .iter()
            .enumerate()
            .map(|(index, arg)| {
                let ast::Expr::Var(var) = arg else {
                    return Err(error("a parameter is a name").at(span(arg.span())));
                };
                let default = index
                    .checked_sub(without)
                    .and_then(|index| from.defaults.get(index))
                    .map(|default| self.expr(default))
                    .transpose()?;
                Ok((Arc::from(var.id), default))
            })
            .collect::<Res<_>>()?;
        Ok(Macro {
            name: from.name.into(),
            params,
            body: self.body(&from.body)?,
        })
    }
}

/// A constant of the text.
fn literal(from: &minijinja::Value, at: Span) -> Res<Value> {
    use minijinja::value::ValueKind;
    Ok(match from.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(from.is_true()),
        ValueKind::String => Value::from(from.as_str().unwrap_or_default()),
        ValueKind::Number if from.is_integer() => match i64::try_from(from.clone()) {
            Ok(number) => Value::Int(number),
            Err(_) => return Err(error("this number does not fit into 64 bits").at(at)),
        },
        ValueKind::Number => Value::Float(f64::try_from(from.clone()).unwrap_or(f64::NAN)),
        _ => return Err(error("this is no constant").at(at)),
    })
}

enum Operator {
    And,
    Or,
    Compare(Comparison),
    Plain(Op),
}

fn operator(from: ast::BinOpKind) -> Operator {
    use ast::BinOpKind as From;
    match from {
        From::ScAnd => Operator::And,
        From::ScOr => Operator::Or,
        From::Eq => Operator::Compare(Comparison::Eq),
        From::Ne => Operator::Compare(Comparison::Ne),
        From::Lt => Operator::Compare(Comparison::Lt),
        From::Lte => Operator::Compare(Comparison::Le),
        From::Gt => Operator::Compare(Comparison::Gt),
        From::Gte => Operator::Compare(Comparison::Ge),
        From::In => Operator::Compare(Comparison::In),
        From::Add => Operator::Plain(Op::Add),
        From::Sub => Operator::Plain(Op::Sub),
        From::Mul => Operator::Plain(Op::Mul),
        From::Div => Operator::Plain(Op::Div),
        From::FloorDiv => Operator::Plain(Op::FloorDiv),
        From::Rem => Operator::Plain(Op::Rem),
        From::Pow => Operator::Plain(Op::Pow),
        From::Concat => Operator::Plain(Op::Concat),
    }
}

fn comparison(from: ast::CompareOpKind) -> Comparison {
    use ast::CompareOpKind as From;
    match from {
        From::Eq => Comparison::Eq,
        From::Ne => Comparison::Ne,
        From::Lt => Comparison::Lt,
        From::Lte => Comparison::Le,
        From::Gt => Comparison::Gt,
        From::Gte => Comparison::Ge,
        From::In => Comparison::In,
        From::NotIn => Comparison::NotIn,
    }
}
