//! The client: one request, repeated where that is safe.

mod call;
mod tries;
mod verbs;
pub(crate) mod visit;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, IF_MATCH, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use longshore_core::wire::{Me, Status, Workspace};
use longshore_core::{LockToken, NodeId, WorkspaceId};
use longshore_flow::{Budget, Gate, RetryPolicy, Tasks};
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

pub(crate) use self::call::{Call, Lane};
use self::call::{OwnKey, new_key};
pub(crate) use self::tries::{Retried, Tries, half_left};
use self::visit::Visit;
use crate::config::{Base, Builder};
use crate::error::{Error, Result};
use crate::lock::table::Table;
use crate::lock::{MOST_NAMED, Named};
use crate::transfer::line::Line;
use crate::transfer::slots::Slots;
use crate::transport::answer::Answer;
use crate::transport::body::{Body, Sending};
use crate::transport::connect::Connector;
use crate::transport::pool::Pool;

/// The longest JSON answer that is read: a page of 1,000 nodes with all the metadata they may have.
const MAX_JSON: usize = 32 * 1024 * 1024;
/// The longest error answer that is read.
const MAX_PROBLEM: usize = 64 * 1024;
/// How long a server that could not be reached, patiently tried, is taken for gone.
const GONE: Duration = Duration::from_secs(10);

/// The header in which a write names its locks.
pub(crate) const LOCK_TOKEN: HeaderName = HeaderName::from_static("lock-token");
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The Longshore client. Clones share connections, pauses and settings.
///
/// All of its futures are safe to drop: a transfer that is dropped stops, and leaves no half file here and no
/// half version there, but for what a later download goes on with ([`crate::DownloadOptions::resume`]). What had moved
/// whole by then may come to stand all the same; who must know looks.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// The locks that each write may be under: see [`Client::under`].
    under: Arc<[LockToken]>,
    /// The key that the next write carries: see [`Client::with_idempotency_key`].
    own_key: Option<Arc<OwnKey>>,
    /// The share link that all requests are about: see [`crate::Visitor`].
    visit: Option<Arc<Visit>>,
}

struct Inner {
    base: Base,
    pool: Arc<Pool>,
    gate: Gate,
    retry: RetryPolicy,
    /// What retries all verbs have left together.
    budget: Budget,
    concurrency: usize,
    current: OnceCell<WorkspaceId>,
    /// Closed while it is known that no connection comes about: see [`Tries::again`].
    reachable: Gate,
    held: Table,
    tasks: Tasks,
    idle_limit: Duration,
    slots: Slots,
    line: Line,
    /// Room for one list of chunks.
    comparing: Semaphore,
}

impl Client {
    pub(crate) fn new(settings: &Builder, base: Base, connector: Connector) -> Self {
        let inner = Inner {
            base,
            pool: Pool::new(connector, settings.timeouts.idle),
            gate: Gate::new(),
            retry: settings.retry,
            budget: Budget::default(),
            concurrency: settings.concurrency,
            current: OnceCell::new(),
            reachable: Gate::new(),
            held: Table::default(),
            tasks: Tasks::new(),
            idle_limit: settings.timeouts.idle,
            slots: Slots::new(settings.concurrency),
            line: Line::new(settings.limit_rate),
            comparing: Semaphore::new(1),
        };
        Self { inner: Arc::new(inner), under: Arc::default(), own_key: None, visit: None }
    }

    /// Makes a client of the environment: `LONGSHORE_URL` and `LONGSHORE_API_KEY`.
    pub fn from_env() -> Result<Self> {
        Builder::from_env()?.build()
    }

    /// Starts a client's settings.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns who asks, and by which key.
    pub async fn me(&self) -> Result<Me> {
        self.json(Call::get("/v1/me".to_owned())).await
    }

    /// Returns what the server says of itself.
    pub async fn status(&self) -> Result<Status> {
        self.json(Call::get("/v1/status".to_owned())).await
    }

    /// Returns this client with locks that all its writes may be under, beside those it has already.
    ///
    /// Each write names all of them, so that none is made once one is lost; those that turn out to cover nothing of
    /// it are left out, and it is sent again. A stream that was read already cannot be sent again. Another lock is
    /// asked for without those that are lost.
    #[must_use]
    pub fn under(&self, locks: impl IntoIterator<Item = LockToken>) -> Self {
        let mut under = self.under.to_vec();
        for lock in locks {
            // A lock that is named twice is covered by one of the two, and the other is named in vain.
            if !under.contains(&lock) {
                under.push(lock);
            }
        }
        Self { under: under.into(), ..self.clone() }
    }

    /// Returns this client with the `Idempotency-Key` that its next write carries, in place of one that it makes.
    ///
    /// That is for a program that may die before it hears the answer. It keeps the key before it writes; started
    /// anew, it sends the same write under the same key, which within a day gives the first answer again and has no
    /// second effect. A key is 1 to 255 visible ASCII characters that nobody else uses.
    ///
    /// It goes with one write. A second one of the returned client, or of a clone of it, is refused here; one of
    /// another client that was given the same key the server refuses ([`Code::IdempotencyMismatch`]), unless it is
    /// the same write. Verbs of more than one write, which are those that wait for a lock or hold one, take none.
    ///
    /// [`Code::IdempotencyMismatch`]: longshore_core::Code::IdempotencyMismatch
    pub fn with_idempotency_key(&self, key: impl AsRef<str>) -> Result<Self> {
        let own_key = Some(Arc::new(OwnKey::new(key.as_ref())?));
        Ok(Self { own_key, ..self.clone() })
    }

    /// Returns the key of one write: the caller's own, if there is one, or a new one.
    pub(crate) fn write_key(&self) -> Result<HeaderValue> {
        self.own_key.as_ref().map_or_else(|| Ok(new_key()), |own| own.take())
    }

    /// Tells whether the next write carries a key of the caller's.
    pub(crate) fn has_own_key(&self) -> bool {
        self.own_key.is_some()
    }

    /// Refuses the caller's own key for a verb that makes more than one write.
    pub(crate) fn ensure_no_own_key(&self) -> Result<()> {
        if self.own_key.is_none() {
            return Ok(());
        }
        Err(Error::invalid(
            "waiting for a lock, or holding one, takes more than one write: `acquire` takes a key",
        ))
    }

    /// Makes a write. It carries a key, by which the server knows it again: sent twice, it happens once, and has one
    /// answer, whatever others do in between.
    pub(crate) fn write(&self, method: Method, path: String) -> Result<Call> {
        Ok(Call::keyed(method, path, self.write_key()?))
    }

    /// Returns the locks that a write to, or into, these nodes names.
    pub(crate) fn locks_on(&self, nodes: impl IntoIterator<Item = NodeId>) -> Named {
        let mut own: Vec<_> = nodes.into_iter().filter_map(|node| self.held().token(node)).collect();
        own.dedup();
        Named::new(own, &self.under)
    }

    /// Returns the locks that are held beside those of `nodes`, the surest first.
    pub(crate) fn others_held(&self, nodes: &[NodeId]) -> Vec<LockToken> {
        self.with_under(self.held().others(nodes))
    }

    /// Returns the locks that a write to any nodes of a workspace may be under.
    pub(crate) fn locks_in(&self, workspace: WorkspaceId) -> Named {
        Named::new(Vec::new(), &self.with_under(self.held().of_workspace(workspace)))
    }

    /// Returns the locks of [`Self::under`] and then others, together as many as a request may name.
    fn with_under(&self, others: Vec<LockToken>) -> Vec<LockToken> {
        let mut all = self.under.to_vec();
        let room = MOST_NAMED.saturating_sub(all.len());
        all.extend(others.into_iter().filter(|token| !self.under.contains(token)).take(room));
        all
    }

    /// Returns the locks that this lock alone, named by who writes, makes together with those of [`Self::under`].
    pub(crate) fn locks_named(&self, lock: &LockToken) -> Named {
        Named::new(vec![lock.clone()], &self.under)
    }

    pub(crate) fn held(&self) -> &Table {
        &self.inner.held
    }

    /// Returns the tasks that renew locks; each ends with its guard.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    /// Returns what the server is known by: its name and the path before every route.
    pub(crate) fn server(&self) -> (&HeaderValue, &str) {
        (&self.inner.base.host, &self.inner.base.prefix)
    }

    pub(crate) fn idle_limit(&self) -> Duration {
        self.inner.idle_limit
    }

    /// Returns the room for requests of large transfers, which all of them share.
    pub(crate) fn slots(&self) -> &Slots {
        &self.inner.slots
    }

    /// Returns what uploads have shown of the line to the server.
    pub(crate) fn line(&self) -> &Line {
        &self.inner.line
    }

    /// Returns the room for comparing a file with a list of chunks, which all of the client's uploads share.
    pub(crate) fn comparing(&self) -> &Semaphore {
        &self.inner.comparing
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.inner.concurrency
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        self.inner.retry
    }

    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries::new(&self.inner, None)
    }

    /// Returns attempts the pauses between which leave time for another before `until`.
    pub(crate) fn tries_until(&self, until: Option<Instant>) -> Tries<'_> {
        Tries::new(&self.inner, until)
    }

    /// Returns `workspace`, or the key's current one, which is asked for once.
    pub(crate) async fn workspace(&self, workspace: Option<WorkspaceId>) -> Result<WorkspaceId> {
        if let Some(id) = workspace {
            return Ok(id);
        }
        self.inner
            .current
            .get_or_try_init(async || {
                let call = Call::get("/v1/workspaces/current".to_owned());
                self.json::<Workspace>(call).await.map(|found| found.id)
            })
            .await
            .copied()
    }

    /// Returns the path of what a workspace has, which is the key's current one where none is named.
    pub(crate) fn path_in(
        &self,
        workspace: Option<WorkspaceId>,
        rest: String,
    ) -> impl Future<Output = Result<String>> + Send + use<> {
        let client = self.clone();
        async move {
            let workspace = client.workspace(workspace).await?;
            Ok(format!("/v1/workspaces/{workspace}/{rest}"))
        }
    }

    /// Returns the whole URL of a path on this client's server; what is whole already stays.
    pub(crate) fn absolute(&self, path: &str) -> String {
        if !path.starts_with('/') {
            return path.to_owned();
        }
        let base = &self.inner.base;
        format!("{}{}{path}", base.origin, base.prefix)
    }

    /// Makes a request with what every request has.
    pub(crate) fn request(&self, method: Method, path: &str, body: Body) -> Result<Request<Body>> {
        let base = &self.inner.base;
        let target = if base.prefix.is_empty() {
            Bytes::copy_from_slice(path.as_bytes())
        } else {
            format!("{}{path}", base.prefix).into()
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_maybe_shared(target)
            .map_err(|error| Error::invalid(format!("{path:?} makes no URL: {error}")))?;
        let headers = request.headers_mut();
        headers.insert(HOST, base.host.clone());
        headers.insert(USER_AGENT, base.user_agent.clone());
        if let Some(authorization) = &base.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    /// Waits out the pause that the server asked the whole client for; fails where that is longer than is waited here.
    async fn keep_pause(&self) -> Result<()> {
        // It may become longer while this sleeps.
        while let Some(rest) = self.inner.gate.closed_for() {
            if rest > self.inner.retry.retry_after_cap {
                return Err(Error::left_alone(rest));
            }
            tokio::time::sleep(rest).await;
        }
        Ok(())
    }

    /// Sends a request once, and makes an error of an answer that refuses it. That of a visit whose grant has ended goes
    /// again with another.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
        sending: Option<Arc<Sending>>,
        lane: Lane,
    ) -> Result<Answer> {
        match &self.visit {
            // Both are large, and whoever awaits them should carry neither.
            Some(visit) => Box::pin(visit.send(request, sending, lane)).await,
            None => Box::pin(self.exchange(request, sending, lane)).await,
        }
    }

    async fn exchange(
        &self,
        request: Request<Body>,
        sending: Option<Arc<Sending>>,
        lane: Lane,
    ) -> Result<Answer> {
        if !matches!(lane, Lane::Urgent(_)) {
            self.keep_pause().await?;
        }
        let mut answer = self.inner.pool.send(request, sending).await?;
        self.inner.reachable.open();
        if answer.status().is_success() {
            self.inner.budget.succeeded();
            return Ok(answer);
        }
        // The head alone says what to do; a body that cannot be read takes nothing from that.
        let body = answer.collect(MAX_PROBLEM).await.unwrap_or_default();
        let error = Error::refused(&answer.head, &body);
        if let Some(pause) = lane.pause_of_all(&error) {
            self.inner.gate.close_for(pause);
        }
        Err(error)
    }

    /// Sends a small request, as often as is needed and safe, and gives the whole answer's body.
    async fn call(&self, mut call: Call) -> Result<Bytes> {
        let mut tries = self.tries_until(call.lane.until());
        loop {
            match self.attempt(&call).await {
                Ok(body) => return Ok(body),
                Err(error) => {
                    if call.locks.leave_out(&error) {
                        continue;
                    }
                    tries.again(error).await?;
                }
            }
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Bytes> {
        let body = call.json.clone().map_or(Body::Empty, Body::Whole);
        let mut request = self.request(call.method.clone(), &call.path, body)?;
        let headers = request.headers_mut();
        if call.json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(value) = &call.if_match {
            headers.insert(IF_MATCH, value.clone());
        }
        if let Some(value) = call.locks.header()? {
            headers.insert(LOCK_TOKEN, value);
        }
        if let Some(value) = &call.idempotency {
            headers.insert(IDEMPOTENCY_KEY, value.clone());
        }
        self.send(request, None, call.lane).await?.collect(MAX_JSON).await
    }

    /// Calls for a JSON answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        parse(&self.call(call).await?)
    }

    /// Calls once, whatever comes, for a JSON answer.
    pub(crate) async fn json_once<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        parse(&self.attempt(&call).await?)
    }

    /// Calls for an answer without a body.
    pub(crate) async fn done(&self, call: Call) -> Result<()> {
        self.call(call).await.map(drop)
    }
}

/// Reads the JSON body of a good answer.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| Error::unreadable(format!("the answer cannot be read: {error}"), 200))
}

/// Reads the JSON body of an answer that has arrived.
pub(crate) async fn read<T: DeserializeOwned>(answer: &mut Answer) -> Result<T> {
    parse(&answer.collect(MAX_JSON).await?)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.inner.base.host)
            .field("prefix", &self.inner.base.prefix)
            .field("concurrency", &self.inner.concurrency)
            .finish_non_exhaustive()
    }
}
