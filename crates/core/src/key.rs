//! The text form of API keys: `lsk_<id><secret><checksum>`.
//!
//! A prefix lets secret scanners find a leaked key; the checksum (CRC-32, IEEE) lets a server refuse a
//! mistyped key without asking its database. The idea is that of GitHub's token format.

use std::fmt::{self, Debug};
use std::str::FromStr;

use crate::id::KeyId;
use crate::random;
use crate::time::Timestamp;

const PREFIX: &str = "lsk_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 26;
/// 43 characters of base 62 carry 256 bits.
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// A text is no API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedKey;

impl fmt::Display for MalformedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key is `{PREFIX}` and {} characters", ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH)
    }
}

impl std::error::Error for MalformedKey {}

/// An API key with its secret. It prints only its id; [`ApiKey::reveal`] gives the whole text.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: KeyId,
    text: String,
}

impl ApiKey {
    /// Makes a new key with a random secret.
    #[must_use]
    pub fn generate(now: Timestamp) -> Self {
        let id = KeyId::new(now);
        let mut text = format!("{PREFIX}{}", id_characters(id));
        while text.len() < PREFIX.len() + ID_LENGTH + SECRET_LENGTH {
            let mut byte = [0];
            random::fill(&mut byte);
            // Bytes past the last whole multiple of 62 would favour some characters.
            if byte[0] < 248 {
                text.push(char::from(ALPHABET[usize::from(byte[0] % 62)]));
            }
        }
        text.push_str(&checksum(&text));
        Self { id, text }
    }

    /// Returns the key's public id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the whole key, secret and all: for the moment it is shown or sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

fn id_characters(id: KeyId) -> String {
    id.to_string().split_off(KeyId::PREFIX.len())
}

fn checksum(body: &str) -> String {
    let mut value = crc32fast::hash(body.as_bytes());
    let mut characters = [b'0'; CHECKSUM_LENGTH];
    for character in characters.iter_mut().rev() {
        *character = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    characters.iter().map(|byte| char::from(*byte)).collect()
}

impl Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

impl FromStr for ApiKey {
    type Err = MalformedKey;

    fn from_str(text: &str) -> Result<Self, MalformedKey> {
        let length = PREFIX.len() + ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH;
        if text.len() != length || !text.is_ascii() || !text.starts_with(PREFIX) {
            return Err(MalformedKey);
        }
        let (body, sum) = text.split_at(length - CHECKSUM_LENGTH);
        let id = format!("{}{}", KeyId::PREFIX, &body[PREFIX.len()..PREFIX.len() + ID_LENGTH]);
        let id = id.parse().map_err(|_| MalformedKey)?;
        if checksum(body) == sum { Ok(Self { id, text: text.to_owned() }) } else { Err(MalformedKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKey;
    use crate::time::Timestamp;

    #[test]
    fn a_key_comes_back_and_hides_its_secret() {
        let key = ApiKey::generate(Timestamp::from_micros(1));
        assert_eq!(key.reveal().parse::<ApiKey>().unwrap(), key);
        assert!(!format!("{key:?}").contains(&key.reveal()[35..]));
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        let key = ApiKey::generate(Timestamp::from_micros(1));
        for place in 0..key.reveal().len() {
            let mut text: Vec<u8> = key.reveal().bytes().collect();
            text[place] = if text[place] == b'x' { b'y' } else { b'x' };
            assert!(str::from_utf8(&text).unwrap().parse::<ApiKey>().is_err(), "place {place}");
        }
    }
}
