//! What is known of files and folders, as it is shown.

use longshore::Timestamp;
use longshore_store::{Digest, Entry, FileInfo, Metadata, WriteResult};
use serde::Serialize;

use crate::output::{or_dash, size, time};

/// A file or a folder of a store, as `--json` shows it.
#[derive(Serialize)]
pub(super) struct Shown {
    path: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
}

impl From<FileInfo> for Shown {
    fn from(file: FileInfo) -> Self {
        Self {
            path: file.path.as_str().to_owned(),
            kind: "file",
            size: Some(file.size),
            last_modified: file.last_modified.map(Timestamp::from),
            etag: file.etag,
            version_id: file.version_id,
            digest: file.digest.as_ref().map(Digest::to_string),
            media_type: file.media_type,
            metadata: file.metadata,
        }
    }
}

impl From<WriteResult> for Shown {
    fn from(written: WriteResult) -> Self {
        let file = FileInfo {
            last_modified: written.last_modified,
            etag: written.etag,
            version_id: written.version_id,
            digest: written.digest,
            metadata: written.metadata,
            ..FileInfo::new(written.path, written.size)
        };
        file.into()
    }
}

impl From<Entry> for Shown {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::File(file) => file.into(),
            Entry::Folder(folder) => Self::folder(folder.path.as_str()),
        }
    }
}

impl Shown {
    pub(super) fn folder(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            kind: "folder",
            size: None,
            last_modified: None,
            etag: None,
            version_id: None,
            digest: None,
            media_type: None,
            metadata: Metadata::new(),
        }
    }

    /// Gives it the path that the user knows it by.
    pub(super) fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// One line: the path, and before it size and time where they are wanted.
    pub(super) fn line(&self, long: bool) -> String {
        let slash = if self.kind == "folder" { "/" } else { "" };
        let path = &self.path;
        if !long {
            return format!("{path}{slash}");
        }
        let bytes = or_dash(self.size);
        let readable = self.size.map_or_else(|| "-".to_owned(), size);
        let modified = self.last_modified.map_or_else(|| "-".to_owned(), time);
        format!("{bytes:>14} {readable:>10}  {modified:<20}  {path}{slash}")
    }

    /// All that is known, a line each.
    pub(super) fn lines(&self) -> String {
        let mut lines = vec![format!("path       {}", self.path), format!("kind       {}", self.kind)];
        let known = [
            ("size", self.size.map(|bytes| format!("{bytes} bytes"))),
            ("modified", self.last_modified.map(time)),
            ("etag", self.etag.clone()),
            ("version", self.version_id.clone()),
            ("digest", self.digest.clone()),
            ("type", self.media_type.clone()),
        ];
        lines.extend(known.into_iter().filter_map(|(name, text)| Some(format!("{name:<10} {}", text?))));
        lines.extend(self.metadata.iter().map(|(key, value)| format!("metadata   {key}={value}")));
        lines.join("\n")
    }
}
