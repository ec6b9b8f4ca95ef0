//! A RabbitMQ of the tests' own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

static SHARED: std::sync::Mutex<Weak<Broker>> = std::sync::Mutex::new(Weak::new());
static TURN: Mutex<()> = Mutex::const_new(());

/// RabbitMQ as `tests/cloud` starts it, until it is dropped.
pub(crate) struct Broker {
    folder: TempDir,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn done(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

impl Broker {
    /// That of all tests: started by the first, and gone with the last.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = shared.upgrade() {
            return broker;
        }
        let folder = tempfile::tempdir().unwrap();
        let broker = Arc::new(Self { folder });
        broker.start();
        *shared = Arc::downgrade(&broker);
        broker
    }

    /// Held by the one test that uses it.
    pub(crate) async fn turn() -> MutexGuard<'static, ()> {
        TURN.lock().await
    }

    /// As [`Broker::turn`], where nothing is asynchronous.
    pub(crate) fn blocking_turn() -> MutexGuard<'static, ()> {
        TURN.blocking_lock()
    }

    fn cloud(&self, arguments: &[&str]) {
        let mut command = Command::new("python3");
        command
            .arg(root().join("tests/cloud/cloud"))
            .args(arguments)
            .env("CLOUD_DIR", self.folder.path());
        done(&mut command);
    }

    pub(crate) fn start(&self) {
        self.cloud(&["up", "rabbitmq"]);
    }

    pub(crate) fn stop(&self) {
        self.cloud(&["down"]);
    }

    pub(crate) fn url(&self) -> String {
        let state = std::fs::read(self.folder.path().join("state.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        format!(
            "amqp://guest:guest@127.0.0.1:{}",
            state["ports"]["rabbitmq"]
        )
    }

    /// Notifies of each of `events`, with oslo.messaging.
    pub(crate) fn notify(&self, driver: &str, exchange: &str, events: &[Value]) {
        let cache = std::env::var_os("CLOUD_CACHE").map(PathBuf::from);
        let cache = cache.unwrap_or_else(|| {
            let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
            base.unwrap_or_else(home).join("loopback-cloud")
        });
        // `cloud up` has put it there.
        let mut command = Command::new(cache.join("venv/bin/python"));
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events/notify.py"))
            .args([&self.url(), driver, exchange])
            .arg(Value::from(events).to_string());
        done(&mut command);
    }

    async fn connect(&self) -> Connection {
        let url = format!("{}/%2f", self.url());
        let connected = Connection::connect(&url, ConnectionProperties::default());
        connected.await.unwrap()
    }

    /// Publishes messages as they are, under the usual topic.
    pub(crate) async fn publish(&self, exchange: &str, messages: &[Value]) {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let confirm = ConfirmSelectOptions::default();
        channel.confirm_select(confirm).await.unwrap();
        let declared = channel.exchange_declare(
            exchange.into(),
            ExchangeKind::Topic,
            ExchangeDeclareOptions::default(),
            FieldTable::default(),
        );
        declared.await.unwrap();
        for message in messages {
            let body = message.to_string();
            let published = channel.basic_publish(
                exchange.into(),
                "notifications.info".into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                BasicProperties::default().with_delivery_mode(2),
            );
            published.await.unwrap().await.unwrap();
        }
        connection.close(200, "done".into()).await.unwrap();
    }

    /// How many listen to the queue of `exchange`, if it is there.
    pub(crate) async fn listeners(&self, exchange: &str) -> Option<u32> {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let name = format!("ostro/events/{exchange}/notifications");
        let queue = channel.queue_declare(name.into(), options, FieldTable::default());
        let queue = queue.await.ok();
        connection.close(200, "done".into()).await.unwrap();
        queue.map(|queue| queue.consumer_count())
    }

    /// Waits until the queue of `exchange` has somebody who listens.
    pub(crate) async fn is_listened_to(&self, exchange: &str) {
        self.wait_for(exchange, 1).await;
    }

    /// Waits until nobody listens to the queue of `exchange`.
    pub(crate) async fn is_left(&self, exchange: &str) {
        self.wait_for(exchange, 0).await;
    }

    async fn wait_for(&self, exchange: &str, listeners: u32) {
        for _ in 0..1200 {
            if self.listeners(exchange).await == Some(listeners) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the queue of {exchange} does not get {listeners} that listen");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}
