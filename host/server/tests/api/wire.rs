//! A client that says what it wants, as slowly as it wants: HTTP/1.1 by hand.

use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::PATIENCE;

/// A connection.
pub(crate) struct Wire<S = TcpStream> {
    stream: S,
    /// What has come and was not looked at.
    come: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What is said to be wrong.
    pub(crate) fn fault(&self) -> String {
        self.json()["faultstring"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Wire {
    /// A connection to `address`.
    pub(crate) async fn to(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A connection that is there.
    pub(crate) fn over(stream: S) -> Self {
        let come = Vec::new();
        Self { stream, come }
    }

    /// Sends these bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let written = timeout(PATIENCE, written).await;
        written.unwrap_or_else(|_| panic!("the server takes nothing, and stays"))
    }

    /// Asks, and gives the answer.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let kind = if body.starts_with('{') {
            "application/json"
        } else {
            "text/plain"
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: here\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.write(request.as_bytes()).await.unwrap();
        self.answer().await.unwrap()
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> std::io::Result<Answer> {
        let end = loop {
            let found = self.come.windows(4).position(|four| four == b"\r\n\r\n");
            match found {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.come[..end]).to_ascii_lowercase();
        self.come.drain(..end);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: String::new(),
        };
        let length = answer.header("content-length").unwrap_or("0");
        let length: usize = length.parse().unwrap();
        while self.come.len() < length {
            self.read().await?;
        }
        answer.body = String::from_utf8(self.come.drain(..length).collect()).unwrap();
        Ok(answer)
    }

    /// Whether the other side has ended the connection, without an error and in a while.
    pub(crate) async fn is_closed(&mut self) -> bool {
        loop {
            match self.read().await {
                Ok(()) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::UnexpectedEof,
            }
        }
    }

    async fn read(&mut self) -> std::io::Result<()> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.come));
        match read
            .await
            .unwrap_or_else(|_| panic!("the server is silent"))?
        {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
