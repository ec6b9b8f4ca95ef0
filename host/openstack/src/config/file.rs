//! `clouds.yaml` and the files beside it.

use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value as Yaml};

use crate::CloudError;
use crate::config::Environment;

/// A configuration file larger than this is none.
const MAX_BYTES: u64 = 4 << 20;

/// The entry of the cloud called `name`, with its profile and its secrets.
pub(super) fn find(name: &str, environment: &Environment) -> Result<Mapping, CloudError> {
    let files = Files::read(environment)?;
    files.entry(name)?.ok_or_else(|| {
        let names = files.names();
        CloudError::NoCloud(match &files.path {
            None => format!("there is no cloud {name:?}: {}", not_found(environment)),
            Some(path) if names.is_empty() => {
                format!(
                    "there is no cloud {name:?}: {} lists no clouds",
                    path.display()
                )
            }
            Some(path) => format!(
                "there is no cloud {name:?} in {}: it has {}",
                path.display(),
                names.join(", ")
            ),
        })
    })
}

/// The only cloud that there is.
pub(super) fn only(environment: &Environment) -> Result<(String, Mapping), CloudError> {
    let files = Files::read(environment)?;
    let names = files.names();
    match names.as_slice() {
        [name] => {
            let entry = files.entry(name)?.unwrap_or_default();
            Ok((name.clone(), entry))
        }
        [] => Err(CloudError::NoCloud(format!(
            "none is configured: {}, or set OS_AUTH_URL and the other OS_* variables",
            not_found(environment)
        ))),
        _ => Err(CloudError::NoCloud(format!(
            "{} has several ({}): name one with --cloud or OS_CLOUD",
            files
                .path
                .as_deref()
                .unwrap_or(Path::new("clouds.yaml"))
                .display(),
            names.join(", ")
        ))),
    }
}

fn not_found(environment: &Environment) -> String {
    let folders: Vec<String> = folders(environment)
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    format!(
        "no clouds.yaml was found in {} (OS_CLIENT_CONFIG_FILE names one elsewhere)",
        folders.join(", ")
    )
}

struct Files {
    path: Option<PathBuf>,
    clouds: Mapping,
    secrets: Mapping,
    profiles: Mapping,
}

impl Files {
    fn read(environment: &Environment) -> Result<Self, CloudError> {
        let path = locate("clouds", "OS_CLIENT_CONFIG_FILE", environment)?;
        let secure = locate("secure", "OS_CLIENT_SECURE_FILE", environment)?;
        let vendor = locate("clouds-public", "OS_CLIENT_VENDOR_FILE", environment)?;
        let section = |path: Option<&PathBuf>, key| match path {
            Some(path) => section(path, key),
            None => Ok(Mapping::new()),
        };
        Ok(Self {
            clouds: section(path.as_ref(), "clouds")?,
            secrets: section(secure.as_ref(), "clouds")?,
            profiles: section(vendor.as_ref(), "public-clouds")?,
            path,
        })
    }

    fn names(&self) -> Vec<String> {
        self.clouds
            .keys()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    }

    /// The entry called `name`: the profile's keys, then its own, then its secrets.
    fn entry(&self, name: &str) -> Result<Option<Mapping>, CloudError> {
        let Some(own) = self.clouds.get(name) else {
            return Ok(None);
        };
        let own = own.as_mapping().cloned().unwrap_or_default();
        let mut entry = Mapping::new();
        if let Some(profile) = own.get("profile").and_then(Yaml::as_str) {
            let known = self.profiles.get(profile).and_then(Yaml::as_mapping).ok_or_else(|| {
                CloudError::NoCloud(format!(
                    "cloud {name:?} has the profile {profile:?}, which no clouds-public.yaml has"
                ))
            })?;
            merge(&mut entry, known);
        }
        merge(&mut entry, &own);
        if let Some(secrets) = self.secrets.get(name).and_then(Yaml::as_mapping) {
            merge(&mut entry, secrets);
        }
        Ok(Some(entry))
    }
}

/// Puts `more` over `base`, mapping by mapping.
fn merge(base: &mut Mapping, more: &Mapping) {
    for (key, value) in more {
        match (base.get_mut(key), value) {
            (Some(Yaml::Mapping(below)), Yaml::Mapping(above)) => merge(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The folders that are looked through, in order.
fn folders(environment: &Environment) -> Vec<PathBuf> {
    let user = environment
        .get("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            environment
                .get("HOME")
                .map(|home| Path::new(home).join(".config"))
        });
    [
        Some(environment.folder.clone()),
        user.map(|folder| folder.join("openstack")),
    ]
    .into_iter()
    .flatten()
    .chain(environment.system_folder.clone())
    .collect()
}

/// Where the file called `name` is: where `variable` says, or in the first folder that has it.
fn locate(
    name: &str,
    variable: &str,
    environment: &Environment,
) -> Result<Option<PathBuf>, CloudError> {
    if let Some(path) = environment.get(variable) {
        let path = environment.folder.join(path);
        return if path.is_file() {
            Ok(Some(path))
        } else {
            Err(CloudError::NoCloud(format!(
                "{variable} names {}, which is no file",
                path.display()
            )))
        };
    }
    Ok(folders(environment)
        .iter()
        .flat_map(|folder| {
            ["yaml", "yml", "json"].map(|kind| folder.join(format!("{name}.{kind}")))
        })
        .find(|path| path.is_file()))
}

/// The mapping under `key` of the file at `path`.
fn section(path: &Path, key: &str) -> Result<Mapping, CloudError> {
    let fail = |reason: String| CloudError::NoCloud(format!("{}: {reason}", path.display()));
    let size = std::fs::metadata(path)
        .map_err(|error| fail(error.to_string()))?
        .len();
    if size > MAX_BYTES {
        return Err(fail(format!("a file of {size} bytes is no configuration")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    // JSON is YAML, so one parser reads both.
    let mut document: Yaml =
        serde_yaml::from_str(&text).map_err(|error| fail(error.to_string()))?;
    document
        .apply_merge()
        .map_err(|error| fail(error.to_string()))?;
    match document.get(key) {
        None | Some(Yaml::Null) => Ok(Mapping::new()),
        Some(Yaml::Mapping(entries)) => Ok(entries.clone()),
        Some(_) => Err(fail(format!("{key:?} must be a mapping of clouds by name"))),
    }
}
