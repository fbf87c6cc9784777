//! Which requests of this process add to which uploads, and which uploads it finishes: at most one request adds to each,
//! the newest, and each is finished once at a time, whoever asks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_core::UploadId;
use longshore_flow::Tasks;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::torn_down;
use crate::error::Result;

/// How long a request waits for those before it to keep what they have.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the requests may take, when all is closed, to keep what they have.
const CLOSING: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Request {
    stop: CancellationToken,
    ended: CancellationToken,
    /// The one that it waits for.
    before: Mutex<Option<Arc<Self>>>,
}

impl Request {
    fn before(&self) -> MutexGuard<'_, Option<Arc<Self>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type ByUpload<T> = Arc<Mutex<HashMap<UploadId, T>>>;

/// The requests and finishes under way, and the tasks that run for them.
#[derive(Debug, Default)]
pub(crate) struct Appends {
    requests: ByUpload<Arc<Request>>,
    finishes: ByUpload<Finish>,
    tasks: Tasks,
}

/// An upload in the hands of one request; dropping it lets the next one go on.
#[derive(Debug)]
pub(super) struct Hold {
    id: UploadId,
    request: Arc<Request>,
    requests: ByUpload<Arc<Request>>,
}

/// How a finish ended, once it has.
type Ended = watch::Receiver<Option<Result<()>>>;

/// A finish under way.
#[derive(Clone, Debug)]
struct Finish {
    stop: CancellationToken,
    ended: Ended,
}

/// What a request waits for that finishes an upload, or finds it being finished.
pub(super) struct Finishing {
    /// Whether the request began it.
    pub(super) is_own: bool,
    ended: Ended,
}

/// Takes a finish out of the list of those under way, however its task ends.
struct Listed {
    id: UploadId,
    finishes: ByUpload<Finish>,
}

fn locked<T>(map: &ByUpload<T>) -> MutexGuard<'_, HashMap<UploadId, T>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Appends {
    /// Takes an upload over from the requests before, if there are any: they are told to stop, and waited for.
    pub(super) async fn take(&self, id: UploadId) -> Hold {
        let request = Arc::<Request>::default();
        let before = {
            let mut requests = locked(&self.requests);
            let before = requests.insert(id, Arc::clone(&request));
            request.before().clone_from(&before);
            before
        };
        let hold = Hold { id, request, requests: Arc::clone(&self.requests) };
        if let Some(before) = before {
            before.stop.cancel();
            if tokio::time::timeout(PATIENCE, all_ended(before)).await.is_err() {
                tracing::debug!(upload = %id, "an older request does not end: what it has is lost");
            }
            hold.request.before().take();
        }
        hold
    }

    pub(super) const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Runs `work`, which ends soon when its token is cancelled, as the finish of an upload; waits for the one under way
    /// instead, if there is one. It goes on when whoever began it is gone.
    pub(super) fn finish<F>(&self, id: UploadId, work: impl FnOnce(CancellationToken) -> F) -> Finishing
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let (told, ended) = watch::channel(None);
        match locked(&self.finishes).entry(id) {
            Entry::Occupied(running) => {
                return Finishing { is_own: false, ended: running.get().ended.clone() };
            }
            Entry::Vacant(place) => place.insert(Finish { stop: stop.clone(), ended: ended.clone() }),
        };
        let (work, listed) = (work(stop), Listed { id, finishes: Arc::clone(&self.finishes) });
        self.tasks.spawn(async move {
            let done = work.await;
            // Who hears how it ended may begin another.
            drop(listed);
            told.send_replace(Some(done));
        });
        Finishing { is_own: true, ended }
    }

    /// Stops the finish of an upload, if it is under way, and waits until it has ended.
    pub(super) async fn stop_finish(&self, id: UploadId) {
        let running = locked(&self.finishes).get(&id).cloned();
        if let Some(Finish { stop, ended }) = running {
            stop.cancel();
            // How it ended is for those who wanted it.
            Finishing { is_own: false, ended }.ended().await.ok();
        }
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

/// Waits until a request has ended, and those that it waited for when it was dropped.
async fn all_ended(request: Arc<Request>) {
    let mut next = Some(request);
    while let Some(request) = next {
        request.ended.cancelled().await;
        next = request.before().clone();
    }
}

impl Finishing {
    /// Waits until it has ended.
    pub(super) async fn ended(mut self) -> Result<()> {
        let ended = self.ended.wait_for(Option::is_some).await;
        ended.map_or_else(|_| Err(torn_down()), |done| done.clone().unwrap_or_else(|| Err(torn_down())))
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        locked(&self.finishes).remove(&self.id);
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
        let mut requests = locked(&self.requests);
        self.request.ended.cancel();
        if requests.get(&self.id).is_none_or(|newest| !Arc::ptr_eq(newest, &self.request)) {
            return;
        }
        // One that was dropped while it waited leaves the one before it to the next.
        let before = self.request.before().take().filter(|before| !before.ended.is_cancelled());
        match before {
            Some(before) => requests.insert(self.id, before),
            None => requests.remove(&self.id),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use futures_util::{FutureExt, poll};
    use longshore_core::{Code, Timestamp, UploadId};
    use tokio::sync::oneshot;

    use super::Appends;
    use crate::error::Error;

    fn id() -> UploadId {
        UploadId::new(Timestamp::from_micros(0))
    }

    #[tokio::test]
    async fn one_that_gave_up_waiting_lets_nobody_pass_whom_it_waited_for() {
        let (appends, id) = (Appends::default(), id());
        let first = appends.take(id).await;
        for _ in 0..2 {
            let mut gone = Box::pin(appends.take(id));
            assert!(poll!(&mut gone).is_pending());
            drop(gone);
        }
        let mut gone = Box::pin(appends.take(id));
        assert!(poll!(&mut gone).is_pending());
        let mut last = pin!(appends.take(id));
        assert!(poll!(&mut last).is_pending());
        drop(gone);
        assert!(poll!(&mut last).is_pending(), "the first still has the upload");
        first.wanted().await;
        drop(first);
        drop(last.await);
        assert!(super::locked(&appends.requests).is_empty());
    }

    #[tokio::test]
    async fn a_finish_is_one_for_all_who_ask() {
        let (appends, id) = (Appends::default(), id());
        let (end, ends) = oneshot::channel();
        let first = appends.finish(id, |_| ends.map(|_| Ok(())));
        let second = appends.finish(id, |_| async { panic!("a second finish beside the first") });
        assert_eq!((first.is_own, second.is_own), (true, false));
        // Who began it may be gone.
        drop(first);
        let mut second = pin!(second.ended());
        assert!(poll!(&mut second).is_pending());
        end.send(()).unwrap();
        second.await.unwrap();
        let third = appends.finish(id, |stop| async move {
            stop.cancelled().await;
            Err(Error::new(Code::UploadNotFound, "gone"))
        });
        let mut third = pin!(third.ended());
        assert!(matches!(poll!(&mut third), Poll::Pending));
        appends.stop_finish(id).await;
        assert_eq!(third.await.unwrap_err().code(), Code::UploadNotFound);
        assert!(super::locked(&appends.finishes).is_empty());
    }
}
