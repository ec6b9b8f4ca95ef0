//! Lists, all pages of them.

use serde_json::Value;

use crate::cloud::{CloudError, ReadCloud};
use crate::json::text_at;
use crate::path::segment;
use crate::service::{BAREMETAL, BAREMETAL_VERSION, IMAGE, read};

/// All nodes with all their fields.
pub fn nodes(cloud: &impl ReadCloud) -> Result<Vec<Value>, CloudError> {
    pages(
        cloud,
        BAREMETAL,
        "/v1/nodes",
        &[("detail", "True")],
        "nodes",
        "uuid",
    )
}

/// One node, by UUID or name.
pub fn node(cloud: &impl ReadCloud, id: &str) -> Result<Value, CloudError> {
    let path = format!("/v1/nodes/{}", segment(id));
    read(cloud, BAREMETAL, &path, &[], Some(BAREMETAL_VERSION))
}

/// The ports of all nodes: `uuid`, `address` and `node_uuid` of each.
pub fn ports(cloud: &impl ReadCloud) -> Result<Vec<Value>, CloudError> {
    let query = [("fields", "uuid,address,node_uuid")];
    pages(cloud, BAREMETAL, "/v1/ports", &query, "ports", "uuid")
}

/// All images of a disk format.
pub fn images(cloud: &impl ReadCloud, disk_format: &str) -> Result<Vec<Value>, CloudError> {
    pages(
        cloud,
        IMAGE,
        "/v2/images",
        &[("disk_format", disk_format)],
        "images",
        "id",
    )
}

/// Reads page after page while the service says that there is a `next` one. The link itself is
/// an absolute URL that the host would refuse; its marker is the last item of the page.
fn pages(
    cloud: &impl ReadCloud,
    service: &str,
    path: &str,
    query: &[(&str, &str)],
    key: &str,
    id: &str,
) -> Result<Vec<Value>, CloudError> {
    let microversion = (service == BAREMETAL).then_some(BAREMETAL_VERSION);
    let mut all: Vec<Value> = Vec::new();
    loop {
        let marker = all
            .last()
            .and_then(|item| text_at(item, id))
            .map(ToOwned::to_owned);
        let mut query = query.to_vec();
        if let Some(marker) = &marker {
            query.push(("marker", marker));
        }
        let mut page = read(cloud, service, path, &query, microversion)?;
        let Some(Value::Array(mut items)) = page.get_mut(key).map(Value::take) else {
            return Err(CloudError::Unreadable {
                service: service.to_owned(),
                path: path.to_owned(),
                reason: format!("there is no list {key:?} in it"),
            });
        };
        let last = items.is_empty() || text_at(&page, "next").is_none();
        all.append(&mut items);
        if last {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::cloud::{Level, Response};

    struct Paged {
        pages: RefCell<Vec<&'static str>>,
        markers: RefCell<Vec<Option<String>>>,
    }

    impl ReadCloud for Paged {
        fn get(
            &self,
            _service: &str,
            _path: &str,
            query: &[(&str, &str)],
            _microversion: Option<&str>,
        ) -> Result<Response, CloudError> {
            let marker = query.iter().find(|(key, _)| *key == "marker");
            self.markers
                .borrow_mut()
                .push(marker.map(|(_, value)| (*value).to_owned()));
            let body = self.pages.borrow_mut().remove(0).as_bytes().to_vec();
            Ok(Response { status: 200, body })
        }

        fn log(&self, _level: Level, _message: &str) {}

        fn progress(&self, _percent: Option<u8>, _message: &str) {}
    }

    #[test]
    fn all_pages_are_read() {
        let cloud = Paged {
            pages: RefCell::new(vec![
                r#"{"nodes": [{"uuid": "1"}, {"uuid": "2"}], "next": "http://there/v1/nodes?marker=2"}"#,
                r#"{"nodes": [{"uuid": "3"}]}"#,
            ]),
            markers: RefCell::default(),
        };
        let uuids: Vec<_> = nodes(&cloud).unwrap();
        assert_eq!(uuids.len(), 3);
        assert_eq!(*cloud.markers.borrow(), [None, Some("2".to_owned())]);
    }

    #[test]
    fn an_answer_without_the_list_is_an_error() {
        let cloud = Paged {
            pages: RefCell::new(vec![r#"{"servers": []}"#]),
            markers: RefCell::default(),
        };
        let error = nodes(&cloud).unwrap_err().to_string();
        assert!(
            error.contains(r#"there is no list "nodes" in it"#),
            "{error}"
        );
    }
}
