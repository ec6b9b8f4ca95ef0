//! What starts an execution from elsewhere, where the answer is lost on its way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use ostro_tests::Ostro;

use crate::{QUICK, Server};

/// A proxy that loses the first answer to a request that starts an execution.
struct Losing {
    host: String,
    /// How many such requests there were.
    starts: Arc<AtomicUsize>,
}

impl Losing {
    fn before(server: &Server) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let host = listener.local_addr()?.to_string();
        let starts = Arc::<AtomicUsize>::default();
        let (theirs, behind) = (Arc::clone(&starts), server.host().to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (starts, behind) = (Arc::clone(&theirs), behind.clone());
                // Who goes away in the middle is no matter here.
                thread::spawn(move || pass(stream, &behind, &starts));
            }
        });
        Ok(Self { host, starts })
    }
}

/// Passes on one request, and its answer unless that is to be lost.
fn pass(mut client: TcpStream, behind: &str, starts: &AtomicUsize) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut server = TcpStream::connect(behind)?;
    // Each request has a connection of its own, so that its answer ends with it.
    write!(server, "{head}connection: close\r\n\r\n")?;
    server.write_all(&body)?;
    let is_start = head.starts_with("POST /v2/executions ");
    if is_start && starts.fetch_add(1, Ordering::Relaxed) == 0 {
        server.read_exact(&mut [0])?;
        return Ok(());
    }
    std::io::copy(&mut server, &mut client)?;
    Ok(())
}

#[test]
fn what_is_started_from_elsewhere_starts_once_though_the_answer_is_lost() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("quick.yaml");
    std::fs::write(&file, QUICK)?;
    let server = Server::start(&folder.path().join("state"))?;
    for command in [&["run"][..], &["execution", "start"]] {
        let proxy = Losing::before(&server)?;
        let url = format!("http://{}", proxy.host);
        let ostro = Ostro::new()?.args(["--url", &url]).args(command);
        let run = ostro.args([&file]).run()?;
        run.expect(0)?;
        ensure!(run.stderr.contains("asking again"), "{}", run.stderr);
        ensure!(proxy.starts.load(Ordering::Relaxed) == 2, "it asked once");
    }
    let started = server.mistral(&["execution-list"])?;
    let count = started.as_array().context("a list")?.len();
    ensure!(count == 2, "{started}");
    Ok(())
}
