//! What a real Mistral answered to callers of a real Keystone: `tests/mistral/callers`. How it is
//! read and compared: `tests/mistral/README.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cloud::Keystone;
use crate::running::environment;

/// The programs of tests.
fn mistral() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mistral")
}

/// The Python that `cloud up` installs.
fn python() -> PathBuf {
    let cache = std::env::var_os("CLOUD_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
        base.unwrap_or_else(home).join("loopback-cloud")
    });
    cache.join("venv/bin/python")
}

/// The topics, in order.
fn topics() -> Vec<String> {
    let files = std::fs::read_dir(mistral().join("callers")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let recorded = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned));
    let mut topics: Vec<String> = recorded.collect();
    topics.sort();
    topics
}

#[tokio::test]
async fn callers_are_answered_as_by_a_real_mistral_or_otherwise_for_a_listed_reason() {
    let keystone = Keystone::running().await;
    let mut comparing = Vec::new();
    let mut worlds = Vec::new();
    for topic in topics() {
        // Each begins with nothing.
        let world = keystone.server().await;
        let mut command = Command::new(python());
        command
            .arg(mistral().join("callers.py"))
            .args(["compare", &world.at, &topic])
            .envs(environment().variables);
        worlds.push(world);
        let compared = tokio::task::spawn_blocking(move || command.output());
        comparing.push((topic, compared));
    }
    assert!(!comparing.is_empty(), "nothing is recorded");
    let mut wrong = Vec::new();
    for (topic, compared) in comparing {
        let compared = compared.await.unwrap().unwrap();
        print!("{}", String::from_utf8_lossy(&compared.stdout));
        if !compared.status.success() {
            let said = String::from_utf8_lossy(&compared.stderr);
            wrong.push(format!("{topic}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
