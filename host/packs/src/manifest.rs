//! `pack.yaml`.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Deserializer};

use crate::error::{PackError, yaml_error};
use crate::grants::Grants;
use crate::scalar::{scalar, scalars};
use crate::units;

/// What `pack.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// The pack's name: lower-case letters, digits and `-`.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Its version, by semantic versioning.
    pub version: Version,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Its components.
    #[serde(default)]
    pub components: Vec<ComponentSpec>,
    /// The folder of its WIT text, whose documentation help and `inspect` show. Packages that
    /// it uses are in `deps` below; those of Ostro's contract may be left out.
    #[serde(default, deserialize_with = "optional_relative")]
    pub wit: Option<String>,
    /// Files of workflows.
    #[serde(default, deserialize_with = "relatives")]
    pub workflows: Vec<String>,
    /// What people call its validations, by the name of their action.
    #[serde(default)]
    pub validations: BTreeMap<String, ValidationInfo>,
    /// The grants that it asks for.
    #[serde(default)]
    pub grants: Grants,
    /// The limits of each call.
    #[serde(default)]
    pub limits: Limits,
}

/// A component of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ComponentSpec {
    /// Its name in the pack.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Its file, relative to the pack's folder.
    #[serde(deserialize_with = "relative")]
    pub path: String,
    /// How `ostro pack build` makes the file; none if something else does.
    #[serde(default)]
    pub build: Option<BuildSpec>,
}

/// How a component is built.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildSpec {
    /// The language that it is written in.
    pub language: Language,
    /// The folder of its source, relative to the pack's folder. For Rust, `crate` says the same.
    #[serde(default = "here", alias = "crate", deserialize_with = "relative")]
    pub source: String,
    /// The world that it implements, where the pack's WIT has more than one; as
    /// `namespace:package/world` where that is in another package. A crate in Rust says it itself.
    #[serde(default)]
    pub world: Option<String>,
}

/// Languages that `ostro pack build` builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Rust, with cargo: a crate.
    Rust,
    /// Python, with componentize-py: the module `app`.
    Python,
    /// JavaScript, with componentize-js: the module `app.js`.
    Js,
    /// C, with zig: all `.c` files of the folder.
    C,
}

/// What people call a validation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ValidationInfo {
    /// Its title.
    pub name: String,
    /// What it finds out.
    #[serde(default)]
    pub description: String,
    /// The groups that it runs in.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// What one call may use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Time from start to end, waiting included.
    #[serde(deserialize_with = "time")]
    pub time: Duration,
    /// Memory of the instance, in bytes.
    #[serde(deserialize_with = "size")]
    pub memory: u64,
    /// How many host calls it may make.
    pub host_calls: u64,
    /// How many host calls a second all calls of the pack together make, in bursts of a second's
    /// worth at most; more wait for their turn. None for as many as it likes.
    pub host_calls_per_second: Option<NonZeroU32>,
    /// How many calls of the pack there are at the same time; more wait for their turn. None for
    /// as many as there is room for.
    pub concurrent: Option<NonZeroU32>,
    /// How much it may compute, in the engine's units of fuel (about one an instruction), where
    /// the operator has fuel counted. None for as much as the time allows.
    pub fuel: Option<u64>,
    /// The most that its parameters may be, in bytes.
    #[serde(deserialize_with = "size")]
    pub input: u64,
    /// The most that its result, and each request and answer of a host call, may be, in bytes.
    #[serde(deserialize_with = "size")]
    pub output: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_mins(5),
            memory: 64 << 20,
            host_calls: 10_000,
            host_calls_per_second: None,
            concurrent: None,
            fuel: None,
            input: 4 << 20,
            output: 16 << 20,
        }
    }
}

/// The limits as `pack.yaml` says them, in one line.
impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "time: {}, memory: {}, host-calls: {}, input: {}, output: {}",
            units::show_duration(self.time),
            units::show_size(self.memory),
            self.host_calls,
            units::show_size(self.input),
            units::show_size(self.output),
        )?;
        if let Some(rate) = self.host_calls_per_second {
            write!(f, ", host-calls-per-second: {rate}")?;
        }
        if let Some(concurrent) = self.concurrent {
            write!(f, ", concurrent: {concurrent}")?;
        }
        if let Some(fuel) = self.fuel {
            write!(f, ", fuel: {fuel}")?;
        }
        Ok(())
    }
}

impl Manifest {
    /// Reads a manifest; `file` is its name for messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, PackError> {
        let manifest: Self =
            serde_yaml::from_str(text).map_err(|error| yaml_error(file, &error))?;
        let wrong = |problem: String| PackError::Yaml {
            file: file.to_owned(),
            at: None,
            problem,
        };
        let mut names = HashSet::new();
        if let Some(twice) = manifest.components.iter().find(|c| !names.insert(&c.name)) {
            return Err(wrong(format!("two components are called {:?}", twice.name)));
        }
        let mut paths = HashSet::new();
        if let Some(twice) = manifest.components.iter().find(|c| !paths.insert(&c.path)) {
            return Err(wrong(format!(
                "two components have the path {}",
                twice.path
            )));
        }
        for component in &manifest.components {
            let Some(build) = &component.build else {
                continue;
            };
            let name = &component.name;
            if build.language == Language::Rust && build.world.is_some() {
                return Err(wrong(format!(
                    "component {name:?}: `world` is not for rust: the crate itself says it, in \
                     wit_bindgen::generate!"
                )));
            }
            if build.language != Language::Rust && manifest.wit.is_none() {
                return Err(wrong(format!(
                    "component {name:?}: `wit` is missing: the folder of the WIT text that the \
                     component is built from"
                )));
            }
        }
        Ok(manifest)
    }
}

fn here() -> String {
    ".".to_owned()
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(deserializer, |text| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        if starts && text.len() <= 64 && text.chars().all(plain) {
            return Ok(text.to_owned());
        }
        Err(format!(
            "{text:?} is no name: a name starts with a lower-case letter and goes on with \
             lower-case letters, digits, - and _, up to 64 of them"
        ))
    })
}

fn relative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    scalar(deserializer, |text| {
        check_relative(text).map(|()| text.to_owned())
    })
}

fn optional_relative<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    relative(from).map(Some)
}

fn relatives<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    scalars(deserializer, |text| {
        check_relative(text).map(|()| text.to_owned())
    })
}

/// Whether `text` is a path that stays in the pack's folder, on every system.
pub(crate) fn check_relative(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let stays = text == "."
        || (text.len() <= 100
            && text.split('/').all(|part| {
                !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
            }));
    if stays {
        Ok(())
    } else {
        Err(format!(
            "{text:?} is no path in the pack: write it relative, with /, letters, digits, ., _ \
             and -, without .., in up to 100 characters"
        ))
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    scalar(deserializer, units::duration)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    scalar(deserializer, units::size)
}
