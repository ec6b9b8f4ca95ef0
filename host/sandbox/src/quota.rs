//! What an operator lets packs and projects use, beside what packs ask for.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// What a pack, or all packs of a project together, may use. What is left out is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The longest that a call may take.
    pub time: Option<Duration>,
    /// The most memory of an instance, in bytes.
    pub memory: Option<u64>,
    /// How many instances there are at the same time. More calls wait for their turn.
    pub concurrent: Option<NonZeroU32>,
    /// How many host calls a second all instances together make, in bursts of a second's worth
    /// at most. More wait for their turn, which counts as time of the call.
    pub host_calls_per_second: Option<NonZeroU32>,
}

impl Quota {
    /// The same with what `general` says wherever this one says nothing.
    fn or(&self, general: &Quota) -> Quota {
        Quota {
            time: self.time.or(general.time),
            memory: self.memory.or(general.memory),
            concurrent: self.concurrent.or(general.concurrent),
            host_calls_per_second: self.host_calls_per_second.or(general.host_calls_per_second),
        }
    }
}

/// The quotas of an operator. One with a name says what differs from the one for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of each pack, whichever versions of it run.
    pub every_pack: Quota,
    /// Of some packs, by their name.
    pub packs: HashMap<String, Quota>,
    /// Of each project. Calls that belong to none are not limited by it.
    pub every_project: Quota,
    /// Of some projects, by their id.
    pub projects: HashMap<String, Quota>,
}

impl Quotas {
    /// What the pack `name` may use.
    pub fn pack(&self, name: &str) -> Quota {
        let own = self.packs.get(name);
        own.map_or(self.every_pack, |own| own.or(&self.every_pack))
    }

    /// What the project `id` may use.
    pub fn project(&self, id: &str) -> Quota {
        if id.is_empty() {
            return Quota::default();
        }
        let own = self.projects.get(id);
        own.map_or(self.every_project, |own| own.or(&self.every_project))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_with_a_name_goes_before_the_one_for_all() {
        let quotas = Quotas {
            every_project: Quota {
                concurrent: NonZeroU32::new(10),
                memory: Some(1),
                ..Quota::default()
            },
            projects: HashMap::from([(
                "big".to_owned(),
                Quota {
                    concurrent: NonZeroU32::new(100),
                    ..Quota::default()
                },
            )]),
            ..Quotas::default()
        };
        let concurrent = |id| quotas.project(id).concurrent.map(NonZeroU32::get);
        assert_eq!(concurrent("big"), Some(100));
        assert_eq!(concurrent("other"), Some(10));
        assert_eq!(concurrent(""), None);
        assert_eq!(quotas.project("big").memory, Some(1));
    }
}
