//! The guard of what Longshore dials: no URL with a literal address that is not public is let through.

#![no_main]

use std::net::IpAddr;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use longshore_egress::{Guard, Settings};

fuzz_target!(|text: &str| {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    let guard = GUARD.get_or_init(|| Guard::new(Settings::default()).expect("a guard"));
    let Ok(target) = guard.check_url(text) else { return };
    let url = target.as_str();
    let rest = url.strip_prefix("https://").expect("https alone");
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(!host.contains('@'), "{url}");
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.split(']').next())
        .unwrap_or_else(|| host.split(':').next().unwrap_or_default());
    if let Ok(address) = literal.parse::<IpAddr>() {
        let address = address.to_canonical();
        let is_inner = match address {
            IpAddr::V4(v4) => {
                v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
            }
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        };
        assert!(!is_inner && !address.is_multicast(), "{url}");
    }
});
