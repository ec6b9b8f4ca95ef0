//! Tokens, with a Keystone of a few lines: for what cannot be had of a real one. All else is in
//! `tests/keystone.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json as Body, Router};
use ostro_journal::{Journal, Options};
use ostro_openstack::{CloudConfig, Environment, Limits, Session};
use ostro_server::{Auth, KeystoneSettings};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::World;

/// A Keystone.
struct Keystone {
    at: String,
    /// How often it was asked whose a token is.
    asked: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

/// What it needs to answer.
#[derive(Clone)]
struct Known {
    at: String,
    asked: Arc<AtomicUsize>,
    /// How long tokens of callers last.
    life: Duration,
}

fn token(at: &str, life: Duration) -> Json {
    let now = jiff::Timestamp::now();
    let url = format!("{at}/v3");
    let endpoint = json!({"id": "e", "interface": "public", "region": "R", "region_id": "R",
        "url": url});
    json!({"token": {
        "methods": ["password"],
        "user": {"id": "u", "name": "n", "domain": {"id": "default", "name": "Default"},
            "password_expires_at": null},
        "project": {"id": "p", "name": "n", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r", "name": "member"}],
        "audit_ids": ["a"],
        "is_domain": false,
        "issued_at": now.to_string(),
        "expires_at": (now + life).to_string(),
        "catalog": [{"id": "i", "type": "identity", "name": "keystone", "endpoints": [endpoint]}],
    }})
}

async fn log_in(
    State(known): State<Known>,
) -> (StatusCode, [(&'static str, String); 1], Body<Json>) {
    let body = token(&known.at, Duration::from_hours(1));
    let header = [("x-subject-token", "service".to_owned())];
    (StatusCode::CREATED, header, Body(body))
}

async fn validate(State(known): State<Known>, headers: HeaderMap) -> (StatusCode, Body<Json>) {
    known.asked.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(50)).await;
    if headers["x-subject-token"] == "good" && headers["x-auth-token"] == "service" {
        return (StatusCode::OK, Body(token(&known.at, known.life)));
    }
    (StatusCode::NOT_FOUND, Body(json!({"error": {"code": 404}})))
}

impl Keystone {
    async fn start(life: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let known = Known {
            at: at.clone(),
            asked: Arc::clone(&asked),
            life,
        };
        let router = Router::new()
            .route("/v3/auth/tokens", post(log_in).get(validate))
            .with_state(known);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { at, asked, serving }
    }

    /// A server that asks it.
    async fn server(&self) -> World {
        let variables = [
            ("OS_AUTH_URL", format!("{}/v3", self.at)),
            ("OS_USERNAME", "ostro".to_owned()),
            ("OS_PASSWORD", "p".to_owned()),
            ("OS_PROJECT_NAME", "service".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let environment = Environment {
            variables: variables.into(),
            folder: "/nonexistent".into(),
            system_folder: None,
        };
        let limits = Limits {
            read_retries: 1,
            read_pause: Duration::from_millis(5),
            ..Limits::default()
        };
        let config = CloudConfig::load(None, &environment).unwrap();
        let session = Session::with_limits(config, limits).unwrap();
        let auth = Auth::Keystone(KeystoneSettings::new(session));
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        World::open(journal, |server| server.with_auth(auth)).await
    }
}

/// The status of an answer to this token, and the reason of a refusal.
async fn ask(world: &World, token: &str) -> (u16, String) {
    let request = world.client.get(format!("{}/v2/workflows", world.at));
    let answer = request.header("x-auth-token", token).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Json = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    let reason = body["faultstring"].as_str().unwrap_or_default();
    (status, reason.to_owned())
}

#[tokio::test]
async fn keystone_is_asked_once_for_all_who_bring_a_token() {
    let keystone = Keystone::start(Duration::from_hours(1)).await;
    let world = Arc::new(keystone.server().await);
    for (token, status) in [("good", 200), ("bad", 401)] {
        let before = keystone.asked.load(Ordering::SeqCst);
        let askers: Vec<_> = (0..20)
            .map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { ask(&world, token).await.0 })
            })
            .collect();
        for asker in askers {
            assert_eq!(asker.await.unwrap(), status);
        }
        assert_eq!(ask(&world, token).await.0, status);
        assert_eq!(keystone.asked.load(Ordering::SeqCst), before + 1, "{token}");
    }
}

#[tokio::test]
async fn a_token_never_counts_after_it_has_expired() {
    let keystone = Keystone::start(Duration::from_secs(3)).await;
    let world = keystone.server().await;
    assert_eq!(ask(&world, "good").await.0, 200);
    tokio::time::sleep(Duration::from_millis(3100)).await;
    assert_eq!(ask(&world, "good").await.0, 401);
}

#[tokio::test]
async fn a_keystone_that_is_gone_is_not_taken_for_a_refusal() {
    let keystone = Keystone::start(Duration::from_hours(1)).await;
    let world = keystone.server().await;
    assert_eq!(ask(&world, "good").await.0, 200);
    keystone.serving.abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // What is known counts on.
    assert_eq!(ask(&world, "good").await.0, 200);
    let (status, reason) = ask(&world, "other").await;
    assert_eq!(status, 503);
    assert!(reason.starts_with("Keystone cannot be asked"), "{reason}");
    let open = world.client.get(&world.at).send().await.unwrap();
    assert_eq!(open.status(), 200);
}
