//! Zaqar's API v2 over HTTP, as far as executions ask for it (`zaqar/transport/wsgi/v2_0`):
//! queues, messages and claims.

use std::fmt::Write as _;

use ostro_core::{Method, ServiceRequest, ServiceResponse};
use serde_json::{Value, json};

use super::kept::Message;
use super::limits::{self, Deletion};
use super::project::messages::Wanted;
use super::project::{Project, Refusal, RefusalKind};
use super::{Zaqar, ZaqarSettings};

/// An answer, before it is written.
struct Answer {
    status: u16,
    location: Option<String>,
    body: Value,
}

impl Answer {
    fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            location: None,
            body,
        }
    }

    fn empty(status: u16) -> Self {
        Self::new(status, Value::Null)
    }

    fn at(self, location: String) -> Self {
        Self {
            location: Some(location),
            ..self
        }
    }

    fn wrong(status: u16, title: &str, description: &str) -> Self {
        Self::new(status, json!({"title": title, "description": description}))
    }
}

/// A request, in the queues of its project.
struct Call<'a> {
    project: &'a Project,
    settings: &'a ZaqarSettings,
    request: &'a ServiceRequest,
    /// Who asks: all executions are one client.
    client: String,
    now: i64,
}

/// Answers what an execution of `project` asks.
pub(super) async fn answer(
    zaqar: &Zaqar,
    project: &Project,
    request: &ServiceRequest,
) -> ServiceResponse {
    let call = Call {
        project,
        settings: &zaqar.settings,
        request,
        client: zaqar.client.to_string(),
        now: zaqar.now(),
    };
    let answer = call
        .answer()
        .await
        .unwrap_or_else(|refusal| refused(&refusal));
    let body = match answer.body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let mut headers = Vec::new();
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    headers.extend(answer.location.map(|at| ("location".to_owned(), at)));
    ServiceResponse {
        status: answer.status,
        headers,
        body,
    }
}

fn refused(refusal: &Refusal) -> Answer {
    let (status, title) = match refusal.kind {
        RefusalKind::Field => (400, "Invalid request body"),
        RefusalKind::Invalid | RefusalKind::NotClaimed | RefusalKind::Unexpected => {
            (400, "Invalid API request")
        }
        RefusalKind::NoQueue
        | RefusalKind::NoMessage
        | RefusalKind::NoClaim
        | RefusalKind::NoSubscription => (404, "Not found"),
        RefusalKind::Claimed => (403, "Unable to delete"),
        RefusalKind::Unavailable => (503, "Service temporarily unavailable"),
    };
    Answer::wrong(status, title, &refusal.text)
}

impl Call<'_> {
    async fn answer(&self) -> Result<Answer, Refusal> {
        let path = percent_decoded(self.request.path.as_str());
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let queue = parts.get(2).copied().unwrap_or_default();
        if !queue.is_empty() && limits::queue_name(queue).is_err() {
            return Ok(Answer::wrong(
                400,
                "Invalid queue identification",
                "The format of the submitted queue name or project id is not valid.",
            ));
        }
        match (self.request.method, &parts[..]) {
            (Method::Get, ["v2", "queues"]) => self.queues(),
            (Method::Put, ["v2", "queues", queue]) => self.create_queue(queue).await,
            (Method::Get, ["v2", "queues", queue]) => Ok(self.queue(queue)),
            (Method::Delete, ["v2", "queues", queue]) => {
                self.project.delete_queue(queue).await?;
                Ok(Answer::empty(204))
            }
            (Method::Get, ["v2", "queues", queue, "stats"]) => Ok(self.stats(queue)),
            (Method::Post, ["v2", "queues", queue, "messages"]) => self.post(queue).await,
            (Method::Get, ["v2", "queues", queue, "messages"]) => self.messages(queue),
            (Method::Delete, ["v2", "queues", queue, "messages"]) => self.delete_many(queue).await,
            (Method::Get, ["v2", "queues", queue, "messages", id]) => {
                let message = self.project.message(queue, id, self.now)?;
                Ok(Answer::new(200, self.row(queue, &message, None)))
            }
            (Method::Delete, ["v2", "queues", queue, "messages", id]) => {
                let claim = self.query("claim_id");
                let deleted = self.project.delete_message(queue, id, claim, self.now);
                deleted.await?;
                Ok(Answer::empty(204))
            }
            (Method::Post, ["v2", "queues", queue, "claims"]) => self.create_claim(queue).await,
            (Method::Get, ["v2", "queues", queue, "claims", id]) => self.claim(queue, id),
            (Method::Patch, ["v2", "queues", queue, "claims", id]) => {
                let times = times(&self.json()?);
                let updated = self.project.update_claim(queue, id, times, self.now);
                updated.await?;
                Ok(Answer::empty(204))
            }
            (Method::Delete, ["v2", "queues", queue, "claims", id]) => {
                self.project.delete_claim(queue, id, self.now).await?;
                Ok(Answer::empty(204))
            }
            (method, _) => Ok(Answer::wrong(
                501,
                "Not implemented",
                &format!(
                    "{method} {path}: the server's own queues know queues, messages and claims; a \
                     Zaqar of the cloud knows the rest"
                ),
            )),
        }
    }

    fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.request.query.iter();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let parsed = self.query(name).map(str::parse).transpose();
        parsed.map_err(|_| {
            Refusal::invalid(format!(
                "The \"{name}\" parameter is invalid: it is no integer."
            ))
        })
    }

    fn flag(&self, name: &str) -> bool {
        self.query(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The body; nothing is an empty object.
    fn json(&self) -> Result<Value, Refusal> {
        if self.request.body.is_empty() {
            return Ok(json!({}));
        }
        let body = serde_json::from_slice(&self.request.body).ok();
        body.filter(Value::is_object)
            .ok_or_else(|| Refusal::new(RefusalKind::Field, "Request body could not be parsed."))
    }

    fn queues(&self) -> Result<Answer, Refusal> {
        let limit = limits::queues(self.number("limit")?)?;
        let is_detailed = self.flag("detailed");
        let found = self.project.queues(self.query("marker"), limit);
        let mut links = Vec::new();
        if let Some((last, _)) = found.last() {
            let mut href = format!("/v2/queues?marker={last}");
            for (name, value) in &self.request.query {
                if name != "marker" {
                    let _ = write!(href, "&{name}={value}");
                }
            }
            links.push(json!({"rel": "next", "href": href}));
        }
        let rows = found.into_iter().map(|(name, metadata)| {
            let href = format!("/v2/queues/{name}");
            if is_detailed {
                json!({"name": name, "href": href, "metadata": metadata})
            } else {
                json!({"name": name, "href": href})
            }
        });
        let rows: Vec<_> = rows.collect();
        Ok(Answer::new(200, json!({"queues": rows, "links": links})))
    }

    async fn create_queue(&self, queue: &str) -> Result<Answer, Refusal> {
        let metadata = self.json()?;
        let made = self
            .project
            .create_queue(queue, &metadata, self.settings.queues);
        let status = if made.await? { 201 } else { 204 };
        Ok(Answer::empty(status).at(format!("/v2/queues/{queue}")))
    }

    /// What a queue is described by, and Zaqar's defaults.
    fn queue(&self, queue: &str) -> Answer {
        let metadata = self.project.metadata(queue).unwrap_or_default();
        let mut body = json!({
            "_max_messages_post_size": self.settings.post_size,
            "_default_message_ttl": self.settings.message_ttl,
            "_default_message_delay": 0,
            "_dead_letter_queue": null,
            "_dead_letter_queue_messages_ttl": null,
            "_max_claim_count": null,
            "_enable_encrypt_messages": false,
        });
        for (name, value) in metadata {
            body[name.as_str()] = value;
        }
        Answer::new(200, body)
    }

    fn stats(&self, queue: &str) -> Answer {
        let nothing = || json!({"messages": {"claimed": 0, "free": 0, "total": 0}});
        let mut stats = self.project.stats(queue, self.now).unwrap_or_else(nothing);
        for name in ["newest", "oldest"] {
            if let Some(message) = stats["messages"].get_mut(name) {
                let id = message["id"].as_str().unwrap_or_default();
                let href = format!("/v2/queues/{queue}/messages/{id}");
                let (age, created) = (message["age"].take(), message["created"].take());
                *message = json!({"href": href, "age": age, "created": created});
            }
        }
        Answer::new(200, stats)
    }

    async fn post(&self, queue: &str) -> Result<Answer, Refusal> {
        let body = self.json()?;
        let messages = body.get("messages").and_then(Value::as_array);
        let messages = messages
            .ok_or_else(|| Refusal::invalid("No messages were found in the request body."))?;
        let posted =
            self.project
                .post(queue, messages, &self.client, true, self.settings, self.now);
        let ids = posted.await?;
        let at = format!("/v2/queues/{queue}/messages?ids={}", ids.join(","));
        let href = |id: &String| format!("/v2/queues/{queue}/messages/{id}");
        let resources: Vec<_> = ids.iter().map(href).collect();
        Ok(Answer::new(201, json!({"resources": resources})).at(at))
    }

    fn messages(&self, queue: &str) -> Result<Answer, Refusal> {
        if let Some(ids) = self.query("ids") {
            let ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
            limits::rows(Some(i64::try_from(ids.len()).unwrap_or(i64::MAX)))?;
            let found = self.project.messages_of(queue, &ids, self.now);
            let rows = self.rows(queue, &found, None);
            return Ok(Answer::new(200, json!({"messages": rows})));
        }
        let limit = limits::rows(self.number("limit")?)?;
        let wanted = Wanted {
            marker: self.query("marker"),
            limit,
            not_of: (!self.flag("echo")).then_some(&self.client),
            include_claimed: self.flag("include_claimed"),
            // Only a queue that delays its messages has them wait.
            include_delayed: self.query("include_delayed").map_or_else(
                || {
                    let metadata = self.project.metadata(queue).unwrap_or_default();
                    let delay = metadata.get("_default_message_delay");
                    delay.and_then(Value::as_i64).unwrap_or(0) == 0
                },
                |_| self.flag("include_delayed"),
            ),
        };
        let found = match self.project.messages(queue, &wanted, self.now) {
            Ok(found) => found,
            Err(refusal) if refusal.kind == RefusalKind::NoQueue => Vec::new(),
            Err(refusal) => return Err(refusal),
        };
        let mut links = Vec::new();
        if let Some(last) = found.last() {
            let mut href = format!("/v2/queues/{queue}/messages?");
            for name in ["limit", "echo", "include_claimed"] {
                match self.query(name) {
                    Some(value) if name == "limit" => {
                        let _ = write!(href, "{name}={value}&");
                    }
                    Some(_) => {
                        let _ = write!(href, "{name}={}&", self.flag(name));
                    }
                    None => {}
                }
            }
            if wanted.include_delayed {
                href.push_str("include_delayed=true&");
            }
            let _ = write!(href, "marker={}", last.id);
            links.push(json!({"rel": "next", "href": href}));
        }
        let rows = self.rows(queue, &found, None);
        Ok(Answer::new(200, json!({"messages": rows, "links": links})))
    }

    async fn delete_many(&self, queue: &str) -> Result<Answer, Refusal> {
        let ids = self.query("ids");
        let ids = ids.map(|ids| ids.split(',').map(str::to_owned).collect());
        match limits::deletion(ids, self.number("pop")?)? {
            Deletion::Ids(ids) => {
                self.project.delete_messages(queue, &ids).await?;
                Ok(Answer::empty(204))
            }
            Deletion::Pop(count) => {
                let taken = self.project.pop(queue, count, self.now).await?;
                let rows: Vec<_> = taken.iter().map(|one| one.basic(self.now)).collect();
                Ok(Answer::new(200, json!({"messages": rows})))
            }
        }
    }

    async fn create_claim(&self, queue: &str) -> Result<Answer, Refusal> {
        let times = times(&self.json()?);
        let limit = self.number("limit")?;
        let made = self.project.create_claim(queue, times, limit, self.now);
        let (id, messages) = made.await?;
        if messages.is_empty() {
            return Ok(Answer::empty(204));
        }
        let id = id.unwrap_or_default();
        let rows = self.rows(queue, &messages, Some(&id));
        let answer = Answer::new(201, json!({"messages": rows}));
        Ok(answer.at(format!("/v2/queues/{queue}/claims/{id}")))
    }

    fn claim(&self, queue: &str, id: &str) -> Result<Answer, Refusal> {
        let (claim, messages) = self.project.claim(queue, id, self.now)?;
        let body = json!({
            "age": self.now - (claim.expires - claim.ttl),
            "ttl": claim.ttl,
            "href": format!("/v2/queues/{queue}/claims/{id}"),
            "messages": self.rows(queue, &messages, Some(id)),
        });
        Ok(Answer::new(200, body))
    }

    fn rows(&self, queue: &str, messages: &[Message], claim: Option<&str>) -> Vec<Value> {
        let rows = messages.iter().map(|one| self.row(queue, one, claim));
        rows.collect()
    }

    fn row(&self, queue: &str, message: &Message, claim: Option<&str>) -> Value {
        let mut row = message.formatted(None, self.now);
        let mut href = format!("/v2/queues/{queue}/messages/{}", message.id);
        if let Some(claim) = claim {
            let _ = write!(href, "?claim_id={claim}");
        }
        row["href"] = Value::from(href);
        if let Some(row) = row.as_object_mut() {
            row.shift_remove("claim_id");
        }
        row
    }
}

/// How long a claim lasts, and its messages at least behind it, in seconds.
fn times(body: &Value) -> (i64, i64) {
    let number = |name: &str, default: i64| {
        let value = body.get(name).and_then(Value::as_i64);
        value.unwrap_or(default)
    };
    (
        number("ttl", limits::CLAIM_TTL),
        number("grace", limits::CLAIM_GRACE),
    )
}

/// A path as it is meant. What is no UTF-8 stays as it is, and names nothing.
fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            char::from(rest.next().unwrap_or(b'0'))
                .to_digit(16)
                .unwrap_or(0)
        };
        let byte = 16 * digit() + digit();
        bytes.push(u8::try_from(byte).unwrap_or(b'?'));
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}
