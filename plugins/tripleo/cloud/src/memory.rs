//! A cloud in memory, for tests: Bare Metal, Image, Introspection and Compute as far as the
//! components use them, and a list of the writes.

use std::cell::{Cell, RefCell};

use serde_json::{Value, json};

use crate::cloud::{Cloud, CloudError, Level, Method, ReadCloud, Request, Response};

/// The state of a cloud, and what was done to it.
#[derive(Debug, Default)]
pub struct MemoryCloud {
    /// `nodes`, `ports`, `images` (lists), `introspection` (node to data), `services` (list),
    /// `failures` (`METHOD path` to `{status, message, times}`). A node whose `driver_info` has
    /// a key that ends with `broken` fails the validation of its power.
    pub state: RefCell<Value>,
    /// The writes, as `[method, path, body]`.
    pub writes: RefCell<Vec<Value>>,
    /// Lines of the log that an operator should look at.
    pub warnings: RefCell<Vec<String>>,
    /// For how long the component has waited, in milliseconds.
    pub slept: Cell<u64>,
}

impl MemoryCloud {
    /// A cloud in the given state; lists that are missing are empty.
    pub fn new(mut state: Value) -> Self {
        if state.is_null() {
            state = json!({});
        }
        for list in ["nodes", "ports", "images", "services"] {
            if state.get(list).is_none() {
                state[list] = json!([]);
            }
        }
        Self {
            state: RefCell::new(state),
            ..Self::default()
        }
    }

    /// The answer that the state wants instead of the right one: a failure.
    fn failure(&self, method: &str, path: &str) -> Option<Response> {
        let mut state = self.state.borrow_mut();
        let failure = state
            .get_mut("failures")?
            .get_mut(format!("{method} {path}"))?;
        let times = failure
            .get("times")
            .and_then(Value::as_u64)
            .unwrap_or(u64::MAX);
        failure["times"] = json!(times.checked_sub(1)?);
        let status = u16::try_from(failure["status"].as_u64()?).ok()?;
        let body = json!({"error_message": {"faultstring": failure["message"]}});
        Some(respond(status, &body))
    }

    fn find(&self, list: &str, id: &str) -> Option<Value> {
        let state = self.state.borrow();
        let items = state.get(list)?.as_array()?;
        items.iter().find(|item| is(item, id)).cloned()
    }

    fn list(&self, list: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let state = self.state.borrow();
        let items = state[list].as_array().into_iter().flatten();
        items.filter(|item| matches(item)).cloned().collect()
    }

    fn create(&self, list: &str, mut item: Value) -> Response {
        let mut state = self.state.borrow_mut();
        let Some(items) = state[list].as_array_mut() else {
            return respond(500, &json!({"error": {"message": "no such list"}}));
        };
        let clash = |key: &str| {
            let value = item.get(key).filter(|value| !value.is_null());
            value.is_some_and(|value| items.iter().any(|other| other.get(key) == Some(value)))
        };
        if let Some(key) = ["uuid", "name", "address"]
            .into_iter()
            .find(|key| clash(key))
        {
            let message = format!("A {list} entry with {key} {} already exists.", item[key]);
            return respond(409, &json!({"error_message": {"faultstring": message}}));
        }
        if item.get("uuid").is_none() {
            item["uuid"] = json!(format!("{list}-{}", items.len()));
        }
        if list == "nodes" {
            item["provision_state"] = json!("enroll");
        }
        items.push(item.clone());
        respond(201, &item)
    }

    fn patch(&self, id: &str, patch: &Value) -> Response {
        let mut state = self.state.borrow_mut();
        let nodes = state["nodes"].as_array_mut().into_iter().flatten();
        let Some(node) = nodes.into_iter().find(|node| is(node, id)) else {
            return not_found("Node", id);
        };
        for change in patch.as_array().into_iter().flatten() {
            let mut place = &mut *node;
            for key in change["path"]
                .as_str()
                .unwrap_or_default()
                .split('/')
                .skip(1)
            {
                place = &mut place[key];
            }
            *place = change["value"].clone();
        }
        respond(200, node)
    }

    fn delete(&self, id: &str) -> Response {
        let mut state = self.state.borrow_mut();
        if let Some(nodes) = state["nodes"].as_array_mut() {
            nodes.retain(|node| !is(node, id));
        }
        Response {
            status: 204,
            body: Vec::new(),
        }
    }
}

impl ReadCloud for MemoryCloud {
    fn get(
        &self,
        service: &str,
        path: &str,
        query: &[(&str, &str)],
        _microversion: Option<&str>,
    ) -> Result<Response, CloudError> {
        if let Some(failure) = self.failure("GET", path) {
            return Ok(failure);
        }
        let wanted = |key| {
            query
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| *value)
        };
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        Ok(match (service, parts.as_slice()) {
            ("baremetal", ["v1", "nodes"]) => {
                respond(200, &json!({"nodes": self.list("nodes", |_| true)}))
            }
            ("baremetal", ["v1", "nodes", id]) => found(self.find("nodes", id), "Node", id),
            ("baremetal", ["v1", "nodes", id, "validate"]) => match self.find("nodes", id) {
                Some(node) => {
                    let broken = |(key, _): (&String, &Value)| key.ends_with("broken");
                    let good = !node["driver_info"]
                        .as_object()
                        .into_iter()
                        .flatten()
                        .any(broken);
                    respond(
                        200,
                        &json!({"power": {"result": good, "reason": "no password"}}),
                    )
                }
                None => not_found("Node", id),
            },
            ("baremetal", ["v1", "ports"]) => {
                respond(200, &json!({"ports": self.list("ports", |_| true)}))
            }
            ("image", ["v2", "images"]) => {
                let format = wanted("disk_format");
                let images = self.list("images", |image| image["disk_format"].as_str() == format);
                respond(200, &json!({"images": images}))
            }
            ("image", ["v2", "images", id]) => found(self.find("images", id), "Image", id),
            ("baremetal-introspection", ["v1", "introspection", id, "data"]) => {
                let data = self.state.borrow()["introspection"].get(id).cloned();
                found(data, "Introspection data of", id)
            }
            ("compute", ["os-services"]) => {
                let services = self.list("services", |_| true);
                respond(200, &json!({"services": services}))
            }
            _ => {
                return Err(CloudError::Refused(format!(
                    "not granted: GET {service} {path}"
                )));
            }
        })
    }

    fn log(&self, level: Level, message: &str) {
        if level == Level::Warning {
            self.warnings.borrow_mut().push(message.to_owned());
        }
    }

    fn progress(&self, _percent: Option<u8>, _message: &str) {}
}

impl Cloud for MemoryCloud {
    fn send(&self, request: &Request<'_>) -> Result<Response, CloudError> {
        let method = request.method.name();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if let Some(failure) = self.failure(method, request.path) {
            return Ok(failure);
        }
        self.writes
            .borrow_mut()
            .push(json!([method, request.path, body]));
        let parts: Vec<&str> = request.path.split('/').skip(1).collect();
        Ok(match (request.method, parts.as_slice()) {
            (Method::Post, ["v1", list @ ("nodes" | "ports")]) => self.create(list, body),
            (Method::Patch, ["v1", "nodes", id]) => self.patch(id, &body),
            (Method::Delete, ["v1", "nodes", id]) => self.delete(id),
            _ => {
                let what = format!("not granted: {method} {}", request.path);
                return Err(CloudError::Refused(what));
            }
        })
    }

    fn sleep(&self, milliseconds: u64) {
        self.slept.set(self.slept.get() + milliseconds);
    }
}

fn is(item: &Value, id: &str) -> bool {
    ["uuid", "name", "id"]
        .iter()
        .any(|key| item.get(key).and_then(Value::as_str) == Some(id))
}

fn respond(status: u16, body: &Value) -> Response {
    Response {
        status,
        body: body.to_string().into_bytes(),
    }
}

fn found(item: Option<Value>, what: &str, id: &str) -> Response {
    item.map_or_else(|| not_found(what, id), |item| respond(200, &item))
}

fn not_found(what: &str, id: &str) -> Response {
    let message = format!("{what} {id} could not be found.");
    respond(404, &json!({"error_message": {"faultstring": message}}))
}
