//! What a URL may be, apart from its address.

use longshore_egress::{ErrorKind, Guard, Settings};

#[track_caller]
fn refused(settings: Settings, url: &str) {
    match Guard::new(settings).unwrap().check_url(url) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::BlockedUrl, "{url}: {error}"),
        Ok(target) => panic!("{url:?} passed as {target}"),
    }
}

#[test]
fn only_https_passes_and_http_where_it_is_allowed() {
    for url in [
        "http://example.com/",
        "HTTP://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:text/plain,x",
        "javascript:alert(1)",
        "unix:/run/docker.sock",
        "ws://example.com/",
        "example.com/hook",
        "//example.com/",
        "",
        " ",
        "https:",
        "https://",
        "https:///",
        "https://:443/",
        "blob:https://example.com/x",
    ] {
        refused(Settings::default(), url);
    }
    let open = Settings { allow_http: true, ..Settings::default() };
    Guard::new(open.clone()).unwrap().check_url("http://example.com/").unwrap();
    refused(open, "ftp://example.com/");
}

#[test]
fn a_user_in_the_url_is_refused() {
    for url in [
        "https://user@example.com/",
        "https://user:word@example.com/",
        "https://:word@example.com/",
        "https://169.254.169.254@example.com/",
    ] {
        refused(Settings::default(), url);
    }
}

#[test]
fn only_the_schemes_own_port_passes_and_those_that_are_allowed() {
    for port in [0, 22, 25, 80, 444, 5432, 6379, 8443] {
        refused(Settings::default(), &format!("https://example.com:{port}/"));
    }
    let settings = Settings {
        allow_http: true,
        ports: vec!["8443".parse().unwrap(), "9000-9010".parse().unwrap()],
        ..Settings::default()
    };
    let guard = Guard::new(settings.clone()).unwrap();
    for url in [
        "https://example.com:443/",
        "https://example.com:8443/",
        "http://example.com:80/",
        "http://example.com:9010/",
    ] {
        guard.check_url(url).unwrap();
    }
    for url in [
        "http://example.com:443/",
        "https://example.com:80/",
        "https://example.com:8999/",
        "https://example.com:9011/",
    ] {
        refused(settings.clone(), url);
    }
}

#[test]
fn a_url_that_is_too_long_or_malformed_is_refused() {
    refused(Settings::default(), &format!("https://example.com/{}", "x".repeat(2048)));
    for url in [
        "https://exa mple.com/",
        "https://[::1/",
        "https://1.2.3.4.5/",
        "https://256.0.0.1/",
        "https://a..b\u{0}/",
        "https://example.com:65536/",
        "https://xn--/",
    ] {
        refused(Settings::default(), url);
    }
}

#[test]
fn a_fragment_is_dropped_and_debug_hides_what_may_be_a_token() {
    let guard = Guard::new(Settings::default()).unwrap();
    let target = guard.check_url("https://Example.COM/a/../hook?token=geheim#part").unwrap();
    assert_eq!(target.as_str(), "https://example.com/hook?token=geheim");
    assert_eq!(format!("{target:?}"), "Target(https://example.com)");
}
