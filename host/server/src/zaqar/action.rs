//! What each request of the websocket protocol does (`zaqar/api/v2/endpoints.py`).

mod claims;
mod messages;
mod queues;
mod subscriptions;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Zaqar;
use super::frame::Form;
use super::project::{Project, Refusal, RefusalKind};
use super::push::Outgoing;
use super::request::Request;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Authenticate,
    ClaimCreate,
    ClaimDelete,
    ClaimGet,
    ClaimUpdate,
    MessageDelete,
    MessageDeleteMany,
    MessageGet,
    MessageGetMany,
    MessageList,
    MessagePost,
    QueueCreate,
    QueueDelete,
    QueueGet,
    QueueGetStats,
    QueueList,
    QueuePurge,
    SubscriptionCreate,
    SubscriptionDelete,
    SubscriptionGet,
    SubscriptionList,
}

/// An answer.
pub(super) struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Value>) -> Self {
        let body = body.into();
        Self { status, body }
    }

    /// One that says what is wrong, as the protocol itself does.
    pub(super) fn wrong(status: u16, error: &str) -> Self {
        Self::new(status, json!({"error": error}))
    }

    /// One that says what is wrong, as actions do: what Zaqar's exception says, and what that
    /// means, if anything.
    fn exception(status: u16, exception: &str, error: Option<&str>) -> Self {
        Self::new(status, json!({"exception": exception, "error": error}))
    }

    /// The answer to `frame`, of whose headers and body nothing is said where it is none.
    pub(super) fn to(self, frame: Option<&Map<String, Value>>) -> Value {
        let part = |name: &str| frame.and_then(|frame| frame.get(name)).cloned();
        let headers = part("headers").filter(|headers| !is_nothing(headers));
        json!({
            "request": {
                "action": part("action"),
                "body": part("body").unwrap_or_else(|| json!({})),
                "headers": headers.unwrap_or_else(|| json!({})),
                "api": "v2",
            },
            "body": self.body,
            "headers": {"status": self.status},
        })
    }
}

/// Whether Python takes a value for nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Who asks, and by which way.
pub(super) struct Asker {
    pub(super) zaqar: Arc<Zaqar>,
    /// The id of the connection.
    pub(super) id: String,
    pub(super) to: Outgoing,
    /// The subscriptions that end with the connection: project, queue, id.
    pub(super) subscriptions: Vec<(Arc<Project>, String, String)>,
}

/// A request, in the project that it is for.
struct Call<'a> {
    zaqar: &'a Zaqar,
    project: Arc<Project>,
    request: &'a Request,
    now: i64,
}

impl Call<'_> {
    fn queue(&self) -> &str {
        self.request.text("queue_name")
    }
}

impl Asker {
    /// Does what a request wants, in the queues of `project`.
    pub(super) async fn ask(&mut self, project: &str, request: &Request, form: Form) -> Answer {
        let zaqar = Arc::clone(&self.zaqar);
        let call = Call {
            project: zaqar.project(project),
            now: zaqar.now(),
            zaqar: &zaqar,
            request,
        };
        let answered = match request.action {
            // Who asks is found out before.
            Action::Authenticate => Ok(Answer::new(200, json!({"message": "Authentified."}))),
            Action::ClaimCreate => claims::create(&call).await,
            Action::ClaimDelete => claims::delete(&call).await,
            Action::ClaimGet => claims::get(&call),
            Action::ClaimUpdate => claims::update(&call).await,
            Action::MessageDelete => messages::delete(&call).await,
            Action::MessageDeleteMany => messages::delete_many(&call).await,
            Action::MessageGet => messages::get(&call),
            Action::MessageGetMany => messages::get_many(&call),
            Action::MessageList => messages::list(&call),
            Action::MessagePost => messages::post(&call).await,
            Action::QueueCreate => queues::create(&call).await,
            Action::QueueDelete => queues::delete(&call).await,
            Action::QueueGet => Ok(queues::get(&call)),
            Action::QueueGetStats => Ok(queues::stats(&call)),
            Action::QueueList => queues::list(&call),
            Action::QueuePurge => queues::purge(&call).await,
            Action::SubscriptionCreate => subscriptions::create(&call, self, form).await,
            Action::SubscriptionDelete => Ok(subscriptions::delete(&call)),
            Action::SubscriptionGet => subscriptions::get(&call),
            Action::SubscriptionList => subscriptions::list(&call),
        };
        answered.unwrap_or_else(|refusal| refused(request, &refusal))
    }

    /// Ends what ends with the connection.
    pub(super) fn end(&mut self) {
        for (project, queue, id) in self.subscriptions.drain(..) {
            project.unsubscribe(&queue, &id);
        }
    }
}

/// The status of a refusal, and what Zaqar says of it beside its exception.
fn refused(request: &Request, refusal: &Refusal) -> Answer {
    let queue = request.text("queue_name");
    let claim = request.text("claim_id");
    let (status, error) = match (refusal.kind, request.action) {
        (RefusalKind::Invalid, _) => (400, None),
        (RefusalKind::Field, _) => {
            let text = format!("Bad request. {}", refusal.text);
            return Answer::exception(400, &text, None);
        }
        (RefusalKind::NoQueue | RefusalKind::NoMessage, _) => (404, None),
        (RefusalKind::NoClaim, Action::MessageDelete) => (
            400,
            Some("The specified claim does not exist or has expired.".to_owned()),
        ),
        (RefusalKind::NoClaim, _) => (404, Some(format!("Claim {claim} does not exist."))),
        (RefusalKind::NoSubscription, _) => {
            let id = request.text("subscription_id");
            let text = format!("Subscription {id} for queue {queue} does not exist.");
            (404, Some(text))
        }
        (RefusalKind::Claimed, _) => (
            403,
            Some(
                "This message is claimed; it cannot be deleted without a valid claim ID."
                    .to_owned(),
            ),
        ),
        (RefusalKind::NotClaimed, _) => (
            400,
            Some("A claim was specified, but the message is not currently claimed.".to_owned()),
        ),
        (RefusalKind::Unexpected, _) => (500, Some("Unexpected error.".to_owned())),
        (RefusalKind::Unavailable, action) => (503, Some(unavailable(action, queue))),
    };
    Answer::exception(status, &refusal.text, error.as_deref())
}

/// What Zaqar says where its store fails.
fn unavailable(action: Action, queue: &str) -> String {
    match action {
        Action::QueueCreate => format!("Queue {queue} could not be created."),
        Action::QueueDelete => format!("Queue {queue} could not be deleted."),
        Action::MessagePost => "No messages could be enqueued.".to_owned(),
        Action::SubscriptionCreate => format!("Subscription {queue} could not be created."),
        _ => "Unexpected error.".to_owned(),
    }
}
