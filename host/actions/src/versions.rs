//! The packs of a registry: at most one version of each major, and which of them a workflow gets.
//!
//! A workflow with the tag `pack:NAME@MAJOR` gets that major of the pack, every other one the
//! newest version that there is.

use std::sync::Arc;

use indexmap::IndexMap;
use ostro_packs::{MajorTag, Version};

use crate::RegistryError;
use crate::pack::{PackAction, PackActions};

/// The packs of a registry.
#[derive(Default)]
pub(crate) struct Packs {
    /// The actions by their name, of the newest version first.
    actions: IndexMap<Arc<str>, Vec<PackAction>>,
    /// The versions of each pack by its name, the newest first.
    versions: IndexMap<Arc<str>, Vec<Version>>,
}

impl Packs {
    pub(crate) fn new(mut packs: Vec<Arc<dyn PackActions>>) -> Result<Self, RegistryError> {
        // Where two differ in nothing else, the order is as they were added.
        packs.sort_by_key(|pack| std::cmp::Reverse(pack.version()));
        let mut all = Self::default();
        for pack in packs {
            let (name, version) = (pack.name(), pack.version());
            let versions = all.versions.entry(Arc::clone(&name)).or_default();
            if let Some(same) = versions.iter().find(|known| known.major == version.major) {
                return Err(RegistryError::SameMajor {
                    pack: name.to_string(),
                    first: same.to_string(),
                    second: version.to_string(),
                });
            }
            versions.push(version.clone());
            for signature in pack.signatures() {
                let action = Arc::clone(&signature.name);
                let known = all.actions.entry(Arc::clone(&action)).or_default();
                if let Some(other) = known.iter().find(|other| other.pack.name() != name) {
                    return Err(RegistryError::Duplicate {
                        name: action.to_string(),
                        first: other.pack.name().to_string(),
                        second: name.to_string(),
                    });
                }
                known.push(PackAction {
                    pack: Arc::clone(&pack),
                    signature,
                });
            }
        }
        Ok(all)
    }

    /// The names of all actions, of whatever version.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.actions.keys()
    }

    /// The versions of an action, the newest first.
    pub(crate) fn all(&self, action: &str) -> &[PackAction] {
        self.actions.get(action).map_or(&[], Vec::as_slice)
    }

    /// The action as a workflow with `tags` gets it; none if no pack has it. The error says why
    /// the workflow does not get it.
    pub(crate) fn find(
        &self,
        action: &str,
        tags: &[Arc<str>],
    ) -> Result<Option<&PackAction>, String> {
        let known = self.all(action);
        let Some(newest) = known.first() else {
            return Ok(None);
        };
        let pack = newest.pack.name();
        let versions = self.versions.get(&pack).map_or(&[][..], Vec::as_slice);
        let tag = wanted(&pack, tags)?;
        let version = match &tag {
            None => versions.first(),
            Some(tag) => {
                let version = versions.iter().find(|version| version.major == tag.major);
                if version.is_none() {
                    let there: Vec<String> = versions.iter().map(ToString::to_string).collect();
                    return Err(format!(
                        "{action}: the workflow's tag {tag} wants a major of the pack that is not \
                         active; active is {pack} {}",
                        there.join(", ")
                    ));
                }
                version
            }
        };
        let found = version.and_then(|version| {
            known
                .iter()
                .find(|action| action.pack.version() == *version)
        });
        if found.is_none() {
            let at = newest.pack.version();
            let which = version.map_or_else(String::new, ToString::to_string);
            let why = match tag {
                None => "the newest that is active".to_owned(),
                Some(tag) => format!("as its tag {tag} wants"),
            };
            let has = MajorTag {
                pack: &pack,
                major: at.major,
            };
            return Err(format!(
                "{action}: the workflow gets {pack} {which}, {why}, which has no such action; \
                 {pack} {at} has it, and a workflow with the tag {has} gets that"
            ));
        }
        Ok(found)
    }
}

/// The tag that says which major of `pack` a workflow wants.
fn wanted<'a>(pack: &str, tags: &'a [Arc<str>]) -> Result<Option<MajorTag<'a>>, String> {
    for tag in tags {
        let tag = MajorTag::parse(tag).map_err(|error| error.to_string())?;
        if let Some(tag) = tag.filter(|tag| tag.pack == pack) {
            return Ok(Some(tag));
        }
    }
    Ok(None)
}

/// Whether any of `tags` wants a major of some pack.
pub(crate) fn matter(tags: &[Arc<str>]) -> bool {
    tags.iter().any(|tag| MajorTag::parse(tag) != Ok(None))
}
