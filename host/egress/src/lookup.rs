//! How names become addresses.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

/// What a lookup gives.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Finds the addresses of a host. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Lookup(Arc<dyn Fn(String, u16) -> Found + Send + Sync>);

impl Lookup {
    /// One that asks `find`, which is given a name or an address, and a port.
    pub fn new(find: impl Fn(String, u16) -> Found + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// The addresses of `host`: at least one.
    pub async fn find(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = (self.0)(host.to_owned(), port).await?;
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no address"));
        }
        Ok(found)
    }
}

/// The system's own resolver.
impl Default for Lookup {
    fn default() -> Self {
        Self::new(|host, port| {
            Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
        })
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}
