//! An export that is open: somebody may be reading it, and what it shows is held for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_core::{Code, Timestamp, WorkspaceId};
use tokio::runtime::Handle;

use super::{ensure_may_export, over};
use crate::actor::Actor;
use crate::blob::BlobId;
use crate::db::crossings::CrossingId;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How often what is held is kept for longer, as long as somebody reads, and whether they still may is asked.
const RENEWED: Duration = Duration::from_mins(5);

/// How long an export may take in all: what is held for it is in no quota.
const LONGEST: Duration = Duration::from_hours(24);

/// How many exports of a workspace may be open at once: what is purged meanwhile is kept for each.
const MOST: u64 = 2;

/// An export under way. Whatever becomes of who reads it, it ends when this is dropped.
pub(super) struct Open {
    pub(super) engine: Engine,
    pub(super) crossing: CrossingId,
    workspace: WorkspaceId,
    actor: Actor,
    begun: Timestamp,
    state: Mutex<State>,
}

struct State {
    /// When what is held was last kept for longer.
    kept: Timestamp,
    /// What was put aside in the store.
    blobs: Vec<BlobId>,
    has_ended: bool,
}

impl Open {
    pub(super) fn new(engine: &Engine, actor: &Actor, workspace: WorkspaceId) -> Self {
        let (engine, begun) = (engine.clone(), engine.now());
        let state = Mutex::new(State { kept: begun, blobs: Vec::new(), has_ended: false });
        Self { engine, crossing: CrossingId::new(begun), workspace, actor: actor.clone(), begun, state }
    }

    fn state<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that a blob is to go with the export.
    pub(super) fn add(&self, blob: Option<BlobId>) {
        self.state(|state| state.blobs.extend(blob));
    }

    /// Notes that nothing is there that could be ended.
    pub(super) fn forget(&self) {
        self.state(|state| state.has_ended = true);
    }

    /// Has what is held kept for longer, where that is due, and breaks off what its reader may read no longer.
    pub(super) async fn keep(self: &Arc<Self>) -> Result<()> {
        let now = self.engine.now();
        let is_due = self.state(|state| {
            let is_due = now >= state.kept.plus(RENEWED);
            if is_due {
                state.kept = now;
            }
            is_due
        });
        if !is_due {
            return Ok(());
        }
        if now >= self.begun.plus(LONGEST) {
            return Err(over());
        }
        self.ask().await?;
        self.engine.keep_crossing(self.crossing).await
    }

    /// Refuses who may read no further, as a transaction sees it.
    pub(super) async fn ensure_may_go_on(&self, tx: &mut Tx) -> Result<()> {
        let actor = db::access::actor_in(tx, &self.actor, self.workspace, self.engine.now()).await?;
        ensure_may_export(&actor, self.workspace)
    }

    /// Asks whether who reads may read on.
    pub(super) async fn ask(self: &Arc<Self>) -> Result<()> {
        let open = Arc::clone(self);
        let asked = self.engine.db().read(move |tx| {
            let open = Arc::clone(&open);
            Box::pin(async move { open.ensure_may_go_on(tx).await })
        });
        asked.await
    }

    /// Ends the export, and removes what was put aside for it.
    pub(super) async fn end(&self) {
        let blobs = self.state(|state| state.blobs.clone());
        close(&self.engine, self.crossing, blobs).await;
        self.forget();
    }
}

async fn close(engine: &Engine, crossing: CrossingId, blobs: Vec<BlobId>) {
    // First the rows that say that the blobs are held: a blob without a row is an orphan, and not the other way round.
    engine.end_crossing(crossing).await;
    for blob in blobs {
        engine.discard(blob).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Where no runtime is there, the process ends, and the export with its lease.
        if state.has_ended || Handle::try_current().is_err() {
            return;
        }
        let (engine, crossing, blobs) =
            (self.engine.clone(), self.crossing, std::mem::take(&mut state.blobs));
        self.engine.export_tasks().spawn(async move { close(&engine, crossing, blobs).await });
    }
}

/// Refuses one export more of a workspace of which as many are open as may be.
pub(super) fn ensure_room(open: u64) -> Result<()> {
    if open < MOST {
        return Ok(());
    }
    let detail = format!("{open} exports of the workspace are being read: come again when one has ended");
    Err(Error::new(Code::TooManyExports, detail))
}
