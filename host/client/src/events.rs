//! What happens, as it happens.

use std::collections::VecDeque;
use std::time::Duration;

use ostro_runtime::feed::Body;
use reqwest::Response;
use serde::Deserialize;
use tokio::time::timeout;

use crate::again::{Away, is_passing};
use crate::client::{Ask, segment};
use crate::error::causes;
use crate::stream::{Message, Parser};
use crate::{Client, ClientError};

/// How long nothing may come: the server gives a sign of life every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Its place among all that happens at the server: it grows, and there are gaps where
    /// something happened to other executions.
    pub sequence: u64,
    /// When it happened, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The execution that it happened to.
    pub execution_id: String,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// What comes next of [`Events`].
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Something happened.
    Event(Box<Event>),
    /// What happened before this event is not kept any more, so that it cannot be told.
    Missed(u64),
    /// The connection is lost, for this reason. It is made again; nothing is lost by it.
    Lost(String),
    /// The connection is there again.
    Back,
    /// The execution has ended, and all that happened to it was told.
    End,
}

/// Where events begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With the execution.
    Start,
    /// With what happens next.
    Now,
}

/// What happens to an execution and all below it, in order, each event once, until it has ended.
pub struct Events {
    client: Client,
    path: String,
    beginning: Beginning,
    /// The last event that was given.
    seen: Option<u64>,
    stream: Option<(Response, Parser)>,
    waiting: VecDeque<Next>,
    /// Where there is no connection any more.
    away: Option<Away>,
}

#[derive(Deserialize)]
struct Gap {
    oldest: u64,
}

impl Client {
    /// What happens to the execution `id` and to all below it.
    pub fn events(&self, id: &str, beginning: Beginning) -> Events {
        Events {
            client: self.clone(),
            path: format!("executions/{}/events", segment(id)),
            beginning,
            seen: None,
            stream: None,
            waiting: VecDeque::new(),
            away: None,
        }
    }
}

impl Events {
    /// Waits for what comes next. An error is final.
    pub async fn next(&mut self) -> Result<Next, ClientError> {
        loop {
            if let Some(next) = self.waiting.pop_front() {
                return Ok(next);
            }
            let Some((stream, parser)) = &mut self.stream else {
                if let Some(next) = self.connect().await? {
                    return Ok(next);
                }
                continue;
            };
            let lost = match timeout(SILENCE, stream.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    let messages = parser.take(&piece);
                    let messages = messages.map_err(|_| self.senseless("an event has no end"))?;
                    for message in messages {
                        self.take(&message)?;
                    }
                    continue;
                }
                Ok(Ok(None)) => "the server has ended the connection".to_owned(),
                Ok(Err(error)) => causes(&error),
                Err(_) => "nothing has come for too long".to_owned(),
            };
            self.stream = None;
            self.away = Some(Away::new());
            return Ok(Next::Lost(lost));
        }
    }

    /// Connects, or waits a while where that fails. What is to be told of it, if anything is.
    async fn connect(&mut self) -> Result<Option<Next>, ClientError> {
        let mut ask = Ask::get(&*self.path).query("until", "end");
        ask = match (self.seen, self.beginning) {
            (Some(seen), _) => ask.query("after", seen.to_string()),
            (None, Beginning::Start) => ask.query("from", "start"),
            (None, Beginning::Now) => ask.query("from", "now"),
        };
        ask.accept = "text/event-stream";
        ask.timeout = None;
        let answer = timeout(SILENCE, self.client.send(ask));
        let error = match answer.await {
            Ok(Ok(answer)) => {
                self.stream = Some((answer, Parser::default()));
                return Ok(self.away.take().map(|_| Next::Back));
            }
            Ok(Err(error)) if is_passing(&error) => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => ClientError::Unreachable {
                url: self.client.url().to_owned(),
                reason: "it takes the request and does not answer".to_owned(),
            },
        };
        // Who has never been there may be in another place.
        let Some(away) = &mut self.away else {
            return Err(error);
        };
        if away.wait().await {
            Ok(None)
        } else {
            Err(error)
        }
    }

    fn take(&mut self, message: &Message) -> Result<(), ClientError> {
        match &*message.event {
            "end" => self.waiting.push_back(Next::End),
            "gap" => {
                let gap: Gap = self.read(message)?;
                self.waiting.push_back(Next::Missed(gap.oldest));
            }
            _ => {
                let event: Event = self.read(message)?;
                // The server begins behind what was seen; this is for one that does not.
                if self.seen.is_none_or(|seen| event.sequence > seen) {
                    self.seen = Some(event.sequence);
                    self.waiting.push_back(Next::Event(Box::new(event)));
                }
            }
        }
        Ok(())
    }

    fn read<T: serde::de::DeserializeOwned>(&self, message: &Message) -> Result<T, ClientError> {
        serde_json::from_str(&message.data).map_err(|error| self.senseless(&error.to_string()))
    }

    fn senseless(&self, reason: &str) -> ClientError {
        ClientError::Answer {
            url: format!("{}{}", self.client.url(), self.path),
            reason: reason.to_owned(),
        }
    }
}
