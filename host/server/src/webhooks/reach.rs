//! Where the receivers that callers name may be.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ostro_egress::{IpNet, Zone};
use url::Host;

use super::WebhookSettings;

/// Where a receiver may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At an address of this network.
    Network(IpNet),
    /// At the host of this name, wherever that is.
    Name(String),
    /// At any host whose name ends with a dot and this.
    Below(String),
}

impl FromStr for Reach {
    type Err = String;

    /// Reads a network, an address, a name, or `*.` before a name.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        let (name, is_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let is_plain = |name: &str| {
            let mut letters = name.chars();
            letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        };
        match Host::parse(name) {
            Ok(Host::Domain(name)) if is_plain(&name) => Ok(if is_below {
                Self::Below(name)
            } else {
                Self::Name(name)
            }),
            _ => Err(format!(
                "{text:?} is no network and no host: write 10.0.0.0/8, hooks.example.org or \
                 *.example.org"
            )),
        }
    }
}

impl WebhookSettings {
    /// Whether callers' receivers may be at `addresses`, which are those of `host`. The error is
    /// the first at which they may not. Metadata services are never reached.
    pub(super) fn may_reach(
        &self,
        host: &Host<&str>,
        addresses: &[SocketAddr],
    ) -> Result<(), IpAddr> {
        let is_named = self.allow.iter().any(|reach| match (reach, host) {
            (Reach::Name(name), Host::Domain(host)) => host.trim_end_matches('.') == name,
            (Reach::Below(name), Host::Domain(host)) => host
                .trim_end_matches('.')
                .strip_suffix(name.as_str())
                .is_some_and(|rest| rest.ends_with('.')),
            _ => false,
        });
        let may = |address: IpAddr| match Zone::of(address) {
            Zone::Closed => false,
            Zone::Public if self.public => true,
            _ => is_named || self.has_network_of(address),
        };
        let refused = addresses.iter().find(|address| !may(address.ip()));
        refused.map_or(Ok(()), |address| Err(address.ip()))
    }

    fn has_network_of(&self, address: IpAddr) -> bool {
        // An IPv4 address stays one when it is written as an IPv6 address.
        let address = address.to_canonical();
        self.allow.iter().any(|reach| match reach {
            Reach::Network(network) => network.contains(&address),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached_unless_the_operator_says_so() {
        let settings = |allow: &str, public| WebhookSettings {
            allow: allow
                .split_whitespace()
                .map(|one| one.parse().unwrap())
                .collect(),
            public,
            ..WebhookSettings::default()
        };
        let named = "10.1.0.0/16 ::1 169.254.0.0/16 hooks.example.org *.inner.example.org";
        for (allow, public, host, address, may) in [
            ("", true, "example.org", "8.8.8.8", true),
            ("", true, "example.org", "10.1.2.3", false),
            ("", true, "localhost", "127.0.0.1", false),
            ("", true, "example.org", "::ffff:127.0.0.1", false),
            ("", true, "example.org", "fe80::1", false),
            ("", true, "example.org", "169.254.169.254", false),
            ("", false, "example.org", "8.8.8.8", false),
            (named, false, "example.org", "8.8.8.8", false),
            (named, false, "hooks.example.org", "8.8.8.8", true),
            (named, false, "hooks.example.org.", "8.8.8.8", true),
            (named, false, "xhooks.example.org", "8.8.8.8", false),
            (named, false, "a.inner.example.org", "192.168.0.1", true),
            (named, false, "inner.example.org", "192.168.0.1", false),
            (named, false, "ainner.example.org", "192.168.0.1", false),
            (named, true, "example.org", "10.1.2.3", true),
            (named, true, "example.org", "::ffff:10.1.2.3", true),
            (named, true, "example.org", "10.2.2.3", false),
            (named, true, "example.org", "::1", true),
            // Whoever allows it, credentials are given out there.
            (named, true, "hooks.example.org", "169.254.169.254", false),
        ] {
            let addresses = [SocketAddr::new(address.parse().unwrap(), 80)];
            let found = settings(allow, public).may_reach(&Host::Domain(host), &addresses);
            assert_eq!(found.is_ok(), may, "{allow} {public} {host} {address}");
        }
        let both = ["8.8.8.8:80", "10.0.0.1:80"].map(|text| text.parse().unwrap());
        let found = settings("", true).may_reach(&Host::Domain("example.org"), &both);
        assert_eq!(found, Err("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_neither_a_network_nor_a_host_is_a_mistake() {
        for text in ["", "*", "*.", "10.0.0.0/33", "a b", "http://example.org/"] {
            let found = text.parse::<Reach>();
            assert!(found.is_err(), "{text}: {found:?}");
        }
    }
}
