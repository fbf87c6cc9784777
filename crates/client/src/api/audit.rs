//! The audit log: listing it, and following it.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream;
use longshore_core::path::encode_segment;
use longshore_core::wire::{AuditEntry, AuditOutcome, AuditPage, MAX_PAGE};
use longshore_core::{PrincipalId, Timestamp, WorkspaceId};

use super::following::{Following, Patience};
use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::Result;

/// How long one who follows waits before the next look, where nothing was new.
const LOOK: Duration = Duration::from_secs(1);

/// The verbs on the audit log: every act and every refusal of a right, for who is an admin somewhere. An admin of the server reads
/// all of it, an admin of workspaces what was about those.
///
/// A place in the log is the `place` of an entry; who goes on after one has missed nothing before it. Without a place a verb
/// begins with the oldest entry that is kept, and `now` stands for what is still to come.
#[derive(Clone, Debug)]
pub struct Audit {
    client: Client,
}

/// Which entries are wanted; what is left out lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// What was about this workspace.
    pub workspace: Option<WorkspaceId>,
    /// What this person or agent did or was refused.
    pub principal: Option<PrincipalId>,
    /// What was done, or what was refused.
    pub outcome: Option<AuditOutcome>,
    /// Nothing from before this time.
    pub since: Option<Timestamp>,
    /// Nothing from this time or later.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    /// Returns the query of a page, from its first parameter on.
    fn query(&self, after: Option<&str>) -> String {
        let named = [
            ("workspace", self.workspace.map(|id| id.to_string())),
            ("principal", self.principal.map(|id| id.to_string())),
            ("outcome", self.outcome.map(|outcome| outcome.as_str().to_owned())),
            ("since", self.since.map(|time| time.to_string())),
            ("until", self.until.map(|time| time.to_string())),
            ("after", after.map(str::to_owned)),
        ];
        let mut query = String::new();
        for (name, value) in named {
            if let Some(value) = value {
                query.extend(["&", name, "=", &encode_segment(&value)]);
            }
        }
        query
    }
}

impl Client {
    /// Returns the verbs on the audit log.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit { client: self.clone() }
    }
}

impl Audit {
    /// Lists the entries there are after a place, in the order of their places.
    pub fn list(&self, after: Option<&str>, filter: &AuditFilter) -> Listing<AuditEntry> {
        // Of two parameters of one name the server would refuse both: the place goes with the first page alone.
        let route = filter.query(None);
        let route = match route.strip_prefix('&') {
            Some(query) => format!("/v1/audit?{query}"),
            None => "/v1/audit".to_owned(),
        };
        let first = AuditFilter::default().query(after);
        Listing::from(self.client.clone(), async move { Ok(route) }, first, "after")
    }

    /// Returns a page of the entries after a place. [`AuditPage::reached`] is the place to go on after.
    pub async fn page(&self, after: Option<&str>, filter: &AuditFilter) -> Result<AuditPage> {
        let query = filter.query(after);
        self.client.json(Call::get(format!("/v1/audit?limit={MAX_PAGE}{query}"))).await
    }

    /// Follows the log: what there is after a place, then each entry as it is told, without an end.
    ///
    /// It looks once a second. Once the server was reached, one that is away is waited for; it gives up, with an error as its last
    /// item, when the server refuses.
    pub fn follow(&self, after: Option<&str>, filter: &AuditFilter) -> Following<AuditEntry> {
        let follow = Follow {
            audit: self.clone(),
            filter: filter.clone(),
            after: after.map(str::to_owned),
            read: VecDeque::new(),
            looks_at_once: true,
            patience: Patience::default(),
        };
        Following::of(stream::try_unfold(follow, Follow::next))
    }
}

/// A log that is followed.
struct Follow {
    audit: Audit,
    filter: AuditFilter,
    /// Up to which place it was read.
    after: Option<String>,
    /// What was read and not given yet: a page at most.
    read: VecDeque<AuditEntry>,
    /// Whether there is more to look at than was.
    looks_at_once: bool,
    patience: Patience,
}

impl Follow {
    /// Returns the next entry, and what goes on after it.
    async fn next(mut self) -> Result<Option<(AuditEntry, Self)>> {
        loop {
            if let Some(entry) = self.read.pop_front() {
                return Ok(Some((entry, self)));
            }
            if !self.looks_at_once {
                tokio::time::sleep(LOOK).await;
            }
            match self.audit.page(self.after.as_deref(), &self.filter).await {
                Ok(page) => {
                    self.patience = Patience { was_reached: true, failed: 0 };
                    self.looks_at_once = page.next_cursor.is_some();
                    self.after = Some(page.reached);
                    self.read.extend(page.items);
                }
                // The page was tried as often as for any other verb.
                Err(error) if !self.patience.was_reached => return Err(error),
                Err(error) => self.patience.pause(self.audit.client.retry(), error).await?,
            }
        }
    }
}
