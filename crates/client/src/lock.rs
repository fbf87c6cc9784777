//! Locks on this side: which are held, which go with a write, and the guard that keeps them alive.

pub(crate) mod guard;
pub(crate) mod heart;
mod lease;
pub(crate) mod table;

use http::HeaderValue;
use longshore_core::{Code, LockToken};

use crate::error::{Error, Result};

/// The most locks that a request may name.
pub(crate) const MOST_NAMED: usize = 100;

/// The locks that a write names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Those that are known to cover what is written.
    sure: Vec<LockToken>,
    /// Those that may cover it. Which do only the server knows; it tells which do not, and changes nothing then.
    perhaps: Vec<LockToken>,
}

impl Named {
    pub(crate) fn new(sure: Vec<LockToken>, perhaps: &[LockToken]) -> Self {
        let perhaps = perhaps.iter().filter(|token| !sure.contains(token)).cloned().collect();
        Self { sure, perhaps }
    }

    /// Returns the header's value, which no print shows; nothing where no lock is named.
    pub(crate) fn header(&self) -> Result<Option<HeaderValue>> {
        let tokens: Vec<_> = self.sure.iter().chain(&self.perhaps).map(LockToken::reveal).collect();
        if tokens.is_empty() {
            return Ok(None);
        }
        let value = HeaderValue::from_str(&tokens.join(", "));
        let mut value = value.map_err(|_| Error::invalid("a lock token makes no header"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Leaves out what a refusal says was named in vain; tells whether it is worth sending the write again.
    ///
    /// All locks that were named are still held then, so nothing is written without one that covers it.
    pub(crate) fn leave_out(&mut self, refusal: &Error) -> bool {
        if !refusal.is(Code::LockElsewhere) {
            return false;
        }
        leave_out_meant(&mut self.perhaps, refusal)
    }
}

/// Leaves out the locks that a refusal is about; tells whether there were any.
pub(crate) fn leave_out_meant(tokens: &mut Vec<LockToken>, refusal: &Error) -> bool {
    let before = tokens.len();
    tokens.retain(|token| refusal.locks_meant().all(|lock| lock != token.id()));
    tokens.len() < before
}
