//! Old versions, what is removed for good, and what nodes are found by.

use http::Method;
use longshore_core::path::encode_segment;
use longshore_core::wire::{Comparison, Labels, Metadata, Node, Purged, UpdateVersion, Version};
use longshore_core::{NodeId, VersionId, WorkspaceId};

use super::files::{Files, IfMatch};
use super::listing::Listing;
use crate::Path;
use crate::client::Call;
use crate::error::Result;

/// What nodes are looked for by: all of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeQuery {
    /// Keys of the metadata with their values.
    pub metadata: Metadata,
    /// Labels.
    pub labels: Labels,
    /// A part of the name, whatever its case.
    pub name: Option<String>,
    /// The folder below which to look; left out, everywhere.
    pub under: Option<Path>,
}

impl NodeQuery {
    /// Returns the query of its route.
    fn to_query(&self) -> String {
        let metadata = self.metadata.iter().map(|(key, value)| (format!("metadata.{key}"), value.clone()));
        let labels = self.labels.iter().map(|label| ("label".to_owned(), label.clone()));
        let name = self.name.iter().map(|name| ("name".to_owned(), name.clone()));
        let under = self.under.iter().map(|path| ("under".to_owned(), path.to_string()));
        let pairs = metadata.chain(labels).chain(name).chain(under);
        let pairs =
            pairs.map(|(name, value)| format!("{}={}", encode_segment(&name), encode_segment(&value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

impl Files {
    /// Says what a version is called, or with `None` that it is called nothing. `if_match` is about the file, which
    /// changes: it names its current version.
    pub async fn label_version(
        &self,
        file: NodeId,
        version: VersionId,
        label: Option<String>,
        if_match: Option<IfMatch>,
    ) -> Result<Version> {
        let path = format!("/v1/files/{file}/versions/{version}");
        let call = self
            .client
            .write(Method::PATCH, path)?
            .locks(self.client.locks_on([file]))
            .if_match(if_match.map(IfMatch::header));
        self.client.json(call.json(&UpdateVersion { label })?).await
    }

    /// Compares two versions of a file: line by line where both are text of at most 1 MiB.
    pub async fn compare_versions(
        &self,
        file: NodeId,
        version: VersionId,
        with: VersionId,
    ) -> Result<Comparison> {
        let path = format!("/v1/files/{file}/versions/{version}/compare?with={with}");
        self.client.json(Call::get(path)).await
    }

    /// Removes an old version for good; the current one, which `if_match` names, stays. Only admins may.
    pub async fn delete_version(
        &self,
        file: NodeId,
        version: VersionId,
        if_match: Option<IfMatch>,
    ) -> Result<()> {
        let path = format!("/v1/files/{file}/versions/{version}");
        let call = self
            .client
            .write(Method::DELETE, path)?
            .locks(self.client.locks_on([file]))
            .if_match(if_match.map(IfMatch::header));
        self.client.done(call).await
    }

    /// Removes a node of the trash for good, with all below it. Only admins may.
    ///
    /// What is too much for one request is left to a job, which the answer names; then nothing is gone yet.
    pub async fn purge(&self, node: NodeId, if_match: Option<IfMatch>) -> Result<Purged> {
        let path = format!("/v1/files/{node}?purge=true");
        let call = self
            .client
            .write(Method::DELETE, path)?
            .locks(self.client.locks_on([node]))
            .if_match(if_match.map(IfMatch::header));
        let purged: Purged = self.client.json(call).await?;
        if purged.job_id.is_none() {
            self.client.held().remove_on(node);
        }
        Ok(purged)
    }

    /// Removes for good all that is in the trash, as [`Files::purge`] does. Only admins may.
    pub async fn empty_trash(&self, workspace: Option<WorkspaceId>) -> Result<Purged> {
        let workspace = self.client.workspace(workspace).await?;
        let path = format!("/v1/workspaces/{workspace}/trash");
        let call = self.client.write(Method::DELETE, path)?;
        self.client.json(call.locks(self.client.locks_in(workspace))).await
    }

    /// Finds nodes by metadata, labels, a part of the name and the folder that they are below.
    pub fn find(&self, workspace: Option<WorkspaceId>, query: &NodeQuery) -> Listing<Node> {
        let query = query.to_query();
        let mark = if query.is_empty() { "" } else { "?" };
        let path = self.client.path_in(workspace, format!("nodes{mark}{query}"));
        Listing::new(self.client.clone(), path)
    }
}
