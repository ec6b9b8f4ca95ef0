//! Source text to tokens.

use std::sync::Arc;

use ostro_core::Value;

use crate::error::{ErrorKind, Res, Span, fail};

/// An operator that stands between, or before, operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Dot,
    SafeDot,
    Match,
    NotMatch,
    Mul,
    Div,
    Mod,
    Add,
    Sub,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    NotEqual,
    Equal,
    In,
    Not,
    And,
    Or,
    Send,
}

impl Op {
    /// As it is written.
    pub(crate) fn text(self) -> &'static str {
        OPERATORS
            .iter()
            .find(|(_, op)| *op == self)
            .map_or("", |(text, _)| text)
    }
}

/// Longest first, as the scanner tries them in this order.
const OPERATORS: [(&str, Op); 20] = [
    ("?.", Op::SafeDot),
    ("=~", Op::Match),
    ("!~", Op::NotMatch),
    (">=", Op::GreaterEqual),
    ("<=", Op::LessEqual),
    ("!=", Op::NotEqual),
    ("->", Op::Send),
    (".", Op::Dot),
    ("*", Op::Mul),
    ("/", Op::Div),
    ("+", Op::Add),
    ("-", Op::Sub),
    (">", Op::Greater),
    ("<", Op::Less),
    ("=", Op::Equal),
    ("mod", Op::Mod),
    ("in", Op::In),
    ("not", Op::Not),
    ("and", Op::And),
    ("or", Op::Or),
];

/// The first operator made of signs that `rest` begins with.
fn sign(rest: &str) -> Option<(&'static str, Op)> {
    OPERATORS[..15]
        .iter()
        .copied()
        .find(|(text, _)| rest.starts_with(text))
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `$name`, without the dollar.
    Dollar(Arc<str>),
    /// A number, a quoted string, `true`, `false` or `null`.
    Constant(Value),
    /// A bare word.
    Keyword(Arc<str>),
    /// A name with the `(` that follows it at once.
    Function(Arc<str>),
    Operator(Op),
    /// `=>`
    Arrow,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    Comma,
}

/// A token and its place.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All tokens of `source`.
pub(crate) fn tokens(source: &str) -> Res<Vec<Token>> {
    let mut tokens = Vec::with_capacity(8 + source.len() / 4);
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        if matches!(c, ' ' | '\t' | '\r' | '\n') {
            at += 1;
            continue;
        }
        let rest = &source[at..];
        let (kind, length) = match c {
            '$' => {
                let length = 1 + word_length(&rest[1..]);
                (Kind::Dollar(rest[1..length].into()), length)
            }
            '(' => (Kind::OpenParen, 1),
            ')' => (Kind::CloseParen, 1),
            '[' => (Kind::OpenBracket, 1),
            ']' => (Kind::CloseBracket, 1),
            '{' => (Kind::OpenBrace, 1),
            '}' => (Kind::CloseBrace, 1),
            ',' => (Kind::Comma, 1),
            '\'' | '"' | '`' => string(rest, c, at)?,
            _ if c.is_ascii_digit() => number(rest, at)?,
            _ if c.is_alphabetic() || c == '_' => word(rest, at)?,
            _ if rest.starts_with("=>") => (Kind::Arrow, 2),
            _ => match sign(rest) {
                Some((text, op)) => (Kind::Operator(op), text.len()),
                None => return Err(illegal(rest, at)),
            },
        };
        tokens.push(Token {
            kind,
            span: Span::new(at, at + length),
        });
        at += length;
    }
    Ok(tokens)
}

fn illegal(rest: &str, at: usize) -> crate::error::Fail {
    let c = rest.chars().next().unwrap_or(' ');
    let hint = match c {
        '!' => Some("write `not x` or `a != b`".to_owned()),
        '&' => Some("write `and`".to_owned()),
        '|' => Some("write `or`".to_owned()),
        '%' => Some("write `mod` for the remainder".to_owned()),
        _ => None,
    };
    fail(
        ErrorKind::Lexical,
        format!("illegal character `{}`", c.escape_debug()),
    )
    .at(Span::new(at, at + c.len_utf8()))
    .hint(hint)
}

/// The bytes of the word characters that `rest` begins with.
fn word_length(rest: &str) -> usize {
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

fn word(rest: &str, at: usize) -> Res<(Kind, usize)> {
    let length = word_length(rest);
    let text = &rest[..length];
    if rest[length..].starts_with('(') {
        return Ok((Kind::Function(text.into()), length + 1));
    }
    let kind = match text {
        "true" => Kind::Constant(Value::Bool(true)),
        "false" => Kind::Constant(Value::Bool(false)),
        "null" => Kind::Constant(Value::Null),
        // Names with two leading underscores are the engine's own.
        _ if text.starts_with("__") => return Err(illegal(rest, at)),
        _ => match OPERATORS[15..]
            .iter()
            .find(|(operator, _)| *operator == text)
        {
            Some((_, op)) => Kind::Operator(*op),
            None => Kind::Keyword(text.into()),
        },
    };
    Ok((kind, length))
}

fn number(rest: &str, at: usize) -> Res<(Kind, usize)> {
    let digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let ends = |length: usize| !rest[length..].starts_with(is_word);
    let whole = digits(rest);
    if let Some(fraction) = rest[whole..].strip_prefix('.') {
        let length = whole + 1 + digits(fraction);
        if length > whole + 1 && ends(length) {
            let value = rest[..length].parse().map_err(|_| illegal(rest, at))?;
            return Ok((Kind::Constant(Value::Float(value)), length));
        }
    }
    if !ends(whole) {
        return Err(illegal(rest, at));
    }
    match rest[..whole].parse() {
        Ok(value) => Ok((Kind::Constant(Value::Int(value)), whole)),
        Err(_) => Err(fail(ErrorKind::Lexical, "the number does not fit 64 bits")
            .at(Span::new(at, at + whole))),
    }
}

fn string(rest: &str, quote: char, at: usize) -> Res<(Kind, usize)> {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        if escaped {
            // A backslash escapes any character but a line's end.
            if c == '\n' {
                break;
            }
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            let body = &rest[1..i];
            let text = if quote == '`' {
                body.replace("\\`", "`")
            } else {
                unescape(body).ok_or_else(|| {
                    fail(
                        ErrorKind::Lexical,
                        "the string has an escape that is no character",
                    )
                    .at(Span::new(at, at + i + 1))
                })?
            };
            return Ok((Kind::Constant(text.into()), i + 1));
        }
    }
    Err(fail(ErrorKind::Lexical, "the string has no end")
        .at(Span::new(at, at + rest.len()))
        .hint(Some(format!("close it with {quote}"))))
}

/// Python's escapes of one character; others stay as they are, backslash and all, so that
/// regular expressions can be written plainly. None for `\u` or `\x` that is no character.
fn unescape(body: &str) -> Option<String> {
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(i) = rest.find('\\') {
        text.push_str(&rest[..i]);
        let after = &rest[i + 1..];
        let code = after.chars().next()?;
        let hex = |digits: usize| {
            let written = after.get(1..=digits)?;
            char::from_u32(u32::from_str_radix(written, 16).ok()?)
        };
        let (c, used) = match code {
            '\\' | '\'' | '"' => (code, 1),
            'a' => ('\u{7}', 1),
            'b' => ('\u{8}', 1),
            'f' => ('\u{c}', 1),
            'n' => ('\n', 1),
            'r' => ('\r', 1),
            't' => ('\t', 1),
            'v' => ('\u{b}', 1),
            'x' if has(after, 2) => (hex(2)?, 3),
            'u' if has(after, 4) => (hex(4)?, 5),
            'U' if has(after, 8) => (hex(8)?, 9),
            '0'..='7' => {
                let length = after
                    .bytes()
                    .take(3)
                    .take_while(|b| (b'0'..=b'7').contains(b))
                    .count();
                (
                    char::from_u32(u32::from_str_radix(&after[..length], 8).ok()?)?,
                    length,
                )
            }
            _ => ('\\', 0),
        };
        text.push(c);
        rest = &after[used..];
    }
    text.push_str(rest);
    Some(text)
}

/// Whether `after` has `digits` characters after its first one.
fn has(after: &str, digits: usize) -> bool {
    after.chars().count() > digits
}
