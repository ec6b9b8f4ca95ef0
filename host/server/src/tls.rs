//! TLS: whose certificate the server shows, also after a new one came.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::app::ServerError;

/// Which certificate the server shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// A PEM file with the server's certificate, and after it those that lead to its authority.
    pub certificate: PathBuf,
    /// A PEM file with its private key.
    pub key: PathBuf,
}

/// The certificate of now.
pub(crate) struct Tls {
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    pub(crate) fn open(settings: &TlsSettings) -> Result<Self, ServerError> {
        let config = RwLock::new(read(settings)?);
        Ok(Self { config })
    }

    /// Shows another certificate from now on. Where it cannot be read, all stays as it is.
    pub(crate) fn reload(&self, settings: &TlsSettings) -> Result<(), ServerError> {
        let config = read(settings)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}

impl TlsSettings {
    /// Whether a server can show it: the error says what is wrong with which file.
    pub fn check(&self) -> Result<(), ServerError> {
        read(self).map(drop)
    }
}

fn read(settings: &TlsSettings) -> Result<Arc<ServerConfig>, ServerError> {
    let (certificate, key) = (&settings.certificate, &settings.key);
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", certificate, error))?;
    if chain.is_empty() {
        let none = "it holds no PEM block `CERTIFICATE`";
        return Err(unreadable("certificate", certificate, none));
    }
    let secret =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unreadable("certificate", certificate, error))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| ServerError::Pair {
            certificate: certificate.clone(),
            key: key.clone(),
            reason: error.to_string(),
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn unreadable(what: &'static str, path: &Path, reason: impl fmt::Display) -> ServerError {
    ServerError::Tls {
        what,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
