//! TLS, and what answers say of it.

use std::path::Path;
use std::sync::Arc;

use ostro_server::{ListenSettings, Server, ServerError, TlsSettings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::wire::Wire;
use crate::world::World;

/// Writes a certificate of its own and its key; the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap()
}

fn settings(folder: &Path) -> TlsSettings {
    TlsSettings {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

async fn world(folder: &Path, set_up: impl FnOnce(Server) -> Server) -> World {
    let journal = ostro_journal::Journal::ephemeral(&ostro_journal::Options::default()).unwrap();
    let settings = settings(folder);
    World::open(journal, |server| {
        set_up(server.with_tls(&settings).unwrap())
    })
    .await
}

/// A connection that trusts only `certificate`.
async fn connect(
    world: &World,
    certificate: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    let stream = TcpStream::connect(world.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn links_say_https_and_a_new_certificate_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let world = world(folder.path(), |server| server).await;
    let mut wire = Wire::over(connect(&world, &first, &[]).await.unwrap());
    let answer = wire.ask("GET", "/", "").await;
    let link = &answer.json()["versions"][0]["links"][0]["href"];
    assert_eq!(link, "https://here/v2", "{answer:?}");

    let second = certify(folder.path());
    // Nothing changes by itself.
    assert!(connect(&world, &second, &[]).await.is_err());
    world.live.reload_tls(&settings(folder.path())).unwrap();
    assert!(connect(&world, &first, &[]).await.is_err());
    let mut fresh = Wire::over(connect(&world, &second, &[]).await.unwrap());
    assert_eq!(fresh.ask("GET", "/", "").await.status, 200);
    // Who was there before stays.
    assert_eq!(wire.ask("GET", "/", "").await.status, 200);

    std::fs::write(folder.path().join("cert.pem"), "nothing").unwrap();
    assert!(world.live.reload_tls(&settings(folder.path())).is_err());
    assert!(connect(&world, &second, &[]).await.is_ok());
}

#[tokio::test]
async fn http_2_is_spoken_to_who_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let world = world(folder.path(), |server| server).await;
    let stream = connect(&world, &certificate, &[b"h2", b"http/1.1"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("https://here:1/v2/")
        .body(String::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap()
        .to_bytes();
    let body: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["uri"], "https://here:1/v2");
}

#[tokio::test]
async fn who_speaks_no_tls_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let world = world(folder.path(), |server| server).await;
    let mut wire = Wire::to(world.address()).await;
    wire.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    assert!(wire.answer().await.is_err());
}

#[test]
fn a_wrong_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = || settings(folder).check().unwrap_err().to_string();
    let missing = said();
    assert!(
        missing.contains("cert.pem") && missing.contains("certificate"),
        "{missing}"
    );
    certify(folder);
    std::fs::write(folder.join("key.pem"), "nothing").unwrap();
    let wrong = said();
    assert!(
        wrong.contains("key.pem") && wrong.contains("key cannot be read"),
        "{wrong}"
    );
    let other = folder.join("other");
    std::fs::create_dir(&other).unwrap();
    certify(&other);
    std::fs::copy(other.join("key.pem"), folder.join("key.pem")).unwrap();
    let error = settings(folder).check().unwrap_err();
    assert!(matches!(error, ServerError::Pair { .. }), "{error}");
    std::fs::write(folder.join("cert.pem"), "nothing").unwrap();
    assert!(said().contains("no PEM block"), "{}", said());
}

#[tokio::test]
async fn a_proxy_is_believed_only_where_it_is_configured() {
    for (forwarded, wanted) in [(false, "http://here/v2"), (true, "https://here/v2")] {
        let settings = ListenSettings {
            forwarded,
            ..ListenSettings::default()
        };
        let world = World::set_up(|server| server.with_listen(settings)).await;
        let mut wire = Wire::to(world.address()).await;
        let request = b"GET /v2/ HTTP/1.1\r\nhost: here\r\nx-forwarded-proto: https\r\n\r\n";
        wire.write(request).await.unwrap();
        assert_eq!(wire.answer().await.unwrap().json()["uri"], wanted);
    }
}
