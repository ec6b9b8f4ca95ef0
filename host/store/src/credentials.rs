//! Who one is for a registry: what `docker login`, `podman login` and `oras login` have kept.
//!
//! `auths` in Docker's `config.json` or in podman's `auth.json`, and the credential helpers that
//! Docker's file names
//! (<https://docs.docker.com/reference/cli/docker/login/#credential-stores>).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

/// Docker's file, as far as it says who one is.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
}

/// What a credential helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// Who one is for `registry`; nobody if no file says so. A file that cannot be read says nothing:
/// the registry tells whether it wants to know.
pub(crate) fn of(registry: &str) -> RegistryAuth {
    let known = files().into_iter().find_map(|path| {
        let text = std::fs::read(path).ok()?;
        let config: Config = serde_json::from_slice(&text).ok()?;
        find(&config, registry)
    });
    known.map_or(RegistryAuth::Anonymous, |(user, password)| {
        RegistryAuth::Basic(user, password)
    })
}

/// The files that may say who one is, the first one first.
fn files() -> Vec<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = |rest: &str| folder("HOME").map(|home| home.join(rest));
    let docker = folder("DOCKER_CONFIG").or_else(|| home(".docker"));
    let run = folder("XDG_RUNTIME_DIR").map(|run| run.join("containers/auth.json"));
    [
        folder("REGISTRY_AUTH_FILE"),
        docker.map(|docker| docker.join("config.json")),
        run,
        home(".config/containers/auth.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn find(config: &Config, registry: &str) -> Option<(String, String)> {
    let helper = config.cred_helpers.get(registry);
    if let Some(found) = helper.and_then(|helper| ask(helper, registry)) {
        return Some(found);
    }
    let is_it = |name: &str| {
        let name = name
            .strip_prefix("https://")
            .or_else(|| name.strip_prefix("http://"))
            .unwrap_or(name);
        name.split('/').next() == Some(registry)
    };
    let auth = config.auths.iter().find(|(name, _)| is_it(name));
    if let Some(text) = auth.and_then(|(_, auth)| auth.auth.as_deref()) {
        let plain = BASE64_STANDARD.decode(text).ok()?;
        let plain = String::from_utf8(plain).ok()?;
        let (user, password) = plain.split_once(':')?;
        return Some((user.to_owned(), password.to_owned()));
    }
    let store = config.creds_store.as_ref()?;
    ask(store, registry)
}

/// Asks a credential helper (<https://github.com/docker/docker-credential-helpers#development>).
fn ask(helper: &str, registry: &str) -> Option<(String, String)> {
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(registry.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    let answer: Helped = serde_json::from_slice(&output.stdout).ok()?;
    output
        .status
        .success()
        .then_some((answer.username, answer.secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_by_the_registrys_name() {
        let config: Config = serde_json::from_str(
            r#"{"auths": {
                "https://one.example/v2/": {"auth": "YWRhOnNlY3JldDo="},
                "two.example:5000": {"auth": "bm9jb2xvbg=="},
                "three.example": {}
            }, "unknown": 1}"#,
        )
        .unwrap();
        let found = |registry| find(&config, registry);
        let ada = ("ada".to_owned(), "secret:".to_owned());
        assert_eq!(found("one.example"), Some(ada));
        for nobody in [
            "two.example:5000",
            "two.example",
            "three.example",
            "example",
        ] {
            assert_eq!(found(nobody), None, "{nobody}");
        }
    }
}
