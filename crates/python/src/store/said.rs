//! What a store tells, as tuples: an entry of a listing costs next to nothing so.

use std::time::{SystemTime, UNIX_EPOCH};

use longshore_store::{
    Algorithm, ByteRange, Capability, Digest, Entry, FileInfo, FolderInfo, FolderSummary, Metadata,
    ResultSource, WriteResult,
};
use pyo3::prelude::*;

use crate::failure::invalid;

/// Returns a capability's name in Python: `atomic_write`.
pub(super) fn capability(capability: Capability) -> String {
    let mut name = String::new();
    for letter in format!("{capability:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

pub(super) fn algorithm(py: Python<'_>, name: &str) -> PyResult<Algorithm> {
    let found = Algorithm::ALL.iter().copied().find(|algorithm| algorithm.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        invalid(py, format!("{name:?} is no algorithm here: there are {}", names.join(", ")))
    })
}

/// Reads a range as a slice says it; of a negative start, the last so many bytes.
pub(super) fn range(start: Option<i64>, end: Option<u64>) -> ByteRange {
    match (start, end) {
        (None, None) => ByteRange::All,
        (None, Some(end)) => ByteRange::Between(0, end),
        (Some(start), end) => match (u64::try_from(start), end) {
            (Ok(start), Some(end)) => ByteRange::Between(start, end),
            (Ok(start), None) => ByteRange::From(start),
            (Err(_), _) => ByteRange::Last(start.unsigned_abs()),
        },
    }
}

/// Returns microseconds since 1970.
fn moment(time: Option<SystemTime>) -> Option<i64> {
    let micros = |span: std::time::Duration| i64::try_from(span.as_micros()).ok();
    match time?.duration_since(UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => micros(before.duration()).map(|span| -span),
    }
}

fn digest(digest: Option<Digest>) -> Option<(&'static str, String)> {
    digest.map(|digest| (digest.algorithm().name(), digest.hex().to_owned()))
}

fn metadata(metadata: Metadata) -> Option<Metadata> {
    (!metadata.is_empty()).then_some(metadata)
}

/// `(path, size, modified, etag, version_id, digest, media_type, metadata)`.
pub(super) fn file(py: Python<'_>, info: FileInfo) -> PyResult<Py<PyAny>> {
    let told = (
        info.path.as_str(),
        info.size,
        moment(info.last_modified),
        info.etag,
        info.version_id,
        digest(info.digest),
        info.media_type,
        metadata(info.metadata),
    );
    Ok(told.into_pyobject(py)?.into_any().unbind())
}

pub(super) fn folder(py: Python<'_>, info: FolderInfo) -> PyResult<Py<PyAny>> {
    Ok(info.path.as_str().into_pyobject(py)?.into_any().unbind())
}

pub(super) fn entry(py: Python<'_>, entry: Entry) -> PyResult<Py<PyAny>> {
    match entry {
        Entry::File(info) => file(py, info),
        Entry::Folder(info) => folder(py, info),
    }
}

/// `(path, files, bytes, modified)`.
pub(super) fn summary(py: Python<'_>, summary: FolderSummary) -> PyResult<Py<PyAny>> {
    let told = (summary.path.as_str(), summary.files, summary.bytes, moment(summary.last_modified));
    Ok(told.into_pyobject(py)?.into_any().unbind())
}

/// `(path, size, source, modified, etag, version_id, digest, metadata)`.
pub(super) fn written(py: Python<'_>, result: WriteResult) -> PyResult<Py<PyAny>> {
    let source = match result.source {
        ResultSource::Native => "native",
        ResultSource::Basic => "basic",
        ResultSource::Sidecar => "sidecar",
    };
    let told = (
        result.path.as_str(),
        result.size,
        source,
        moment(result.last_modified),
        result.etag,
        result.version_id,
        digest(result.digest),
        metadata(result.metadata),
    );
    Ok(told.into_pyobject(py)?.into_any().unbind())
}
