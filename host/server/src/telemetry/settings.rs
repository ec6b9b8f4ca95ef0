//! What a server is to show of itself, and to whom.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::HostCalls;

/// What a server shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Whether `GET /metrics` answers.
    pub metrics: bool,
    /// Whether `GET /healthcheck` answers.
    pub healthcheck: bool,
    /// Where spans are sent, by OTLP over HTTP. None for no traces.
    pub otlp_endpoint: Option<OtlpEndpoint>,
    /// Headers that are sent with spans: a collector's token.
    pub otlp_headers: OtlpHeaders,
    /// What spans call this host: `service.name`.
    pub service_name: String,
    /// How many spans may wait to be sent; more are dropped.
    pub span_queue: usize,
    /// How long spans wait for others to be sent with.
    pub span_delay: Duration,
    /// How long one request to the collector may take.
    pub span_timeout: Duration,
    /// Whether spans carry what errors say, and not only their kind. Errors may quote inputs.
    pub error_messages: bool,
    /// Where whoever runs packs tells of their host calls.
    pub host_calls: HostCalls,
}

/// Where a collector takes spans. What is shown of it has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(Url);

/// Headers for a collector. What is shown of them has no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpHeaders(HeaderMap);

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            metrics: true,
            healthcheck: true,
            otlp_endpoint: None,
            otlp_headers: OtlpHeaders::default(),
            service_name: "ostro".to_owned(),
            span_queue: 8_192,
            span_delay: Duration::from_secs(1),
            span_timeout: Duration::from_secs(10),
            error_messages: false,
            host_calls: HostCalls::default(),
        }
    }
}

impl TelemetrySettings {
    /// With what the OpenTelemetry variables of an environment say (`OTEL_EXPORTER_OTLP_ENDPOINT`,
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`,
    /// `OTEL_SDK_DISABLED`), where these settings say nothing; and which of them are wrong, and
    /// why. No reason has the variable's text, which may be a secret.
    #[must_use]
    pub fn with_environment(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> (Self, Vec<(&'static str, &'static str)>) {
        const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
        let mut wrong = Vec::new();
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if given("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            self.otlp_endpoint = None;
            return (self, wrong);
        }
        if self.otlp_endpoint.is_none() {
            let (name, endpoint) = match (given(TRACES), given(BASE)) {
                (Some(text), _) => (TRACES, Some(OtlpEndpoint::whole(&text))),
                (None, text) => (BASE, text.map(|text| text.parse())),
            };
            match endpoint.transpose() {
                Ok(endpoint) => self.otlp_endpoint = endpoint,
                Err(reason) => wrong.push((name, reason)),
            }
        }
        if self.otlp_headers == OtlpHeaders::default()
            && let Some(text) = given(HEADERS)
        {
            match text.parse() {
                Ok(headers) => self.otlp_headers = headers,
                Err(reason) => wrong.push((HEADERS, reason)),
            }
        }
        if self.service_name == Self::default().service_name
            && let Some(name) = given("OTEL_SERVICE_NAME")
        {
            self.service_name = name;
        }
        (self, wrong)
    }
}

impl OtlpEndpoint {
    /// The whole address for spans.
    pub fn whole(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.map(Self).ok_or("it is no http or https address")
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

/// The address of a collector, to which `/v1/traces` is added if it is not there.
impl FromStr for OtlpEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Self(mut url) = Self::whole(text)?;
        let path = url.path().trim_end_matches('/').to_owned();
        if !path.ends_with("/v1/traces") {
            url.set_path(&format!("{path}/v1/traces"));
        }
        Ok(Self(url))
    }
}

impl fmt::Debug for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}{}", self.0.scheme(), self.0.path())
    }
}

impl OtlpHeaders {
    pub(super) fn map(&self) -> &HeaderMap {
        &self.0
    }
}

/// `NAME=VALUE,NAME=VALUE`, with values encoded as in addresses, as the OpenTelemetry variables
/// have it.
impl FromStr for OtlpHeaders {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it is a list of NAME=VALUE with commas between them";
        let mut headers = HeaderMap::new();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(FORM)?;
            let name = HeaderName::from_str(name.trim()).map_err(|_| FORM)?;
            let value = decoded(value.trim());
            let value = value.and_then(|value| HeaderValue::from_bytes(&value).ok());
            let mut value = value.ok_or("one of its values cannot be that of a header")?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self(headers))
    }
}

/// The bytes that `%41` and its kind stand for, and all others.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let digits = digits
            .bytes()
            .all(|c| c.is_ascii_hexdigit())
            .then_some(digits)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> (TelemetrySettings, Vec<&'static str>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let (settings, wrong) = TelemetrySettings::default().with_environment(variable);
        (settings, wrong.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn the_variables_mean_what_they_always_do() {
        let (told, wrong) = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4318/base/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%3D, other = x"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        assert_eq!(wrong, [""; 0]);
        let at = told.otlp_endpoint.unwrap();
        assert_eq!(at.url().as_str(), "http://one:4318/base/v1/traces");
        assert_eq!(told.otlp_headers.map()["api-key"], "a b=");
        assert_eq!(told.otlp_headers.map()["other"], "x");
        assert_eq!(told.service_name, "mine");
        let both = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://two/spans"),
        ];
        let at = settings(&both).0.otlp_endpoint.unwrap();
        assert_eq!(at.url().as_str(), "https://two/spans");
        let off = [both[0], ("OTEL_SDK_DISABLED", "TRUE")];
        assert_eq!(settings(&off).0.otlp_endpoint, None);
    }

    #[test]
    fn all_variables_that_are_wrong_are_named() {
        for (endpoint, headers) in [
            ("collector:4318", "no-value"),
            ("ftp://collector", "a=%4"),
            ("no address", "bad name=x"),
            ("http://", "a=%0A"),
        ] {
            let (_, wrong) = settings(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
                ("OTEL_EXPORTER_OTLP_HEADERS", headers),
            ]);
            let both = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"];
            assert_eq!(wrong, both, "{endpoint} {headers}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let settings = TelemetrySettings {
            otlp_endpoint: Some("http://me:sesame@one:4318".parse().unwrap()),
            otlp_headers: "api-key=sesame".parse().unwrap(),
            ..TelemetrySettings::default()
        };
        let shown = format!("{settings:?}");
        assert!(shown.contains("http://one/v1/traces"), "{shown}");
        assert!(!shown.contains("sesame"), "{shown}");
    }
}
