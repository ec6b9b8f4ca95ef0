//! The tag by which a workflow says which major of a pack it wants: `pack:NAME@MAJOR`.
//!
//! Tags are a part of Mistral's DSL, so that the same file is valid there.

use std::fmt;

use thiserror::Error;

/// What the tag begins with.
const BEFORE: &str = "pack:";

/// The major of a pack that a workflow wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MajorTag<'a> {
    /// The pack's name.
    pub pack: &'a str,
    /// The first number of its version.
    pub major: u64,
}

/// A tag that begins as one of these, and names no major of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the tag {0} names no major of a pack: write pack:NAME@MAJOR, as pack:acme@1")]
pub struct TagError(String);

impl<'a> MajorTag<'a> {
    /// What `tag` wants; none for a tag about something else.
    pub fn parse(tag: &'a str) -> Result<Option<Self>, TagError> {
        let Some(rest) = tag.strip_prefix(BEFORE) else {
            return Ok(None);
        };
        let parts = rest.split_once('@');
        let wanted = parts.and_then(|(pack, major)| {
            let major = major.parse().ok()?;
            Some(Self { pack, major })
        });
        wanted.map(Some).ok_or_else(|| TagError(tag.to_owned()))
    }
}

impl fmt::Display for MajorTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEFORE}{}@{}", self.pack, self.major)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_a_pack_and_a_major() {
        let tag = MajorTag::parse("pack:acme@1").unwrap().unwrap();
        assert_eq!((tag.pack, tag.major), ("acme", 1));
        assert_eq!(tag.to_string(), "pack:acme@1");
        assert_eq!(MajorTag::parse("acme@1"), Ok(None));
        for wrong in ["pack:acme", "pack:acme@1.2", "pack:acme@x", "pack:"] {
            assert!(MajorTag::parse(wrong).is_err(), "{wrong}");
        }
    }
}
