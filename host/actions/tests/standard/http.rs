//! `std.http` and `std.mistral_http` against a web server.

use std::time::Duration;

use ostro_actions::{HttpOptions, Registry};
use ostro_core::{ActionErrorKind, ActionOutcome};
use serde_json::{Value, json};

use crate::common::{self, call, certificate, error, open, outcome, result};
use crate::mistral;
use crate::web::Web;

fn registry(options: HttpOptions) -> Registry {
    Registry::builder().http(options).build().unwrap()
}

/// Inputs whose outcome has to be Mistral's. `url` is a path of the server.
fn inputs() -> Vec<Value> {
    vec![
        json!({"url": "/json"}),
        json!({"url": "/number"}),
        json!({"url": "/latin"}),
        json!({"url": "/utf8"}),
        json!({"url": "/empty"}),
        json!({"url": "/headers"}),
        json!({"url": "/cookie"}),
        json!({"url": "/gzip"}),
        json!({"url": "/status/200"}),
        json!({"url": "/status/204"}),
        json!({"url": "/bare/200"}),
        json!({"url": "/status/304"}),
        json!({"url": "/status/306"}),
        json!({"url": "/status/307"}),
        json!({"url": "/status/404"}),
        json!({"url": "/status/500", "method": "DELETE"}),
        json!({"url": "/json", "method": "HEAD"}),
        json!({"url": "/echo"}),
        json!({"url": "/echo?z=1", "params": {"a": 1, "b": [1, "x y", null], "n": null, "t": true, "d": {"k": 1}}}),
        json!({"url": "/echo", "params": "raw=é&x"}),
        json!({"url": "/echo", "params": [["a", "b"], ["a", "~*c"]]}),
        json!({"url": "/echo/中 x?q=中 x#part"}),
        json!({"url": "/echo", "method": "post", "body": {"a": "é", "l": [1, 2.0, 1e16]}}),
        json!({"url": "/echo", "method": "POST", "body": {}}),
        json!({"url": "/echo", "method": "POST", "body": "text é"}),
        json!({"url": "/echo", "method": "POST", "body": [["a", "b c"], ["d", 1]]}),
        json!({"url": "/echo", "method": "POST", "body": ""}),
        json!({"url": "/echo", "method": "PUT", "json": {"a": "é", "b": []}}),
        json!({"url": "/echo", "method": "PUT", "json": []}),
        json!({"url": "/echo", "method": "PUT", "json": 0}),
        json!({"url": "/echo", "method": "PUT", "json": {}, "headers": {"Content-Type": "application/x"}}),
        json!({"url": "/echo", "method": "POST"}),
        json!({"url": "/echo", "method": "OPTIONS"}),
        json!({"url": "/echo", "headers": {"X-A": 1, "X-B": 1.5, "X-C": true, "X-D": null, "X-E": "é", "Accept": "text/plain"}}),
        json!({"url": "/echo", "auth": "user:s3cr3t"}),
        json!({"url": "/echo", "cookies": {"a": "b", "c": "d"}}),
        json!({"url": "/echo", "timeout": 10, "allow_redirects": true, "verify": false}),
        json!({"url": "/redirect/302?/json"}),
        json!({"url": "/redirect/302?/json", "allow_redirects": true}),
        json!({"url": "/redirect/301?/echo", "allow_redirects": true, "method": "POST", "json": {"a": 1}, "auth": "user:s3cr3t"}),
        json!({"url": "/redirect/301?/echo", "allow_redirects": true, "method": "PUT", "body": "x"}),
        json!({"url": "/redirect/303?/echo", "allow_redirects": true, "method": "PUT", "body": "x"}),
        json!({"url": "/redirect/307?/echo", "allow_redirects": true, "method": "POST", "body": "x", "headers": {"X-A": "1"}}),
        json!({"url": "/redirect/308?/redirect/302?/echo", "allow_redirects": true, "cookies": {"own": "1"}}),
        // What fails before anything is sent.
        json!({"url": "ftp://127.0.0.1/x"}),
        json!({"url": "/echo", "body": "x", "json": "y"}),
        json!({"url": "/echo", "body": 5}),
        json!({"url": "/echo", "body": [1]}),
        json!({"url": "/echo", "params": 5}),
        json!({"url": "/echo", "auth": "s3cr3t"}),
        json!({"url": "/echo", "cookies": {"a": 1}}),
        json!({"url": "/echo", "headers": {"X": [1]}}),
        json!({"url": "/echo", "headers": ["X"]}),
        json!({"url": "/echo", "headers": {"X": "a\nb"}}),
        json!({"url": "/echo", "timeout": 0}),
        json!({"url": "/echo", "timeout": "5"}),
        json!({"url": "/echo", "timeout": [1, 2]}),
        json!({"url": "/echo", "method": "GE T"}),
        // What fails after.
        json!({"url": "/huge", "timeout": 1}),
        json!({"url": "/badzip"}),
        json!({"url": "/charset"}),
        json!({"url": "/binary"}),
        json!({"url": "/breaks"}),
        json!({"url": "/slow", "timeout": 0.5}),
        json!({"url": "/stalls", "timeout": 0.5}),
        json!({"url": "/redirect/302?/redirect/302?/json", "allow_redirects": true}),
    ]
}

/// What differs from call to call.
fn without_time(mut outcome: Value) -> Value {
    for kind in ["data", "error"] {
        if let Some(Value::Object(result)) = outcome.get_mut(kind) {
            let elapsed = result.remove("elapsed");
            assert!(elapsed.and_then(|elapsed| elapsed.as_f64()) > Some(0.0));
        }
    }
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_those_of_mistral() {
    let web = Web::start("127.0.0.1").await;
    let registry = registry(open());
    let inputs: Vec<Value> = inputs()
        .into_iter()
        .map(|mut input| {
            let url = input["url"].as_str().unwrap();
            if url.starts_with('/') {
                input["url"] = web.url(url).into();
            }
            input
        })
        .collect();
    let asked: Value = inputs
        .iter()
        .map(|input| json!(["HTTPAction", input]))
        .collect();
    let home = tempfile::tempdir().unwrap();
    let theirs = tokio::task::spawn_blocking(move || mistral::run(&asked, home.path(), 22))
        .await
        .unwrap();
    let mut different = Vec::new();
    for (input, theirs) in inputs.iter().zip(theirs) {
        let ours = call(&registry, "std.http", input).await;
        if theirs.get("raised").is_some() {
            // An exception is a failure without a result; its words are Python's.
            let failed = matches!(&ours, ActionOutcome::Error(error) if error.value.as_str() == Some(&error.message));
            if !failed {
                different.push(format!("{input}:\n  {ours:?}\n  {theirs}"));
            }
            continue;
        }
        let (ours, theirs) = (without_time(outcome(&ours)), without_time(theirs));
        if ours != theirs {
            different.push(format!("{input}:\n  {ours}\n  {theirs}"));
        }
    }
    assert!(different.is_empty(), "\n{}\n", different.join("\n"));
}

#[tokio::test]
async fn refusals_are_in_words_that_say_what_is_wrong() {
    let registry = registry(open());
    for (input, kind, message) in [
        (
            json!({"url": "file:///etc/passwd"}),
            ActionErrorKind::Call,
            "URL scheme 'file' is not allowed (only http and https are).",
        ),
        (
            json!({"url": "example.org/x"}),
            ActionErrorKind::Call,
            "URL scheme '' is not allowed (only http and https are).",
        ),
        (
            json!({"url": "http://x/", "body": {"a": 1}, "json": {"a": 1}}),
            ActionErrorKind::Action,
            "Only one of the parameters 'json' and 'body' can be passed",
        ),
        (
            json!({"url": 5}),
            ActionErrorKind::Call,
            "std.http: url cannot be of type integer",
        ),
        (
            json!({"url": "http://x/", "auth": "s3cr3t"}),
            ActionErrorKind::Call,
            "Failed to send HTTP request: auth must be a user and a password, as 'user:password'",
        ),
        (
            json!({"url": "http://x/", "proxies": {"http": "socks5://u:s3cr3t@x:1"}}),
            ActionErrorKind::Call,
            "Failed to send HTTP request: the proxy must be an http or https URL",
        ),
        (
            json!({"url": "https://u:s3cr3t@[/"}),
            ActionErrorKind::Call,
            "Failed to send HTTP request: the URL is invalid: invalid IPv6 address",
        ),
        (
            json!({"url": "http://x/", "timeout": -1}),
            ActionErrorKind::Call,
            "Failed to send HTTP request: timeout must be more than 0 seconds",
        ),
    ] {
        let error = error(&registry, "std.http", &input).await;
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_success_is_the_error_and_no_secret_is_in_its_message() {
    let web = Web::start("127.0.0.1").await;
    let url = web
        .url("/status/404?token=s3cr3t#x")
        .replace("//", "//user:s3cr3t@");
    let error = match call(&registry(open()), "std.http", &json!({"url": url})).await {
        ActionOutcome::Error(error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        error.message,
        format!("GET {} answered 404 Some Reason", web.url("/status/404"))
    );
    assert_eq!(error.value.get("status"), Some(&404.into()));
    let shown = error.value.get("url").unwrap().as_str().unwrap();
    assert_eq!(shown, web.url("/status/404?token=s3cr3t#x"));
    let sent = web.asked()[0].header("authorization").unwrap().to_owned();
    assert_eq!(sent, "Basic dXNlcjpzM2NyM3Q=");
}

#[tokio::test]
async fn mistral_http_says_how_to_finish_it_and_is_deferred() {
    let web = Web::start("127.0.0.1").await;
    let registry = registry(open());
    let input =
        json!({"url": web.url("/echo"), "headers": {"Mistral-Task-Id": "mine", "X-A": "1"}});
    let outcome = call(&registry, "std.mistral_http", &input).await;
    assert_eq!(outcome, ActionOutcome::Deferred);
    let asked = &web.asked()[0];
    for (name, value) in [
        ("Mistral-Workflow-Name", "book.work"),
        ("Mistral-Workflow-Execution-Id", "execution-1"),
        ("Mistral-Task-Id", "task-1"),
        ("Mistral-Action-Execution-Id", "action-1"),
        ("Mistral-Callback-URL", "/v2/action_executions/action-1"),
        ("X-A", "1"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    let failed = error(
        &registry,
        "std.mistral_http",
        &json!({"url": web.url("/status/500")}),
    )
    .await;
    assert_eq!(failed.value.get("status"), Some(&500.into()));
}

#[tokio::test]
async fn this_machine_is_denied_by_default_in_every_spelling() {
    let web = Web::start("127.0.0.1").await;
    let port = web.address.port();
    let registry = registry(HttpOptions::default());
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ] {
        let input = json!({"url": format!("http://{host}:{port}/echo")});
        let error = error(&registry, "std.http", &input).await;
        assert_eq!(error.kind, ActionErrorKind::Call);
        assert!(
            error.message.contains("resolves to a blocked address"),
            "{host}: {error}"
        );
    }
    let metadata = json!({"url": "http://169.254.169.254/latest/meta-data"});
    let error = error(&registry, "std.http", &metadata).await;
    assert_eq!(
        error.message,
        "URL host '169.254.169.254' resolves to a blocked address (169.254.169.254)."
    );
    assert!(web.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_does_not_get_around_a_denied_network_and_a_proxy_does_not() {
    let (here, there) = (Web::start("127.0.0.1").await, Web::start("127.0.0.2").await);
    let mut options = HttpOptions::default();
    options.denied_networks = vec![HttpOptions::network("127.0.0.2").unwrap()];
    let registry = registry(options);
    let by_redirect = json!({
        "url": here.url(&format!("/redirect/302?{}", there.url("/echo"))),
        "allow_redirects": true,
    });
    let by_proxy = json!({
        "url": here.url("/echo"),
        "proxies": {"http": format!("http://{}", there.address)},
    });
    let through_proxy = json!({
        "url": there.url("/echo"),
        "proxies": {"http": format!("http://{}", here.address)},
    });
    for input in [by_redirect, by_proxy, through_proxy] {
        let error = error(&registry, "std.http", &input).await;
        assert_eq!(
            error.message,
            "URL host '127.0.0.2' resolves to a blocked address (127.0.0.2)."
        );
    }
    assert!(there.asked().is_empty());
    // The same ways where nothing is in them.
    let allowed = json!({
        "url": here.url(&format!("/redirect/302?{}", here.url("/echo"))),
        "allow_redirects": true,
    });
    let result = result(&registry, "std.http", &allowed).await;
    assert_eq!(result["history"], json!([["moved"]]));
}

#[tokio::test]
async fn only_allowed_hosts_are_reached_where_some_are_named() {
    let web = Web::start("127.0.0.1").await;
    let mut options = open();
    options.allowed_hosts = vec!["127.0.0.1".to_owned()];
    let registry = registry(options);
    result(&registry, "std.http", &json!({"url": web.url("/echo")})).await;
    let elsewhere = format!("http://localhost:{}/echo", web.address.port());
    let redirected = web.url(&format!("/redirect/302?{elsewhere}"));
    for url in [elsewhere, redirected] {
        let input = json!({"url": url, "allow_redirects": true});
        let error = error(&registry, "std.http", &input).await;
        assert_eq!(
            error.message,
            "Host 'localhost' is not in [action_std_http] allowed_hosts."
        );
    }
}

#[tokio::test]
async fn a_proxy_gets_the_request() {
    let proxy = Web::start("127.0.0.1").await;
    let input = json!({
        "url": "http://somewhere.invalid/echo",
        "proxies": {"http": format!("user:s3cr3t@{}", proxy.address)},
    });
    let error = error(&registry(open()), "std.http", &input).await;
    assert_eq!(error.value.get("status"), Some(&404.into()));
    let asked = &proxy.asked()[0];
    assert_eq!(asked.line, "GET http://somewhere.invalid/echo HTTP/1.1");
    assert_eq!(
        asked.header("proxy-authorization"),
        Some("Basic dXNlcjpzM2NyM3Q=")
    );
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let (here, there) = (Web::start("127.0.0.1").await, Web::start("127.0.0.2").await);
    let input = json!({
        "url": here.url(&format!("/redirect/307?{}", there.url("/echo"))),
        "allow_redirects": true,
        "auth": "user:s3cr3t",
        "cookies": {"session": "s3cr3t"},
    });
    result(&registry(open()), "std.http", &input).await;
    let (first, second) = (&here.asked()[0], &there.asked()[0]);
    assert_eq!(first.header("cookie"), Some("session=s3cr3t"));
    assert!(first.header("authorization").is_some());
    assert_eq!(second.header("cookie"), None);
    assert_eq!(second.header("authorization"), None);
}

#[tokio::test]
async fn redirects_have_an_end() {
    let web = Web::start("127.0.0.1").await;
    let input = json!({"url": web.url("/loop"), "allow_redirects": true});
    let error = error(&registry(open()), "std.http", &input).await;
    assert_eq!(
        error.message,
        "Failed to send HTTP request: Exceeded 30 redirects."
    );
    assert_eq!(web.asked().len(), 31);
}

#[tokio::test]
async fn bodies_and_waits_are_bounded() {
    let web = Web::start("127.0.0.1").await;
    let mut options = open();
    options.max_time = Duration::from_secs(2);
    let registry = registry(options);
    for (path, timeout, kind, message) in [
        (
            "/huge",
            60.0,
            ActionErrorKind::Limit,
            "HTTP response is too large (Content-Length=50000000, limit=5242880 bytes).",
        ),
        (
            "/endless",
            60.0,
            ActionErrorKind::Limit,
            "HTTP response is too large (limit=5242880 bytes).",
        ),
        (
            "/bomb",
            60.0,
            ActionErrorKind::Limit,
            "HTTP response is too large (limit=5242880 bytes).",
        ),
        (
            "/slow",
            0.2,
            ActionErrorKind::Host,
            "Failed to send HTTP request: no answer within 200ms",
        ),
        (
            "/stalls",
            0.2,
            ActionErrorKind::Host,
            "Failed to send HTTP request: no answer in time",
        ),
        (
            "/slow",
            60.0,
            ActionErrorKind::Limit,
            "Failed to send HTTP request: it took more than 2s",
        ),
    ] {
        let input = json!({"url": web.url(path), "timeout": timeout});
        let error = error(&registry, "std.http", &input).await;
        assert_eq!(
            (error.kind, error.message.as_str()),
            (kind, message),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_unless_it_is_given() {
    let (certificate, key) = certificate();
    let (other, _) = common::certificate();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (mine, another) = (write("mine.pem", &certificate), write("other.pem", &other));
    let web = Web::start_tls(&certificate, &key).await;
    let registry = registry(open());
    let url = format!("https://localhost:{}/json", web.address.port());
    for verify in [json!(null), json!(true), json!(another)] {
        let input = json!({"url": url, "verify": verify});
        let error = error(&registry, "std.http", &input).await;
        assert_eq!(error.kind, ActionErrorKind::Host);
        assert!(
            error.message.starts_with(
                "Failed to send HTTP request: no connection: invalid peer certificate"
            ),
            "{error}"
        );
    }
    for verify in [json!(false), json!(mine)] {
        let result = result(
            &registry,
            "std.http",
            &json!({"url": url, "verify": verify}),
        )
        .await;
        assert_eq!(result["content"]["b"], "é");
    }
    let input = json!({"url": url, "verify": "/no/such/file"});
    let error = error(&registry, "std.http", &input).await;
    assert!(
        error.message.contains("/no/such/file has no certificates"),
        "{error}"
    );
}

#[tokio::test]
async fn a_host_out_of_reach_is_nobodys_fault_here() {
    let registry = registry(open());
    for (url, says) in [
        ("http://127.0.0.1:1/", "no connection: "),
        ("http://no-such-host.invalid/", "no address is known: "),
    ] {
        let error = error(&registry, "std.http", &json!({"url": url})).await;
        assert_eq!(error.kind, ActionErrorKind::Host);
        let start = format!("Failed to send HTTP request: {says}");
        assert!(error.message.starts_with(&start), "{error}");
    }
}
