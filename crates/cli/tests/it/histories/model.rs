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
    /// Done before.
    Done,
    /// Somebody else's lock is in the way.
    Locked,
    /// The grant is no more.
    Lost,
    /// The content of this write; none was ever written.
    Content(Option<Id>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) id: Id,
    pub(super) act: Act,
    pub(super) saw: Saw,
}

/// A file: its fence, its lease, its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct File {
    fence: u64,
    /// The operation that was granted the lock, and the one that began or last renewed the lease.
    held: Option<(Id, Id)>,
    /// A bit for each grant that its holder gave back.
    released: [u64; 5],
    content: Option<Id>,
}

impl File {
    /// Does what is asked and says what that shows.
    fn step(&mut self, op: Op) -> Saw {
        let holds = |grant| self.held.is_some_and(|(held, _)| held == grant);
        match op.act {
            Act::Acquire if self.held.is_some() => Saw::Locked,
            Act::Acquire => {
                self.fence += 1;
                self.held = Some((op.id, op.id));
                Saw::Fence(self.fence)
            }
            Act::Renew(grant) if holds(grant) => {
                self.held = Some((grant, op.id));
                Saw::Fence(self.fence)
            }
            Act::Release(grant) if holds(grant) => {
                self.held = None;
                self.released[grant as usize / 64] |= 1 << (grant % 64);
                Saw::Done
            }
            Act::Release(grant) if self.released[grant as usize / 64] & (1 << (grant % 64)) != 0 => Saw::Done,
            Act::Break(grant) if holds(grant) => {
                self.fence += 1;
                self.held = None;
                Saw::Done
            }
            Act::Renew(_) | Act::Release(_) | Act::Break(_) => Saw::Lost,
            Act::Write(Some(grant)) if !holds(grant) => Saw::Lost,
            Act::Write(None) if self.held.is_some() => Saw::Locked,
            Act::Write(_) => {
                self.content = Some(op.id);
                Saw::Fence(self.fence)
            }
            Act::Read => Saw::Content(self.content),
            Act::Expire(lease) => {
                self.held = self.held.filter(|(_, renewed)| *renewed != lease);
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
        let shows = next.step(*op);
        (op.saw == Saw::Nothing || op.saw == shows, next)
    }
}

/// Says whether one file could have answered all this, each operation at one moment between its call and its answer.
pub(super) fn is_linearizable(history: History<Op>) -> bool {
    WGLChecker::<Model>::is_linearizable(history)
}
