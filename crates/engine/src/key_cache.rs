//! What is remembered of keys between requests, so that a burst of them asks the database little.
//!
//! All of it holds only as long as nothing has changed about who may do what. The database counts those changes, whichever
//! process made them, and is asked for the count in each request: one question serves all who had come when it was put. So a
//! key that was revoked, and a role that was taken, ends at once on every node, for reads too. What writes is not decided by
//! this memory anyway: a key is looked at again in the transaction that it writes in.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use longshore_core::KeyId;

use crate::db::access::KnownKey;
use crate::db::{self, Db};
use crate::error::Result;

/// How much is remembered: keys, and the memberships of those who act with them.
const REMEMBERED: usize = 100_000;

type Counting = Shared<BoxFuture<'static, Result<u64>>>;

/// Keys that were seen since access last changed.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    entries: Mutex<Entries>,
    question: Mutex<Option<Question>>,
}

#[derive(Debug, Default)]
struct Entries {
    /// How often access had changed when they were read.
    changes: u64,
    keys: HashMap<KeyId, KnownKey>,
    weight: usize,
}

/// The newest question for the count of changes.
struct Question {
    /// Who comes after it was put needs another.
    is_put: Arc<AtomicBool>,
    answer: Counting,
}

impl Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("is_put", &self.is_put).finish_non_exhaustive()
    }
}

fn weight(key: &KnownKey) -> usize {
    1 + key.rights.memberships.len()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KeyCache {
    /// Tells whether anything is remembered of a key, true still or not.
    fn has(&self, id: KeyId) -> bool {
        locked(&self.entries).keys.contains_key(&id)
    }

    /// Returns what was read of a key when access had changed so often.
    fn get(&self, id: KeyId, changes: u64) -> Option<KnownKey> {
        let entries = locked(&self.entries);
        entries.keys.get(&id).filter(|_| entries.changes == changes).cloned()
    }

    /// Remembers a key that was read when access had changed so often, and forgets what was read before that.
    fn put(&self, key: KnownKey, changes: u64) {
        let mut entries = locked(&self.entries);
        if changes < entries.changes {
            return;
        }
        if changes > entries.changes || entries.weight + weight(&key) > REMEMBERED {
            *entries = Entries { changes, ..Entries::default() };
        }
        entries.weight += weight(&key);
        if let Some(old) = entries.keys.insert(key.key.id, key) {
            entries.weight -= weight(&old);
        }
    }

    /// Returns how often access has changed, as a question has it that is put now or later.
    async fn changes(&self, db: &Db) -> Result<u64> {
        let answer = {
            let mut question = locked(&self.question);
            match &*question {
                Some(open) if !open.is_put.load(Ordering::Acquire) => open.answer.clone(),
                before => {
                    let (db, is_put) = (db.clone(), Arc::new(AtomicBool::new(false)));
                    let (before, put) = (before.as_ref().map(|before| before.answer.clone()), is_put.clone());
                    let answer = async move {
                        // One at a time: meanwhile those gather who share the next.
                        if let Some(before) = before {
                            drop(before.await);
                        }
                        put.store(true, Ordering::Release);
                        db.read(|tx| Box::pin(db::access::changes(tx))).await
                    };
                    let answer = answer.boxed().shared();
                    *question = Some(Question { is_put, answer: answer.clone() });
                    answer
                }
            }
        };
        answer.await
    }

    /// Returns what is known of a key, be it revoked or over; nothing where there is none.
    pub(crate) async fn find(&self, db: &Db, id: KeyId) -> Result<Option<KnownKey>> {
        if self.has(id)
            && let Some(known) = self.get(id, self.changes(db).await?)
        {
            return Ok(Some(known));
        }
        let found = db.read(move |tx| {
            Box::pin(
                async move { Ok((db::access::changes(tx).await?, db::access::known_key(tx, id).await?)) },
            )
        });
        let (changes, known) = found.await?;
        if let Some(known) = &known {
            self.put(known.clone(), changes);
        }
        Ok(known)
    }
}
