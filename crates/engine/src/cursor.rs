//! Cursors: where a list goes on, as opaque text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use longshore_core::Code;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

pub(crate) fn encode(place: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(place).map_err(Error::corrupt)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

pub(crate) fn decode<T: DeserializeOwned>(cursor: &str) -> Result<T> {
    let json = URL_SAFE_NO_PAD.decode(cursor).ok();
    // No cursor of ours holds a NUL, which PostgreSQL's text cannot hold either.
    let json = json.filter(|json| !json.windows(6).any(|part| part == br"\u0000"));
    let place = json.and_then(|json| serde_json::from_slice(&json).ok());
    place.ok_or_else(|| Error::new(Code::InvalidCursor, "this cursor was not given by this list"))
}
