//! What kind of address an address is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are reachable for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// On the internet.
    Public,
    /// This machine, the link, a private network, or an IPv4 address inside of an IPv6 address.
    Private,
    /// Nobody's to ask: the metadata services of clouds, which give out credentials; multicast,
    /// broadcast, and what is no address of a host.
    Closed,
}

/// Metadata services: of OpenStack, AWS, Azure and Google; of AWS for containers; of Alibaba; of
/// Oracle.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The same by IPv6: of OpenStack, of AWS, of Google.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

impl Zone {
    /// Where `address` is. What the IANA's registries of special-purpose addresses do not call
    /// globally reachable is not public.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => v4(address),
            IpAddr::V6(address) => v6(address),
        }
    }
}

fn v4(address: Ipv4Addr) -> Zone {
    if METADATA_V4.contains(&address) || address.is_multicast() {
        return Zone::Closed;
    }
    match address.octets() {
        // This network; reserved, with the broadcast address.
        [0 | 240..=255, ..] => Zone::Closed,
        // Private; shared (RFC 6598); this machine; the link.
        [10 | 127, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        // Protocol assignments; documentation; relays of 6to4; benchmarks.
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Zone::Private,
        _ => Zone::Public,
    }
}

fn v6(address: Ipv6Addr) -> Zone {
    if METADATA_V6.contains(&address) || address.is_multicast() || address.is_unspecified() {
        return Zone::Closed;
    }
    if let Some(inner) = embedded(address) {
        return v4(inner).max(Zone::Private);
    }
    match address.segments() {
        // Global unicast is all that is given out (2000::/3); of it, what is for protocols
        // (2001::/23), for documentation and for segment routing is not reachable.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Zone::Private,
        [0x2000..=0x3fff, ..] => Zone::Public,
        _ => Zone::Private,
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated (also for
/// local use), of 6to4, of Teredo.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let at = |at: usize| {
        let [a, b] = segments[at].to_be_bytes();
        let [c, d] = segments[at + 1].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, ..] => {
            Some(at(6))
        }
        [0x2002, ..] => Some(at(1)),
        // Teredo has the client's address inverted.
        [0x2001, 0, ..] => Some(Ipv4Addr::from(!u32::from(at(6)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_zone_in_every_spelling() {
        for (zone, addresses) in [
            (
                Zone::Public,
                "8.8.8.8 1.1.1.1 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 169.253.0.1 \
                 192.167.1.1 198.17.0.1 223.255.255.254 2606:4700::1111 2a00:1450::1 2001:4860::1",
            ),
            (
                Zone::Private,
                "127.0.0.1 127.255.255.254 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 \
                 100.64.0.1 169.254.0.1 169.254.169.253 192.0.2.1 198.18.0.1 198.51.100.7 \
                 203.0.113.9 ::1 fe80::1 fc00::1 fd12:3456::1 fec0::1 ::ffff:127.0.0.1 \
                 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::7f00:1 \
                 64:ff9b::8.8.8.8 2002:7f00:1:: 2002:808:808:: 2001:0:1:2:3:4:f7f7:f7f7 \
                 2001:db8::1 100::1 5f00::1 3fff::1 ::ffff:0:8.8.8.8",
            ),
            (
                Zone::Closed,
                "0.0.0.0 0.1.2.3 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 \
                 169.254.169.254 169.254.170.2 100.100.100.200 192.0.0.192 :: ff02::1 ff0e::1 \
                 fd00:ec2::254 fe80::a9fe:a9fe fd20:ce::254 ::ffff:169.254.169.254 \
                 ::169.254.169.254 64:ff9b::169.254.169.254 2002:a9fe:a9fe:: ::ffff:0.0.0.0 \
                 2001:0:1:2:3:4:5601:5601 ::ffff:0:169.254.169.254 ::ffff:224.0.0.1",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(Zone::of(address.parse().unwrap()), zone, "{address}");
            }
        }
    }
}
