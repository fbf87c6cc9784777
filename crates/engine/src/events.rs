//! The log of a workspace: reading it from any place, waiting for more of it, forgetting what is old.

mod sight;

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{After, EventPage};
use longshore_core::{Code, PrincipalId, WorkspaceId, WorkspacePath};
use tokio::time::Instant;

use crate::actor::Actor;
use crate::db;
use crate::db::events::Filter;
use crate::db::workspaces::LogEnds;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event_types::EventTypes;
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::workspaces;

/// How many events one transaction removes: on SQLite no other write goes on beside it.
const PRUNED: u32 = 1_000;
/// How many workspaces are looked at at a time.
const WORKSPACES: u32 = 100;
const DAY: Duration = Duration::from_hours(24);

/// Which events a reader wants.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Where to begin; nothing for the oldest event that is kept.
    pub after: Option<After>,
    /// How many events at most (1 to 1,000).
    pub limit: Option<u32>,
    /// Which types; nothing for all.
    pub types: Option<EventTypes>,
    /// Only events of the node at this path and of what is below it, where it is or where it was before.
    pub path: Option<WorkspacePath>,
    /// Only what this principal did.
    pub actor: Option<PrincipalId>,
}

impl EventQuery {
    fn filter(&self) -> Filter {
        Filter {
            actor: self.actor,
            types: self.types.as_ref().map(EventTypes::spaced),
            // Below the root is everything, what has no path too; so it is with the filter of a webhook.
            below: self.path.as_ref().filter(|path| !path.is_root()).map(|path| format!("{path}/")),
        }
    }
}

/// Returns the place after which to read, or that what should follow it is not there.
fn begin(after: Option<After>, ends: LogEnds) -> Result<u64> {
    let gone = |what: String| {
        let how = "list the tree, then follow from the `seq` that the workspace had before";
        Error::new(Code::EventsGone, format!("{what}: {how}"))
    };
    match after {
        None => Ok(ends.first - 1),
        Some(After::Now) => Ok(ends.last),
        Some(After::Seq(seq)) if seq < ends.first - 1 => {
            Err(gone(format!("events up to {} are no longer kept", ends.first - 1)))
        }
        // What was read came from another log, one that a backup has replaced.
        Some(After::Seq(seq)) if seq > ends.last => Err(gone(format!("the log ends at {}", ends.last))),
        Some(After::Seq(seq)) => Ok(seq),
    }
}

impl Engine {
    /// Reads a page of a workspace's log, oldest first.
    ///
    /// Of a long log that the filter lets little of pass, one call looks at a part; the page says how far it got.
    pub async fn events(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        query: EventQuery,
    ) -> Result<EventPage> {
        actor.needs(workspace, Need::READ)?;
        let limit = PageRequest::new(query.limit, None).limit();
        let (actor, now, looked_at) = (actor.clone(), self.now(), self.settings().events_looked_at);
        self.db()
            .read(move |tx| {
                let (query, actor) = (query.clone(), actor.clone());
                Box::pin(async move {
                    // Who follows asks for hours.
                    let actor = db::access::reader_now(tx, &actor, workspace, now).await?;
                    sight::ensure_reached(tx, &actor, workspace, query.path.as_ref()).await?;
                    let ends = db::workspaces::log_ends(tx, workspace).await?;
                    let ends = ends.ok_or_else(|| workspaces::not_found(workspace))?;
                    let after = begin(query.after, ends)?;
                    let through = ends.last.min(after + u64::from(looked_at));
                    let found =
                        db::events::list(tx, workspace, after, through, &query.filter(), limit).await?;
                    let reached = match found.last() {
                        Some(last) if found.len() == limit as usize => last.event.seq,
                        _ => through,
                    };
                    let items = sight::of(tx, &actor, found).await?;
                    let next_cursor = (reached < ends.last).then(|| reached.to_string());
                    Ok(EventPage { items, next_cursor, last_seq: ends.last })
                })
            })
            .await
    }

    /// Reads a page of a workspace's log, and waits for an event for up to `wait` where there is none yet.
    pub async fn await_events(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        mut query: EventQuery,
        wait: Duration,
    ) -> Result<EventPage> {
        // Who need not wait takes nobody's place.
        let page = self.events(actor, workspace, query.clone()).await?;
        if wait.is_zero() || !page.items.is_empty() {
            return Ok(page);
        }
        query.after = Some(page.reached().into());
        let mut follower = self.follow(actor, workspace).await?;
        let end = Instant::now() + wait;
        loop {
            let page = follower.read(&query).await?;
            let left = end.saturating_duration_since(Instant::now());
            if !page.items.is_empty() || left.is_zero() {
                return Ok(page);
            }
            query.after = Some(page.reached().into());
            follower.changed(left).await;
        }
    }

    /// Removes the events that their workspaces keep no longer; returns how many.
    pub async fn prune_events(&self) -> Result<u64> {
        let (mut removed, mut after) = (0, String::new());
        loop {
            let from = after.clone();
            let page = self.db().read(move |tx| {
                let from = from.clone();
                Box::pin(async move { db::workspaces::list(tx, &from, WORKSPACES).await })
            });
            let page = page.await?;
            for workspace in page.iter().filter(|workspace| workspace.settings.events_days.is_some()) {
                removed += self.prune_log(workspace.id).await?;
            }
            match page.last() {
                Some(last) if page.len() == WORKSPACES as usize => after = last.id.to_string(),
                _ => return Ok(removed),
            }
        }
    }

    async fn prune_log(&self, workspace: WorkspaceId) -> Result<u64> {
        let mut removed = 0;
        loop {
            let clock = self.clock();
            let part = self.db().write(move |tx| {
                let clock = Arc::clone(&clock);
                Box::pin(async move {
                    // What is old is said by the rules of the moment and by the clock that dated the events.
                    let Some(taken) = db::workspaces::take(tx, workspace, clock.as_ref()).await? else {
                        return Ok(0);
                    };
                    db::workspaces::give_back_seqs(tx, workspace, 1).await?;
                    let Some(days) = taken.settings.events_days else { return Ok(0) };
                    let before = taken.now.minus(DAY.saturating_mul(days.get()));
                    db::events::prune(tx, workspace, before, PRUNED).await
                })
            });
            let part = part.await?;
            removed += part;
            if part < PRUNED.into() {
                return Ok(removed);
            }
        }
    }
}
