//! Where sources and callers may be: the networks that a deployment allows.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::{Error, ErrorCode};

/// What IPv4 sets aside (IANA, "IPv4 Special-Purpose Address Registry", and the multicast and reserved blocks).
const RESERVED: [Ipv4Net; 15] = [
    ipv4([0, 0, 0, 0], 8),
    ipv4([10, 0, 0, 0], 8),
    ipv4([100, 64, 0, 0], 10),
    ipv4([127, 0, 0, 0], 8),
    ipv4([169, 254, 0, 0], 16),
    ipv4([172, 16, 0, 0], 12),
    ipv4([192, 0, 0, 0], 24),
    ipv4([192, 0, 2, 0], 24),
    ipv4([192, 88, 99, 0], 24),
    ipv4([192, 168, 0, 0], 16),
    ipv4([198, 18, 0, 0], 15),
    ipv4([198, 51, 100, 0], 24),
    ipv4([203, 0, 113, 0], 24),
    ipv4([224, 0, 0, 0], 4),
    ipv4([240, 0, 0, 0], 4),
];
/// All that IPv6 has given out for the internet (IANA, "Internet Protocol Version 6 Address Space").
const GLOBAL: Ipv6Net = ipv6([0x2000, 0, 0], 3);
/// What is set aside of that: tunnels, which lead to an address inside the address, and documentation.
const RESERVED_GLOBAL: [Ipv6Net; 4] =
    [ipv6([0x2001, 0, 0], 23), ipv6([0x2001, 0xdb8, 0], 32), ipv6([0x2002, 0, 0], 16), ipv6([0x3fff, 0, 0], 20)];
/// IPv4 addresses in the last 32 bits, for a translator (RFC 6052).
const TRANSLATED: Ipv6Net = ipv6([0x64, 0xff9b, 0], 96);

const fn ipv4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn ipv6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// A range of addresses, such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "10.0.0.0/8")]
pub struct AddressRange(IpNet);

impl AddressRange {
    /// Whether it holds every IPv4 or every IPv6 address.
    pub fn is_everywhere(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for AddressRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let range = text.parse::<IpNet>().ok().filter(|range| range.addr() == range.network());
        // An IPv4 address counts as one however it is written, so a range of them in IPv6 would hold nothing.
        let range = range.filter(|range| range.addr() == range.addr().to_canonical());
        range.map(Self).ok_or_else(|| {
            let message = format!("`{text}` is no range of addresses; write one such as `10.0.0.0/8` or `fd00::/8`");
            Error::new(ErrorCode::InvalidRequest, message)
        })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for AddressRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
    }
}

/// Where sources may be. By default only on the internet: no address of this machine, of a private network, of
/// the cloud's own services, or set aside for another use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceNetworks {
    /// The other ranges that sources may be in.
    pub allow: Vec<AddressRange>,
}

impl SourceNetworks {
    /// Every address there is: the rule of a server that has one user, on its own machine.
    pub fn everywhere() -> Self {
        let all = [IpNet::V4(ipv4([0; 4], 0)), IpNet::V6(ipv6([0; 3], 0))];
        Self { allow: all.map(AddressRange).to_vec() }
    }

    /// Whether a source may be at this address. An IPv4 address that is written as IPv6 counts as what it is.
    pub fn permit(&self, address: IpAddr) -> bool {
        let address = plain(address);
        is_on_the_internet(address) || self.allow.iter().any(|range| range.0.contains(&address))
    }
}

/// Where callers may be. By default anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallerNetworks {
    /// The ranges that calls may come from; none for every address.
    pub allow: Vec<AddressRange>,
}

impl CallerNetworks {
    /// Whether calls may come from every address.
    pub fn is_unlimited(&self) -> bool {
        self.allow.is_empty()
    }

    /// Whether a call may come from this address. An IPv4 address that is written as IPv6 counts as what it is.
    pub fn permit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.is_unlimited() || self.allow.iter().any(|range| range.0.contains(&address))
    }
}

fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if TRANSLATED.contains(&v6) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address.to_canonical(),
    }
}

fn is_on_the_internet(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !RESERVED.iter().any(|range| range.contains(&v4)),
        IpAddr::V6(v6) => GLOBAL.contains(&v6) && !RESERVED_GLOBAL.iter().any(|range| range.contains(&v6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(allow: &[&str]) -> SourceNetworks {
        SourceNetworks { allow: allow.iter().map(|range| range.parse().unwrap()).collect() }
    }

    fn permits(networks: &SourceNetworks, address: &str) -> bool {
        networks.permit(address.parse().unwrap())
    }

    #[test]
    fn only_the_internet_is_allowed_by_default() {
        let networks = SourceNetworks::default();
        for address in [
            "8.8.8.8",
            "52.95.110.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "2600:1f18::1",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(permits(&networks, address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!permits(&networks, address), "{address}");
        }
    }

    #[test]
    fn an_environment_may_allow_ranges() {
        let networks = networks(&["10.20.0.0/16", "fd12::/16"]);
        for (address, expected) in [
            ("10.20.0.1", true),
            ("::ffff:10.20.255.255", true),
            ("64:ff9b::10.20.1.1", true),
            ("fd12:3456::1", true),
            ("10.21.0.1", false),
            ("127.0.0.1", false),
            ("fd13::1", false),
        ] {
            assert_eq!(permits(&networks, address), expected, "{address}");
        }
        for address in ["127.0.0.1", "::1", "10.0.0.1", "fe80::1", "8.8.8.8"] {
            assert!(permits(&SourceNetworks::everywhere(), address), "{address}");
        }
    }

    #[test]
    fn callers_may_be_anywhere_unless_ranges_are_given() {
        let permits = |allow: &[&str], address: &str| {
            let callers = CallerNetworks { allow: allow.iter().map(|range| range.parse().unwrap()).collect() };
            callers.permit(address.parse().unwrap())
        };
        for address in ["8.8.8.8", "127.0.0.1", "10.0.0.1", "2600:1f18::1", "fe80::1"] {
            assert!(permits(&[], address), "{address}");
        }
        for (address, expected) in [
            ("198.51.100.7", true),
            ("::ffff:198.51.100.7", true),
            ("2001:db8:1::7", true),
            ("198.51.101.7", false),
            ("127.0.0.1", false),
            ("2001:db8:2::7", false),
            ("64:ff9b::198.51.100.7", false),
        ] {
            assert_eq!(permits(&["198.51.100.0/24", "2001:db8:1::/48"], address), expected, "{address}");
        }
        assert!(permits(&["0.0.0.0/0"], "8.8.8.8") && !permits(&["0.0.0.0/0"], "2600:1f18::1"));
        let everywhere = |range: &str| range.parse::<AddressRange>().unwrap().is_everywhere();
        assert!(everywhere("0.0.0.0/0") && everywhere("::/0") && !everywhere("0.0.0.0/1"));
    }

    #[test]
    fn what_is_no_range_is_refused_with_an_example() {
        for text in ["10.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "::1/128", "fd00::/8"] {
            let range: SourceNetworks = serde_json::from_value(serde_json::json!({"allow": [text]})).unwrap();
            assert_eq!(serde_json::to_value(range).unwrap()["allow"][0], text);
        }
        for text in ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "private", "10.0.0.0/8 ", "::ffff:10.0.0.0/104"] {
            let error = text.parse::<AddressRange>().unwrap_err();
            assert!(error.message().contains("such as `10.0.0.0/8`"), "{error}");
        }
    }
}
