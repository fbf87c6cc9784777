//! Uploads at the server that are of use to nobody once the one they were begun for has failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::iter;
use tokio::runtime::Handle;

use crate::error::Result;
use crate::transfer::staged::protocol::{self, Created, Creation, Tus};
use crate::transport::body::Body;

/// How long a failure, or a caller who cancelled, waits for the server to remove them: what stays goes when its time is over.
const REMOVING: Duration = Duration::from_secs(3);

/// What is known of them. It is noted before they are begun, so that they can be removed when what began them was dropped;
/// dropped itself, it has that done in the background.
pub(in crate::transfer) struct Begun<'a> {
    tus: Tus<'a>,
    noted: Mutex<Noted>,
}

#[derive(Clone, Default)]
struct Noted {
    /// Where they are.
    places: Vec<String>,
    /// Those of which the answer that says where they are may be lost.
    creations: Vec<Creation>,
}

impl Noted {
    fn forget(&mut self, creation: &Creation) {
        self.creations.retain(|noted| noted.key != creation.key);
    }

    /// Removes them, or gives up after a while.
    async fn remove(self, tus: Tus<'_>) {
        let removing = async {
            let found = iter(&self.creations).then(|creation| tus.create(creation, Body::Empty));
            let found = found.filter_map(async |created| created.ok().map(|created| created.place));
            let places: Vec<_> = iter(self.places).chain(found).collect().await;
            join_all(places.iter().map(|place| tus.remove(place))).await;
        };
        let _expire = tokio::time::timeout(REMOVING, removing).await;
    }
}

impl<'a> Begun<'a> {
    pub(super) fn new(tus: Tus<'a>) -> Self {
        Self { tus, noted: Mutex::default() }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        // Each step leaves it whole, whoever panicked.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an upload, with its bytes where there are any to send along, or finds the one that was begun so.
    pub(in crate::transfer) async fn begin(&self, creation: &Creation, body: Body) -> Result<Created> {
        {
            let mut noted = self.noted();
            noted.forget(creation);
            noted.creations.push(creation.clone());
        }
        let created = self.tus.create(creation, body).await;
        match &created {
            Ok(created) => self.note(creation, &created.place),
            Err(error) => match error.location().and_then(protocol::route) {
                // All of it may have come, and the file be refused.
                Some(place) => self.note(creation, &place),
                None if !error.may_have_happened() => self.noted().forget(creation),
                None => {}
            },
        }
        created
    }

    /// Notes where the upload of a creation is.
    fn note(&self, creation: &Creation, place: &str) {
        self.noted().forget(creation);
        self.note_place(place);
    }

    /// Notes an upload that was begun.
    pub(in crate::transfer) fn note_place(&self, place: &str) {
        let mut noted = self.noted();
        if !noted.places.iter().any(|known| known == place) {
            noted.places.push(place.to_owned());
        }
    }

    /// Leaves one to others, who know of it.
    pub(in crate::transfer) fn hand_over(&self, place: &str) {
        self.noted().places.retain(|noted| noted != place);
    }

    /// Removes one, in its own time.
    pub(in crate::transfer) async fn remove(&self, place: &str) {
        self.tus.remove(place).await;
        self.hand_over(place);
    }

    /// Removes all that are left, or gives up after a while.
    pub(super) async fn remove_all(&self) {
        let noted = self.noted().clone();
        noted.remove(self.tus).await;
        self.forget_all();
    }

    /// Leaves all to the server: they are files by now, or nobody can ask it for anything.
    pub(super) fn forget_all(&self) {
        *self.noted() = Noted::default();
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let noted = std::mem::take(&mut *self.noted());
        let is_empty = noted.places.is_empty() && noted.creations.is_empty();
        // Outside a runtime nothing can be sent.
        if is_empty || Handle::try_current().is_err() {
            return;
        }
        let (client, options) = (self.tus.client.clone(), self.tus.options.clone());
        let tasks = client.tasks().clone();
        tasks.spawn(async move { noted.remove(Tus { client: &client, options: &options }).await });
    }
}
