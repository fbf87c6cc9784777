use reqwest::Url;

use super::shown;

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
