//! `std.email` against a mail server.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use ostro_actions::Registry;
use ostro_core::ActionErrorKind;
use serde_json::{Value, json};

use crate::common::{self, call, certificate, error, outcome};
use crate::mistral;

const SERVER: &str = include_str!("smtp.py");

/// A server of aiosmtpd, which prints each mail that it takes as a line of JSON.
struct Mail {
    server: Child,
    lines: BufReader<ChildStdout>,
    address: String,
}

impl Mail {
    /// `mode` is `open`, or `tls` for a server that takes mail only after STARTTLS and a login.
    fn start(mode: &str) -> Self {
        let python = common::python("aiosmtpd-1.4.6", "aiosmtpd==1.4.6", "import aiosmtpd.smtp");
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let mut server = Command::new(python)
            .args(["-W", "ignore", "-c", SERVER, mode])
            .args([path("certificate", &certificate), path("key", &key)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        let address = format!("127.0.0.1:{}", port.trim());
        Self {
            server,
            lines,
            address,
        }
    }

    /// The next mail that came.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        _ = self.server.kill();
        _ = self.server.wait();
    }
}

fn mail(server: &Mail, more: &Value) -> Value {
    let mut input = json!({
        "from_addr": "ostro@example.org",
        "to_addrs": ["ada@example.org", "Grace <grace@example.org>"],
        "smtp_server": server.address,
    });
    let entries = input.as_object_mut().unwrap();
    entries.extend(more.as_object().unwrap().clone());
    input
}

/// Sends the same mails with both, and compares what arrives.
async fn compare(mut server: Mail, mails: &[Value]) {
    let registry = Registry::builder().build().unwrap();
    let asked: Value = mails
        .iter()
        .map(|input| json!(["SendEmailAction", input]))
        .collect();
    let theirs = tokio::task::spawn_blocking(move || mistral::run(&asked, Path::new("/"), 22))
        .await
        .unwrap();
    let mut expected = Vec::new();
    for theirs in &theirs {
        expected.push((theirs.get("raised").is_none()).then(|| server.next()));
    }
    for ((input, theirs), expected) in mails.iter().zip(&theirs).zip(expected) {
        let ours = call(&registry, "std.email", input).await;
        if let Some(expected) = expected {
            assert_eq!(outcome(&ours), *theirs, "{input}");
            assert_eq!(server.next(), expected, "{input}");
            continue;
        }
        let ours = outcome(&ours);
        let said = ours["error"].as_str().unwrap_or_default();
        assert!(
            said.starts_with("Failed to send an email message: ")
                || said.starts_with("std.email: "),
            "{input}: {ours} instead of {theirs}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_arrive_as_those_of_mistral() {
    let server = tokio::task::spawn_blocking(|| Mail::start("open"))
        .await
        .unwrap();
    let mails = [
        mail(&server, &json!({})),
        mail(
            &server,
            &json!({"subject": "Grüße", "body": "Zeile eins\nZeile zwei: é\n"}),
        ),
        mail(&server, &json!({"subject": "", "body": ""})),
        mail(
            &server,
            &json!({"subject": "Two parts", "body": "plain", "html_body": "<p>schön</p>"}),
        ),
        mail(
            &server,
            &json!({
                "cc_addrs": ["cc@example.org"],
                "bcc_addrs": ["hidden@example.org"],
                "reply_to": ["back@example.org", "Other <other@example.org>"],
                "body": "x".repeat(3000),
            }),
        ),
        mail(&server, &json!({"body": ".\n..\nFrom here\n"})),
        // One recipient of three is refused.
        mail(&server, &json!({"cc_addrs": ["refused@example.org"]})),
        // All are.
        mail(&server, &json!({"to_addrs": ["refused@example.org"]})),
        mail(&server, &json!({"to_addrs": []})),
        mail(&server, &json!({"to_addrs": "ada@example.org"})),
        mail(&server, &json!({"smtp_server": "127.0.0.1:1"})),
        mail(&server, &json!({"smtp_server": "127.0.0.1:port"})),
        // The server has no STARTTLS.
        mail(&server, &json!({"smtp_password": "s3cr3t"})),
    ];
    compare(server, &mails).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_means_tls_and_a_login() {
    let server = tokio::task::spawn_blocking(|| Mail::start("tls"))
        .await
        .unwrap();
    let mails = [
        mail(
            &server,
            &json!({"smtp_password": "s3cr3t", "body": "over TLS"}),
        ),
        mail(&server, &json!({"smtp_password": "wrong"})),
        mail(&server, &json!({})),
    ];
    compare(server, &mails).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_why_and_hold_no_secret() {
    let server = tokio::task::spawn_blocking(|| Mail::start("tls"))
        .await
        .unwrap();
    let registry = Registry::builder().build().unwrap();
    for (more, kind, says) in [
        (
            json!({"smtp_password": "s3cr3t-but-wrong"}),
            ActionErrorKind::Action,
            "logging in: permanent error (535)",
        ),
        (
            json!({}),
            ActionErrorKind::Action,
            "the sender: permanent error (530)",
        ),
        (
            json!({"smtp_server": "127.0.0.1:1", "smtp_password": "s3cr3t"}),
            ActionErrorKind::Host,
            "127.0.0.1: connecting: ",
        ),
        (
            json!({"to_addrs": ["no address"]}),
            ActionErrorKind::Call,
            "std.email: to_addrs: \"no address\" is no address of a mailbox",
        ),
        (
            json!({"to_addrs": "ada@example.org"}),
            ActionErrorKind::Call,
            "std.email: to_addrs cannot be of type string",
        ),
        (
            json!({"to_addrs": []}),
            ActionErrorKind::Call,
            "std.email: to_addrs names nobody",
        ),
        (
            json!({"subject": "a\r\nBcc: evil@example.org", "to_addrs": []}),
            ActionErrorKind::Call,
            "names nobody",
        ),
    ] {
        let error = error(&registry, "std.email", &mail(&server, &more)).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says), "{error}");
    }
}
