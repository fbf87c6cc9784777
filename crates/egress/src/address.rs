//! Which addresses are public.
//!
//! The list is our own and explicit. What libraries call "global" differs from one to the next and lets through
//! what a cloud gives away its credentials at: `192.0.0.192`, `168.63.129.16`, and IPv4 dressed up as IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::Network;

const DENIED: &[(Network, &str)] = &[
    (Network::v4(0, 0, 0, 0, 8), "an unspecified address"),
    (Network::v4(127, 0, 0, 0, 8), "a loopback address"),
    (Network::v4(10, 0, 0, 0, 8), "in a private network"),
    (Network::v4(172, 16, 0, 0, 12), "in a private network"),
    (Network::v4(192, 168, 0, 0, 16), "in a private network"),
    (Network::v4(100, 64, 0, 0, 10), "in a provider's private network"),
    (Network::v4(169, 254, 0, 0, 16), "a link-local address"),
    (Network::v4(192, 0, 0, 0, 24), "a protocol assignment"),
    (Network::v4(192, 88, 99, 0, 24), "a retired relay"),
    (Network::v4(198, 18, 0, 0, 15), "in a benchmarking network"),
    (Network::v4(192, 0, 2, 0, 24), "a documentation address"),
    (Network::v4(198, 51, 100, 0, 24), "a documentation address"),
    (Network::v4(203, 0, 113, 0, 24), "a documentation address"),
    // A cloud's wire server: public by its number, answered by the machine's own host.
    (Network::v4(168, 63, 129, 16, 32), "a cloud's metadata service"),
    (Network::v4(224, 0, 0, 0, 4), "a multicast address"),
    (Network::v4(240, 0, 0, 0, 4), "a reserved address"),
    (Network::v6(0, 0, 0, 0, 128), "an unspecified address"),
    (Network::v6_full([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (Network::v6(0, 0, 0, 0, 96), "a retired form of an IPv4 address"),
    (Network::v6_full([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), "a translated IPv4 address"),
    // Translation prefixes of a local network's own choosing: where in them the IPv4 address is, only it knows.
    (Network::v6(0x64, 0xff9b, 1, 0, 48), "a local translation address"),
    (Network::v6(0x100, 0, 0, 0, 64), "a discarding address"),
    // A cloud's metadata service lies here too, fd00:ec2::254.
    (Network::v6(0xfc00, 0, 0, 0, 7), "in a private network"),
    (Network::v6(0xfe80, 0, 0, 0, 10), "a link-local address"),
    (Network::v6(0xfec0, 0, 0, 0, 10), "a retired private address"),
    (Network::v6(0xff00, 0, 0, 0, 8), "a multicast address"),
    // Teredo (2001::/32), benchmarking and others.
    (Network::v6(0x2001, 0, 0, 0, 23), "a protocol assignment"),
    (Network::v6(0x2001, 0xdb8, 0, 0, 32), "a documentation address"),
    (Network::v6(0x3fff, 0, 0, 0, 20), "a documentation address"),
    (Network::v6(0x5f00, 0, 0, 0, 16), "a segment routing address"),
];

/// Unicast that has been given out; all else of IPv6 waits for a meaning.
const GLOBAL_V6: Network = Network::v6(0x2000, 0, 0, 0, 3);
const NAT64: Network = Network::v6(0x64, 0xff9b, 0, 0, 96);
const SIX_TO_FOUR: Network = Network::v6(0x2002, 0, 0, 0, 16);

/// Says what is wrong with dialling `address`, unless it is public or in one of the `allowed` networks.
pub(crate) fn refusal(address: IpAddr, allowed: &[Network]) -> Option<&'static str> {
    if allowed.iter().any(|network| network.contains(address)) {
        return None;
    }
    if let IpAddr::V6(wrapping) = address
        && let Some(inside) = unwrap(wrapping)
    {
        return refusal(IpAddr::V4(inside), allowed);
    }
    let row = DENIED.iter().find(|(network, _)| network.contains(address));
    match (row, address) {
        (Some((_, what)), _) => Some(what),
        (None, IpAddr::V6(_)) if !GLOBAL_V6.contains(address) => Some("a reserved address"),
        (None, _) => None,
    }
}

/// Returns the IPv4 address that a packet to this one ends up at.
fn unwrap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    if NAT64.contains(IpAddr::V6(address)) {
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    if SIX_TO_FOUR.contains(IpAddr::V6(address)) {
        let [_, _, a, b, c, d, ..] = address.octets();
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    None
}
