//! Uploads at the server that are of use to nobody once the one they were begun for has failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use crate::transfer::staged::protocol::{Creation, Tus};
use crate::transport::body::Body;

/// How long a failure, or a caller who cancelled, waits for the server to remove them: what stays goes when its time is over.
const REMOVING: Duration = Duration::from_secs(3);

/// What is known of them. It is noted as they are begun, so that they can be removed when what began them was dropped.
#[derive(Debug, Default)]
pub(in crate::transfer) struct Begun(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Where they are.
    places: Vec<String>,
    /// One of which the answer that says where it is may be lost.
    creation: Option<Creation>,
}

impl Begun {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        // Each step leaves it whole, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an upload is to be begun under a key, which finds it again.
    pub(in crate::transfer) fn note_creation(&self, creation: &Creation) {
        self.noted().creation = Some(creation.clone());
    }

    /// Notes that none was begun.
    pub(in crate::transfer) fn forget_creation(&self) {
        self.noted().creation = None;
    }

    /// Notes an upload that was begun.
    pub(in crate::transfer) fn note(&self, place: &str) {
        let mut noted = self.noted();
        noted.places.push(place.to_owned());
        noted.creation = None;
    }

    /// Removes one, in its own time.
    pub(in crate::transfer) async fn remove(&self, tus: &Tus<'_>, place: &str) {
        tus.remove(place).await;
        self.noted().places.retain(|noted| noted != place);
    }

    /// Removes all that are left, or gives up after a while.
    pub(super) async fn remove_all(&self, tus: &Tus<'_>) {
        let Noted { places, creation } = std::mem::take(&mut *self.noted());
        let removing = async {
            let found = match creation {
                Some(creation) => tus.create(&creation, Body::Empty).await.ok().map(|created| created.place),
                None => None,
            };
            join_all(places.iter().chain(&found).map(|place| tus.remove(place))).await;
        };
        let _expire = tokio::time::timeout(REMOVING, removing).await;
    }
}
