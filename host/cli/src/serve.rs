//! `ostro serve`: Mistral's API v2, until somebody says stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use async_trait::async_trait;
use ostro_actions::{ActionDescription, Registry};
use ostro_core::{ActionCall, ActionOutcome, ActionRunner, Value};
use ostro_journal::{Journal, Options};
use ostro_lang::{Definitions, Diagnostic, check};
use ostro_runtime::{Library, Runtime, SystemClock};
use ostro_server::{Actions, Parameter, Server, SystemAction, Zaqar, ZaqarSettings};
use tokio::net::TcpListener;

use crate::args::{Queues, Serve, State};
use crate::errors::{Exit, hinted};
use crate::installed::Wanted;
use crate::state::StateDir;
use crate::{sources, terminal};

/// How long executions may take to come to a place where they can stop.
const GRACE: Duration = Duration::from_secs(1);

/// Carries out `ostro serve`.
pub(crate) fn serve(args: &Serve) -> Result<Exit> {
    check_listen(args.listen)?;
    let state = StateDir::new(args.state.state_dir.as_deref())?;
    let wanted = Wanted::all(&args.state, [])?;
    // Held as long as executions may begin with these versions.
    let actions = sources::load_recorded(&args.sources, &wanted, None)?;
    state.make()?;
    let journal = Journal::open(&state.server(), &Options::default())?;
    let clock = Arc::new(SystemClock);
    let zaqar = match args.zaqar {
        Queues::Own => {
            let settings = ZaqarSettings::default();
            Some(Zaqar::open(
                journal.clone(),
                Arc::clone(&clock) as _,
                settings,
            )?)
        }
        Queues::Cloud => None,
    };
    let known = Arc::new(Known {
        registry: actions.registry,
        origin: actions.origin,
        zaqar: zaqar.clone(),
    });
    crate::block_on(async {
        let library = Library::new(Vec::new(), known.origin.clone())
            .with_runner(known.runner(Arc::default()));
        let source = Stored(args.state.clone(), zaqar.clone());
        let runtime = Runtime::sourced(
            journal.clone(),
            library,
            Arc::new(source),
            Arc::clone(&clock) as _,
            ostro_runtime::Options::default(),
        );
        let going_on = runtime.recover().await?;
        let mut server = Server::new(runtime.clone(), journal.clone(), known, clock)?;
        if let Some(zaqar) = zaqar {
            server = server.with_zaqar(zaqar);
        }
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen at {}", args.listen))?;
        let at = listener.local_addr()?;
        terminal::complain(&format!("listening at http://{at}/v2"));
        if going_on > 0 {
            terminal::complain(&format!("{going_on} executions go on"));
        }
        server.serve(listener, told_to_stop()).await?;
        runtime.shutdown(GRACE).await;
        journal.close();
        drop(actions.hold);
        Ok(Exit::Success)
    })?
}

/// Whoever is let in may do everything, so that nobody else may be.
fn check_listen(listen: SocketAddr) -> Result<()> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    Err(hinted(
        anyhow!("--listen {listen}: nobody is asked who they are, so only this machine may ask"),
        "take 127.0.0.1, and a proxy that asks people who they are in front of it",
    ))
}

/// Ready at Ctrl-C, and at SIGTERM.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Where signals cannot be heard, the process ends as the system ends it.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The actions that there are.
struct Known {
    registry: Registry,
    origin: Value,
    zaqar: Option<Arc<Zaqar>>,
}

impl Actions for Known {
    fn all(&self) -> Vec<SystemAction> {
        let names = self.registry.names();
        names.iter().filter_map(|name| self.get(name)).collect()
    }

    fn get(&self, name: &str) -> Option<SystemAction> {
        self.registry.describe(name).map(described)
    }

    fn runner(&self, definitions: Arc<Definitions>) -> Arc<dyn ActionRunner> {
        with_queues(
            self.registry.with_definitions(definitions),
            self.zaqar.as_ref(),
        )
    }

    fn check(&self, definitions: &Definitions) -> Vec<Diagnostic> {
        check(definitions, &self.registry)
    }

    fn origin(&self) -> Value {
        self.origin.clone()
    }
}

/// The runner of a registry, with the server's own queues as the messaging service of its cloud.
fn with_queues(registry: Registry, zaqar: Option<&Arc<Zaqar>>) -> Arc<dyn ActionRunner> {
    match zaqar {
        None => Arc::new(registry),
        Some(zaqar) => Arc::new(WithQueues {
            registry,
            zaqar: Arc::clone(zaqar),
        }),
    }
}

/// Runs each action with the queues of the project that it is for.
struct WithQueues {
    registry: Registry,
    zaqar: Arc<Zaqar>,
}

#[async_trait]
impl ActionRunner for WithQueues {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        let project = Arc::clone(&call.context.project);
        let registry = self
            .registry
            .with_cloud(|cloud| self.zaqar.cloud(&project, cloud));
        registry.run(call).await
    }

    fn only_reads(&self, name: &str) -> bool {
        self.registry.only_reads(name)
    }
}

fn described(action: ActionDescription) -> SystemAction {
    let parameters = action.parameters.into_iter().map(|one| Parameter {
        default: (!one.required).then(|| one.default.unwrap_or(Value::Null)),
        name: one.name,
    });
    SystemAction {
        parameters: parameters.collect(),
        description: action.docs.map(|docs| docs.to_string()),
        name: action.name,
    }
}

/// Makes the runner of a library again that was stored, of the packs that its executions began
/// with.
struct Stored(State, Option<Arc<Zaqar>>);

impl ostro_runtime::RunnerSource for Stored {
    fn runner(&self, library: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        let wanted = Wanted::pinned(&self.0, library.origin());
        let sources = sources::from_origin(library.origin());
        let actions = sources::load(&sources, &wanted).map_err(|error| format!("{error:#}"))?;
        let definitions = Arc::clone(library.definitions());
        let registry = actions.registry.with_definitions(definitions);
        Ok(with_queues(registry, self.1.as_ref()))
    }
}
