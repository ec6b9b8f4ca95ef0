//! A web server that answers as told, and names that lead where the tests want.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ostro_egress::Lookup;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A web server, with what it was asked.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    /// Nobody may come here: it has the same port at another address.
    trapped: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let trap = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let (seen, trapped) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&all)));
            }
        });
        let count = Arc::clone(&trapped);
        tokio::spawn(async move {
            while trap.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            port,
            seen,
            trapped,
        }
    }

    /// The requests that came, each with its headers in lower case.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Only what is granted came, to where it was granted, and as this server's host.
    pub(crate) fn check(&self) {
        assert_eq!(self.trapped.load(Ordering::SeqCst), 0, "a trap was reached");
        let port = self.port;
        for request in self.seen() {
            let first = request.lines().next().unwrap();
            let is_granted = first.starts_with("GET /v1/") || first.starts_with("POST /v1/");
            assert!(is_granted, "{request}");
            let hosts = request.lines().filter(|line| line.starts_with("host: "));
            let hosts: Vec<_> = hosts.collect();
            let api = format!("host: api.test:{port}");
            let rebind = format!("host: rebind.test:{port}");
            assert!(hosts == [api] || hosts == [rebind], "{request}");
            for word in ["evil", "override", "original-url", "transfer"] {
                assert!(!request.contains(word), "{request}");
            }
        }
    }
}

async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    let end = loop {
        let Ok(read) = stream.read(&mut bytes).await else {
            return;
        };
        if read == 0 {
            return;
        }
        head.extend_from_slice(&bytes[..read]);
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let request = String::from_utf8_lossy(&head[..end]).into_owned();
    let lines: Vec<String> = request
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line.to_owned(),
        })
        .collect();
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    seen.lock().unwrap().push(lines.join("\n"));
    let mut left = length.unwrap_or(0usize).saturating_sub(head.len() - end);
    while left > 0 {
        match stream.read(&mut bytes).await {
            Ok(read) if read > 0 => left = left.saturating_sub(read),
            _ => return,
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let whole = |body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let text = match path {
        "/v1/ok" => whole("ok"),
        "/v1/large" => whole(&"x".repeat(60 << 10)),
        "/v1/bomb" => whole(&"x".repeat(1 << 20)),
        "/v1/json" => whole(r#"{"token": "t0k3n-of-the-server", "more": 1}"#),
        "/v1/redirect" => "HTTP/1.1 302 Found\r\nLocation: http://evil.test/v1/ok\r\n\
                           Content-Length: 0\r\n\r\n"
            .to_owned(),
        "/v1/split" => whole("ok") + &whole("evil"),
        "/v1/headers" => {
            let value = "x".repeat(1000);
            let headers = (0..90).fold(String::new(), |headers, n| {
                headers + &format!("x-{n}: {value}\r\n")
            });
            format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n")
        }
        "/v1/slow" => {
            tokio::time::sleep(std::time::Duration::from_mins(1)).await;
            return;
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    };
    _ = stream.write_all(text.as_bytes()).await;
}

/// Names of the tests. `rebind.test` has the server's address first and a trap's afterwards;
/// `found` counts how often it is asked for.
pub(crate) fn lookup(port: u16, found: &Arc<AtomicUsize>) -> Lookup {
    let found = Arc::clone(found);
    Lookup::new(move |name, asked| {
        let addresses: &[&str] = match name.as_str() {
            "api.test" | "evil.test" | "localhost" => &["127.0.0.1"],
            "rebind.test" => {
                if found.fetch_add(1, Ordering::SeqCst) == 0 {
                    &["127.0.0.1"]
                } else {
                    &["127.0.0.2"]
                }
            }
            "private.test" => &["10.0.0.1"],
            "local.test" => &["fd12::1"],
            "mixed.test" => &["8.8.8.8", "127.0.0.1"],
            "nat64.test" => &["64:ff9b::10.0.0.1"],
            "metadata.test" => &["169.254.169.254"],
            _ => &[],
        };
        let address = |text: &&str| {
            let address: IpAddr = text.parse().unwrap();
            SocketAddr::new(address, asked)
        };
        let addresses: Vec<_> = addresses.iter().map(address).collect();
        assert!(
            asked == port || asked == 80,
            "{name} is asked for with port {asked}"
        );
        Box::pin(async move { Ok(addresses) })
    })
}
