//! Telling waiters of this process that a lock has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_core::NodeId;
use tokio::sync::Notify;

type Known = HashMap<NodeId, Arc<Notify>>;

/// The nodes whose locks somebody here waits for. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<Mutex<Known>>);

/// Somebody who listens to a node; dropping it forgets the node once nobody listens.
#[derive(Debug)]
pub(super) struct Listener {
    signals: Signals,
    node: NodeId,
    notify: Arc<Notify>,
}

impl Signals {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listen(&self, node: NodeId) -> Listener {
        let notify = Arc::clone(self.known().entry(node).or_default());
        Listener { signals: self.clone(), node, notify }
    }

    /// Wakes all who listen to a node.
    pub(super) fn raise(&self, node: NodeId) {
        if let Some(notify) = self.known().get(&node) {
            notify.notify_waiters();
        }
    }

    /// Wakes all there are: where many locks ended at once.
    pub(crate) fn raise_all(&self) {
        self.known().values().for_each(|notify| notify.notify_waiters());
    }
}

impl Listener {
    pub(super) fn notify(&self) -> &Notify {
        &self.notify
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut known = self.signals.known();
        // The map's and this one: nobody else listens, and nobody can begin while the map is held.
        if Arc::strong_count(&self.notify) <= 2 {
            known.remove(&self.node);
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::{NodeId, Timestamp};

    use super::Signals;

    #[test]
    fn nobody_who_listens_is_left_behind() {
        let (signals, node) = (Signals::default(), NodeId::new(Timestamp::from_micros(0)));
        let (one, two) = (signals.listen(node), signals.listen(node));
        drop(one);
        assert_eq!(signals.known().len(), 1);
        drop(two);
        assert!(signals.known().is_empty());
    }
}
