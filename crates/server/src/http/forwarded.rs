//! Where a request comes from: its peer, or whom a proxy that is known as one names.
//!
//! A proxy adds whom it got a request from at the end of what the request says already, so all that stands before the last
//! entry that no known proxy made is the word of a stranger and is not read. Only the header that is configured is: the
//! proxies leave any other as a stranger sent it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::config::{Proxies, ProxyHeader};

#[cfg(test)]
mod tests;

/// The address that a request comes from. Whoever serves connections puts that of the peer among the request's extensions;
/// behind known proxies it is that of their client by the time a handler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub IpAddr);

/// Finds who stands behind the known proxies; the peer itself where it is none.
pub(super) fn source(peer: Source, headers: &HeaderMap, proxies: &Proxies) -> Source {
    let mut nearest = Source(peer.0.to_canonical());
    if !proxies.include(nearest.0) {
        return nearest;
    }
    let lines = headers.get_all(proxies.header.name()).iter();
    // What cannot be read may be anybody's: then all of it is.
    let Some(lines) = lines.map(|line| line.to_str().ok()).collect::<Option<Vec<_>>>() else {
        return nearest;
    };
    for line in lines.iter().rev() {
        let hops = match proxies.header {
            ProxyHeader::XForwardedFor => line.split(',').map(address).collect(),
            ProxyHeader::Forwarded => elements(line),
        };
        for hop in hops.iter().rev() {
            // Somebody who is not named, or not by an address: the proxy that says so is the last one known.
            let Some(hop) = hop else { return nearest };
            nearest = Source(*hop);
            if !proxies.include(*hop) {
                return nearest;
            }
        }
    }
    nearest
}

/// Reads an address, perhaps with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let found = text.parse().ok();
    let found = found.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.or_else(|| bare()?.parse().ok().map(IpAddr::V6)).map(|address: IpAddr| address.to_canonical())
}

/// Reads the hops of a line of `Forwarded` (RFC 7239): whom each is for, or nothing where it does not say so. A line that is
/// none ends with such a hop: where its quotes end nobody knows.
fn elements(line: &str) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    let (mut hop, mut name, mut value) = (None, String::new(), String::new());
    let (mut in_value, mut quoted, mut escaped) = (false, false, false);
    // One more separator, so that the last pair ends like all others.
    for character in line.chars().chain([',']) {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' if in_value => quoted = !quoted,
            _ if quoted => value.push(character),
            '=' if !in_value => in_value = true,
            ';' | ',' => {
                if name.trim().eq_ignore_ascii_case("for") {
                    hop = address(&value);
                }
                (name, value, in_value) = (String::new(), String::new(), false);
                if character == ',' {
                    hops.push(hop.take());
                }
            }
            _ if in_value => value.push(character),
            _ => name.push(character),
        }
    }
    if quoted || escaped {
        hops.push(None);
    }
    hops
}
