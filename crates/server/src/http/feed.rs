//! Events as a stream (server-sent events, of the HTML standard).
//!
//! Nothing is sent ahead of the reader: a page is read from the log when the connection has room for it, so a
//! slow reader holds one page here, and one that stops reading is let go with its connection. The stream ends
//! when the key is good no longer and when the server stops; whoever comes again is told why.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use longshore_core::wire::{After, Event, EventPage};
use longshore_core::{Code, ErrorKind, WorkspaceId};
use longshore_engine::{Actor, EventQuery, Follower};
use tokio::time::Instant;

use super::app::App;
use crate::error::chain;
use crate::problem::Failure;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks proxies that would collect an answer before they pass it on not to.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// After how many milliseconds a browser comes again.
const RETRY: u64 = 1_000;

/// Tells whether a request asks for a stream.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    accepts(headers, "text/event-stream")
}

/// Tells whether a request names a media type as one that it takes.
pub(super) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
    let mut types = accepted.flat_map(|field| field.split(',')).filter_map(|part| part.split(';').next());
    types.any(|media| media.trim().eq_ignore_ascii_case(wanted))
}

/// Returns after which event a stream goes on that was broken off.
pub(super) fn last_event(headers: &HeaderMap) -> Result<Option<After>, Failure> {
    let Some(field) = headers.get(LAST_EVENT_ID).filter(|field| !field.is_empty()) else {
        return Ok(None);
    };
    let seq = field.to_str().ok().and_then(|text| text.parse().ok());
    let malformed = || Failure::new(Code::InvalidHeader, "`Last-Event-ID` is the `seq` of an event");
    seq.map(|seq| Some(After::Seq(seq))).ok_or_else(malformed)
}

/// Answers with the events that `query` wants, and with those to come.
pub(super) async fn answer(
    app: App,
    actor: &Actor,
    workspace: WorkspaceId,
    query: EventQuery,
) -> Result<Response, Failure> {
    let mut follower = app.engine().follow(actor, workspace).await?;
    // What is wrong with the question is told with a status, so the first page comes before the answer's head.
    let first = follower.read(&query).await?;
    let feed =
        Feed { heartbeat: app.limits().heartbeat, app, follower, query, sent: Instant::now(), told: 0 };
    let chunks = stream::unfold((feed, Some(first)), |(mut feed, first)| async move {
        let chunk = match first {
            Some(page) => feed.begin(&page),
            None => feed.next().await?,
        };
        Some((Ok::<_, Infallible>(chunk), (feed, None)))
    });
    let headers =
        [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// A stream under way.
struct Feed {
    app: App,
    follower: Follower,
    query: EventQuery,
    heartbeat: Duration,
    /// When something was last sent.
    sent: Instant,
    /// The last place that the reader was told of.
    told: u64,
}

impl Feed {
    fn begin(&mut self, page: &EventPage) -> Bytes {
        let mut text = format!("retry: {RETRY}\n");
        if page.items.is_empty() {
            self.tell_place(&mut text, page);
        }
        text.push('\n');
        self.write(text, page)
    }

    /// Returns what is to be sent next, once there is something; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let silence = self.heartbeat.saturating_sub(self.sent.elapsed());
            tokio::select! {
                biased;
                () = self.app.closing() => return None,
                () = self.follower.changed(silence) => {}
            }
            let page = match self.follower.read(&self.query).await {
                Ok(page) => page,
                Err(error) => {
                    match error.kind() {
                        ErrorKind::Unauthenticated | ErrorKind::NotFound => {
                            tracing::debug!(%error, "a stream of events ends");
                        }
                        _ => tracing::warn!(error = chain(&error), "a stream of events broke off"),
                    }
                    return None;
                }
            };
            if !page.items.is_empty() {
                return Some(self.write(String::new(), &page));
            }
            self.query.after = Some(page.reached().into());
            if self.sent.elapsed() >= self.heartbeat {
                let mut text = ":\n".to_owned();
                self.tell_place(&mut text, &page);
                text.push('\n');
                return Some(self.write(text, &page));
            }
        }
    }

    /// Says how far the log was looked at, so that who comes again need not go there once more.
    fn tell_place(&mut self, text: &mut String, page: &EventPage) {
        let reached = page.reached();
        if reached > self.told {
            line(text, "id", reached);
            self.told = reached;
        }
    }

    fn write(&mut self, mut text: String, page: &EventPage) -> Bytes {
        for event in &page.items {
            write(&mut text, event);
            self.told = event.seq;
        }
        self.query.after = Some(page.reached().into());
        self.sent = Instant::now();
        text.into()
    }
}

fn line(text: &mut String, field: &str, value: impl std::fmt::Display) {
    // A string takes whatever is written to it.
    let _never = writeln!(text, "{field}: {value}");
}

fn write(text: &mut String, event: &Event) {
    line(text, "id", event.seq);
    line(text, "event", &event.r#type);
    line(text, "data", serde_json::to_string(event).unwrap_or_default());
    text.push('\n');
}
