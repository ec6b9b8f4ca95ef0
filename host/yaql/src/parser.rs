//! Tokens to a tree, by operator precedence.

use ostro_core::Value;

use crate::ast::{Args, Kind, Name, Node, NodeId, Tree, Word};
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
        nodes: Vec::with_capacity(8 + source.len() / 6),
        nesting: 0,
        source,
    };
    let root = parser.expression(0)?;
    match parser.next()? {
        None => Ok(Tree {
            source: source.into(),
            nodes: parser.nodes,
            root,
        }),
        Some(token) => Err(parser.unexpected(Some(token))),
    }
}

struct Parser<'s> {
    lexer: Lexer<'s>,
    /// The next token.
    look: Option<Token>,
    nodes: Vec<Node>,
    nesting: usize,
    source: &'s str,
}

impl<'s> Parser<'s> {
    fn text(&self, token: Token) -> &'s str {
        let source: &'s str = self.source;
        &source[token.start as usize..token.end as usize]
    }

    /// Takes the next token.
    fn next(&mut self) -> Res<Option<Token>> {
        let following = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.look, following))
    }

    fn add(&mut self, kind: Kind, span: Span) -> NodeId {
        // The source's bound keeps the number of nodes far below 2^32.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most one node a source byte"
        )]
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node::new(kind, span));
        id
    }

    fn span(&self, id: NodeId) -> Span {
        self.nodes[id.0 as usize].span()
    }

    fn unexpected(&self, token: Option<Token>) -> Fail {
        match token {
            None => fail(ErrorKind::Syntax, "the expression ends too early")
                .at(Span::new(self.source.len(), self.source.len())),
            Some(token) => {
                let text = self.text(token);
                let hint = match token.kind {
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
        }
    }

    fn expression(&mut self, minimum: u8) -> Res<NodeId> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let span = self.look.map_or(Span::default(), Token::span);
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
            match self.look.map(|token| token.kind) {
                Some(lexer::Kind::Operator(op)) => {
                    let Some((strength, right)) = binding(op) else {
                        break;
                    };
                    if strength < minimum {
                        break;
                    }
                    self.next()?;
                    let right = self.expression(right)?;
                    let span = self.span(left).to(self.span(right));
                    left = self.add(Kind::Binary { op, left, right }, span);
                }
                Some(lexer::Kind::OpenBracket) if INDEX >= minimum => {
                    self.next()?;
                    let (args, end) = self.arguments(lexer::Kind::CloseBracket)?;
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
        let Some(token) = self.next()? else {
            return Err(self.unexpected(None));
        };
        let (text, span) = (self.text(token), token.span());
        Ok(match token.kind {
            kind @ (lexer::Kind::Int | lexer::Kind::Float | lexer::Kind::Text) => {
                let value = lexer::constant(kind, text, span)?;
                self.add(Kind::Constant(value), span)
            }
            lexer::Kind::True => self.add(Kind::Constant(Value::Bool(true)), span),
            lexer::Kind::False => self.add(Kind::Constant(Value::Bool(false)), span),
            lexer::Kind::Null => self.add(Kind::Constant(Value::Null), span),
            lexer::Kind::Keyword => self.add(Kind::Keyword(Word::new(span)), span),
            lexer::Kind::Dollar => self.add(Kind::Variable(Name::new(&text[1..])), span),
            lexer::Kind::Function => {
                let name = Word::new(Span::new(span.start, span.end - 1));
                let (args, end) = self.arguments(lexer::Kind::CloseParen)?;
                self.add(Kind::Call { name, args }, span.to(end))
            }
            lexer::Kind::OpenParen => {
                let inner = self.expression(0)?;
                let end = self.close(lexer::Kind::CloseParen)?;
                self.add(Kind::Group(inner), span.to(end))
            }
            lexer::Kind::OpenBracket => {
                let (items, end) = self.arguments(lexer::Kind::CloseBracket)?;
                self.add(Kind::List(items), span.to(end))
            }
            lexer::Kind::OpenBrace => {
                let (items, end) = self.arguments(lexer::Kind::CloseBrace)?;
                self.add(Kind::Map(items), span.to(end))
            }
            lexer::Kind::Operator(op @ (Op::Add | Op::Sub | Op::Not)) => {
                let operand = self.expression(if op == Op::Not { NOT } else { SIGN })?;
                let span = span.to(self.span(operand));
                self.add(Kind::Unary { op, operand }, span)
            }
            _ => return Err(self.unexpected(Some(token))),
        })
    }

    fn close(&mut self, closer: lexer::Kind) -> Res<Span> {
        match self.next()? {
            Some(token) if token.kind == closer => Ok(token.span()),
            other => Err(self.unexpected(other)),
        }
    }

    /// Arguments up to `closer`: positional ones, of which any but the last may be left out, then
    /// `key => value` ones.
    fn arguments(&mut self, closer: lexer::Kind) -> Res<(Args, Span)> {
        let mut args = Args::new();
        let mut only_gaps = true;
        let mut named = false;
        if self.look.is_some_and(|token| token.kind == closer) {
            return Ok((args, self.close(closer)?));
        }
        loop {
            match self.look {
                Some(Token {
                    kind: lexer::Kind::Comma,
                    start,
                    ..
                }) if !named => {
                    let span = Span::new(start as usize, start as usize);
                    let gap = self.add(Kind::Gap, span);
                    args.push(gap);
                }
                _ => {
                    let mut arg = self.expression(0)?;
                    if self
                        .look
                        .is_some_and(|token| token.kind == lexer::Kind::Arrow)
                        && let Some(arrow) = self.next()?
                    {
                        if !args.is_empty() && only_gaps && !named {
                            return Err(self.unexpected(Some(arrow)));
                        }
                        let value = self.expression(0)?;
                        let span = self.span(arg).to(self.span(value));
                        arg = self.add(Kind::Pair { key: arg, value }, span);
                        named = true;
                    } else if named {
                        let token = self.next()?;
                        return Err(self.unexpected(token).hint(Some(
                            "arguments by position come before those by name".to_owned(),
                        )));
                    }
                    only_gaps = false;
                    args.push(arg);
                }
            }
            match self.next()? {
                Some(Token {
                    kind: lexer::Kind::Comma,
                    ..
                }) => {}
                Some(token) if token.kind == closer => {
                    return Ok((args, token.span()));
                }
                other => return Err(self.unexpected(other)),
            }
        }
    }
}
