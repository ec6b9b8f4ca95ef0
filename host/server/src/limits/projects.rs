//! What each project has under way, and how many requests it has made of late.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{LimitSettings, SOON};
use crate::fault::Fault;

/// How many projects are known before those are forgotten that have nothing under way.
const SWEPT: usize = 1024;

/// The projects that have requests under way, or had of late.
#[derive(Default)]
pub(super) struct Projects {
    known: HashMap<String, Project>,
}

struct Project {
    under_way: usize,
    /// How much of a request it may make now, as a share of a second's worth.
    tokens: f64,
    /// When that was.
    at: Instant,
}

impl Projects {
    /// A request of `project` begins, if it may.
    pub(super) fn begin(&mut self, project: &str, settings: &LimitSettings) -> Result<(), Fault> {
        self.begin_at(project, settings, Instant::now())
    }

    fn begin_at(
        &mut self,
        project: &str,
        settings: &LimitSettings,
        now: Instant,
    ) -> Result<(), Fault> {
        if self.known.len() >= SWEPT && !self.known.contains_key(project) {
            self.sweep(now);
        }
        let known = self.known.entry(project.to_owned()).or_insert(Project {
            under_way: 0,
            tokens: 1.0,
            at: now,
        });
        let most = settings.requests_of_project.get();
        if known.under_way >= most {
            return Err(Fault::come_back(
                format!(
                    "Too many requests of the project: the server has {most} of one under way at a \
                     time (limits.requests_of_project)"
                ),
                SOON,
            ));
        }
        if let Some(rate) = settings.rate_of_project {
            let second = f64::from(rate.get());
            known.refill(now);
            if known.tokens * second < 1.0 {
                let wait = (1.0 - known.tokens * second) / second;
                let wait = Duration::try_from_secs_f64(wait).unwrap_or_default();
                let wait = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                return Err(Fault::come_back(
                    format!(
                        "Too many requests of the project: the server takes {rate} of one a second \
                         (limits.rate_of_project)"
                    ),
                    wait.max(SOON),
                ));
            }
            known.tokens -= 1.0 / second;
        }
        known.under_way += 1;
        Ok(())
    }

    /// A request of `project` has ended.
    pub(super) fn end(&mut self, project: &str) {
        if let Some(known) = self.known.get_mut(project) {
            known.under_way = known.under_way.saturating_sub(1);
        }
    }

    /// Forgets the projects of which nothing has to be known: a second without requests makes up
    /// for all before.
    fn sweep(&mut self, now: Instant) {
        self.known.retain(|_, project| {
            project.refill(now);
            project.under_way > 0 || project.tokens < 1.0
        });
    }
}

impl Project {
    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + since).min(1.0);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use super::*;

    #[test]
    fn a_project_makes_its_requests_a_second_and_no_other_is_held_up() {
        let settings = LimitSettings {
            rate_of_project: NonZeroU32::new(2),
            ..LimitSettings::default()
        };
        let (mut projects, start) = (Projects::default(), Instant::now());
        let mut begin = |project: &str, millis: u64| {
            let now = start + Duration::from_millis(millis);
            let began = projects.begin_at(project, &settings, now);
            began.map_err(|fault| fault.message().to_owned())
        };
        assert_eq!(begin("a", 0), Ok(()));
        assert_eq!(begin("a", 0), Ok(()));
        let refused = begin("a", 0).unwrap_err();
        assert!(refused.contains("limits.rate_of_project"), "{refused}");
        assert_eq!(begin("b", 0), Ok(()));
        assert!(begin("a", 490).is_err());
        assert_eq!(begin("a", 510), Ok(()));
        assert!(begin("a", 520).is_err());
    }

    #[test]
    fn a_project_has_no_more_under_way_than_it_may() {
        let settings = LimitSettings {
            requests_of_project: NonZeroUsize::MIN,
            ..LimitSettings::default()
        };
        let mut projects = Projects::default();
        assert!(projects.begin("a", &settings).is_ok());
        let refused = projects.begin("a", &settings).unwrap_err();
        assert!(refused.message().contains("limits.requests_of_project"));
        assert!(projects.begin("b", &settings).is_ok());
        projects.end("a");
        assert!(projects.begin("a", &settings).is_ok());
    }

    #[test]
    fn projects_without_requests_are_forgotten() {
        let settings = LimitSettings::default();
        let mut projects = Projects::default();
        for index in 0..3 * SWEPT {
            let name = index.to_string();
            projects.begin(&name, &settings).unwrap();
            projects.end(&name);
        }
        assert!(projects.known.len() <= SWEPT);
    }
}
