//! Networks: an address and how many of its first bits count.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network, such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// A text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedNetwork;

impl Display for MalformedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network is an address, `/` and how many of its first bits count, such as 10.0.0.0/8")
    }
}

impl std::error::Error for MalformedNetwork {}

impl Network {
    pub(crate) const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    /// The first four groups are enough to write every network of the tables but three.
    pub(crate) const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Self {
        Self::v6_full([a, b, c, d, 0, 0, 0, 0], prefix)
    }

    pub(crate) const fn v6_full(groups: [u16; 8], prefix: u8) -> Self {
        let [a, b, c, d, e, f, g, h] = groups;
        Self { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix }
    }

    /// Tells whether an address, taken as it is written, lies in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let skipped = 32 - u32::from(self.prefix);
                (base.to_bits() ^ address.to_bits()).checked_shr(skipped).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let skipped = 128 - u32::from(self.prefix);
                (base.to_bits() ^ address.to_bits()).checked_shr(skipped).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Tells whether all of another network lies in this one.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.base)
    }
}

impl Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl FromStr for Network {
    type Err = MalformedNetwork;

    /// Reads `ADDRESS/BITS`, or an address alone, which is a network of one.
    fn from_str(text: &str) -> Result<Self, MalformedNetwork> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| MalformedNetwork)?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            // `parse` would take a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| MalformedNetwork)?
            }
            Some(_) => return Err(MalformedNetwork),
        };
        if prefix > bits { Err(MalformedNetwork) } else { Ok(Self { base, prefix }) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Network;

    #[test]
    fn a_network_holds_what_shares_its_first_bits() {
        let network: Network = "172.16.0.0/12".parse().unwrap();
        assert!(network.contains("172.31.255.255".parse().unwrap()));
        assert!(!network.contains("172.32.0.0".parse().unwrap()));
        assert!(!network.contains("::ffff:172.16.0.1".parse().unwrap()));
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("ffff::".parse().unwrap()) && !all.contains(IpAddr::from([0; 4])));
        let one: Network = "192.0.2.7".parse().unwrap();
        assert_eq!(one.to_string(), "192.0.2.7/32");
        assert!(one.contains("192.0.2.7".parse().unwrap()) && !one.contains("192.0.2.6".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "/", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/+8", "10.0.0.0/8/8", "a/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
