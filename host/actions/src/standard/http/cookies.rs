//! The cookies of one call.

use ostro_core::{Map, Value};
use reqwest::header::{HeaderMap, SET_COOKIE};
use url::Url;

/// Cookies that were given or set, with the hosts that they go to.
#[derive(Default)]
pub(super) struct Jar(Vec<Cookie>);

struct Cookie {
    host: String,
    name: String,
    value: String,
}

impl Jar {
    /// Keeps a cookie for `url`'s host; one of the same name is replaced.
    pub(super) fn set(&mut self, url: &Url, name: String, value: String) {
        self.forget(url, &name);
        self.0.push(Cookie {
            host: host(url),
            name,
            value,
        });
    }

    fn forget(&mut self, url: &Url, name: &str) {
        let host = host(url);
        self.0
            .retain(|cookie| cookie.host != host || cookie.name != name);
    }

    /// Takes what an answer from `url` sets; gives that as the result has it.
    pub(super) fn take(&mut self, url: &Url, headers: &HeaderMap) -> Map {
        let mut set = Map::new();
        for header in headers.get_all(SET_COOKIE) {
            let text = String::from_utf8_lossy(header.as_bytes());
            match parse(&text, &host(url)) {
                Some(Change::Set(name, value)) => {
                    set.insert(name.as_str().into(), value.as_str().into());
                    self.set(url, name, value);
                }
                Some(Change::Drop(name)) => {
                    set.shift_remove(name.as_str());
                    self.forget(url, &name);
                }
                None => {}
            }
        }
        set
    }

    /// The `Cookie` header of a request to `url`, if there is one.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        let host = host(url);
        let cookies: Vec<String> = self
            .0
            .iter()
            .filter(|cookie| cookie.host == host)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

#[derive(Debug, PartialEq)]
enum Change {
    Set(String, String),
    Drop(String),
}

/// What one `Set-Cookie` header of `host` does.
fn parse(text: &str, host: &str) -> Option<Change> {
    let mut parts = text.split(';').map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (key.trim(), value.trim())
    });
    let (name, value) = parts.next().filter(|(name, _)| !name.is_empty())?;
    let mut over = false;
    for (key, value) in parts {
        match key.to_ascii_lowercase().as_str() {
            // A host can set cookies for itself and for domains that it is in.
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                let inside = host.strip_suffix(&domain);
                if !inside.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
                    return None;
                }
            }
            "max-age" => over |= value.parse::<i64>().is_ok_and(|age| age <= 0),
            // This is how servers take a cookie back.
            "expires" => over |= value.contains("1970"),
            _ => {}
        }
    }
    Some(if over {
        Change::Drop(name.to_owned())
    } else {
        Change::Set(name.to_owned(), value.to_owned())
    })
}

/// The cookies of the parameter `cookies`; an error is what is wrong with them.
pub(super) fn given(cookies: &Value) -> Result<Vec<(String, String)>, String> {
    let entries = cookies
        .as_map()
        .ok_or_else(|| format!("cookies cannot be of type {}", cookies.kind()))?;
    let cookie = |(name, value): (&std::sync::Arc<str>, &Value)| match value {
        Value::String(text) => Ok((name.to_string(), text.to_string())),
        other => Err(format!(
            "the cookie {name} cannot be of type {}",
            other.kind()
        )),
    };
    entries.iter().map(cookie).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_set_and_taken_back_by_their_own_domains() {
        let set = |name: &str, value: &str| Some(Change::Set(name.to_owned(), value.to_owned()));
        for (text, change) in [
            ("a=b; Path=/; HttpOnly", set("a", "b")),
            ("a=b=c", set("a", "b=c")),
            ("a=\"b\"; Domain=example.org", set("a", "\"b\"")),
            ("a=b; domain=.Example.org", set("a", "b")),
            ("a=b; Domain=other.org", None),
            ("a=b; Domain=ample.org", None),
            ("a=; Max-Age=0", Some(Change::Drop("a".to_owned()))),
            (
                "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                Some(Change::Drop("a".to_owned())),
            ),
            ("; Path=/", None),
        ] {
            assert_eq!(parse(text, "www.example.org"), change, "{text}");
        }
    }
}
