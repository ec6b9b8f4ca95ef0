//! Where requests may go.
//!
//! Mistral looks at the addresses of a URL's host before it sends, once. Here they are looked
//! up once, checked, and the connection is made to these very addresses, for the URL and for
//! each redirect: a name that has another address a moment later leads nowhere.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ostro_core::ActionError;
use ostro_egress::{IpNet, Lookup};
use url::{Host, Url};

use super::super::call_error;

/// What Mistral denies where its configuration does not say otherwise: this machine, and the
/// link, with the metadata service of clouds on it.
const DENIED: [&str; 4] = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10"];

/// How `std.http` and `std.mistral_http` may behave: Mistral's `[action_std_http]`, with its
/// defaults.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The only hosts that requests may go to; empty for all that no network denies.
    pub allowed_hosts: Vec<String>,
    /// The networks that requests may not go to.
    pub denied_networks: Vec<IpNet>,
    /// How long connecting and each wait for the next bytes may take, where an action does not
    /// say.
    pub default_timeout: Duration,
    /// How long a response's body may be.
    pub max_response_bytes: usize,
    /// How long a call may take from its beginning to its end. Mistral has no such limit.
    pub max_time: Duration,
    lookup: Lookup,
}

impl HttpOptions {
    /// The options with `lookup` to find addresses with.
    #[cfg(test)]
    pub(crate) fn with_lookup(mut self, lookup: Lookup) -> Self {
        self.lookup = lookup;
        self
    }

    /// The network that `text` is, as `10.0.0.0/8` or as one address.
    pub fn network(text: &str) -> Option<IpNet> {
        let text = text.trim();
        match text.parse::<IpAddr>() {
            Ok(address) => Some(address.into()),
            Err(_) => text.parse().ok(),
        }
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            denied_networks: DENIED.into_iter().filter_map(Self::network).collect(),
            default_timeout: Duration::from_mins(1),
            max_response_bytes: 5 << 20,
            max_time: Duration::from_hours(1),
            lookup: Lookup::default(),
        }
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("allowed_hosts", &self.allowed_hosts)
            .field("denied_networks", &self.denied_networks)
            .finish_non_exhaustive()
    }
}

/// Where a URL leads.
pub(super) enum Way {
    /// To these addresses and no others.
    Addresses(Vec<SocketAddr>),
    /// To a host without an address.
    Nowhere(io::Error),
}

impl HttpOptions {
    /// Checks a URL, and finds the addresses that it leads to.
    pub(super) async fn way(&self, url: &Url) -> Result<Way, ActionError> {
        let scheme = url.scheme();
        if !matches!(scheme, "http" | "https") {
            return Err(call_error(format!(
                "URL scheme '{scheme}' is not allowed (only http and https are)."
            )));
        }
        let host = host(url).ok_or_else(|| call_error("URL does not contain a host."))?;
        let is_host = |allowed: &String| allowed.eq_ignore_ascii_case(&host);
        if !self.allowed_hosts.is_empty() && !self.allowed_hosts.iter().any(is_host) {
            return Err(call_error(format!(
                "Host '{host}' is not in [action_std_http] allowed_hosts."
            )));
        }
        self.addresses_of(url).await
    }

    /// The addresses of a URL's host, none of which may be denied.
    pub(super) async fn addresses_of(&self, url: &Url) -> Result<Way, ActionError> {
        let host = host(url).unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let found = match self.lookup.find(&host, port).await {
            Ok(found) => found,
            Err(error) => return Ok(Way::Nowhere(error)),
        };
        match found.iter().find(|address| self.is_denied(address.ip())) {
            Some(address) => Err(call_error(format!(
                "URL host '{host}' resolves to a blocked address ({}).",
                address.ip()
            ))),
            None => Ok(Way::Addresses(found)),
        }
    }

    fn is_denied(&self, address: IpAddr) -> bool {
        // An IPv4 address stays one when it is written as an IPv6 address.
        let address = address.to_canonical();
        let denied = |address: &IpAddr| {
            self.denied_networks
                .iter()
                .any(|network| network.contains(address))
        };
        // Connecting to the unspecified address connects to this machine.
        let home: IpAddr = match address {
            IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        denied(&address) || address.is_unspecified() && denied(&home)
    }
}

/// The host as a name or an address, without brackets.
fn host(url: &Url) -> Option<String> {
    Some(match url.host()? {
        Host::Ipv6(address) => address.to_string(),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_networks_hold_in_every_spelling_of_an_address() {
        let options = HttpOptions::default();
        for (address, denied) in [
            ("127.0.0.1", true),
            ("127.255.0.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:169.254.169.254", true),
            ("169.254.169.254", true),
            ("fe80::1", true),
            ("0.0.0.0", true),
            ("::", true),
            ("::ffff:0.0.0.0", true),
            ("10.0.0.1", false),
            ("192.0.2.7", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(
                options.is_denied(address.parse().unwrap()),
                denied,
                "{address}"
            );
        }
    }

    #[test]
    fn a_network_may_be_one_address_or_have_host_bits() {
        for (text, inside, outside) in [
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3/8", "10.9.9.9", "11.0.0.1"),
            (" fd00::/8 ", "fd12::1", "fe00::1"),
        ] {
            let network = HttpOptions::network(text).unwrap();
            assert!(network.contains(&inside.parse::<IpAddr>().unwrap()));
            assert!(!network.contains(&outside.parse::<IpAddr>().unwrap()));
        }
        assert_eq!(HttpOptions::network("localhost"), None);
    }
}
