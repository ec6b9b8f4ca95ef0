//! `/v2/openapi.json`: all routes, made from how they are declared.

use axum::Json;
use serde_json::{Map, Value, json};

use super::about::{Gives, Takes};
use super::given::Shape;
use super::routes::{Route, Routes};
use crate::query::Resource;

/// How one field is compared, by what stands before a colon: `state=neq:ERROR`.
const FILTER: &str = "Only rows whose field is this; or `op:value` with eq, neq, gt, gte, lt, lte, \
                      in, nin or has.";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/openapi.json", None, document)
        .about("Describe this API")
        .open()
}

async fn document() -> Json<Value> {
    Json(of(&super::routes()))
}

/// The document for `routes`.
fn of(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let Some(method) = &route.method else {
            continue;
        };
        let path = paths
            .entry(&route.path)
            .or_insert_with(|| Value::Object(Map::new()));
        path[method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Ostro",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Mistral's API v2, and what Ostro has beside it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            },
            "schemas": {"Fault": {
                "type": "object",
                "required": ["faultstring"],
                "properties": {
                    "faultstring": {"type": "string"},
                    "faultcode": {"enum": ["Client", "Server"]},
                    "debuginfo": {"type": ["string", "null"]},
                },
            }},
        },
    })
}

fn operation(route: &Route) -> Value {
    let about = &route.about;
    let mut parameters: Vec<Value> = names_in(&route.path).map(in_path).collect();
    if let Gives::List(resource) = about.gives {
        parameters.extend(of_list(resource));
    }
    let known = |name: &str, parameters: &[Value]| parameters.iter().any(|one| one["name"] == name);
    for option in about.options {
        if !known(option, &parameters) {
            parameters.push(in_query(option, &json!({"type": "string"}), None));
        }
    }
    let mut operation = json!({
        "summary": about.summary,
        "operationId": name(route),
        "tags": [tag(&route.path)],
        "parameters": parameters,
        "responses": {
            "default": {
                "description": "What is wrong.",
                "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Fault"},
                }},
            },
        },
    });
    let (status, answer) = answer(route);
    operation["responses"][status] = answer;
    if let Some(body) = body(about.takes) {
        operation["requestBody"] = body;
    }
    if let Some(rule) = route.rule {
        operation["x-policy-rule"] = rule.into();
    }
    operation
}

/// A name for the operation that none other has: its method and its path.
fn name(route: &Route) -> String {
    let method = route
        .method
        .as_ref()
        .map_or("any", |method| method.as_str());
    let parts = route.path.split('/').filter(|part| !part.is_empty());
    let parts = parts.map(|part| part.trim_matches(['{', '}']).replace('.', "_"));
    let path = parts.collect::<Vec<_>>().join("_");
    format!("{}_{path}", method.to_ascii_lowercase())
}

/// The resource that a path is about: what comes first in it.
fn tag(path: &str) -> &str {
    let path = path.strip_prefix("/v2").unwrap_or(path);
    path.trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or(path)
}

/// What callers fill in of an address.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn in_path(name: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true,
        "schema": {"type": "string", "minLength": 1},
    })
}

fn in_query(name: &str, schema: &Value, description: Option<&str>) -> Value {
    let mut parameter = json!({"name": name, "in": "query", "schema": schema});
    if let Some(text) = description {
        parameter["description"] = text.into();
    }
    parameter
}

/// What every list of a resource takes.
fn of_list(resource: &Resource) -> Vec<Value> {
    let text = json!({"type": "string"});
    let mut parameters = vec![
        in_query(
            "marker",
            &text,
            Some("The id of the last row of the page before."),
        ),
        in_query(
            "limit",
            &json!({"type": "integer", "minimum": 1}),
            Some("How many rows at most."),
        ),
        in_query(
            "sort_keys",
            &text,
            Some("The fields by which it is sorted, with commas between."),
        ),
        in_query(
            "sort_dirs",
            &text,
            Some("asc or desc for each of them, with commas between."),
        ),
        in_query(
            "fields",
            &text,
            Some("The fields that are given, with commas between."),
        ),
    ];
    let filters = resource.fields.iter();
    let filters = filters.filter(|field| !resource.unfiltered.contains(field));
    parameters.extend(filters.map(|field| in_query(field, &text, Some(FILTER))));
    let options = resource.options.iter();
    let options = options.filter(|option| !resource.fields.contains(option));
    parameters.extend(options.map(|option| in_query(option, &text, None)));
    parameters
}

fn body(takes: Takes) -> Option<Value> {
    let (kind, schema) = match takes {
        Takes::Nothing => return None,
        Takes::Json(shape) => ("application/json", of_shape(shape)),
        Takes::Definitions => ("text/plain", json!({"type": "string"})),
    };
    Some(json!({"required": true, "content": {kind: {"schema": schema}}}))
}

fn of_shape(shape: &Shape) -> Value {
    let mut properties = Map::new();
    for text in shape.texts {
        properties.insert((*text).to_owned(), json!({"type": ["string", "null"]}));
    }
    for object in shape.objects {
        let schema = json!({"type": ["object", "string", "null"]});
        properties.insert((*object).to_owned(), schema);
    }
    for truth in shape.truths {
        properties.insert((*truth).to_owned(), json!({"type": ["boolean", "null"]}));
    }
    for other in shape.ignored {
        properties.insert((*other).to_owned(), json!({}));
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// The status of an answer where all is well, and the answer.
fn answer(route: &Route) -> (&'static str, Value) {
    let is_new = route.method.as_ref().is_some_and(|method| method == "POST")
        && !route.path.ends_with("/validate");
    let status = match route.about.gives {
        Gives::Nothing => "204",
        _ if is_new => "201",
        _ => "200",
    };
    let json = |schema: Value| json!({"application/json": {"schema": schema}});
    let content = match route.about.gives {
        Gives::Nothing => return (status, json!({"description": "It is done."})),
        Gives::Json => json(json!({"type": "object"})),
        Gives::One(resource) => json(of_row(resource)),
        Gives::List(resource) => json(json!({
            "type": "object",
            "required": [resource.plural],
            "properties": {
                resource.plural: {"type": "array", "items": of_row(resource)},
                "next": {"type": "string", "format": "uri"},
            },
        })),
        Gives::Text(kind) => json!({kind: {"schema": {"type": "string"}}}),
    };
    (
        status,
        json!({"description": "As it is now.", "content": content}),
    )
}

fn of_row(resource: &Resource) -> Value {
    let fields = resource.fields.iter();
    let properties: Map<String, Value> = fields
        .map(|field| ((*field).to_owned(), of_field(field)))
        .collect();
    json!({"type": "object", "properties": properties})
}

/// The form of a field of an answer. What callers shape is JSON in a text, as Mistral gives it.
fn of_field(field: &str) -> Value {
    match field {
        "accepted" | "is_system" | "processed" | "reset" => json!({"type": ["boolean", "null"]}),
        "tags" => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        "remaining_executions" => json!({"type": ["integer", "null"]}),
        // Some resources give these as objects, and others as JSON in a text.
        "env" | "interface" | "params" | "runtime_context" | "variables" | "workflow_input"
        | "workflow_params" => json!({"type": ["object", "string", "null"]}),
        _ => json!({"type": ["string", "null"]}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described() {
        let routes = super::super::routes();
        let nameless = routes.iter().filter(|route| route.about.summary.is_empty());
        let nameless: Vec<_> = nameless.map(name).collect();
        assert_eq!(nameless, [""; 0]);
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let routes = super::super::routes();
        // What answers all methods is not in the document.
        let told = routes.iter().filter(|route| route.method.is_some());
        let names: BTreeSet<String> = told.clone().map(name).collect();
        assert_eq!(names.len(), told.count());
    }

    #[test]
    fn a_list_tells_how_it_is_asked_for() {
        let document = of(&super::super::routes());
        let list = &document["paths"]["/v2/executions"]["get"];
        let parameters = list["parameters"].as_array().unwrap();
        let has = |name: &str| parameters.iter().any(|one| one["name"] == name);
        assert!(has("marker") && has("sort_keys") && has("state") && has("include_output"));
        assert!(!has("id"), "lists of executions are not filtered by id");
        assert_eq!(list["x-policy-rule"], "executions:list");
        let one = &document["paths"]["/v2/executions/{id}"]["get"];
        assert_eq!(one["parameters"][0]["in"], "path");
    }
}
