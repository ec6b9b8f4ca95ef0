//! Executions that are kept in a folder of a test's own, and a server that counts what they do.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Ostro, Run};

/// A web server that counts what it is asked for.
pub struct Counter {
    /// Where it listens.
    pub port: u16,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Counter {
    /// A server at a port of its own.
    pub fn start() -> Result<Self> {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// A server at this address.
    pub fn at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)?;
        let port = listener.local_addr()?.port();
        let counts = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let theirs = Arc::clone(&counts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = Arc::clone(&theirs);
                thread::spawn(move || answer(stream, &counts));
            }
        });
        Ok(Self { port, counts })
    }

    /// How often it was asked for what.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let counts = self.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts one request, and answers it a moment later.
fn answer(mut stream: TcpStream, counts: &Mutex<BTreeMap<String, usize>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if header.is_empty() {
            break;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    *counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(path)
        .or_default() += 1;
    thread::sleep(Duration::from_millis(2));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    stream.write_all(head.as_bytes()).ok()
}

/// A state folder, and the files of a test.
pub struct Kept {
    dir: TempDir,
}

impl Kept {
    /// A folder with these definitions.
    pub fn new(definitions: &str) -> Result<Self> {
        let mut dir = tempfile::tempdir()?;
        // To look at what a test that failed has left.
        dir.disable_cleanup(std::env::var_os("OSTRO_KEEP_FOLDERS").is_some());
        std::fs::write(dir.path().join("test.yaml"), definitions)?;
        Ok(Self { dir })
    }

    /// The folder: the definitions are in it, and the state folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `ostro` with the state folder.
    pub fn ostro<const N: usize>(&self, arguments: [&str; N]) -> Result<Ostro> {
        let state = self.dir.path().join("state");
        Ok(Ostro::new()?.env("OSTRO_STATE_DIR", state).args(arguments))
    }

    /// The definitions.
    pub fn file(&self) -> String {
        self.dir.path().join("test.yaml").display().to_string()
    }

    /// Starts them in the background: the execution's id.
    pub fn start<const N: usize>(&self, arguments: [&str; N]) -> Result<String> {
        let ostro = self.ostro(["execution", "start", &self.file()])?;
        let run = ostro.args(arguments).run()?;
        run.expect(0)?;
        Ok(run.stdout.trim().to_owned())
    }

    /// `ostro execution VERB ID`.
    pub fn execution(&self, verb: &str, id: &str) -> Result<Run> {
        self.ostro(["execution", verb, id])?.run()
    }

    /// What `ostro execution list` knows.
    pub fn list(&self) -> Result<Vec<Value>> {
        let run = self.ostro(["execution", "list", "--output", "json"])?;
        let list = run.run()?.json(0)?;
        Ok(list.as_array().context("a list")?.clone())
    }

    /// In which state an execution is.
    pub fn state(&self, id: &str) -> Result<String> {
        let run = self.ostro(["execution", "show", id, "--output", "json"])?;
        let shown = run.run()?.json(0)?;
        Ok(shown["state"].as_str().context("a state")?.to_owned())
    }

    /// Waits until the execution is in `state`.
    pub fn until(&self, id: &str, state: &str) -> Result<()> {
        eventually(state, || Ok(self.state(id)? == state))
    }
}

/// Waits until `so`, for two minutes at most.
pub fn eventually(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + Duration::from_mins(2);
    while !so()? {
        ensure!(Instant::now() < end, "{what} never came");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
