//! The secret of the database, which seals what Longshore hands out and takes back: links and cursors. Every node that shares
//! the database has the same one, also after a restart.
//!
//! What is sealed names what it is for, so that nothing sealed for one use is good for another.

use std::fmt::{self, Debug};

use longshore_core::random;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

use crate::error::{Error, Result};

/// The bytes of a secret.
pub(crate) const BYTES: usize = 32;
const SALT: usize = 16;

/// The secret. It prints nothing of itself.
#[derive(Clone)]
pub(crate) struct Secret(hmac::Key);

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Signs what may be read by whoever has it.
    pub(crate) fn sign(&self, context: &[u8], what: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &[context, what].concat())
    }

    /// Tells, in constant time, whether this was signed.
    pub(crate) fn has_signed(&self, context: &[u8], what: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, &[context, what].concat(), tag).is_ok()
    }

    /// Encrypts what nobody else is to read or change. The same text is never sealed alike, so that nobody sees by two seals
    /// that they hold the same.
    pub(crate) fn seal(&self, context: &[u8], mut text: Vec<u8>) -> Result<Vec<u8>> {
        let mut salt = [0; SALT];
        random::fill(&mut salt);
        let key = self.key_of(context, &salt).ok_or_else(|| Error::corrupt("a key of another length"))?;
        let sealed = key.seal_in_place_append_tag(only_nonce(), Aad::empty(), &mut text);
        sealed.map_err(|_| Error::corrupt("more than can be sealed"))?;
        Ok([&salt[..], &text].concat())
    }

    /// Decrypts what was sealed for this use; nothing for all else.
    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = sealed.split_at_checked(SALT)?;
        let (key, mut rest) = (self.key_of(context, salt)?, rest.to_vec());
        let length = key.open_in_place(only_nonce(), Aad::empty(), &mut rest).ok()?.len();
        rest.truncate(length);
        Some(rest)
    }

    /// Returns the key of one seal: 128 random bits make it, so that no number of seals has two of a key.
    fn key_of(&self, context: &[u8], salt: &[u8]) -> Option<LessSafeKey> {
        let key = self.sign(context, salt);
        UnboundKey::new(&AES_256_GCM, key.as_ref()).ok().map(LessSafeKey::new)
    }
}

/// The one nonce of a key that seals once.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::{BYTES, Secret};

    const CONTEXT: &[u8] = b"a test\n";

    #[test]
    fn what_was_sealed_is_read_by_its_secret_and_its_use_alone() {
        let secret = Secret::new(&[1; BYTES]);
        for text in [&b""[..], b"a place", &[7; 9_000]] {
            let sealed = secret.seal(CONTEXT, text.to_vec()).unwrap();
            assert_eq!(secret.open(CONTEXT, &sealed).as_deref(), Some(text));
            assert_ne!(secret.seal(CONTEXT, text.to_vec()).unwrap(), sealed);
            assert!(text.is_empty() || !sealed.windows(text.len()).any(|part| part == text));
            assert_eq!(Secret::new(&[2; BYTES]).open(CONTEXT, &sealed), None);
            assert_eq!(secret.open(b"another test\n", &sealed), None);
        }
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn one_other_byte_opens_nothing() {
        let secret = Secret::new(&[1; BYTES]);
        let sealed = secret.seal(CONTEXT, b"a place".to_vec()).unwrap();
        for place in 0..sealed.len() {
            let mut other = sealed.clone();
            other[place] ^= 1;
            assert_eq!(secret.open(CONTEXT, &other), None, "place {place}");
            assert_eq!(secret.open(CONTEXT, &sealed[..place]), None, "cut at {place}");
        }
        assert_eq!(secret.open(CONTEXT, &[&sealed[..], b"x"].concat()), None);
    }
}
