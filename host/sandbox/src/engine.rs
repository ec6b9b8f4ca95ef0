//! The engine that all packs share, and the thread that keeps its time.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use ostro_egress::Lookup;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy,
    PoolingAllocationConfig,
};

use crate::error::SandboxError;
use crate::folders::Folders;
use crate::health::{Health, PackId, PausedPack};
use crate::observer::Observer;
use crate::pace::Paces;
use crate::pack::Loaded;
use crate::quota::Quotas;
use crate::secrets::Secrets;
use crate::turns::Turns;

/// How often running guests are looked at: how long one may hold a thread of the host, and how
/// exact its time limit is.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// For how many ticks the thread goes on when no guest runs, so that calls in a row need not
/// wake it.
const IDLE_TICKS: u32 = 100;

/// Where there is not enough address space for as many instances, there is something else wrong.
const FEWEST_INSTANCES: u32 = 32;

/// What a sandbox may use.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Where compiled components are kept from one start to the next; none for nowhere. Whoever
    /// can write there can make the host run anything: it must belong to the host alone.
    pub cache_dir: Option<PathBuf>,
    /// How many instances there are at the same time; more calls wait. Where there is not enough
    /// address space for as many, it is as many as there is ([`Sandbox::max_instances`]).
    pub max_instances: u32,
    /// The most memory that a pack may ask for an instance, in bytes.
    pub max_memory: u64,
    /// The longest that a pack may ask for a call.
    pub max_time: Duration,
    /// Folders that no pack gets, whatever it is granted, with all that is in them and around
    /// them: where the host keeps its own. That of `cache_dir` is one by itself.
    pub closed: Vec<PathBuf>,
    /// How the names of hosts outside of the cloud become addresses.
    pub lookup: Lookup,
    /// The values that the operator provides, for packs that are granted them.
    pub secrets: Secrets,
    /// What packs and projects may use, beside what packs ask for.
    pub quotas: Quotas,
    /// Whether the fuel that calls take is counted, which costs them time: the same call takes
    /// the same fuel on every machine. Only then `limits.fuel` of packs is looked at.
    pub fuel: bool,
    /// After how many calls in a row that trap, or go past their time, memory or fuel, a pack is
    /// paused; none for never.
    pub pause_after: Option<NonZeroU32>,
    /// How a paused pack is resumed, for whoever reads that it is paused.
    pub how_to_resume: String,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            max_instances: 1024,
            max_memory: 1 << 30,
            max_time: Duration::from_hours(24),
            closed: Vec::new(),
            lookup: Lookup::default(),
            secrets: Secrets::default(),
            quotas: Quotas::default(),
            fuel: false,
            pause_after: NonZeroU32::new(5),
            how_to_resume: "it is called again once it is resumed, or in another version"
                .to_owned(),
        }
    }
}

/// Runs packs. Cloning gives another handle of the same.
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
}

/// What all packs of a sandbox share.
pub(crate) struct Shared {
    pub(crate) config: SandboxConfig,
    pub(crate) engine: Engine,
    pub(crate) turns: Turns,
    pub(crate) paces: Paces,
    pub(crate) health: Health,
    pub(crate) ticker: Ticker,
    /// What is known of the folders that packs are granted.
    pub(crate) folders: Folders,
    observer: OnceLock<Arc<dyn Observer>>,
    /// The packs in memory, by their digest. One that nobody calls any more leaves it.
    loaded: Mutex<HashMap<Arc<str>, Vec<Weak<Loaded>>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.get()
    }

    /// The packs in memory, without those that have left it.
    pub(crate) fn loaded(&self) -> MutexGuard<'_, HashMap<Arc<str>, Vec<Weak<Loaded>>>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|_, packs| {
            packs.retain(|pack| pack.strong_count() > 0);
            !packs.is_empty()
        });
        loaded
    }
}

impl Sandbox {
    /// Starts the engine.
    pub fn new(mut config: SandboxConfig) -> Result<Self, SandboxError> {
        let engine = loop {
            let made = engine(&config).and_then(|config| Engine::new(&config));
            match made {
                Ok(engine) => break engine,
                // The address space of the process may be limited.
                Err(_) if config.max_instances > FEWEST_INSTANCES => config.max_instances /= 2,
                Err(error) => return Err(SandboxError::Engine(format!("{error:#}"))),
            }
        };
        let ticker = Ticker::start(engine.weak())
            .map_err(|error| SandboxError::Engine(format!("no thread: {error}")))?;
        Ok(Self {
            shared: Arc::new(Shared {
                turns: Turns::new(config.max_instances.max(1)),
                paces: Paces::default(),
                health: Health::new(config.pause_after),
                config,
                engine,
                ticker,
                folders: Folders::default(),
                observer: OnceLock::new(),
                loaded: Mutex::default(),
            }),
        })
    }

    /// How many instances there can be at the same time.
    pub fn max_instances(&self) -> u32 {
        self.shared.config.max_instances
    }

    /// Has `observer` told what happens from now on. The first one stays; whether this is it.
    pub fn observe(&self, observer: Arc<dyn Observer>) -> bool {
        self.shared.observer.set(observer).is_ok()
    }

    /// The packs that are in memory: those that somebody holds.
    pub fn loaded(&self) -> Vec<PackId> {
        let loaded = self.shared.loaded();
        let packs = loaded.values().flatten().filter_map(Weak::upgrade);
        // The last handle of one may be dropped here, which must not be while the lock is held.
        let packs: Vec<Arc<Loaded>> = packs.collect();
        drop(loaded);
        packs.iter().map(|pack| pack.policy.id.clone()).collect()
    }

    /// Has the actions of a pack not called until it is resumed: what an operator wants, or what
    /// was so before a restart.
    pub fn pause(&self, pack: PausedPack) {
        self.shared.health.pause(pack);
    }

    /// The packs that are paused.
    pub fn paused(&self) -> Vec<PausedPack> {
        self.shared.health.all_paused()
    }

    /// Has the actions of the pack with this digest called again. Whether it was paused.
    pub fn resume(&self, digest: &str) -> bool {
        let Some(pack) = self.shared.health.resume(digest) else {
            return false;
        };
        if let Some(observer) = self.shared.observer() {
            observer.resumed(&pack);
        }
        true
    }

    /// The engine, for measurements.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }
}

fn engine(sandbox: &SandboxConfig) -> wasmtime::Result<Config> {
    let instances = sandbox.max_instances.max(1);
    let mut pool = PoolingAllocationConfig::new();
    // Components of languages with a runtime of their own bring some core modules each.
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(32))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .total_stacks(instances)
        .max_core_instances_per_component(64)
        .max_memories_per_component(16)
        .max_tables_per_component(64)
        .max_memory_size(usize::try_from(sandbox.max_memory)?)
        .table_elements(100_000)
        // What a small guest touches is cleared and kept: faster than giving it back and taking
        // it again.
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        // Where the kernel can say which pages were touched, only those are cleared.
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        // What no pack needs is off: it is less to trust. Threads, garbage collection and
        // exceptions are not even built in. Relaxed SIMD differs between machines.
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .consume_fuel(sandbox.fuel)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    if let Some(dir) = &sandbox.cache_dir {
        std::fs::create_dir_all(dir)?;
        let mut cache = CacheConfig::new();
        cache.with_directory(std::path::absolute(dir)?);
        config.cache(Some(Cache::new(cache)?));
    }
    Ok(config)
}

/// Moves the engine's epoch on while guests run.
#[derive(Debug)]
pub(crate) struct Ticker {
    state: Arc<TickerState>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct TickerState {
    running: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let state = Arc::new(TickerState::default());
        let ticks = Arc::clone(&state);
        let handle = thread::Builder::new()
            .name("ostro-epoch".into())
            .spawn(move || {
                let mut idle = 0;
                loop {
                    thread::sleep(TICK);
                    // The thread ends with its sandbox, whoever still holds the engine.
                    if ticks.stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let Some(engine) = engine.upgrade() else {
                        return;
                    };
                    engine.increment_epoch();
                    drop(engine);
                    idle = if ticks.running.load(Ordering::SeqCst) == 0 {
                        idle + 1
                    } else {
                        0
                    };
                    if idle < IDLE_TICKS {
                        continue;
                    }
                    idle = 0;
                    ticks.parked.store(true, Ordering::SeqCst);
                    // A call that starts between the check above and the store sees no reason to
                    // wake this thread, so it is checked again.
                    if ticks.running.load(Ordering::SeqCst) == 0 {
                        thread::park();
                    }
                    ticks.parked.store(false, Ordering::SeqCst);
                }
            })?;
        Ok(Self {
            state,
            thread: handle.thread().clone(),
        })
    }

    /// Time passes for guests as long as the answer lives.
    pub(crate) fn run(&self) -> Running<'_> {
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(self)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A guest runs.
pub(crate) struct Running<'a>(&'a Ticker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state.running.fetch_sub(1, Ordering::SeqCst);
    }
}
