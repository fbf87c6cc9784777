//! Jobs: durable background work.

use std::time::Duration;

use http::Method;
use longshore_core::path::encode_segment;
use longshore_core::wire::{Job, JobState};
use longshore_core::{JobId, WorkspaceId};

use super::listing::Listing;
use super::turns::Turns;
use crate::client::{Call, Client};
use crate::error::Result;

/// Which jobs a list is about; what is left out is no matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Jobs of a workspace.
    pub workspace: Option<WorkspaceId>,
    /// Jobs that stand there.
    pub state: Option<JobState>,
    /// Jobs of a kind, such as `sweep.blobs`.
    pub kind: Option<String>,
}

impl JobFilter {
    fn query(&self) -> String {
        let parts = [
            self.workspace.map(|id| format!("workspace={id}")),
            self.state.map(|state| format!("state={}", state.as_str())),
            self.kind.as_ref().map(|kind| format!("kind={}", encode_segment(kind))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("&")
    }
}

/// The verbs on jobs.
#[derive(Clone, Debug)]
pub struct Jobs {
    client: Client,
}

impl Jobs {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Lists jobs, newest first.
    pub fn list(&self, filter: &JobFilter) -> Listing<Job> {
        let query = filter.query();
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("/v1/jobs{mark}{query}");
        Listing::new(self.client.clone(), async { Ok(path) })
    }

    /// Returns a job as it stands.
    pub async fn get(&self, job: JobId) -> Result<Job> {
        self.client.json(Call::get(format!("/v1/jobs/{job}"))).await
    }

    /// Returns a job once it has ended, whatever its end is; as it stands where it has not within `limit`, in whole
    /// seconds, rounded up.
    pub async fn wait(&self, job: JobId, limit: Option<Duration>) -> Result<Job> {
        let mut turns = Turns::new(&self.client, limit);
        loop {
            let path = format!("/v1/jobs/{job}?wait={}", turns.begin());
            let found: Job = self.client.json(Call::get(path)).await?;
            if found.state.is_finished() || turns.is_over() {
                return Ok(found);
            }
            turns.pause().await;
        }
    }

    /// Ends a job: at once where it waits, else as soon as its worker has heard of it.
    pub async fn cancel(&self, job: JobId) -> Result<Job> {
        self.client.json(self.client.write(Method::POST, format!("/v1/jobs/{job}/cancel"))?).await
    }

    /// Queues a job that failed or was cancelled once more, with all its attempts before it.
    pub async fn retry(&self, job: JobId) -> Result<Job> {
        self.client.json(self.client.write(Method::POST, format!("/v1/jobs/{job}/retry"))?).await
    }
}
