//! A small web server that answers by the path.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write as _;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A running server. It ends with the test's runtime.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Web {
    /// A server on a free port of a loopback address.
    pub(crate) async fn start(ip: &str) -> Self {
        Self::serve(ip, None).await
    }

    /// A server with TLS.
    pub(crate) async fn start_tls(certificate: &str, key: &str) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::serve("127.0.0.1", Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn serve(ip: &str, tls: Option<TlsAcceptor>) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, tls) = (Arc::clone(&log), tls.clone());
                tokio::spawn(async move {
                    // A client that goes away is a test's business.
                    match tls {
                        None => _ = answer(stream, &log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                _ = answer(stream, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut header = Vec::new();
            stream.read_until(b'\n', &mut header).await?;
            let header: String = header.into_iter().map(char::from).collect();
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut request = Request {
            line,
            headers,
            body: String::new(),
        };
        let length = request
            .header("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        request.body = String::from_utf8_lossy(&body).into_owned();
        log.lock().unwrap().push(request.clone());
        respond(&mut stream, &request).await?;
        stream.flush().await?;
    }
}

/// What is answered to a path.
struct Answer {
    status: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
        Self {
            status: "200 OK".to_owned(),
            headers: headers.iter().map(owned).collect(),
            body: body.into(),
        }
    }

    fn with_status(status: String) -> Self {
        Self {
            status,
            ..Self::new(&[], "")
        }
    }

    /// What was asked, for those who want to know how it arrived.
    fn echo(request: &Request) -> Self {
        // What two clients cannot agree on is left out.
        let own = ["host", "user-agent", "connection", "accept-encoding"];
        let mut shown: Vec<(String, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_lowercase(), value.as_str()))
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .collect();
        shown.sort();
        let body = json!({"line": request.line, "headers": shown, "body": request.body});
        Self::new(&[("Content-Type", "application/json")], body.to_string())
    }

    fn to(path: &str, query: &str, request: &Request) -> Self {
        let kind = |kind: &str, body: &[u8]| Self::new(&[("Content-Type", kind)], body);
        let gzip = |body: Vec<u8>| Self::new(&[("Content-Encoding", "gzip")], body);
        match path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
            ["echo", ..] => Self::echo(request),
            ["status", code] => Self {
                body: b"some text".to_vec(),
                ..Self::with_status(format!("{code} Some Reason"))
            },
            ["bare", code] => Self::with_status(format!("{code} ")),
            ["latin"] => kind("text/plain", b"caf\xe9"),
            ["utf8"] => kind("text/plain; charset=UTF-8", "café".as_bytes()),
            ["binary"] => kind("application/octet-stream", b"\xff\xfe\x00\x81"),
            ["charset"] => kind("text/plain; charset=nonsense", b"abc"),
            ["json"] => kind(
                "application/json",
                br#"{"a": [1, 2.5, null, true], "b": "\u00e9"}"#,
            ),
            ["number"] => Self::new(&[], "42"),
            ["empty"] => Self::new(&[], ""),
            ["headers"] => {
                let request_id = ("X-Openstack-Request-Id", "req-1");
                let etag = ("ETag", "\"x\"");
                Self::new(&[("X-One", "1"), ("X-One", "2"), etag, request_id], "")
            }
            ["cookie"] => {
                let first = ("Set-Cookie", "a=b; Path=/; HttpOnly");
                Self::new(&[first, ("Set-Cookie", "c=d=e")], "")
            }
            ["redirect", code] => Self {
                status: format!("{code} Elsewhere"),
                ..Self::new(
                    &[("Location", query), ("Set-Cookie", "way=1; Path=/")],
                    "moved",
                )
            },
            ["loop"] => Self {
                status: "302 Again".to_owned(),
                ..Self::new(&[("Location", "/loop")], "")
            },
            ["gzip"] => gzip(packed(b"{\"packed\": true}")),
            ["bomb"] => gzip(packed(&vec![b'x'; 6 << 20])),
            ["badzip"] => gzip(b"not packed".to_vec()),
            _ => Self::with_status("404 Not Found".to_owned()),
        }
    }
}

/// Answers that do not end as they should.
async fn misbehave<S: AsyncWrite + Unpin>(stream: &mut S, path: &str) -> std::io::Result<()> {
    let head = match path {
        "/breaks" => return Err(std::io::ErrorKind::Other.into()),
        "/huge" => "HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n",
        "/endless" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "/stalls" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        _ => "",
    };
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    if path == "/endless" {
        let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
        loop {
            stream.write_all(&chunk).await?;
        }
    }
    tokio::time::sleep(Duration::from_mins(10)).await;
    Ok(())
}

async fn respond<S: AsyncWrite + Unpin>(stream: &mut S, request: &Request) -> std::io::Result<()> {
    let mut words = request.line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if ["/breaks", "/huge", "/endless", "/stalls", "/slow"].contains(&path) {
        return misbehave(stream, path).await;
    }
    let Answer {
        status,
        mut headers,
        body,
    } = Answer::to(path, query, request);
    headers.push(("Content-Length", body.len().to_string()));
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", &value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if method != "HEAD" {
        stream.write_all(&body).await?;
    }
    Ok(())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
