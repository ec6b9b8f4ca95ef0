//! What the host keeps for one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ostro_core::{ActionContext, ProgressSink};
use ostro_egress::Lookup;
use ostro_openstack::Cloud;
use ostro_packs::FolderGrant;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::error::{LimitError, LimitKind};
use crate::folders::Folder;
use crate::host::{Files, Http, Objects, Opened, Output, Parts};
use crate::observer::Observer;
use crate::pace::Due;
use crate::pack::Policy;
use crate::recording::Tape;
use crate::secrets::CallSecrets;

/// How many handles of WASI a guest may hold.
const MAX_WASI_HANDLES: usize = 1024;
/// How many random bytes a guest gets at once from WASI.
const MAX_WASI_RANDOM: u64 = 64 << 10;
/// How many elements the tables of an instance may have, all together.
const MAX_TABLE_ELEMENTS: usize = 1_000_000;

/// One call, as the host sees it. It is the data of the instance's store.
pub(crate) struct State {
    pub(crate) caller: Caller,
    pub(crate) usage: Usage,
    /// What happens to its host calls.
    pub(crate) tape: Tape,
    /// The objects that it reads and writes.
    pub(crate) objects: Objects,
    /// Whether it said that somebody else finishes the action execution.
    pub(crate) deferred: bool,
    /// Made when a guest first asks for it: most do not use WASI.
    wasi: Option<Wasi>,
    http: Option<Http>,
    opened: Opened,
}

/// WASI of one instance.
struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl State {
    pub(crate) fn new(caller: Caller, tape: Tape) -> Self {
        let usage = Usage {
            max_memory: caller.max_memory,
            ..Usage::default()
        };
        Self {
            caller,
            usage,
            tape,
            objects: Objects::default(),
            deferred: false,
            wasi: None,
            http: None,
            opened: Opened::default(),
        }
    }

    /// WASI's files, for a call of the guest.
    pub(crate) fn files(&mut self) -> Files<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Wasi::new(&self.caller));
        Files {
            inner: wasi.filesystem(),
            opened: &mut self.opened,
            caller: &self.caller,
        }
    }

    /// What a request through WASI needs.
    pub(crate) fn parts(&mut self) -> Parts<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Wasi::new(&self.caller));
        let most = self.caller.policy.limits.output;
        Parts {
            caller: &self.caller,
            tape: &mut self.tape,
            table: &mut wasi.table,
            http: self.http.get_or_insert_with(|| Http::new(most)),
        }
    }

    /// The folders that were used, and what for.
    pub(crate) fn used_folders(&self) -> Vec<FolderGrant> {
        let mut used: Vec<_> = self
            .opened
            .done()
            .filter_map(|(at, mode)| {
                let mut grant = self.caller.folders.get(at)?.grant.clone();
                grant.mode = mode;
                Some(grant)
            })
            .collect();
        used.sort_by(|one, other| one.guest.cmp(&other.guest));
        used
    }

    /// Counts a host call. An error stops the guest.
    pub(crate) fn count(&self) -> Result<(), LimitError> {
        self.caller.host_calls.count()
    }
}

/// How many host calls were made of those that are allowed. Cloning gives another handle of the
/// same.
#[derive(Clone, Debug)]
pub(crate) struct HostCalls {
    made: Arc<AtomicU64>,
    allowed: u64,
    due: Due,
}

impl HostCalls {
    pub(crate) fn new(allowed: u64, due: Due) -> Self {
        Self {
            made: Arc::default(),
            allowed,
            due,
        }
    }

    /// How many were made.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// When the last one that was counted is due.
    pub(crate) fn due(&self) -> &Due {
        &self.due
    }

    /// Counts one. An error stops the guest.
    pub(crate) fn count(&self) -> Result<(), LimitError> {
        // Only one thread at a time runs a guest.
        if self.made.fetch_add(1, Ordering::Relaxed) >= self.allowed {
            return Err(LimitError {
                kind: LimitKind::HostCalls,
                allowed: self.allowed.to_string(),
            });
        }
        self.due.take();
        Ok(())
    }
}

/// Who calls, and what it may reach: what host calls share. Cloning gives another handle of the
/// same.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) policy: Arc<Policy>,
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) context: ActionContext,
    pub(crate) progress: Arc<dyn ProgressSink>,
    pub(crate) deadline: Instant,
    /// The most memory of the instance, in bytes.
    pub(crate) max_memory: u64,
    pub(crate) host_calls: HostCalls,
    /// The folders that it sees.
    pub(crate) folders: Arc<[Folder]>,
    /// Whether its component has a validation, and so only reads.
    pub(crate) only_reads: bool,
    pub(crate) lookup: Lookup,
    pub(crate) secrets: Arc<CallSecrets>,
    /// Whoever wants to know of its host calls.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl Caller {
    /// A line for the operator.
    pub(crate) fn note(&self, line: &str) {
        self.progress.note(&self.context, line);
    }

    /// Waits until the host call that was counted last is due. Each host call that reaches
    /// something outside of this process does so first. Others are made up for at the next tick.
    pub(crate) async fn turn(&self) {
        self.host_calls.due().wait().await;
    }

    /// How long the call may still take.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What a call has used up.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    max_memory: u64,
    pub(crate) memory: u64,
    table_elements: usize,
    /// Whether memory was asked for beyond the limit: a guest that is told so traps by itself.
    pub(crate) memory_denied: bool,
}

impl ResourceLimiter for Usage {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // All memories of an instance count together.
        let total = self
            .memory
            .saturating_add(desired.saturating_sub(current) as u64);
        if total > self.max_memory {
            self.memory_denied = true;
            return Ok(false);
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        if total > MAX_TABLE_ELEMENTS {
            self.memory_denied = true;
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }
}

impl Wasi {
    /// An empty world: no arguments, no environment, no network, no input, and output that goes
    /// to the guest's log. Clocks and randomness are real. Folders and hosts that are granted are
    /// added to it by `host::files` and `host::http`.
    fn new(caller: &Caller) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_WASI_HANDLES);
        let mut wasi = WasiCtx::builder();
        wasi.max_random_size(MAX_WASI_RANDOM)
            .stdout(Output::new(caller))
            .stderr(Output::new(caller));
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let context = wasi.build();
        Self { context, table }
    }
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Wasi::new(&self.caller));
        wasi.ctx()
    }
}
