use longshore_web::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Begun, Rest, rest, validator, whole};

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

const CHANGED: (&str, &str) = ("last-modified", "Fri, 20 Nov 2026 12:00:00 GMT");

#[test]
fn only_what_changes_with_every_byte_names_a_content() {
    let date = |time| ("date", time);
    for (fields, expected) in [
        (&[("etag", "\"a\""), CHANGED][..], Some("\"a\"")),
        (&[("etag", "W/\"a\"")], None),
        (&[CHANGED], None),
        (&[CHANGED, date("Fri, 20 Nov 2026 12:00:59 GMT")], None),
        (&[CHANGED, date("Fri, 20 Nov 2026 11:00:00 GMT")], None),
        (&[CHANGED, date("Fri, 20 Nov 2026 12:01:00 GMT")], Some(CHANGED.1)),
        (&[("etag", "W/\"a\""), CHANGED, date("Sat, 21 Nov 2026 12:00:00 GMT")], Some(CHANGED.1)),
        (&[("last-modified", "yesterday"), date("Sat, 21 Nov 2026 12:00:00 GMT")], None),
    ] {
        assert_eq!(validator(&headers(fields)).as_deref(), expected, "{fields:?}");
    }
}

#[test]
fn a_rest_is_that_of_what_was_begun() {
    let begun = Begun { length: 100, validator: Some("\"a\""), whole: Some(1_000) };
    let range = |text| ("content-range", text);
    let ok = |end, whole| Ok(Rest { end, whole: Some(whole) });
    for (fields, expected) in [
        (&[range("bytes 100-999/1000")][..], ok(1_000, 1_000)),
        (&[range("bytes 100-299/1000"), ("etag", "\"a\""), ("content-length", "200")], ok(300, 1_000)),
        (&[range("bytes 100-999/*"), CHANGED], ok(1_000, 1_000)),
    ] {
        assert_eq!(rest(&headers(fields), &begun), expected, "{fields:?}");
    }
    for fields in [
        &[][..],
        &[range("bytes 99-999/1000")],
        &[range("bytes 100-99/1000")],
        &[range("bytes 100-1000/1000")],
        &[range("bytes 100-18446744073709551615/*")],
        &[range("items 100-999/1000")],
        &[range("bytes 100-999/x")],
        &[range("bytes */1000")],
        &[range("bytes 100-1000/1001")],
        &[range("bytes 100-999/1000"), ("etag", "\"b\"")],
        &[range("bytes 100-999/1000"), ("etag", "W/\"a\"")],
        &[range("bytes 100-999/1000"), ("content-length", "899")],
    ] {
        assert!(rest(&headers(fields), &begun).is_err(), "{fields:?}");
    }
    let by_date = Begun { length: 100, validator: Some(CHANGED.1), whole: None };
    let answer = headers(&[range("bytes 100-999/*"), ("etag", "\"new\""), CHANGED]);
    assert_eq!(rest(&answer, &by_date), Ok(Rest { end: 1_000, whole: None }));
    let later = ("last-modified", "Fri, 20 Nov 2026 12:00:01 GMT");
    assert!(rest(&headers(&[range("bytes 100-999/*"), later]), &by_date).is_err());
    assert!(rest(&answer, &Begun { length: 0, ..by_date }).is_err(), "nothing was asked for");
    assert_eq!(whole(&headers(&[range("bytes */12")])), Some(12));
    assert_eq!(whole(&headers(&[range("bytes */*")])), None);
}
