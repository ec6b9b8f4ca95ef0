//! Where a broker is.

use std::fmt;
use std::str::FromStr;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use url::Url;

use crate::app::ServerError;

/// The usual port of brokers.
const PORT: u16 = 5672;

/// Where a broker is, and as whom to log in: `amqp://user:password@host:port/vhost`. Without a
/// user it is RabbitMQ's `guest`, and without a virtual host its default one, `/`. It is shown
/// without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl(AMQPUri);

impl AmqpUrl {
    pub(super) fn uri(&self) -> &AMQPUri {
        &self.0
    }
}

impl FromStr for AmqpUrl {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let wrong = |why| ServerError::Broker(why);
        let url = Url::parse(text).map_err(|_| wrong("is no URL: amqp://user:password@host"))?;
        match url.scheme() {
            "amqp" => {}
            "amqps" => return Err(wrong("asks for TLS, which is not there yet: take amqp://")),
            _ => return Err(wrong("begins with something else than amqp://")),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has options behind `?` or `#`, and there are none"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("has no host"))?;
        let decoded = |text: &str| decoded(text).ok_or_else(|| wrong("has `%` before no UTF-8"));
        let or_guest = |text: Option<&str>| match text {
            None | Some("") => Ok("guest".to_owned()),
            Some(text) => decoded(text),
        };
        let vhost = url.path().strip_prefix('/').unwrap_or_default();
        Ok(Self(AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: or_guest(Some(url.username()))?,
                    password: or_guest(url.password())?,
                },
                host: host.trim_matches(['[', ']']).to_owned(),
                port: url.port().unwrap_or(PORT),
            },
            vhost: match vhost {
                "" => "/".to_owned(),
                vhost => decoded(vhost)?,
            },
            query: AMQPQueryString::default(),
        }))
    }
}

/// A part of a URL as it is meant.
fn decoded(text: &str) -> Option<String> {
    // A form's encoding, but for the plus sign.
    let text = text.replace('+', "%2B");
    let (part, _) = url::form_urlencoded::parse(text.as_bytes()).next()?;
    (!part.contains(char::REPLACEMENT_CHARACTER)).then(|| part.into_owned())
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPAuthority {
            userinfo,
            host,
            port,
        } = &self.0.authority;
        write!(f, "amqp://{}@{host}:{port}", userinfo.username)?;
        match self.0.vhost.as_str() {
            "/" => Ok(()),
            vhost => write!(f, "/{vhost}"),
        }
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_as_whom() {
        for (text, shown, password, vhost) in [
            (
                "amqp://localhost",
                "amqp://guest@localhost:5672",
                "guest",
                "/",
            ),
            ("amqp://mq:5673/", "amqp://guest@mq:5673", "guest", "/"),
            ("amqp://a:b%2Fc+d@mq/%2F", "amqp://a@mq:5672", "b/c+d", "/"),
            (
                "amqp://a:b@[::1]/cloud",
                "amqp://a@::1:5672/cloud",
                "b",
                "cloud",
            ),
        ] {
            let url: AmqpUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(format!("{url:?}"), shown, "{text}");
            assert_eq!(url.uri().authority.userinfo.password, password, "{text}");
            assert_eq!(url.uri().vhost, vhost, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for (text, why) in [
            ("secret", "is no URL"),
            ("amqps://a:secret@mq", "asks for TLS"),
            ("rabbit://a:secret@mq", "begins with something else"),
            ("amqp://a:secret@mq?heartbeat=secret", "has options"),
            ("amqp:///secret", "has no host"),
            ("amqp://a:secret%FF@mq", "no UTF-8"),
        ] {
            let error = text.parse::<AmqpUrl>().unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("secret"), "{error}");
        }
    }
}
