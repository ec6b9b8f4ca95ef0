//! A real OCI registry on this machine: Debian's `docker-registry`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use ostro_tests::{debian, eventually};
use tempfile::TempDir;

/// A registry with nothing in it.
pub(crate) struct Registry {
    pub(crate) port: u16,
    folder: TempDir,
    process: Child,
}

impl Registry {
    pub(crate) fn start() -> Result<Self> {
        let program = debian("docker-registry", "docker-registry")?;
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  \
             delete: {{enabled: true}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            folder.path().join("data").display()
        );
        fs::write(&config, text)?;
        let process = Command::new(program)
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let registry = Self {
            port,
            folder,
            process,
        };
        eventually("the registry", || {
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        Ok(registry)
    }

    /// A reference into it.
    pub(crate) fn at(&self, rest: &str) -> String {
        format!("127.0.0.1:{}/{rest}", self.port)
    }

    /// The file of a blob, where the registry keeps it.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self
            .folder
            .path()
            .join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// A manifest, as its bytes are kept.
    pub(crate) fn manifest(&self, digest: &str) -> Result<serde_json::Value> {
        let bytes = fs::read(self.blob(digest))?;
        serde_json::from_slice(&bytes).context("a manifest")
    }

    /// The digest that a tag has.
    pub(crate) fn tagged(&self, repository: &str, tag: &str) -> Result<String> {
        let link = format!(
            "data/docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link"
        );
        Ok(fs::read_to_string(self.folder.path().join(link))?)
    }

    /// Where it keeps everything.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
