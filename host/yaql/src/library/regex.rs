//! Regular expressions, in Python's dialect.

use std::cell::OnceCell;
use std::rc::Rc;

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::{function, method, opt, req};
use crate::ast::Name;
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::eval::{Call, DictBuilder, Eval, Function, Param, Ty};
use crate::library::pattern::{Translated, translate};
use crate::library::queries::Deferred;
use crate::library::strings::length;
use crate::value::{Lambda, Val};

/// How often a pattern may go back before it is given up: those of one evaluation also count as
/// steps.
const BACKTRACK_LIMIT: usize = 200_000;

/// A compiled regular expression.
pub(crate) struct Pattern {
    regex: Regex,
    /// As the engine has it, for `not_empty`.
    translated: Translated,
    /// The same without matches that are empty and begin where the search does.
    not_empty: OnceCell<Option<Regex>>,
}

const REGEX: Param = req("regexp", Ty::Regex);
const STRING: Param = req("string", Ty::Str);
const SELECTOR: &[Param] = &[REGEX, STRING, opt("selector", Ty::Lambda)];
const SPLIT: Param = opt("maxSplit", Ty::Int);
const REPL: Param = req("repl", Ty::Str);
const REPL_BY: Param = req("repl", Ty::Lambda);
const COUNT: Param = opt("count", Ty::Int);

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "regex",
        &[
            req("pattern", Ty::Str),
            opt("ignoreCase", Ty::Bool),
            opt("multiLine", Ty::Bool),
            opt("dotAll", Ty::Bool),
        ],
        |c| {
            let flags = [(1, 'i'), (2, 'm'), (3, 's')];
            let flags = flags
                .iter()
                .filter(|(i, _)| c.flag(*i, false))
                .map(|(_, flag)| *flag);
            let flags: String = flags.collect();
            Pattern::with_flags(c.ev, &c.text(0), &flags).map(Val::from)
        },
    ),
    method("matches", &[REGEX, STRING], |c| matches(c, 0, 1)),
    method("matches", &[STRING, req("regexp", Ty::Str)], |c| {
        let (text, pattern) = (c.text(0), c.text(1));
        Pattern::new(c.ev, &pattern)?
            .is_match(c.ev, &text)
            .map(Val::Bool)
    }),
    method("search", SELECTOR, search),
    method("searchAll", SELECTOR, search_all),
    method("split", &[REGEX, STRING, SPLIT], |c| split(c, 0, 1)),
    method("split", &[STRING, REGEX, SPLIT], |c| split(c, 1, 0)),
    method("replace", &[REGEX, STRING, REPL, COUNT], |c| {
        replace(c, 0, 1)
    }),
    method("replace", &[STRING, REGEX, REPL, COUNT], |c| {
        replace(c, 1, 0)
    }),
    method("replaceBy", &[REGEX, STRING, REPL_BY, COUNT], |c| {
        replace_by(c, 0, 1)
    }),
    method("replaceBy", &[STRING, REGEX, REPL_BY, COUNT], |c| {
        replace_by(c, 1, 0)
    }),
    function("escapeRegex", &[STRING], |c| {
        let escaped = escape(&c.text(0));
        c.ev.text(&escaped)
    }),
    function("isRegex", &[req("value", Ty::Any)], |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Regex(_))))
    }),
];

fn build(translated: &str) -> Option<Regex> {
    RegexBuilder::new(translated)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(4 << 20)
        .delegate_dfa_size_limit(4 << 20)
        .build()
        .ok()
}

fn invalid() -> Fail {
    fail(ErrorKind::Value, "this is no regular expression").hint(Some(
        "brackets, braces and parentheses come in pairs; escape others with `\\`".to_owned(),
    ))
}

fn runaway(_: fancy_regex::Error) -> Fail {
    fail(
        ErrorKind::Steps,
        "the regular expression takes too many steps on this text",
    )
    .hint(Some(
        "avoid repeats within repeats, as in `(a+)+`".to_owned(),
    ))
}

impl Pattern {
    /// What it is equal by: the pattern with its flags, as the engine has it.
    pub(crate) fn text(&self) -> &str {
        &self.translated.pattern
    }

    /// Compiles a pattern.
    pub(crate) fn new(ev: &mut Eval<'_>, pattern: &str) -> Res<Pattern> {
        Self::with_flags(ev, pattern, "")
    }

    fn with_flags(ev: &mut Eval<'_>, pattern: &str, flags: &str) -> Res<Pattern> {
        // Compiling takes about as long as some thousand steps.
        ev.step(1000 + pattern.len() as u64)?;
        let translated = translate(pattern, flags).ok_or_else(invalid)?;
        let regex = build(&translated.pattern).ok_or_else(invalid)?;
        Ok(Pattern {
            regex,
            translated,
            not_empty: OnceCell::new(),
        })
    }

    /// Whether `text` has a match somewhere.
    pub(crate) fn is_match(&self, ev: &mut Eval<'_>, text: &str) -> Res<bool> {
        ev.step(1 + text.len() as u64 / 16)?;
        self.regex.is_match(text).map_err(runaway)
    }

    /// The matches of `text`, at most `limit`.
    fn matches<'t>(
        &self,
        ev: &mut Eval<'_>,
        text: &'t str,
        limit: usize,
    ) -> Res<Vec<Captures<'t>>> {
        let mut found = Vec::new();
        ev.step(1 + text.len() as u64 / 16)?;
        let mut at = 0;
        let mut advance = false;
        while found.len() < limit {
            // After an empty match Python looks for another one at the same place, or further on,
            // but for none that is empty and at the same place.
            let regex = if advance {
                self.not_empty
                    .get_or_init(|| build(&format!("(?:{})(?!\\G)", self.translated.pattern)))
            } else {
                &None
            };
            let regex = regex.as_ref().unwrap_or(&self.regex);
            let Some(captures) = regex.captures_from_pos(text, at).map_err(runaway)? else {
                break;
            };
            let Some(whole) = captures.get(0) else { break };
            ev.step(captures.len() as u64)?;
            ev.charge(128 + captures.len() * 64)?;
            at = whole.end();
            advance = whole.start() == whole.end();
            found.push(captures);
        }
        Ok(found)
    }
}

/// `text` as a pattern that matches nothing but it, as Python's `re.escape` writes it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl Call<'_, '_> {
    fn regex(&self, index: usize) -> Res<Rc<Pattern>> {
        match self.arg(index) {
            Val::Regex(pattern) => Ok(pattern),
            _ => Err(invalid()),
        }
    }
}

fn matches(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let text = c.text(string);
    c.regex(regex)?.is_match(c.ev, &text).map(Val::Bool)
}

/// One group as a mapping: its value, start and end; null and -1 if it took no part.
fn group(ev: &mut Eval<'_>, text: &str, found: Option<fancy_regex::Match<'_>>) -> Res<Val> {
    let mut record = DictBuilder::default();
    let (value, start, end) = match found {
        Some(found) => (
            ev.text(found.as_str())?,
            length(&text[..found.start()]),
            length(&text[..found.end()]),
        ),
        None => (Val::Null, -1, -1),
    };
    record.insert(ev, Val::from("value"), value)?;
    record.insert(ev, Val::from("start"), Val::Int(start))?;
    record.insert(ev, Val::from("end"), Val::Int(end))?;
    record.finish(ev)
}

/// What the lambda makes of a match: `$` is the match, `$2` and on its groups, also by name.
fn with_match(
    ev: &mut Eval<'_>,
    pattern: &Pattern,
    lambda: &Lambda,
    text: &str,
    found: &Captures<'_>,
) -> Res<Val> {
    let mut variables = Vec::with_capacity(found.len());
    for i in 0..found.len() {
        variables.push((Name::Position(i + 1), group(ev, text, found.get(i))?));
    }
    for (name, index) in &pattern.translated.names {
        variables.push((Name::new(name), group(ev, text, found.get(*index))?));
    }
    let ctx = ev.context(&lambda.ctx, variables)?;
    ev.run_in(lambda, Some(&ctx))
}

fn search(c: &mut Call<'_, '_>) -> Res<Val> {
    let (pattern, text) = (c.regex(0)?, c.text(1));
    let found = pattern.matches(c.ev, &text, 1)?;
    match (found.first(), c.lambda(2)) {
        (None, _) => Ok(Val::Null),
        (Some(found), Some(lambda)) => with_match(c.ev, &pattern, &lambda, &text, found),
        (Some(found), None) => c.ev.text(found.get(0).map_or("", |found| found.as_str())),
    }
}

fn search_all(c: &mut Call<'_, '_>) -> Res<Val> {
    let (pattern, text) = (c.regex(0)?, c.text(1));
    let lambda = c.lambda(2);
    c.stream(Deferred::new(move |ev: &mut Eval<'_>| {
        let mut items = Vec::new();
        for found in pattern.matches(ev, &text, usize::MAX)? {
            items.push(match &lambda {
                Some(lambda) => with_match(ev, &pattern, lambda, &text, &found)?,
                None => ev.text(found.get(0).map_or("", |found| found.as_str()))?,
            });
        }
        ev.own_list(items)
    }))
}

/// How many matches to look at: Python's 0 is all, and a negative number none.
fn limit(count: i64) -> usize {
    match count {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(0),
    }
}

fn split(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let (pattern, text) = (c.regex(regex)?, c.text(string));
    let mut items = Vec::new();
    let mut at = 0;
    for found in pattern.matches(c.ev, &text, limit(c.int_or(2, 0)))? {
        let Some(whole) = found.get(0) else { continue };
        items.push(c.ev.text(&text[at..whole.start()])?);
        at = whole.end();
        for i in 1..found.len() {
            items.push(match found.get(i) {
                Some(group) => c.ev.text(group.as_str())?,
                None => Val::Null,
            });
        }
    }
    items.push(c.ev.text(&text[at..])?);
    c.ev.list(items)
}

fn substitute(
    ev: &mut Eval<'_>,
    text: &str,
    found: &[Captures<'_>],
    mut replacement: impl FnMut(&mut Eval<'_>, &Captures<'_>) -> Res<String>,
) -> Res<Val> {
    let mut out = String::new();
    let mut at = 0;
    for captures in found {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        out.push_str(&text[at..whole.start()]);
        let new = replacement(ev, captures)?;
        ev.charge(new.len())?;
        out.push_str(&new);
        at = whole.end();
    }
    out.push_str(&text[at..]);
    ev.text(&out)
}

fn replace(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let (pattern, text, template) = (c.regex(regex)?, c.text(string), c.text(2));
    let pieces = template_pieces(&template, &pattern)?;
    let found = pattern.matches(c.ev, &text, limit(c.int_or(3, 0)))?;
    substitute(c.ev, &text, &found, |_, found| {
        Ok(pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Group(i) => found.get(*i).map_or("", |group| group.as_str()),
            })
            .collect())
    })
}

/// A part of a replacement template.
enum Piece {
    Text(String),
    Group(usize),
}

/// Python's replacement template: `\1`, `\g<1>`, `\g<name>` and the escapes of characters.
fn template_pieces(template: &str, pattern: &Pattern) -> Res<Vec<Piece>> {
    let wrong = || {
        fail(
            ErrorKind::Value,
            "the replacement refers to a group that the pattern doesn't have",
        )
    };
    let group = |name: &str| {
        let mut names = pattern.translated.names.iter();
        let index = name.parse::<usize>().ok().or_else(|| {
            let known = names.find(|(known, _)| known == name);
            known.map(|(_, index)| *index)
        });
        let index = index.filter(|index| *index < pattern.regex.captures_len());
        index.map(Piece::Group).ok_or_else(wrong)
    };
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(code) = rest.chars().next() else {
            return Err(fail(
                ErrorKind::Value,
                "the replacement ends with a single `\\`",
            ));
        };
        let digits = rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
        let octal = |length: usize| {
            let written = rest.get(..length)?;
            char::from_u32(u32::from_str_radix(written, 8).ok()?).filter(|c| u32::from(*c) < 256)
        };
        let used = match code {
            'g' => {
                let end = rest.find('>').filter(|_| rest.starts_with("g<"));
                let end = end.ok_or_else(wrong)?;
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(group(&rest[2..end])?);
                end + 1
            }
            '0' => {
                let length = rest
                    .bytes()
                    .take(3)
                    .take_while(|b| (b'0'..=b'7').contains(b))
                    .count();
                let length = length.max(1);
                text.push(octal(length).ok_or_else(wrong)?);
                length
            }
            '1'..='9' => {
                if digits == 3 && octal(3).is_some() && rest.starts_with(['1', '2', '3']) {
                    text.extend(octal(3));
                    3
                } else {
                    let length = digits.min(2);
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(group(&rest[..length])?);
                    length
                }
            }
            _ => {
                match code {
                    '\\' => text.push('\\'),
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    'a' => text.push('\u{7}'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'v' => text.push('\u{b}'),
                    c if c.is_ascii_alphabetic() => {
                        return Err(fail(
                            ErrorKind::Value,
                            "the replacement has an escape that Python doesn't know",
                        ));
                    }
                    c => text.extend(['\\', c]),
                }
                code.len_utf8()
            }
        };
        rest = &rest[used..];
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    Ok(pieces)
}

fn replace_by(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let (pattern, text) = (c.regex(regex)?, c.text(string));
    let Some(lambda) = c.lambda(2) else {
        return Err(invalid());
    };
    let found = pattern.matches(c.ev, &text, limit(c.int_or(3, 0)))?;
    substitute(c.ev, &text, &found, |ev, found| {
        match with_match(ev, &pattern, &lambda, &text, found)? {
            Val::Str(new) => Ok(new.to_string()),
            Val::Null => Ok(String::new()),
            other => Err(fail(
                ErrorKind::Value,
                format!(
                    "a replacement is a string, not a value of type {}",
                    other.kind()
                ),
            )
            .hint(Some("`str(x)` makes a string".to_owned()))),
        }
    })
}
