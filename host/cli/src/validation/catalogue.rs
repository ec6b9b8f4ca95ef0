//! The validations of packs: what they are called, and which of them are meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use ostro_packs::{Pack, Signature, ValidationInfo};
use serde_json::{Value, json};

use crate::args::Packs;
use crate::errors::{hinted, warn};
use crate::installed::Wanted;
use crate::terminal::clean_line;
use crate::{sources, suggest};

/// A validation of a pack.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    /// Its pack's name.
    pub(crate) pack: String,
    /// What it takes, and its full name.
    pub(crate) signature: Arc<Signature>,
    /// What people call it.
    pub(crate) info: ValidationInfo,
}

impl Validation {
    /// Its full name: `tripleo.nodes.node_health`.
    pub(crate) fn id(&self) -> &str {
        &self.signature.name
    }

    /// Its name without what stands in front: `node_health`.
    fn short(&self) -> &str {
        self.id().rsplit('.').next().unwrap_or_default()
    }

    fn is_in(&self, groups: &[String]) -> bool {
        self.info.groups.iter().any(|group| groups.contains(group))
    }

    /// All that is known of it, for programs.
    pub(crate) fn as_json(&self) -> Value {
        let parameters = self.signature.params.iter().map(|param| {
            json!({
                "name": param.name.to_string(),
                "type": param.ty.to_string(),
                "required": !param.ty.is_optional(),
                "docs": param.docs,
            })
        });
        json!({
            "id": self.id(),
            "name": self.info.name,
            "description": self.info.description,
            "groups": self.info.groups,
            "pack": self.pack,
            "parameters": parameters.collect::<Vec<_>>(),
            "docs": self.signature.docs,
        })
    }
}

/// The validations of packs that need not be loaded: those that are named, and those that are
/// active.
pub(crate) fn open(given: &Packs) -> Result<Vec<Validation>> {
    let mut packs = sources::open_all(&given.pack)?;
    if !given.without_active {
        let taken: Vec<&str> = packs
            .iter()
            .map(|pack| pack.manifest.name.as_str())
            .collect();
        let active = Wanted::active(&given.state, [])?.open(&taken)?;
        packs.extend(active.packs.into_iter().map(|(_, pack)| pack));
    }
    of(&packs)
}

/// The validations of `packs`, by name. An error if there are none.
pub(crate) fn of(packs: &[Pack]) -> Result<Vec<Validation>> {
    let mut found = Vec::new();
    for pack in packs {
        check_names(pack);
        let validations = pack.signatures().filter(|action| action.is_validation);
        found.extend(validations.map(|signature| Validation {
            pack: pack.manifest.name.clone(),
            signature: Arc::clone(signature),
            info: info(pack, signature),
        }));
    }
    if !found.is_empty() {
        found.sort_by(|a, b| a.id().cmp(b.id()));
        return Ok(found);
    }
    let names: Vec<&str> = packs
        .iter()
        .map(|pack| pack.manifest.name.as_str())
        .collect();
    Err(match names[..] {
        [] => hinted(
            anyhow!("no pack is given, and validations come from packs"),
            "name one with --pack DIR, or have one installed and active",
        ),
        _ => hinted(
            anyhow!("pack {} has no validations", names.join(", ")),
            "a validation is a function that gives result<verdict, …>, with the verdict of \
             ostro:validation",
        ),
    })
}

/// Warns of names in the manifest that are no validation's.
fn check_names(pack: &Pack) {
    let validations = || pack.signatures().filter(|action| action.is_validation);
    for name in pack.manifest.validations.keys() {
        if !validations().any(|known| *known.name == **name) {
            let hint = suggest::did_you_mean(name, validations().map(|known| &*known.name));
            let pack = &pack.manifest.name;
            let message = format!("pack {pack}: no validation is called {}", clean_line(name));
            warn(&message, hint.as_deref());
        }
    }
}

/// What the manifest says; without that, what the component says itself.
fn info(pack: &Pack, signature: &Signature) -> ValidationInfo {
    let known = pack.manifest.validations.get(&*signature.name);
    known.cloned().unwrap_or_else(|| ValidationInfo {
        name: signature.name.to_string(),
        description: signature.docs.as_deref().unwrap_or_default().to_owned(),
        groups: Vec::new(),
    })
}

/// The validation that `name` means: its full name, or the last part of it, with `-` or `_`.
pub(crate) fn find<'a>(all: &'a [Validation], name: &str) -> Result<&'a Validation> {
    let wanted = name.replace('-', "_");
    if let Some(validation) = all.iter().find(|validation| validation.id() == wanted) {
        return Ok(validation);
    }
    let mut found = all.iter().filter(|validation| validation.short() == wanted);
    match (found.next(), found.next()) {
        (Some(validation), None) => Ok(validation),
        (Some(one), Some(other)) => Err(hinted(
            anyhow!("{name} means more than one validation"),
            format!("write {} or {}", one.id(), other.id()),
        )),
        (None, _) => {
            let names = all.iter().map(|known| {
                if wanted.contains('.') {
                    known.id()
                } else {
                    known.short()
                }
            });
            let hint = suggest::did_you_mean(&wanted, names).unwrap_or_else(|| {
                let ids: Vec<&str> = all.iter().map(Validation::id).collect();
                format!("there is {}", ids.join(", "))
            });
            Err(hinted(anyhow!("no validation is called {name}"), hint))
        }
    }
}

/// Those that are in one of `groups`; all where there are none.
pub(crate) fn grouped<'a>(all: &'a [Validation], groups: &[String]) -> Result<Vec<&'a Validation>> {
    let known: BTreeSet<&str> = all
        .iter()
        .flat_map(|validation| validation.info.groups.iter().map(String::as_str))
        .collect();
    for group in groups {
        if !known.contains(group.as_str()) {
            let hint = suggest::did_you_mean(group, known.iter().copied()).unwrap_or_else(|| {
                if known.is_empty() {
                    "these validations are in no group".to_owned()
                } else {
                    let known: Vec<&str> = known.into_iter().collect();
                    format!("the groups are {}", known.join(", "))
                }
            });
            return Err(hinted(anyhow!("no validation is in group {group}"), hint));
        }
    }
    let wanted = |validation: &&Validation| groups.is_empty() || validation.is_in(groups);
    Ok(all.iter().filter(wanted).collect())
}

/// Those that are called one of `names` or are in one of `groups`, each once; all where there
/// are neither.
pub(crate) fn choose(
    all: &[Validation],
    names: &[String],
    groups: &[String],
) -> Result<Vec<Validation>> {
    let mut chosen = BTreeSet::new();
    for name in names {
        chosen.insert(find(all, name)?.id());
    }
    if names.is_empty() || !groups.is_empty() {
        chosen.extend(grouped(all, groups)?.into_iter().map(Validation::id));
    }
    let is_chosen = |validation: &&Validation| chosen.contains(validation.id());
    Ok(all.iter().filter(is_chosen).cloned().collect())
}
