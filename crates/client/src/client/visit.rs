//! The way behind a share link: the grant that goes with every request of its visitors, and another one when that has ended.
//!
//! What the URL of the link holds is a secret, so no error that leaves here tells it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::{HOST, HeaderName};
use http::{HeaderValue, Method, Request};
use longshore_core::wire::{HiddenText, OpenShare, OpenedShare, SeenShare};
use longshore_core::{Code, ShareToken};
use tokio::sync::OnceCell;

use super::{Call, Client, Lane};
use crate::config::Builder;
use crate::error::{Error, Result};
use crate::transport::answer::Answer;
use crate::transport::body::{Body, Sending};

pub(crate) const SHARE_GRANT: HeaderName = HeaderName::from_static("share-grant");

/// A share link, as who has it goes through it.
pub(crate) struct Visit {
    /// A client of the link's server that shows no grant, and no key.
    plain: Client,
    /// What another client is made with, where content has an origin of its own.
    settings: Builder,
    token: ShareToken,
    password: Option<HiddenText>,
    /// The visit under way; all who need one wait for the same.
    entry: Mutex<Arc<OnceCell<Arc<Entry>>>>,
    /// The client of the content's own origin, once the server has led there.
    content: OnceLock<Client>,
}

/// A link that was opened.
pub(crate) struct Entry {
    pub(crate) opened: OpenedShare,
    /// What shows it.
    pub(crate) grant: HeaderValue,
}

impl Visit {
    pub(crate) fn new(plain: Client, settings: Builder, token: ShareToken) -> Self {
        let (entry, content) = (Mutex::default(), OnceLock::new());
        Self { plain, settings, token, password: None, entry, content }
    }

    /// Returns the same link to be opened with a password.
    pub(crate) fn with_password(&self, password: HiddenText) -> Self {
        let (plain, settings) = (self.plain.clone(), self.settings.clone());
        Self { password: Some(password), ..Self::new(plain, settings, self.token.clone()) }
    }

    /// Returns the route of what is behind the link.
    pub(crate) fn route(&self, rest: &str) -> String {
        format!("/v1/shares/{}{rest}", self.token.reveal())
    }

    /// Takes the secret out of an error.
    fn hide(&self, error: Error) -> Error {
        error.hiding(self.token.reveal())
    }

    /// Asks what the link is for, which takes no visit.
    pub(crate) async fn look(&self) -> Result<SeenShare> {
        let seen = self.plain.json(Call::get(self.route(""))).await;
        seen.map_err(|error| self.hide(error))
    }

    fn cell(&self) -> MutexGuard<'_, Arc<OnceCell<Arc<Entry>>>> {
        // It is set in one step, whoever panicked.
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the visit under way, or begins one.
    pub(crate) async fn entry(&self) -> Result<Arc<Entry>> {
        let cell = Arc::clone(&self.cell());
        let entry = cell.get_or_try_init(|| self.open()).await?;
        Ok(Arc::clone(entry))
    }

    /// Notes that a visit has ended, unless another has begun already.
    pub(crate) fn leave(&self, ended: &Arc<Entry>) {
        let mut cell = self.cell();
        if cell.get().is_some_and(|entry| Arc::ptr_eq(entry, ended)) {
            *cell = Arc::default();
        }
    }

    /// Opens the link. That an answer is lost only leaves a visit that nobody makes.
    fn open(&self) -> BoxFuture<'_, Result<Arc<Entry>>> {
        let opening = async {
            let wanted = OpenShare { password: self.password.clone() };
            let call = Call::repeatable(Method::POST, self.route("/open")).json(&wanted)?;
            let opened: OpenedShare = self.plain.json(call).await?;
            let mut grant = HeaderValue::from_str(opened.grant.reveal())
                .map_err(|_| Error::unreadable("the grant that came makes no header", 200))?;
            grant.set_sensitive(true);
            Ok(Arc::new(Entry { opened, grant }))
        };
        opening.map(|opened| opened.map_err(|error| self.hide(error))).boxed()
    }

    /// Sends a request with the grant. One that can be repeated goes again where the visit turns out to have ended; who
    /// shows a grant of its own sees to that itself.
    pub(super) async fn send(
        &self,
        mut request: Request<Body>,
        sending: Option<Arc<Sending>>,
        lane: Lane,
    ) -> Result<Answer> {
        if request.headers().contains_key(SHARE_GRANT) {
            let sent = self.exchange(request, sending, lane).await;
            return sent.map_err(|error| self.hide(error));
        }
        let mut spare = copy(&request);
        loop {
            let entry = self.entry().await?;
            request.headers_mut().insert(SHARE_GRANT, entry.grant.clone());
            let error = match self.exchange(request, sending.clone(), lane).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.is(Code::ShareNotOpened) {
                self.leave(&entry);
                if let Some(again) = spare.take() {
                    request = again;
                    continue;
                }
            }
            return Err(self.hide(error));
        }
    }

    /// Sends a request to the server, or to the origin that gives its content.
    async fn exchange(
        &self,
        request: Request<Body>,
        sending: Option<Arc<Sending>>,
        lane: Lane,
    ) -> Result<Answer> {
        let Some(spare) = copy(&request).filter(|request| self.gives_bytes(request)) else {
            return self.plain.exchange(request, sending, lane).await;
        };
        let content = match self.content.get() {
            Some(content) => content,
            None => match self.plain.exchange(request, sending, lane).await {
                Err(error) if error.status() == Some(307) => {
                    let there = self.content_client(&error, &spare)?;
                    self.content.get_or_init(|| there)
                }
                sent => return sent,
            },
        };
        let mut request = content.request(spare.method().clone(), self.below(&spare), Body::Empty)?;
        let headers = spare.headers().iter().filter(|(name, _)| *name != HOST);
        request.headers_mut().extend(headers.map(|(name, value)| (name.clone(), value.clone())));
        content.exchange(request, None, lane).await
    }

    /// Returns a request's route: what follows the path of the server's own URL.
    fn below<'a>(&self, request: &'a Request<Body>) -> &'a str {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        target.strip_prefix(self.plain.server().1).unwrap_or(target)
    }

    fn gives_bytes(&self, request: &Request<Body>) -> bool {
        let path = self.below(request).split('?').next().unwrap_or_default();
        path == self.route("/content") || path == self.route("/archive")
    }

    /// Makes the client of the origin that a redirect leads to: the same route elsewhere, and nowhere else is gone to.
    fn content_client(&self, redirect: &Error, request: &Request<Body>) -> Result<Client> {
        let is_safe =
            |base: &&str| base.starts_with("https://") || !self.plain.absolute("/").starts_with("https://");
        let base = redirect.location().and_then(|url| url.strip_suffix(self.below(request))).filter(is_safe);
        let base = base.ok_or_else(|| {
            Error::unreadable("the server leads to something else than the link's content", 307)
        })?;
        self.settings.clone().url(base).build()
    }
}

/// Returns a request that can be repeated once more; nothing for what has a body.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    if !matches!(request.body(), Body::Empty) || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let mut copy = Request::new(Body::Empty);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

impl Client {
    /// Returns this client as one that visits a share link.
    pub(crate) fn visiting(&self, visit: Arc<Visit>) -> Self {
        Self { visit: Some(visit), ..self.clone() }
    }
}
