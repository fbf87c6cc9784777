//! Opaque ids: a prefix that tells the kind, and 26 characters of a UUIDv7.
//!
//! The characters are lower-case base32 in Crockford's alphabet, whose order is the order of the bits, so
//! ids made later sort later. UUIDv7 is RFC 9562, section 5.7.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::random;
use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// A text is not an id of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdError {
    prefix: &'static str,
}

impl Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id of this kind is `{}` and {LENGTH} characters of 0-9 and a-z", self.prefix)
    }
}

impl std::error::Error for IdError {}

fn new_uuid(now: Timestamp) -> Uuid {
    let mut bytes = [0; 10];
    random::fill(&mut bytes);
    let millis = u64::try_from(now.as_micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

fn renamed(uuid: Uuid, seed: &[u8; 32]) -> Uuid {
    let hash = blake3::keyed_hash(seed, uuid.as_bytes());
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&hash.as_bytes()[..10]);
    let millis = (uuid.as_u128() >> 80) as u64;
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}

fn encode(uuid: Uuid) -> [u8; LENGTH] {
    let bits = uuid.as_u128();
    let mut text = [0; LENGTH];
    for (place, character) in text.iter_mut().enumerate() {
        // 26 characters hold 130 bits: the first one carries the top three alone.
        let shift = 5 * (LENGTH - 1 - place);
        *character = ALPHABET[((bits >> shift) & 31) as usize];
    }
    text
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != LENGTH {
        return None;
    }
    let mut bits: u128 = 0;
    for (place, character) in text.bytes().enumerate() {
        let value = ALPHABET.iter().position(|known| *known == character)? as u128;
        if place == 0 && value > 7 {
            return None;
        }
        bits = (bits << 5) | value;
    }
    Some(Uuid::from_u128(bits))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &str = $prefix;

            /// Makes a new id; ids made at a later time sort later.
            #[must_use]
            pub fn new(now: Timestamp) -> Self {
                Self(new_uuid(now))
            }

            /// Returns another id of the same time: by one seed always the same one, by another seed another.
            #[must_use]
            pub fn renamed(self, seed: &[u8; 32]) -> Self {
                Self(renamed(self.0, seed))
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Self::PREFIX)?;
                f.write_str(str::from_utf8(&encode(self.0)).unwrap_or_default())
            }
        }

        impl Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(Self::PREFIX)
                    .and_then(decode)
                    .map(Self)
                    .ok_or(IdError { prefix: Self::PREFIX })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// The id of a workspace.
    WorkspaceId,
    "ws_"
);
id!(
    /// The id of a node: a folder or a file.
    NodeId,
    "nd_"
);
id!(
    /// The id of a version: immutable content of a file.
    VersionId,
    "ver_"
);
id!(
    /// The id of an event.
    EventId,
    "evt_"
);
id!(
    /// The id of an API key. It is public; the key's secret is not part of it.
    KeyId,
    "key_"
);
id!(
    /// The id of a session of somebody who signed in. It is public; the session's secret is not part of it.
    SessionId,
    "ses_"
);
id!(
    /// The id of an invitation. It is public; the invitation's token is not part of it.
    InvitationId,
    "inv_"
);
id!(
    /// The id of what lets somebody set a new password once. It is public; its token is not part of it.
    ResetId,
    "rst_"
);
id!(
    /// The id of a share link. It is public; the link's token is not part of it.
    ShareId,
    "shr_"
);
id!(
    /// The id of a visit of a share link. It is public; the visit's grant is not part of it.
    VisitId,
    "vis_"
);
id!(
    /// The id of an identity: how a provider of OpenID Connect knows a person.
    IdentityId,
    "idn_"
);
id!(
    /// The id of a lock: one grant of a lease. It is public; the lock's token is not part of it.
    LockId,
    "lk_"
);
id!(
    /// A place in the queue for a lock.
    WaitTicket,
    "lw_"
);
id!(
    /// The id of a principal: a person or an agent.
    PrincipalId,
    "usr_"
);

impl PrincipalId {
    /// Longshore itself: who acts where a workspace's own rules remove what is old.
    pub const LONGSHORE: Self = Self(Uuid::nil());
}

id!(
    /// The id of a note on a node.
    NoteId,
    "note_"
);
id!(
    /// The id of a job.
    JobId,
    "job_"
);
id!(
    /// The id of a webhook.
    HookId,
    "hk_"
);
id!(
    /// The id of a webhook's delivery.
    DeliveryId,
    "dl_"
);
id!(
    /// The id of a staged upload.
    UploadId,
    "upl_"
);
id!(
    /// The id of an offer to hand a workspace over. It is public; the claim token is not part of it.
    TransferId,
    "tr_"
);
id!(
    /// The id of a database, which its store remembers.
    DatabaseId,
    "db_"
);

#[cfg(test)]
mod tests {
    use super::{NodeId, VersionId};
    use crate::time::Timestamp;

    #[test]
    fn an_id_survives_its_text() {
        let id = NodeId::new(Timestamp::from_micros(1_763_613_468_000_000));
        let text = id.to_string();
        assert_eq!(text.len(), 3 + 26);
        assert_eq!(text.parse::<NodeId>().unwrap(), id);
    }

    #[test]
    fn later_ids_sort_later_as_text() {
        let early = VersionId::new(Timestamp::from_micros(1_000_000)).to_string();
        let late = VersionId::new(Timestamp::from_micros(2_000_000)).to_string();
        assert!(early < late);
    }

    #[test]
    fn foreign_prefixes_lengths_and_letters_are_refused() {
        let good = NodeId::new(Timestamp::from_micros(0)).to_string();
        for bad in [
            "",
            "nd_",
            "root",
            &good.replace("nd_", "ws_"),
            &good[..good.len() - 1],
            &format!("{good}0"),
            &good.to_uppercase(),
            "nd_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "nd_ilou0000000000000000000000",
        ] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad:?} was taken");
        }
    }
}
