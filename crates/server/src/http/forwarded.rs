//! Where a request comes from: its peer, or whom a proxy that is known as one names.
//!
//! A proxy adds whom it got a request from at the end of what the request says already, so all that stands before the last
//! entry that no known proxy made is the word of a stranger. It is read from the end, and no further than that entry: nothing a
//! stranger writes, be it no text at all or a quote that does not end, changes what is found there. Only the header that is
//! configured is read: the proxies leave any other as a stranger sent it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use longshore_core::Code;

use crate::config::{Proxies, ProxyHeader};
use crate::problem::Failure;

#[cfg(test)]
mod tests;

/// The address that a request comes from. Whoever serves connections puts that of the peer among the request's extensions;
/// behind known proxies it is that of their client by the time a handler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub IpAddr);

/// Whom an entry names.
enum Hop {
    Address(IpAddr),
    /// Nobody, in a way that proxies have: who says so is the last one known.
    Nobody,
}

/// Finds who stands behind the known proxies; the peer itself where it is none. An entry that a known proxy made and that
/// cannot be read has the request refused: it would else be the proxy's own, which may do what its client may not.
pub(super) fn source(peer: Source, headers: &HeaderMap, proxies: &Proxies) -> Result<Source, Failure> {
    let mut nearest = Source(peer.0.to_canonical());
    if !proxies.include(nearest.0) {
        return Ok(nearest);
    }
    let name = proxies.header.name();
    let unreadable = || {
        let detail = format!("`{name}` ends with what names nobody that a request could come from");
        Failure::new(Code::InvalidHeader, detail)
    };
    for line in headers.get_all(&name).iter().rev() {
        let mut rest = Some(line.as_bytes());
        while let Some(said) = rest {
            let (before, hop) = match proxies.header {
                ProxyHeader::XForwardedFor => last_address(said),
                ProxyHeader::Forwarded => last_element(said),
            };
            match hop.ok_or_else(unreadable)? {
                Hop::Nobody => return Ok(nearest),
                Hop::Address(address) => nearest = Source(address),
            }
            if !proxies.include(nearest.0) {
                return Ok(nearest);
            }
            rest = before;
        }
    }
    Ok(nearest)
}

/// Reads whom an entry names.
fn hop(text: &str) -> Option<Hop> {
    match text.trim() {
        // RFC 7239 has the first and what begins with `_`; nginx says the other of who comes by a socket of the machine.
        "unknown" | "unix:" => Some(Hop::Nobody),
        text if text.starts_with('_') => Some(Hop::Nobody),
        text => address(text).map(Hop::Address),
    }
}

/// Reads an address, perhaps with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let found = text.parse().ok();
    let found = found.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.or_else(|| bare()?.parse().ok().map(IpAddr::V6)).map(|address: IpAddr| address.to_canonical())
}

/// Splits at a byte: what stands before it, if it is there, and what behind.
fn split(text: &[u8], at: Option<usize>) -> (Option<&[u8]>, &[u8]) {
    at.map_or((None, text), |at| (Some(&text[..at]), &text[at + 1..]))
}

/// Takes the last entry off `X-Forwarded-For`: what stands before it, and whom it names.
fn last_address(line: &[u8]) -> (Option<&[u8]>, Option<Hop>) {
    let (before, last) = split(line, line.iter().rposition(|byte| *byte == b','));
    (before, str::from_utf8(last).ok().and_then(hop))
}

/// Takes the last element off `Forwarded` (RFC 7239): what stands before it, and whom it is for.
fn last_element(line: &[u8]) -> (Option<&[u8]>, Option<Hop>) {
    let mut rest = line;
    let mut found = Some(Hop::Nobody);
    let mut says_something = false;
    loop {
        let Some(at) = last_separator(rest) else { return (None, None) };
        let (before, pair) = split(rest, at);
        let Some(pair) = str::from_utf8(pair).ok() else { return (None, None) };
        if let Some((name, value)) = pair.split_once('=') {
            says_something = true;
            if name.trim().eq_ignore_ascii_case("for") {
                found = hop(&unquoted(value));
            }
        }
        match before {
            Some(more) if at.is_some_and(|at| rest[at] == b';') => rest = more,
            _ => return (before, found.filter(|_| says_something)),
        }
    }
}

/// Finds the last `;` or `,` that is in no quotes: nothing where quotes have no beginning. From the end on it is certain where
/// they are, as what a proxy added ends outside of any; from the beginning a stranger's quote would turn them inside out.
fn last_separator(text: &[u8]) -> Option<Option<usize>> {
    let mut end = text.len();
    loop {
        let Some(at) = text[..end].iter().rposition(|byte| b"\",;".contains(byte)) else { return Some(None) };
        if text[at] != b'"' {
            return Some(Some(at));
        }
        end = quote_begin(&text[..at])?;
    }
}

/// Finds the quote that begins what one behind this text ends.
fn quote_begin(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    loop {
        let at = text[..end].iter().rposition(|byte| *byte == b'"')?;
        let escapes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if escapes % 2 == 0 {
            return Some(at);
        }
        end = at;
    }
}

/// Returns a value without its quotes and escapes.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let (mut text, mut escaped) = (String::new(), false);
    for character in inner.chars() {
        escaped = character == '\\' && !escaped;
        if !escaped {
            text.push(character);
        }
    }
    text
}
