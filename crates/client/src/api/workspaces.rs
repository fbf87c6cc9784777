//! Workspaces.

use http::Method;
use longshore_core::wire::{CreateWorkspace, UpdateQuota, UpdateWorkspace, Workspace};
use longshore_core::{Name, WorkspaceId};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::transfer::archive::{self, Asked};
use crate::transfer::destination::Destination;
use crate::transfer::download::{Download, DownloadOptions, Downloaded};
use crate::transfer::export::{self, ImportOptions};
use crate::transfer::progress::Report;
use crate::transfer::source::Source;

/// The verbs on workspaces.
#[derive(Clone, Debug)]
pub struct Workspaces {
    client: Client,
}

impl Workspaces {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Returns the key's own workspace, or the only one it reaches.
    pub async fn current(&self) -> Result<Workspace> {
        let path = "/v1/workspaces/current".to_owned();
        self.client.json(Call::get(path)).await
    }

    /// Lists the workspaces the key reaches.
    pub fn list(&self) -> Listing<Workspace> {
        let path = async { Ok("/v1/workspaces".to_owned()) };
        Listing::new(self.client.clone(), path)
    }

    /// Returns one workspace.
    pub async fn get(&self, workspace: WorkspaceId) -> Result<Workspace> {
        let path = format!("/v1/workspaces/{workspace}");
        self.client.json(Call::get(path)).await
    }

    /// Makes a workspace.
    pub async fn create(&self, name: Name) -> Result<Workspace> {
        let path = "/v1/workspaces".to_owned();
        let call = self.client.write(Method::POST, path)?;
        self.client.json(call.json(&CreateWorkspace { name })?).await
    }

    /// Renames a workspace.
    pub async fn rename(&self, workspace: WorkspaceId, name: Name) -> Result<Workspace> {
        self.update(workspace, &UpdateWorkspace { name: Some(name), settings: None }).await
    }

    /// Renames a workspace, or changes its rules, as one act.
    pub async fn update(&self, workspace: WorkspaceId, change: &UpdateWorkspace) -> Result<Workspace> {
        let path = format!("/v1/workspaces/{workspace}");
        let call = self.client.write(Method::PATCH, path)?;
        self.client.json(call.json(change)?).await
    }

    /// Says how much a workspace may keep, in bytes and files; it takes an admin of the server.
    ///
    /// What would pass it is refused with [`Code::QuotaExceeded`](longshore_core::Code::QuotaExceeded), and
    /// [`Error::facts`](crate::Error::facts) has the numbers.
    pub async fn set_quota(&self, workspace: WorkspaceId, change: &UpdateQuota) -> Result<Workspace> {
        let path = format!("/v1/workspaces/{workspace}/quota");
        let call = self.client.write(Method::PATCH, path)?;
        self.client.json(call.json(change)?).await
    }

    /// Opens a whole workspace as one archive, as it is now; it takes the owner, or an admin of the server. The stream ends
    /// with an error unless the archive's own end came.
    pub async fn export(&self, workspace: WorkspaceId) -> Result<Download> {
        archive::open(&self.client, &Asked::Export(workspace)).await
    }

    /// Downloads a whole workspace as one archive into a file, which appears once its end has come. What breaks off is begun
    /// anew: the next archive is of another moment.
    pub async fn export_to(
        &self,
        workspace: WorkspaceId,
        destination: impl Into<Destination>,
        options: &DownloadOptions,
    ) -> Result<Downloaded> {
        if options.range.is_some() {
            return Err(Error::invalid("an export is made anew each time, and has no ranges"));
        }
        let (report, destination) = (Report::new(options.progress.clone(), 0), destination.into());
        archive::to_file(&self.client, &Asked::Export(workspace), &destination, options, report).await
    }

    /// Makes a workspace out of an archive of [`Workspaces::export`]; it takes an admin of the server, who then owns it. It is
    /// there whole, or not at all.
    pub async fn import(
        &self,
        name: Name,
        archive: impl Into<Source>,
        options: &ImportOptions,
    ) -> Result<Workspace> {
        export::import(&self.client, &name, archive.into(), options).await
    }
}
