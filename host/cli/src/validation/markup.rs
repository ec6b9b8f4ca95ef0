//! Text of guests in XML and HTML.

use crate::terminal::clean;

/// `text` in which nothing is markup, in an element or between quotes, in XML 1.0 and in HTML.
///
/// Control characters and marks that turn the direction of text around do not get through
/// either: XML cannot say most of them, and readers cannot see them.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Parsers turn line breaks in attributes into blanks, but for these.
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(
            escape("<b a='\"'>&\n]]>\u{0}\u{1b}\u{9b}\u{202e}\u{ffff}é"),
            "&lt;b a=&#39;&quot;&#39;&gt;&amp;&#10;]]&gt;\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}é"
        );
    }
}
