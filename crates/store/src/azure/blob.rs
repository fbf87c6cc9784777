//! What Blob Storage does, request by request.
//!
//! `object_store` finds credentials and signs. The requests are ours, for it knows neither a block list with a condition nor every
//! name.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode};
use object_store::PutPayload;
use object_store::client::HttpResponse;

use super::endpoint::{Ask, Failure, SharedEndpoint};
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{FileInfo, Metadata, WriteOptions};
use crate::object::answer::{self, chunks, given, length, text, time, unquoted, whole};
use crate::object::error::unexpected;
use crate::object::{
    Copied, Limits, ListAsk, Opened, Page, Service, Span, UploadId, has_dots, unaddressable,
};
use crate::path::StorePath;
use crate::xml;

const METADATA: &str = "x-ms-meta-";
const COPY_ID: &str = "x-ms-copy-id";
const COPY_STATUS: &str = "x-ms-copy-status";

/// What the service says of a file whose media type nobody has said.
const UNSAID: &str = "application/octet-stream";

/// How many files are deleted at once.
const DELETIONS: usize = 16;

/// How long to wait between looks at a copy that the service makes by and by.
const LOOK: Duration = Duration::from_millis(500);

/// One container.
#[derive(Debug)]
pub(super) struct Blob {
    endpoint: SharedEndpoint,
    container: String,
    native_prefix: String,
    limits: Limits,
}

impl Blob {
    pub(super) fn new(endpoint: SharedEndpoint, container: String, limits: Limits) -> Self {
        let native_prefix = format!("{}/{container}/", endpoint.url);
        Self { endpoint, container, native_prefix, limits }
    }

    async fn send(
        &self,
        method: Method,
        key: &str,
        ask: Ask<'_>,
    ) -> std::result::Result<HttpResponse, Failure> {
        if has_dots(key) {
            return Err(Failure::Ours(unaddressable()));
        }
        let path = if key.is_empty() { self.container.clone() } else { format!("{}/{key}", self.container) };
        self.endpoint.send(method, &path, ask).await
    }

    async fn open(&self, key: &str, range: &Option<Span>, if_match: Option<&str>) -> Result<Option<Opened>> {
        let mut headers = matching("if-match", if_match);
        headers.extend(range.as_ref().map(|span| ("range", span.header())));
        let response = match self.send(Method::GET, key, Ask { headers, ..Ask::default() }).await {
            Err(failure) if failure.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) => return Ok(None),
            response => response?,
        };
        let Some((range, size)) = given(response.status(), response.headers(), range.as_ref())? else {
            return Ok(None);
        };
        let info = info_of(response.headers(), size);
        Ok(Some(Opened { info, range, chunks: chunks(response.into_body()) }))
    }

    /// Waits for a copy, and takes it back if it comes to nothing: until then an empty file stands at its place.
    async fn copied(&self, to: &str, headers: HeaderMap) -> Result<()> {
        let id = text(&headers, COPY_ID).map(str::to_owned);
        let copied = self.wait_for_copy(to, headers).await;
        if copied.is_err()
            && let Some(id) = id
        {
            // Why there is no copy is what is told.
            self.take_back_copy(to, &id).await.ok();
        }
        copied
    }

    async fn take_back_copy(&self, to: &str, id: &str) -> Result<()> {
        let headers = vec![("x-ms-copy-action", "abort".to_owned())];
        let ask = Ask { query: &[("comp", "copy"), ("copyid", id)], headers, ..Ask::default() };
        // Refused where the service has given it up by itself.
        self.send(Method::PUT, to, ask).await.ok();
        let now = self.send(Method::HEAD, to, Ask::default()).await?;
        let headers = now.headers();
        let is_left = matches!(text(headers, COPY_STATUS), Some("failed" | "aborted"));
        match text(headers, "etag").filter(|_| is_left && text(headers, COPY_ID) == Some(id)) {
            Some(tag) => self.delete_unchanged(to, &unquoted(tag)).await,
            None => Ok(()),
        }
    }

    /// Waits for a copy that the service makes by and by.
    async fn wait_for_copy(&self, to: &str, mut headers: HeaderMap) -> Result<()> {
        loop {
            match text(&headers, COPY_STATUS) {
                Some("success") | None => return Ok(()),
                Some("pending") => {}
                Some(_) => return Err(Error::new(ErrorKind::Unavailable, "the service gave up the copy")),
            }
            tokio::time::sleep(LOOK).await;
            headers = self.send(Method::HEAD, to, Ask::default()).await?.headers().clone();
        }
    }
}

/// Returns the headers that say what a caller says of a file, and what must hold of the place it goes to.
fn said(options: &WriteOptions) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if !options.overwrite {
        headers.push(("if-none-match", "*".to_owned()));
    }
    headers.extend(options.media_type.iter().map(|said| ("x-ms-blob-content-type", said.clone())));
    headers
}

fn metadata(options: &WriteOptions) -> Vec<(String, String)> {
    options.metadata.iter().map(|(key, value)| (format!("{METADATA}{key}"), value.clone())).collect()
}

fn matching(name: &'static str, tag: Option<&str>) -> Vec<(&'static str, String)> {
    tag.map(|tag| (name, format!("\"{tag}\""))).into_iter().collect()
}

fn info_of(headers: &HeaderMap, size: u64) -> FileInfo {
    FileInfo {
        last_modified: time(headers, "last-modified"),
        etag: text(headers, "etag").map(unquoted),
        version_id: text(headers, "x-ms-version-id").map(str::to_owned),
        media_type: text(headers, "content-type").filter(|said| *said != UNSAID).map(str::to_owned),
        metadata: answer::metadata(headers, METADATA),
        ..FileInfo::new(StorePath::ROOT, size)
    }
}

/// Returns what a write has made; the caller knows what was said of it.
fn made(headers: &HeaderMap, size: u64) -> FileInfo {
    FileInfo { media_type: None, metadata: Metadata::new(), ..info_of(headers, size) }
}

/// Tells that a name is taken, where that was the condition; services say it in two ways.
fn created(failure: Failure, options: &WriteOptions) -> Error {
    let is_taken = failure.is("BlobAlreadyExists") || failure.is("ConditionNotMet");
    if !options.overwrite && is_taken {
        return Error::new(ErrorKind::AlreadyExists, "the file already exists")
            .with_source(Error::from(failure));
    }
    failure.into()
}

/// Takes apart a page of "List Blobs".
fn page(body: &Bytes) -> Result<Page> {
    let listing = std::str::from_utf8(body).map_err(|_| unexpected("a listing that is not UTF-8"))?;
    if !listing.contains("<EnumerationResults") {
        return Err(unexpected("a listing that is none"));
    }
    let token = xml::text(listing, "NextMarker").filter(|token| !token.is_empty());
    let mut page = Page { token, ..Page::default() };
    for blob in xml::elements(listing, "Blob") {
        let size = xml::text(blob, "Content-Length").and_then(|size| size.trim().parse().ok());
        let info = FileInfo {
            last_modified: xml::text(blob, "Last-Modified")
                .and_then(|time| httpdate::parse_http_date(&time).ok()),
            etag: xml::text(blob, "Etag").map(|tag| unquoted(&tag)),
            ..FileInfo::new(StorePath::ROOT, size.ok_or_else(|| unexpected("a file without a size"))?)
        };
        page.objects.push((name(blob)?, info));
    }
    for folder in xml::elements(listing, "BlobPrefix") {
        page.folders.push(name(folder)?);
    }
    Ok(page)
}

/// Reads a name, which is encoded where XML could not have it.
fn name(element: &str) -> Result<String> {
    if let Some(name) = xml::text(element, "Name") {
        return Ok(name);
    }
    let (_, encoded) = element.split_once("<Name Encoded=\"true\">").unwrap_or_default();
    let (encoded, _) = encoded.split_once("</Name>").ok_or_else(|| unexpected("a file without a name"))?;
    let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8();
    decoded.map(Into::into).map_err(|_| unexpected("a name that is not UTF-8"))
}

impl Service for Blob {
    fn name(&self) -> &'static str {
        super::Azure::NAME
    }

    fn capabilities(&self) -> CapabilitySet {
        CapabilitySet::of(Capability::ALL)
            .without(Capability::Hierarchy)
            .without(Capability::AtomicMove)
            .without(Capability::SnapshotRead)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn native_prefix(&self) -> &str {
        &self.native_prefix
    }

    async fn get(&self, key: &str, range: Option<Span>, if_match: Option<&str>) -> Result<Option<Opened>> {
        let Some(Span::Last(count)) = range else {
            return match self.open(key, &range, if_match).await {
                // Of a file that is not there some say that it does not match.
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                    self.head(key).await?;
                    Err(error)
                }
                opened => opened,
            };
        };
        // The service knows no range from the end.
        let info = self.head(key).await?;
        if if_match.is_some() && if_match != info.etag.as_deref() {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the file has changed"));
        }
        if info.size == 0 {
            return Ok(None);
        }
        let span = Some(Span::From(info.size.saturating_sub(count)));
        match self.open(key, &span, info.etag.as_deref()).await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed && if_match.is_none() => {
                Err(Error::new(ErrorKind::Unavailable, "the file was replaced while it was opened")
                    .with_source(error))
            }
            opened => opened,
        }
    }

    async fn head(&self, key: &str) -> Result<FileInfo> {
        let response = self.send(Method::HEAD, key, Ask::default()).await?;
        Ok(info_of(response.headers(), length(response.headers())?))
    }

    async fn put(&self, key: &str, content: Vec<Bytes>, options: &WriteOptions) -> Result<FileInfo> {
        let body: PutPayload = content.into_iter().collect();
        let size = body.content_length() as u64;
        let mut headers = said(options);
        headers.push(("x-ms-blob-type", "BlockBlob".to_owned()));
        let ask = Ask { headers, named: metadata(options), body, ..Ask::default() };
        match self.send(Method::PUT, key, ask).await {
            Ok(response) => Ok(made(response.headers(), size)),
            Err(failure) => Err(created(failure, options)),
        }
    }

    async fn list(&self, ask: &ListAsk) -> Result<Page> {
        let most = ask.most.map(|most| most.to_string());
        let mut query = vec![("restype", "container"), ("comp", "list"), ("prefix", &*ask.prefix)];
        query.extend(ask.by_folder.then_some(("delimiter", "/")));
        query.extend(most.as_deref().map(|most| ("maxresults", most)));
        query.extend(ask.token.as_deref().map(|token| ("marker", token)));
        let response = self.send(Method::GET, "", Ask { query: &query, ..Ask::default() }).await?;
        page(&whole(response.into_body()).await?)
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        let deletions = keys.into_iter().map(|key| async move {
            let headers = vec![("x-ms-delete-snapshots", "include".to_owned())];
            match self.send(Method::DELETE, &key, Ask { headers, ..Ask::default() }).await {
                Err(failure) if failure.status() != Some(StatusCode::NOT_FOUND) => Err(Error::from(failure)),
                Ok(_) | Err(_) => Ok(()),
            }
        });
        stream::iter(deletions).buffer_unordered(DELETIONS).try_collect().await
    }

    async fn delete_unchanged(&self, key: &str, tag: &str) -> Result<()> {
        let mut headers = matching("if-match", Some(tag));
        headers.push(("x-ms-delete-snapshots", "include".to_owned()));
        match self.send(Method::DELETE, key, Ask { headers, ..Ask::default() }).await {
            Err(failure) if failure.status() != Some(StatusCode::NOT_FOUND) => Err(failure.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn copy(&self, from: &str, to: &str, source: &FileInfo, overwrite: bool) -> Result<Copied> {
        let options = WriteOptions { overwrite, ..WriteOptions::default() };
        let mut headers = said(&options);
        let address = self.endpoint.source(&format!("{}/{from}", self.container)).await?;
        headers.push(("x-ms-copy-source", address));
        headers.extend(matching("x-ms-source-if-match", source.etag.as_deref()));
        let response = match self.send(Method::PUT, to, Ask { headers, ..Ask::default() }).await {
            Err(failure) if failure.is("SourceConditionNotMet") => {
                return Err(Error::new(ErrorKind::Unavailable, "the file was replaced while it was copied"));
            }
            Err(failure) => return Err(created(failure, &options)),
            Ok(response) => response,
        };
        self.copied(to, response.headers().clone()).await?;
        Ok(Copied::Done)
    }

    /// Nothing is begun at the service: blocks are of one upload by their names.
    async fn begin(&self, _: &str, _: &WriteOptions) -> Result<String> {
        Ok(format!("{:016x}", RandomState::new().build_hasher().finish()))
    }

    async fn put_part(&self, upload: &UploadId, number: usize, content: Vec<Bytes>) -> Result<String> {
        // All blocks of a file need names of one length.
        let block = BASE64_STANDARD.encode(format!("{}-{number:08}", upload.name));
        let query = [("comp", "block"), ("blockid", &*block)];
        let body = content.into_iter().collect();
        self.send(Method::PUT, &upload.key, Ask { query: &query, body, ..Ask::default() }).await?;
        Ok(block)
    }

    async fn complete(
        &self,
        upload: &UploadId,
        parts: &[String],
        options: &WriteOptions,
    ) -> Result<FileInfo> {
        // Sent again after its answer was lost, they are blocks of the file already. No other upload has their names.
        let blocks: Vec<_> = parts.iter().map(|block| format!("<Latest>{block}</Latest>")).collect();
        let list =
            format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{}</BlockList>", blocks.concat());
        let ask = Ask {
            query: &[("comp", "blocklist")],
            headers: said(options),
            named: metadata(options),
            body: list.into(),
        };
        match self.send(Method::PUT, &upload.key, ask).await {
            Ok(response) => Ok(made(response.headers(), 0)),
            // Whoever stores a file ends all that was uploaded for it and not stored yet.
            Err(failure) if failure.is("InvalidBlockList") && !options.overwrite => {
                self.head(&upload.key).await?;
                Err(Error::new(ErrorKind::AlreadyExists, "the file already exists"))
            }
            Err(failure) if failure.is("InvalidBlockList") => {
                let message = "somebody else stored the file while it was uploaded";
                Err(Error::new(ErrorKind::Unavailable, message).with_source(Error::from(failure)))
            }
            Err(failure) => Err(created(failure, options)),
        }
    }

    /// The service forgets blocks that were never stored, after a week or when the file is stored; there is no request for it.
    async fn abort(&self, _: &UploadId) -> Result<()> {
        Ok(())
    }

    async fn can_create(&self) -> Result<bool> {
        Ok(true)
    }

    async fn ping(&self) -> Result<()> {
        let ask = Ask { query: &[("restype", "container")], ..Ask::default() };
        self.send(Method::HEAD, "", ask).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn a_page_is_taken_apart() {
        let xml = "<?xml version=\"1.0\"?><EnumerationResults ServiceEndpoint=\"x\"><Prefix>a/</Prefix><Blobs>\
            <Blob><Name>a/b &amp; c</Name><Properties><Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified>\
            <Etag>0x8D1</Etag><Content-Length>7</Content-Length></Properties></Blob>\
            <Blob><Name Encoded=\"true\">a/%01</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>\
            <BlobPrefix><Name>a/d/</Name></BlobPrefix></Blobs><NextMarker>2!8</NextMarker></EnumerationResults>";
        let page = page(&xml.into()).unwrap();
        assert_eq!(page.token.as_deref(), Some("2!8"));
        assert_eq!(page.folders, ["a/d/"]);
        let found: Vec<_> = page.objects.iter().map(|(key, info)| (key.as_str(), info.size)).collect();
        assert_eq!(found, [("a/b & c", 7), ("a/\u{1}", 0)]);
        assert_eq!(page.objects[0].1.etag.as_deref(), Some("0x8D1"));
        assert!(page.objects[0].1.last_modified.is_some());
        super::page(&"<html>".into()).unwrap_err();
    }
}
