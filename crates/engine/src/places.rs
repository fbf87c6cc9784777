//! Room for those who wait: so many at once, and so many of one principal, so that nobody takes it all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_core::PrincipalId;

/// The places of all who wait. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    each: HashMap<PrincipalId, usize>,
}

impl Places {
    pub(crate) fn new(most: usize, most_each: usize) -> Self {
        Self(Arc::new(Inner { most, most_each, taken: Mutex::default() }))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, where there is one for this principal.
    pub(crate) fn take(&self, principal: PrincipalId) -> Option<Place> {
        let mut taken = self.taken();
        let own = taken.each.get(&principal).copied().unwrap_or_default();
        if taken.all >= self.0.most || own >= self.0.most_each {
            return None;
        }
        taken.all += 1;
        taken.each.insert(principal, own + 1);
        Some(Place { places: self.clone(), principal })
    }

    pub(crate) fn count(&self) -> usize {
        self.taken().all
    }
}

/// One place; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    principal: PrincipalId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Entry::Occupied(mut own) = taken.each.entry(self.principal) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}
