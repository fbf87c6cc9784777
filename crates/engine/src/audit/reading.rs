//! Reading the audit log from any place, and forgetting what is old.

use std::str::FromStr;
use std::time::Duration;

use longshore_core::wire::{AuditOutcome, AuditPage, Role};
use longshore_core::{Code, PrincipalId, Timestamp, WorkspaceId};

use crate::actor::{Actor, Right};
use crate::db::audit::{self as rows, Filter, Place};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;

/// How many entries one transaction removes: on SQLite no other write goes on beside it.
const PRUNED: u32 = 1_000;

/// By how much an entry may be older than one before it: refusals are written a moment later, and clocks of several nodes differ.
const DISORDER: Duration = Duration::from_hours(1);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditAfter {
    /// With what is still to come.
    Now,
    /// After an entry.
    Place(AuditPlace),
}

/// The place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPlace(Place);

impl FromStr for AuditAfter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "now" => Ok(Self::Now),
            place => Ok(Self::Place(AuditPlace(place.parse()?))),
        }
    }
}

/// Which entries a reader wants.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only what was about this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Only what this principal did or was refused.
    pub principal: Option<PrincipalId>,
    /// Only what was done, or what was refused.
    pub outcome: Option<AuditOutcome>,
    /// Nothing from before this time.
    pub since: Option<Timestamp>,
    /// Nothing from this time or later.
    pub until: Option<Timestamp>,
    /// Where to begin; nothing for the oldest entry.
    pub after: Option<AuditAfter>,
    /// How many entries at most (1 to 1,000).
    pub limit: Option<u32>,
}

impl AuditQuery {
    /// Returns what of it an actor may see: an admin of the server all, another admin what was about their workspaces.
    fn filter(&self, actor: &Actor) -> Result<Filter> {
        actor.may(Right::Somewhere(Need::MANAGE))?;
        let workspace = self.workspace.or(actor.only());
        if let Some(workspace) = workspace {
            actor.needs(workspace, Need::MANAGE)?;
        }
        let sees_all = workspace.is_some() || actor.role_everywhere() >= Some(Role::Admin);
        Ok(Filter {
            workspace,
            principal: self.principal,
            outcome: self.outcome,
            since: self.since,
            until: self.until,
            admin: (!sees_all).then_some(actor.principal),
        })
    }

    async fn begin(&self, tx: &mut Tx, head: Place) -> Result<Place> {
        match (self.after, self.since) {
            (Some(AuditAfter::Now), _) => Ok(head),
            (Some(AuditAfter::Place(AuditPlace(place))), _) if place > head => {
                let detail = "the audit log ends before this place, which is of one that a backup has replaced: \
                              read it from its beginning";
                Err(Error::new(Code::EventsGone, detail))
            }
            (Some(AuditAfter::Place(AuditPlace(place))), _) => Ok(place),
            (None, Some(since)) => Ok(rows::place_at(tx, since.minus(DISORDER)).await?.min(head)),
            (None, None) => Ok(Place::default()),
        }
    }
}

impl Engine {
    /// Reads a page of the audit log in the order of places, for who is an admin somewhere.
    ///
    /// Of a long log that the filter lets little of pass, one call looks at a part; the page says how far it got. Who has read
    /// up to a place has missed nothing before it, whatever was still being written.
    pub async fn audit(&self, actor: &Actor, query: AuditQuery) -> Result<AuditPage> {
        query.filter(actor)?;
        if let Some(workspace) = query.workspace {
            self.workspace(actor, workspace).await?;
        }
        let limit = PageRequest::new(query.limit, None).limit();
        let (actor, now, looked_at) = (actor.clone(), self.now(), self.settings().audit_looked_at);
        let page = self.db().read(move |tx| {
            let (actor, query) = (actor.clone(), query.clone());
            Box::pin(async move {
                // An export goes on for as long as there is something to tell.
                let filter = query.filter(&db::access::actor_now(tx, &actor, now).await?)?;
                let head = rows::head(tx).await?;
                let after = query.begin(tx, head).await?;
                let through = rows::nth(tx, after, head, looked_at).await?;
                let found = rows::list(tx, after, through, &filter, limit).await?;
                let reached = match found.last() {
                    Some((last, _)) if found.len() == limit as usize => *last,
                    _ => through.max(after),
                };
                Ok(AuditPage {
                    items: found.into_iter().map(|(_, entry)| entry).collect(),
                    next_cursor: (reached < head).then(|| reached.to_string()),
                    reached: reached.to_string(),
                })
            })
        });
        page.await
    }

    /// Removes the entries that are kept no longer; returns how many.
    pub async fn prune_audit(&self, said: impl Fn(u64)) -> Result<u64> {
        let Some(kept) = self.settings().audit_kept else { return Ok(0) };
        self.remove_by_steps(
            PRUNED,
            move |tx, now| Box::pin(async move { rows::prune(tx, now.minus(kept), PRUNED).await }),
            said,
        )
        .await
    }
}
