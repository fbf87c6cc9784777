//! Cursors: where a list goes on, as text that says nothing to whoever has it.
//!
//! A list may go on after something that its reader does not see, so each cursor is sealed with the secret of the database,
//! whatever it holds. A node opens what another has made. What a cursor is good for is what it holds: the list asks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use longshore_core::Code;
use longshore_core::wire::Page;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::secret::Secret;

/// What cursors are sealed for.
const CONTEXT: &[u8] = b"longshore cursor 1\n";

fn encode(secret: &Secret, place: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(place).map_err(Error::corrupt)?;
    Ok(URL_SAFE_NO_PAD.encode(secret.seal(CONTEXT, json)?))
}

fn decode<T: DeserializeOwned>(secret: &Secret, cursor: &str) -> Result<T> {
    let json = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|sealed| secret.open(CONTEXT, &sealed));
    let place = json.and_then(|json| serde_json::from_slice(&json).ok());
    place.ok_or_else(|| Error::new(Code::InvalidCursor, "this cursor was not given by this list"))
}

impl Engine {
    /// Returns where a list is to go on; nothing for its beginning.
    pub(crate) fn place_of<T: DeserializeOwned>(&self, page: &PageRequest) -> Result<Option<T>> {
        page.cursor().map(|cursor| decode(self.secret(), cursor)).transpose()
    }

    /// Returns the key after which a list that is ordered by one text key goes on.
    pub(crate) fn after(&self, page: &PageRequest) -> Result<String> {
        Ok(self.place_of(page)?.unwrap_or_default())
    }

    /// Makes a page of a list that goes on at a place, if at any.
    pub(crate) fn page<T>(&self, items: Vec<T>, next: Option<impl Serialize>) -> Result<Page<T>> {
        let next_cursor = next.map(|place| encode(self.secret(), &place)).transpose()?;
        Ok(Page { items, next_cursor })
    }

    /// Makes the page of a list that is ordered by one key.
    pub(crate) fn page_by<T, K: Serialize>(
        &self,
        page: &PageRequest,
        items: Vec<T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Page<T>> {
        let last = items.last().filter(|_| items.len() == page.limit() as usize);
        let next = last.map(key);
        self.page(items, next)
    }
}
