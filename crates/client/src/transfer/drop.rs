//! A new file into a drop box, in one request; sent again where that is safe.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use longshore_core::path::encode_segment;
use longshore_core::wire::Dropped;
use longshore_core::{Code, Digest, Name};

use super::control::Control;
use super::progress::{ProgressSink, Report};
use super::source::Source;
use super::upload::ready::Ready;
use super::upload::{CONTENT_DIGEST, Guard};
use crate::client::visit::{Entry, SHARE_GRANT, Visit};
use crate::client::{Client, IDEMPOTENCY_KEY, Lane, read};
use crate::error::{Error, Result};
use crate::transport::body::{Body, Sending};

/// How a file is put into a drop box.
#[derive(Clone, Debug, Default)]
pub struct DropOptions {
    /// The media type to state; left out, the server finds out by itself.
    pub media_type: Option<String>,
    /// What is told of progress.
    pub progress: Option<ProgressSink>,
    /// The caller's hand on it.
    pub control: Option<Control>,
}

/// One file on its way.
struct Dropping<'a> {
    client: &'a Client,
    visit: &'a Visit,
    options: &'a DropOptions,
    control: Control,
    report: &'a Report,
    content: Ready,
    route: String,
    /// By which the server knows the same file again, for as long as the visit lasts.
    key: HeaderValue,
}

/// Puts a file into the drop box that a link leads to.
pub(crate) async fn put(
    client: &Client,
    visit: &Visit,
    name: &Name,
    source: Source,
    options: &DropOptions,
) -> Result<Dropped> {
    let report = Report::new(options.progress.clone(), 0);
    let putting = async {
        let content = Ready::of(source).await?;
        report.started(content.length());
        let control = options.control.clone().unwrap_or_default();
        let route = visit.route(&format!("/files?name={}", encode_segment(name.as_str())));
        let key = client.write_key()?;
        Dropping { client, visit, options, control, report: &report, content, route, key }.run().await
    };
    let result = Box::pin(putting).await;
    report.ended(result, |done| done.size)
}

impl Dropping<'_> {
    async fn run(mut self) -> Result<Dropped> {
        let mut tries = self.client.tries();
        let mut entry = self.control.guard(self.visit.entry()).await?;
        // A failure that may have made the file.
        let mut unsure: Option<Error> = None;
        let mut is_new = false;
        loop {
            let mut sending = None;
            let result = self.attempt(&entry, &mut sending).await;
            let sent = sending.as_ref().map_or(0, |sending| sending.bytes());
            let error = match result {
                Ok(dropped) => return Ok(dropped),
                Err(error) => sending.and_then(|sending| sending.take_failure()).unwrap_or(error),
            };
            if error.is(Code::ShareNotOpened) {
                self.visit.leave(&entry);
                // In another visit the key is another one too, and the file might be made a second time.
                if let Some(unsure) = unsure {
                    return Err(unsure);
                }
                if is_new || self.content.is_stream() || self.client.has_own_key() {
                    return Err(error);
                }
                is_new = true;
                entry = self.control.guard(self.visit.entry()).await?;
                self.report.retried(&tries.at_once(error), sent);
                continue;
            }
            if self.content.is_stream() || error.is_storage_full() {
                return Err(error);
            }
            if error.may_have_happened() {
                unsure = Some(error.repeated());
            }
            let retried = self.control.guard(tries.again(error)).await?;
            self.report.retried(&retried, sent);
        }
    }

    async fn attempt(&mut self, entry: &Entry, sending: &mut Option<Arc<Sending>>) -> Result<Dropped> {
        self.control.pass().await?;
        let slot = self.client.slots().acquire().await;
        let result = self.exchange(entry, sending).await;
        slot.ended(result.as_ref().err());
        result
    }

    async fn exchange(&mut self, entry: &Entry, sending: &mut Option<Arc<Sending>>) -> Result<Dropped> {
        let (body, digest) = self.content.body(&self.control, self.report, sending).await?;
        let request = self.request(entry, body, digest)?;
        let guard = sending.clone().map(Guard);
        let mut answer = self.client.send(request, sending.clone(), Lane::Common).await?;
        let dropped: Dropped = read(&mut answer).await?;
        if guard.is_none() {
            self.report.bytes(dropped.size);
        }
        let digest = digest.or_else(|| sending.as_ref().and_then(|sending| sending.digest()));
        if digest.is_some_and(|digest| digest != dropped.digest) {
            let message = "the server stored other content than was sent";
            return Err(Error::mismatch(Code::DigestMismatch, message));
        }
        Ok(dropped)
    }

    fn request(&self, entry: &Entry, body: Body, digest: Option<Digest>) -> Result<Request<Body>> {
        let is_empty = matches!(&body, Body::Whole(bytes) if bytes.is_empty());
        let mut request = self.client.request(Method::POST, &self.route, body)?;
        let headers = request.headers_mut();
        headers.insert(SHARE_GRANT, entry.grant.clone());
        headers.insert(IDEMPOTENCY_KEY, self.key.clone());
        if is_empty {
            // Without this hyper states no length at all, and some servers then ask for one (411).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(media_type) = &self.options.media_type {
            let value = HeaderValue::from_str(media_type)
                .map_err(|_| Error::invalid(format!("{media_type:?} is no media type")))?;
            headers.insert(CONTENT_TYPE, value);
        }
        if let Some(digest) = digest {
            let field = HeaderValue::from_str(&digest.to_content_digest())
                .map_err(|_| Error::invalid("the digest makes no header"))?;
            headers.insert(CONTENT_DIGEST, field);
        }
        Ok(request)
    }
}
