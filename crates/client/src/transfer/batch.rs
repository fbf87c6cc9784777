//! Many small files in one request, either way.
//!
//! A batch is a list of files that one call moves, with as many requests as that takes: what has no outcome when a
//! connection breaks is asked for, or sent, again. Which files are worth a batch is not decided here.

mod download;
mod lines;
mod upload;

use longshore_core::wire::BATCH_ITEM_BYTES;

pub(crate) use self::download::{Fetch, download};
pub(crate) use self::upload::{Put, upload};
use super::plan::{SMALL, WHOLE};
use crate::error::Error;

// What is read in one go is what an item may have, and what goes together is no more than that.
const _: () = assert!(SMALL <= WHOLE && WHOLE == BATCH_ITEM_BYTES);

/// Notes why the rest of a batch is asked for, or sent, again. What no repetition mends comes before what one may.
fn note_failure(noted: &mut Option<Error>, error: Error) {
    if noted.as_ref().is_none_or(|noted| noted.is_retryable() && !error.is_retryable()) {
        *noted = Some(error);
    }
}
