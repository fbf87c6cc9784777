//! The one session of a store: made when it is first needed, and again after it broke.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use longshore_flow::Tasks;

use super::connect::connect;
use super::options::SftpOptions;
use super::session::Session;
use super::upkeep::Upkeep;
use crate::error::{Error, ErrorKind, Result};

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) options: SftpOptions,
    pub(super) upkeep: Arc<Upkeep>,
    pub(super) tasks: Tasks,
    current: Mutex<Option<Arc<Session>>>,
    /// How many attempts to connect have failed.
    failures: AtomicU64,
    /// Held by whoever connects, so that one does. The last failure, for those who waited for it.
    connecting: tokio::sync::Mutex<Option<(u64, ErrorKind, String)>>,
}

impl Connection {
    pub(super) fn new(options: SftpOptions) -> Self {
        Self {
            options,
            upkeep: Upkeep::new(),
            tasks: Tasks::new(),
            current: Mutex::default(),
            failures: AtomicU64::new(0),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    fn alive(&self) -> Option<Arc<Session>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|session| session.is_alive()).cloned()
    }

    /// Returns the session, connecting if there is none. Of many who come meanwhile one connects, and all have its result.
    pub(super) async fn session(&self) -> Result<Arc<Session>> {
        if let Some(session) = self.alive() {
            return Ok(session);
        }
        let failures = self.failures.load(Ordering::Acquire);
        let mut last = self.connecting.lock().await;
        if let Some(session) = self.alive() {
            return Ok(session);
        }
        if let Some((number, kind, message)) = &*last
            && *number > failures
        {
            return Err(Error::new(*kind, message.clone()));
        }
        match connect(&self.options, &self.upkeep, &self.tasks).await {
            Ok(session) => {
                for temporary in self.upkeep.take_left() {
                    session.forget(temporary);
                }
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
                Ok(session)
            }
            Err(error) => {
                let number = self.failures.fetch_add(1, Ordering::AcqRel) + 1;
                *last = Some((number, error.kind(), error.message().to_owned()));
                Err(error)
            }
        }
    }
}
