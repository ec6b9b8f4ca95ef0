//! Sessions with a cloud that is a small HTTP server: logging in, headers, what is sent again and
//! what is not, redirects and bounds.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod config;
mod keystone;
mod server;
mod trusts;

use ostro_core::{Method, RelativePath, ServiceRequest};
use ostro_openstack::{Cloud, CloudConfig, CloudError, Session};

use keystone::{PASSWORD, environment, limits, session};
use server::{Answer, Server};

fn request(service: &str, method: Method, path: &str) -> ServiceRequest {
    ServiceRequest::new(service, method, RelativePath::parse(path).unwrap())
}

fn nodes() -> ServiceRequest {
    request("baremetal", Method::Get, "/v1/nodes")
}

/// A cloud whose services answer as `services` says; tokens last an hour.
async fn cloud(
    services: impl Fn(&server::Asked, usize) -> Answer + Send + Sync + 'static,
) -> Server {
    Server::start(move |origin, asked, before| {
        keystone::answer(origin, asked, before, 3600).unwrap_or_else(|| services(asked, before))
    })
    .await
}

#[tokio::test]
async fn a_password_logs_in_to_a_project_of_the_default_domain() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    session(&server.origin, &[]).connect().await.unwrap();
    let auth = &server.asked(LOGIN)[0].json()["auth"];
    assert_eq!(
        auth["identity"]["password"]["user"]["domain"]["id"], "default",
        "{auth}"
    );
    assert_eq!(auth["scope"]["project"]["domain"]["id"], "default");
    let named = [
        ("OS_USER_DOMAIN_NAME", "Users"),
        ("OS_PROJECT_DOMAIN_NAME", "Projects"),
    ];
    session(&server.origin, &named).connect().await.unwrap();
    let auth = &server.asked(LOGIN)[1].json()["auth"];
    assert_eq!(
        auth["identity"]["password"]["user"]["domain"]["name"], "Users",
        "{auth}"
    );
    assert_eq!(auth["scope"]["project"]["domain"]["name"], "Projects");
}

const LOGIN: &str = "POST /v3/auth/tokens";
const NODES: &str = "GET /ironic/v1/nodes";

#[tokio::test]
async fn many_requests_share_one_login() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let session = session(&server.origin, &[]);
    assert!(
        server.asked("").is_empty(),
        "nothing is sent before it is needed"
    );
    let sends = (0..20).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.send(nodes()).await })
    });
    for send in sends.collect::<Vec<_>>() {
        assert_eq!(send.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(server.asked(LOGIN).len(), 1);
    let asked = server.asked(NODES);
    assert_eq!(asked.len(), 20);
    assert!(
        asked
            .iter()
            .all(|asked| asked.header("x-auth-token") == Some("token-0"))
    );
}

#[tokio::test]
async fn headers_say_what_services_want_to_know() {
    let server = cloud(|_, _| Answer::new(200, "{}").header("X-Subject-Token", "secret")).await;
    let session = session(&server.origin, &[]);
    for (service, path, version) in [
        ("baremetal", "/v1/nodes", Some("1.34")),
        ("compute", "/v2.1/servers", Some("2.53")),
        ("messaging", "/v2/queues", None),
    ] {
        let mut request = request(service, Method::Get, path);
        request.microversion = version.map(str::to_owned);
        let response = session.send(request).await.unwrap();
        assert_eq!(
            response.header("x-subject-token"),
            None,
            "credentials are taken out"
        );
    }
    let ironic = &server.asked("GET /ironic/v1/nodes")[0];
    assert_eq!(
        ironic.header("openstack-api-version"),
        Some("baremetal 1.34")
    );
    assert_eq!(
        ironic.header("x-openstack-ironic-api-version"),
        Some("1.34")
    );
    let nova = &server.asked("GET /v2.1/servers")[0];
    assert_eq!(nova.header("x-openstack-nova-api-version"), Some("2.53"));
    let zaqar = &server.asked("GET /v2/queues")[0];
    assert_eq!(zaqar.header("client-id").unwrap().len(), 36);
    assert_eq!(zaqar.header("openstack-api-version"), None);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_for_all() {
    let server = cloud(|asked, _| match asked.header("x-auth-token") {
        Some("token-0") => Answer::new(401, "expired"),
        _ => Answer::new(200, "{}"),
    })
    .await;
    let session = session(&server.origin, &[]);
    let sends = (0..10).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.send(nodes()).await })
    });
    for send in sends.collect::<Vec<_>>() {
        assert_eq!(send.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(server.asked(LOGIN).len(), 2);
}

#[tokio::test]
async fn a_write_with_a_refused_token_is_sent_again_with_its_body() {
    let server = cloud(|asked, _| match asked.header("x-auth-token") {
        Some("token-0") => Answer::new(401, "expired"),
        _ => Answer::new(202, ""),
    })
    .await;
    let mut write = request("baremetal", Method::Put, "/v1/nodes/a/states/power");
    write.body = b"{\"target\": \"power on\"}".to_vec();
    assert_eq!(
        session(&server.origin, &[])
            .send(write)
            .await
            .unwrap()
            .status,
        202
    );
    let asked = server.asked("PUT");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, asked[1].body);
    assert_eq!(asked[1].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_service_that_refuses_every_token_is_an_error() {
    let server = cloud(|_, _| Answer::new(401, "no")).await;
    let error = session(&server.origin, &[])
        .send(nodes())
        .await
        .unwrap_err();
    assert!(matches!(&error, CloudError::Authentication(text) if text.contains("\"baremetal\"")));
    assert_eq!(server.asked(NODES).len(), 2);
    assert_eq!(server.asked(LOGIN).len(), 2);
}

#[tokio::test]
async fn a_token_that_expires_soon_is_renewed_before_it_is_used() {
    let server = Server::start(|origin, asked, before| {
        let life = if before == 0 { 10 } else { 3600 };
        keystone::answer(origin, asked, before, life).unwrap_or_else(|| Answer::new(200, "{}"))
    })
    .await;
    let session = session(&server.origin, &[]);
    for _ in 0..3 {
        session.send(nodes()).await.unwrap();
    }
    let tokens: Vec<_> = server
        .asked(NODES)
        .iter()
        .map(|asked| asked.header("x-auth-token").unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["token-0", "token-1", "token-1"]);
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let session = session(&server.origin, &[("OS_PASSWORD", "wrong-horse")]);
    let error = session.send(nodes()).await.unwrap_err();
    let CloudError::Authentication(text) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        text,
        &format!(
            "the OS_* environment: Keystone at {}/v3/ refuses the credentials: The request you \
             have made requires authentication. Check user, password, project and their domains",
            server.origin
        )
    );
    assert!(!format!("{error:?} {session:?}").contains("wrong-horse"));
    assert!(server.asked(NODES).is_empty());
}

#[tokio::test]
async fn a_keystone_that_is_down_is_told_with_its_address() {
    let origin = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error = session(&origin, &[]).send(nodes()).await.unwrap_err();
    let CloudError::Unreachable { service, reason } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(service, "identity");
    assert!(reason.contains(&format!("{origin}/v3")), "{reason}");
    assert!(reason.contains("no connection"), "{reason}");
    assert!(reason.contains("auth_url"), "{reason}");
}

#[tokio::test]
async fn a_login_that_is_redirected_does_not_take_the_password_along() {
    let evil = Server::start(|_, _, _| Answer::new(200, "{}")).await;
    let target = format!("{}/v3/auth/tokens", evil.origin);
    let server =
        Server::start(move |_, _, _| Answer::new(307, "").header("location", &target)).await;
    let error = session(&server.origin, &[])
        .send(nodes())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it answers 307 and is no Identity API"),
        "{error}"
    );
    assert!(evil.asked("").is_empty());
}

#[tokio::test]
async fn who_waits_for_a_login_that_fails_shares_its_error() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let session = session(&server.origin, &[("OS_PASSWORD", "wrong-horse")]);
    let sends = (0..10).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.send(nodes()).await })
    });
    for send in sends.collect::<Vec<_>>() {
        assert!(matches!(
            send.await.unwrap(),
            Err(CloudError::Authentication(_))
        ));
    }
    assert_eq!(server.asked(LOGIN).len(), 1);
    // Who comes later tries again: the password may have been put right at Keystone.
    assert!(session.send(nodes()).await.is_err());
    assert_eq!(server.asked(LOGIN).len(), 2);
}

#[tokio::test]
async fn an_application_credential_logs_in_without_a_scope() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let url = format!("{}/v3", server.origin);
    let variables = [
        ("OS_AUTH_URL", url.as_str()),
        ("OS_APPLICATION_CREDENTIAL_ID", "id"),
        ("OS_APPLICATION_CREDENTIAL_SECRET", PASSWORD),
        ("OS_PROJECT_NAME", "ignored"),
        ("OS_REGION_NAME", "RegionOne"),
    ];
    let config = CloudConfig::load(None, &environment(&variables)).unwrap();
    let session = Session::with_limits(config, limits()).unwrap();
    session.send(nodes()).await.unwrap();
    let auth = &server.asked(LOGIN)[0].json()["auth"];
    assert_eq!(auth["identity"]["methods"][0], "application_credential");
    assert!(
        auth["scope"].is_null() || auth["scope"] == "unscoped",
        "{auth}"
    );
}

#[tokio::test]
async fn a_token_logs_in() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let url = format!("{}/v3", server.origin);
    let variables = [
        ("OS_AUTH_URL", url.as_str()),
        ("OS_TOKEN", PASSWORD),
        ("OS_PROJECT_NAME", "admin"),
        ("OS_REGION_NAME", "RegionOne"),
    ];
    let config = CloudConfig::load(None, &environment(&variables)).unwrap();
    let session = Session::with_limits(config, limits()).unwrap();
    assert_eq!(session.send(nodes()).await.unwrap().status, 200);
    assert_eq!(
        server.asked(NODES)[0].header("x-auth-token"),
        Some("token-0")
    );
}

#[tokio::test]
async fn without_keystone_requests_carry_no_token() {
    let server = Server::start(|_, _, _| Answer::new(401, "no")).await;
    let variables = [
        ("OS_AUTH_TYPE", "none"),
        ("OS_ENDPOINT", server.origin.as_str()),
    ];
    let config = CloudConfig::load(None, &environment(&variables)).unwrap();
    let session = Session::with_limits(config, limits()).unwrap();
    // With nobody to be, a 401 is an answer as any other.
    assert_eq!(session.send(nodes()).await.unwrap().status, 401);
    assert_eq!(
        server.asked("GET /v1/nodes")[0].header("x-auth-token"),
        None
    );
    let other = session
        .send(request("object-store", Method::Get, "/"))
        .await
        .unwrap_err();
    assert!(
        other
            .to_string()
            .contains("OS_OBJECT_STORE_ENDPOINT_OVERRIDE"),
        "{other}"
    );
}

#[tokio::test]
async fn the_region_the_interface_and_overrides_choose_the_endpoint() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let elsewhere = format!("{}/elsewhere", server.origin);
    for (variables, path) in [
        (vec![("OS_REGION_NAME", "RegionTwo")], "/two/v1/nodes"),
        (vec![("OS_INTERFACE", "internal")], "/internal/v1/nodes"),
        (
            vec![("OS_BAREMETAL_ENDPOINT_OVERRIDE", elsewhere.as_str())],
            "/elsewhere/v1/nodes",
        ),
    ] {
        session(&server.origin, &variables)
            .send(nodes())
            .await
            .unwrap();
        assert_eq!(server.asked(&format!("GET {path}")).len(), 1, "{path}");
    }
    let admin = session(&server.origin, &[("OS_INTERFACE", "admin")])
        .send(nodes())
        .await;
    assert_eq!(
        admin.unwrap_err().to_string(),
        "the cloud has no \"baremetal\" service: its catalogue lists it as internal in RegionOne, \
         public in RegionTwo, public in RegionOne, and the OS_* environment wants admin in RegionOne"
    );
    let alias = request("workflow", Method::Get, "/v2/executions");
    session(&server.origin, &[]).send(alias).await.unwrap();
    assert_eq!(server.asked("GET /v2/executions").len(), 1);
}

#[tokio::test]
async fn a_redirect_elsewhere_is_refused_and_the_token_stays() {
    let evil = Server::start(|_, _, _| Answer::new(200, "{}")).await;
    let target = format!("{}/v1/nodes", evil.origin);
    let server = cloud(move |_, _| Answer::new(302, "").header("location", &target)).await;
    for method in [Method::Get, Method::Head] {
        let error = session(&server.origin, &[])
            .send(request("baremetal", method, "/v1/nodes"))
            .await;
        assert!(matches!(error, Err(CloudError::Denied(text)) if text.contains("another origin")));
    }
    // A write is not redirected at all: its answer is the redirect.
    let session = session(&server.origin, &[]);
    let write = session
        .send(request("baremetal", Method::Post, "/v1/nodes"))
        .await;
    assert_eq!(write.unwrap().status, 302);
    assert!(evil.asked("").is_empty());
}

#[tokio::test]
async fn a_read_follows_redirects_of_its_own_origin_for_a_while() {
    let server = cloud(|asked, _| match asked.line.as_str() {
        "GET /ironic/v1/nodes" => Answer::new(302, "").header("location", "/ironic/v1/other?a=b"),
        "GET /ironic/v1/other?a=b" => Answer::new(200, "there"),
        _ => Answer::new(302, "").header("location", "/ironic/v1/loop"),
    })
    .await;
    let session = session(&server.origin, &[]);
    assert_eq!(session.send(nodes()).await.unwrap().body, b"there");
    let error = session
        .send(request("baremetal", Method::Get, "/v1/loop"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("redirected more than 5 times"),
        "{error}"
    );
    assert_eq!(server.asked("GET /ironic/v1/loop").len(), 6);
}

#[tokio::test]
async fn a_read_is_sent_again_when_a_service_stumbles() {
    let server = cloud(|asked, before| match (asked.line.as_str(), before) {
        (NODES, 0) => Answer::new(503, ""),
        (NODES, 1) => Answer::Nothing,
        (NODES, _) => Answer::new(200, "{}"),
        _ => Answer::new(504, ""),
    })
    .await;
    let session = session(&server.origin, &[]);
    assert_eq!(session.send(nodes()).await.unwrap().status, 200);
    assert_eq!(server.asked(NODES).len(), 3);
    // It gives up at some time, and tells the last answer.
    let lost = request("baremetal", Method::Get, "/v1/lost");
    assert_eq!(session.send(lost).await.unwrap().status, 504);
    assert_eq!(server.asked("GET /ironic/v1/lost").len(), 4);
}

#[tokio::test]
async fn a_write_is_not_sent_again() {
    let server = cloud(|asked, _| match asked.line.as_str() {
        "POST /ironic/v1/nodes" => Answer::new(503, ""),
        _ => Answer::Nothing,
    })
    .await;
    let session = session(&server.origin, &[]);
    let post = request("baremetal", Method::Post, "/v1/nodes");
    assert_eq!(session.send(post).await.unwrap().status, 503);
    assert_eq!(server.asked("POST /ironic").len(), 1);
    let patch = request("baremetal", Method::Patch, "/v1/nodes/a");
    let error = session.send(patch).await.unwrap_err();
    assert!(matches!(&error, CloudError::Unreachable { service, .. } if service == "baremetal"));
    assert_eq!(server.asked("PATCH").len(), 1);
}

#[tokio::test]
async fn a_write_to_a_locked_node_is_sent_again() {
    let locked = r#"{"error_message": "Node a is locked by host x, please retry."}"#;
    let server = cloud(move |asked, before| match (asked.line.as_str(), before) {
        ("PUT /ironic/v1/nodes/a/states/power", 2) => Answer::new(202, ""),
        ("PUT /ironic/v1/nodes/c/states/power", _) => Answer::new(409, "no such power state"),
        _ => Answer::new(409, locked),
    })
    .await;
    let session = session(&server.origin, &[]);
    for (node, status, times) in [("a", 202, 3), ("b", 409, 6), ("c", 409, 1)] {
        let path = format!("/v1/nodes/{node}/states/power");
        let response = session
            .send(request("baremetal", Method::Put, &path))
            .await
            .unwrap();
        assert_eq!(response.status, status, "node {node}");
        assert_eq!(
            server.asked(&format!("PUT /ironic{path}")).len(),
            times,
            "node {node}"
        );
    }
}

#[tokio::test]
async fn bodies_have_a_bound_both_ways() {
    let server = cloud(|_, _| Answer::new(200, "x".repeat(10_001))).await;
    let session = session(&server.origin, &[]);
    let error = session.send(nodes()).await.unwrap_err();
    assert_eq!(
        error,
        CloudError::Exhausted(
            "the \"baremetal\" service answers with more than 10000 bytes".to_owned()
        )
    );
    let mut large = request("object-store", Method::Put, "/box/a");
    large.body = vec![b'x'; 10_001];
    assert!(matches!(
        session.send(large).await,
        Err(CloudError::Invalid(_))
    ));
    assert!(server.asked("PUT").is_empty());
}

#[tokio::test]
async fn a_request_cannot_bring_a_token_or_a_host() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let session = session(&server.origin, &[]);
    for name in ["X-Auth-Token", "Host", "Transfer-Encoding"] {
        let mut request = nodes();
        request.headers.push((name.to_owned(), "x".to_owned()));
        assert!(
            matches!(session.send(request).await, Err(CloudError::Invalid(_))),
            "{name}"
        );
    }
    assert!(server.asked(NODES).is_empty());
}

#[tokio::test]
async fn a_session_without_a_cloud_says_so_when_it_is_asked() {
    let reason = CloudConfig::load(None, &environment(&[])).unwrap_err();
    let session = Session::unconfigured(reason.clone());
    assert_eq!(session.send(nodes()).await.unwrap_err(), reason);
    assert_eq!(session.label(), None);
}
