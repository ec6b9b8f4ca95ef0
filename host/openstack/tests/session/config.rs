//! Which cloud is meant, and what is said of one that is not there.

use std::path::Path;

use ostro_openstack::{CloudConfig, CloudError, Environment};

const CLOUDS: &str = "
clouds:
  one:
    auth: {auth_url: 'http://one:5000/v3', username: a, project_name: p}
    region_name: RegionOne
  two:
    profile: vendor
    auth: {username: a, password: 12345}
    interface: internal
";
const SECRETS: &str = "
clouds:
  one: {auth: {password: from-secure}}
";
const VENDORS: &str = "
public-clouds:
  vendor: {auth: {auth_url: 'https://vendor:5000'}, region_name: RegionV}
";

/// A folder with files, and an environment that starts there.
fn place(files: &[(&str, &str)], variables: &[(&str, &str)]) -> (tempfile::TempDir, Environment) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let environment = Environment {
        variables: variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        folder: folder.path().to_owned(),
        system_folder: None,
    };
    (folder, environment)
}

fn all() -> [(&'static str, &'static str); 3] {
    [
        ("clouds.yaml", CLOUDS),
        ("secure.yaml", SECRETS),
        ("clouds-public.yaml", VENDORS),
    ]
}

/// What is said instead of a cloud, without the folder that the test made.
fn error(name: Option<&str>, files: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
    let (folder, environment) = place(files, variables);
    let error = CloudConfig::load(name, &environment).unwrap_err();
    assert!(matches!(error, CloudError::NoCloud(_)), "{error:?}");
    error
        .to_string()
        .replace(folder.path().to_str().unwrap(), "HERE")
}

#[test]
fn a_named_cloud_is_found_with_its_secrets_and_its_profile() {
    let (_folder, environment) = place(&all(), &[("OS_CLOUD", "two")]);
    let one = format!(
        "{:?}",
        CloudConfig::load(Some("one"), &environment).unwrap()
    );
    assert!(
        one.contains("http://one:5000/v3") && one.contains("RegionOne"),
        "{one}"
    );
    assert!(!one.contains("from-secure"), "{one}");
    let two = format!("{:?}", CloudConfig::load(None, &environment).unwrap());
    assert!(
        two.contains("https://vendor:5000") && two.contains("RegionV"),
        "{two}"
    );
    assert!(two.contains("internal") && !two.contains("12345"), "{two}");
}

#[test]
fn files_are_looked_for_where_openstacksdk_looks() {
    let cloud = "{clouds: {x: {auth: {auth_url: 'http://x', username: a, password: b}}}}";
    for (file, variable) in [
        ("clouds.yaml", None),
        ("clouds.yml", None),
        ("clouds.json", None),
        (
            "config/openstack/clouds.yaml",
            Some(("XDG_CONFIG_HOME", "config")),
        ),
        ("home/.config/openstack/clouds.yaml", Some(("HOME", "home"))),
        ("any.yaml", Some(("OS_CLIENT_CONFIG_FILE", "any.yaml"))),
    ] {
        let (folder, mut environment) = place(&[(file, cloud)], &[]);
        if let Some((name, value)) = variable {
            let path = folder.path().join(value).to_str().unwrap().to_owned();
            environment.variables.insert(name.to_owned(), path);
        }
        // The only cloud needs no name.
        let found = CloudConfig::load(None, &environment);
        assert_eq!(
            found.as_ref().map(CloudConfig::label),
            Ok("cloud \"x\""),
            "{file}"
        );
    }
}

#[test]
fn a_cloud_that_is_not_there_is_told_with_those_that_are() {
    assert_eq!(
        error(Some("three"), &all(), &[]),
        "no cloud to talk to: there is no cloud \"three\" in HERE/clouds.yaml: it has one, two"
    );
    assert_eq!(
        error(Some("three"), &[], &[]),
        "no cloud to talk to: there is no cloud \"three\": no clouds.yaml was found in HERE \
         (OS_CLIENT_CONFIG_FILE names one elsewhere)"
    );
    assert_eq!(
        error(None, &all(), &[]),
        "no cloud to talk to: HERE/clouds.yaml has several (one, two): name one with --cloud or \
         OS_CLOUD"
    );
    assert_eq!(
        error(None, &[], &[]),
        "no cloud to talk to: none is configured: no clouds.yaml was found in HERE \
         (OS_CLIENT_CONFIG_FILE names one elsewhere), or set OS_AUTH_URL and the other OS_* \
         variables"
    );
}

#[test]
fn what_is_wrong_with_a_cloud_is_told() {
    let entry = |text: &str| format!("{{clouds: {{x: {text}}}}}");
    for (text, expected) in [
        (
            "{}",
            "auth_url is missing: put it under `auth` of the cloud in clouds.yaml, or set \
          OS_AUTH_URL",
        ),
        (
            "{auth: {auth_url: 'http://x', username: a}}",
            "password is missing: put it under \
          `auth` of the cloud in clouds.yaml, or set OS_PASSWORD",
        ),
        (
            "{auth: {auth_url: 'http://x', password: a}}",
            "username is missing: put it under \
          `auth` of the cloud in clouds.yaml, or set OS_USERNAME",
        ),
        (
            "{auth_type: kerberos}",
            "auth_type \"kerberos\" is not known: use v3password, v3token, \
          v3applicationcredential or none",
        ),
        (
            "{auth_type: none}",
            "auth_type none needs an endpoint (OS_ENDPOINT) or a \
          baremetal_endpoint_override (OS_BAREMETAL_ENDPOINT_OVERRIDE)",
        ),
        (
            "{auth: {auth_url: 'ftp://x', username: a, password: b}}",
            "auth_url must be an http or https address",
        ),
        (
            "{auth: {auth_url: 'http://a:secret@x', username: a, password: b}}",
            "auth_url must not hold a user or a password",
        ),
        (
            "{interface: secret, auth: {auth_url: 'http://x', username: a, password: b}}",
            "interface \"secret\" is none of public, internal and admin",
        ),
        (
            "{profile: vendor}",
            "has the profile \"vendor\", which no clouds-public.yaml has",
        ),
    ] {
        let error = error(Some("x"), &[("clouds.yaml", &entry(text))], &[]);
        assert!(
            error.starts_with("no cloud to talk to: cloud \"x\""),
            "{error}"
        );
        assert!(error.ends_with(expected), "{text}: {error}");
    }
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let broken = error(Some("x"), &[("clouds.yaml", "clouds: [\n")], &[]);
    assert!(
        broken.starts_with("no cloud to talk to: HERE/clouds.yaml: "),
        "{broken}"
    );
    assert!(broken.contains("line 2"), "{broken}");
    assert_eq!(
        error(Some("x"), &[("clouds.yaml", "clouds: [a]")], &[]),
        "no cloud to talk to: HERE/clouds.yaml: \"clouds\" must be a mapping of clouds by name"
    );
    assert_eq!(
        error(Some("x"), &[], &[("OS_CLIENT_CONFIG_FILE", "none.yaml")]),
        "no cloud to talk to: OS_CLIENT_CONFIG_FILE names HERE/none.yaml, which is no file"
    );
}

#[test]
fn certificates_that_are_not_there_are_told() {
    let entry = "{clouds: {x: {cacert: ca.pem, auth: {auth_url: 'https://x', username: a, \
                 password: b}}}}";
    let (folder, environment) = place(&[("clouds.yaml", entry)], &[]);
    let config = CloudConfig::load(Some("x"), &environment).unwrap();
    let error = ostro_openstack::Session::new(config)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("cacert {}/ca.pem", folder.path().display())),
        "{error}"
    );
}
