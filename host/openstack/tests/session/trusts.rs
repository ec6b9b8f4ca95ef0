//! Logging in by a trust, and with a token that somebody gave.

use ostro_core::Method;
use ostro_openstack::{Cloud, CloudError};

use crate::keystone::session;
use crate::server::Answer;
use crate::{LOGIN, NODES, cloud, nodes, request};

#[tokio::test]
async fn a_trust_is_the_scope_of_each_login_and_a_refused_token_is_renewed() {
    let server = cloud(|asked, _| match asked.header("x-auth-token") {
        Some("token-0") => Answer::new(401, "{}"),
        _ => Answer::new(200, "{}"),
    })
    .await;
    let own = session(&server.origin, &[]);
    let trusted = own.by_trust("b1ab1a").unwrap();
    assert_eq!(trusted.send(nodes()).await.unwrap().status, 200);
    let logins = server.asked(LOGIN);
    assert_eq!(logins.len(), 2, "the session's own login is not used");
    for login in &logins {
        let auth = &login.json()["auth"];
        assert_eq!(auth["scope"]["OS-TRUST:trust"]["id"], "b1ab1a", "{auth}");
        assert!(auth["scope"]["project"].is_null(), "{auth}");
        assert_eq!(auth["identity"]["methods"][0], "password");
    }
    // Its own is as it was.
    own.send(nodes()).await.unwrap();
    let auth = &server.asked(LOGIN)[2].json()["auth"];
    assert!(auth["scope"]["OS-TRUST:trust"].is_null(), "{auth}");
}

#[tokio::test]
async fn an_application_credential_acts_by_no_trust() {
    let server = cloud(|_, _| Answer::new(200, "{}")).await;
    let credential = [
        ("OS_AUTH_TYPE", "v3applicationcredential"),
        ("OS_APPLICATION_CREDENTIAL_ID", "i"),
        ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
    ];
    let own = session(&server.origin, &credential);
    let error = own.by_trust("b1ab1a").unwrap().connect().await.unwrap_err();
    assert!(
        error.to_string().contains("user with a password"),
        "{error}"
    );
    assert!(server.asked(LOGIN).is_empty());
}

#[tokio::test]
async fn a_given_token_is_never_renewed() {
    let server = cloud(|asked, before| match asked.line.as_str() {
        "GET /v3/auth/tokens" => {
            let endpoint = serde_json::json!({"id": "e", "interface": "public",
                "region": "RegionOne", "url": format!("http://{}/ironic", asked.header("host").unwrap())});
            let token = serde_json::json!({"token": {"user": {"id": "u", "name": "u"},
                "expires_at": "2999-01-01T00:00:00.000000Z",
                "catalog": [{"id": "s", "name": "ironic", "type": "baremetal",
                    "endpoints": [endpoint]}]}});
            Answer::new(200, token.to_string())
        }
        _ if before == 0 => Answer::new(200, "{}"),
        _ => Answer::new(401, "{}"),
    })
    .await;
    let own = session(&server.origin, &[]);
    let given = own.by_token("given".into(), "ask for another").unwrap();
    assert_eq!(given.send(nodes()).await.unwrap().status, 200);
    let asked = server.asked(NODES);
    assert_eq!(asked[0].header("x-auth-token"), Some("given"));
    for _ in 0..2 {
        let error = given.send(nodes()).await.unwrap_err();
        let CloudError::Authentication(reason) = &error else {
            panic!("{error:?}")
        };
        assert!(
            reason.contains("has expired or was revoked") && reason.ends_with("ask for another"),
            "{reason}"
        );
    }
    assert!(server.asked(LOGIN).is_empty());
    assert!(!format!("{given:?}").contains("given\""), "{given:?}");
    let swift = given.send(request("object-store", Method::Get, "/")).await;
    assert!(swift.is_err());
}
