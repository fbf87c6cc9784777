//! The blocking visitor of a share link.

use std::sync::Arc;

use bytes::Bytes;
use longshore_core::Name;
use longshore_core::WorkspacePath as Path;
use longshore_core::wire::{Dropped, SeenShare, SharedNode};
use tokio::runtime::Runtime;

use super::{Waiting, start};
use crate::api::files::Depth;
use crate::api::visitor::Opened;
use crate::config::Builder;
use crate::error::Result;
use crate::transfer::destination::Destination;
use crate::transfer::download::{Download, DownloadOptions, Downloaded};
use crate::transfer::drop::DropOptions;
use crate::transfer::source::Source;

/// Somebody who visits a share link, and waits for each answer.
#[derive(Clone, Debug)]
pub struct Visitor {
    verbs: crate::Visitor,
    runtime: Arc<Runtime>,
}

impl Visitor {
    /// Makes a visitor of a link's address, with a runtime of its own.
    pub fn new(url: &str) -> Result<Self> {
        Self::with(Builder::default(), url)
    }

    /// Does what [`Builder::visit`] does, with a runtime of its own.
    pub fn with(settings: Builder, url: &str) -> Result<Self> {
        Ok(Self { verbs: settings.visit(url)?, runtime: start()? })
    }

    /// Does what the async `with_password` does.
    #[must_use]
    pub fn with_password(&self, password: impl Into<String>) -> Self {
        Self { verbs: self.verbs.with_password(password), runtime: Arc::clone(&self.runtime) }
    }

    /// Does what the async `with_idempotency_key` does.
    pub fn with_idempotency_key(&self, key: impl AsRef<str>) -> Result<Self> {
        Ok(Self { verbs: self.verbs.with_idempotency_key(key)?, runtime: Arc::clone(&self.runtime) })
    }

    verbs! {
        wait look() -> Result<SeenShare>;
        wait open() -> Result<Opened>;
        iterate list(folder: Path, depth: Depth) -> Waiting<crate::Listing<SharedNode>>;
        wait download(file: Path) -> Result<Bytes>;
        wait download_to(
            file: Path,
            destination: impl Into<Destination>,
            options: &DownloadOptions
        ) -> Result<Downloaded>;
        wait archive_to(
            path: Path,
            destination: impl Into<Destination>,
            options: &DownloadOptions
        ) -> Result<Downloaded>;
        wait put(source: impl Into<Source>, name: &Name, options: &DropOptions) -> Result<Dropped>;
    }

    /// Does what the async `stream` does; the content's chunks come as an iterator.
    pub fn stream(&self, file: Path, options: &DownloadOptions) -> Result<Waiting<Download>> {
        let stream = self.runtime.block_on(self.verbs.stream(file, options))?;
        Ok(Waiting { stream, runtime: Arc::clone(&self.runtime) })
    }

    /// Does what the async `archive` does; the zip's chunks come as an iterator.
    pub fn archive(&self, path: Path) -> Result<Waiting<Download>> {
        let stream = self.runtime.block_on(self.verbs.archive(path))?;
        Ok(Waiting { stream, runtime: Arc::clone(&self.runtime) })
    }
}
