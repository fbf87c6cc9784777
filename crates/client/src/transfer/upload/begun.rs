//! Uploads at the server that are of use to nobody once the one they were begun for has failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use crate::transfer::staged::protocol::Tus;

/// How long a failure, or a caller who cancelled, waits for the server to remove them: what stays goes when its time is over.
const REMOVING: Duration = Duration::from_secs(3);

/// Where they are. They are noted as they are begun, so that they can be removed when what began them was dropped.
#[derive(Debug, Default)]
pub(in crate::transfer) struct Begun(Mutex<Vec<String>>);

impl Begun {
    fn places(&self) -> MutexGuard<'_, Vec<String>> {
        // Each step leaves it whole, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an upload that was begun.
    pub(in crate::transfer) fn note(&self, place: &str) {
        self.places().push(place.to_owned());
    }

    /// Removes one, in its own time.
    pub(in crate::transfer) async fn remove(&self, tus: &Tus<'_>, place: &str) {
        tus.remove(place).await;
        self.places().retain(|noted| noted != place);
    }

    /// Removes all that are left, or gives up after a while.
    pub(super) async fn remove_all(&self, tus: &Tus<'_>) {
        let places = std::mem::take(&mut *self.places());
        let removing = join_all(places.iter().map(|place| tus.remove(place)));
        let _expire = tokio::time::timeout(REMOVING, removing).await;
    }
}
