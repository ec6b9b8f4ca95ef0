//! `ostro serve`: Mistral's API v2, until somebody says stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use ostro_actions::{ActionDescription, Registry};
use ostro_core::{ActionRunner, Value};
use ostro_journal::{Journal, Options};
use ostro_lang::{Definitions, Diagnostic, check};
use ostro_runtime::{Library, Runtime, SystemClock};
use ostro_server::{Actions, Parameter, Server, SystemAction};
use tokio::net::TcpListener;

use crate::args::{Serve, State};
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
    let known = Arc::new(Known {
        registry: actions.registry,
        origin: actions.origin,
    });
    state.make()?;
    let journal = Journal::open(&state.server(), &Options::default())?;
    crate::block_on(async {
        let library = Library::new(Vec::new(), known.origin.clone())
            .with_runner(known.runner(Arc::default()));
        let source = Stored(args.state.clone());
        let clock = Arc::new(SystemClock);
        let runtime = Runtime::sourced(
            journal.clone(),
            library,
            Arc::new(source),
            Arc::clone(&clock) as _,
            ostro_runtime::Options::default(),
        );
        let going_on = runtime.recover().await?;
        let server = Server::new(runtime.clone(), journal.clone(), known, clock)?;
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
        Arc::new(self.registry.with_definitions(definitions))
    }

    fn check(&self, definitions: &Definitions) -> Vec<Diagnostic> {
        check(definitions, &self.registry)
    }

    fn origin(&self) -> Value {
        self.origin.clone()
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
struct Stored(State);

impl ostro_runtime::RunnerSource for Stored {
    fn runner(&self, library: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        let wanted = Wanted::pinned(&self.0, library.origin());
        let sources = sources::from_origin(library.origin());
        let actions = sources::load(&sources, &wanted).map_err(|error| format!("{error:#}"))?;
        let definitions = Arc::clone(library.definitions());
        Ok(Arc::new(actions.registry.with_definitions(definitions)))
    }
}
