//! `executions`: how much runs at the same time.

use std::num::NonZeroUsize;

use ostro_runtime::Options;

use super::reader::Section;

pub(super) fn read(section: &mut Section<'_>) -> Options {
    section.section("executions", |section| {
        let mut options = Options::default();
        let mut count = |key, setting: &mut usize| {
            let mut number = NonZeroUsize::new(*setting).unwrap_or(NonZeroUsize::MIN);
            section.count(key, &mut number);
            *setting = number.get();
        };
        count("at_once", &mut options.max_executions);
        count("actions_at_once", &mut options.max_actions);
        count("family", &mut options.max_family);
        count("depth", &mut options.max_depth);
        options
    })
}
