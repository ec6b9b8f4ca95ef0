//! Text from guests, made safe for people.

/// How long a line for a person may be, in bytes.
pub(super) const MAX_LINE: usize = 8 << 10;

/// `text`, cut to [`MAX_LINE`], with everything escaped that a terminal or a reader could take
/// for something else: control characters, line ends, and what turns the direction of text.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(MAX_LINE));
    for character in text.chars() {
        let start = clean.len();
        if character.is_control() || turns_text(character) {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
        if clean.len() > MAX_LINE {
            clean.truncate(start);
            clean.push('…');
            break;
        }
    }
    clean
}

/// Unicode's marks of direction, its line ends, and the byte order mark.
fn turns_text(character: char) -> bool {
    matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            clean("a\u{1b}[2Jb\r\nc\u{202e}d ü"),
            "a\\u{1b}[2Jb\\r\\nc\\u{202e}d ü"
        );
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let cut = clean(&"ü".repeat(MAX_LINE));
        assert_eq!(cut.len(), MAX_LINE + '…'.len_utf8());
        assert!(clean(&"\n".repeat(MAX_LINE)).len() <= MAX_LINE + '…'.len_utf8());
    }
}
