//! Patterns of paths: `/v1/nodes/*/states/**`.

use std::fmt;

use ostro_core::RelativePath;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::scalar;

/// Which paths a grant covers. `*` stands for one segment that is not empty, a last `**` for
/// any rest of at least one segment; everything else stands for itself. `%2A` is a `*` that
/// stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
}

impl PathPattern {
    /// The pattern that `text` is.
    pub fn parse(text: &str) -> Result<Self, String> {
        // What would be no path without its stars can match no path either.
        // A star that stands for itself counts as one character, as in the path.
        let plain = text
            .replace("**", "x")
            .replace('*', "x")
            .replace("%2A", "x");
        RelativePath::parse(&plain).map_err(|_| {
            format!("{text:?} can match no path: write it as /v1/nodes, /v1/nodes/* or /v1/**")
        })?;
        let mut segments = text.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            if segment.contains('*') && !(segment == "*" || (segment == "**" && last)) {
                return Err(format!(
                    "{text:?}: `*` stands for a whole segment, and `**` for the whole rest"
                ));
            }
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// The pattern for exactly `path`.
    pub fn exactly(path: &RelativePath) -> Self {
        Self {
            text: path.as_str().replace('*', "%2A"),
        }
    }

    /// Whether `path` is covered.
    pub fn matches(&self, path: &RelativePath) -> bool {
        let mut segments = path.as_str().split('/').skip(1);
        for pattern in self.text.split('/').skip(1) {
            let Some(segment) = segments.next() else {
                return false;
            };
            let covered = match pattern {
                "**" => return true,
                "*" => !segment.is_empty(),
                literal if literal == segment => true,
                literal => {
                    let plain = |text: &str| text.replace("%2A", "*");
                    literal.contains("%2A") && plain(literal) == plain(segment)
                }
            };
            if !covered {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Whether every path that `other` covers is covered by this one, too.
    pub fn covers(&self, other: &Self) -> bool {
        let mut segments = other.text.split('/').skip(1);
        for pattern in self.text.split('/').skip(1) {
            let Some(segment) = segments.next() else {
                return false;
            };
            let covered = match pattern {
                "**" => return true,
                "*" => !segment.is_empty() && segment != "**",
                literal => literal == segment,
            };
            if !covered {
                return false;
            }
        }
        segments.next().is_none()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, Self::parse)
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_they_say() {
        for (pattern, path, covered) in [
            ("/v1/nodes", "/v1/nodes", true),
            ("/v1/nodes", "/v1/nodes/", false),
            ("/v1/nodes", "/v1/nodes/x", false),
            ("/v1/nodes", "/v1/node", false),
            ("/v1/nodes/*", "/v1/nodes/x", true),
            ("/v1/nodes/*", "/v1/nodes/", false),
            ("/v1/nodes/*", "/v1/nodes/x/y", false),
            ("/v1/nodes/*/states", "/v1/nodes/x/states", true),
            ("/v1/nodes/**", "/v1/nodes", false),
            ("/v1/nodes/**", "/v1/nodes/x/y/z", true),
            ("/v1/nodes/**", "/v1/nodesx/y", false),
            ("/**", "/v1", true),
            ("/v1/%2A", "/v1/*", true),
            ("/v1/%2A", "/v1/x", false),
            ("/v1/%2Aa%2A", "/v1/%2Aa*", true),
            ("/v1/nodes", "/v1/%6eodes", false),
        ] {
            let parsed = PathPattern::parse(pattern).unwrap();
            assert_eq!(
                parsed.matches(&RelativePath::parse(path).unwrap()),
                covered,
                "{pattern} on {path}"
            );
        }
    }

    #[test]
    fn the_longest_path_has_a_pattern_of_its_own() {
        let path = format!("/{}", "*".repeat(RelativePath::MAX_BYTES - 1));
        let path = RelativePath::parse(&path).unwrap();
        let pattern = PathPattern::exactly(&path).to_string();
        assert!(PathPattern::parse(&pattern).unwrap().matches(&path));
    }

    #[test]
    fn what_can_match_no_path_is_refused() {
        for pattern in [
            "", "v1", "//x", "/v1/../x", "/v1/**/x", "/v1/a*", "/v1/***", "/a?b",
        ] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
