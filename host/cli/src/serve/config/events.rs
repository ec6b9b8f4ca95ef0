//! `events`: where event triggers hear of what happens.

use ostro_server::{AmqpUrl, EventDefinitions, EventSettings};

use super::reader::Section;
use crate::input;

pub(super) fn read(section: &mut Section<'_>) -> EventSettings {
    section.section("events", |section| {
        let url = section.secret("url").and_then(|(text, at)| {
            // The text has a password in it, and is not told.
            let url = text.parse::<AmqpUrl>();
            url.map_err(|error| section.mistake(&at, format!("`url`: {error}"), None))
                .ok()
        });
        let mut events = EventSettings {
            url,
            ..EventSettings::default()
        };
        if let Some(pool) = section.text("pool") {
            events.pool = pool;
        }
        if let Some((durable, _)) = section.truth("durable_exchanges") {
            events.durable_exchanges = durable;
        }
        if let Some((path, at)) = section.existing("definitions") {
            let text = input::read(&path.display().to_string());
            let read = text.map_err(|error| format!("{error:#}"));
            let read = read
                .and_then(|text| EventDefinitions::parse(&text).map_err(|error| error.to_string()));
            match read {
                Ok(definitions) => events.definitions = definitions,
                Err(message) => section.mistake(&at, message, None),
            }
        }
        events
    })
}
