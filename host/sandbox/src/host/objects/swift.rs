//! The requests to Swift, and what its answers say
//! (<https://docs.openstack.org/api-ref/object-store/>).

use ostro_core::{Method, RelativePath, ServiceRequest, ServiceResponse, percent_encode};
use ostro_packs::Access;
use serde::Deserialize;

use super::super::contract::object_store::WriteOptions;
use super::super::contract::object_store_read::{Entry, ListOptions, ObjectEntry, ObjectInfo};
use super::super::contract::types::{CallError, ServiceError};
use super::super::headers;
use super::super::text::clean;
use crate::state::Caller;

/// The service's type.
pub(super) const SERVICE: &str = "object-store";
/// The most bytes of a piece.
pub(super) const MAX_PIECE: u64 = 8 << 20;
/// What an object's own metadata is called in headers.
const META: &str = "x-object-meta-";
/// How long names may be, in bytes: Swift's own limits.
const MAX_CONTAINER: usize = 256;
const MAX_OBJECT: usize = 1024;

/// An object by its name.
pub(super) struct Object {
    pub(super) container: String,
    name: String,
    path: RelativePath,
}

impl Object {
    pub(super) fn new(container: &str, name: &str) -> Result<Self, CallError> {
        check_container(container)?;
        if name.is_empty() || name.len() > MAX_OBJECT {
            return Err(CallError::Invalid(format!(
                "an object's name has 1 to {MAX_OBJECT} bytes"
            )));
        }
        let path = format!(
            "/{}/{}",
            percent_encode(container, false),
            percent_encode(name, true)
        );
        Ok(Self {
            container: container.to_owned(),
            name: name.to_owned(),
            path: parse(&path)?,
        })
    }

    fn request(&self, method: Method) -> ServiceRequest {
        ServiceRequest::new(SERVICE, method, self.path.clone())
    }

    /// The request that an upload is.
    pub(super) fn put(&self, options: &WriteOptions) -> Result<ServiceRequest, CallError> {
        let mut request = self.request(Method::Put);
        request.headers = metadata(&options.metadata)?;
        if let Some(content_type) = &options.content_type {
            let header = ("content-type".to_owned(), content_type.clone());
            request.headers.push(header);
        }
        headers::check(&request.headers).map_err(CallError::Invalid)?;
        if options.only_new {
            let header = ("if-none-match".to_owned(), "*".to_owned());
            request.headers.push(header);
        }
        Ok(request)
    }
}

fn check_container(name: &str) -> Result<(), CallError> {
    if name.is_empty() || name.len() > MAX_CONTAINER || name.contains('/') {
        return Err(CallError::Invalid(format!(
            "a container's name has 1 to {MAX_CONTAINER} bytes, without /"
        )));
    }
    Ok(())
}

fn parse(path: &str) -> Result<RelativePath, CallError> {
    RelativePath::parse(path).map_err(|_| {
        CallError::Invalid(
            "the name holds `..`, `.` or nothing between two /, or \\, % or a control character: \
             such names are not reached"
                .to_owned(),
        )
    })
}

/// Metadata as headers.
fn metadata(pairs: &[(String, String)]) -> Result<Vec<(String, String)>, CallError> {
    let header = |(name, value): &(String, String)| (format!("{META}{name}"), value.clone());
    let headers: Vec<_> = pairs.iter().map(header).collect();
    headers::check(&headers).map_err(CallError::Invalid)?;
    Ok(headers)
}

/// `answer`, if it is one of success.
pub(super) fn check(
    answer: ServiceResponse,
    object: &Object,
) -> Result<ServiceResponse, CallError> {
    let (container, name) = (&object.container, &object.name);
    checked(answer, |status| match status {
        404 => format!("there is no object {name:?} in the container {container:?}"),
        412 => format!("the object {name:?} is another one now, or was there already"),
        413 => format!("the object {name:?} is larger than the service allows"),
        _ => String::new(),
    })
}

fn checked(
    answer: ServiceResponse,
    message: impl FnOnce(u16) -> String,
) -> Result<ServiceResponse, CallError> {
    let status = answer.status;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let mut message = message(status);
    if message.is_empty() {
        message = String::from_utf8_lossy(&answer.body).into_owned();
    }
    Err(CallError::Refused(ServiceError {
        status,
        message: clean(&message),
    }))
}

/// The ETag of an answer, without quotes.
pub(super) fn etag(answer: &ServiceResponse) -> Option<String> {
    let etag = answer.header("etag")?.trim_matches('"');
    (!etag.is_empty()).then(|| etag.to_owned())
}

/// What the headers of an answer say of an object.
fn info(answer: &ServiceResponse) -> Result<ObjectInfo, CallError> {
    let text = |name| answer.header(name).unwrap_or_default().to_owned();
    let size = answer.header("content-length");
    let size = size.and_then(|size| size.parse().ok());
    let (Some(size), Some(etag)) = (size, etag(answer)) else {
        return Err(CallError::Unavailable(
            "the service does not say how large the object is and what its ETag is".to_owned(),
        ));
    };
    let own = answer.headers.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(META)?;
        Some((name.to_owned(), value.clone()))
    });
    let mut metadata: Vec<_> = own.collect();
    metadata.sort();
    Ok(ObjectInfo {
        size,
        etag,
        content_type: text("content-type"),
        last_modified: text("last-modified"),
        metadata,
    })
}

/// A line of a listing, as Swift has it.
#[derive(Deserialize)]
struct Line {
    subdir: Option<String>,
    name: Option<String>,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    last_modified: String,
}

impl From<Line> for Entry {
    fn from(line: Line) -> Self {
        match line.subdir {
            Some(prefix) => Entry::Prefix(prefix),
            None => Entry::Object(ObjectEntry {
                name: line.name.unwrap_or_default(),
                size: line.bytes,
                etag: line.hash.trim_matches('"').to_owned(),
                content_type: line.content_type,
                last_modified: line.last_modified,
            }),
        }
    }
}

impl Caller {
    pub(super) fn check_object(&self, object: &Object, access: Access) -> Result<(), CallError> {
        let Object {
            container, name, ..
        } = object;
        let checked = self.policy.grants.check_object(container, name, access);
        checked.map_err(|denial| self.deny(&denial))
    }

    async fn to_swift(&self, request: ServiceRequest) -> Result<ServiceResponse, CallError> {
        let answer = self.cloud.send(request).await;
        answer.map_err(|error| self.cloud_error(&error, SERVICE))
    }

    /// What is known of an object.
    pub(super) async fn head_object(&self, object: &Object) -> Result<ObjectInfo, CallError> {
        self.check_object(object, Access::Read)?;
        let answer = self.to_swift(object.request(Method::Head)).await?;
        info(&check(answer, object)?)
    }

    /// `length` bytes of an object from `start` on, of which there are as many.
    pub(super) async fn read_range(
        &self,
        object: &Object,
        etag: &str,
        start: u64,
        length: u64,
    ) -> Result<Vec<u8>, CallError> {
        self.check_object(object, Access::Read)?;
        let mut request = object.request(Method::Get);
        let last = start + length - 1;
        request.headers = vec![
            ("range".to_owned(), format!("bytes={start}-{last}")),
            ("if-match".to_owned(), format!("\"{etag}\"")),
        ];
        let answer = check(self.to_swift(request).await?, object)?;
        if answer.body.len() as u64 == length {
            return Ok(answer.body);
        }
        Err(CallError::Unavailable(
            "the service gave another part of the object than was asked for".to_owned(),
        ))
    }

    /// One page of a container.
    pub(super) async fn list_objects(
        &self,
        container: &str,
        options: &ListOptions,
    ) -> Result<Vec<Entry>, CallError> {
        check_container(container)?;
        let prefix = options.prefix.as_deref().unwrap_or_default();
        let checked = self.policy.grants.check_listing(container, prefix);
        checked.map_err(|denial| self.deny(&denial))?;
        let path = parse(&format!("/{}", percent_encode(container, false)))?;
        let mut request = ServiceRequest::new(SERVICE, Method::Get, path);
        let mut query = |name: &str, value: &str| {
            if !value.is_empty() {
                request.query.push((name.to_owned(), value.to_owned()));
            }
        };
        query("format", "json");
        query("prefix", prefix);
        query("marker", options.marker.as_deref().unwrap_or_default());
        query(
            "delimiter",
            options.delimiter.as_deref().unwrap_or_default(),
        );
        query(
            "limit",
            &options
                .limit
                .map(|limit| limit.to_string())
                .unwrap_or_default(),
        );
        let size: usize = request.query.iter().map(|(_, value)| value.len()).sum();
        self.check_size(size, "the request")?;
        let answer = checked_listing(self.to_swift(request).await?, container)?;
        self.check_size(answer.body.len(), "the page (a limit makes it smaller)")?;
        if answer.body.is_empty() {
            return Ok(Vec::new());
        }
        let lines: Vec<Line> = serde_json::from_slice(&answer.body)
            .map_err(|_| CallError::Unavailable("the listing is no JSON".to_owned()))?;
        Ok(lines.into_iter().map(Entry::from).collect())
    }

    /// An error if there is no such container.
    pub(super) async fn find_container(&self, container: &str) -> Result<(), CallError> {
        let path = parse(&format!("/{}", percent_encode(container, false)))?;
        let request = ServiceRequest::new(SERVICE, Method::Head, path);
        checked_listing(self.to_swift(request).await?, container).map(drop)
    }

    /// Deletes an object.
    pub(super) async fn delete_object(&self, container: &str, name: &str) -> Result<(), CallError> {
        let object = Object::new(container, name)?;
        self.check_object(&object, Access::Delete)?;
        let answer = self.to_swift(object.request(Method::Delete)).await?;
        check(answer, &object).map(drop)
    }

    /// Gives an object other metadata.
    pub(super) async fn set_metadata(
        &self,
        container: &str,
        name: &str,
        pairs: &[(String, String)],
    ) -> Result<(), CallError> {
        let object = Object::new(container, name)?;
        self.check_object(&object, Access::Write)?;
        let mut request = object.request(Method::Post);
        request.headers = metadata(pairs)?;
        let answer = self.to_swift(request).await?;
        check(answer, &object).map(drop)
    }
}

fn checked_listing(answer: ServiceResponse, container: &str) -> Result<ServiceResponse, CallError> {
    checked(answer, |status| match status {
        404 => format!("there is no container {container:?}"),
        _ => String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        let path = |container, name| Object::new(container, name).map(|object| object.path);
        assert_eq!(
            path("plan", "a b/ü").unwrap().as_str(),
            "/plan/a%20b/%C3%BC"
        );
        assert_eq!(
            path("plan", "a?x=1#y").unwrap().as_str(),
            "/plan/a%3Fx%3D1%23y"
        );
        for (container, name) in [
            ("plan", "../other/a"),
            ("plan", "a/../../other"),
            ("plan", "a//b"),
            ("plan", "%2e%2e/a"),
            ("plan", "a\r\nb"),
            ("plan", ""),
            ("plan/x", "a"),
            ("..", "a"),
            ("", "a"),
        ] {
            assert!(path(container, name).is_err(), "{container} {name:?}");
        }
    }

    #[test]
    fn metadata_is_headers_that_belong_to_the_object() {
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let headers = metadata(&pair("Plan", "x")).unwrap();
        assert_eq!(headers, pair("x-object-meta-Plan", "x"));
        for (name, value) in [("a b", "x"), ("a", "x\r\nx-auth-token: y"), ("a:", "x")] {
            assert!(metadata(&pair(name, value)).is_err(), "{name:?}");
        }
    }
}
