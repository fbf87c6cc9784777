//! An answer that is no success.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use http::response::Parts;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body::Body as _;
use longshore_flow::retry::parse_retry_after;
use object_store::client::HttpError;

use super::body::Answer;
use crate::xml;

/// More of an answer than this tells nothing that a person would read.
const MOST: usize = 16 * 1024;

/// The longest pause that is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a service said when it did not do what it was asked.
///
/// Of the body only the code and the message are kept: what else services write there may be what was signed, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The status; a success only where the service began with one and ended in an error.
    pub(crate) status: StatusCode,
    /// The service's own code, such as `NoSuchBucket`; a `HEAD` has none on most services.
    pub(crate) code: Option<String>,
    /// The service's own words.
    pub(crate) message: Option<String>,
    /// How long it asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// Where a bucket really is, on S3.
    pub(crate) region: Option<String>,
}

impl Refused {
    /// Makes a refusal of a head and a body in XML (S3, Azure, GCS) or JSON (GCS).
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let element = |name| xml::text(&text, name).map(|text| plain(&text));
        let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let code = header(HeaderName::from_static("x-ms-error-code")).map(str::to_owned);
        Self {
            status,
            code: code.or_else(|| element("Code")).or_else(|| member(&text, "reason")),
            message: element("Message").or_else(|| member(&text, "message")),
            retry_after: header(header::RETRY_AFTER)
                .and_then(|field| parse_retry_after(field, now(headers), LONGEST_PAUSE)),
            region: header(HeaderName::from_static("x-amz-bucket-region")).map(str::to_owned),
        }
    }

    /// Finds it again below an error of our client.
    pub(crate) fn of(error: &HttpError) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    /// Reads the answer's body, as far as it comes and matters.
    pub(super) async fn read(head: &Parts, mut body: Answer) -> Self {
        let mut bytes = Vec::new();
        while bytes.len() < MOST {
            // What does not come is not told: the status is what counts.
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            let Some(Ok(frame)) = frame else { break };
            if let Ok(chunk) = frame.into_data() {
                bytes.extend_from_slice(&chunk[..chunk.len().min(MOST - bytes.len())]);
            }
        }
        Self::new(head.status, &head.headers, &bytes)
    }

    /// Returns whether the service's code is this.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

/// Returns what time it is for who wrote the answer: a pause until a date is as long as the writer meant.
fn now(headers: &HeaderMap) -> SystemTime {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    #[expect(
        clippy::disallowed_methods,
        reason = "a service that tells no time of its own is taken to have ours; nothing but a pause follows"
    )]
    date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now)
}

/// Returns the text of the first member of this name.
fn member(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (text, _) = rest.split_once('"')?;
    Some(plain(text))
}

/// Returns the first line, so that a log has one for each error.
fn plain(text: &str) -> String {
    text.trim().chars().take_while(|character| !character.is_control()).take(500).collect()
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        if let Some(region) = self.region.as_ref().filter(|_| !self.status.is_server_error()) {
            write!(f, " (the bucket is in {region})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}
