//! Transfers: their options, a hand on them, and what is told of them.

use std::path::PathBuf;
use std::sync::Arc;

use longshore::{
    ByteRange, Control, Delta, Digest, DownloadOptions, IfMatch, LockToken, ManyOptions, OnConflict,
    Progress, ProgressSink, UploadOptions, VersionId,
};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::failure::invalid;

/// A caller's hand on transfers: stop for a while, go on, end.
#[pyclass(module = "longshore._longshore", frozen)]
#[derive(Default)]
pub(crate) struct Hand(Control);

#[pymethods]
impl Hand {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn pause(&self) {
        self.0.pause();
    }

    fn resume(&self) {
        self.0.resume();
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    #[getter]
    fn is_paused(&self) -> bool {
        self.0.is_paused()
    }

    #[getter]
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// What Python says of an upload.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UploadSaid {
    on_conflict: OnConflict,
    if_match: Option<VersionId>,
    if_exists: bool,
    if_none_match: bool,
    media_type: Option<String>,
    lock: Option<String>,
    digest: Option<String>,
    skip_same: bool,
    state_version: bool,
    delta: Option<String>,
    resume: Option<PathBuf>,
}

impl UploadSaid {
    pub(crate) fn options(self, py: Python<'_>) -> PyResult<UploadOptions> {
        let lock = self.lock.map(|lock| lock.parse::<LockToken>()).transpose();
        let digest = self.digest.map(|digest| digest.parse::<Digest>()).transpose();
        let version = self.if_match.map(IfMatch::Version);
        Ok(UploadOptions {
            on_conflict: self.on_conflict,
            if_match: version.or(self.if_exists.then_some(IfMatch::Exists)),
            if_none_match: self.if_none_match,
            media_type: self.media_type,
            lock: lock.map_err(|error| invalid(py, error))?,
            digest: digest.map_err(|error| invalid(py, error))?,
            skip_same: self.skip_same,
            state_version: self.state_version,
            delta: match self.delta.as_deref() {
                None | Some("auto") => Delta::WhereItPays,
                Some("always") => Delta::Always,
                Some("never") => Delta::Never,
                Some(other) => {
                    return Err(invalid(py, format!("delta is auto, always or never, and not {other:?}")));
                }
            },
            resume: self.resume,
            ..UploadOptions::default()
        })
    }
}

/// What Python says of a download.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DownloadSaid {
    start: Option<u64>,
    end: Option<u64>,
    replace: bool,
    resume: bool,
    skip_same: bool,
}

impl Default for DownloadSaid {
    fn default() -> Self {
        Self { start: None, end: None, replace: true, resume: true, skip_same: false }
    }
}

impl DownloadSaid {
    pub(crate) fn options(&self) -> DownloadOptions {
        let asks = self.start.is_some() || self.end.is_some();
        DownloadOptions {
            range: asks.then(|| ByteRange { start: self.start.unwrap_or(0), end: self.end }),
            replace: self.replace,
            resume: self.resume,
            skip_same: self.skip_same,
            ..DownloadOptions::default()
        }
    }
}

/// What watches a transfer: a function of Python's and a hand.
#[derive(Default, FromPyObject)]
pub(crate) struct Watched {
    #[pyo3(item)]
    progress: Option<Py<PyAny>>,
    #[pyo3(item)]
    hand: Option<Py<Hand>>,
}

impl Watched {
    fn sink(&self, py: Python<'_>) -> Option<ProgressSink> {
        let tell = Arc::new(self.progress.as_ref()?.clone_ref(py));
        Some(ProgressSink::new(move |progress| {
            let told = match progress {
                Progress::Started { index, length } => ("started", index, length.unwrap_or(0)),
                Progress::Bytes { index, count } => ("bytes", index, count),
                Progress::Reused { index, count } => ("reused", index, count),
                Progress::Retried { index, discarded, .. } => ("retried", index, discarded),
                Progress::Done { index, bytes } => ("done", index, bytes),
                Progress::Failed { index, .. } => ("failed", index, 0),
                _ => return,
            };
            // An interpreter that shuts down is told nothing more. What the function raises, it keeps itself.
            Python::try_attach(|py| {
                if let Err(error) = tell.call1(py, told) {
                    error.write_unraisable(py, None);
                }
            });
        }))
    }

    fn control(&self) -> Option<Control> {
        self.hand.as_ref().map(|hand| hand.get().0.clone())
    }

    pub(crate) fn upload(&self, py: Python<'_>, options: UploadOptions) -> UploadOptions {
        UploadOptions { progress: self.sink(py), control: self.control(), ..options }
    }

    pub(crate) fn download(&self, py: Python<'_>, options: DownloadOptions) -> DownloadOptions {
        DownloadOptions { progress: self.sink(py), control: self.control(), ..options }
    }

    pub(crate) fn many(&self, py: Python<'_>, concurrency: Option<usize>) -> ManyOptions {
        ManyOptions {
            concurrency,
            progress: self.sink(py),
            control: self.control(),
            ..ManyOptions::default()
        }
    }
}
