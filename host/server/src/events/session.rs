//! One connection to the broker, as long as it lasts: queues come and go as triggers do.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use lapin::{Connection, ConnectionProperties, ConnectionStatus, Error};
use tokio::time::timeout;

use super::queue::{PATIENCE, Queue};
use super::{AmqpUrl, Pause, Stop, sleep};
use crate::app::App;
use crate::catalogue::event_trigger::Source;
use crate::maintenance::Status;

/// How often to look whether all is well, and whether maintenance begins or ends.
const LOOK: Duration = Duration::from_secs(1);
/// How often to look whether there still is a connection.
const GLANCE: Duration = Duration::from_millis(100);

/// Connects, and has the queues follow the triggers until told to stop; the error is why it ended
/// before. `pause` begins anew once the broker has answered.
pub(super) async fn run(
    app: &App,
    broker: &AmqpUrl,
    stop: &mut Stop,
    pause: &mut Pause,
) -> Result<(), Error> {
    let name = format!("ostro {}", app.events.settings.pool);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connecting = Connection::connect_uri(broker.uri().clone(), properties);
    let connection = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
        connection = in_time(connecting) => connection?,
    };
    tracing::info!(%broker, "event triggers listen");
    let mut session = Session {
        app,
        connection,
        queues: HashMap::new(),
        failed: HashMap::new(),
    };
    let lost = lost(session.connection.status().clone());
    let ended = tokio::select! {
        biased;
        () = session.tend(stop, pause) => Ok(()),
        error = lost => Err(error),
    };
    app.events.is_away();
    session.end().await;
    ended
}

/// Ready once the connection is there no more, and why. What was asked over it is not always told
/// that no answer will come.
async fn lost(status: ConnectionStatus) -> Error {
    while status.connected() {
        tokio::time::sleep(GLANCE).await;
    }
    io::Error::from(io::ErrorKind::ConnectionAborted).into()
}

/// An answer of the broker, which must not take for ever.
async fn in_time<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let answer = timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

struct Session<'a> {
    app: &'a App,
    connection: Connection,
    queues: HashMap<Source, Queue>,
    /// Where it did not work, when to try again, and the pause after that.
    failed: HashMap<Source, (Instant, Pause)>,
}

impl Session<'_> {
    async fn tend(&mut self, stop: &mut Stop, pause: &mut Pause) {
        let events = &self.app.events;
        let mut asked = events.changes.subscribe();
        loop {
            let changes = *asked.borrow_and_update();
            self.follow().await;
            *pause = Pause::default();
            events.tended.send_modify(|tended| {
                tended.changes = changes;
                tended.is_connected = true;
            });
            tokio::select! {
                biased;
                stopped = sleep(LOOK, stop) => {
                    if stopped {
                        return;
                    }
                }
                _ = asked.changed() => {}
            }
        }
    }

    /// Has a queue for each source that there are triggers for, and no other. During maintenance
    /// messages stay at the broker.
    async fn follow(&mut self) {
        let wanted = self.app.catalogue.kept().sources();
        let may = self.app.maintenance.status() == Status::Running;
        let idle: Vec<Source> = {
            let queues = self.queues.iter();
            let idle = queues
                .filter(|(source, queue)| !may || queue.has_ended() || !wanted.contains(source));
            idle.map(|(source, _)| source.clone()).collect()
        };
        for source in idle {
            let Some(queue) = self.queues.remove(&source) else {
                continue;
            };
            if !wanted.contains(&source) {
                told(&source, in_time(queue.delete()).await);
            } else if queue.has_ended() {
                let ended = in_time(queue.close()).await;
                self.failed(&source, ended.err().as_ref());
            } else {
                told(&source, in_time(queue.close()).await);
            }
        }
        self.failed.retain(|source, _| wanted.contains(source));
        if !may {
            return;
        }
        let now = Instant::now();
        for source in wanted {
            let waits = self
                .failed
                .get(&source)
                .is_some_and(|(next, _)| *next > now);
            if waits || self.queues.contains_key(&source) {
                continue;
            }
            match in_time(Queue::open(self.app, &self.connection, &source)).await {
                Ok(queue) => {
                    self.queues.insert(source, queue);
                }
                Err(error) => self.failed(&source, Some(&error)),
            }
        }
    }

    /// Tries again later.
    fn failed(&mut self, source: &Source, error: Option<&Error>) {
        let Source { exchange, topic } = source;
        let reason = error.map_or("the broker has ended it".to_owned(), Error::to_string);
        tracing::warn!(
            exchange,
            topic,
            reason,
            "nothing comes of notifications for now"
        );
        let known = self.failed.remove(source);
        let mut pause = known.map(|(_, pause)| pause).unwrap_or_default();
        let next = Instant::now() + pause.next();
        self.failed.insert(source.clone(), (next, pause));
    }

    async fn end(self) {
        for (source, queue) in self.queues {
            told(&source, in_time(queue.close()).await);
        }
        if self.connection.status().connected() {
            let closed = in_time(self.connection.close(200, "done".into())).await;
            if let Err(error) = closed {
                tracing::debug!(%error, "the broker does not say goodbye");
            }
        }
    }
}

/// What was to end has ended, one way or another.
fn told(source: &Source, ended: Result<(), Error>) {
    if let Err(error) = ended {
        let Source { exchange, topic } = source;
        tracing::debug!(exchange, topic, %error, "a queue did not end well");
    }
}
