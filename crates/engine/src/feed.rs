//! Who follows a workspace's log, and how they hear that it has grown.
//!
//! The database tells a feed after each commit how far the log goes now: the one place that all writes pass.
//! What other processes write to a shared database it does not hear of; so one of a workspace's followers looks
//! at the log every second, in the name of all. What there is to see is always read from the log itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_core::wire::EventPage;
use longshore_core::{Code, PrincipalId, WorkspaceId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::actor::Actor;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::EventQuery;
use crate::narrowing::Need;
use crate::places::{Place, Places};

/// How often a workspace's log is looked at for what other processes have written.
const LOOK: Duration = Duration::from_secs(1);

/// How long a waiting reader's key is believed: reading looks at it again.
const RECHECK: Duration = Duration::from_secs(5);

/// The feeds of the workspaces that somebody follows. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Feeds(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Places,
    feeds: Mutex<HashMap<WorkspaceId, Feed>>,
}

#[derive(Debug)]
struct Feed {
    /// The newest place known to be committed.
    newest: watch::Sender<u64>,
    followers: usize,
    looked: Instant,
}

impl Feeds {
    /// Makes room for so many followers, and for so many of one principal.
    pub(crate) fn new(most: usize, most_each: usize) -> Self {
        Self(Arc::new(Inner { places: Places::new(most, most_each), feeds: Mutex::default() }))
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Feed>> {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who follow these workspaces how far their logs go.
    pub(crate) fn tell(&self, appended: &[(WorkspaceId, u64)]) {
        if appended.is_empty() {
            return;
        }
        let feeds = self.feeds();
        for (workspace, seq) in appended {
            if let Some(feed) = feeds.get(workspace) {
                feed.newest.send_if_modified(|newest| {
                    let is_news = seq > newest;
                    *newest = *seq.max(newest);
                    is_news
                });
            }
        }
    }

    /// Gives one of a workspace's followers the turn to look in the name of all, once in a while.
    fn takes_turn(&self, workspace: WorkspaceId) -> bool {
        let now = Instant::now();
        match self.feeds().get_mut(&workspace) {
            Some(feed) if now.duration_since(feed.looked) >= LOOK => {
                feed.looked = now;
                true
            }
            _ => false,
        }
    }

    /// Takes a place among those who wait, whatever they wait for.
    pub(crate) fn place(&self, principal: PrincipalId) -> Result<Place> {
        let full = || {
            Error::new(Code::Overloaded, "as many wait for news as this server, or this principal, may have")
        };
        self.0.places.take(principal).ok_or_else(full)
    }

    fn subscribe(&self, principal: PrincipalId, workspace: WorkspaceId) -> Result<Subscription> {
        let place = self.place(principal)?;
        let mut feeds = self.feeds();
        let feed = feeds.entry(workspace).or_insert_with(|| Feed {
            newest: watch::Sender::new(0),
            followers: 0,
            looked: Instant::now(),
        });
        feed.followers += 1;
        let newest = feed.newest.subscribe();
        Ok(Subscription { feeds: self.clone(), workspace, newest, _place: place })
    }

    fn followers(&self) -> usize {
        self.0.places.count()
    }
}

/// A place among those who hear of a workspace; given up when it is dropped.
#[derive(Debug)]
struct Subscription {
    feeds: Feeds,
    workspace: WorkspaceId,
    newest: watch::Receiver<u64>,
    _place: Place,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Entry::Occupied(mut feed) = self.feeds.feeds().entry(self.workspace) {
            feed.get_mut().followers -= 1;
            if feed.get().followers == 0 {
                feed.remove();
            }
        }
    }
}

/// One who follows a workspace's log: it reads, and waits until there is more to read.
#[derive(Debug)]
pub struct Follower {
    engine: Engine,
    actor: Actor,
    subscription: Subscription,
    /// Whether the last page has left something of the log unread.
    is_behind: bool,
}

impl Follower {
    /// Reads a page of the log, as [`Engine::events`] does; a key that is no longer good reads nothing.
    pub async fn read(&mut self, query: &EventQuery) -> Result<EventPage> {
        let workspace = self.subscription.workspace;
        let page = self.engine.events(&self.actor, workspace, query.clone()).await?;
        self.engine.feeds().tell(&[(workspace, page.last_seq)]);
        let newest = &mut self.subscription.newest;
        self.is_behind = *newest.borrow_and_update() > page.last_seq || page.next_cursor.is_some();
        Ok(page)
    }

    /// Waits until there may be more to read than the last page had, no longer than `at_most`, and not so long that a
    /// key which was revoked meanwhile would be believed for more than a few seconds.
    pub async fn changed(&mut self, at_most: Duration) {
        let end = Instant::now() + at_most.min(RECHECK);
        let is_shared = self.engine.db().is_shared();
        while !self.is_behind {
            let until = if is_shared { end.min(Instant::now() + LOOK) } else { end };
            let told = timeout_at(until, self.subscription.newest.changed()).await.is_ok();
            let over = Instant::now() >= end;
            if told || over || is_shared && self.engine.feeds().takes_turn(self.subscription.workspace) {
                return;
            }
        }
    }
}

impl Engine {
    /// Begins to follow a workspace's log. There is room for so many followers ([`Settings::followers`]),
    /// and for so many of one principal ([`Settings::followers_each`]).
    ///
    /// [`Settings::followers`]: crate::Settings::followers
    /// [`Settings::followers_each`]: crate::Settings::followers_each
    pub async fn follow(&self, actor: &Actor, workspace: WorkspaceId) -> Result<Follower> {
        actor.needs(workspace, Need::READ)?;
        self.workspace(actor, workspace).await?;
        let subscription = self.feeds().subscribe(actor.principal, workspace)?;
        Ok(Follower { engine: self.clone(), actor: actor.clone(), subscription, is_behind: true })
    }

    /// Returns how many follow events now.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.feeds().followers()
    }
}
