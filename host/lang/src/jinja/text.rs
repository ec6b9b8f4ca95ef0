//! What methods and filters do to text.

use super::error::Res;
use super::eval::Eval;

/// Python's `str.isspace` of one character.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `text[from:to]` in characters.
pub(crate) fn between(text: &str, from: Option<i64>, to: Option<i64>) -> &str {
    if from.is_none() && to.is_none() {
        return text;
    }
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let place = |at: i64| {
        let at = if at < 0 {
            at.saturating_add(length)
        } else {
            at
        };
        usize::try_from(at.clamp(0, length)).unwrap_or(0)
    };
    let (from, to) = (place(from.unwrap_or(0)), place(to.unwrap_or(length)));
    let offset = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
    text.get(offset(from)..offset(to)).unwrap_or_default()
}

/// `old` replaced by `new`, `count` times where that is not negative.
pub(crate) fn replace(
    eval: &mut Eval<'_>,
    text: &str,
    old: &str,
    new: &str,
    count: Option<i64>,
) -> Res<String> {
    let most = count.and_then(|count| usize::try_from(count).ok());
    let found = if old.is_empty() {
        text.chars().count() + 1
    } else {
        text.matches(old).count()
    };
    let times = most.map_or(found, |most| most.min(found));
    eval.charge(text.len() + times.saturating_mul(new.len()))?;
    Ok(text.replacen(old, new, times))
}

/// `text.split(separator, most)`; without a separator at white space.
pub(crate) fn split<'t>(
    text: &'t str,
    separator: Option<&str>,
    most: Option<usize>,
    from_right: bool,
) -> Vec<&'t str> {
    let most = most.unwrap_or(usize::MAX).saturating_add(1);
    if let Some(separator) = separator {
        if from_right {
            let mut parts: Vec<_> = text.rsplitn(most, separator).collect();
            parts.reverse();
            return parts;
        }
        return text.splitn(most, separator).collect();
    }
    let trim = |text: &'t str| {
        if from_right {
            text.trim_end_matches(is_space)
        } else {
            text.trim_start_matches(is_space)
        }
    };
    let mut parts = Vec::new();
    let mut rest = trim(text);
    while !rest.is_empty() {
        if parts.len() + 1 == most {
            // What is left stays as it is.
            parts.push(rest);
            break;
        }
        let found = if from_right {
            rest.rfind(is_space)
        } else {
            rest.find(is_space)
        };
        let Some(at) = found else {
            parts.push(rest);
            break;
        };
        let width = rest[at..].chars().next().map_or(1, char::len_utf8);
        let (before, after) = (&rest[..at], &rest[at + width..]);
        let (part, left) = if from_right {
            (after, before)
        } else {
            (before, after)
        };
        parts.push(part);
        rest = trim(left);
    }
    if from_right {
        parts.reverse();
    }
    parts
}

/// `text.splitlines(keep)`.
pub(crate) fn lines(text: &str, keep: bool) -> Vec<&str> {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r'
                | '\u{b}'
                | '\u{c}'
                | '\u{1c}'
                | '\u{1d}'
                | '\u{1e}'
                | '\u{85}'
                | '\u{2028}'
                | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(at) = rest.find(ends) else {
            lines.push(rest);
            break;
        };
        let width = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        lines.push(&rest[..if keep { at + width } else { at }]);
        rest = &rest[at + width..];
    }
    lines
}

/// `center`, `ljust`, `rjust` and `zfill`.
pub(crate) fn padded(
    eval: &mut Eval<'_>,
    text: &str,
    how: &str,
    width: i64,
    fill: char,
) -> Res<String> {
    let length = text.chars().count();
    let width = usize::try_from(width).unwrap_or(0);
    let room = width.saturating_sub(length);
    eval.charge(
        text.len()
            .saturating_add(room.saturating_mul(fill.len_utf8())),
    )?;
    let filled = |room: usize| fill.to_string().repeat(room);
    Ok(match how {
        "ljust" => format!("{text}{}", filled(room)),
        "rjust" => format!("{}{text}", filled(room)),
        "zfill" => {
            let (sign, digits) = match text.strip_prefix(['+', '-']) {
                Some(digits) => (&text[..1], digits),
                None => ("", text),
            };
            format!("{sign}{}{digits}", "0".repeat(room))
        }
        _ => {
            // Python puts the odd one to the left if the width is odd.
            let left = room / 2 + (room & width & 1);
            format!("{}{text}{}", filled(left), filled(room - left))
        }
    })
}

pub(crate) fn expand_tabs(eval: &mut Eval<'_>, text: &str, size: usize) -> Res<String> {
    let mut out = String::new();
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let room = size - column % size;
                eval.charge(room)?;
                out.extend(std::iter::repeat_n(' ', room));
                column += room;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    Ok(out)
}

/// The tests on all characters: `isdigit` and the like.
pub(crate) fn is(text: &str, name: &str) -> bool {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    match name {
        "isascii" => text.is_ascii(),
        "isprintable" => text.chars().all(crate::text::is_printable),
        "isidentifier" => {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
                && chars.all(|c| c == '_' || c.is_alphanumeric())
        }
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isdigit" | "isdecimal" => all(|c| c.is_ascii_digit()),
        "isnumeric" => all(char::is_numeric),
        "isspace" => all(is_space),
        "islower" => text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
        "isupper" => text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        "istitle" => text.chars().any(char::is_alphabetic) && title(text) == text,
        _ => false,
    }
}

/// The first letter upper case, all others lower case.
pub(crate) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase(),
        None => String::new(),
    }
}

/// Python's `str.title`: a letter is upper case where no letter stands before it.
pub(crate) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    out
}

pub(crate) fn swap_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
}
