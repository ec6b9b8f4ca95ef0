//! Acting as users: by trusts, which outlive their tokens, and on a second cloud with a token.

use std::sync::Arc;

use ostro_core::{Method, RelativePath, ServiceRequest, ServiceResponse};
use ostro_openstack::{
    Cloud, CloudConfig, CloudError, Delegation, Delegations, Delegator, Environment, Session,
    Target,
};
use reqwest::Client;
use serde_json::{Value as Json, json};

use crate::{cloud, environment, name};

fn request(service: &str, method: Method, path: &str) -> ServiceRequest {
    ServiceRequest::new(service, method, RelativePath::parse(path).unwrap())
}

/// What the administrator's Keystone answers to a request that must succeed.
async fn keystone(admin: &Session, method: Method, path: &str, body: Json) -> Json {
    let mut request = request("identity", method, path);
    if !body.is_null() {
        request.body = body.to_string().into_bytes();
    }
    let answer = admin.send(request).await.unwrap();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(answer.status < 300, "{path}: {} {text}", answer.status);
    serde_json::from_str(&text).unwrap_or_default()
}

/// Users of their own projects, and the session of a host that is no administrator.
struct People {
    admin: Session,
    auth_url: String,
    member: String,
    host: Session,
    made: Vec<String>,
}

/// One of them.
struct Person {
    id: String,
    project: String,
    account: Session,
}

impl People {
    async fn new() -> Self {
        let admin = cloud().await;
        let clouds = environment().variables["OS_CLIENT_CONFIG_FILE"].clone();
        let clouds: Json = serde_yaml::from_str(&std::fs::read_to_string(clouds).unwrap()).unwrap();
        let auth_url = clouds["clouds"]["admin"]["auth"]["auth_url"].clone();
        let roles = keystone(&admin, Method::Get, "/v3/roles", Json::Null).await;
        let roles = roles["roles"].as_array().unwrap().iter();
        let member = roles.clone().find(|role| role["name"] == "member").unwrap();
        let mut people = Self {
            host: admin.clone(),
            auth_url: auth_url.as_str().unwrap().to_owned(),
            member: member["id"].as_str().unwrap().to_owned(),
            made: Vec::new(),
            admin,
        };
        people.host = people.person().await.account;
        people
    }

    /// A new user, member of a new project.
    async fn person(&mut self) -> Person {
        let (admin, password) = (&self.admin, "a-password-of-tests");
        let project = json!({"project": {"name": name("project"), "domain_id": "default"}});
        let project = keystone(admin, Method::Post, "/v3/projects", project).await;
        let project = project["project"]["id"].as_str().unwrap().to_owned();
        let user = json!({"user": {"name": name("user"), "domain_id": "default",
            "password": password}});
        let user = keystone(admin, Method::Post, "/v3/users", user).await;
        let id = user["user"]["id"].as_str().unwrap().to_owned();
        let role = format!("/v3/projects/{project}/users/{id}/roles/{}", self.member);
        keystone(admin, Method::Put, &role, Json::Null).await;
        self.made.push(format!("/v3/users/{id}"));
        self.made.push(format!("/v3/projects/{project}"));
        let variables = [
            ("OS_AUTH_URL", self.auth_url.as_str()),
            ("OS_USER_ID", &id),
            ("OS_PASSWORD", password),
            ("OS_PROJECT_ID", &project),
        ];
        let environment = Environment {
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            folder: ".".into(),
            system_folder: None,
        };
        let account = Session::new(CloudConfig::load(None, &environment).unwrap()).unwrap();
        Person {
            id,
            project,
            account,
        }
    }

    /// What Keystone gives for `auth`: the token.
    async fn token(&self, auth: Json) -> String {
        let answer = Client::new()
            .post(format!("{}/auth/tokens", self.auth_url))
            .header("content-type", "application/json")
            .body(json!({ "auth": auth }).to_string())
            .send()
            .await
            .unwrap();
        let token = answer.headers().get("x-subject-token").cloned();
        token.unwrap().to_str().unwrap().to_owned()
    }

    /// A token of `person`'s, and who they are by it.
    async fn delegator(&self, person: &Person) -> Delegator {
        let password = json!({"user": {"id": person.id, "password": "a-password-of-tests"}});
        let token = self.token(json!({
            "identity": {"methods": ["password"], "password": password},
            "scope": {"project": {"id": person.project}},
        }));
        person.delegator(&token.await)
    }

    /// Has Keystone take a token back.
    async fn revoke(&self, delegator: &Delegator) {
        use secrecy::ExposeSecret as _;
        let token = delegator.token.expose_secret();
        let answer = Client::new()
            .delete(format!("{}/auth/tokens", self.auth_url))
            .header("x-auth-token", token)
            .header("x-subject-token", token)
            .send();
        assert_eq!(answer.await.unwrap().status(), 204);
    }

    async fn gone(self) {
        for path in self.made {
            keystone(&self.admin, Method::Delete, &path, Json::Null).await;
        }
    }
}

impl Person {
    fn delegator(&self, token: &str) -> Delegator {
        Delegator {
            token: token.to_owned().into(),
            user_id: self.id.clone(),
            project_id: self.project.clone(),
            roles: vec!["member".to_owned()],
        }
    }

    /// The names of the containers in their account.
    async fn containers(&self) -> Vec<String> {
        let mut request = request("object-store", Method::Get, "/");
        request.query.push(("format".into(), "json".into()));
        let answer = self.account.send(request).await.unwrap();
        let list: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        let list = list.as_array().cloned().unwrap_or_default();
        let names = list
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect()
    }
}

async fn put(cloud: &dyn Cloud, container: &str) -> Result<ServiceResponse, CloudError> {
    let path = format!("/{container}");
    cloud
        .send(request("object-store", Method::Put, &path))
        .await
}

#[tokio::test]
async fn by_a_trust_the_host_acts_as_its_giver_though_their_token_is_revoked() {
    let mut people = People::new().await;
    let persons = [people.person().await, people.person().await];
    let delegations = Delegations::new(people.host.clone(), &[]).required();
    let mut trusts = Vec::new();
    for (person, id) in persons.iter().zip(["a", "b"]) {
        let delegator = people.delegator(person).await;
        let trust = people.host.create_trust(&delegator).await.unwrap();
        people.revoke(&delegator).await;
        delegations.set(id, Delegation::Trust(trust.as_str().into()));
        trusts.push(trust);
    }
    for (person, id) in persons.iter().zip(["a", "b"]) {
        let cloud = delegations.cloud(id).unwrap();
        let same = delegations.cloud(id).unwrap();
        assert!(Arc::ptr_eq(&cloud, &same), "one login serves all");
        assert_eq!(put(&*cloud, id).await.unwrap().status, 201);
        assert_eq!(person.containers().await, [id]);
        let delete = request("object-store", Method::Delete, &format!("/{id}"));
        assert_eq!(cloud.send(delete).await.unwrap().status, 204);
    }

    // Neither is the host's own.
    let nobody = delegations.cloud("c").unwrap();
    let error = put(&*nobody, "c").await.unwrap_err();
    assert!(matches!(error, CloudError::Authentication(_)), "{error}");

    for trust in &trusts {
        people.host.delete_trust(trust).await.unwrap();
        people.host.delete_trust(trust).await.unwrap();
    }
    let after = people.host.by_trust(&trusts[0]).unwrap();
    let error = after.connect().await.unwrap_err().to_string();
    assert!(
        error.contains("does not let the host act by trust") && error.contains(&trusts[0]),
        "{error}"
    );
    people.gone().await;
}

#[tokio::test]
async fn a_trust_that_keystone_does_not_make_is_told_with_the_reason() {
    let mut people = People::new().await;
    let person = people.person().await;
    let delegator = people.delegator(&person).await;
    let mut more = delegator.clone();
    more.roles = vec!["admin".to_owned()];
    let error = people.host.create_trust(&more).await.unwrap_err();
    let CloudError::Denied(reason) = &error else {
        panic!("{error:?}")
    };
    assert!(reason.contains("with the roles admin: "), "{reason}");
    assert!(reason.contains("Could not find role"), "{reason}");

    let trust = people.host.create_trust(&delegator).await.unwrap();
    let other = people.person().await;
    // The first one trusts the other one, who cannot pass that on.
    let chain = other.account.create_trust(&delegator).await.unwrap();
    let by_trust = people
        .token(json!({
            "identity": {"methods": ["password"], "password": {"user":
                {"id": other.id, "password": "a-password-of-tests"}}},
            "scope": {"OS-TRUST:trust": {"id": chain}},
        }))
        .await;
    let error = people.host.create_trust(&person.delegator(&by_trust)).await;
    let error = error.unwrap_err();
    let CloudError::Denied(reason) = &error else {
        panic!("{error:?}")
    };
    assert!(
        reason.contains("an application credential or of a trust"),
        "{reason}"
    );

    // One that Keystone does not know: it may remember a revoked one for minutes.
    let error = people.host.create_trust(&person.delegator("spent")).await;
    let error = error.unwrap_err();
    assert!(
        error.to_string().contains("has expired or was revoked"),
        "{error}"
    );
    people.host.delete_trust(&trust).await.unwrap();
    other.account.delete_trust(&chain).await.unwrap();
    people.gone().await;
}

#[tokio::test]
async fn a_second_cloud_is_asked_with_the_token_that_came_with_it() {
    let mut people = People::new().await;
    let person = people.person().await;
    let delegator = people.delegator(&person).await;
    let headers = |token: &str| {
        [
            ("X-Target-Auth-Uri", people.auth_url.clone()),
            ("X-Target-Auth-Token", token.to_owned()),
            ("X-Target-Region-Name", "RegionOne".to_owned()),
        ]
    };
    let target = |token: &str| {
        let headers = headers(token);
        let found = |name: &str| headers.iter().find(|(known, _)| *known == name);
        Target::read(|name| found(name).map(|(_, value)| value.as_str()))
            .unwrap()
            .unwrap()
    };
    let token = {
        use secrecy::ExposeSecret as _;
        delegator.token.expose_secret().to_owned()
    };
    let delegations = Delegations::new(people.host.clone(), &[]);
    delegations.set("a", Delegation::Target(Box::new(target(&token))));
    let second = delegations.cloud("a").unwrap();
    assert_eq!(put(&*second, "second").await.unwrap().status, 201);
    assert_eq!(person.containers().await, ["second"]);
    let delete = request("object-store", Method::Delete, "/second");
    assert_eq!(second.send(delete).await.unwrap().status, 204);

    delegations.set("a", Delegation::Target(Box::new(target("spent"))));
    let error = put(&*delegations.cloud("a").unwrap(), "second").await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("has expired or was revoked") && error.contains("X-Target-Auth-Token"),
        "{error}"
    );

    // Callers lead the host nowhere that the operator denies.
    let denied = vec!["127.0.0.0/8".parse().unwrap()];
    let guarded = Delegations::new(people.host.clone(), &[]).denying(denied);
    guarded.set("a", Delegation::Target(Box::new(target(&token))));
    let error = put(&*guarded.cloud("a").unwrap(), "second")
        .await
        .unwrap_err();
    assert!(matches!(error, CloudError::Denied(_)), "{error}");
    people.gone().await;
}
