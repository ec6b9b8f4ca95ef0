//! `packs_api`: what callers of `/v2/packs` may.

use ostro_server::PacksSettings;

use super::reader::Section;
use crate::args::Serve;

pub(super) fn read(section: &mut Section<'_>, args: &Serve) -> PacksSettings {
    section.section("packs_api", |section| {
        let mut settings = PacksSettings::default();
        let mut may = |key, flag| section.truth(key).is_some_and(|(may, _)| may) || flag;
        settings.from_paths = may("from_paths", args.packs_from_paths);
        settings.unsigned = may("unsigned", args.unsigned_packs);
        settings
    })
}
