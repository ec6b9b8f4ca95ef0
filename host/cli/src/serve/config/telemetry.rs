//! `log_format`, `audit_log` and `telemetry`: what the server shows of itself.

use std::path::Path;

use ostro_server::{AuditSettings, OtlpEndpoint, TelemetrySettings};

use super::reader::Section;
use crate::args::{LogFormat, Serve};

/// In which form a log is written; as text, if nobody says.
pub(super) fn log_format(section: &mut Section<'_>, flag: Option<LogFormat>) -> LogFormat {
    let given = section.parsed::<String>("log_format");
    match (flag, given) {
        (Some(format), _) => format,
        (None, None) => LogFormat::Text,
        (None, Some((text, at))) => match text.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => {
                let message = format!("`log_format`: {text:?} is neither text nor json");
                section.mistake(&at, message, None);
                LogFormat::Text
            }
        },
    }
}

/// Where it is written who did what.
pub(super) fn audit(section: &mut Section<'_>, args: &Serve) -> AuditSettings {
    let given = section.path("audit_log");
    let flag = args.audit_log.clone();
    let given = flag.map(|path| (path, "--audit-log".to_owned())).or(given);
    if let Some((path, at)) = &given {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let is_wrong = if path.is_dir() {
            Some(format!("{}: it is a folder", path.display()))
        } else if folder.is_dir() {
            None
        } else {
            Some(format!("{}: there is no such folder", folder.display()))
        };
        if let Some(message) = is_wrong {
            section.mistake(at, format!("`audit_log`: {message}"), None);
        }
    }
    AuditSettings {
        path: given.map(|(path, _)| path),
    }
}

/// Whether two say the same.
pub(super) fn same(one: &TelemetrySettings, other: &TelemetrySettings) -> bool {
    let host_calls = one.host_calls.clone();
    TelemetrySettings {
        host_calls,
        ..other.clone()
    } == *one
}

/// Metrics, health and traces. OpenTelemetry's own variables say what nothing else does.
pub(super) fn read(section: &mut Section<'_>, args: &Serve) -> TelemetrySettings {
    section.section("telemetry", |section| {
        let mut settings = TelemetrySettings::default();
        for (key, setting) in [
            ("metrics", &mut settings.metrics),
            ("healthcheck", &mut settings.healthcheck),
            ("error_messages", &mut settings.error_messages),
        ] {
            if let Some((truth, _)) = section.truth(key) {
                *setting = truth;
            }
        }
        // The address may have a password in it, and is not told.
        let endpoint = section.secret("otlp_endpoint");
        let endpoint = endpoint.and_then(|(text, at)| {
            let endpoint = text.parse::<OtlpEndpoint>();
            let wrong = |reason| section.mistake(&at, format!("`otlp_endpoint`: {reason}"), None);
            endpoint.map_err(wrong).ok()
        });
        settings.otlp_endpoint = args.otlp_endpoint.clone().or(endpoint);
        if let Some((text, at)) = section.secret("otlp_headers") {
            match text.parse() {
                Ok(headers) => settings.otlp_headers = headers,
                Err(reason) => section.mistake(&at, format!("`otlp_headers`: {reason}"), None),
            }
        }
        if let Some(name) = section.text("service_name") {
            settings.service_name = name;
        }
        let (settings, wrong) = settings.with_environment(|name| section.variable(name));
        for (name, reason) in wrong {
            section.mistake(name, reason, None);
        }
        settings
    })
}
