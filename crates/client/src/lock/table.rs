//! The locks that a client has taken, so that its later writes to their nodes name them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_core::{LockId, LockToken, NodeId, WorkspaceId};
use tokio::time::Instant;

/// No lock outlives its grant by more than this, however often it is renewed.
const LONGEST_LIFE: Duration = Duration::from_hours(24);
/// From how many locks on the table is cleared of those that nobody gave back.
const MANY: usize = 1_024;

/// The locks of a client, by the node that each is on.
///
/// A lock that was lost stays until it is given back, or until the node is locked anew: who believes to hold it must
/// be refused, and not write without one.
#[derive(Default)]
pub(crate) struct Table(Mutex<HashMap<NodeId, Held>>);

struct Held {
    workspace: WorkspaceId,
    token: LockToken,
    granted: Instant,
    until: Instant,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, node: NodeId, workspace: WorkspaceId, token: LockToken, until: Instant) {
        let mut held = self.lock();
        if held.len() >= MANY {
            held.retain(|_, held| held.granted.elapsed() < LONGEST_LIFE);
        }
        held.insert(node, Held { workspace, token, granted: Instant::now(), until });
    }

    pub(crate) fn prolong(&self, lock: LockId, until: Instant) {
        if let Some(held) = self.lock().values_mut().find(|held| held.token.id() == lock) {
            held.until = until;
        }
    }

    pub(crate) fn remove(&self, lock: LockId) {
        self.lock().retain(|_, held| held.token.id() != lock);
    }

    /// Returns the token of a node's own lock.
    pub(crate) fn token(&self, node: NodeId) -> Option<LockToken> {
        self.lock().get(&node).map(|held| held.token.clone())
    }

    /// Returns the tokens of a workspace's locks, also of those that were lost.
    pub(crate) fn of_workspace(&self, workspace: WorkspaceId) -> Vec<LockToken> {
        let held = self.lock();
        surest_first(held.values().filter(|held| held.workspace == workspace))
    }

    /// Returns the tokens of those that hold as far as is known here, but for those on `wanted`.
    pub(crate) fn others(&self, wanted: &[NodeId]) -> Vec<LockToken> {
        let (held, now) = (self.lock(), Instant::now());
        let others = held.iter().filter(|(node, held)| held.until > now && !wanted.contains(node));
        surest_first(others.map(|(_, held)| held))
    }

    /// Returns the workspace that a lock of the table is in.
    pub(crate) fn workspace_of(&self, lock: LockId) -> Option<WorkspaceId> {
        self.lock().values().find(|held| held.token.id() == lock).map(|held| held.workspace)
    }

    /// Returns until when a lock of the table holds, as far as is known here.
    pub(crate) fn until(&self, lock: LockId) -> Option<Instant> {
        self.lock().values().find(|held| held.token.id() == lock).map(|held| held.until)
    }

    /// Forgets the lock of a node that is gone for good, and its lock with it.
    pub(crate) fn remove_on(&self, node: NodeId) {
        self.lock().remove(&node);
    }
}

/// Returns tokens, those that hold for longest first.
fn surest_first<'a>(held: impl Iterator<Item = &'a Held>) -> Vec<LockToken> {
    let mut held: Vec<_> = held.collect();
    held.sort_by_key(|held| std::cmp::Reverse(held.until));
    held.into_iter().map(|held| held.token.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longshore_core::{LockToken, NodeId, Timestamp, WorkspaceId};
    use tokio::time::Instant;

    use super::Table;

    #[test]
    fn a_lost_lock_is_named_until_it_is_given_back() {
        let table = Table::default();
        let [one, two, three] = [1, 2, 3].map(|number| NodeId::new(Timestamp::from_micros(number)));
        let token = || LockToken::generate(Timestamp::from_micros(1));
        let (lost, held) = (token(), token());
        let [here, there] = [1, 2].map(|number| WorkspaceId::new(Timestamp::from_micros(number)));
        table.put(one, here, lost.clone(), Instant::now());
        table.put(two, there, held.clone(), Instant::now() + Duration::from_secs(9));
        assert_eq!(table.token(one), Some(lost.clone()), "else its holder would write without a lock");
        let named = table.others(&[three]);
        assert!(named.iter().eq([&held]), "a lock is not asked for under one that is lost");
        assert!(table.others(&[two]).is_empty());
        assert!(table.of_workspace(there).iter().eq([&held]));
        assert!(table.of_workspace(here).iter().eq([&lost]), "what may touch its node is refused too");
        // Who locked the node anew keeps that lock when the old one is given back.
        table.put(one, here, held.clone(), Instant::now());
        table.remove(lost.id());
        assert_eq!(table.token(one), Some(held.clone()));
        table.remove(held.id());
        assert_eq!((table.token(one), table.token(two)), (None, None));
    }
}
