//! The verbs of one filesystem: each is one request, or the pages of one.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use object_store::PutPayload;
use object_store::client::HttpResponse;
use serde::Deserialize;

use crate::azure::endpoint::{Ask, Failure, SharedEndpoint};
use crate::error::{Error, ErrorKind};
use crate::info::{Entry, FileInfo, FolderInfo, Metadata, WriteOptions};
use crate::object::Span;
use crate::object::answer::{text, time, unquoted, whole};
use crate::object::error::unexpected;
use crate::object::request::encoded_path;
use crate::path::StorePath;

type Result<T> = std::result::Result<T, Failure>;

/// How many entries a page of a listing has at most.
const PAGE: &str = "5000";

/// What the service says of a file whose media type nobody has said.
const UNSAID: &str = "application/octet-stream";

/// A filesystem of an account: what the Blob service calls a container.
#[derive(Clone, Debug)]
pub(super) struct Filesystem {
    pub(super) endpoint: SharedEndpoint,
    pub(super) name: String,
}

/// What a write tells: the tag and the time.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamp {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<SystemTime>,
}

/// Whether what stands at the target of a rename may be replaced, and which source is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rename<'a> {
    pub(super) from: &'a str,
    pub(super) from_tag: Option<&'a str>,
    pub(super) to: &'a str,
    pub(super) overwrite: bool,
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) continuation: Option<String>,
    /// What time it was for the service.
    pub(super) date: Option<SystemTime>,
}

impl Filesystem {
    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.name.clone() } else { format!("{}/{path}", self.name) }
    }

    async fn send(&self, method: Method, path: &str, ask: Ask<'_>) -> Result<HttpResponse> {
        self.endpoint.send(method, &self.path(path), ask).await
    }

    /// Looks whether the filesystem is there.
    pub(super) async fn look(&self) -> Result<()> {
        let ask = Ask { query: &[("resource", "filesystem")], ..Ask::default() };
        self.send(Method::HEAD, "", ask).await.map(drop)
    }

    /// Makes an empty file that is not there yet, and the folders above it.
    pub(super) async fn create_file(&self, path: &str, options: &WriteOptions) -> Result<Stamp> {
        let mut headers = vec![("if-none-match", "*".to_owned())];
        if let Some(media_type) = &options.media_type {
            headers.push(("x-ms-content-type", media_type.clone()));
        }
        if !options.metadata.is_empty() {
            headers.push(("x-ms-properties", properties_of(&options.metadata)));
        }
        let ask = Ask { query: &[("resource", "file")], headers, ..Ask::default() };
        let response = self.send(Method::PUT, path, ask).await?;
        Ok(stamp_of(response.headers()))
    }

    /// Makes a folder and those above it, unless it is there.
    pub(super) async fn make_folder(&self, path: &str) -> Result<()> {
        let headers = vec![("if-none-match", "*".to_owned())];
        let ask = Ask { query: &[("resource", "directory")], headers, ..Ask::default() };
        match self.send(Method::PUT, path, ask).await {
            Err(failure) if !failure.is("PathAlreadyExists") => Err(failure),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Adds bytes to a file, not visible before a flush. What ends the file may be flushed with it.
    pub(super) async fn append(
        &self,
        path: &str,
        position: u64,
        body: PutPayload,
        flush: bool,
    ) -> Result<Stamp> {
        let position = position.to_string();
        let query = [("action", "append"), ("position", &*position), ("flush", "true")];
        let query = if flush { &query[..] } else { &query[..2] };
        let response = self.send(Method::PATCH, path, Ask { query, body, ..Ask::default() }).await?;
        Ok(stamp_of(response.headers()))
    }

    /// Makes what was appended part of the file, which then has `size` bytes.
    pub(super) async fn flush(&self, path: &str, size: u64) -> Result<Stamp> {
        let size = size.to_string();
        let query = [("action", "flush"), ("position", &*size), ("close", "true")];
        let response = self.send(Method::PATCH, path, Ask { query: &query, ..Ask::default() }).await?;
        Ok(stamp_of(response.headers()))
    }

    /// Renames a file in one step. The file keeps its tag.
    pub(super) async fn rename(&self, rename: Rename<'_>) -> Result<()> {
        let source = format!("/{}", encoded_path(&self.path(rename.from)));
        let mut headers = vec![("x-ms-rename-source", source)];
        if let Some(tag) = rename.from_tag {
            headers.push(("x-ms-source-if-match", quoted(tag)));
        }
        if !rename.overwrite {
            headers.push(("if-none-match", "*".to_owned()));
        }
        self.send(Method::PUT, rename.to, Ask { headers, ..Ask::default() }).await.map(drop)
    }

    /// Looks at what stands at a path.
    pub(super) async fn head(&self, path: &StorePath, if_match: Option<&str>) -> Result<Entry> {
        let headers = if_match.map(|tag| ("if-match", quoted(tag))).into_iter().collect();
        let response = self.send(Method::HEAD, path, Ask { headers, ..Ask::default() }).await?;
        entry_of(path, response.headers()).map_err(Failure::Ours)
    }

    /// Opens a file. It knows no range from the end.
    pub(super) async fn read(
        &self,
        path: &StorePath,
        range: Option<&Span>,
        if_match: Option<&str>,
    ) -> Result<HttpResponse> {
        let mut headers: Vec<_> = if_match.map(|tag| ("if-match", quoted(tag))).into_iter().collect();
        headers.extend(range.map(|span| ("range", span.header())));
        self.send(Method::GET, path, Ask { headers, ..Ask::default() }).await
    }

    /// Deletes a file, or a folder with or without what is in it.
    pub(super) async fn delete(&self, path: &str, recursive: Option<bool>) -> Result<()> {
        let mut continuation: Option<String> = None;
        loop {
            let mut query = Vec::new();
            if let Some(recursive) = recursive {
                query.push(("recursive", if recursive { "true" } else { "false" }));
            }
            if let Some(continuation) = &continuation {
                query.push(("continuation", continuation));
            }
            let response = self.send(Method::DELETE, path, Ask { query: &query, ..Ask::default() }).await?;
            continuation = continuation_of(response.headers());
            if continuation.is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes a file that still has this tag.
    pub(super) async fn delete_unchanged(&self, path: &str, tag: &str) -> Result<()> {
        let headers = vec![("if-match", quoted(tag))];
        self.send(Method::DELETE, path, Ask { headers, ..Ask::default() }).await.map(drop)
    }

    /// Lists a folder, a page at a time.
    pub(super) async fn list(
        &self,
        folder: &str,
        recursive: bool,
        continuation: Option<&str>,
    ) -> Result<Page> {
        let recursive = if recursive { "true" } else { "false" };
        let mut query = vec![("resource", "filesystem"), ("recursive", recursive), ("maxResults", PAGE)];
        if !folder.is_empty() {
            query.push(("directory", folder));
        }
        if let Some(continuation) = continuation {
            query.push(("continuation", continuation));
        }
        let response = self.send(Method::GET, "", Ask { query: &query, ..Ask::default() }).await?;
        let continuation = continuation_of(response.headers());
        let date = time(response.headers(), "date");
        let entries =
            entries_of(&whole(response.into_body()).await.map_err(Failure::Ours)?).map_err(Failure::Ours)?;
        Ok(Page { entries, continuation, date })
    }
}

fn continuation_of(headers: &HeaderMap) -> Option<String> {
    text(headers, "x-ms-continuation").filter(|text| !text.is_empty()).map(str::to_owned)
}

fn stamp_of(headers: &HeaderMap) -> Stamp {
    Stamp { etag: text(headers, "etag").map(unquoted), last_modified: time(headers, "last-modified") }
}

/// Makes an entry of what a `HEAD` says, or a `GET` of the whole.
pub(super) fn entry_of(path: &StorePath, headers: &HeaderMap) -> std::result::Result<Entry, Error> {
    if text(headers, "x-ms-resource-type") == Some("directory") {
        return Ok(Entry::Folder(FolderInfo { path: path.clone() }));
    }
    let size = text(headers, "content-length").and_then(|length| length.parse().ok());
    let size = size.ok_or_else(|| unexpected("a file without a length"))?;
    let Stamp { etag, last_modified } = stamp_of(headers);
    Ok(Entry::File(FileInfo {
        etag,
        last_modified,
        media_type: text(headers, "content-type").filter(|said| *said != UNSAID).map(str::to_owned),
        metadata: text(headers, "x-ms-properties").map(metadata_of).unwrap_or_default(),
        ..FileInfo::new(path.clone(), size)
    }))
}

/// Returns a media type as the service will tell it.
pub(super) fn told_media_type(options: &WriteOptions) -> Option<String> {
    options.media_type.clone().filter(|said| said != UNSAID)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    paths: Vec<ListedPath>,
}

/// All values come as text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedPath {
    name: String,
    #[serde(default)]
    is_directory: serde_json::Value,
    #[serde(default)]
    content_length: serde_json::Value,
    etag: Option<String>,
    last_modified: Option<String>,
}

fn entries_of(body: &Bytes) -> std::result::Result<Vec<Entry>, Error> {
    let senseless = |error: serde_json::Error| {
        Error::new(ErrorKind::Internal, "the service's listing makes no sense").with_source(error)
    };
    let listed: Listed = serde_json::from_slice(body).map_err(senseless)?;
    listed.paths.iter().filter_map(|path| listed_entry(path).transpose()).collect()
}

/// Makes an entry, unless no path can name it.
fn listed_entry(listed: &ListedPath) -> std::result::Result<Option<Entry>, Error> {
    let Some(path) = StorePath::parse(&listed.name).ok().filter(|path| path.as_str() == listed.name) else {
        return Ok(None);
    };
    if listed.is_directory == "true" || listed.is_directory == true {
        return Ok(Some(Entry::Folder(FolderInfo { path })));
    }
    let size = match &listed.content_length {
        serde_json::Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    let size = size.ok_or_else(|| unexpected("a file without a length"))?;
    Ok(Some(Entry::File(FileInfo {
        etag: listed.etag.as_deref().map(unquoted),
        last_modified: listed.last_modified.as_deref().and_then(|time| httpdate::parse_http_date(time).ok()),
        ..FileInfo::new(path, size)
    })))
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// Writes metadata as the service takes it: `key=base64` pairs with commas between.
fn properties_of(metadata: &Metadata) -> String {
    let pairs: Vec<_> =
        metadata.iter().map(|(key, value)| format!("{key}={}", BASE64_STANDARD.encode(value))).collect();
    pairs.join(",")
}

/// Reads metadata; what we would not have written is left out.
fn metadata_of(properties: &str) -> Metadata {
    let pair = |pair: &str| {
        let (key, value) = pair.trim().split_once('=')?;
        let value = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
        Some((key.to_owned(), value))
    };
    properties.split(',').filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::{entries_of, metadata_of, properties_of};
    use crate::info::{Entry, Metadata};

    #[test]
    fn metadata_goes_there_and_back() {
        let metadata = [("owner", "Ann <ann@example.org>, =;"), ("empty", "")];
        let metadata: Metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(properties_of(&metadata), "empty=,owner=QW5uIDxhbm5AZXhhbXBsZS5vcmc+LCA9Ow==");
        assert_eq!(metadata_of(&properties_of(&metadata)), metadata);
        assert_eq!(metadata_of(""), Metadata::new());
        assert_eq!(metadata_of("broken,also=!"), Metadata::new());
    }

    #[test]
    fn a_listing_has_text_where_numbers_would_do() {
        let body = r#"{"paths":[
            {"name":"a","isDirectory":"true","etag":"0x1","contentLength":"0"},
            {"name":"a/b","contentLength":"12","etag":"0x2","lastModified":"Sun, 06 Nov 1994 08:49:37 GMT"},
            {"name":"a/c","contentLength":7,"isDirectory":false},
            {"name":"a//odd","contentLength":"1"}]}"#;
        let entries = entries_of(&body.into()).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| match entry {
                Entry::File(file) => (file.path.as_str(), Some(file.size), file.etag.as_deref()),
                Entry::Folder(folder) => (folder.path.as_str(), None, None),
            })
            .collect();
        assert_eq!(found, [("a", None, None), ("a/b", Some(12), Some("0x2")), ("a/c", Some(7), None)]);
        assert!(entries_of(&"<xml/>".into()).is_err());
        assert!(entries_of(&"{}".into()).unwrap().is_empty());
        assert!(entries_of(&r#"{"paths":[{"name":"a"}]}"#.into()).is_err());
    }
}
