//! Operations against real services.
//!
//! `OSTRO_TEST_CLOUDS` names a `clouds.yaml` with a cloud `admin`; without it, the cloud that
//! `cargo xtask cloud up` started is asked. A cloud that is not there fails the tests. Each test
//! makes what it needs under a name of its own and deletes it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use ostro_core::{Map, Value};
use ostro_openstack::{CloudConfig, CloudError, OperationError, Session, operations};
use serde_json::json;
use uuid::Uuid;

#[path = "real/running.rs"]
mod running;
#[path = "real/trusts.rs"]
mod trusts;

use running::{HOW, environment};

async fn cloud() -> Session {
    let config = CloudConfig::load(Some("admin"), &environment())
        .unwrap_or_else(|error| panic!("{error}; {HOW}"));
    let session = Session::new(config).unwrap();
    if let Err(error) = session.connect().await {
        panic!("{error}; {HOW}");
    }
    session
}

fn name(what: &str) -> String {
    format!("ostro-test-{what}-{}", Uuid::new_v4().simple())
}

async fn call(
    session: &Session,
    operation: &str,
    arguments: serde_json::Value,
) -> Result<Value, OperationError> {
    let arguments: Value = arguments.into();
    let arguments: Map = arguments.as_map().cloned().unwrap();
    operations::call(session, operation, &arguments).await
}

/// The result of a call that must succeed.
async fn ok(session: &Session, operation: &str, arguments: serde_json::Value) -> Value {
    call(session, operation, arguments)
        .await
        .unwrap_or_else(|error| panic!("{operation}: {error}"))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_list()
        .unwrap()
        .iter()
        .filter_map(|item| item.get("name")?.as_str())
        .collect()
}

#[tokio::test]
async fn a_node_goes_from_enroll_to_available() {
    let cloud = cloud().await;
    let node = name("node");
    let created = ok(
        &cloud,
        "ironic.node_create",
        json!({"driver": "fake-hardware", "name": node, "properties": {"cpus": 2}}),
    )
    .await;
    let uuid = created.get("uuid").unwrap().as_str().unwrap();
    assert_eq!(created.get("provision_state"), Some(&"enroll".into()));

    let fields = json!({"node_id": node, "fields": ["uuid", "provision_state"]});
    let got = ok(&cloud, "ironic.node_get", fields).await;
    assert_eq!(got.get("uuid"), Some(&uuid.into()));
    assert!(got.get("driver").is_none());

    for (verb, state) in [("manage", "manageable"), ("provide", "available")] {
        let arguments = json!({"node_uuid": uuid, "state": verb});
        assert!(
            ok(&cloud, "ironic.node_set_provision_state", arguments)
                .await
                .is_null()
        );
        let wait = json!({"node_ident": uuid, "expected_state": state, "timeout": 120,
            "poll_interval": 0.5, "fail_on_unexpected_state": false});
        ok(&cloud, "ironic.node_wait_for_provision_state", wait).await;
    }

    let filters = json!({"provision_state": "available", "maintenance": "False", "detail": true});
    let listed = ok(&cloud, "ironic.node_list", filters).await;
    let found = listed
        .as_list()
        .unwrap()
        .iter()
        .find(|n| n.get("uuid") == Some(&uuid.into()));
    assert_eq!(
        found.unwrap().get("properties").unwrap().get("cpus"),
        Some(&2.into())
    );

    let patch = json!([{"op": "add", "path": "/extra/a", "value": [1, 2]}]);
    let patched = ok(
        &cloud,
        "ironic.node_update",
        json!({"node_id": uuid, "patch": patch}),
    )
    .await;
    assert_eq!(patched.get("extra").unwrap().to_string(), r#"{"a":[1,2]}"#);

    ok(
        &cloud,
        "ironic.node_set_power_state",
        json!({"node_id": uuid, "state": "on"}),
    )
    .await;
    ok(
        &cloud,
        "ironic.node_set_maintenance",
        json!({"node_id": uuid, "state": true}),
    )
    .await;
    ok(
        &cloud,
        "ironic.node_set_maintenance",
        json!({"node_id": uuid, "state": false}),
    )
    .await;
    let states = ok(&cloud, "ironic.node_states", json!({"node_uuid": uuid})).await;
    assert!(states.get("power_state").is_some());

    // The lock of a task that still runs is waited for.
    ok(&cloud, "ironic.node_delete", json!({"node_id": uuid})).await;
    let gone = call(&cloud, "ironic.node_get", json!({"node_id": uuid}))
        .await
        .unwrap_err();
    assert_eq!(
        gone.to_string(),
        format!("Node {uuid} could not be found. (HTTP 404)")
    );
}

#[tokio::test]
async fn a_listing_of_nodes_goes_on_to_the_last_page() {
    let cloud = cloud().await;
    let prefix = name("pages");
    let mut uuids = Vec::new();
    for index in 0..3 {
        let arguments = json!({"driver": "fake-hardware", "name": format!("{prefix}-{index}")});
        let node = ok(&cloud, "ironic.node_create", arguments).await;
        uuids.push(node.get("uuid").unwrap().as_str().unwrap().to_owned());
    }
    let all = json!({"limit": 0, "fields": ["name"]});
    let all = ok(&cloud, "ironic.node_list", all).await;
    assert_eq!(
        names(&all)
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .count(),
        3
    );
    let two = ok(
        &cloud,
        "ironic.node_list",
        json!({"limit": 2, "fields": ["name"]}),
    )
    .await;
    assert_eq!(names(&two).len(), 2);
    for uuid in uuids {
        ok(&cloud, "ironic.node_delete", json!({"node_id": uuid})).await;
    }
}

#[tokio::test]
async fn an_introspection_starts_and_is_aborted() {
    let cloud = cloud().await;
    let arguments = json!({"driver": "fake-hardware", "name": name("inspect"),
        "inspect_interface": "inspector"});
    let node = ok(&cloud, "ironic.node_create", arguments).await;
    let uuid = node.get("uuid").unwrap().as_str().unwrap();
    // The inspector finds a node again by the addresses of its ports.
    let random = Uuid::new_v4().into_bytes();
    let address = format!(
        "52:54:00:{:02x}:{:02x}:{:02x}",
        random[0], random[1], random[2]
    );
    ok(
        &cloud,
        "ironic.port_create",
        json!({"node_uuid": uuid, "address": address}),
    )
    .await;
    let unknown = call(
        &cloud,
        "baremetal_introspection.get_status",
        json!({"uuid": uuid}),
    );
    let unknown = unknown.await.unwrap_err();
    assert!(
        matches!(unknown, OperationError::Refused { status: 404, .. }),
        "{unknown:?}"
    );

    ok(
        &cloud,
        "ironic.node_set_provision_state",
        json!({"node_uuid": uuid, "state": "manage"}),
    )
    .await;
    let wait = json!({"node_ident": uuid, "expected_state": "manageable", "timeout": 120});
    ok(&cloud, "ironic.node_wait_for_provision_state", wait).await;
    let started = ok(
        &cloud,
        "baremetal_introspection.introspect",
        json!({"uuid": uuid}),
    )
    .await;
    assert!(started.is_null());
    let waited = json!({"uuids": [uuid], "max_retries": 1, "retry_interval": 1});
    let waited = call(&cloud, "baremetal_introspection.wait_for_finish", waited).await;
    assert_eq!(
        waited.unwrap_err().to_string(),
        format!("Timeout while waiting for introspection of nodes ['{uuid}']")
    );
    ok(
        &cloud,
        "baremetal_introspection.abort",
        json!({"uuid": uuid}),
    )
    .await;
    let waited = json!({"uuids": [uuid], "max_retries": 60, "retry_interval": 1});
    let finished = ok(&cloud, "baremetal_introspection.wait_for_finish", waited).await;
    let status = finished.get(uuid).unwrap();
    assert_eq!(status.get("error"), Some(&"Canceled by operator".into()));
    ok(&cloud, "ironic.node_delete", json!({"node_id": uuid})).await;
}

#[tokio::test]
async fn objects_are_put_listed_copied_and_deleted() {
    let cloud = cloud().await;
    let container = name("box");
    ok(
        &cloud,
        "swift.put_container",
        json!({"container": container}),
    )
    .await;
    let object = "deep/är ger & <x>.yaml";
    let put = json!({"container": container, "obj": object, "contents": "a: ä\n",
        "headers": {"X-Object-Meta-Colour": "red"}});
    let etag = ok(&cloud, "swift.put_object", put).await;
    assert_eq!(etag.as_str().unwrap().len(), 32);

    let at = json!({"container": container, "obj": object});
    let got = ok(&cloud, "swift.get_object", at.clone()).await;
    assert_eq!(got.index(1), Some(&"a: ä\n".into()));
    assert_eq!(
        got.index(0).unwrap().get("x-object-meta-colour"),
        Some(&"red".into())
    );
    let head = ok(&cloud, "swift.head_object", at.clone()).await;
    assert_eq!(head.get("etag"), Some(&etag));

    let copy = json!({"container": container, "obj": object,
        "destination": format!("{container}/copy.yaml")});
    ok(&cloud, "swift.copy_object", copy).await;
    let listing = json!({"container": container, "limit": 1, "full_listing": true});
    let listing = ok(&cloud, "swift.get_container", listing).await;
    assert_eq!(names(listing.index(1).unwrap()), ["copy.yaml", object]);
    assert_eq!(
        ok(
            &cloud,
            "swift.head_container",
            json!({"container": container})
        )
        .await
        .get("x-storage-policy"),
        Some(&"Policy-0".into())
    );
    let parts = json!({"options": {"prefix": container}});
    let parts = ok(&cloud, "swiftservice.list", parts).await;
    assert_eq!(
        names(parts.index(0).unwrap().get("listing").unwrap()),
        [&*container]
    );

    for object in [object, "copy.yaml"] {
        ok(
            &cloud,
            "swift.delete_object",
            json!({"container": container, "obj": object}),
        )
        .await;
    }
    let gone = call(
        &cloud,
        "swift.get_object",
        json!({"container": container, "obj": "copy.yaml"}),
    );
    assert_eq!(
        gone.await.unwrap_err().to_string(),
        format!("Object GET failed: /{container}/copy.yaml 404 Not Found")
    );
    ok(
        &cloud,
        "swift.delete_container",
        json!({"container": container}),
    )
    .await;
}

#[tokio::test]
async fn messages_are_posted_claimed_and_deleted() {
    let cloud = cloud().await;
    let queue = name("queue");
    let one = json!({"queue_name": queue, "messages": {"body": {"type": "a", "payload": [1]}}});
    let posted = ok(&cloud, "zaqar.queue_post", one).await;
    assert_eq!(posted.get("resources").unwrap().as_list().unwrap().len(), 1);
    let two = json!([{"body": "b", "ttl": 300}, {"body": 3, "ttl": 300}]);
    ok(
        &cloud,
        "zaqar.queue_post",
        json!({"queue_name": queue, "messages": two}),
    )
    .await;

    let all = json!({"queue_name": queue, "echo": true});
    let all = ok(&cloud, "zaqar.queue_messages", all).await;
    let bodies: Vec<String> = all
        .as_list()
        .unwrap()
        .iter()
        .map(|m| m.get("body").unwrap().to_string())
        .collect();
    assert_eq!(bodies, [r#"{"type":"a","payload":[1]}"#, r#""b""#, "3"]);

    let claim = json!({"queue_name": queue, "ttl": 60, "grace": 60, "limit": 1});
    let claimed = ok(&cloud, "zaqar.claim_messages", claim).await;
    let id = claimed
        .index(0)
        .unwrap()
        .get("id")
        .unwrap()
        .as_str()
        .unwrap();
    ok(
        &cloud,
        "zaqar.delete_messages",
        json!({"queue_name": queue, "messages": [id]}),
    )
    .await;
    let popped = ok(
        &cloud,
        "zaqar.queue_pop",
        json!({"queue_name": queue, "count": 5}),
    )
    .await;
    assert_eq!(popped.as_list().unwrap().len(), 2, "{popped}");
    let none = json!({"queue_name": queue, "ttl": 60, "grace": 60});
    assert_eq!(
        ok(&cloud, "zaqar.claim_messages", none).await,
        Value::from(Vec::new())
    );
    delete_queue(&cloud, &queue).await;
}

/// No client operation of Mistral's deletes a queue.
async fn delete_queue(cloud: &Session, queue: &str) {
    use ostro_core::{Method, RelativePath, ServiceRequest};
    use ostro_openstack::Cloud;
    let path = RelativePath::parse(&format!("/v2/queues/{queue}")).unwrap();
    let response = cloud
        .send(ServiceRequest::new("messaging", Method::Delete, path))
        .await;
    assert_eq!(response.unwrap().status, 204);
}

#[tokio::test]
async fn nova_lists_and_finds() {
    let cloud = cloud().await;
    let servers = json!({"search_opts": {"name": name("no-such-server")}});
    assert_eq!(
        ok(&cloud, "nova.servers_list", servers).await,
        Value::from(Vec::new())
    );
    let statistics = ok(&cloud, "nova.hypervisors_statistics", json!({})).await;
    assert_eq!(
        statistics.get("count"),
        statistics.get("_info").unwrap().get("count")
    );
    let missing = json!({"hypervisor_hostname": "no-such-host"});
    assert_eq!(
        call(&cloud, "nova.hypervisors_find", missing)
            .await
            .unwrap_err()
            .to_string(),
        "No Hypervisor matching {'hypervisor_hostname': 'no-such-host'}. (HTTP 404)"
    );
}

#[tokio::test]
async fn images_and_projects_are_listed() {
    let cloud = cloud().await;
    assert!(
        ok(&cloud, "glance.images_list", json!({}))
            .await
            .as_list()
            .is_some()
    );
    let projects = ok(&cloud, "keystone.projects_list", json!({"name": "admin"})).await;
    assert_eq!(names(&projects), ["admin"]);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_with_those_that_are() {
    use ostro_core::{Method, RelativePath, ServiceRequest};
    use ostro_openstack::Cloud;
    let cloud = cloud().await;
    let request = ServiceRequest::new("teapot", Method::Get, RelativePath::parse("/").unwrap());
    match cloud.send(request).await.unwrap_err() {
        CloudError::NoService { service, known } => {
            assert_eq!(service, "teapot");
            assert!(known.contains("baremetal"), "{known}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_application_credential_logs_in() {
    use ostro_core::{Method, RelativePath, ServiceRequest};
    use ostro_openstack::Cloud;
    let cloud = cloud().await;
    let environment = environment();
    let text = std::fs::read_to_string(&environment.variables["OS_CLIENT_CONFIG_FILE"]).unwrap();
    let mut clouds: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let auth_url = clouds["clouds"]["admin"]["auth"]["auth_url"].clone();

    let me = ServiceRequest::new(
        "identity",
        Method::Get,
        RelativePath::parse("/v3/auth/projects").unwrap(),
    );
    assert_eq!(cloud.send(me).await.unwrap().status, 200);
    let users = ServiceRequest {
        query: vec![("name".to_owned(), "admin".to_owned())],
        ..ServiceRequest::new(
            "identity",
            Method::Get,
            RelativePath::parse("/v3/users").unwrap(),
        )
    };
    let users: serde_json::Value =
        serde_json::from_slice(&cloud.send(users).await.unwrap().body).unwrap();
    let user = users["users"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v3/users/{user}/application_credentials");
    let mut create = ServiceRequest::new(
        "identity",
        Method::Post,
        RelativePath::parse(&path).unwrap(),
    );
    create.body = json!({"application_credential": {"name": name("credential"), "roles": [{"name": "admin"}]}})
        .to_string()
        .into_bytes();
    let created = cloud.send(create).await.unwrap();
    let text = String::from_utf8_lossy(&created.body).into_owned();
    assert_eq!(created.status, 201, "{text}");
    let created: serde_json::Value = serde_json::from_slice(&created.body).unwrap();
    let credential = &created["application_credential"];
    let id = credential["id"].as_str().unwrap();

    let entry = json!({"auth_type": "v3applicationcredential", "auth": {"auth_url": auth_url,
        "application_credential_id": id,
        "application_credential_secret": credential["secret"]}});
    clouds["clouds"]["admin"] = serde_yaml::to_value(entry).unwrap();
    let as_credential = with(&clouds);
    let nodes = call(&as_credential, "ironic.node_list", json!({"limit": 1})).await;

    let path = format!("{path}/{id}");
    let delete = ServiceRequest::new(
        "identity",
        Method::Delete,
        RelativePath::parse(&path).unwrap(),
    );
    assert_eq!(cloud.send(delete).await.unwrap().status, 204);
    assert!(nodes.is_ok(), "{nodes:?}");
}

/// A session with the cloud `admin` of `clouds`.
fn with(clouds: &serde_yaml::Value) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clouds.yaml");
    std::fs::write(&path, serde_yaml::to_string(clouds).unwrap()).unwrap();
    let mut environment = environment();
    environment.variables.insert(
        "OS_CLIENT_CONFIG_FILE".to_owned(),
        path.to_str().unwrap().to_owned(),
    );
    Session::new(CloudConfig::load(Some("admin"), &environment).unwrap()).unwrap()
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let environment = environment();
    let text = std::fs::read_to_string(&environment.variables["OS_CLIENT_CONFIG_FILE"]).unwrap();
    let mut clouds: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    clouds["clouds"]["admin"]["auth"]["password"] = "not-the-password".into();
    let session = with(&clouds);
    let error = session.connect().await.unwrap_err();
    let CloudError::Authentication(text) = &error else {
        panic!("{error:?}; {HOW}")
    };
    assert!(
        text.contains("cloud \"admin\"") && text.contains("/v3"),
        "{text}"
    );
    assert!(!format!("{error} {error:?} {session:?}").contains("not-the-password"));
}
