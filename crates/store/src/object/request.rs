//! What the requests of every service are made of.

use std::fmt::Write as _;

use http::{HeaderValue, Request};
use object_store::client::{HttpRequestBody, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::error::translate;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Refused};

/// What no signature knows as itself.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Tells whether a text can be a bucket's name: the services' own rules are narrower, and theirs to tell.
pub(crate) fn is_bucket_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && text.bytes().all(is_part)
}

/// Encodes a text that is one value, or one segment.
pub(crate) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ENCODED)
}

/// Encodes each segment of a path.
pub(crate) fn encoded_path(path: &str) -> PercentEncode<'_> {
    utf8_percent_encode(path, ENCODED_IN_PATH)
}

/// Appends a query to an address that has none.
pub(crate) fn add_query(address: &mut String, query: &[(impl AsRef<str>, impl AsRef<str>)]) {
    for (place, (name, value)) in query.iter().enumerate() {
        let mark = if place == 0 { '?' } else { '&' };
        // Writing into text cannot fail.
        write!(address, "{mark}{}={}", name.as_ref(), encoded(value.as_ref())).ok();
    }
}

/// Returns a header's value, which came from a checked text.
pub(crate) fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "this cannot be said to the service").with_source(error)
    })
}

/// Sends a request, and gives a refusal as it is.
pub(crate) async fn send(
    client: &Client,
    request: Request<HttpRequestBody>,
) -> Result<Result<HttpResponse, Refused>> {
    match client.send(request).await {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => match Refused::of(&error) {
            Some(refused) => Ok(Err(refused.clone())),
            None => Err(translate(&error)),
        },
    }
}

/// Tells that nobody gives credentials, which is a matter of rights, whatever it was that failed.
pub(crate) fn no_credentials(error: &object_store::Error) -> Error {
    let error = translate(error);
    let kind = if error.is_retryable() { error.kind() } else { ErrorKind::PermissionDenied };
    Error::new(kind, "no credentials for the service are to be had").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::{add_query, encoded, encoded_path};

    #[test]
    fn what_a_signature_does_not_know_is_encoded() {
        assert_eq!(encoded("a/b-._~ +").to_string(), "a%2Fb-._~%20%2B");
        assert_eq!(encoded_path("a/\u{e9}#").to_string(), "a/%C3%A9%23");
        let mut address = "http://h/a".to_owned();
        add_query(&mut address, &[("uploads", ""), ("prefix", "a&b")]);
        assert_eq!(address, "http://h/a?uploads=&prefix=a%26b");
    }
}
