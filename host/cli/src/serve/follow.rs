//! Has a running server notice what other processes activate.

use std::sync::Arc;
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{Config, Event, PollWatcher, RecursiveMode, Watcher};
use ostro_store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::active::Active;

/// How often the folder is looked at where the system does not tell of changes.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the store until it is dropped.
pub(super) struct Following {
    _watcher: Option<Box<dyn Watcher + Send>>,
    task: JoinHandle<()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Has `active` get what is active in `store` each time that its record changes.
pub(super) fn follow(active: Arc<Active>, store: &Store) -> Result<Following, StoreError> {
    store.make()?;
    // What changed before it is watched is looked at once.
    let woken = Arc::new(Notify::new());
    woken.notify_one();
    let watcher = watch(store, &woken).or_else(|error| {
        tracing::warn!(%error, "changes of packs are looked for each second");
        poll(store, &woken)
    });
    let watcher = watcher.inspect_err(|error| {
        tracing::error!(%error, "packs that other processes activate are not noticed");
    });
    let task = tokio::spawn(async move {
        loop {
            woken.notified().await;
            let active = Arc::clone(&active);
            let refreshed = tokio::task::spawn_blocking(move || active.refresh());
            if let Err(error) = refreshed.await {
                tracing::error!(%error, "looking at what is active broke down");
            }
        }
    });
    Ok(Following {
        _watcher: watcher.ok(),
        task,
    })
}

fn watch(store: &Store, woken: &Arc<Notify>) -> notify::Result<Box<dyn Watcher + Send>> {
    let mut watcher = notify::recommended_watcher(waker(store, woken))?;
    watcher.watch(store.path(), RecursiveMode::NonRecursive)?;
    Ok(Box::new(watcher))
}

fn poll(store: &Store, woken: &Arc<Notify>) -> notify::Result<Box<dyn Watcher + Send>> {
    let config = Config::default().with_poll_interval(LOOK);
    let mut watcher = PollWatcher::new(waker(store, woken), config)?;
    watcher.watch(store.path(), RecursiveMode::NonRecursive)?;
    Ok(Box::new(watcher))
}

/// Wakes whoever waits when an event is about the record.
fn waker(store: &Store, woken: &Arc<Notify>) -> impl FnMut(notify::Result<Event>) + use<> {
    let (record, woken) = (store.record_name(), Arc::clone(woken));
    move |event| {
        let is_it = match event {
            // What happened, nobody knows.
            Err(_) => true,
            Ok(event) => {
                let reads = matches!(
                    event.kind,
                    EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))
                );
                let names = |path: &std::path::PathBuf| path.ends_with(record);
                event.need_rescan() || (!reads && event.paths.iter().any(names))
            }
        };
        if is_it {
            woken.notify_one();
        }
    }
}
