//! Tokens to a tree, by operator precedence.

use std::iter::Peekable;
use std::vec::IntoIter;

use crate::ast::{Kind, Name, Node, NodeId, Tree};
use crate::error::{ErrorKind, Fail, Res, Span, fail};
use crate::lexer::{self, Op, Token};

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
    let mut parser = Parser {
        tokens: lexer::tokens(source)?.into_iter().peekable(),
        nodes: Vec::with_capacity(8 + source.len() / 6),
        nesting: 0,
        source,
    };
    let root = parser.expression(0)?;
    match parser.tokens.next() {
        None => Ok(Tree {
            nodes: parser.nodes,
            root,
        }),
        Some(token) => Err(parser.unexpected(Some(&token))),
    }
}

struct Parser<'a> {
    tokens: Peekable<IntoIter<Token>>,
    nodes: Vec<Node>,
    nesting: usize,
    source: &'a str,
}

impl Parser<'_> {
    fn add(&mut self, kind: Kind, span: Span) -> NodeId {
        // The source's bound keeps the number of nodes far below 2^32.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most one node a source byte"
        )]
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { kind, span });
        id
    }

    fn span(&self, id: NodeId) -> Span {
        self.nodes[id.0 as usize].span
    }

    fn unexpected(&self, token: Option<&Token>) -> Fail {
        match token {
            None => fail(ErrorKind::Syntax, "the expression ends too early")
                .at(Span::new(self.source.len(), self.source.len())),
            Some(token) => {
                let text = &self.source[token.span.start..token.span.end];
                let hint = match &token.kind {
                    lexer::Kind::Function(name) if &**name == "and" || &**name == "or" => {
                        Some(format!("leave a space between `{name}` and `(`"))
                    }
                    lexer::Kind::Operator(Op::Equal)
                        if self.source[..token.span.start].ends_with('=') =>
                    {
                        Some("equality is written `=`".to_owned())
                    }
                    _ => None,
                };
                fail(ErrorKind::Syntax, format!("unexpected `{text}`"))
                    .at(token.span)
                    .hint(hint)
            }
        }
    }

    fn expression(&mut self, minimum: u8) -> Res<NodeId> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let span = self
                .tokens
                .peek()
                .map_or(Span::default(), |token| token.span);
            return Err(fail(
                ErrorKind::TooComplex,
                format!("the expression nests deeper than {MAX_NESTING} levels"),
            )
            .at(span)
            .hint(Some(
                "split it up with `let(…) ->` or publish parts of it".to_owned(),
            )));
        }
        let mut left = self.operand()?;
        loop {
            match self.tokens.peek().map(|token| &token.kind) {
                Some(lexer::Kind::Operator(op)) => {
                    let op = *op;
                    let Some((strength, right)) = binding(op) else {
                        break;
                    };
                    if strength < minimum {
                        break;
                    }
                    self.tokens.next();
                    let right = self.expression(right)?;
                    let span = self.span(left).to(self.span(right));
                    left = self.add(Kind::Binary { op, left, right }, span);
                }
                Some(lexer::Kind::OpenBracket) if INDEX >= minimum => {
                    self.tokens.next();
                    let (args, end) = self.arguments(&lexer::Kind::CloseBracket)?;
                    let span = self.span(left).to(end);
                    left = self.add(Kind::Index { target: left, args }, span);
                }
                _ => break,
            }
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Res<NodeId> {
        let Some(Token { kind, span }) = self.tokens.next() else {
            return Err(self.unexpected(None));
        };
        Ok(match kind {
            lexer::Kind::Constant(value) => self.add(Kind::Constant(value), span),
            lexer::Kind::Keyword(text) => self.add(Kind::Keyword(text), span),
            lexer::Kind::Dollar(text) => self.add(Kind::Variable(Name::new(&text)), span),
            lexer::Kind::Function(name) => {
                let name_span = Span::new(span.start, span.end - 1);
                let (args, end) = self.arguments(&lexer::Kind::CloseParen)?;
                self.add(
                    Kind::Call {
                        name,
                        name_span,
                        args,
                    },
                    span.to(end),
                )
            }
            lexer::Kind::OpenParen => {
                let inner = self.expression(0)?;
                let end = self.close(&lexer::Kind::CloseParen)?;
                self.add(Kind::Group(inner), span.to(end))
            }
            lexer::Kind::OpenBracket => {
                let (items, end) = self.arguments(&lexer::Kind::CloseBracket)?;
                self.add(Kind::List(items), span.to(end))
            }
            lexer::Kind::OpenBrace => {
                let (items, end) = self.arguments(&lexer::Kind::CloseBrace)?;
                self.add(Kind::Map(items), span.to(end))
            }
            lexer::Kind::Operator(op @ (Op::Add | Op::Sub | Op::Not)) => {
                let operand = self.expression(if op == Op::Not { NOT } else { SIGN })?;
                let span = span.to(self.span(operand));
                self.add(Kind::Unary { op, operand }, span)
            }
            kind => return Err(self.unexpected(Some(&Token { kind, span }))),
        })
    }

    fn close(&mut self, closer: &lexer::Kind) -> Res<Span> {
        match self.tokens.next() {
            Some(token) if token.kind == *closer => Ok(token.span),
            other => Err(self.unexpected(other.as_ref())),
        }
    }

    /// Arguments up to `closer`: positional ones, of which any but the last may be left out, then
    /// `key => value` ones.
    fn arguments(&mut self, closer: &lexer::Kind) -> Res<(Box<[NodeId]>, Span)> {
        let mut args = Vec::new();
        let mut only_gaps = true;
        let mut named = false;
        if self
            .tokens
            .peek()
            .is_some_and(|token| token.kind == *closer)
        {
            return Ok((args.into(), self.close(closer)?));
        }
        loop {
            match self.tokens.peek() {
                Some(Token {
                    kind: lexer::Kind::Comma,
                    span,
                }) if !named => {
                    let span = Span::new(span.start, span.start);
                    let gap = self.add(Kind::Gap, span);
                    args.push(gap);
                }
                _ => {
                    let mut arg = self.expression(0)?;
                    if let Some(arrow) = self
                        .tokens
                        .next_if(|token| token.kind == lexer::Kind::Arrow)
                    {
                        if !args.is_empty() && only_gaps && !named {
                            return Err(self.unexpected(Some(&arrow)));
                        }
                        let value = self.expression(0)?;
                        let span = self.span(arg).to(self.span(value));
                        arg = self.add(Kind::Pair { key: arg, value }, span);
                        named = true;
                    } else if named {
                        let token = self.tokens.next();
                        return Err(self.unexpected(token.as_ref()).hint(Some(
                            "arguments by position come before those by name".to_owned(),
                        )));
                    }
                    only_gaps = false;
                    args.push(arg);
                }
            }
            match self.tokens.next() {
                Some(Token {
                    kind: lexer::Kind::Comma,
                    ..
                }) => {}
                Some(token) if token.kind == *closer => return Ok((args.into(), token.span)),
                other => return Err(self.unexpected(other.as_ref())),
            }
        }
    }
}
