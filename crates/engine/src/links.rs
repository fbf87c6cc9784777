//! Signed links: a version's content for whoever has the link, without a key, until a stated time.
//!
//! Nothing is kept of a link. Its token says what it leads to and is sealed with a secret of the database (HMAC-SHA-256),
//! so that any node opens what another has made. It lives no longer than the key or the session that made it: what that may no
//! longer read, the link does not give.

use std::fmt::{self, Debug};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use longshore_core::wire::{CreateLink, Disposition, LONGEST_LINK};
use longshore_core::{Code, ErrorKind, KeyId, NodeId, SessionId, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::act::Premises;
use crate::actor::{Actor, Credential, Right};
use crate::audit::Entry;
use crate::download::Content;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::once;
use crate::narrowing::Need;
use crate::secret::Secret;

/// What every token begins with, so that scanners for secrets find one.
const PREFIX: &str = "lsl_";
/// What links are sealed for.
const CONTEXT: &[u8] = b"longshore link 1\n";
/// The characters of an id behind its prefix.
const ID: usize = 26;
const TIME: usize = 8;
const PAYLOAD: usize = 3 * ID + TIME + 1;
const SEAL: usize = 32;

/// A link's secret text. It prints nothing of itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkToken(String);

impl LinkToken {
    /// Takes the text of a link; whether it is one, [`Engine::open_link`] finds out.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the whole text: for the moment it is sent.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken")
    }
}

/// A link that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewLink {
    /// Its secret.
    pub token: LinkToken,
    /// The file's name.
    pub name: String,
    /// The version whose content it gives.
    pub version_id: VersionId,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Claims {
    file: NodeId,
    version: VersionId,
    by: By,
    expires_at: Timestamp,
    disposition: Disposition,
}

/// With what a link was made, and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Key(KeyId),
    Session(SessionId),
}

/// The bits of a link's last byte.
const INLINE: u8 = 1;
const OF_SESSION: u8 = 2;

impl Claims {
    fn seal(self, secret: &Secret) -> LinkToken {
        let Self { file, version, by, expires_at, disposition } = self;
        let (by, prefix, of_session) = match by {
            By::Key(key) => (key.to_string(), KeyId::PREFIX, 0),
            By::Session(session) => (session.to_string(), SessionId::PREFIX, OF_SESSION),
        };
        let mut sealed = Vec::with_capacity(PAYLOAD + SEAL);
        for (text, prefix) in
            [(file.to_string(), NodeId::PREFIX), (version.to_string(), VersionId::PREFIX), (by, prefix)]
        {
            sealed.extend_from_slice(&text.as_bytes()[prefix.len()..]);
        }
        sealed.extend_from_slice(&expires_at.as_micros().to_be_bytes());
        sealed.push(of_session | u8::from(disposition == Disposition::Inline));
        let seal = secret.sign(CONTEXT, &sealed);
        sealed.extend_from_slice(seal.as_ref());
        LinkToken(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens what this secret has sealed; nothing for all else.
    fn open(token: &LinkToken, secret: &Secret) -> Option<Self> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(token.0.strip_prefix(PREFIX)?).ok()?;
        let (payload, seal) = sealed.split_at_checked(PAYLOAD)?;
        // In constant time, whatever is wrong.
        if !secret.has_signed(CONTEXT, payload, seal) {
            return None;
        }
        let (ids, rest) = payload.split_at_checked(3 * ID)?;
        let ids = str::from_utf8(ids).ok()?;
        let (time, &[last]) = rest.split_first_chunk::<TIME>()? else { return None };
        if last > OF_SESSION | INLINE {
            return None;
        }
        let id = |place: usize, prefix: &str| format!("{prefix}{}", &ids[place * ID..(place + 1) * ID]);
        Some(Self {
            file: id(0, NodeId::PREFIX).parse().ok()?,
            version: id(1, VersionId::PREFIX).parse().ok()?,
            by: match last & OF_SESSION {
                0 => By::Key(id(2, KeyId::PREFIX).parse().ok()?),
                _ => By::Session(id(2, SessionId::PREFIX).parse().ok()?),
            },
            expires_at: Timestamp::from_micros(i64::from_be_bytes(*time)),
            disposition: match last & INLINE {
                0 => Disposition::Attachment,
                _ => Disposition::Inline,
            },
        })
    }
}

fn no_link() -> Error {
    Error::new(Code::LinkNotFound, "this link leads nowhere: it is none of ours, or what it led to is gone")
}

fn ended() -> Error {
    Error::new(Code::LinkExpired, "the link's time is over, or that of the key or session which made it")
}

/// Tells what those who have no key may know of why content cannot be opened.
fn told_to_anyone(error: Error) -> Error {
    match error.code() {
        Code::NodeNotFound | Code::VersionNotFound | Code::InTrash | Code::NotAFile => no_link(),
        _ => error,
    }
}

impl Engine {
    /// Makes a link to the content of a file as it is now, or of a stated version. Who may read may make one; with
    /// `premises` comes an idempotency key, and nothing else of them matters.
    pub async fn create_link(
        &self,
        actor: &Actor,
        file: NodeId,
        wanted: CreateLink,
        premises: Premises,
    ) -> Result<NewLink> {
        if wanted.expires_in == 0 || wanted.expires_in > LONGEST_LINK {
            let detail = format!("`expires_in` is 1 to {LONGEST_LINK} seconds");
            return Err(Error::new(Code::InvalidBody, detail));
        }
        let by = match actor.credential {
            Credential::Key(key) => By::Key(key),
            Credential::Session(session) => By::Session(session),
            Credential::Share(_) | Credential::Longshore => {
                return Err(Error::new(Code::KeyMissing, "a link is made with a key"));
            }
        };
        if let Some(answer) = self.answered(actor, &premises, Need::SHARE).await? {
            return Ok(answer);
        }
        actor.needs(self.workspace_of_node(actor, file).await?, Need::SHARE)?;
        let content = self.open_content(actor, file, wanted.version).await?;
        let claims = Claims {
            file,
            version: content.version().id,
            by,
            expires_at: self.now().plus(Duration::from_secs(wanted.expires_in)),
            disposition: wanted.disposition,
        };
        let link = NewLink {
            token: claims.seal(self.secret()),
            name: content.node().name.clone(),
            version_id: claims.version,
            expires_at: claims.expires_at,
        };
        let right = Right::In(content.node().workspace_id, Need::SHARE);
        let (actor, clock) = (actor.clone(), self.clock());
        self.db()
            .write(move |tx| {
                let (actor, clock, link) = (actor.clone(), clock.clone(), link.clone());
                let idempotency = premises.idempotency.clone();
                Box::pin(async move {
                    let now = tx.now(clock.as_ref()).await?;
                    once(tx, idempotency, (&actor, right), clock.as_ref(), async |tx, actor| {
                        let entry =
                            Entry::done("link.created", actor, now).within(right.workspace()).about(file);
                        let entry = entry.with("version_id", json!(link.version_id));
                        tx.note(entry.with("expires_at", json!(link.expires_at)));
                        Ok(link)
                    })
                    .await
                })
            })
            .await
    }

    /// Opens the content that a link leads to, and tells what a browser is to do with it.
    ///
    /// `LinkExpired` where its time is over, or its key is revoked or over, its session has ended, or its maker is deactivated; `LinkNotFound` for what is no link of this
    /// database, and where the file or the version is in the trash or gone.
    pub async fn open_link(&self, token: &LinkToken) -> Result<(Content, Disposition)> {
        let wrong = || no_link().refusing(None);
        let claims = Claims::open(token, self.secret()).ok_or_else(wrong)?;
        if claims.expires_at <= self.now() {
            return Err(ended());
        }
        let maker = match claims.by {
            By::Key(key) => self.actor_of(key).await,
            By::Session(session) => self.actor_in_session(session).await,
        };
        // Whatever ends a key or a session ends its links.
        let actor = maker.map_err(|error| match error.kind() {
            ErrorKind::Unauthenticated => ended(),
            _ => error,
        })?;
        let content = self.open_content(&actor, claims.file, Some(claims.version)).await;
        Ok((content.map_err(told_to_anyone)?, claims.disposition))
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::wire::Disposition;
    use longshore_core::{KeyId, NodeId, SessionId, Timestamp, VersionId};

    use super::{By, Claims, LinkToken};
    use crate::secret::Secret;

    fn secret(byte: u8) -> Secret {
        Secret::new(&[byte; 32])
    }

    fn claims() -> Claims {
        let now = Timestamp::from_micros(1_763_613_468_000_000);
        Claims {
            file: NodeId::new(now),
            version: VersionId::new(now),
            by: By::Key(KeyId::new(now)),
            expires_at: now,
            disposition: Disposition::Inline,
        }
    }

    #[test]
    fn what_was_sealed_comes_back() {
        let claims = claims();
        let token = claims.seal(&secret(1));
        assert_eq!(Claims::open(&token, &secret(1)), Some(claims));
        let of_session = Claims { by: By::Session(SessionId::new(claims.expires_at)), ..claims };
        assert_eq!(Claims::open(&of_session.seal(&secret(1)), &secret(1)), Some(of_session));
        assert_eq!(Claims::open(&token, &secret(2)), None);
        assert!(!format!("{token:?}").contains(&token.reveal()[4..]));
    }

    #[test]
    fn one_other_character_opens_nothing() {
        let token = claims().seal(&secret(1));
        for place in 0..token.reveal().len() {
            for other in [b'A', b'B', b'-', b'='] {
                let mut text = token.reveal().as_bytes().to_vec();
                if text[place] == other {
                    continue;
                }
                text[place] = other;
                let changed = LinkToken::new(String::from_utf8(text).unwrap());
                assert_eq!(Claims::open(&changed, &secret(1)), None, "place {place}");
            }
            let cut = LinkToken::new(token.reveal()[..place].to_owned());
            assert_eq!(Claims::open(&cut, &secret(1)), None, "cut at {place}");
        }
        let longer = LinkToken::new(format!("{}AAAA", token.reveal()));
        assert_eq!(Claims::open(&longer, &secret(1)), None);
    }
}
