//! Immunity row 23: each row of the deny list, and IPv4 in every spelling.

use longshore_egress::{ErrorKind, Guard, Settings};

fn guard() -> Guard {
    Guard::new(Settings { allow_http: true, ..Settings::default() }).unwrap()
}

#[track_caller]
fn assert_refused(host: &str) {
    for scheme in ["https", "http"] {
        let url = format!("{scheme}://{host}/latest/meta-data");
        match guard().check_url(&url) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::BlockedAddress, "{url}: {error}"),
            Ok(target) => panic!("{url} passed as {target}"),
        }
    }
}

#[track_caller]
fn assert_passes(host: &str) {
    guard().check_url(&format!("https://{host}/")).unwrap();
}

#[test]
fn egress_guard_refuses_each_row_of_the_deny_list() {
    for (first, last) in [
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "239.255.255.255"),
        ("240.0.0.0", "255.255.255.255"),
        ("168.63.129.16", "168.63.129.16"),
        ("[::]", "[::]"),
        ("[::1]", "[::1]"),
        ("[::2]", "[::ffff:ffff]"),
        ("[::ffff:0:0:0]", "[::ffff:0:ffff:ffff]"),
        ("[64:ff9b:1::]", "[64:ff9b:1:ffff:ffff:ffff:ffff:ffff]"),
        ("[100::]", "[100::ffff:ffff:ffff:ffff]"),
        ("[2001::]", "[2001:0:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[2001:2::]", "[2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[2001:db8::]", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[3fff::]", "[3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[5f00::]", "[5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[fc00::]", "[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[fe80::]", "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[fec0::]", "[feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[ff00::]", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        // Not given out: whatever they come to mean, nobody has a receiver there.
        ("[200::]", "[1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
        ("[4000::]", "[5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"),
    ] {
        assert_refused(first);
        assert_refused(last);
    }
}

#[test]
fn egress_guard_refuses_the_metadata_services_of_clouds() {
    for host in ["169.254.169.254", "192.0.0.192", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]"] {
        assert_refused(host);
    }
}

#[test]
fn egress_guard_passes_what_lies_beside_the_deny_list() {
    for host in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "223.255.255.255",
        "[2001:200::]",
        "[2001:db7::1]",
        "[2001:db9::1]",
        "[2606:4700::1111]",
        "[3ffe:ffff::1]",
        "[2000::]",
    ] {
        assert_passes(host);
    }
}

#[test]
fn egress_guard_reads_ipv4_in_every_spelling() {
    for host in [
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "0X7F.0x0.0x0.0x1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0177.0.0.01",
        "127.0.0.1.",
        "127.0.0.001",
        "①②⑦.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "0",
        "0x0",
        "0.0",
        "0xa9fea9fe",
        "2852039166",
        "0251.0376.0251.0376",
        "169.254.43518",
        "10.1",
        "3232235521",
        "0xc0.0xa8.1",
    ] {
        assert_refused(host);
    }
}

#[test]
fn row_23_egress_guard_unwraps_mapped_nat64_and_6to4_forms() {
    for host in [
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[::FFFF:10.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:0.0.0.0]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::c0a8:1]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2002:c0a8:101:ffff:ffff:ffff:ffff:ffff]",
        "[::127.0.0.1]",
        "[::a9fe:a9fe]",
        "[2001:0:53aa:64c:0:0:80ff:fffe]",
    ] {
        assert_refused(host);
    }
    // A machine with IPv6 alone reaches public IPv4 like this.
    for host in ["[::ffff:8.8.8.8]", "[64:ff9b::8.8.8.8]", "[2002:808:808::1]"] {
        assert_passes(host);
    }
}

#[test]
fn egress_guard_lets_an_operator_allow_a_network_and_no_other() {
    let settings = Settings { networks: vec!["10.1.0.0/16".parse().unwrap()], ..Settings::default() };
    let guard = Guard::new(settings).unwrap();
    for host in ["10.1.0.1", "[::ffff:10.1.0.1]", "[64:ff9b::10.1.0.1]"] {
        guard.check_url(&format!("https://{host}/")).unwrap();
    }
    for host in ["10.2.0.1", "[::ffff:10.2.0.1]", "127.0.0.1", "[::1]"] {
        let error = guard.check_url(&format!("https://{host}/")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BlockedAddress, "{host}");
    }
}
