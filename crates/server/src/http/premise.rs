//! `If-Match`, `If-None-Match` and `If-Range`: what a request asks of the version it meets.
//!
//! There is no `Last-Modified`, and so no condition on dates: dates go by seconds, and two versions of one second
//! would pass for the same.

use std::ops::Range;

use axum::extract::FromRequestParts;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use longshore_core::{Code, LockToken, VersionId};
use longshore_engine::{Idempotency, Preconditions, Replayed};

use super::app::App;
use super::ranges::{self, Found};
use crate::problem::Failure;

/// The most locks that a request may name.
const TOKENS: usize = 100;

fn malformed(name: &HeaderName, rule: &str) -> Failure {
    Failure::new(Code::InvalidHeader, format!("`{name}` is {rule}"))
}

/// An entity tag of a request. Ours are strong, so a weak one is never the same as one of ours; comparing
/// weakly, as `If-None-Match` does, looks at the text alone.
#[derive(Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    text: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Tags<'a> {
    Any,
    List(Vec<Tag<'a>>),
}

/// Reads the tags of a header; nothing where the header is not there.
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Tags<'a>>, Failure> {
    let wrong = || malformed(name, "`*`, or tags in quotes with commas between them");
    let mut list = Vec::new();
    for line in headers.get_all(name) {
        let mut rest = line.to_str().map_err(|_| wrong())?.trim();
        if rest == "*" {
            return Ok(Some(Tags::Any));
        }
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
            let (text, after) =
                quoted.strip_prefix('"').and_then(|text| text.split_once('"')).ok_or_else(wrong)?;
            list.push(Tag { weak, text });
            rest = after.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(wrong());
            }
        }
    }
    if list.is_empty() && headers.contains_key(name) {
        return Err(wrong());
    }
    Ok(headers.contains_key(name).then_some(Tags::List(list)))
}

/// The headers of a write, for its documentation.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read from the header map; this is what the OpenAPI document says of them")]
pub(super) struct WriteHeaders {
    /// The version that must stand, or `*`.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// `*`: nothing may be there.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// The tokens of the locks under which the caller writes, with commas between them.
    #[param(rename = "Lock-Token")]
    lock_token: Option<String>,
    /// The same key with the same request within 24 h gives the first answer again, with `Idempotency-Replayed: true`.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

/// What a write asks of the node that it changes, and what comes with it.
#[derive(Debug)]
pub(super) struct Premises(pub(super) longshore_engine::Premises);

impl Premises {
    pub(super) fn of(head: &Parts) -> Result<Self, Failure> {
        let headers = &head.headers;
        Ok(Self(longshore_engine::Premises {
            preconditions: Self::preconditions(headers)?,
            locks: tokens(headers)?,
            idempotency: idempotency(head)?,
        }))
    }

    fn preconditions(headers: &HeaderMap) -> Result<Preconditions, Failure> {
        let if_match = tags(headers, &IF_MATCH)?.map(|tags| match tags {
            Tags::Any => None,
            // What is no version of ours matches nothing.
            Tags::List(list) => {
                let strong = list.into_iter().filter(|tag| !tag.weak);
                Some(strong.filter_map(|tag| tag.text.parse().ok()).collect::<Vec<VersionId>>())
            }
        });
        let if_none_match = match tags(headers, &IF_NONE_MATCH)? {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::List(_)) => return Err(malformed(&IF_NONE_MATCH, "`*` on a write")),
        };
        Ok(Preconditions { if_match, if_none_match })
    }
}

impl FromRequestParts<App> for Premises {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        Self::of(parts)
    }
}

/// Reads the lock tokens of a request. A token never stands in an error.
pub(super) fn tokens(headers: &HeaderMap) -> Result<Vec<LockToken>, Failure> {
    let wrong = |why: &str| Failure::new(Code::InvalidHeader, format!("`lock-token` {why}"));
    let mut found = Vec::new();
    for line in headers.get_all("lock-token") {
        let line = line.to_str().map_err(|_| wrong("is no text"))?;
        for token in line.split(',').map(str::trim).filter(|token| !token.is_empty()) {
            found.push(token.parse().map_err(|error| wrong(&format!("holds no token: {error}")))?);
        }
    }
    if found.len() > TOKENS {
        return Err(wrong("holds at most 100 tokens"));
    }
    Ok(found)
}

/// Reads a request's idempotency key; what it asks for is its method and URL, and later its body.
fn idempotency(head: &Parts) -> Result<Option<Idempotency>, Failure> {
    let Some(key) = head.headers.get("idempotency-key") else {
        return Ok(None);
    };
    let mut idempotency = Idempotency::new(key.to_str().unwrap_or_default())?;
    if let Some(replayed) = head.extensions.get::<Replayed>() {
        idempotency = idempotency.telling(replayed.clone());
    }
    idempotency.mix(head.method.as_str().as_bytes());
    idempotency.mix(head.uri.to_string().as_bytes());
    Ok(Some(idempotency))
}

/// What becomes of a read, given the version that stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All of the content.
    Whole,
    /// These parts of it: at least one, none empty, in ascending order, with a gap between any two.
    Parts(Vec<Range<u64>>),
    /// Nothing: the caller has this version.
    NotModified,
}

/// Decides what a read gives (RFC 9110, 13.2.2 and 14.2).
pub(super) fn decide(
    method: &Method,
    headers: &HeaderMap,
    version: VersionId,
    size: u64,
) -> Result<Read, Failure> {
    let tag = version.to_string();
    let is_ours = |found: &Tag<'_>| !found.weak && found.text == tag;
    if let Some(Tags::List(list)) = tags(headers, &IF_MATCH)?
        && !list.iter().any(is_ours)
    {
        let detail = format!("the version is {version}");
        return Err(Failure::new(Code::PreconditionFailed, detail));
    }
    match tags(headers, &IF_NONE_MATCH)? {
        Some(Tags::Any) => return Ok(Read::NotModified),
        Some(Tags::List(list)) if list.iter().any(|found| found.text == tag) => {
            return Ok(Read::NotModified);
        }
        _ => {}
    }
    // `Range` has a meaning for GET alone.
    if method != Method::GET {
        return Ok(Read::Whole);
    }
    // A date never says that this is the version: only the tag does.
    let same = match headers.get(IF_RANGE) {
        None => true,
        Some(value) => value.to_str().is_ok_and(|text| text.trim() == format!("\"{tag}\"")),
    };
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok()).filter(|_| same);
    match asked.map_or(Found::Ignored, |asked| ranges::find(asked, size)) {
        Found::Ignored => Ok(Read::Whole),
        Found::Parts(parts) => Ok(Read::Parts(parts)),
        Found::Outside => {
            let detail = format!("the content has {size} bytes");
            Err(Failure::new(Code::RangeNotSatisfiable, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
    use longshore_core::{Code, Timestamp, VersionId};

    use super::{Premises, Read, decide};

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn writes_know_lists_stars_and_what_never_matches() {
        let (one, two) =
            (VersionId::new(Timestamp::from_micros(1)), VersionId::new(Timestamp::from_micros(2)));
        let parse = |name, value: &str| Premises::preconditions(&headers(&[(name, value)]));
        assert_eq!(parse("if-match", "*").unwrap().if_match, Some(None));
        let list = format!("\"{one}\" , W/\"{two}\", \"of another house\",\"{two}\"");
        assert_eq!(parse("if-match", &list).unwrap().if_match, Some(Some(vec![one, two])));
        assert_eq!(parse("if-match", "W/\"x\"").unwrap().if_match, Some(Some(vec![])));
        assert!(parse("if-none-match", "*").unwrap().if_none_match);
        assert!(Premises::preconditions(&HeaderMap::new()).unwrap().if_match.is_none());
        for (name, value) in [
            ("if-match", "plain"),
            ("if-match", ""),
            ("if-match", "\"a\" \"b\""),
            ("if-match", "\"open"),
            ("if-none-match", "\"x\""),
        ] {
            assert_eq!(parse(name, value).unwrap_err().code(), Code::InvalidHeader, "{name}: {value}");
        }
    }

    #[test]
    fn a_read_holds_its_conditions_in_order() {
        let version = VersionId::new(Timestamp::from_micros(1));
        let (ours, weak) = (format!("\"{version}\""), format!("W/\"{version}\""));
        let ask = |fields: &[(&'static str, &str)]| decide(&Method::GET, &headers(fields), version, 10);
        let first = 0..2;
        assert_eq!(ask(&[("if-none-match", &ours)]).unwrap(), Read::NotModified);
        assert_eq!(ask(&[("if-none-match", &weak)]).unwrap(), Read::NotModified);
        assert_eq!(ask(&[("if-none-match", "\"x\"")]).unwrap(), Read::Whole);
        assert_eq!(
            ask(&[("if-match", &ours), ("range", "bytes=0-1")]).unwrap(),
            Read::Parts(vec![first.clone()])
        );
        assert_eq!(ask(&[("if-match", "*")]).unwrap(), Read::Whole);
        for stale in [weak.as_str(), "\"x\""] {
            assert_eq!(ask(&[("if-match", stale)]).unwrap_err().code(), Code::PreconditionFailed);
        }
        assert_eq!(
            ask(&[("if-range", &ours), ("range", "bytes=0-1")]).unwrap(),
            Read::Parts(vec![first.clone()])
        );
        for other in [weak.as_str(), "\"x\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(ask(&[("if-range", other), ("range", "bytes=0-1")]).unwrap(), Read::Whole);
        }
    }
}
