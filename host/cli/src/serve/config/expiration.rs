//! `expiration`: which executions that have ended are kept.

use std::num::NonZeroUsize;

use ostro_server::ExpirationSettings;

use super::reader::Section;
use crate::args::{Age, Expiration, end_state};

pub(super) fn read(section: &mut Section<'_>, flags: &Expiration) -> ExpirationSettings {
    section.section("expiration", |section| {
        let mut settings = ExpirationSettings::default();
        let mut time = |key, flag: Option<Age>| {
            let given = section.parsed::<Age>(key).map(|(age, _)| age);
            flag.or(given).map(|Age(time)| time)
        };
        settings.older_than = time("older_than", flags.older_than);
        let interval = time("evaluation_interval", flags.evaluation_interval);
        settings.evaluation_interval = interval.unwrap_or(settings.evaluation_interval);
        let count = section.parsed::<usize>("max_finished_executions");
        let count = flags
            .max_finished_executions
            .or(count.map(|(count, _)| count));
        settings.max_finished_executions = count.and_then(NonZeroUsize::new);
        section.count("batch_size", &mut settings.batch_size);
        settings.batch_size = flags.batch_size.unwrap_or(settings.batch_size);
        settings.ignored_states = section.list("ignored_states", |_, text| end_state(text));
        if !flags.ignored_states.is_empty() {
            settings.ignored_states.clone_from(&flags.ignored_states);
        }
        settings
    })
}
