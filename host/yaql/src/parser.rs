//! Tokens to a tree, by operator precedence.

use smallvec::SmallVec;

use crate::ast::{Args, Builder, Constant, Kind, NodeId, Tree, position};
use crate::error::{ErrorKind, Fail, Res, Span, fail};
use crate::lexer::{self, Lexer, Op, Token};

/// How deep brackets and prefix operators may nest.
const MAX_NESTING: usize = 128;
/// How long a source may be, in bytes.
const MAX_SOURCE: usize = 1 << 20;

/// Binds `[index]`: weaker than `.`, so that `a.b[0]` indexes `a.b`.
const INDEX: u8 = 90;
const SIGN: u8 = 80;
const NOT: u8 = 30;

/// How strongly an operator between operands binds: to the left and to the right.
fn binding(op: Op) -> Option<(u8, u8)> {
    let strength = match op {
        Op::Dot | Op::SafeDot => 100,
        Op::Match | Op::NotMatch => 70,
        Op::Mul | Op::Div | Op::Mod => 60,
        Op::Add | Op::Sub => 50,
        Op::Greater
        | Op::Less
        | Op::GreaterEqual
        | Op::LessEqual
        | Op::NotEqual
        | Op::Equal
        | Op::In => 40,
        Op::And => 20,
        Op::Or => 10,
        Op::Send => return Some((5, 5)),
        Op::Not => return None,
    };
    Some((strength, strength + 1))
}

/// Parses `source`.
pub(crate) fn parse(source: &str) -> Res<Tree> {
    if source.len() > MAX_SOURCE {
        return Err(fail(
            ErrorKind::TooComplex,
            format!("the expression is longer than {MAX_SOURCE} bytes"),
        ));
    }
    let mut lexer = Lexer::new(source);
    let mut parser = Parser {
        look: lexer.next()?,
        lexer,
        tree: Builder::new(source.len()),
        open: SmallVec::new(),
        nesting: 0,
        source,
    };
    let root = parser.expression(0)?;
    match parser.look.kind {
        lexer::Kind::End => Ok(parser.tree.finish(source, root)),
        _ => Err(parser.unexpected(parser.look)),
    }
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    /// The next token.
    look: Token,
    tree: Builder,
    /// The arguments, so far, of all lists of arguments that are not closed yet.
    open: SmallVec<[NodeId; 16]>,
    nesting: usize,
    source: &'s str,
}

impl<'s> Parser<'s> {
    fn text(&self, token: Token) -> &'s str {
        let source: &'s str = self.source;
        &source[token.start as usize..token.end as usize]
    }

    /// Takes the next token.
    fn next(&mut self) -> Res<Token> {
        let following = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.look, following))
    }

    fn unexpected(&self, token: Token) -> Fail {
        let text = self.text(token);
        let hint = match token.kind {
            lexer::Kind::End => {
                return fail(ErrorKind::Syntax, "the expression ends too early").at(token.span());
            }
            lexer::Kind::Function if text == "and(" || text == "or(" => Some(format!(
                "leave a space between `{}` and `(`",
                &text[..text.len() - 1]
            )),
            lexer::Kind::Operator(Op::Equal)
                if self.source[..token.start as usize].ends_with('=') =>
            {
                Some("equality is written `=`".to_owned())
            }
            _ => None,
        };
        fail(ErrorKind::Syntax, format!("unexpected `{text}`"))
            .at(token.span())
            .hint(hint)
    }

    fn expression(&mut self, minimum: u8) -> Res<NodeId> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.too_deep());
        }
        let mut left = self.operand()?;
        loop {
            match self.look.kind {
                lexer::Kind::Operator(op) => {
                    let Some((strength, right)) = binding(op) else {
                        break;
                    };
                    if strength < minimum {
                        break;
                    }
                    self.next()?;
                    let right = self.expression(right)?;
                    let span = self.tree.span(left).to(self.tree.span(right));
                    left = self.tree.add(Kind::Binary { op, left, right }, span);
                }
                lexer::Kind::OpenBracket if INDEX >= minimum => {
                    self.next()?;
                    let (args, end) = self.arguments(lexer::Kind::CloseBracket)?;
                    let span = self.tree.span(left).to(end);
                    left = self.tree.add(Kind::Index { target: left, args }, span);
                }
                _ => break,
            }
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn too_deep(&self) -> Fail {
        // Where the expression ends, no place is nearer than the whole of it.
        let span = match self.look.kind {
            lexer::Kind::End => Span::default(),
            _ => self.look.span(),
        };
        fail(
            ErrorKind::TooComplex,
            format!("the expression nests deeper than {MAX_NESTING} levels"),
        )
        .at(span)
        .hint(Some(
            "split it up with `let(…) ->` or publish parts of it".to_owned(),
        ))
    }

    fn operand(&mut self) -> Res<NodeId> {
        let token = self.next()?;
        let mut span = token.span();
        let kind = match token.kind {
            kind @ (lexer::Kind::Int | lexer::Kind::Float) => {
                Kind::Constant(lexer::number_value(kind, self.text(token), span)?)
            }
            lexer::Kind::Text if lexer::string_value(self.text(token)).is_none() => {
                let message = "the string has an escape that is no character";
                return Err(fail(ErrorKind::Lexical, message).at(span));
            }
            lexer::Kind::Text => Kind::Text(self.tree.word(span)),
            lexer::Kind::True => Kind::Constant(Constant::Bool(true)),
            lexer::Kind::False => Kind::Constant(Constant::Bool(false)),
            lexer::Kind::Null => Kind::Constant(Constant::Null),
            lexer::Kind::Keyword => Kind::Keyword(self.tree.word(span)),
            lexer::Kind::Dollar if span.end == span.start + 1 => Kind::Position(1),
            lexer::Kind::Dollar => match position(&self.text(token)[1..]) {
                Some(position) => Kind::Position(position),
                None => Kind::Variable(self.tree.word(Span::new(span.start + 1, span.end))),
            },
            lexer::Kind::Function => {
                let (args, end) = self.arguments(lexer::Kind::CloseParen)?;
                let name = self.tree.word(Span::new(span.start, span.end - 1));
                span = span.to(end);
                Kind::Call { name, args }
            }
            lexer::Kind::OpenParen => {
                let inner = self.expression(0)?;
                span = span.to(self.close(lexer::Kind::CloseParen)?);
                Kind::Group(inner)
            }
            lexer::Kind::OpenBracket => {
                let (items, end) = self.arguments(lexer::Kind::CloseBracket)?;
                span = span.to(end);
                Kind::List(items)
            }
            lexer::Kind::OpenBrace => {
                let (items, end) = self.arguments(lexer::Kind::CloseBrace)?;
                span = span.to(end);
                Kind::Map(items)
            }
            lexer::Kind::Operator(op @ (Op::Add | Op::Sub | Op::Not)) => {
                let operand = self.expression(if op == Op::Not { NOT } else { SIGN })?;
                span = span.to(self.tree.span(operand));
                Kind::Unary { op, operand }
            }
            _ => return Err(self.unexpected(token)),
        };
        Ok(self.tree.add(kind, span))
    }

    fn close(&mut self, closer: lexer::Kind) -> Res<Span> {
        match self.next()? {
            token if token.kind == closer => Ok(token.span()),
            other => Err(self.unexpected(other)),
        }
    }

    /// Arguments up to `closer`: positional ones, of which any but the last may be left out, then
    /// `key => value` ones.
    fn arguments(&mut self, closer: lexer::Kind) -> Res<(Args, Span)> {
        let first = self.open.len();
        if self.look.kind != closer {
            self.open_arguments(closer)?;
        }
        let end = self.close(closer)?;
        let args = self.tree.args(&self.open[first..]);
        self.open.truncate(first);
        Ok((args, end))
    }

    fn open_arguments(&mut self, closer: lexer::Kind) -> Res<()> {
        let first = self.open.len();
        let mut only_gaps = true;
        let mut named = false;
        loop {
            if self.look.kind == lexer::Kind::Comma && !named {
                let start = self.look.span().start;
                let gap = self.tree.add(Kind::Gap, Span::new(start, start));
                self.open.push(gap);
            } else {
                let mut arg = self.expression(0)?;
                if self.look.kind == lexer::Kind::Arrow {
                    let arrow = self.next()?;
                    if self.open.len() > first && only_gaps && !named {
                        return Err(self.unexpected(arrow));
                    }
                    let value = self.expression(0)?;
                    let span = self.tree.span(arg).to(self.tree.span(value));
                    arg = self.tree.add(Kind::Pair { key: arg, value }, span);
                    named = true;
                } else if named {
                    let token = self.next()?;
                    return Err(self.unexpected(token).hint(Some(
                        "arguments by position come before those by name".to_owned(),
                    )));
                }
                only_gaps = false;
                self.open.push(arg);
            }
            if self.look.kind == closer {
                return Ok(());
            }
            match self.next()? {
                token if token.kind == lexer::Kind::Comma => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }
}
