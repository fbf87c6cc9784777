//! Which requests of this process add to which uploads: at most one adds to each, the newest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_core::UploadId;
use longshore_flow::Tasks;
use tokio_util::sync::CancellationToken;

/// How long a request waits for the one before it to keep what it has.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the requests may take, when all is closed, to keep what they have.
const CLOSING: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Request {
    stop: CancellationToken,
    ended: CancellationToken,
}

type Requests = Arc<Mutex<HashMap<UploadId, Arc<Request>>>>;

/// The requests under way, and the tasks that run for them.
#[derive(Debug, Default)]
pub(crate) struct Appends {
    requests: Requests,
    tasks: Tasks,
}

/// An upload in the hands of one request; dropping it lets the next one go on.
#[derive(Debug)]
pub(super) struct Hold {
    id: UploadId,
    request: Arc<Request>,
    requests: Requests,
}

fn locked(requests: &Requests) -> MutexGuard<'_, HashMap<UploadId, Arc<Request>>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Appends {
    /// Takes an upload over from the request before, if there is one: it is told to stop, and waited for.
    pub(super) async fn take(&self, id: UploadId) -> Hold {
        let request = Arc::<Request>::default();
        let before = locked(&self.requests).insert(id, Arc::clone(&request));
        let hold = Hold { id, request, requests: Arc::clone(&self.requests) };
        if let Some(before) = before {
            before.stop.cancel();
            if tokio::time::timeout(PATIENCE, before.ended.cancelled()).await.is_err() {
                tracing::debug!(upload = %id, "an older request does not end: what it has is lost");
            }
        }
        hold
    }

    pub(super) const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Waits until what came is kept.
    pub(crate) async fn close(&self) {
        if tokio::time::timeout(CLOSING, self.tasks.close()).await.is_err() {
            tracing::warn!("uploads were broken off: what came last is to be sent again");
            self.tasks.abort();
            self.tasks.close().await;
        }
    }
}

impl Hold {
    /// Waits until a newer request wants the upload.
    pub(super) async fn wanted(&self) {
        self.request.stop.cancelled().await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.request.ended.cancel();
        let mut requests = locked(&self.requests);
        if requests.get(&self.id).is_some_and(|request| Arc::ptr_eq(request, &self.request)) {
            requests.remove(&self.id);
        }
    }
}
