//! Projects and users of a real Keystone, and servers that ask it.

use std::time::{Duration, Instant};

use ostro_core::{Method, RelativePath, ServiceRequest, ServiceResponse};
use ostro_journal::{Journal, Options};
use ostro_openstack::{Cloud as _, CloudConfig, Session};
use ostro_server::{Auth, KeystoneSettings, Policy, Server};
use reqwest::header::HeaderMap;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::running::{HOW, environment};
use crate::world::{PATIENCE, World};

/// A Keystone that runs.
pub(crate) struct Keystone {
    admin: Session,
}

/// A user with a role in a project.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) project: String,
    /// For their project.
    pub(crate) token: String,
    password: String,
}

/// What a server answers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn reason(&self) -> String {
        let fault: Json = serde_json::from_str(&self.text).unwrap_or_default();
        fault["faultstring"].as_str().unwrap_or_default().to_owned()
    }
}

fn session(cloud: &str) -> Session {
    let config = CloudConfig::load(Some(cloud), &environment());
    Session::new(config.unwrap_or_else(|error| panic!("{error}; {HOW}"))).unwrap()
}

impl Keystone {
    pub(crate) async fn running() -> Self {
        let admin = session("admin");
        if let Err(error) = admin.connect().await {
            panic!("{error}; {HOW}");
        }
        Self { admin }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Json,
    ) -> ServiceResponse {
        let mut request =
            ServiceRequest::new("identity", method, RelativePath::parse(path).unwrap());
        for (name, value) in headers {
            let header = ((*name).to_owned(), (*value).to_owned());
            request.headers.push(header);
        }
        if !body.is_null() {
            request.body = body.to_string().into_bytes();
        }
        self.admin.send(request).await.unwrap()
    }

    async fn asked(&self, method: Method, path: &str, body: Json) -> Json {
        let answer = self.send(method, path, &[], body).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status < 300, "{path}: {} {text}", answer.status);
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A new project.
    pub(crate) async fn project(&self) -> String {
        let name = format!("ostro-test-{}", Uuid::new_v4().simple());
        let body = json!({"project": {"name": name}});
        let made = self.asked(Method::Post, "/v3/projects", body).await;
        made["project"]["id"].as_str().unwrap().to_owned()
    }

    /// A new user who has a role in a project.
    pub(crate) async fn user(&self, project: &str, role: &str) -> User {
        let name = format!("ostro-test-{}", Uuid::new_v4().simple());
        let password = Uuid::new_v4().simple().to_string();
        let body = json!({"user": {"name": name, "password": password}});
        let made = self.asked(Method::Post, "/v3/users", body).await;
        let id = made["user"]["id"].as_str().unwrap().to_owned();
        let role = self.role(role).await;
        let path = format!("/v3/projects/{project}/users/{id}/roles/{role}");
        self.asked(Method::Put, &path, Json::Null).await;
        let mut user = User {
            id,
            project: project.to_owned(),
            token: String::new(),
            password,
        };
        user.token = self.token(&user).await;
        user
    }

    /// The id of a role, which is made where there is none.
    async fn role(&self, name: &str) -> String {
        let known = self.asked(Method::Get, "/v3/roles", Json::Null).await;
        let mut known = known["roles"].as_array().unwrap().iter();
        if let Some(role) = known.find(|role| role["name"] == name) {
            return role["id"].as_str().unwrap().to_owned();
        }
        let body = json!({"role": {"name": name}});
        let made = self.asked(Method::Post, "/v3/roles", body).await;
        made["role"]["id"].as_str().unwrap().to_owned()
    }

    /// A token for what `scope` says.
    pub(crate) async fn log_in(&self, user: &User, scope: Json) -> String {
        let who = json!({"id": user.id, "password": user.password});
        let identity = json!({"methods": ["password"], "password": {"user": who}});
        self.token_for(json!({"identity": identity, "scope": scope}))
            .await
    }

    async fn token_for(&self, auth: Json) -> String {
        let body = json!({ "auth": auth });
        let at = format!("{}auth/tokens", self.admin.auth_url().unwrap());
        let client = reqwest::Client::new();
        let request = client
            .post(at)
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let token = answer.headers().get("x-subject-token").cloned();
        let token = token.unwrap_or_else(|| panic!("Keystone lets nobody in: {status}"));
        token.to_str().unwrap().to_owned()
    }

    /// A token for their project.
    pub(crate) async fn token(&self, user: &User) -> String {
        self.log_in(user, json!({"project": {"id": user.project}}))
            .await
    }

    /// The same, by an application credential that they make.
    pub(crate) async fn token_of_an_application(&self, user: &User) -> String {
        let body = json!({"application_credential": {"name": "tests", "secret": "a-secret"}});
        let path = format!("users/{}/application_credentials", user.id);
        let (status, made) = self.as_user(user, Some(&body), &path).await;
        assert_eq!(status, 201, "{made}");
        let id = &made["application_credential"]["id"];
        let credential = json!({"id": id, "secret": "a-secret"});
        self.token_for(json!({"identity": {"methods": ["application_credential"],
            "application_credential": credential}}))
            .await
    }

    /// How many trusts they have given.
    pub(crate) async fn trusts(&self, user: &User) -> usize {
        let path = format!("OS-TRUST/trusts?trustor_user_id={}", user.id);
        let (status, list) = self.as_user(user, None, &path).await;
        assert_eq!(status, 200, "{list}");
        list["trusts"].as_array().unwrap().len()
    }

    /// Waits until none of the trusts that they have given is left.
    pub(crate) async fn has_no_trusts(&self, user: &User) {
        for _ in 0..600 {
            if self.trusts(user).await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} trusts are left", self.trusts(user).await);
    }

    /// What Keystone answers them at `path`; with a body, it is POST.
    async fn as_user(&self, user: &User, body: Option<&Json>, path: &str) -> (u16, Json) {
        let at = format!("{}{path}", self.admin.auth_url().unwrap());
        let client = reqwest::Client::new();
        let request = match body {
            Some(body) => client
                .post(at)
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => client.get(at),
        };
        let token = self.token(user).await;
        let answer = request.header("x-auth-token", token).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// The session by which servers ask.
    pub(crate) fn session(&self) -> &Session {
        &self.admin
    }

    pub(crate) async fn revoke(&self, token: &str) {
        let headers = [("x-subject-token", token)];
        let path = "/v3/auth/tokens";
        let answer = self.send(Method::Delete, path, &headers, Json::Null).await;
        assert_eq!(answer.status, 204);
    }

    /// How a server asks, that remembers for so long.
    pub(crate) fn settings(&self, remember: Duration) -> KeystoneSettings {
        KeystoneSettings {
            remember,
            ..KeystoneSettings::new(self.admin.clone())
        }
    }

    /// A server that asks Keystone.
    pub(crate) async fn server(&self) -> World {
        self.server_with(Policy::default()).await
    }

    /// The same, with these rules.
    pub(crate) async fn server_with(&self, policy: Policy) -> World {
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        self.server_on(journal, policy).await
    }

    /// The same, with what `journal` has.
    pub(crate) async fn server_on(&self, journal: Journal, policy: Policy) -> World {
        let auth = Auth::Keystone(self.settings(Duration::from_mins(5)));
        let configured = |server: Server| server.with_auth(auth).with_policy(policy);
        World::open(journal, configured).await
    }
}

/// The settings of a server whose account may not look at tokens.
pub(crate) fn without_rights() -> KeystoneSettings {
    KeystoneSettings::new(session("demo"))
}

/// Who asks a server.
pub(crate) struct Asker<'a> {
    pub(crate) world: &'a World,
    pub(crate) token: &'a str,
}

impl User {
    pub(crate) fn at<'a>(&'a self, world: &'a World) -> Asker<'a> {
        Asker {
            world,
            token: &self.token,
        }
    }
}

impl Asker<'_> {
    /// Sends a text, or JSON where it begins as an object does.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let url = format!("{}{path}", self.world.at);
        let method: reqwest::Method = method.parse().unwrap();
        let mut request = self.world.client.request(method, url);
        if body.starts_with('{') {
            request = request.header("content-type", "application/json");
        }
        if !self.token.is_empty() {
            request = request.header("x-auth-token", self.token);
        }
        // None of these is believed.
        for (name, value) in [
            ("x-project-id", "admin"),
            ("x-roles", "admin"),
            ("x-identity-status", "Confirmed"),
        ] {
            request = request.header(name, value);
        }
        let request = request.body(body.to_owned());
        let mut answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let kind = headers.get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let mut body = Vec::new();
        if kind.starts_with("text/event-stream") {
            // It has no end: what comes at once is all that there is so far.
            let pause = Duration::from_millis(300);
            while let Ok(chunk) = tokio::time::timeout(pause, answer.chunk()).await {
                match chunk.unwrap() {
                    Some(chunk) if body.len() < 1 << 20 => body.extend_from_slice(&chunk),
                    _ => break,
                }
            }
        } else {
            body = answer.bytes().await.unwrap().to_vec();
        }
        Answer {
            status,
            headers,
            text: String::from_utf8(body).unwrap(),
        }
    }

    pub(crate) async fn status(&self, method: &str, path: &str, body: &str) -> u16 {
        self.send(method, path, body).await.status
    }

    /// An answer that is no refusal.
    pub(crate) async fn done(&self, method: &str, path: &str, body: &str) -> Json {
        let answer = self.send(method, path, body).await;
        let (status, text) = (answer.status, &answer.text);
        assert!(status < 300, "{method} {path}: {status} {text}");
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(crate) async fn get(&self, path: &str) -> Json {
        self.done("GET", path, "").await
    }

    /// Starts an execution, and waits until it is in `state`.
    pub(crate) async fn run(&self, workflow: &str, state: &str) -> String {
        let body = json!({"workflow_name": workflow}).to_string();
        let started = self.done("POST", "/v2/executions", &body).await;
        let id = started["id"].as_str().unwrap().to_owned();
        self.until(&format!("/v2/executions/{id}"), |row| row["state"] == state)
            .await;
        id
    }

    /// What is at `path`, once it is as wanted.
    pub(crate) async fn until(&self, path: &str, is: impl Fn(&Json) -> bool) -> Json {
        let began = Instant::now();
        loop {
            let row = self.get(path).await;
            if is(&row) {
                return row;
            }
            assert!(began.elapsed() < PATIENCE, "{path} stays {row}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
