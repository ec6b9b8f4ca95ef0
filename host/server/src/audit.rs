//! Who did what: a line of JSON for each request that changes something, and for each that was
//! denied.
//!
//! A line has who asked, what for and how it went; never a body, a query, a header or a token. It
//! is written before the request is answered, by a thread of its own: a disk that is slow holds up
//! those who change something, for a while, and nobody else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::app::ServerError;
use crate::identity::Caller;

/// How many lines may wait to be written. Who has one more waits with it.
const WAITING: usize = 1_024;
/// How many are written at once.
const AT_ONCE: usize = 256;
/// How long an answer waits for its line.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where it is written who did what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// To which file, at whose end each line is added; none for the log, with the target
    /// `ostro_audit`.
    pub path: Option<PathBuf>,
}

/// Takes lines.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// None for the log.
    file: Option<Lines>,
}

/// Lines of a file.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    sender: mpsc::Sender<Order>,
    /// The file that takes the place of the one that is written to.
    next: Arc<Mutex<Option<File>>>,
}

/// What the thread that writes is told.
#[derive(Debug)]
enum Order {
    /// To write a line, and to say how that went.
    Write(String, oneshot::Sender<io::Result<()>>),
    /// To look for another file.
    Look,
}

/// One line.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    /// When the request came, in UTC.
    pub(crate) time: String,
    pub(crate) request_id: &'a str,
    #[serde(flatten)]
    pub(crate) who: Who,
    pub(crate) method: &'a str,
    /// The route as it is declared, without what stands in its places.
    pub(crate) route: &'a str,
    /// What the request is about: its id or name.
    pub(crate) resource: Option<String>,
    pub(crate) status: u16,
    /// The rule of the policy that denies it.
    pub(crate) denied_by: Option<String>,
    /// From where the request came.
    pub(crate) address: Option<String>,
}

/// Who asked.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Who {
    user: Option<String>,
    project: Option<String>,
    roles: Vec<String>,
}

impl Who {
    /// What is known of a caller; nobody where it is not known who asked.
    pub(crate) fn of(caller: Option<&Caller>) -> Self {
        let user = caller.and_then(|caller| caller.user.as_ref());
        let project = caller.map(|caller| caller.project.clone());
        Self {
            user: user.map(|user| user.id.clone()),
            // A token may be for none.
            project: project.filter(|project| !project.is_empty()),
            roles: user.map(|user| user.roles.clone()).unwrap_or_default(),
        }
    }
}

impl Audit {
    pub(crate) fn open(settings: &AuditSettings) -> Result<Self, ServerError> {
        let Some(path) = &settings.path else {
            return Ok(Self::default());
        };
        let failed = |reason| failed(path, reason);
        let file = open(path).map_err(failed)?;
        let (sender, orders) = mpsc::channel(WAITING);
        let next: Arc<Mutex<Option<File>>> = Arc::default();
        let writer = Writer {
            file,
            next: Arc::clone(&next),
            is_torn: false,
        };
        // It ends when nobody can tell it anything any more.
        thread::Builder::new()
            .name("ostro-audit".to_owned())
            .spawn(move || writer.run(orders))
            .map_err(failed)?;
        let path = path.clone();
        let file = Some(Lines { path, sender, next });
        Ok(Self { file })
    }

    /// Whether a line is written of a request with this method that was answered so.
    pub(crate) fn is_wanted(&self, method: &Method, status: StatusCode) -> bool {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
        let is_denied = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let is_taken =
            self.file.is_some() || tracing::enabled!(target: "ostro_audit", tracing::Level::INFO);
        is_taken && (!reads || is_denied)
    }

    /// Writes a line. The error is that nobody knows it to be written.
    pub(crate) async fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        let Some(Lines { sender, .. }) = &self.file else {
            tracing::info!(target: "ostro_audit", line = text);
            return Ok(());
        };
        text.push('\n');
        let (written, told) = oneshot::channel();
        let lost = || io::Error::other("the thread that writes has gone");
        let write = async {
            let order = Order::Write(text, written);
            sender.send(order).await.map_err(|_| lost())?;
            told.await.unwrap_or_else(|_| Err(lost()))
        };
        let in_time = tokio::time::timeout(PATIENCE, write).await;
        in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Opens the file again by its path. If it cannot be opened, the one that is open stays.
    pub(crate) fn reopen(&self) -> Result<(), ServerError> {
        let Some(Lines { path, sender, next }) = &self.file else {
            return Ok(());
        };
        let file = open(path).map_err(|reason| failed(path, reason))?;
        *next.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        // Where there is no room, there are lines, and it looks before each.
        let _ = sender.try_send(Order::Look);
        Ok(())
    }
}

/// What the thread that writes has.
struct Writer {
    file: File,
    next: Arc<Mutex<Option<File>>>,
    /// Whether the file may end in the middle of a line.
    is_torn: bool,
}

impl Writer {
    fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut batch = Vec::new();
        while orders.blocking_recv_many(&mut batch, AT_ONCE) > 0 {
            let next = self.next.lock();
            let next = next.unwrap_or_else(PoisonError::into_inner).take();
            if let Some(file) = next {
                self.file = file;
                self.is_torn = false;
            }
            let mut text = String::new();
            let mut told = Vec::new();
            for order in batch.drain(..) {
                if let Order::Write(line, written) = order {
                    text.push_str(&line);
                    told.push(written);
                }
            }
            let result = self.write(&text);
            for written in told {
                let result = match &result {
                    Ok(()) => Ok(()),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                };
                // Who does not wait any more has said so.
                let _ = written.send(result);
            }
        }
    }

    /// In one piece, so that lines of several processes do not mix.
    fn write(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let result = if self.is_torn {
            self.file.write_all(format!("\n{text}").as_bytes())
        } else {
            self.file.write_all(text.as_bytes())
        };
        self.is_torn = result.is_err();
        result
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // It tells who does what.
        options.mode(0o640);
    }
    options.open(path)
}

fn failed(path: &Path, reason: io::Error) -> ServerError {
    ServerError::Audit {
        path: path.to_owned(),
        reason,
    }
}
