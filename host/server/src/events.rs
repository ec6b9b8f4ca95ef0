//! What other services notify, and the executions that event triggers start for it.
//!
//! As in Mistral (`mistral/event_engine/default_event_engine.py`, `mistral/messaging.py`), with one
//! difference throughout: a notification is taken from the broker only once what it starts is
//! durable, and starts it once, however often it is delivered.

mod definitions;
mod firing;
mod notification;
mod queue;
mod session;
mod url;

use std::collections::HashSet;
use std::sync::Once;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

pub use self::definitions::EventDefinitions;
pub use self::url::AmqpUrl;
use crate::app::App;
use crate::catalogue::Tables;
use crate::catalogue::event_trigger::Source;

/// How many pairs of an exchange and a topic there may be triggers for. Each is a queue at the
/// broker and a channel of the one connection, of which brokers allow 2047.
pub(crate) const MAX_SOURCES: usize = 1000;

/// How long a caller waits for the broker at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before the broker is asked again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How what other services notify is listened for.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// Where the broker is. Without one, event triggers are kept, and start nothing.
    pub url: Option<AmqpUrl>,
    /// The name under which this host has queues at the broker. Hosts of the same name share
    /// queues, so that each gets a part of what is notified.
    pub pool: String,
    /// Whether exchanges that are not there yet are to outlive the broker: what the services have
    /// as `amqp_durable_queues` of oslo.messaging.
    pub durable_exchanges: bool,
    /// What workflows get to know of events.
    pub definitions: EventDefinitions,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            url: None,
            pool: "events".to_owned(),
            durable_exchanges: false,
            definitions: EventDefinitions::default(),
        }
    }
}

/// What routes and the listener know of each other.
pub(crate) struct Events {
    settings: EventSettings,
    /// How often triggers have changed.
    changes: watch::Sender<u64>,
    tended: watch::Sender<Tended>,
    told: Once,
}

/// How far the listener is.
#[derive(Clone, Copy, Debug, Default)]
struct Tended {
    /// The changes that the queues at the broker follow.
    changes: u64,
    is_connected: bool,
}

/// Says when to stop.
pub(crate) type Stop = watch::Receiver<bool>;

impl Events {
    pub(crate) fn new(settings: EventSettings) -> Self {
        Self {
            settings,
            changes: watch::Sender::default(),
            tended: watch::Sender::default(),
            told: Once::new(),
        }
    }

    /// Has the queues follow a change of the triggers, and waits until they do; not where the
    /// broker is away, or slow.
    pub(crate) async fn settle(&self) {
        if self.settings.url.is_none() {
            self.tell();
            return;
        }
        let mut change = 0;
        self.changes.send_modify(|changes| {
            *changes += 1;
            change = *changes;
        });
        let mut tended = self.tended.subscribe();
        let settled = tended.wait_for(|tended| !tended.is_connected || tended.changes >= change);
        if timeout(PATIENCE, settled).await.is_err() {
            tracing::warn!("the broker does not follow a change of event triggers yet");
        }
    }

    /// The broker follows no change for now.
    fn is_away(&self) {
        self.tended
            .send_modify(|tended| tended.is_connected = false);
    }

    /// Says, once, that nothing will come.
    fn tell(&self) {
        self.told.call_once(|| {
            tracing::warn!("there are event triggers, and no broker is configured: nothing comes");
        });
    }
}

impl Tables {
    /// Where the notifications come from that there are triggers for.
    pub(crate) fn sources(&self) -> HashSet<Source> {
        let triggers = self.event_triggers.all();
        triggers.map(|trigger| trigger.source.clone()).collect()
    }
}

/// Listens until told to stop.
pub(crate) async fn listen(app: App, mut stop: Stop) {
    let events = &app.events;
    let Some(broker) = &events.settings.url else {
        if !app.catalogue.kept().sources().is_empty() {
            events.tell();
        }
        return;
    };
    let mut pause = Pause::default();
    loop {
        let ended = session::run(&app, broker, &mut stop, &mut pause).await;
        events.is_away();
        let Err(error) = ended else {
            return;
        };
        let wait = pause.next();
        let seconds = wait.as_secs_f32();
        tracing::warn!(%broker, %error, seconds, "event triggers hear nothing; to be tried again");
        if sleep(wait, &mut stop).await {
            return;
        }
    }
}

/// Sleeps, at most until told to stop. Whether that has happened.
async fn sleep(duration: Duration, stop: &mut Stop) -> bool {
    // Whoever could tell it has gone, if there is nobody.
    timeout(duration, stop.wait_for(|stop| *stop)).await.is_ok()
}

/// How long to wait before the next try: longer each time.
#[derive(Debug)]
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(LONGEST_PAUSE);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_twice_the_one_before_up_to_half_a_minute() {
        let mut pause = Pause::default();
        let seconds: Vec<f32> = (0..8).map(|_| pause.next().as_secs_f32()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
    }
}
