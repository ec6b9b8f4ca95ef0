//! Requests and their answers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::ClientError;
use crate::again::{Away, is_passing};
use crate::error::causes;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a server may take to answer, but where it is asked to wait for something.
const ANSWER: Duration = Duration::from_mins(2);

/// How large an answer may be that is read whole, in bytes.
const MAX_ANSWER: usize = 256 << 20;

/// Where tokens come from, for a server that wants some.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A token of Keystone, other than the one that was `refused`. The error is a sentence.
    async fn token(&self, refused: Option<&str>) -> Result<String, String>;
}

/// Asks a server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Ends with `/v2/`.
    base: Url,
    tokens: Option<Arc<dyn Tokens>>,
    token: Arc<Mutex<Option<String>>>,
    lost: Option<fn(&ClientError)>,
}

/// A request that is to be sent.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Below `/v2/`.
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Content,
    /// What the answer is to be.
    pub(crate) accept: &'static str,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// None waits for as long as it takes.
    pub(crate) timeout: Option<Duration>,
}

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Content {
    Nothing,
    Json(Value),
    Text(String),
    Bytes(Arc<Vec<u8>>),
}

impl Ask {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            body: Content::Nothing,
            accept: "application/json",
            headers: Vec::new(),
            timeout: Some(ANSWER),
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Content::Json(body);
        self
    }

    pub(crate) fn text(mut self, body: impl Into<String>) -> Self {
        self.body = Content::Text(body.into());
        self
    }
}

impl Client {
    /// A client of the server at `url`, with or without the `/v2` of the API.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let wrong = |reason: &str| ClientError::Address {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let mut base = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("an address like http://127.0.0.1:8989 is needed"));
        }
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/v2").unwrap_or(path);
        let path = format!("{path}/v2/");
        base.set_path(&path);
        base.set_query(None);
        base.set_fragment(None);
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("ostro/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| wrong(&causes(&error)))?;
        Ok(Self {
            http,
            base,
            tokens: None,
            token: Arc::default(),
            lost: None,
        })
    }

    /// The same, for a server that may want tokens; `token` is one that is there already.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<dyn Tokens>, token: Option<String>) -> Self {
        self.tokens = Some(tokens);
        self.token = Arc::new(Mutex::new(token));
        self
    }

    /// The same, where `tell` is called when an answer is lost and is asked for again.
    #[must_use]
    pub fn on_lost(mut self, tell: fn(&ClientError)) -> Self {
        self.lost = Some(tell);
        self
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    /// The JSON of an answer; null where it has no body.
    pub(crate) async fn json(&self, ask: Ask) -> Result<Value, ClientError> {
        let (_, body) = self.json_with_status(ask).await?;
        Ok(body)
    }

    /// As [`Client::json`], with the status.
    pub(crate) async fn json_with_status(
        &self,
        ask: Ask,
    ) -> Result<(StatusCode, Value), ClientError> {
        let url = self.address(&ask)?;
        let answer = self.send(ask).await?;
        let status = answer.status();
        let body = read(answer, &url).await?;
        if body.is_empty() {
            return Ok((status, Value::Null));
        }
        let body = serde_json::from_slice(&body).map_err(|error| ClientError::Answer {
            url: url.to_string(),
            reason: error.to_string(),
        })?;
        Ok((status, body))
    }

    /// As [`Client::json`], for what does no harm when it is asked for twice: it is asked for again
    /// where its answer is lost, also while the server is away, and where that `was_there`, however
    /// it fails that may pass.
    pub(crate) async fn json_again(&self, ask: Ask, was_there: bool) -> Result<Value, ClientError> {
        let mut away: Option<Away> = None;
        loop {
            let error = match self.json(ask.clone()).await {
                Err(error) if is_passing(&error) => error,
                other => return other,
            };
            // Who has never been there may be in another place.
            if away.is_none() && (was_there || matches!(error, ClientError::Lost { .. })) {
                away = Some(Away::new());
                if let Some(tell) = self.lost {
                    tell(&error);
                }
            }
            let Some(away) = &mut away else {
                return Err(error);
            };
            if !away.wait().await {
                return Err(error);
            }
        }
    }

    /// The answer, which says yes. A token is asked for where the server first wants one, and again
    /// where the one that there is has been refused.
    pub(crate) async fn send(&self, ask: Ask) -> Result<Response, ClientError> {
        let shown = self.token.lock().await.clone();
        let answer = self.attempt(&ask, shown.as_deref()).await?;
        let answer = match (&self.tokens, answer.status()) {
            (Some(tokens), StatusCode::UNAUTHORIZED) => {
                let token = {
                    let mut kept = self.token.lock().await;
                    match kept.clone() {
                        // Somebody else has got one meanwhile.
                        Some(token) if Some(&token) != shown.as_ref() => token,
                        _ => {
                            let token = tokens
                                .token(shown.as_deref())
                                .await
                                .map_err(ClientError::Token)?;
                            kept.insert(token).clone()
                        }
                    }
                };
                self.attempt(&ask, Some(&token)).await?
            }
            _ => answer,
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        let url = self.address(&ask)?;
        Err(refusal(answer, &url).await)
    }

    async fn attempt(&self, ask: &Ask, token: Option<&str>) -> Result<Response, ClientError> {
        let url = self.address(ask)?;
        let mut request = self.http.request(ask.method.clone(), url.clone());
        request = request.header(header::ACCEPT, ask.accept);
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token);
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(timeout) = ask.timeout {
            request = request.timeout(timeout);
        }
        request = match &ask.body {
            Content::Nothing => request,
            Content::Json(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            Content::Text(body) => request
                .header(header::CONTENT_TYPE, "text/plain")
                .body(body.clone()),
            Content::Bytes(body) => request
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(Vec::clone(body)),
        };
        let answer = request.send().await;
        answer.map_err(|error| {
            let (url, reason) = (self.base.to_string(), causes(&error));
            if error.is_connect() {
                ClientError::Unreachable { url, reason }
            } else {
                ClientError::Lost { url, reason }
            }
        })
    }

    fn address(&self, ask: &Ask) -> Result<Url, ClientError> {
        let wrong = |reason: String| ClientError::Address {
            url: ask.path.clone(),
            reason,
        };
        let mut url = self
            .base
            .join(&ask.path)
            .map_err(|error| wrong(error.to_string()))?;
        // What a person gave as an id must not lead elsewhere.
        if !url.path().starts_with(self.base.path()) {
            return Err(wrong("it leads out of the API".to_owned()));
        }
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&ask.query);
        }
        Ok(url)
    }
}

/// A part of a path that holds `text`, whatever is in it.
pub(crate) fn segment(text: &str) -> String {
    let mut url = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// A whole body, within bounds.
async fn read(mut answer: Response, url: &Url) -> Result<Vec<u8>, ClientError> {
    let broken = |reason: String| ClientError::Answer {
        url: url.to_string(),
        reason,
    };
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(piece)) if body.len() + piece.len() > MAX_ANSWER => {
                return Err(broken(format!("it is larger than {MAX_ANSWER} bytes")));
            }
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Err(error) => {
                return Err(ClientError::Lost {
                    url: url.to_string(),
                    reason: causes(&error),
                });
            }
        }
    }
}

/// What an answer says that says no: a fault of Mistral's, of Keystone's middleware, or a text.
async fn refusal(answer: Response, url: &Url) -> ClientError {
    let status = answer.status();
    let body = read(answer, url).await.unwrap_or_default();
    let mut json: Option<Value> = serde_json::from_slice(&body).ok();
    let review = json.as_mut().and_then(|json| json.get_mut("review"));
    let review = review.map(Value::take);
    let said = json.as_ref().and_then(|json| {
        let text = json
            .get("faultstring")
            .or_else(|| json.pointer("/error/message"))?;
        text.as_str().map(str::to_owned)
    });
    let message = match said {
        Some(said) => said,
        None if status == StatusCode::UNAUTHORIZED => {
            "the server wants a token of Keystone: --cloud NAME or the OS_* variables say whose"
                .to_owned()
        }
        None => {
            let text = String::from_utf8_lossy(&body);
            let text: String = text.trim().chars().take(500).collect();
            format!("{url} answers {status}: {text}")
        }
    };
    ClientError::Refused {
        status,
        message,
        review,
    }
}
