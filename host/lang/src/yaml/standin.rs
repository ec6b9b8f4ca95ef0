//! Characters that are plain text for Mistral and syntax for YAML.
//!
//! Mistral's loader reads `*x`, `&x y` and `@x` as plain text. Before the scanner sees the
//! text, each `*`, `&` and `@`, and each `!` that starts no standard tag, becomes a character
//! for private use that the text doesn't hold; in what the scanner gives, they become what
//! they were. One character stands for one, so places stay as they are.

use std::borrow::Cow;

const SYNTAX: [char; 4] = ['*', '&', '@', '!'];

/// The standard tags that keep their meaning. After the second `!`.
const TAGS: [&str; 8] = [
    "str",
    "int",
    "float",
    "bool",
    "null",
    "seq",
    "map",
    "timestamp",
];

/// The stand-ins of one text.
pub(crate) struct StandIns([char; 4]);

impl StandIns {
    /// Stand-ins that `text` holds neither as characters nor as escapes.
    pub(crate) fn choose(text: &str) -> Option<Self> {
        let plain = !text.chars().any(is_private);
        let lower = if text.contains("\\u") || text.contains("\\U") {
            text.to_ascii_lowercase()
        } else {
            String::new()
        };
        let mut free = ('\u{e400}'..='\u{f8ff}').filter(|candidate| {
            (plain || !text.contains(*candidate))
                && (lower.is_empty() || !lower.contains(&format!("{:x}", u32::from(*candidate))))
        });
        Some(Self([
            free.next()?,
            free.next()?,
            free.next()?,
            free.next()?,
        ]))
    }

    /// `text` with stand-ins.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut hidden = String::with_capacity(text.len() + 64);
        let mut rest = text;
        while let Some(at) = rest.find(SYNTAX) {
            hidden.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(tag) = standard_tag(rest) {
                hidden.push_str(tag);
                rest = &rest[tag.len()..];
                continue;
            }
            for (syntax, standin) in SYNTAX.into_iter().zip(self.0) {
                if let Some(after) = rest.strip_prefix(syntax) {
                    hidden.push(standin);
                    rest = after;
                    break;
                }
            }
        }
        hidden.push_str(rest);
        hidden
    }

    /// What the scanner gave, as it was written.
    pub(crate) fn show<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if !text.contains(self.0) {
            return text;
        }
        text.chars()
            .map(|c| match self.0.iter().position(|standin| *standin == c) {
                Some(index) => SYNTAX[index],
                None => c,
            })
            .collect::<String>()
            .into()
    }
}

fn is_private(c: char) -> bool {
    ('\u{e000}'..='\u{f8ff}').contains(&c)
}

fn standard_tag(text: &str) -> Option<&str> {
    let name = text.strip_prefix("!!")?;
    let length = name
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(name.len());
    let ends = name[length..]
        .chars()
        .next()
        .is_none_or(char::is_whitespace);
    (ends && TAGS.contains(&&name[..length])).then(|| &text[..length + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown_again() {
        for text in [
            "a: *x & y @z !t",
            "\u{e400}*\u{e401}&",
            "plain",
            "\"\\ue400\": *x",
        ] {
            let standins = StandIns::choose(text).unwrap();
            let hidden = standins.hide(text);
            assert!(!hidden.contains(['*', '&', '@', '!']), "{hidden:?}");
            assert_eq!(hidden.chars().count(), text.chars().count());
            assert_eq!(standins.show(hidden.into()), text);
        }
    }

    #[test]
    fn standard_tags_stay_tags() {
        let standins = StandIns::choose("").unwrap();
        assert_eq!(standins.hide("a: !!str 010"), "a: !!str 010");
        assert!(!standins.hide("a: !!strange 010").contains('!'));
    }
}
