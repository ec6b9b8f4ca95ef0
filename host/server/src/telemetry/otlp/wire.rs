//! The messages of OTLP that carry spans, as far as they are used
//! (`opentelemetry/proto/trace/v1/trace.proto`).

use prost::{Message, Oneof};

use crate::telemetry::spans::Span;

/// What the spans are of: this host.
const SCOPE: &str = "ostro";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<WireSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct WireSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Text", tags = "1")]
    value: Option<Text>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Text {
    #[prost(string, tag = "1")]
    StringValue(String),
}

#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_spans: i64,
}

mod kind {
    pub(super) const INTERNAL: i32 = 1;
    pub(super) const CLIENT: i32 = 3;
}

mod code {
    pub(super) const OK: i32 = 1;
    pub(super) const ERROR: i32 = 2;
}

/// This host, as spans name it.
pub(super) fn resource(service_name: &str) -> Resource {
    Resource {
        attributes: vec![
            attribute("service.name", service_name.to_owned()),
            attribute("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ],
    }
}

pub(super) fn request(resource: Resource, spans: Vec<Span>) -> Request {
    let scope = Scope {
        name: SCOPE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let spans = ScopeSpans {
        scope: Some(scope),
        spans: spans.into_iter().map(span).collect(),
    };
    Request {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![spans],
        }],
    }
}

/// How many spans were not taken, by an answer that all is well.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer = Answer::decode(answer).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    u64::try_from(partial.rejected_spans).unwrap_or_default()
}

fn span(span: Span) -> WireSpan {
    let status = span.ended.map(|ended| match ended {
        Ok(()) => Status {
            message: String::new(),
            code: code::OK,
        },
        Err(message) => Status {
            message,
            code: code::ERROR,
        },
    });
    let attributes = span.attributes.into_iter();
    WireSpan {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name,
        kind: if span.is_client {
            kind::CLIENT
        } else {
            kind::INTERNAL
        },
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end.max(span.start),
        attributes: attributes
            .map(|(key, value)| attribute(key, value))
            .collect(),
        status,
    }
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Text::StringValue(value)),
        }),
    }
}
