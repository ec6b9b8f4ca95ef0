//! The library that new executions get, those that others still run by, and where the runners of
//! stored ones come from.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use async_trait::async_trait;
use ostro_core::{ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner};
use ostro_journal::Digest;
use tokio::sync::Mutex as Turn;

use crate::turn::panic_message;
use crate::{Library, lock};

/// Makes the runner of a library that was stored, from its
/// [`origin`](Library::origin) and [`definitions`](Library::definitions).
///
/// It may take its time, and is called on a thread that may block. Where it fails, the actions of
/// the executions that run by the library fail with its error, which says why and what to do; the
/// next action asks once more.
pub trait RunnerSource: Send + Sync {
    /// The runner of `library`'s actions.
    fn runner(&self, library: &Library) -> Result<Arc<dyn ActionRunner>, String>;
}

impl<F> RunnerSource for F
where
    F: Fn(&Library) -> Result<Arc<dyn ActionRunner>, String> + Send + Sync,
{
    fn runner(&self, library: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        self(library)
    }
}

/// Where the runner of a library comes from that was stored.
pub(crate) enum Source {
    /// It is the same for all.
    Same(Arc<dyn ActionRunner>),
    /// It is made for each.
    Made(Arc<dyn RunnerSource>),
}

/// The libraries of a runtime.
pub(crate) struct Libraries {
    current: Mutex<Arc<Library>>,
    /// Those that are in memory: one that nothing runs by any more leaves it.
    known: Mutex<HashMap<Digest, Weak<Library>>>,
    source: Source,
}

impl Libraries {
    pub(crate) fn new(current: Library, source: Source) -> Self {
        let current = Arc::new(current);
        let known = HashMap::from([(current.digest(), Arc::downgrade(&current))]);
        Self {
            current: Mutex::new(current),
            known: Mutex::new(known),
            source,
        }
    }

    /// What new executions get.
    pub(crate) fn current(&self) -> Arc<Library> {
        Arc::clone(&lock(&self.current))
    }

    /// Gives new executions `library`.
    pub(crate) fn activate(&self, library: Library) {
        let library = Arc::new(library);
        {
            let mut known = lock(&self.known);
            known.retain(|_, library| library.strong_count() > 0);
            known.insert(library.digest(), Arc::downgrade(&library));
        }
        // Whatever goes with the one before goes after the lock is free.
        let before = std::mem::replace(&mut *lock(&self.current), library);
        drop(before);
    }

    /// Has `library` known to executions that are brought back; the same as is known already, if
    /// one is.
    pub(crate) fn known(&self, library: Arc<Library>) -> Arc<Library> {
        let mut known = lock(&self.known);
        if let Some(there) = known.get(&library.digest()).and_then(Weak::upgrade) {
            return there;
        }
        known.retain(|_, library| library.strong_count() > 0);
        known.insert(library.digest(), Arc::downgrade(&library));
        library
    }

    /// One that is in memory.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Library>> {
        lock(&self.known).get(digest).and_then(Weak::upgrade)
    }

    /// Gives a library that was stored its runner; the one in memory, if somebody was faster.
    pub(crate) fn restored(&self, library: Library) -> Arc<Library> {
        let digest = library.digest();
        let library = Arc::new(match &self.source {
            Source::Same(runner) => library.with_runner(Arc::clone(runner)),
            Source::Made(source) => {
                let runner = Made {
                    source: Arc::clone(source),
                    library: library.clone(),
                    runner: OnceLock::new(),
                    turn: Turn::default(),
                };
                library.with_runner(Arc::new(runner))
            }
        });
        let mut known = lock(&self.known);
        if let Some(there) = known.get(&digest).and_then(Weak::upgrade) {
            return there;
        }
        known.retain(|_, library| library.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&library));
        library
    }
}

/// The runner of a library that was stored, which is made when an action first wants it.
struct Made {
    source: Arc<dyn RunnerSource>,
    /// The library without a runner.
    library: Library,
    runner: OnceLock<Arc<dyn ActionRunner>>,
    /// Held while it is made.
    turn: Turn<()>,
}

impl Made {
    /// Asks the source.
    fn make(source: &dyn RunnerSource, library: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        catch_unwind(AssertUnwindSafe(|| source.runner(library)))
            .unwrap_or_else(|panic| Err(panic_message(panic.as_ref())))
    }

    async fn runner(&self) -> Result<&Arc<dyn ActionRunner>, String> {
        if let Some(runner) = self.runner.get() {
            return Ok(runner);
        }
        let _turn = self.turn.lock().await;
        if let Some(runner) = self.runner.get() {
            return Ok(runner);
        }
        let (source, library) = (Arc::clone(&self.source), self.library.clone());
        let made = tokio::task::spawn_blocking(move || Self::make(&*source, &library));
        let runner = made.await.map_err(|error| error.to_string())??;
        Ok(self.runner.get_or_init(|| runner))
    }
}

#[async_trait]
impl ActionRunner for Made {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        match self.runner().await {
            Ok(runner) => runner.run(call).await,
            Err(reason) => ActionOutcome::Error(ActionError::new(
                ActionErrorKind::Call,
                format!(
                    "{}: the actions that its execution started with cannot be had: {reason}",
                    call.name
                ),
            )),
        }
    }

    /// Asked where executions are read from the journal, which may block.
    fn only_reads(&self, name: &str) -> bool {
        if self.runner.get().is_none()
            && let Ok(runner) = Self::make(&*self.source, &self.library)
        {
            // Somebody else may have made it meanwhile: both are as good.
            let _ = self.runner.set(runner);
        }
        self.runner
            .get()
            .is_some_and(|runner| runner.only_reads(name))
    }
}
