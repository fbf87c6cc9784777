use super::{Url, parse_url, shown};

#[test]
fn a_url_is_shown_without_its_secrets() {
    for (url, text) in [
        ("http://host/a?b=c#d", "http://host/a?b=c"),
        ("http://me:hush@host/a", "http://***@host/a"),
        ("http://hush@host/a", "http://***@host/a"),
        ("https://host/a?X-Amz-Signature=hush&x=1", "https://host/a?X-Amz-Signature=***&x=1"),
        ("https://host/a?api_key=hush&access_token=hush", "https://host/a?api_key=***&access_token=***"),
    ] {
        assert_eq!(shown(&Url::parse(url).unwrap()), text);
    }
}

#[test]
fn what_cannot_be_dialled_is_told_without_its_secrets() {
    for (url, told) in [
        ("host/a", "\"host/a\" is no URL"),
        ("ftp://me:hush@host/a", "ftp://***@host/a is neither"),
        ("http://me:hush@", "\"\" is no URL"),
        ("http://ho st/?token=hush", "\"http://ho st/\" is no URL"),
    ] {
        let refused = parse_url(url).unwrap_err();
        assert_eq!(refused.code, "web_url");
        assert!(
            refused.message.starts_with(told) && !refused.message.contains("hush"),
            "{}",
            refused.message
        );
    }
}
