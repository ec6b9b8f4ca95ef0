//! `webhooks`: who is told of executions by HTTP, and where callers may have somebody told.

use ostro_server::{Publisher, Reach, WebhookSettings};

use super::reader::Section;

pub(super) fn read(section: &mut Section<'_>) -> WebhookSettings {
    section.section("webhooks", |section| {
        let mut webhooks = WebhookSettings::default();
        for (given, at) in section.values("notify") {
            // What it holds may be a secret, and is not told.
            match Publisher::read_exactly(&given) {
                Ok(publisher) => webhooks.notify.push(publisher),
                Err(reason) => section.mistake(&at, format!("`notify`: {reason}"), None),
            }
        }
        webhooks.allow = section.list("allow", |_, text| text.parse::<Reach>());
        if let Some((public, _)) = section.truth("public") {
            webhooks.public = public;
        }
        section.time("timeout", &mut webhooks.timeout);
        section.time("give_up_after", &mut webhooks.give_up);
        webhooks
    })
}
