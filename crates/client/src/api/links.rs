//! Links that need no key, and archives.

use http::Method;
use longshore_core::wire::{CreateArchive, CreateLink, Link};
use longshore_core::{NodeId, WorkspaceId};

use super::files::Files;
use crate::client::Call;
use crate::error::{Error, Result};
use crate::transfer::archive::{self, Asked};
use crate::transfer::destination::Destination;
use crate::transfer::download::{Download, DownloadOptions, Downloaded};
use crate::transfer::progress::Report;

impl Files {
    /// Makes a link that gives the content of one version of a file to whoever has it, without a key. Its `url` is whole:
    /// it begins with this client's own server, or with the origin that the server has for content.
    pub async fn link(&self, file: NodeId, link: &CreateLink) -> Result<Link> {
        // Made twice, it is two links, of which nothing is kept: no key is needed to try again.
        let call = Call::repeatable(Method::POST, format!("/v1/files/{file}/links")).json(link)?;
        let made: Link = self.client.json(call).await?;
        Ok(Link { url: self.client.absolute(&made.url), ..made })
    }

    /// Opens folders and files of a workspace, each named by its path or its id, as one zip. It has no digest: that it came
    /// whole is known at its end.
    pub async fn archive(&self, workspace: Option<WorkspaceId>, items: Vec<String>) -> Result<Download> {
        let workspace = self.client.workspace(workspace).await?;
        archive::open(&self.client, &Asked::Zip(workspace, CreateArchive { items })).await
    }

    /// Downloads folders and files as one zip into a file, as [`Files::download_to`] does a content. An archive has no ranges.
    pub async fn archive_to(
        &self,
        workspace: Option<WorkspaceId>,
        items: Vec<String>,
        destination: impl Into<Destination>,
        options: &DownloadOptions,
    ) -> Result<Downloaded> {
        if options.range.is_some() {
            return Err(Error::invalid("an archive is made anew each time, and has no ranges"));
        }
        let workspace = self.client.workspace(workspace).await?;
        let report = Report::new(options.progress.clone(), 0);
        let (wanted, destination) = (Asked::Zip(workspace, CreateArchive { items }), destination.into());
        archive::to_file(&self.client, &wanted, &destination, options, report).await
    }
}
