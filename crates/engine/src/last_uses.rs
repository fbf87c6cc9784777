//! When and from where keys were last used: noted in memory, and written behind the requests' backs.
//!
//! Of each key a use is noted once a minute. Those that were noted are written together a moment later, and when the engine
//! closes; what a crash takes is a moment's.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_core::{KeyId, Timestamp};
use longshore_flow::Tasks;

use crate::db;
use crate::engine::Engine;

/// How long a key's next use is not noted.
const APART: Duration = Duration::from_mins(1);

/// How long uses gather before they are written.
const GATHERED: Duration = Duration::from_secs(2);

/// Of how many keys it is remembered that their use was noted.
const REMEMBERED: usize = 100_000;

/// How many uses wait to be written at most; one more is noted when the key comes again.
const WAITING: usize = 10_000;

/// How many one transaction writes: on SQLite no other write goes on beside it.
const WRITTEN: usize = 500;

#[derive(Debug, Default)]
pub(crate) struct LastUses {
    noted: Mutex<Noted>,
    tasks: Tasks,
}

#[derive(Debug, Default)]
struct Noted {
    at: HashMap<KeyId, Timestamp>,
    waiting: HashMap<KeyId, (Timestamp, Option<IpAddr>)>,
    /// Whether a task is to write them.
    is_due: bool,
}

impl Noted {
    /// Notes a use; tells whether a task is needed to write it.
    fn note(&mut self, key: KeyId, now: Timestamp, from: Option<IpAddr>) -> bool {
        let is_fresh = self.at.get(&key).is_some_and(|at| now.since(*at) < APART);
        if is_fresh || self.waiting.len() >= WAITING {
            return false;
        }
        if self.at.len() >= REMEMBERED {
            self.at.clear();
        }
        self.at.insert(key, now);
        self.waiting.insert(key, (now, from));
        !std::mem::replace(&mut self.is_due, true)
    }
}

impl LastUses {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the task that waits to write.
    pub(crate) async fn close(&self) {
        self.tasks.abort();
        self.tasks.close().await;
    }
}

impl Engine {
    /// Notes that a key was used, which costs the request no write.
    pub(crate) fn note_use(&self, key: KeyId, from: Option<IpAddr>) {
        let uses = self.last_uses();
        if !uses.noted().note(key, self.now(), from) {
            return;
        }
        let engine = self.clone();
        uses.tasks.spawn(async move {
            tokio::time::sleep(GATHERED).await;
            engine.write_last_uses().await;
        });
    }

    /// Writes the uses of keys that were noted and not written yet; also called when the engine closes.
    pub async fn write_last_uses(&self) {
        let waiting = {
            let mut noted = self.last_uses().noted();
            noted.is_due = false;
            std::mem::take(&mut noted.waiting)
        };
        let mut waiting: Vec<_> = waiting.into_iter().collect();
        // Of two processes that write of the same keys one follows the other.
        waiting.sort_unstable_by_key(|(key, _)| *key);
        for part in waiting.chunks(WRITTEN) {
            let part = part.to_vec();
            let written = self.db().write(move |tx| {
                let part = part.clone();
                Box::pin(async move {
                    for (key, (at, from)) in part {
                        db::access::set_last_use(tx, key, at, from).await?;
                    }
                    Ok(())
                })
            });
            if let Err(error) = written.await {
                tracing::warn!(%error, "when some keys were last used is not written down");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longshore_core::{KeyId, Timestamp};

    use super::{Noted, WAITING};

    #[test]
    fn a_use_a_minute_is_noted_and_no_more_than_wait() {
        let now = Timestamp::from_micros(1_763_613_468_000_000);
        let mut noted = Noted::default();
        let key = KeyId::new(now);
        assert!(noted.note(key, now, None), "the first needs a task");
        assert!(!noted.note(key, now.plus(Duration::from_secs(59)), None));
        assert_eq!(noted.waiting[&key].0, now);
        assert!(!noted.note(key, now.plus(Duration::from_secs(60)), None), "the task is there");
        assert_eq!(noted.waiting[&key].0, now.plus(Duration::from_secs(60)));
        for number in 0..2 * WAITING as u64 {
            noted.note(KeyId::new(now.plus(Duration::from_millis(number))), now, None);
        }
        assert_eq!(noted.waiting.len(), WAITING);
    }
}
