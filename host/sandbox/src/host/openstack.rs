//! Requests, operations and messages: where a guest reaches a cloud, or is denied it.

use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{Map, Method, RelativePath, ServiceRequest, ServiceResponse, Value};
use ostro_openstack::operations::{self, OperationError};
use ostro_openstack::{Cloud, CloudError};
use ostro_packs::{Denial, Grants};
use serde_json::json;

use super::contract::types::{CallError, ServiceError};
use super::contract::{messaging, openstack, openstack_read};
use super::headers;
use super::text::clean;
use crate::convert::{from_json, json_weight, to_json};
use crate::recording;
use crate::state::{Caller, State};

/// How long the name of a service, an operation or a queue may be, in bytes.
const MAX_NAME: usize = 256;
/// How many parameters a query may have.
const MAX_QUERY: usize = 1000;

impl openstack::Host for State {
    async fn send(
        &mut self,
        request: openstack::Request,
    ) -> wasmtime::Result<Result<openstack::Response, CallError>> {
        self.count()?;
        let arguments = self.tape.arguments(|| recording::request(&request));
        let service = request.service.clone();
        let live = self.caller.request(request);
        let live = self.caller.told("openstack.send", &service, live);
        self.tape.through("openstack.send", arguments, live).await
    }

    async fn call(
        &mut self,
        operation: String,
        arguments: String,
    ) -> wasmtime::Result<Result<String, CallError>> {
        self.count()?;
        let given = self
            .tape
            .arguments(|| recording::operation(&operation, &arguments));
        let live = self.caller.operation(&operation, &arguments, false);
        let live = self.caller.told("openstack.call", client(&operation), live);
        self.tape.through("openstack.call", given, live).await
    }
}

impl openstack_read::Host for State {
    async fn get(
        &mut self,
        service: String,
        path: String,
        query: Vec<(String, String)>,
        microversion: Option<String>,
    ) -> wasmtime::Result<Result<openstack::Response, CallError>> {
        self.count()?;
        let request = openstack::Request {
            service,
            method: openstack::Method::Get,
            path,
            query,
            headers: Vec::new(),
            body: Vec::new(),
            microversion,
        };
        let arguments = self.tape.arguments(|| recording::read(&request));
        let service = request.service.clone();
        let live = self.caller.request(request);
        let live = self.caller.told("openstack-read.get", &service, live);
        self.tape
            .through("openstack-read.get", arguments, live)
            .await
    }

    async fn call(
        &mut self,
        operation: String,
        arguments: String,
    ) -> wasmtime::Result<Result<String, CallError>> {
        self.count()?;
        let given = self
            .tape
            .arguments(|| recording::operation(&operation, &arguments));
        let live = self.caller.operation(&operation, &arguments, true);
        let live = self
            .caller
            .told("openstack-read.call", client(&operation), live);
        self.tape.through("openstack-read.call", given, live).await
    }
}

impl messaging::Host for State {
    async fn post(
        &mut self,
        queue: String,
        body: String,
    ) -> wasmtime::Result<Result<(), CallError>> {
        self.count()?;
        let arguments = self
            .tape
            .arguments(|| json!({ "queue": queue, "body": recording::json_text(&body) }));
        let live = self.caller.message(&queue, &body);
        let live = self.caller.told("messaging.post", "messaging", live);
        self.tape.through("messaging.post", arguments, live).await
    }
}

impl Caller {
    /// One request of a guest: its form, its grant, its size; then the cloud.
    async fn request(&self, request: openstack::Request) -> Result<openstack::Response, CallError> {
        let openstack::Request {
            service,
            method,
            path,
            query,
            headers,
            body,
            microversion,
        } = request;
        let path =
            RelativePath::parse(&path).map_err(|error| CallError::Invalid(error.to_string()))?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if service.is_empty() || service.len() > MAX_NAME || !service.chars().all(plain) {
            return Err(CallError::Invalid(
                "service is the type of a service in the catalogue, as baremetal or object-store"
                    .to_owned(),
            ));
        }
        let request = ServiceRequest {
            service,
            method: method.into(),
            path,
            query,
            headers,
            body,
            microversion,
        };
        self.policy
            .grants
            .check_request(&request)
            .map_err(|denial| self.deny(&denial))?;
        headers::check(&request.headers).map_err(CallError::Invalid)?;
        check_microversion(request.microversion.as_deref())?;
        if request.query.len() > MAX_QUERY {
            return Err(CallError::Invalid(format!(
                "a query has at most {MAX_QUERY} parameters"
            )));
        }
        let query: usize = request
            .query
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        self.check_size(query.saturating_add(request.body.len()), "the request")?;
        let service = request.service.clone();
        self.turn().await;
        let sent = self.send(request).await;
        let answer = sent.map_err(|denial| self.deny(&denial))?;
        let answer = answer.map_err(|error| self.cloud_error(&error, &service))?;
        self.check_size(answer.body.len(), "the answer")?;
        Ok(openstack::Response {
            status: answer.status,
            headers: headers::visible(answer.headers),
            body: answer.body,
        })
    }

    /// Sends a request with the secrets that the guest put in it, and takes them out of the
    /// answer.
    async fn send(
        &self,
        request: ServiceRequest,
    ) -> Result<Result<ServiceResponse, CloudError>, Denial> {
        let grants = &self.policy.grants;
        let filled = self.secrets.fill_request(request, grants)?;
        let answer = self.cloud.send(filled).await;
        Ok(answer.map(|answer| self.secrets.scrub_answer(answer)))
    }

    /// One client operation of a guest.
    async fn operation(
        &self,
        name: &str,
        arguments: &str,
        only_reads: bool,
    ) -> Result<String, CallError> {
        if name.len() > MAX_NAME {
            return Err(CallError::Invalid(
                "the operation's name is too long".to_owned(),
            ));
        }
        let Some(operation) = operations::find(name) else {
            return Err(CallError::Invalid(format!(
                "there is no operation {name:?}"
            )));
        };
        if only_reads && !operation.reads {
            let what = format!("{name} writes, and openstack-read only reads");
            self.note(&format!("denied: {what}"));
            return Err(CallError::Denied(what));
        }
        self.policy
            .grants
            .check_operation(name)
            .map_err(|denial| self.deny(&denial))?;
        self.check_size(json_weight(arguments), "the arguments")?;
        let arguments = match from_json(arguments) {
            Ok(Value::Map(arguments)) => arguments,
            Ok(other) => {
                return Err(CallError::Invalid(format!(
                    "arguments: expected object, got {}",
                    other.kind()
                )));
            }
            Err(problem) => return Err(CallError::Invalid(format!("arguments: {problem}"))),
        };
        let result = self.run_operation(name, &arguments).await?;
        to_json(&result, self.policy.limits.output).ok_or_else(|| self.too_big("the result"))
    }

    /// Posts one message for a guest.
    async fn message(&self, queue: &str, body: &str) -> Result<(), CallError> {
        if queue.is_empty() || queue.len() > MAX_NAME {
            return Err(CallError::Invalid(
                "the queue's name is empty or too long".to_owned(),
            ));
        }
        self.policy
            .grants
            .check_queue(queue)
            .map_err(|denial| self.deny(&denial))?;
        self.check_size(json_weight(body), "the message")?;
        let body =
            from_json(body).map_err(|problem| CallError::Invalid(format!("body: {problem}")))?;
        let arguments = Map::from_iter([
            (Arc::from("queue_name"), Value::from(queue)),
            (Arc::from("messages"), Value::from_iter([("body", body)])),
        ]);
        self.run_operation("zaqar.queue_post", &arguments)
            .await
            .map(|_| ())
    }

    /// Carries out an operation that is granted.
    async fn run_operation(&self, name: &str, arguments: &Map) -> Result<Value, CallError> {
        self.turn().await;
        operations::call(&BoundedCloud(self), name, arguments)
            .await
            .map_err(|error| match error {
                OperationError::Unknown { .. } | OperationError::Parameters { .. } => {
                    CallError::Invalid(error.to_string())
                }
                OperationError::Refused { status, message } => CallError::Refused(ServiceError {
                    status,
                    message: clean(&message),
                }),
                OperationError::Cloud(error) => self.cloud_error(&error, name),
                OperationError::Wait(_) | OperationError::Answer { .. } => {
                    CallError::Unavailable(clean(&error.to_string()))
                }
            })
    }

    /// Tells the operator in full, and the guest what it may know.
    pub(super) fn deny(&self, denial: &Denial) -> CallError {
        self.note(&format!(
            "denied to pack {:?}: {denial}",
            self.policy.id.name
        ));
        CallError::Denied(denial.what().to_owned())
    }

    /// What a guest may know of an error on the way to `target`: no endpoint is in it. The
    /// operator is told the rest.
    pub(super) fn cloud_error(&self, error: &CloudError, target: &str) -> CallError {
        match error {
            CloudError::Invalid(reason) => CallError::Invalid(reason.clone()),
            CloudError::Exhausted(reason) => CallError::Exhausted(reason.clone()),
            CloudError::Denied(reason) => {
                self.note(&format!(
                    "denied to pack {:?}: {}",
                    self.policy.id.name,
                    clean(reason)
                ));
                CallError::Denied(reason.clone())
            }
            CloudError::NoCloud(_)
            | CloudError::Authentication(_)
            | CloudError::NoService { .. }
            | CloudError::Unreachable { .. } => {
                self.note(&format!("error: {target}: {}", clean(&error.to_string())));
                CallError::Unavailable(match error {
                    CloudError::NoCloud(_) => "no cloud is configured".to_owned(),
                    CloudError::Authentication(_) => "the host cannot log in".to_owned(),
                    CloudError::NoService { .. } => {
                        format!("the cloud has no service for {target}")
                    }
                    _ => format!("the service for {target} cannot be reached"),
                })
            }
        }
    }

    pub(super) fn check_size(&self, bytes: usize, what: &str) -> Result<(), CallError> {
        if bytes as u64 > self.policy.limits.output {
            return Err(self.too_big(what));
        }
        Ok(())
    }

    fn too_big(&self, what: &str) -> CallError {
        CallError::Exhausted(too_big(what, self.policy.limits.output))
    }
}

fn too_big(what: &str, limit: u64) -> String {
    format!("{what} is larger than {limit} bytes, which `limits.output` of the pack allows")
}

/// A cloud for operations that a guest calls: bounded answers, its secrets where they may go, and
/// nothing that gives out credentials.
struct BoundedCloud<'a>(&'a Caller);

#[async_trait]
impl Cloud for BoundedCloud<'_> {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        Grants::check_always(&request)
            .map_err(|denial| CloudError::Denied(denial.what().to_owned()))?;
        let answer = match self.0.send(request).await {
            Ok(answer) => answer?,
            Err(denial) => {
                if let Some(lines) = denial.lines() {
                    self.0.note(&format!(
                        "to allow what comes next, add to the grants:\n{lines}"
                    ));
                }
                return Err(CloudError::Denied(denial.what().to_owned()));
            }
        };
        let limit = self.0.policy.limits.output;
        if answer.body.len() as u64 > limit {
            return Err(CloudError::Exhausted(too_big("the answer", limit)));
        }
        Ok(answer)
    }
}

/// The client whose operation it is: `ironic` of `ironic.node_get`.
fn client(operation: &str) -> &str {
    operation.split('.').next().unwrap_or_default()
}

fn check_microversion(version: Option<&str>) -> Result<(), CallError> {
    let whole = |part: &str| {
        !part.is_empty() && part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    match version {
        None | Some("latest") => Ok(()),
        Some(text)
            if text
                .split_once('.')
                .is_some_and(|(a, b)| whole(a) && whole(b)) =>
        {
            Ok(())
        }
        Some(text) => Err(CallError::Invalid(format!(
            "{:?} is no microversion: write it as 1.58",
            text.chars().take(20).collect::<String>()
        ))),
    }
}

impl From<openstack::Method> for Method {
    fn from(method: openstack::Method) -> Self {
        match method {
            openstack::Method::Get => Method::Get,
            openstack::Method::Head => Method::Head,
            openstack::Method::Post => Method::Post,
            openstack::Method::Put => Method::Put,
            openstack::Method::Patch => Method::Patch,
            openstack::Method::Delete => Method::Delete,
        }
    }
}
