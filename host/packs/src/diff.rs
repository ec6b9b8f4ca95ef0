//! What a new version of a pack changes for those who use it, and for the operator.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ostro_core::Method;
use ostro_lang::{Called, ContractChange, Definitions, How, contract_changes, parse};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::compat::{Way, misfits};
use crate::grants::{Access, Grants};
use crate::pack::Pack;
use crate::signature::Signature;
use crate::types::{Name, Type};

/// The differences between two versions of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackDiff {
    /// The old version.
    pub old: Version,
    /// The new version.
    pub new: Version,
    /// Actions first, then what the pack asks for, then its limits and workflows; each by name.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// What kind of thing is different.
    pub what: What,
    /// How.
    pub how: How,
    /// Its name: an action, an interface, the text of a grant.
    pub name: Arc<str>,
    /// What it means, where the name does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether a workflow that was right may be wrong with it.
    pub breaks: bool,
}

/// What kind of thing is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// An action.
    Action,
    /// What an action takes.
    Parameter,
    /// What an action gives.
    Result,
    /// What an action says when it fails.
    Error,
    /// An interface that a component imports.
    Import,
    /// A grant that the pack asks for.
    Grant,
    /// A limit of its calls.
    Limit,
    /// A workflow that the pack brings.
    Workflow,
    /// An ad-hoc action that the pack brings.
    AdHocAction,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            What::Action => "action",
            What::Parameter => "parameter",
            What::Result => "result",
            What::Error => "error",
            What::Import => "import",
            What::Grant => "grant",
            What::Limit => "limit",
            What::Workflow => "workflow",
            What::AdHocAction => "ad-hoc",
        })
    }
}

impl PackDiff {
    /// What `new` changes.
    pub fn new(old: &Pack, new: &Pack) -> Self {
        let mut changes = Vec::new();
        actions(old, new, &mut changes);
        named(What::Import, &imports(old), &imports(new), &mut changes);
        let (were, are) = (&old.manifest.grants, &new.manifest.grants);
        named(What::Grant, &grants(were), &grants(are), &mut changes);
        limits(old, new, &mut changes);
        workflows(old, new, &mut changes);
        Self {
            old: old.manifest.version.clone(),
            new: new.manifest.version.clone(),
            changes,
        }
    }

    /// Whether a workflow that was right may be wrong with the new version.
    pub fn breaks(&self) -> bool {
        self.changes.iter().any(|change| change.breaks)
    }

    /// Whether the version says less than what changes: something breaks, and it is no step to
    /// the next major version, or before 1.0.0 to the next minor one
    /// (<https://semver.org/#spec-item-8>).
    pub fn understates(&self) -> bool {
        let major = |version: &Version| match version.major {
            0 => (0, version.minor),
            major => (major, 0),
        };
        self.breaks() && major(&self.new) <= major(&self.old)
    }

    /// Whether the pack asks for something that it did not ask for.
    pub fn asks_for_more(&self) -> bool {
        let asks = |change: &&Change| matches!(change.what, What::Grant | What::Import);
        let mut asked = self.changes.iter().filter(asks);
        asked.any(|change| change.how == How::Added)
    }
}

fn actions(old: &Pack, new: &Pack, changes: &mut Vec<Change>) {
    let by_name = |pack: &Pack| -> BTreeMap<Arc<str>, Arc<Signature>> {
        let signatures = pack.signatures();
        signatures
            .map(|signature| (Arc::clone(&signature.name), Arc::clone(signature)))
            .collect()
    };
    let (were, are) = (by_name(old), by_name(new));
    let names: BTreeSet<&Arc<str>> = were.keys().chain(are.keys()).collect();
    for name in names {
        match (were.get(name), are.get(name)) {
            (Some(old), Some(new)) => signature(old, new, changes),
            (Some(_), None) => changes.push(Change {
                what: What::Action,
                how: How::Removed,
                name: Arc::clone(name),
                detail: None,
                breaks: true,
            }),
            (None, Some(new)) => changes.push(Change {
                what: What::Action,
                how: How::Added,
                name: Arc::clone(name),
                detail: new.to_string().strip_prefix(&**name).map(str::to_owned),
                breaks: false,
            }),
            (None, None) => {}
        }
    }
}

fn signature(old: &Signature, new: &Signature, changes: &mut Vec<Change>) {
    let mut change = |what, how, detail: String, breaks| {
        changes.push(Change {
            what,
            how,
            name: Arc::clone(&old.name),
            detail: Some(detail),
            breaks,
        });
    };
    for param in &old.params {
        let name = &param.name;
        let Some(other) = new.params.iter().find(|other| other.name == *name) else {
            change(What::Parameter, How::Removed, name.to_string(), true);
            continue;
        };
        let found = misfits(&param.ty, &other.ty, Way::In);
        for misfit in &found {
            change(
                What::Parameter,
                How::Changed,
                format!("{name}{}: {}", misfit.place, misfit.reason),
                true,
            );
        }
        if found.is_empty() && param.ty != other.ty {
            let detail = format!("{name}: it takes more ({})", other.ty.definition());
            change(What::Parameter, How::Changed, detail, false);
        }
    }
    let is_new = |name: &Name| !old.params.iter().any(|param| param.name == *name);
    for param in new.params.iter().filter(|param| is_new(&param.name)) {
        let detail = format!("{}: {}", param.name, param.ty);
        change(What::Parameter, How::Added, detail, !param.ty.is_optional());
    }
    let sides = [
        (What::Result, &old.result, &new.result),
        (What::Error, &old.error, &new.error),
    ];
    for (what, old, new) in sides {
        match (old, new) {
            (Some(old), Some(new)) => {
                let found = misfits(old, new, Way::Out);
                for misfit in &found {
                    change(what, How::Changed, misfit.to_string(), true);
                }
                if found.is_empty() && old != new {
                    change(what, How::Changed, shape(new), false);
                }
            }
            (Some(old), None) => change(what, How::Removed, old.to_string(), true),
            (None, Some(new)) => change(what, How::Added, shape(new), false),
            (None, None) => {}
        }
    }
    if old.is_validation != new.is_validation {
        let detail = if new.is_validation {
            "it is a validation now"
        } else {
            "it is no validation any more"
        };
        change(
            What::Action,
            How::Changed,
            detail.to_owned(),
            !new.is_validation,
        );
    }
}

fn shape(ty: &Type) -> String {
    format!("it is {}", ty.definition())
}

fn imports(pack: &Pack) -> BTreeSet<String> {
    let imports = pack
        .components
        .iter()
        .flat_map(|component| &component.imports);
    // One without functions brings types alone, and lets the component do nothing.
    let imports = imports.filter(|import| !import.items.is_empty());
    imports.map(|import| import.interface.clone()).collect()
}

/// The grants, each as one line.
fn grants(grants: &Grants) -> BTreeSet<String> {
    let requests = grants.openstack.iter().flat_map(|grant| {
        grant.methods.iter().flat_map(move |method: &Method| {
            let line = move |path| format!("{method} {path} of {}", grant.service);
            grant.paths.iter().map(line)
        })
    });
    let operations = grants
        .operations
        .iter()
        .map(|name| format!("operation {name}"));
    let queues = grants.messaging.iter().map(|name| format!("queue {name}"));
    let folders = grants.files.iter().map(ToString::to_string);
    let hosts = grants.http.iter().flat_map(|grant| {
        let zone = if grant.private { ", also private" } else { "" };
        grant.methods.iter().flat_map(move |method| {
            grant.ports.iter().flat_map(move |port| {
                let line = move |path| format!("{method} {path} of {}:{port}{zone}", grant.host);
                grant.paths.iter().map(line)
            })
        })
    });
    let requests = requests.chain(operations).chain(queues);
    let objects = grants.object_store.iter().flat_map(|grant| {
        let line = move |access: &Access| {
            let (container, prefix) = (&grant.container, &grant.prefix);
            format!("{} objects {prefix}* of {container}", access.word())
        };
        grant.access.iter().map(line)
    });
    let secrets = grants.secrets.iter().flat_map(|grant| {
        let name = &grant.name;
        let services = grant
            .services
            .iter()
            .map(move |to| format!("secret {name} to {to}"));
        let hosts = grant.hosts.iter();
        let hosts = hosts.map(move |host| format!("secret {name} to the host {host}"));
        let shown = grant
            .reveal
            .then(|| format!("secret {name} shown to the pack"));
        services.chain(hosts).chain(shown)
    });
    let more = objects.chain(secrets);
    requests.chain(folders).chain(hosts).chain(more).collect()
}

/// What is in one set and not in the other. A grant or an import fewer breaks no workflow.
fn named(what: What, were: &BTreeSet<String>, are: &BTreeSet<String>, changes: &mut Vec<Change>) {
    let mut add = |how, name: &String| {
        changes.push(Change {
            what,
            how,
            name: name.as_str().into(),
            detail: None,
            breaks: false,
        });
    };
    are.difference(were).for_each(|name| add(How::Added, name));
    were.difference(are)
        .for_each(|name| add(How::Removed, name));
}

fn limits(old: &Pack, new: &Pack, changes: &mut Vec<Change>) {
    let (were, are) = (
        old.manifest.limits.to_string(),
        new.manifest.limits.to_string(),
    );
    for (was, is) in were.split(", ").zip(are.split(", ")) {
        if was == is {
            continue;
        }
        let (name, was) = was.split_once(": ").unwrap_or((was, ""));
        let (_, is) = is.split_once(": ").unwrap_or((is, ""));
        changes.push(Change {
            what: What::Limit,
            how: How::Changed,
            name: name.into(),
            detail: Some(format!("it was {was}, and is {is}")),
            breaks: false,
        });
    }
}

/// What changes for those who call the workflows and the ad-hoc actions of the pack; and files in
/// which nothing of that is different, but something else is.
fn workflows(old: &Pack, new: &Pack, changes: &mut Vec<Change>) {
    let found = contract_changes(&definitions(old), &definitions(new));
    let mut told: BTreeSet<Arc<str>> = BTreeSet::new();
    for ContractChange {
        of,
        name,
        how,
        detail,
        breaks,
        location,
    } in found
    {
        told.insert(location.file);
        changes.push(Change {
            what: match of {
                Called::Workflow => What::Workflow,
                Called::Action => What::AdHocAction,
            },
            how,
            name,
            detail,
            breaks,
        });
    }
    for file in &new.workflows {
        let was = old.workflows.iter().find(|was| was.path == file.path);
        if was.is_some_and(|was| was.text != file.text) && !told.contains(&*file.path) {
            changes.push(Change {
                what: What::Workflow,
                how: How::Changed,
                name: file.path.as_str().into(),
                detail: Some("what its workflows take and give is the same".to_owned()),
                breaks: false,
            });
        }
    }
}

fn definitions(pack: &Pack) -> Definitions {
    let files = pack.workflows.iter();
    files.map(|file| parse(&file.text, &file.path)).collect()
}
