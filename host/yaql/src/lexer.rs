//! Source text to tokens.

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
        [b'.', ..] => (Op::Dot, 1),
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

/// Goes through the tokens of a source.
pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Lexer { source, at: 0 }
    }

    /// The next token; None at the end.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parser bounds the source"
    )]
    pub(crate) fn next(&mut self) -> Res<Option<Token>> {
        let bytes = self.source.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let at = self.at;
        let Some(first) = bytes.get(at) else {
            return Ok(None);
        };
        let rest = &self.source[at..];
        let (kind, length) = match first {
            b'$' => (Kind::Dollar, 1 + word_length(&rest[1..])),
            b'(' => (Kind::OpenParen, 1),
            b')' => (Kind::CloseParen, 1),
            b'[' => (Kind::OpenBracket, 1),
            b']' => (Kind::CloseBracket, 1),
            b'{' => (Kind::OpenBrace, 1),
            b'}' => (Kind::CloseBrace, 1),
            b',' => (Kind::Comma, 1),
            b'\'' | b'"' | b'`' => string(rest, char::from(*first), at)?,
            b'0'..=b'9' => number(rest, at)?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => word(rest, at)?,
            _ if rest.starts_with(char::is_alphabetic) => word(rest, at)?,
            b'=' if rest.starts_with("=>") => (Kind::Arrow, 2),
            _ => match sign(rest.as_bytes()) {
                Some((op, length)) => (Kind::Operator(op), length),
                None => return Err(illegal(rest, at)),
            },
        };
        self.at = at + length;
        Ok(Some(Token {
            kind,
            start: at as u32,
            end: self.at as u32,
        }))
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

/// The bytes of the word characters that `rest` begins with.
fn word_length(rest: &str) -> usize {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let plain = rest.bytes().take_while(is_plain).count();
    if rest.as_bytes().get(plain).is_none_or(u8::is_ascii) {
        return plain;
    }
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

fn word(rest: &str, at: usize) -> Res<(Kind, usize)> {
    let length = word_length(rest);
    let text = &rest[..length];
    if rest[length..].starts_with('(') {
        return Ok((Kind::Function, length + 1));
    }
    let kind = match text {
        "true" => Kind::True,
        "false" => Kind::False,
        "null" => Kind::Null,
        // Names with two leading underscores are the engine's own.
        _ if text.starts_with("__") => return Err(illegal(rest, at)),
        "mod" => Kind::Operator(Op::Mod),
        "in" => Kind::Operator(Op::In),
        "not" => Kind::Operator(Op::Not),
        "and" => Kind::Operator(Op::And),
        "or" => Kind::Operator(Op::Or),
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

/// The value of a number or a string that stands at `span`.
pub(crate) fn constant(kind: Kind, text: &str, span: Span) -> Res<Value> {
    let wrong = |message: &str| fail(ErrorKind::Lexical, message).at(span);
    match kind {
        Kind::Int => match text.parse() {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) => Err(wrong("the number does not fit 64 bits")),
        },
        Kind::Float => match text.parse() {
            Ok(value) => Ok(Value::Float(value)),
            Err(_) => Err(wrong("this is no number")),
        },
        _ => {
            let body = text.get(1..text.len().saturating_sub(1)).unwrap_or("");
            if !body.contains('\\') {
                Ok(body.into())
            } else if text.starts_with('`') {
                Ok(body.replace("\\`", "`").into())
            } else {
                match unescape(body) {
                    Some(text) => Ok(text.into()),
                    None => Err(wrong("the string has an escape that is no character")),
                }
            }
        }
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
            return Ok((Kind::Text, i + 1));
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
