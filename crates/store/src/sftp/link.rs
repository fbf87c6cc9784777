//! What a session shares with its two tasks: requests on their way out, and who waits for which answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::fault::{Answer, Fault};
use super::session::{Handle, Reply, Session};
use super::upkeep::{Running, Upkeep};
use super::wire::{Request, kind};

/// A request that is older than so many times the time in which the server must say something was passed over.
const PASSED_OVER: u32 = 8;

/// The number of the first packet is the version that both speak.
const VERSION: u32 = 3;

/// Who gets an answer.
pub(super) enum Asker {
    Task {
        answer: oneshot::Sender<Answer<Reply>>,
        _place: Option<OwnedSemaphorePermit>,
        /// The session a handle belongs to, while one is being opened: `close` waits for it.
        opens: Option<(Arc<Session>, Running)>,
    },
    /// Nobody, but `close` waits for it. A temporary file is remembered if no answer comes.
    Nobody { running: Running, temporary: Option<String> },
}

/// A request whose answer has not come.
pub(super) struct Waiter {
    asker: Asker,
    since: Instant,
    /// Where content goes, after what is there already, and how much of it was asked for.
    pub(super) into: Option<(BytesMut, usize)>,
}

impl Waiter {
    /// Gives the answer to who asked, if somebody still does.
    pub(super) fn answer(self, reply: Answer<Reply>) {
        if let Asker::Task { answer, .. } = self.asker {
            // Who does not want it any more drops it; a handle among it closes itself.
            answer.send(reply).ok();
        }
    }

    /// Gives a handle to who asked for one.
    pub(super) fn answer_handle(mut self, id: Bytes) {
        let opens = match &mut self.asker {
            Asker::Task { opens, .. } => opens.take(),
            Asker::Nobody { .. } => None,
        };
        let Some((session, running)) = opens else { return self.answer(Err(Fault::NONSENSE)) };
        self.answer(Ok(Reply::Handle(Handle::new(session, id))));
        // Not before: a handle that nobody took has begun to be closed by now, which `close` waits for as well.
        drop(running);
    }
}

#[derive(Default)]
struct Outgoing {
    pieces: Vec<Bytes>,
    open: BytesMut,
}

struct State {
    /// Why the session has ended, once it has.
    ended: Option<&'static str>,
    next: u32,
    waiting: HashMap<u32, Waiter>,
    outgoing: Outgoing,
    /// When the server last said something, or began to owe an answer.
    heard: Instant,
}

/// What a session shares with its tasks.
pub(super) struct Link {
    state: Mutex<State>,
    has_outgoing: Notify,
    places: Arc<Semaphore>,
    pub(super) upkeep: Arc<Upkeep>,
}

impl Link {
    pub(super) fn new(requests: usize, upkeep: Arc<Upkeep>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                ended: None,
                next: 16,
                waiting: HashMap::new(),
                outgoing: Outgoing::default(),
                heard: Instant::now(),
            }),
            has_outgoing: Notify::new(),
            places: Arc::new(Semaphore::new(requests.clamp(1, Semaphore::MAX_PERMITS))),
            upkeep,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is whole at each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request into what goes out next.
    pub(super) fn put(
        &self,
        asker: Asker,
        what: u8,
        into: Option<(BytesMut, usize)>,
        content: Option<Bytes>,
        fill: impl FnOnce(&mut Request<'_>),
    ) {
        let mut state = self.state();
        if let Some(why) = state.ended {
            drop(state);
            self.lose(Waiter { asker, since: Instant::now(), into: None }, why);
            return;
        }
        let id = if what == kind::INIT { VERSION } else { state.next };
        // Numbers of requests that still wait are not used again.
        state.next = (id.wrapping_add(1)).max(16);
        while state.waiting.contains_key(&state.next) {
            state.next = state.next.wrapping_add(1).max(16);
        }
        let mut request = Request::begin(&mut state.outgoing.open, what, id);
        fill(&mut request);
        request.end(content.as_ref().map_or(0, Bytes::len));
        if let Some(content) = content {
            let head = state.outgoing.open.split().freeze();
            state.outgoing.pieces.push(head);
            state.outgoing.pieces.push(content);
        }
        let now = Instant::now();
        if state.waiting.is_empty() {
            state.heard = now;
        }
        state.waiting.insert(id, Waiter { asker, since: now, into });
        drop(state);
        self.has_outgoing.notify_one();
    }

    /// Waits for what is to go out, and takes it. Nothing once the session has ended and all is out.
    pub(super) async fn outgoing(&self) -> Option<Vec<Bytes>> {
        loop {
            {
                let mut state = self.state();
                let mut pieces = std::mem::take(&mut state.outgoing.pieces);
                if !state.outgoing.open.is_empty() {
                    pieces.push(state.outgoing.open.split().freeze());
                }
                if !pieces.is_empty() {
                    return Some(pieces);
                }
                if state.ended.is_some() {
                    return None;
                }
            }
            self.has_outgoing.notified().await;
        }
    }

    /// Returns why the session has ended, if it has.
    pub(super) fn ended(&self) -> Option<&'static str> {
        self.state().ended
    }

    /// Waits until there is room for one request more.
    pub(super) async fn place(&self) -> Answer<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| Fault::Broken(self.ended().unwrap_or("the session has ended")))
    }

    /// Notes that the server is there.
    pub(super) fn heard(&self) {
        self.state().heard = Instant::now();
    }

    /// Takes out who waits for an answer.
    pub(super) fn take(&self, id: u32) -> Option<Waiter> {
        self.state().waiting.remove(&id)
    }

    /// Tells whether content is awaited by `id`.
    pub(super) fn takes_content(&self, id: u32) -> bool {
        self.state().waiting.get(&id).is_some_and(|waiter| waiter.into.is_some())
    }

    /// Tells whether the server has owed an answer for longer than `most`, or the session has ended and the last requests have
    /// had their time to leave.
    pub(super) fn is_stalled(&self, most: Duration) -> bool {
        let state = self.state();
        let waits = !state.waiting.is_empty() || state.ended.is_some();
        let oldest = || state.waiting.values().map(|waiter| waiter.since.elapsed()).max().unwrap_or_default();
        waits && (state.heard.elapsed() > most || oldest() > most * PASSED_OVER)
    }

    /// Ends the session: who waits for an answer learns it.
    pub(super) fn end(&self, why: &'static str) {
        let mut state = self.state();
        if state.ended.is_none() {
            state.ended = Some(why);
            state.heard = Instant::now();
        }
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.places.close();
        for waiter in waiting.into_values() {
            self.lose(waiter, why);
        }
        self.has_outgoing.notify_one();
    }

    /// Tells who asked that no answer comes.
    fn lose(&self, waiter: Waiter, why: &'static str) {
        match waiter.asker {
            Asker::Task { answer, .. } => drop(answer.send(Err(Fault::Broken(why)))),
            Asker::Nobody { running, temporary } => {
                if let Some(temporary) = temporary {
                    self.upkeep.remember(temporary);
                }
                drop(running);
            }
        }
    }
}
