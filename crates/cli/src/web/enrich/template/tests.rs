use std::borrow::Cow;

use super::{Template, UrlTemplate};

fn filled(template: &str, value: &str) -> Option<String> {
    let template = UrlTemplate::parse(template).unwrap();
    template.fill(|_| Ok(Cow::Owned(value.to_owned()))).ok().map(String::from)
}

#[test]
fn a_brace_of_json_is_no_column() {
    let body = Template::parse(r#"{"a": {id}, "b": {}, "c": "{first name}", "d": {"e": { }}}"#);
    assert_eq!(body.columns().collect::<Vec<_>>(), ["id", "first name"]);
    body.check_json().unwrap();
    Template::parse(r#"{"a": {id}"#).check_json().unwrap_err();
    assert_eq!(Template::parse("{a}{b").columns().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_value_stays_where_it_was_put() {
    for (value, url) in [
        ("7", "http://host/a/7?q=7"),
        ("a b", "http://host/a/a%20b?q=a%20b"),
        ("../x", "http://host/a/..%2Fx?q=..%2Fx"),
        (
            "x/../../y?z=1&w#f",
            "http://host/a/x%2F..%2F..%2Fy%3Fz%3D1%26w%23f?q=x%2F..%2F..%2Fy%3Fz%3D1%26w%23f",
        ),
        ("ü日", "http://host/a/%C3%BC%E6%97%A5?q=%C3%BC%E6%97%A5"),
        ("", "http://host/a/?q="),
        ("%2e%2e", "http://host/a/%252e%252e?q=%252e%252e"),
    ] {
        assert_eq!(filled("http://host/a/{id}?q={id}", value).as_deref(), Some(url), "{value}");
    }
    for dots in [".", ".."] {
        assert_eq!(filled("http://host/a/{id}", dots), None);
        assert_eq!(filled("http://host/a/{id}/b", dots), None);
        assert!(filled("http://host/a?q={id}", dots).is_some());
    }
    assert_eq!(filled("http://host/a/.{id}", "."), None);
}

#[test]
fn no_row_chooses_the_host() {
    for template in [
        "http://{host}/a",
        "http://host:{port}/a",
        "http://{user}@host/a",
        "http://me:{password}@host/a",
        "{scheme}://host/a",
        "http://host.{domain}",
        "ftp://host/{id}",
        "{url}",
        "http://host/../{id}",
    ] {
        assert!(UrlTemplate::parse(template).is_err(), "{template}");
    }
}
