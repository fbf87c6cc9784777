//! The text form of secrets that are shown once: `<prefix><id><secret><checksum>`.
//!
//! A prefix lets secret scanners find a leaked one; the checksum (CRC-32, IEEE) lets a server refuse a
//! mistyped one without asking its database. The idea is that of GitHub's token format.

use std::fmt::{self, Debug};
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::id::{InvitationId, KeyId, LockId, ResetId, SessionId, ShareId, TransferId, VisitId};
use crate::random;
use crate::time::Timestamp;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 26;
/// 43 characters of base 62 carry 256 bits.
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// A text is no secret of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedKey {
    prefix: &'static str,
}

impl fmt::Display for MalformedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH;
        write!(f, "it should be `{}` and {length} characters", self.prefix)
    }
}

impl std::error::Error for MalformedKey {}

/// Makes the text of a new secret behind the characters of its id.
fn generate(prefix: &str, id: &str) -> String {
    let mut text = format!("{prefix}{id}");
    while text.len() < prefix.len() + ID_LENGTH + SECRET_LENGTH {
        let mut byte = [0];
        random::fill(&mut byte);
        // Bytes past the last whole multiple of 62 would favour some characters.
        if byte[0] < 248 {
            text.push(char::from(ALPHABET[usize::from(byte[0] % 62)]));
        }
    }
    text.push_str(&checksum(&text));
    text
}

/// Returns the characters of the id in a well-formed text.
fn id_in<'a>(prefix: &'static str, text: &'a str) -> Result<&'a str, MalformedKey> {
    let length = prefix.len() + ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH;
    if text.len() != length || !text.is_ascii() || !text.starts_with(prefix) {
        return Err(MalformedKey { prefix });
    }
    let (body, sum) = text.split_at(length - CHECKSUM_LENGTH);
    if checksum(body) == sum {
        Ok(&body[prefix.len()..prefix.len() + ID_LENGTH])
    } else {
        Err(MalformedKey { prefix })
    }
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

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $id:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name {
            id: $id,
            text: String,
        }

        impl $name {
            /// What every text of this kind begins with.
            pub const PREFIX: &str = $prefix;

            /// Makes a new one with a random secret and an id of its own.
            #[must_use]
            pub fn generate(now: Timestamp) -> Self {
                let id = $id::new(now);
                let text = generate(Self::PREFIX, &id.to_string()[$id::PREFIX.len()..]);
                Self { id, text }
            }

            /// Returns the public id.
            #[must_use]
            pub const fn id(&self) -> $id {
                self.id
            }

            /// Returns what is kept of it: the SHA-256 of the whole text.
            ///
            /// The secret has 256 random bits, so a plain hash hides it as well as a slow one would.
            #[must_use]
            pub fn hash(&self) -> Bytes {
                Bytes::copy_from_slice(&Sha256::digest(&self.text))
            }

            /// Tells whether this is what was kept of it, in a time that says nothing of either.
            #[must_use]
            pub fn has_hash(&self, kept: &[u8]) -> bool {
                self.hash().ct_eq(kept).into()
            }

            /// Returns the whole text, secret and all: for the moment it is shown or sent.
            #[must_use]
            pub fn reveal(&self) -> &str {
                &self.text
            }
        }

        impl Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.id)
            }
        }

        impl FromStr for $name {
            type Err = MalformedKey;

            fn from_str(text: &str) -> Result<Self, MalformedKey> {
                let id = format!("{}{}", $id::PREFIX, id_in(Self::PREFIX, text)?);
                let id = id.parse().map_err(|_| MalformedKey { prefix: Self::PREFIX })?;
                Ok(Self { id, text: text.to_owned() })
            }
        }
    };
}

secret!(
    /// An API key with its secret, `lsk_…`. It prints only its id; [`ApiKey::reveal`] gives the whole text.
    ApiKey,
    KeyId,
    "lsk_"
);
secret!(
    /// The token of a lock, `lst_…`: who has it owns the lock. It prints only the lock's id.
    LockToken,
    LockId,
    "lst_"
);
secret!(
    /// The token of an offer to hand a workspace over, `lsc_…`: who has it may become the owner. It prints only the offer's
    /// id.
    ClaimToken,
    TransferId,
    "lsc_"
);
secret!(
    /// What a browser shows of its session, `lss_…`. It prints only the session's id.
    SessionToken,
    SessionId,
    "lss_"
);
secret!(
    /// The token of an invitation, `lsi_…`: who has it may accept. It prints only the invitation's id.
    InvitationToken,
    InvitationId,
    "lsi_"
);
secret!(
    /// The token that lets somebody set a new password once, `lsr_…`. It prints only its id.
    ResetToken,
    ResetId,
    "lsr_"
);
secret!(
    /// The token of a share link, `lsh_…`: who has it may visit what the link leads to. It prints only the link's id.
    ShareToken,
    ShareId,
    "lsh_"
);
secret!(
    /// What a visitor of a share link shows once they were let in, `lsg_…`. It prints only the visit's id.
    ShareGrant,
    VisitId,
    "lsg_"
);

/// What is signed with a session's secret: the same secret may sign other things one day.
const CSRF: &[u8] = b"longshore csrf 1";

impl SessionToken {
    /// HMAC takes keys of every length, so there is always one.
    fn csrf(&self) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.reveal().as_bytes()).ok()?;
        Some(mac.chain_update(CSRF))
    }

    /// Returns what a page proves by that it can read answers of this session, which a page of another site cannot:
    /// 43 characters, derived from the secret and telling nothing of it.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        let made = self.csrf().map(|mac| mac.finalize().into_bytes());
        made.map(|made| BASE64_URL_SAFE_NO_PAD.encode(made)).unwrap_or_default()
    }

    /// Tells whether a text is what [`Self::csrf_token`] gives, in a time that says nothing of it.
    #[must_use]
    pub fn is_csrf_token(&self, text: &str) -> bool {
        let stated = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        self.csrf().zip(stated).is_some_and(|(mac, stated)| mac.verify_slice(&stated).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, SessionToken};
    use crate::time::Timestamp;

    #[test]
    fn a_csrf_token_is_of_one_session() {
        let (one, two) = (Timestamp::from_micros(1), Timestamp::from_micros(2));
        let (one, two) = (SessionToken::generate(one), SessionToken::generate(two));
        let token = one.csrf_token();
        assert_eq!(token.len(), 43);
        assert!(one.is_csrf_token(&token) && !two.is_csrf_token(&token));
        for wrong in ["", &token[1..], &format!("{token}A"), &token.to_lowercase(), one.reveal()] {
            assert!(!one.is_csrf_token(wrong));
        }
    }

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
