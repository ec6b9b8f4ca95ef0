//! Where actions come from: packs in the sandbox, given or installed, the cloud, and what is built
//! in.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use ostro_actions::{HttpOptions, Registry, SshOptions};
use ostro_core::Value;
use ostro_openstack::{Cloud, Delegations, Session, Throttled};
use ostro_packs::{Grants, Pack, PackError};
use ostro_sandbox::{Observer, Sandbox, SandboxConfig, SandboxError};
use ostro_store::Hold;

use crate::args::Sources;
use crate::errors::{WithHint as _, hinted};
use crate::installed::{Opened, Wanted};
use crate::recordings::Place;
use crate::{secrets, state};

/// The actions of a command line, ready to run.
pub(crate) struct Actions {
    /// All of them, without ad-hoc actions.
    pub(crate) registry: Registry,
    /// The packs, for the workflows that they bring.
    pub(crate) packs: Vec<Pack>,
    /// What an execution that begins with them notes, to be resumed with the same.
    pub(crate) origin: Value,
    /// Keeps the installed ones from being deleted until the execution is written.
    pub(crate) hold: Option<Hold>,
}

/// Opens, checks and loads everything that `sources` name, and the installed packs that are
/// `wanted` beside.
pub(crate) fn load(sources: &Sources, wanted: &Wanted) -> Result<Actions> {
    load_observed(sources, wanted, None)
}

/// As [`load`]; an observer is told what packs do, if one is given.
pub(crate) fn load_observed(
    sources: &Sources,
    wanted: &Wanted,
    observer: Option<Arc<dyn Observer>>,
) -> Result<Actions> {
    let base = Base::open(sources)?;
    let mut actions = load_from(Base { observer, ..base }, wanted, None)?;
    // What is loaded needs no file any more.
    actions.hold = None;
    Ok(actions)
}

/// As [`load`]; what packs do is recorded in a place, if one is given, and no installed version is
/// deleted before [`Actions::hold`] is dropped.
pub(crate) fn load_recorded(
    sources: &Sources,
    wanted: &Wanted,
    place: Option<&Arc<Place>>,
) -> Result<Actions> {
    load_from(Base::open(sources)?, wanted, place)
}

fn load_from(base: Base, wanted: &Wanted, place: Option<&Arc<Place>>) -> Result<Actions> {
    let mut installed = if base.sources.no_packs {
        Opened::default()
    } else {
        wanted.open(&base.taken())?
    };
    let registry = base.registry(&installed, place)?;
    let origin = base.origin(&installed);
    let mut packs = base.packs;
    let opened = std::mem::take(&mut installed.packs);
    packs.extend(opened.into_iter().map(|(_, pack)| pack));
    Ok(Actions {
        registry,
        packs,
        origin,
        hold: installed.hold,
    })
}

/// What all actions of a process have in common, whichever installed packs there are beside: the
/// packs that the command line names, one sandbox, and one session with the cloud.
pub(crate) struct Base {
    sources: Sources,
    packs: Vec<Pack>,
    cloud: Arc<dyn Cloud>,
    /// Started with the first pack.
    sandbox: Mutex<Option<Sandbox>>,
    /// Whoever is told what packs do.
    observer: Option<Arc<dyn Observer>>,
}

impl Base {
    /// The same, where `observer` is told what packs do.
    pub(crate) fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Whoever is told what packs do.
    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.as_ref()
    }

    /// Opens everything that `sources` name.
    pub(crate) fn open(sources: &Sources) -> Result<Self> {
        http(sources)?;
        let packs = open_all(&sources.pack)?;
        let session = Session::open(sources.cloud.as_deref())
            .hint(|| "--cloud takes a name from clouds.yaml".to_owned())?;
        let session: Arc<dyn Cloud> = Arc::new(session);
        let cloud = match &sources.limit[..] {
            [] => session,
            limits => Arc::new(Throttled::new(session, limits)),
        };
        Ok(Self {
            sources: sources.clone(),
            packs,
            cloud,
            sandbox: Mutex::default(),
            observer: None,
        })
    }

    /// The names of the packs that the command line names: they take the place of installed ones.
    pub(crate) fn taken(&self) -> Vec<&str> {
        let packs = self.packs.iter();
        packs.map(|pack| pack.manifest.name.as_str()).collect()
    }

    /// What stands for it, with the `installed` packs: what an execution is resumed by.
    pub(crate) fn origin(&self, installed: &Opened) -> Value {
        origin(&self.sources, installed.origin())
    }

    /// Whether an execution with this origin began with the same, installed packs aside.
    pub(crate) fn began(&self, with: &Value) -> bool {
        let packs = with.get("packs").cloned().unwrap_or(Value::Null);
        *with == origin(&self.sources, packs)
    }

    /// Loads the packs, and makes one registry of all actions.
    pub(crate) fn registry(
        &self,
        installed: &Opened,
        place: Option<&Arc<Place>>,
    ) -> Result<Registry> {
        let sources = &self.sources;
        let mut ssh = SshOptions::default();
        ssh.proxy_commands = sources.ssh_proxy_commands;
        let mut builder = Registry::builder().http(http(sources)?).ssh(ssh);
        if !self.packs.is_empty() || !installed.packs.is_empty() {
            let operator = sources.grants.as_deref();
            let operator = operator.map(|file| grants("--grants", file)).transpose()?;
            let sandbox = self.sandbox()?;
            for (path, pack) in sources.pack.iter().zip(&self.packs) {
                let granted = operator.as_ref().unwrap_or(&pack.manifest.grants);
                let loaded = sandbox
                    .load(pack, granted)
                    .map_err(|error| refused(error, sources.grants.as_deref()))
                    .with_context(|| format!("pack {}", path.display()))?;
                builder = builder.pack(match place {
                    Some(place) => place.record(&loaded, path),
                    None => loaded,
                });
            }
            for (known, pack) in &installed.packs {
                let loaded = sandbox
                    .load(pack, &known.grants)
                    .with_context(|| format!("pack {} {}", known.name, known.version))
                    .hint(|| {
                        format!(
                            "`ostro pack install {} --accept-grants FILE` grants it more",
                            known.source
                        )
                    })?;
                builder = builder.pack(match place {
                    Some(place) => place.record(&loaded, &installed.object(known)),
                    None => loaded,
                });
            }
        }
        builder
            .cloud(Arc::clone(&self.cloud))
            .build()
            .hint(|| "--pack: each action may come from one pack only".to_owned())
    }

    /// The sandbox, which is started once there is something to run in it.
    fn sandbox(&self) -> Result<Sandbox> {
        let mut started = self.sandbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sandbox) = &*started {
            return Ok(sandbox.clone());
        }
        let sandbox = Sandbox::new(SandboxConfig {
            cache_dir: cache(),
            closed: state::own_folders(),
            secrets: secrets::gather(self.sources.secrets.as_deref())?,
            ..SandboxConfig::default()
        })?;
        if let Some(observer) = &self.observer {
            sandbox.observe(Arc::clone(observer));
        }
        *started = Some(sandbox.clone());
        Ok(sandbox)
    }
}

/// As whom the actions of executions act, where that is not the operator: their callers, on the
/// operator's cloud or on one of their own, which may not be where `std.http` may not go.
pub(crate) fn delegations(sources: &Sources) -> Result<Delegations> {
    let session = Session::open(sources.cloud.as_deref())
        .hint(|| "--cloud takes a name from clouds.yaml".to_owned())?;
    let denied = http(sources)?.denied_networks;
    Ok(Delegations::new(session, &sources.limit).denying(denied))
}

/// `sources`, to be found again from any folder, and what stands for the `installed` packs: what
/// an execution is resumed by.
fn origin(sources: &Sources, installed: Value) -> Value {
    let absolute = |path: &PathBuf| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Value::from(path.display().to_string())
    };
    let texts = |texts: &[String]| -> Value {
        texts
            .iter()
            .map(|text| Value::from(text.as_str()))
            .collect()
    };
    let limits = sources.limit.iter().map(ToString::to_string);
    let packs: Value = sources.pack.iter().map(absolute).collect();
    Value::from_iter([
        ("pack", packs),
        ("packs", installed),
        ("grants", sources.grants.as_ref().map(absolute).into()),
        ("secrets", sources.secrets.as_ref().map(absolute).into()),
        ("cloud", sources.cloud.as_deref().into()),
        ("http_deny", texts(&sources.http_deny)),
        ("limit", limits.map(Value::from).collect()),
        ("ssh_proxy_commands", sources.ssh_proxy_commands.into()),
    ])
}

/// The inverse of [`origin`], but for installed packs, which [`Wanted::pinned`] reads.
pub(crate) fn from_origin(origin: &Value) -> Sources {
    let text = |key: &str| origin.get(key)?.as_str().map(str::to_owned);
    let texts = |key: &str| -> Vec<String> {
        let items = origin.get(key).and_then(Value::as_list).unwrap_or_default();
        items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    Sources {
        pack: texts("pack").into_iter().map(PathBuf::from).collect(),
        grants: text("grants").map(PathBuf::from),
        no_packs: false,
        secrets: text("secrets").map(PathBuf::from),
        cloud: text("cloud"),
        http_deny: texts("http_deny"),
        limit: texts("limit")
            .iter()
            .filter_map(|limit| limit.parse().ok())
            .collect(),
        ssh_proxy_commands: origin.get("ssh_proxy_commands") == Some(&Value::Bool(true)),
    }
}

/// Whether a command line says where actions come from.
pub(crate) fn are_given(sources: &Sources) -> bool {
    !sources.pack.is_empty()
        || sources.grants.is_some()
        || sources.no_packs
        || sources.secrets.is_some()
        || sources.cloud.is_some()
        || !sources.http_deny.is_empty()
        || !sources.limit.is_empty()
        || sources.ssh_proxy_commands
}

/// Where std.http may go.
fn http(sources: &Sources) -> Result<HttpOptions> {
    let mut options = HttpOptions::default();
    if !sources.http_deny.is_empty() {
        let named = sources.http_deny.iter().filter(|text| *text != "none");
        let network = |text: &String| {
            HttpOptions::network(text)
                .with_context(|| format!("--http-deny {text}: it is no network"))
        };
        options.denied_networks = named.map(network).collect::<Result<_>>()?;
    }
    Ok(options)
}

/// Opens packs that the command line names.
pub(crate) fn open_all(paths: &[PathBuf]) -> Result<Vec<Pack>> {
    paths.iter().map(|path| open(path)).collect()
}

/// Opens a pack.
pub(crate) fn open(path: &Path) -> Result<Pack> {
    Pack::open(path).map_err(|error| match error {
        PackError::Component { .. } => hinted(
            anyhow::Error::from(error).context(format!("pack {}", path.display())),
            "a pack holds WebAssembly components; `ostro pack build DIR` makes them",
        ),
        PackError::Function { .. } | PackError::Duplicate { .. } => {
            anyhow::Error::from(error).context(format!("pack {}", path.display()))
        }
        other => other.into(),
    })
}

/// Reads the grants in a file that an `option` names.
pub(crate) fn grants(option: &str, path: &Path) -> Result<Grants> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("{option} {name}"))?;
    Grants::parse(&text, &name).hint(|| {
        "a grants file has what pack.yaml has under `grants`: openstack, operations, messaging, \
         files, http, object-store, secrets"
            .to_owned()
    })
}

/// Why a pack was not loaded, with what to do where that is known.
fn refused(error: SandboxError, grants: Option<&Path>) -> anyhow::Error {
    match (&error, grants) {
        (SandboxError::Pack(PackError::Imports(_)), Some(file)) => {
            let hint = format!("--grants {} says what packs are granted", file.display());
            hinted(error, hint)
        }
        (SandboxError::Pack(PackError::Imports(_)), None) => hinted(
            error,
            "grant it under `grants` in the pack's pack.yaml, or with --grants FILE",
        ),
        (SandboxError::Secrets { missing, .. }, _) => {
            let name = missing.first().map_or("NAME", String::as_str);
            let variable = name.to_ascii_uppercase().replace('-', "_");
            let hint = format!(
                "`--secrets FILE` names a YAML file with a line `{name}: \"…\"`, and \
                 OSTRO_SECRET_{variable} in the environment gives it, too"
            );
            hinted(error, hint)
        }
        _ => error.into(),
    }
}

/// Where compiled components are kept: `ostro` in the user's cache folder; none without a home.
pub(crate) fn cache() -> Option<PathBuf> {
    ostro_packs::build::user_cache().map(|base| base.join("ostro"))
}
