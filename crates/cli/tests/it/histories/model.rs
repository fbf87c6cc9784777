//! What a file with a lock has to do, as a machine of one thread, and the question whether a history could be its.

use todc_utils::{History, Specification, WGLChecker};

/// The number of an operation in its history.
pub(super) type Id = u32;

/// What is asked for. A grant is named by the operation that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Acquire,
    Renew(Id),
    Release(Id),
    Break(Id),
    /// Writes a content that is this operation's alone, with the token of a grant or with none.
    Write(Option<Id>),
    Read,
    /// Nobody's request: the lease that this operation began or renewed is over.
    Expire(Id),
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saw {
    /// Nothing: it may have been done, or not, or be done later.
    Nothing,
    /// Done, under this fence.
    Fence(u64),
    /// Granted, and over by now: under which fence nobody saw.
    Granted,
    /// That it was not done and never will be.
    Undone,
    /// Done, now or before.
    Done,
    /// Somebody's lock is in the way.
    Locked,
    /// No lock is in the way, but somebody who waits for it.
    Queued,
    /// The grant is no more.
    Lost(Loss),
    /// The content of this write; none was ever written.
    Content(Option<Id>),
}

/// Why a grant is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Expired,
    Broken,
    Released,
    Superseded,
}

impl Loss {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "expired" => Some(Self::Expired),
            "broken" => Some(Self::Broken),
            "released" => Some(Self::Released),
            "superseded" => Some(Self::Superseded),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) id: Id,
    pub(super) act: Act,
    pub(super) saw: Saw,
}

/// A grant that was neither given back nor broken nor followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    grant: Id,
    /// The operation that began the lease or last renewed it.
    lease: Id,
    is_over: bool,
}

/// A bit for each operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Bits([u64; 5]);

impl Bits {
    const fn set(&mut self, id: Id) {
        self.0[id as usize / 64] |= 1 << (id % 64);
    }

    const fn has(self, id: Id) -> bool {
        self.0[id as usize / 64] & (1 << (id % 64)) != 0
    }
}

/// A file: its fence, its lock, its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct File {
    fence: u64,
    held: Option<Held>,
    given_back: Bits,
    broken: Bits,
    content: Option<Id>,
}

impl File {
    fn loss(&self, grant: Id) -> Loss {
        match self.held {
            Some(held) if held.grant == grant => Loss::Expired,
            _ if self.broken.has(grant) => Loss::Broken,
            _ if self.given_back.has(grant) => Loss::Released,
            _ => Loss::Superseded,
        }
    }

    /// Does what is asked and says what that shows.
    fn step(&mut self, op: Op) -> Saw {
        let live = self.held.filter(|held| !held.is_over).map(|held| held.grant);
        match op.act {
            Act::Acquire if live.is_some() => Saw::Locked,
            Act::Acquire => {
                self.fence += 1;
                self.held = Some(Held { grant: op.id, lease: op.id, is_over: false });
                Saw::Fence(self.fence)
            }
            Act::Renew(grant) if live == Some(grant) => {
                self.held = Some(Held { grant, lease: op.id, is_over: false });
                Saw::Fence(self.fence)
            }
            Act::Release(grant) if live == Some(grant) => {
                self.held = None;
                self.given_back.set(grant);
                Saw::Done
            }
            Act::Release(grant) if self.given_back.has(grant) => Saw::Done,
            Act::Break(grant) if self.held.is_some_and(|held| held.grant == grant) => {
                self.fence += 1;
                self.held = None;
                self.broken.set(grant);
                Saw::Done
            }
            Act::Break(grant) if self.broken.has(grant) => Saw::Done,
            Act::Renew(grant) | Act::Release(grant) | Act::Break(grant) => Saw::Lost(self.loss(grant)),
            Act::Write(Some(grant)) if live != Some(grant) => Saw::Lost(self.loss(grant)),
            Act::Write(None) if live.is_some() => Saw::Locked,
            Act::Write(_) => {
                self.content = Some(op.id);
                Saw::Fence(self.fence)
            }
            Act::Read => Saw::Content(self.content),
            Act::Expire(lease) => {
                if let Some(held) = self.held.as_mut().filter(|held| held.lease == lease) {
                    held.is_over = true;
                }
                Saw::Nothing
            }
        }
    }
}

pub(super) struct Model;

impl Specification for Model {
    type State = File;
    type Operation = Op;

    fn init() -> File {
        File::default()
    }

    fn apply(op: &Op, file: &File) -> (bool, File) {
        let mut next = file.clone();
        match op.saw {
            // Somebody who came earlier waits for it; that changes nothing, and who waits is not looked at here.
            Saw::Queued | Saw::Undone => (true, next),
            Saw::Nothing => {
                next.step(*op);
                (true, next)
            }
            Saw::Granted => (matches!(next.step(*op), Saw::Fence(_)), next),
            saw => (saw == next.step(*op), next),
        }
    }
}

/// Says whether one file could have answered all this, each operation at one moment between its call and its answer.
pub(super) fn is_linearizable(history: History<Op>) -> bool {
    WGLChecker::<Model>::is_linearizable(history)
}
