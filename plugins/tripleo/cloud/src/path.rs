//! Paths below a service's endpoint.

use std::fmt::Write;

/// One segment of a path, percent-encoded, so that no node's name can lead elsewhere.
pub fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    // A segment of dots alone would be resolved, not looked up.
    let only_dots = text.bytes().all(|byte| byte == b'.');
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b'.');
        if plain && !only_dots {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn only_path_characters_stay() {
        for (text, expected) in [
            ("node-1.example", "node-1.example"),
            ("../ports", "..%2Fports"),
            ("..", "%2E%2E"),
            ("a?b#c", "a%3Fb%23c"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(segment(text), expected);
        }
    }
}
