//! Brings what the journal's writer tells to the tasks that wait for it.
//!
//! A task that another thread wakes has tokio wake a second worker, which looks for more to do and
//! takes the core that the writer needs for the next turn: a step of a lone execution waits for
//! that twice. What comes through a pipe is an event of tokio's own, and wakes one worker. Of a
//! group of turns that were committed at once, it also takes the waking off the writer.

use std::fs::File;
use std::io::{self, Write as _};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use ostro_journal::JournalError;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::lock;

type Written = Result<(), JournalError>;

/// The way from the writer's thread to the tasks of one tokio runtime.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relay {
    /// Made when it is first needed, within tokio. None where the system gives no pipe.
    line: Arc<OnceLock<Option<Arc<Line>>>>,
}

#[derive(Debug)]
struct Line {
    told: Arc<Mutex<Told>>,
    bell: File,
}

/// What was told and not yet brought to who waits for it.
#[derive(Debug, Default)]
struct Told {
    written: Vec<(oneshot::Sender<Written>, Written)>,
    /// Whether the bell has rung since all was brought.
    rung: bool,
    /// Whether nobody will hear it any more, since tokio has ended.
    deaf: bool,
}

/// Who listens to the bell.
struct Listener(Arc<Mutex<Told>>);

impl Relay {
    /// What takes how a turn went from the writer's thread, and where that comes out.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO.
    pub(crate) fn waiter(
        &self,
    ) -> (
        impl FnOnce(Written) + Send + 'static,
        oneshot::Receiver<Written>,
    ) {
        let line = self.line.get_or_init(|| {
            let made = Line::new().map(Arc::new);
            made.inspect_err(|error| tracing::warn!(%error, "steps take a little longer: no pipe"))
                .ok()
        });
        let (line, (sender, receiver)) = (line.clone(), oneshot::channel());
        let done = move |written| match line {
            Some(line) => line.tell(sender, written),
            // Whoever waited may be gone.
            None => drop(sender.send(written)),
        };
        (done, receiver)
    }
}

impl Line {
    fn new() -> io::Result<Self> {
        let (bell, mut ear) = pipe::pipe()?;
        let bell = File::from(bell.into_nonblocking_fd()?);
        let told: Arc<Mutex<Told>> = Arc::default();
        let listener = Listener(Arc::clone(&told));
        // It ends when the bell is gone.
        tokio::spawn(async move {
            // However often it has rung, it is silent then.
            while ear.read(&mut [0; 16]).await.is_ok_and(|rings| rings > 0) {
                bring(lock(&listener.0));
            }
        });
        Ok(Self { told, bell })
    }

    fn tell(&self, sender: oneshot::Sender<Written>, written: Written) {
        let mut told = lock(&self.told);
        told.written.push((sender, written));
        if told.deaf {
            bring(told);
        } else if !mem::replace(&mut told.rung, true) {
            drop(told);
            // Where nobody listens any more, who did brings it as it goes.
            let _ = (&self.bell).write(&[1]);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut told = lock(&self.0);
        told.deaf = true;
        bring(told);
    }
}

fn bring(mut told: MutexGuard<'_, Told>) {
    told.rung = false;
    let written = mem::take(&mut told.written);
    drop(told);
    for (sender, written) in written {
        // Whoever waited may be gone.
        let _ = sender.send(written);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_another_thread_tells_comes_to_each_who_waits() {
        let relay = Relay::default();
        for count in [1, 500, 1, 37] {
            let (done, waiting): (Vec<_>, Vec<_>) = (0..count).map(|_| relay.waiter()).unzip();
            let writer = thread::spawn(move || done.into_iter().for_each(|done| done(Ok(()))));
            for receiver in waiting {
                receiver.await.unwrap().unwrap();
            }
            writer.join().unwrap();
        }
    }

    #[tokio::test]
    async fn who_is_not_told_is_not_left_waiting() {
        let (done, receiver) = Relay::default().waiter();
        thread::spawn(move || drop(done)).join().unwrap();
        receiver.await.unwrap_err();
    }

    #[test]
    fn what_is_told_about_the_end_of_tokio_comes_all_the_same() {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let relay = Relay::default();
        let (before, after) = tokio.block_on(async { (relay.waiter(), relay.waiter()) });
        let comes = |receiver: oneshot::Receiver<Written>| {
            let told = receiver.blocking_recv().unwrap();
            assert!(matches!(told, Err(JournalError::Closed)), "{told:?}");
        };
        before.0(Err(JournalError::Closed));
        drop(tokio);
        comes(before.1);
        after.0(Err(JournalError::Closed));
        comes(after.1);
    }
}
