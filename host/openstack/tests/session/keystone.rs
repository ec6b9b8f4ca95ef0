//! A Keystone of a few lines, and the clouds.yaml for it.

use serde_json::{Value as Json, json};

use crate::server::{Answer, Asked};
use ostro_openstack::{CloudConfig, Environment, Limits, Session};
use std::time::Duration;

/// The password that is right.
pub(crate) const PASSWORD: &str = "correct-horse";

/// What Keystone at `origin` answers; none for other paths. Tokens are `token-0`, `token-1`, …
pub(crate) fn answer(origin: &str, asked: &Asked, before: usize, life: i64) -> Option<Answer> {
    match asked.line.as_str() {
        "POST /v3/auth/tokens" => {
            let identity = &asked.json()["auth"]["identity"];
            let known = [
                &identity["password"]["user"]["password"],
                &identity["application_credential"]["secret"],
                &identity["token"]["id"],
            ];
            if !known.contains(&&json!(PASSWORD)) {
                let error = json!({"error": {"code": 401, "title": "Unauthorized",
                    "message": "The request you have made requires authentication."}});
                return Some(Answer::new(401, error.to_string()));
            }
            let body = json!({"token": token(origin, life)});
            Some(
                Answer::new(201, body.to_string())
                    .header("X-Subject-Token", &format!("token-{before}"))
                    .header("content-type", "application/json"),
            )
        }
        _ => None,
    }
}

fn token(origin: &str, life: i64) -> Json {
    let endpoint = |interface: &str, region: &str, url: String| json!({"id": url, "interface": interface, "region": region, "region_id": region, "url": url});
    let service = |kind: &str, endpoints: Vec<Json>| json!({"id": kind, "type": kind, "name": kind, "endpoints": endpoints});
    let public = |url: String| vec![endpoint("public", "RegionOne", url)];
    json!({
        "methods": ["password"],
        "user": {"id": "u", "name": "admin", "domain": {"id": "default", "name": "Default"},
            "password_expires_at": null},
        "project": {"id": "p", "name": "admin", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r", "name": "admin"}],
        "audit_ids": ["a"],
        "is_domain": false,
        "issued_at": time(-60),
        "expires_at": time(life),
        "catalog": [
            service("baremetal", vec![
                endpoint("internal", "RegionOne", format!("{origin}/internal")),
                endpoint("public", "RegionTwo", format!("{origin}/two")),
                endpoint("public", "RegionOne", format!("{origin}/ironic/")),
            ]),
            service("object-store", public(format!("{origin}/v1/AUTH_p"))),
            service("messaging", public(origin.to_owned())),
            service("messaging-websocket", public("ws://127.0.0.1:9000".to_owned())),
            service("compute", public(format!("{origin}/v2.1"))),
            service("workflowv2", public(format!("{origin}/v2"))),
        ],
    })
}

/// The time in `seconds` from now, as Keystone writes it.
fn time(seconds: i64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let total = i64::try_from(now.as_secs()).unwrap() + seconds;
    let (days, rest) = (total.div_euclid(86_400), total.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.000000Z")
}

/// An environment with these variables and nothing else.
pub(crate) fn environment(variables: &[(&str, &str)]) -> Environment {
    let owned = variables
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Environment {
        variables: owned.collect(),
        folder: "/nonexistent".into(),
        system_folder: None,
    }
}

/// A session by password with the Keystone at `origin`, and more variables.
pub(crate) fn session(origin: &str, more: &[(&str, &str)]) -> Session {
    let url = format!("{origin}/v3");
    let mut variables = vec![
        ("OS_AUTH_URL", url.as_str()),
        ("OS_USERNAME", "admin"),
        ("OS_PASSWORD", PASSWORD),
        ("OS_PROJECT_NAME", "admin"),
        ("OS_REGION_NAME", "RegionOne"),
    ];
    variables.extend(more);
    let config = CloudConfig::load(None, &environment(&variables)).unwrap();
    Session::with_limits(config, limits()).unwrap()
}

/// Limits for tests: pauses that take no time.
pub(crate) fn limits() -> Limits {
    Limits {
        timeout: Duration::from_secs(10),
        read_pause: Duration::from_millis(5),
        lock_pause: Duration::from_millis(5),
        max_body: 10_000,
        ..Limits::default()
    }
}
