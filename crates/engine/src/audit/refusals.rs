//! Refusals: noted in memory, and written in groups by one task, a moment later and when the engine closes.
//!
//! A refused request costs no write of its own, and whoever is refused all the time fills neither the memory nor the log: of
//! each key, session and address so many are written in a minute, and the others are counted and said in one entry. What a
//! crash takes is a moment's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_core::{Code, ErrorKind, Timestamp, WorkspaceId};
use longshore_flow::Tasks;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Entry;
use crate::actor::{Actor, Credential, Origin};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How long refusals are counted together.
const WINDOW: Duration = Duration::from_mins(1);
/// How many of one key or session are written of a window.
const OF_ONE: u64 = 60;
/// How many of one address from which comes no good key.
const OF_ADDRESS: u64 = 10;
/// How many of all such addresses.
const OF_STRANGERS: u64 = 100;
/// How many keys, sessions and addresses are told apart.
const APART: usize = 4_096;
/// How many wait to be written at most; more are counted.
const WAITING: usize = 10_000;
/// How long refusals gather before they are written.
const GATHERED: Duration = Duration::from_secs(1);
/// How many one transaction writes: on SQLite no other write goes on beside it.
const WRITTEN: usize = 512;

/// Who is refused, as far as that bounds what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Known(Credential),
    /// Of IPv6 the first 64 bits, which are one customer's.
    Address(IpAddr),
    /// All those of whom nothing is known, and those who are too many to be told apart.
    Strangers,
}

impl Who {
    fn of(entry: &Entry) -> Self {
        if let Some(credential) = entry.credential {
            return Self::Known(credential);
        }
        match entry.origin.as_ref().and_then(|origin| origin.address) {
            Some(IpAddr::V6(address)) => {
                Self::Address(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into())
            }
            Some(address) => Self::Address(address),
            None => Self::Strangers,
        }
    }

    const fn most(self) -> u64 {
        match self {
            Self::Known(_) => OF_ONE,
            Self::Address(_) => OF_ADDRESS,
            Self::Strangers => OF_STRANGERS,
        }
    }
}

/// What came of somebody of late.
#[derive(Debug)]
struct Window {
    began: Timestamp,
    written: u64,
    /// How many were only counted, and the last of them.
    more: u64,
    last: Option<Box<Entry>>,
    /// The workspace that all of these were about.
    workspace: Option<WorkspaceId>,
}

impl Window {
    fn begin(began: Timestamp) -> Self {
        Self { began, written: 0, more: 0, last: None, workspace: None }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.began) >= WINDOW || now < self.began
    }

    fn count(&mut self, entry: Entry, more: u64) {
        let is_same = self.last.is_none() || self.workspace == entry.workspace;
        self.workspace = if is_same { entry.workspace } else { None };
        self.more += more;
        self.last = Some(Box::new(entry));
    }

    /// Returns the entry that says how many were only counted, if any were.
    fn told(self, who: Who) -> Option<Entry> {
        let Self { began, more, last, workspace, .. } = self;
        let last = *last.filter(|_| more > 0)?;
        let until = last.at;
        let entry = match who {
            Who::Known(_) => {
                let address = last.origin.as_ref().and_then(|origin| origin.address);
                Entry { origin: from(address), ..last }
            }
            Who::Address(address) => Entry { origin: from(Some(address)), principal: None, ..last },
            Who::Strangers => Entry { origin: None, principal: None, credential: None, ..last },
        };
        let facts = json!({ "more": more, "since": began, "until": until });
        Some(Entry { workspace, object: None, facts, ..entry })
    }
}

fn from(address: Option<IpAddr>) -> Option<Arc<Origin>> {
    address.map(|address| Arc::new(Origin { address: Some(address), ..Origin::default() }))
}

#[derive(Debug, Default)]
struct Noted {
    waiting: Vec<Entry>,
    windows: HashMap<Who, Window>,
    /// When those that are over were last looked for because there was no room.
    swept: Option<Timestamp>,
    /// Whether a task is to write them.
    is_due: bool,
}

impl Noted {
    /// Notes a refusal; tells whether a task is needed to write it.
    fn note(&mut self, entry: Entry, now: Timestamp) -> bool {
        let mut who = Who::of(&entry);
        if self.windows.len() >= APART && !self.windows.contains_key(&who) {
            // Looking through all of them is not for each of a flood.
            if self.swept.is_none_or(|swept| now.since(swept) >= GATHERED || now < swept) {
                self.swept = Some(now);
                self.end_windows(|window| window.is_over(now));
            }
            if self.windows.len() >= APART {
                who = Who::Strangers;
            }
        }
        let fits = self.waiting.len() < WAITING;
        let is_strange = !matches!(who, Who::Known(_));
        // All strangers together are bounded too: addresses cost them little.
        let strangers = self.window(Who::Strangers, now);
        let has_room = fits && (!is_strange || strangers.written < OF_STRANGERS);
        let own = self.window(who, now);
        if has_room && own.written < who.most() {
            own.written += 1;
            if is_strange && who != Who::Strangers {
                self.window(Who::Strangers, now).written += 1;
            }
            self.waiting.push(entry);
        } else if has_room || !is_strange {
            own.count(entry, 1);
        } else {
            self.window(Who::Strangers, now).count(entry, 1);
        }
        !std::mem::replace(&mut self.is_due, true)
    }

    /// Returns the window that somebody is in now.
    fn window(&mut self, who: Who, now: Timestamp) -> &mut Window {
        if let Some(over) = self.windows.remove(&who) {
            if over.is_over(now) {
                self.waiting.extend(over.told(who));
            } else {
                self.windows.insert(who, over);
            }
        }
        self.windows.entry(who).or_insert_with(|| Window::begin(now))
    }

    /// Ends windows: what they counted waits to be written too.
    fn end_windows(&mut self, is_over: impl Fn(&Window) -> bool) {
        let over = self.windows.extract_if(|_, window| is_over(window));
        self.waiting.extend(over.filter_map(|(who, window)| window.told(who)));
    }

    /// Takes what is to be written; tells whether more will be.
    fn take(&mut self, is_over: impl Fn(&Window) -> bool) -> (Vec<Entry>, bool) {
        self.end_windows(is_over);
        (std::mem::take(&mut self.waiting), self.windows.values().any(|window| window.more > 0))
    }

    /// Takes back what could not be written; what there is no room for is counted.
    fn take_back(&mut self, mut entries: Vec<Entry>, now: Timestamp) {
        let room = WAITING.saturating_sub(self.waiting.len()).min(entries.len());
        let rest = entries.split_off(room);
        entries.append(&mut self.waiting);
        self.waiting = entries;
        for entry in rest {
            let more = 1 + entry.facts["more"].as_u64().unwrap_or(0);
            self.window(Who::Strangers, now).count(entry, more);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    noted: Mutex<Noted>,
    tasks: Tasks,
    ended: CancellationToken,
}

impl Refusals {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what kind of refusal a code is.
fn kind(code: Code) -> &'static str {
    match code {
        Code::SignInFailed => "sign_in.failed",
        Code::SessionEnded => "session.refused",
        _ if code.kind() == ErrorKind::Unauthenticated => "key.refused",
        _ => "refused",
    }
}

/// Returns the entry of a refusal, if an error is one: whose secret was good is known by the actor, or by the error of who
/// showed one that is good no more.
fn entry(error: &Error, actor: Option<&Actor>, origin: &Arc<Origin>, now: Timestamp) -> Option<Entry> {
    if !error.refuses_a_right() {
        return None;
    }
    let said = error.refusal().cloned().unwrap_or_default();
    let mut entry = Entry {
        code: Some(error.code()),
        workspace: said.workspace,
        principal: said.principal.or(actor.map(|actor| actor.principal)),
        credential: said.credential.or(actor.map(|actor| actor.credential)),
        origin: Some(Arc::clone(origin)),
        ..Entry::new(kind(error.code()), now)
    };
    if let Some(key) = said.claimed {
        entry = entry.with("claimed_key_id", json!(key));
    }
    Some(entry)
}

impl Engine {
    /// Notes why a request was refused, if that was for want of a right; it costs the request no write.
    pub fn note_refusal(&self, error: &Error, actor: Option<&Actor>, origin: &Arc<Origin>) {
        let now = self.now();
        let Some(entry) = entry(error, actor, origin, now) else { return };
        let refusals = self.refusals();
        if !refusals.noted().note(entry, now) {
            return;
        }
        let engine = self.clone();
        refusals.tasks.spawn(async move {
            let ended = engine.refusals().ended.clone();
            while ended.run_until_cancelled(tokio::time::sleep(GATHERED)).await.is_some() {
                match engine.write_refusals().await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        tracing::warn!(%error, "refusals are not in the audit log yet: they are kept for later");
                    }
                }
            }
        });
    }

    /// Writes the refusals that were noted, and how many were only counted where their minute is over; tells whether there will
    /// be more to write.
    pub async fn write_refusals(&self) -> Result<bool> {
        let now = self.now();
        self.write_refusals_of(move |window| window.is_over(now)).await
    }

    async fn write_refusals_of(&self, is_over: impl Fn(&Window) -> bool) -> Result<bool> {
        let (entries, more) = {
            let mut noted = self.refusals().noted();
            let (entries, more) = noted.take(is_over);
            noted.is_due = more || !entries.is_empty();
            (entries, more)
        };
        let mut left = entries.as_slice();
        while !left.is_empty() {
            let (part, rest) = left.split_at(left.len().min(WRITTEN));
            let now_written = part.to_vec();
            let written = self.db().write(move |tx| {
                let part = now_written.clone();
                Box::pin(async move {
                    part.into_iter().for_each(|entry| tx.note(entry));
                    Ok(())
                })
            });
            if let Err(error) = written.await {
                self.refusals().noted().take_back(left.to_vec(), self.now());
                return Err(error);
            }
            left = rest;
        }
        let mut noted = self.refusals().noted();
        noted.is_due = more || !noted.waiting.is_empty();
        Ok(noted.is_due)
    }

    /// Writes all that was noted and counted, for good.
    pub(crate) async fn end_refusals(&self) {
        let refusals = self.refusals();
        // The task ends between two writes: what it has taken it has written.
        refusals.ended.cancel();
        refusals.tasks.close().await;
        if let Err(error) = self.write_refusals_of(|_| true).await {
            tracing::warn!(%error, "the last refusals are not in the audit log");
        }
    }
}

#[cfg(test)]
mod tests;
