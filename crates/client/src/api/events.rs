//! Events: listing them, waiting for them, following them.

use std::time::Duration;

use futures_util::future::TryFutureExt;
use futures_util::stream;
use http::header::ACCEPT;
use http::{HeaderValue, Method};
use longshore_core::path::encode_segment;
use longshore_core::wire::{After, Event, EventPage};
use longshore_core::{PrincipalId, WorkspaceId, WorkspacePath};
use tokio::time::Instant;

use super::following::{Following, Patience};
use super::listing::Listing;
use super::turns::Turns;
use crate::client::{Call, Client, Lane, parse};
use crate::error::{Error, Result};
use crate::transport::answer::Answer;
use crate::transport::body::Body;
use crate::transport::event_stream::Reader;

/// The verbs on the events of a workspace: its log of all that has changed, and by whom.
///
/// Where a verb takes no workspace, it means the key's current one. A place in the log is an event's `seq`; without
/// a place a verb begins with the oldest event that is kept. What follows a place may be gone after a while:
/// that is `events_gone`, and the way back is to read the workspace, whose `seq` is the place, then its tree, and to
/// go on after that place.
#[derive(Clone, Debug)]
pub struct Events {
    client: Client,
}

/// Which events are wanted; what is left out lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Types: `file.created` exactly, or `node.*` for all that begin with `node.`.
    pub types: Vec<String>,
    /// The node at this path and what is below it, where it is or where it was before.
    pub path: Option<WorkspacePath>,
    /// Who acted.
    pub actor: Option<PrincipalId>,
}

impl EventFilter {
    /// Returns the route of a workspace's events that pass.
    fn route(&self, workspace: WorkspaceId) -> String {
        let types = (!self.types.is_empty()).then(|| ("types", self.types.join(",")));
        let path = self.path.as_ref().map(|path| ("path", path.to_string()));
        let actor = self.actor.map(|actor| ("actor", actor.to_string()));
        let mut route = format!("/v1/workspaces/{workspace}/events");
        for (mark, (name, value)) in
            ["?", "&", "&"].into_iter().zip([types, path, actor].into_iter().flatten())
        {
            route.extend([mark, name, "=", &encode_segment(&value)]);
        }
        route
    }
}

/// Adds a parameter to a route that may have some.
fn with(route: &str, name: &str, value: impl std::fmt::Display) -> String {
    let mark = if route.contains('?') { '&' } else { '?' };
    format!("{route}{mark}{name}={value}")
}

impl Events {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Lists the events there are, oldest first.
    pub fn list(
        &self,
        workspace: Option<WorkspaceId>,
        after: Option<After>,
        filter: &EventFilter,
    ) -> Listing<Event> {
        let (client, filter) = (self.client.clone(), filter.clone());
        let route = async move { Ok(filter.route(client.workspace(workspace).await?)) };
        let first = after.map_or_else(String::new, |after| format!("&after={after}"));
        Listing::from(self.client.clone(), route, first, "after")
    }

    /// Returns the next events, having waited for the first of them for up to `at_most`, in whole seconds, rounded up.
    ///
    /// A page without events comes when the time is over. [`EventPage::reached`] is the place to go on after.
    pub async fn wait(
        &self,
        workspace: Option<WorkspaceId>,
        after: Option<After>,
        filter: &EventFilter,
        at_most: Duration,
    ) -> Result<EventPage> {
        let base = filter.route(self.client.workspace(workspace).await?);
        let (mut after, mut turns) = (after, Turns::new(&self.client, Some(at_most)));
        loop {
            let mut route = with(&base, "wait", turns.begin());
            if let Some(after) = after {
                route = with(&route, "after", after);
            }
            let page: EventPage = self.client.json(Call::get(route).lane(Lane::Waiting)).await?;
            if !page.items.is_empty() || turns.is_over() {
                return Ok(page);
            }
            after = Some(After::Seq(page.reached()));
            // Of a long log that the filter keeps back there may be more to look at.
            if page.next_cursor.is_none() {
                turns.pause().await;
            }
        }
    }

    /// Follows the log: what there is, then each event as it happens, without an end.
    ///
    /// Where the connection breaks, it goes on after the last event it gave: none is missed, none comes twice. It
    /// gives up, with an error as its last item, when the server refuses (a revoked key, `events_gone`), or when no
    /// connection comes about at the very beginning.
    pub fn follow(
        &self,
        workspace: Option<WorkspaceId>,
        after: Option<After>,
        filter: &EventFilter,
    ) -> Following {
        let (client, filter) = (self.client.clone(), filter.clone());
        let begun = async move {
            let route = filter.route(client.workspace(workspace).await?);
            let follow = Follow { client, route, after, open: None, patience: Patience::default() };
            Ok(stream::try_unfold(follow, Follow::next))
        };
        Following::of(begun.try_flatten_stream())
    }
}

/// A log that is followed.
struct Follow {
    client: Client,
    route: String,
    /// After which place to go on: that of the last event given, or one that the server has told since.
    after: Option<After>,
    open: Option<Open>,
    patience: Patience,
}

/// A connection on which events come.
struct Open {
    answer: Answer,
    reader: Reader,
    since: Instant,
}

impl Follow {
    /// Returns the next event, and what goes on after it.
    async fn next(mut self) -> Result<Option<(Event, Self)>> {
        loop {
            let error = match self.message().await {
                Ok(Some(event)) => return Ok(Some((event, self))),
                Ok(None) => continue,
                Err(error) => error,
            };
            let policy = self.client.retry();
            let was_open = self.open.take();
            if was_open.is_some_and(|open| open.since.elapsed() > policy.cap) {
                self.patience.failed = 0;
            }
            self.patience.pause(policy, error).await?;
        }
    }

    /// Reads one message, and gives the event in it, if it has one that was not given yet.
    async fn message(&mut self) -> Result<Option<Event>> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let open = self.connect().await?;
                self.patience.was_reached = true;
                self.open.insert(open)
            }
        };
        let message = loop {
            if let Some(message) = open.reader.next()? {
                break message;
            }
            match open.answer.chunk().await {
                Some(chunk) => open.reader.push(&chunk?),
                None => return Err(Error::broken("the stream of events broke off", "the server ended it")),
            }
        };
        let event: Option<Event> = message.data.map(|data| parse(data.as_bytes())).transpose()?;
        let place = event.as_ref().map(|event| event.seq).or(message.id);
        let is_new = match (self.after, place) {
            (Some(After::Seq(last)), Some(place)) => place > last,
            _ => true,
        };
        if let Some(place) = place.filter(|_| is_new) {
            self.after = Some(After::Seq(place));
        }
        if event.is_some() {
            self.patience.failed = 0;
        }
        Ok(event.filter(|_| is_new))
    }

    async fn connect(&mut self) -> Result<Open> {
        if self.after == Some(After::Now) {
            // A connection that breaks before it has told a place would else lose what happens until the next.
            let route = with(&with(&self.route, "after", After::Now), "limit", 1);
            let page: EventPage = self.client.json_once(Call::get(route)).await?;
            (self.after, self.patience.was_reached) = (Some(After::Seq(page.last_seq)), true);
        }
        let route = match self.after {
            Some(after) => with(&self.route, "after", after),
            None => self.route.clone(),
        };
        let mut request = self.client.request(Method::GET, &route, Body::Empty)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let answer = self.client.send(request, None, Lane::Waiting).await?;
        Ok(Open { answer, reader: Reader::default(), since: Instant::now() })
    }
}
