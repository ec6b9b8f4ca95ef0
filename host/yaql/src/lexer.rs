//! Source text to tokens.

use std::borrow::Cow;

use crate::ast::Constant;
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

/// How each is written.
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

/// The operator made of signs that `rest` begins with, and its length.
fn sign(rest: &[u8]) -> Option<(Op, usize)> {
    Some(match rest {
        [b'?', b'.', ..] => (Op::SafeDot, 2),
        [b'=', b'~', ..] => (Op::Match, 2),
        [b'!', b'~', ..] => (Op::NotMatch, 2),
        [b'>', b'=', ..] => (Op::GreaterEqual, 2),
        [b'<', b'=', ..] => (Op::LessEqual, 2),
        [b'!', b'=', ..] => (Op::NotEqual, 2),
        [b'-', b'>', ..] => (Op::Send, 2),
        [b'*', ..] => (Op::Mul, 1),
        [b'/', ..] => (Op::Div, 1),
        [b'+', ..] => (Op::Add, 1),
        [b'-', ..] => (Op::Sub, 1),
        [b'>', ..] => (Op::Greater, 1),
        [b'<', ..] => (Op::Less, 1),
        [b'=', ..] => (Op::Equal, 1),
        _ => return None,
    })
}

/// What a token is. Its text is what stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `$name`
    Dollar,
    Int,
    Float,
    /// A quoted string.
    Text,
    True,
    False,
    Null,
    /// A bare word.
    Keyword,
    /// A name with the `(` that follows it at once.
    Function,
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
    /// Nothing more follows.
    End,
}

/// A token and its place. Sources are far shorter than 2^32 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Token {
    pub(crate) fn span(self) -> Span {
        Span::new(self.start as usize, self.end as usize)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Which bytes are word characters by themselves.
const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};

/// Goes through the tokens of a source.
pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Lexer { source, at: 0 }
    }

    /// The next token.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parser bounds the source"
    )]
    pub(crate) fn next(&mut self) -> Res<Token> {
        let bytes = self.source.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let at = self.at;
        let (kind, length) = match bytes.get(at) {
            None => (Kind::End, 0),
            Some(b'.') => (Kind::Operator(Op::Dot), 1),
            Some(b'$') => (Kind::Dollar, 1 + word_length(self.source, at + 1)),
            Some(b'(') => (Kind::OpenParen, 1),
            Some(b')') => (Kind::CloseParen, 1),
            Some(b'[') => (Kind::OpenBracket, 1),
            Some(b']') => (Kind::CloseBracket, 1),
            Some(b'{') => (Kind::OpenBrace, 1),
            Some(b'}') => (Kind::CloseBrace, 1),
            Some(b',') => (Kind::Comma, 1),
            Some(quote @ (b'\'' | b'"' | b'`')) => (Kind::Text, string(self.source, *quote, at)?),
            Some(b'0'..=b'9') => number(&self.source[at..], at)?,
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => word(self.source, at)?,
            Some(b'=') if bytes.get(at + 1) == Some(&b'>') => (Kind::Arrow, 2),
            Some(_) => match sign(&bytes[at..]) {
                Some((op, length)) => (Kind::Operator(op), length),
                None if self.source[at..].starts_with(char::is_alphabetic) => {
                    word(self.source, at)?
                }
                None => return Err(illegal(&self.source[at..], at)),
            },
        };
        self.at = at + length;
        Ok(Token {
            kind,
            start: at as u32,
            end: self.at as u32,
        })
    }
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

/// How many bytes of word characters stand at `at`.
fn word_length(source: &str, at: usize) -> usize {
    let bytes = source.as_bytes();
    let mut end = at;
    while end < bytes.len() && WORD[usize::from(bytes[end])] {
        end += 1;
    }
    if bytes.get(end).is_none_or(u8::is_ascii) {
        return end - at;
    }
    let rest = &source[at..];
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

fn word(source: &str, at: usize) -> Res<(Kind, usize)> {
    let length = word_length(source, at);
    let (text, after) = source.as_bytes()[at..].split_at(length);
    if after.first() == Some(&b'(') {
        return Ok((Kind::Function, length + 1));
    }
    let kind = match text {
        b"true" => Kind::True,
        b"false" => Kind::False,
        b"null" => Kind::Null,
        b"mod" => Kind::Operator(Op::Mod),
        b"in" => Kind::Operator(Op::In),
        b"not" => Kind::Operator(Op::Not),
        b"and" => Kind::Operator(Op::And),
        b"or" => Kind::Operator(Op::Or),
        // Names with two leading underscores are the engine's own.
        [b'_', b'_', ..] => return Err(illegal(&source[at..], at)),
        _ => Kind::Keyword,
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
            return Ok((Kind::Float, length));
        }
    }
    if ends(whole) {
        Ok((Kind::Int, whole))
    } else {
        Err(illegal(rest, at))
    }
}

/// The value of the number that stands at `span`.
pub(crate) fn number_value(kind: Kind, text: &str, span: Span) -> Res<Constant> {
    let (value, wrong) = if kind == Kind::Int {
        let value = text.parse().ok().map(Constant::Int);
        (value, "the number does not fit 64 bits")
    } else {
        let value = text.parse().ok().map(Constant::Float);
        (value, "this is no number")
    };
    value.ok_or_else(|| fail(ErrorKind::Lexical, wrong).at(span))
}

/// What a string says whose text, with its quotes, is `text`; None if it has an escape that is no
/// character.
pub(crate) fn string_value(text: &str) -> Option<Cow<'_, str>> {
    let body = text.get(1..text.len().saturating_sub(1)).unwrap_or("");
    if !body.contains('\\') {
        Some(Cow::Borrowed(body))
    } else if text.starts_with('`') {
        Some(Cow::Owned(body.replace("\\`", "`")))
    } else {
        unescape(body).map(Cow::Owned)
    }
}

/// The length of the string that begins at `at`, with its quotes.
fn string(source: &str, quote: u8, at: usize) -> Res<usize> {
    let bytes = &source.as_bytes()[at..];
    let mut i = 1;
    while let Some(byte) = bytes.get(i) {
        match byte {
            // A backslash escapes any character but a line's end.
            b'\\' if bytes.get(i + 1) == Some(&b'\n') => break,
            b'\\' => i += 2,
            _ if *byte == quote => return Ok(i + 1),
            _ => i += 1,
        }
    }
    Err(fail(ErrorKind::Lexical, "the string has no end")
        .at(Span::new(at, source.len()))
        .hint(Some(format!("close it with {}", char::from(quote)))))
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
