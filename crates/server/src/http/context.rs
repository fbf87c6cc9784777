//! What is known of a request: where it comes from, and who it turned out to be from. The audit log tells both of whatever
//! comes of the request.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use longshore_engine::{Actor, Engine, Origin};

use super::app::App;
use super::forwarded::Source;
use crate::problem::Failure;

/// What is known of the request. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    origin: Arc<Origin>,
    who: Arc<OnceLock<Actor>>,
}

impl Context {
    pub(super) fn new(id: &str, request: &Request) -> Self {
        let extensions = request.extensions();
        let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
        let origin = Origin {
            request_id: Some(id.to_owned()),
            address: extensions.get::<Source>().map(|source| source.0.to_canonical()),
            // As the document has it, where a tail is a name like any other.
            route: route.map(|route| format!("{} {}", request.method(), route.replace("{*", "{"))),
        };
        Self { origin: Arc::new(origin), who: Arc::default() }
    }

    /// Returns what is known of the request whose parts these are.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    pub(super) fn origin(&self) -> Arc<Origin> {
        Arc::clone(&self.origin)
    }

    /// Says who asks, and returns them as who acts in this request.
    pub(super) fn by(&self, actor: Actor) -> Actor {
        self.who.get_or_init(|| actor).clone().in_request(self.origin())
    }

    /// Tells whether somebody has shown who they are.
    pub(super) fn is_known(&self) -> bool {
        self.who.get().is_some()
    }

    /// Has the audit log know of a refusal, if this is one of a right.
    pub(super) fn note(&self, engine: &Engine, failure: &Failure) {
        engine.note_refusal(failure.error(), self.who.get(), &self.origin);
    }
}

impl FromRequestParts<App> for Context {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        Ok(Self::of(parts))
    }
}
