//! Filters of text.

use std::fmt::Write as _;

use ostro_core::Value;

use super::super::error::{Res, error, fail};
use super::super::eval::{Args, Eval};
use super::super::value::Val;
use super::super::{format, text};

/// Their names.
pub(super) const NAMES: &[&str] = &[
    "capitalize",
    "center",
    "e",
    "escape",
    "forceescape",
    "format",
    "indent",
    "lower",
    "replace",
    "striptags",
    "title",
    "trim",
    "truncate",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
    "xmlattr",
];

pub(super) fn call(eval: &mut Eval<'_>, name: &str, input: &Val, args: Args) -> Res<Val> {
    match name {
        "urlencode" => return url_encode(eval, input, args),
        "xmlattr" => return xml_attributes(eval, input, args),
        _ => {}
    }
    let this = input.text()?;
    eval.charge(this.len())?;
    match name {
        "format" => {
            let values = if args.named.is_empty() {
                Val::tuple(args.positional)
            } else if args.positional.is_empty() {
                let entries = args
                    .named
                    .into_iter()
                    .map(|(name, value)| Ok((name, value.into_value()?)))
                    .collect::<Res<ostro_core::Map>>()?;
                Val::Data(entries.into())
            } else {
                return fail("`format` takes values by place or by name, not both");
            };
            let made = format::percent(&this, &values)?;
            eval.made(made)
        }
        "center" => {
            let [width] = args.bind(name, ["width"])?;
            let width = whole(name, width)?.unwrap_or(80);
            text::padded(eval, &this, "center", width, ' ').map(Val::from)
        }
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let (Some(old), Some(new)) = (old, new) else {
                return fail("`replace` needs what to replace, and by what");
            };
            let count = whole(name, count)?;
            text::replace(eval, &this, &old.text()?, &new.text()?, count).map(Val::from)
        }
        "trim" => {
            let [chars] = args.bind(name, ["chars"])?;
            let chars = match &chars {
                Some(chars) if !chars.is_none() => Some(chars.text()?),
                _ => None,
            };
            Ok(this
                .trim_matches(|c: char| match &chars {
                    Some(chars) => chars.contains(c),
                    None => text::is_space(c),
                })
                .into())
        }
        "truncate" => truncate(&this, args),
        "indent" if input.as_str().is_none() => {
            fail(format!("`indent` takes text, not {}", input.kind()))
        }
        "indent" => indent(eval, &this, args),
        "wordwrap" => word_wrap(eval, &this, args),
        _ => {
            let [] = args.bind(name, [])?;
            let made = match name {
                "upper" => this.to_uppercase(),
                "lower" => this.to_lowercase(),
                "capitalize" => text::capitalize(&this),
                "title" => title(&this),
                "striptags" => strip_tags(&this),
                "wordcount" => {
                    let words = this
                        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                        .filter(|word| !word.is_empty());
                    return Ok(Val::count(words.count()));
                }
                _ => escape(&this),
            };
            eval.made(made)
        }
    }
}

fn whole(name: &str, value: Option<Val>) -> Res<Option<i64>> {
    match value {
        None => Ok(None),
        Some(value) if value.is_none() => Ok(None),
        Some(value) => match value.defined()?.as_int() {
            Some(number) => Ok(Some(number)),
            None => fail(format!(
                "`{name}` takes a whole number, not {}",
                value.kind()
            )),
        },
    }
}

/// What HTML reads as something else is written as an entity.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

/// Jinja2's own `title`, which starts a word after a space, a hyphen or a bracket.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut starts = true;
    for c in text.chars() {
        if text::is_space(c) || "-({[<".contains(c) {
            out.push(c);
            starts = true;
        } else if starts {
            out.extend(c.to_uppercase());
            starts = false;
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

fn truncate(text: &str, args: Args) -> Res<Val> {
    let [length, kill, end, leeway] =
        args.bind("truncate", ["length", "killwords", "end", "leeway"])?;
    let length = usize::try_from(whole("truncate", length)?.unwrap_or(255)).unwrap_or(0);
    let leeway = usize::try_from(whole("truncate", leeway)?.unwrap_or(5)).unwrap_or(0);
    let kill = kill.map_or(Ok(false), |kill| kill.truth())?;
    let end = match &end {
        Some(end) => end.text()?.into_owned(),
        None => "...".to_owned(),
    };
    let Some(room) = length.checked_sub(end.chars().count()) else {
        return fail("`truncate` is given an end that is longer than the length");
    };
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.into());
    }
    let cut: String = text.chars().take(room).collect();
    let cut = match cut.rsplit_once(' ') {
        Some((words, _)) if !kill => words,
        _ => &cut,
    };
    Ok(format!("{cut}{end}").into())
}

fn indent(eval: &mut Eval<'_>, this: &str, args: Args) -> Res<Val> {
    let [width, first, blank] = args.bind("indent", ["width", "first", "blank"])?;
    let indent = match &width {
        Some(Val::Data(Value::String(text))) => text.to_string(),
        other => {
            let width = whole("indent", other.clone())?.unwrap_or(4);
            let width = usize::try_from(width).unwrap_or(0);
            eval.charge(width)?;
            " ".repeat(width)
        }
    };
    let first = first.map_or(Ok(false), |first| first.truth())?;
    let blank = blank.map_or(Ok(false), |blank| blank.truth())?;
    let whole = format!("{this}\n");
    let lines = text::lines(&whole, false);
    eval.charge(lines.len().saturating_mul(indent.len()))?;
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let wanted = if index == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        if wanted {
            out.push_str(&indent);
        }
        out.push_str(line);
    }
    eval.made(out)
}

fn word_wrap(eval: &mut Eval<'_>, this: &str, args: Args) -> Res<Val> {
    let [width, break_long, separator, hyphens] = args.bind(
        "wordwrap",
        [
            "width",
            "break_long_words",
            "wrapstring",
            "break_on_hyphens",
        ],
    )?;
    let width = usize::try_from(whole("wordwrap", width)?.unwrap_or(79)).unwrap_or(0);
    if width == 0 {
        return fail("`wordwrap` needs a width that is more than zero");
    }
    let break_long = break_long.map_or(Ok(true), |value| value.truth())?;
    let hyphens = hyphens.map_or(Ok(true), |value| value.truth())?;
    let separator = match &separator {
        Some(separator) if !separator.is_none() => separator.text()?.into_owned(),
        _ => "\n".to_owned(),
    };
    let mut lines = Vec::new();
    for line in text::lines(this, false) {
        let wrapped = wrap(line, width, break_long, hyphens);
        if wrapped.is_empty() {
            lines.push(String::new());
        }
        lines.extend(wrapped);
    }
    eval.charge(lines.len().saturating_mul(separator.len()))?;
    eval.made(lines.join(&separator))
}

/// The pieces of a line that it may be broken between: words, their parts at hyphens, and the
/// white space between them.
fn pieces(line: &str, hyphens: bool) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let chars: Vec<char> = line.chars().collect();
    let mut piece = String::new();
    for (index, c) in chars.iter().enumerate() {
        let space = |c: &char| matches!(c, ' ' | '\t');
        if index > 0 && space(c) != space(&chars[index - 1]) && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(*c);
        let letter = |at: Option<usize>| {
            at.and_then(|at| chars.get(at))
                .is_some_and(|c| c.is_alphabetic())
        };
        let breaks = hyphens
            && *c == '-'
            && letter(index.checked_sub(1))
            && letter(index.checked_sub(2))
            && letter(Some(index + 1));
        if breaks {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// Python's `textwrap.wrap` of one line, without touching white space inside.
fn wrap(line: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let mut pieces: Vec<String> = pieces(line, hyphens);
    pieces.reverse();
    let mut lines: Vec<String> = Vec::new();
    while !pieces.is_empty() {
        let mut current: Vec<String> = Vec::new();
        let mut length = 0;
        if !lines.is_empty() && pieces.last().is_some_and(|piece| piece.trim().is_empty()) {
            pieces.pop();
        }
        while let Some(piece) = pieces.pop() {
            let count = piece.chars().count();
            if length + count <= width {
                length += count;
                current.push(piece);
                continue;
            }
            if count > width && break_long {
                let room = (width - length).max(usize::from(width == length && current.is_empty()));
                let head: String = piece.chars().take(room).collect();
                let tail: String = piece.chars().skip(room).collect();
                if !head.is_empty() {
                    current.push(head);
                }
                pieces.push(tail);
            } else if count > width && current.is_empty() {
                current.push(piece);
            } else {
                pieces.push(piece);
            }
            break;
        }
        if current.last().is_some_and(|piece| piece.trim().is_empty()) {
            current.pop();
        }
        if !current.is_empty() {
            lines.push(current.concat());
        }
    }
    lines
}

fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (end, width) = if rest[at..].starts_with("<!--") {
            (rest[at..].find("-->"), 3)
        } else {
            (rest[at..].find('>'), 1)
        };
        let Some(end) = end else { break };
        out.push_str(&rest[..at]);
        rest = &rest[at + end + width..];
    }
    out.push_str(rest);
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#39;", "'"),
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(out, |text, (entity, plain)| text.replace(entity, plain))
}

fn quoted(text: &str, in_query: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if !in_query => out.push('/'),
            b' ' if in_query => out.push('+'),
            // Writing to a string can't fail.
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

fn url_encode(eval: &mut Eval<'_>, input: &Val, args: Args) -> Res<Val> {
    let [] = args.bind("urlencode", [])?;
    if !matches!(
        input,
        Val::Data(Value::Map(_) | Value::List(_)) | Val::List(_) | Val::Tuple(_)
    ) {
        let made = quoted(&input.text()?, false);
        return eval.made(made);
    }
    let mut parts = Vec::new();
    let items = match input.as_map() {
        Some(entries) => entries
            .iter()
            .map(|(key, value)| Val::tuple(vec![key.clone().into(), value.clone().into()]))
            .collect(),
        None => eval.items(input)?,
    };
    for item in items {
        match &item.items()?[..] {
            [key, value] => parts.push(format!(
                "{}={}",
                quoted(&key.text()?, true),
                quoted(&value.text()?, true)
            )),
            _ => return fail("`urlencode` takes text, a mapping, or a list of pairs"),
        }
    }
    eval.made(parts.join("&"))
}

fn xml_attributes(eval: &mut Eval<'_>, input: &Val, args: Args) -> Res<Val> {
    let [space] = args.bind("xmlattr", ["autospace"])?;
    let space = space.map_or(Ok(true), |space| space.truth())?;
    let Some(entries) = input.as_map() else {
        return fail(format!("`xmlattr` takes a mapping, not {}", input.kind()));
    };
    let mut parts = Vec::new();
    for (key, value) in entries.iter() {
        if value.is_null() {
            continue;
        }
        if key.contains(|c: char| c.is_ascii_whitespace() || "/>=".contains(c)) {
            return Err(error("a key of the mapping is no name of an attribute"));
        }
        let text = Val::Data(value.clone());
        parts.push(format!("{}=\"{}\"", escape(key), escape(&text.text()?)));
    }
    let text = parts.join(" ");
    eval.made(if space && !text.is_empty() {
        format!(" {text}")
    } else {
        text
    })
}
