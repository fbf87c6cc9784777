//! A URL that is to be fetched, and what its file must be.

use longshore_web::{Url, shown};
use sha2::{Digest, Sha256};

use super::url;
use crate::failure::Failure;

/// A URL to fetch.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) url: Url,
    /// What the file must have: the URL said `#sha256=…`.
    pub(crate) sha256: Option<[u8; 32]>,
    /// How the URL is known in the journal, which has no room for secrets.
    pub(crate) id: String,
    pub(crate) shown: String,
}

impl Link {
    /// Reads a URL; a fragment `sha256=` and 64 hexadecimal digits says what the file must be, any other says nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut url = url(text)?;
        let digest = url.fragment().and_then(|fragment| fragment.strip_prefix("sha256="));
        let sha256 = match digest {
            Some(hex) => Some(decoded(hex).ok_or_else(|| {
                Failure::invalid(format!("{}: #sha256= has 64 hexadecimal digits behind it", shown(&url)))
            })?),
            None => None,
        };
        url.set_fragment(None);
        let id = encoded(&Sha256::digest(url.as_str().as_bytes())[..16]);
        Ok(Self { sha256, id, shown: shown(&url), url })
    }
}

fn decoded(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
