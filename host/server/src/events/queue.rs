//! A queue at the broker, and what comes out of it.

use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer, Error, ErrorKind, ExchangeKind};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use uuid::Uuid;

use super::firing::fire;
use super::notification::Notification;
use super::{EventSettings, Stop};
use crate::app::App;
use crate::catalogue::event_trigger::Source;

/// The priorities of notifications that Mistral listens for.
const PRIORITIES: [&str; 5] = ["audit", "critical", "debug", "error", "info"];

/// How many messages the broker hands over before one is acknowledged.
const PREFETCH: u16 = 16;

/// What the broker keeps in a queue that nobody listens to: the newest so many messages, and for
/// so long, in milliseconds.
const MAX_MESSAGES: i32 = 100_000;
const MAX_IDLE: i32 = 7 * 24 * 60 * 60 * 1000;

/// How long a name may be at a broker, in bytes.
const MAX_NAME: usize = 255;

/// A queue that is listened to.
pub(super) struct Queue {
    name: String,
    channel: Channel,
    stop: watch::Sender<bool>,
    consuming: JoinHandle<Result<(), Error>>,
}

impl Queue {
    /// Has notifications from `source` come into a queue, and takes them out of it.
    pub(super) async fn open(
        app: &App,
        connection: &Connection,
        source: &Source,
    ) -> Result<Self, Error> {
        let settings = &app.events.settings;
        let name = name(settings, source);
        let channel = exchange(connection, settings, source).await?;
        let consumer = consumer(&channel, &name, source).await?;
        let (stop, told) = watch::channel(false);
        let consuming = consume(app.clone(), source.clone(), consumer, told);
        Ok(Self {
            name,
            channel,
            stop,
            consuming: tokio::spawn(consuming),
        })
    }

    /// Whether nothing comes out of it any more.
    pub(super) fn has_ended(&self) -> bool {
        self.consuming.is_finished()
    }

    /// Takes nothing out of it any more, and why that is, if it is not because of this. What was
    /// not acknowledged is delivered again.
    pub(super) async fn close(self) -> Result<(), Error> {
        self.stop.send_replace(true);
        let ended = self.consuming.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a queue's consumer broke down");
            Ok(())
        });
        if self.channel.status().connected() {
            self.channel.close(200, "done".into()).await?;
        }
        ended
    }

    /// As [`Queue::close`], and nothing comes into it any more.
    pub(super) async fn delete(self) -> Result<(), Error> {
        let name = self.name.clone().into();
        let options = QueueDeleteOptions::default();
        self.channel.queue_delete(name, options).await?;
        self.close().await
    }
}

/// The name of a queue: what it is for, so that others have others.
fn name(settings: &EventSettings, source: &Source) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('/', "%2F");
    let parts = [&settings.pool, &source.exchange, &source.topic];
    let [pool, exchange, topic] = parts.map(|part| escaped(part));
    let name = format!("ostro/{pool}/{exchange}/{topic}");
    if name.len() <= MAX_NAME {
        return name;
    }
    format!(
        "ostro/{}",
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
    )
}

/// A channel, once the exchange is there: as it is, or as the services will want it.
async fn exchange(
    connection: &Connection,
    settings: &EventSettings,
    source: &Source,
) -> Result<Channel, Error> {
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions {
        durable: settings.durable_exchanges,
        ..ExchangeDeclareOptions::default()
    };
    let name = source.exchange.as_str().into();
    let declared =
        channel.exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default());
    match declared.await {
        Ok(()) => Ok(channel),
        // One that is there already is not to be another; the broker has closed the channel.
        Err(error) if is_another(&error) => connection.create_channel().await,
        Err(error) => Err(error),
    }
}

fn is_another(error: &Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else {
        return false;
    };
    matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::ACCESSREFUSED)
    )
}

async fn consumer(channel: &Channel, name: &str, source: &Source) -> Result<Consumer, Error> {
    let mut limits = FieldTable::default();
    limits.insert("x-max-length".into(), MAX_MESSAGES.into());
    limits.insert("x-expires".into(), MAX_IDLE.into());
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name.into(), options, limits).await?;
    for priority in PRIORITIES {
        let key = format!("{}.{priority}", source.topic);
        let exchange = source.exchange.as_str().into();
        let options = QueueBindOptions::default();
        let bound = channel.queue_bind(
            name.into(),
            exchange,
            key.into(),
            options,
            FieldTable::default(),
        );
        bound.await?;
    }
    channel
        .basic_qos(PREFETCH, BasicQosOptions::default())
        .await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(name.into(), "".into(), options, FieldTable::default());
    consumer.await
}

/// Takes messages until told to stop, or until no more can come.
async fn consume(
    app: App,
    source: Source,
    mut messages: Consumer,
    mut stop: Stop,
) -> Result<(), Error> {
    loop {
        let message = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            message = messages.next() => message,
        };
        let Some(message) = message.transpose()? else {
            return Ok(());
        };
        match Notification::parse(&message.data) {
            Ok(notification) => {
                if !fire(&app, &source, &notification, &mut stop).await {
                    return Ok(());
                }
            }
            Err(reason) => {
                let Source { exchange, topic } = &source;
                tracing::warn!(exchange, topic, reason, "a message is no notification");
            }
        }
        message.ack(BasicAckOptions::default()).await?;
    }
}

/// How long the broker may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_a_queue_of_its_own() {
        let named = |exchange: &str, topic: &str| {
            let source = Source {
                exchange: exchange.to_owned(),
                topic: topic.to_owned(),
            };
            name(&EventSettings::default(), &source)
        };
        assert_eq!(
            named("nova", "notifications"),
            "ostro/events/nova/notifications"
        );
        assert_ne!(named("a/b", "c"), named("a", "b/c"));
        assert_ne!(named("a%2Fb", "c"), named("a/b", "c"));
        let long = "x".repeat(200);
        assert!(named(&long, &long).len() <= MAX_NAME);
        assert_ne!(named(&long, &long), named(&long, &long[1..]));
    }
}
