use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::{Source, source};
use crate::config::{Proxies, ProxyHeader};

fn proxies(header: ProxyHeader) -> Proxies {
    let networks = ["10.0.0.0/8", "fd00::/8", "2001:db8:ffff::/48"];
    Proxies { networks: networks.iter().map(|network| network.parse().unwrap()).collect(), header }
}

/// Who is found behind a peer with these lines of both headers; the error's code where nobody is.
fn found<T: AsRef<[u8]>>(header: ProxyHeader, peer: &str, lines: &[(&'static str, T)]) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_ref()).unwrap());
    }
    match source(Source(peer.parse().unwrap()), &headers, &proxies(header)) {
        Ok(source) => source.0.to_string(),
        Err(failure) => failure.code().to_string(),
    }
}

#[test]
fn a_peer_that_is_no_proxy_is_who_asks() {
    let said = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
    for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
        assert_eq!(found(header, "198.51.100.7", &said), "198.51.100.7");
        assert_eq!(found(header, "::ffff:198.51.100.7", &said), "198.51.100.7");
        assert_eq!(found(header, "10.1.2.3", &said), "192.0.2.1");
        assert_eq!(found(header, "::ffff:10.1.2.3", &said), "192.0.2.1");
    }
    let nobody = Proxies::default();
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    let peer = Source("127.0.0.1".parse().unwrap());
    assert_eq!(source(peer, &headers, &nobody).unwrap(), peer);
}

#[test]
fn the_last_hop_that_is_no_proxy_is_who_asks() {
    for (lines, expected) in [
        (&[][..], "10.0.0.1"),
        (&["192.0.2.1"], "192.0.2.1"),
        // What stands before it was said by that one.
        (&["127.0.0.1, 10.9.9.9, 192.0.2.1"], "192.0.2.1"),
        (&["1.1.1.1, 192.0.2.1, 10.2.2.2,10.3.3.3"], "192.0.2.1"),
        (&["1.1.1.1", "192.0.2.1", "10.2.2.2"], "192.0.2.1"),
        (&["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
        (&["192.0.2.1:4711"], "192.0.2.1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:4711, 2001:db8:ffff::1"], "2001:db8::1"),
        (&["::ffff:192.0.2.1"], "192.0.2.1"),
        // Who is not named by an address is whoever says so.
        (&["192.0.2.1, unknown"], "10.0.0.1"),
        (&["192.0.2.1, unix:"], "10.0.0.1"),
        (&["192.0.2.1, unknown, 10.2.2.2"], "10.2.2.2"),
        // What a proxy is to have said and nobody can read is not taken for the proxy's own request.
        (&["192.0.2.1, "], "invalid_header"),
        (&[""], "invalid_header"),
        (&["192.0.2.1, 192.0.2.256"], "invalid_header"),
        (&["192.0.2.1, \u{fc}"], "invalid_header"),
        (&["192.0.2.1, \u{fc}, 10.2.2.2"], "invalid_header"),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(found(ProxyHeader::XForwardedFor, "10.0.0.1", &lines), expected, "{lines:?}");
    }
}

#[test]
fn the_other_header_is_a_strangers_word() {
    let said = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "192.0.2.1"), ("x-real-ip", "1.1.1.1")];
    assert_eq!(found(ProxyHeader::XForwardedFor, "10.0.0.1", &said), "192.0.2.1");
    assert_eq!(found(ProxyHeader::Forwarded, "10.0.0.1", &said), "1.1.1.1");
    assert_eq!(found(ProxyHeader::Forwarded, "10.0.0.1", &said[1..]), "10.0.0.1");
}

#[test]
fn forwarded_is_read_as_its_rfc_has_it() {
    for (line, expected) in [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
        ("proto=https;FOR=192.0.2.1;by=203.0.113.43;host=a", "192.0.2.1"),
        ("for=192.0.2.1;by=10.0.0.2, by=\"a, for=1.1.1.1\";for=10.0.0.3", "192.0.2.1"),
        ("for=1.1.1.1, host=\"\\\", for=2.2.2.2\";for=192.0.2.1", "192.0.2.1"),
        ("for=192.0.2.1;proto=https, proto=https", "10.0.0.1"),
        ("for=192.0.2.1, for=unknown", "10.0.0.1"),
        ("for=192.0.2.1, for=_hidden", "10.0.0.1"),
        ("for=192.0.2.1;host=\"a\\\\\"", "192.0.2.1"),
        ("for=\"192.0.2.\\1\"", "192.0.2.1"),
        ("for=192.0.2.1, for=10.2.2.2;host=\"a;b,\\\"c\", for=10.3.3.3", "192.0.2.1"),
        ("host=a\", for=192.0.2.1", "192.0.2.1"),
        ("host=\"a, for=192.0.2.1", "192.0.2.1"),
        ("for=192.0.2.1, host=a\"", "invalid_header"),
        ("for=192.0.2.1, for=\"", "invalid_header"),
        ("for=192.0.2.1, for=", "invalid_header"),
        ("for=192.0.2.1, ", "invalid_header"),
        ("", "invalid_header"),
    ] {
        assert_eq!(found(ProxyHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]), expected, "{line}");
    }
}

/// All that a proxy adds of itself, after a comma or on a line of its own.
const ADDED: &[&str] = &[
    "for=192.0.2.1",
    "for=\"192.0.2.1:80\"",
    "for=192.0.2.1;host=\"a,b;for=10.1.1.1\"",
    "host=\"\\\",for=10.1.1.1;by=\\\"\";for=\"192.0.2.1\"",
    "by=10.0.0.9;for=192.0.2.1;host=\"a\\\\\", for=10.0.0.9",
];

#[test]
fn what_a_stranger_writes_never_makes_them_the_proxy() {
    let strange =
        [&b"\xfc"[..], b"for=\"", b"for=\"\\", b"by=\"", b"by=\"\\\"", b"\"", b"\\", b",", b"", b"unknown"];
    for said in strange {
        for added in ADDED {
            let line = [said, b", ", added.as_bytes()].concat();
            let joined = found(ProxyHeader::Forwarded, "10.0.0.1", &[("forwarded", &line)]);
            assert_eq!(joined, "192.0.2.1", "{}", line.escape_ascii());
            let apart = [("forwarded", said), ("forwarded", added.as_bytes())];
            assert_eq!(found(ProxyHeader::Forwarded, "10.0.0.1", &apart), "192.0.2.1");
        }
        let line = [said, b", 192.0.2.1"].concat();
        let joined = found(ProxyHeader::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", &line)]);
        assert_eq!(joined, "192.0.2.1");
        let apart = [("x-forwarded-for", said), ("x-forwarded-for", &b"192.0.2.1"[..])];
        assert_eq!(found(ProxyHeader::XForwardedFor, "10.0.0.1", &apart), "192.0.2.1");
    }
}

proptest! {
    #[test]
    fn whatever_a_stranger_says_the_proxy_names_them(said in "([ -~]|\"|\\\\|\u{fc}){0,40}", added in 0..ADDED.len()) {
        let added = ADDED[added];
        let line = format!("{said}, {added}");
        prop_assert_eq!(found(ProxyHeader::Forwarded, "10.0.0.1", &[("forwarded", &line)]), "192.0.2.1");
        let line = format!("{said}, 192.0.2.1");
        prop_assert_eq!(found(ProxyHeader::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", &line)]), "192.0.2.1");
        let apart = [("forwarded", said.as_str()), ("forwarded", added)];
        prop_assert_eq!(found(ProxyHeader::Forwarded, "10.0.0.1", &apart), "192.0.2.1");
        found(ProxyHeader::Forwarded, "10.0.0.1", &[("forwarded", &said)]);
    }
}
