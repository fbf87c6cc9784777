//! What the clients of one file asked for and were answered, and when.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use todc_utils::{Action, History};

use super::model::{Act, Id, Op, Saw};

/// How far the servers' clock may run from ours over the time of a lease.
const SLACK: Duration = Duration::from_millis(20);

/// The number of the heartbeat that a write may have been, less the write's own.
const HEARTBEAT: Id = 1_000_000;

/// An operation with the moments between which it happened; without an answer it may happen at any later one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) op: Op,
    pub(super) called: Instant,
    pub(super) answered: Option<Instant>,
}

/// The record of one file.
#[derive(Debug, Default)]
pub(super) struct Record {
    entries: Mutex<Vec<Entry>>,
}

impl Record {
    /// Notes that something is about to be asked for.
    pub(super) fn call(&self, act: Act) -> Id {
        let mut entries = self.entries.lock().unwrap();
        let id = Id::try_from(entries.len()).unwrap();
        let op = Op { id, act, saw: Saw::Nothing };
        entries.push(Entry { op, called: Instant::now(), answered: None });
        id
    }

    /// Notes the answer: what was asked for has happened by now.
    pub(super) fn answer(&self, id: Id, saw: Saw) {
        let mut entries = self.entries.lock().unwrap();
        let entry = &mut entries[id as usize];
        entry.op.saw = saw;
        entry.answered = Some(Instant::now());
    }

    /// Notes that it was not done and never will be.
    pub(super) fn forget(&self, id: Id) {
        self.answer(id, Saw::Undone);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }
}

/// Makes a history of what was recorded, in which every lease also ends: not before its time has passed since it
/// was asked for, and when its time has passed since it was granted.
pub(super) fn history(entries: &[Entry], ttl: Duration) -> History<Op> {
    let end = Instant::now();
    let mut entries = entries.to_vec();
    add_heartbeats(&mut entries, ttl);
    let mut all: Vec<_> = entries.iter().filter_map(|entry| narrowed(entry, &entries)).collect();
    for Entry { op, called, answered } in &entries {
        let grant = match op.act {
            Act::Acquire => op.id,
            Act::Renew(grant) => grant,
            _ => continue,
        };
        let over = *called + ttl - SLACK;
        let known_over = over_by(grant, Some(*answered), &entries);
        if matches!(op.saw, Saw::Fence(_) | Saw::Granted | Saw::Nothing)
            && over < known_over.unwrap_or(end).min(end)
        {
            let op = Op { id: Id::MAX, act: Act::Expire(op.id), saw: Saw::Nothing };
            let answered = answered.map(|at| at + ttl + SLACK);
            all.push(Entry { op, called: over, answered: answered.into_iter().chain(known_over).min() });
        }
    }
    // Each operation is a process of its own, as a client goes on after one that was never answered.
    let mut actions = Vec::new();
    for (process, Entry { op, called, answered }) in all.into_iter().enumerate() {
        actions.push((called, process, Action::Call(op)));
        actions.push((answered.map_or(end, |at| at.min(end)), process, Action::Response(op)));
    }
    actions.sort_by_key(|(at, ..)| *at);
    History::from_actions(actions.into_iter().map(|(_, process, action)| (process, action)).collect())
}

/// Adds what nobody asked for: bytes that come slowly renew the lease of the lock that they come with.
fn add_heartbeats(entries: &mut Vec<Entry>, ttl: Duration) {
    let end = Instant::now();
    for place in 0..entries.len() {
        let Entry { op, called, answered } = entries[place];
        if let Act::Write(Some(grant)) = op.act
            && answered.unwrap_or(end) - called > ttl / 3 - SLACK
        {
            let op = Op { id: HEARTBEAT + op.id, act: Act::Renew(grant), saw: Saw::Nothing };
            entries.push(Entry { op, called, answered: None });
        }
    }
}

/// Narrows when an operation without an answer may have happened, as far as that changes nothing; nothing is left
/// of one whose effect nobody can have seen. The checker's work doubles with each that stays open.
fn narrowed(entry: &Entry, entries: &[Entry]) -> Option<Entry> {
    let by = match entry.op.act {
        _ if entry.op.saw == Saw::Undone => return None,
        _ if entry.answered.is_some() => return Some(*entry),
        Act::Read => return None,
        // Where nobody read it, whoever came next has replaced it.
        Act::Write(_) => {
            let reads = entries.iter().filter(|read| read.op.saw == Saw::Content(Some(entry.op.id)));
            Some(reads.filter_map(|read| read.answered).min()?)
        }
        // Once the grant is over it does nothing, so that it might as well have been done right then.
        Act::Renew(grant) | Act::Release(grant) => over_by(grant, Some(None), entries),
        Act::Break(grant) => over_by(grant, None, entries),
        Act::Acquire | Act::Expire(_) => None,
    };
    Some(Entry { answered: by.map(|by| by.max(entry.called)), ..*entry })
}

/// Returns by when a grant had surely ended, so that it could not even be broken any more; or, where a lease is
/// asked for by when it was answered, by when that lease was surely over or renewed. Nothing where nobody can say.
fn over_by(grant: Id, lease: Option<Option<Instant>>, entries: &[Entry]) -> Option<Instant> {
    let fence = |entry: &Entry| match entry.op {
        Op { act: Act::Acquire, saw: Saw::Fence(fence), .. } => Some(fence),
        _ => None,
    };
    let granted = fence(entries.iter().find(|entry| entry.op.id == grant)?);
    let is_over = |entry: &&Entry| match (entry.op.act, entry.op.saw) {
        (Act::Acquire, Saw::Fence(next)) => granted.is_some_and(|granted| next > granted),
        (Act::Release(of), Saw::Done) | (Act::Break(of), Saw::Done | Saw::Lost(_)) => of == grant,
        (Act::Renew(of) | Act::Release(of) | Act::Write(Some(of)), Saw::Lost(_)) => {
            of == grant && lease.is_some()
        }
        (Act::Renew(of), Saw::Fence(_)) => {
            of == grant && lease.flatten().is_some_and(|answered| entry.called > answered)
        }
        _ => false,
    };
    entries.iter().filter(is_over).filter_map(|entry| entry.answered).min()
}
