//! `limits`: how much the server takes on.

use std::num::NonZeroU32;

use ostro_server::LimitSettings;

use super::reader::Section;

pub(super) fn read(section: &mut Section<'_>) -> LimitSettings {
    section.section("limits", |section| {
        let mut limits = LimitSettings::default();
        section.count("connections", &mut limits.connections);
        section.count("requests", &mut limits.requests);
        section.count("requests_of_project", &mut limits.requests_of_project);
        let rate = section.parsed::<NonZeroU32>("rate_of_project");
        limits.rate_of_project = rate.map(|(rate, _)| rate);
        section.count("headers", &mut limits.headers);
        section.size("header_bytes", &mut limits.header_bytes);
        section.size("address_bytes", &mut limits.address_bytes);
        section.size("body_bytes", &mut limits.body_bytes);
        section.size("bodies_bytes", &mut limits.bodies_bytes);
        section.time("header_time", &mut limits.header_time);
        section.time("body_time", &mut limits.body_time);
        section.time("stall_time", &mut limits.stall_time);
        limits
    })
}
