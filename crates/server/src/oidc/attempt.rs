//! A sign-in that is under way: what its browser keeps of it, and what follows from that.
//!
//! The cookie has a secret of 256 random bits. What the provider sees of the attempt (`state`, `nonce`, the challenge) is
//! derived from it, so the server keeps nothing, and nobody else's browser can bring the attempt to its end.

use std::fmt::{self, Debug};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use longshore_core::wire::HiddenText;
use longshore_core::{Code, PrincipalId, Timestamp, random};
use longshore_engine::{Error, Result};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

/// How long an attempt may take.
pub(crate) const LASTS: Duration = Duration::from_mins(10);
/// How far the clock of the node that an attempt comes back to may be behind that of the one where it began.
const SKEW: Duration = Duration::from_mins(1);
/// The most bytes of a path to return to: with all else the cookie stays well below 4 KiB.
const RETURN_TO: usize = 1_024;

const STATE: &[u8] = b"longshore oidc state 1";
const NONCE: &[u8] = b"longshore oidc nonce 1";
const VERIFIER: &[u8] = b"longshore oidc verifier 1";

/// What an attempt is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To sign in.
    SignIn,
    /// To sign in and accept an invitation.
    Invited(HiddenText),
    /// To add an identity to this person, who is signed in.
    Link(PrincipalId),
}

/// An attempt, as its browser's cookie has it. It prints nothing secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    secret: String,
    provider: String,
    pub(crate) purpose: Purpose,
    return_to: String,
    ends_at: Timestamp,
}

impl Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempt({})", self.provider)
    }
}

/// Tells whether a browser that is sent there stays on this origin, whatever it makes of the text.
fn is_own_path(path: &str) -> bool {
    path.len() <= RETURN_TO
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

pub(crate) fn wrong(detail: &str) -> Error {
    Error::new(Code::OidcStateWrong, detail)
}

impl Attempt {
    /// Begins an attempt; tells what is wrong with a place to return to that is not on this origin.
    pub(crate) fn new(
        provider: &str,
        purpose: Purpose,
        return_to: Option<&str>,
        now: Timestamp,
    ) -> std::result::Result<Self, &'static str> {
        let return_to = return_to.unwrap_or("/");
        if !is_own_path(return_to) {
            return Err(
                "`return_to` is a path on this server that begins with one `/`: at most 1024 visible characters, \
                        without a backslash",
            );
        }
        let mut secret = [0; 32];
        random::fill(&mut secret);
        Ok(Self {
            secret: BASE64_URL_SAFE_NO_PAD.encode(secret),
            provider: provider.to_owned(),
            purpose,
            return_to: return_to.to_owned(),
            ends_at: now.plus(LASTS),
        })
    }

    /// Returns what the cookie holds.
    pub(crate) fn cookie(&self) -> String {
        // A struct of texts always becomes JSON.
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Finds the attempt that the provider's answer belongs to: the one of this browser's cookie, which is not over, is at this
    /// provider, and has this state.
    pub(crate) fn of(cookie: Option<&str>, provider: &str, state: &str, now: Timestamp) -> Result<Self> {
        let cookie = cookie.ok_or_else(|| wrong("this browser has begun no sign-in, or sends no cookies"))?;
        let read = BASE64_URL_SAFE_NO_PAD.decode(cookie).ok();
        let attempt: Option<Self> = read.and_then(|json| serde_json::from_slice(&json).ok());
        // What stands in a cookie is the word of who sent it.
        let attempt = attempt.filter(|one| is_own_path(&one.return_to) && one.secret.len() == 43);
        let attempt = attempt.ok_or_else(|| wrong("the cookie of the sign-in is none of ours"))?;
        if attempt.ends_at <= now || attempt.ends_at > now.plus(LASTS + SKEW) {
            return Err(wrong("the sign-in took longer than ten minutes: begin anew"));
        }
        if attempt.provider != provider || !attempt.is(STATE, state) {
            return Err(wrong("this answer belongs to another sign-in: begin anew"));
        }
        Ok(attempt)
    }

    /// Returns where the browser goes in the end: a path.
    pub(crate) fn return_to(&self) -> &str {
        &self.return_to
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes())
    }

    fn derived(&self, what: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key(), what))
    }

    /// Compares in a time that says nothing of what is right.
    fn is(&self, what: &[u8], stated: &str) -> bool {
        let stated = BASE64_URL_SAFE_NO_PAD.decode(stated).unwrap_or_default();
        hmac::verify(&self.key(), what, &stated).is_ok()
    }

    pub(super) fn state(&self) -> String {
        self.derived(STATE)
    }

    pub(super) fn nonce(&self) -> String {
        self.derived(NONCE)
    }

    pub(super) fn is_nonce(&self, stated: &str) -> bool {
        self.is(NONCE, stated)
    }

    /// Returns the verifier of PKCE (RFC 7636).
    pub(super) fn verifier(&self) -> HiddenText {
        HiddenText::new(self.derived(VERIFIER))
    }

    /// Returns the challenge that the verifier answers, by S256.
    pub(super) fn challenge(&self) -> String {
        let digest = digest::digest(&digest::SHA256, self.derived(VERIFIER).as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(digest)
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::{Code, Timestamp};

    use super::{Attempt, LASTS, Purpose, SKEW};

    const NOW: Timestamp = Timestamp::from_micros(1_763_613_468_000_000);

    fn attempt(return_to: Option<&str>) -> Result<Attempt, &'static str> {
        Attempt::new("a", Purpose::SignIn, return_to, NOW)
    }

    #[test]
    fn a_place_to_return_to_is_on_this_origin() {
        for good in ["/", "/a?b=c#d", "/@x", "/a//b"] {
            assert_eq!(attempt(Some(good)).unwrap().return_to(), good);
        }
        for wrong in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/ ",
            "/\u{e9}",
            &format!("/{}", "x".repeat(1_024)),
        ] {
            attempt(Some(wrong)).unwrap_err();
        }
    }

    #[test]
    fn an_attempt_is_found_by_its_browsers_cookie_alone() {
        let (one, other) = (attempt(None).unwrap(), attempt(None).unwrap());
        let found = |cookie: Option<&str>, provider: &str, state: &str, now: Timestamp| {
            Attempt::of(cookie, provider, state, now).map_err(|error| error.code())
        };
        let (cookie, state) = (one.cookie(), one.state());
        assert!(cookie.len() < 1_000);
        assert_eq!(found(Some(&cookie), "a", &state, NOW).unwrap(), one);
        // The next node may be behind this one.
        let behind = Timestamp::from_micros(NOW.as_micros() - 1_000_000);
        assert_eq!(found(Some(&cookie), "a", &state, behind).unwrap(), one);
        let late = NOW.plus(LASTS);
        let forged = Attempt { ends_at: NOW.plus(LASTS + 2 * SKEW), ..one.clone() }.cookie();
        let elsewhere = Attempt { return_to: "//evil.example".to_owned(), ..one.clone() }.cookie();
        let empty = Attempt { secret: String::new(), ..one.clone() };
        for (cookie, provider, state, now) in [
            (None, "a", state.as_str(), NOW),
            (Some(other.cookie().as_str()), "a", &state, NOW),
            (Some(&cookie), "b", &state, NOW),
            (Some(&cookie), "a", &other.state(), NOW),
            (Some(&cookie), "a", "", NOW),
            (Some(&cookie), "a", &one.nonce(), NOW),
            (Some(&cookie), "a", &state, late),
            (Some(&forged), "a", &state, NOW),
            (Some(&elsewhere), "a", &state, NOW),
            (Some(&empty.cookie()), "a", &empty.state(), NOW),
            (Some("e30"), "a", &state, NOW),
            (Some("%"), "a", &state, NOW),
        ] {
            assert_eq!(found(cookie, provider, state, now), Err(Code::OidcStateWrong));
        }
    }

    #[test]
    fn what_a_provider_sees_tells_nothing_of_the_rest() {
        let one = attempt(None).unwrap();
        let verifier = one.verifier();
        let seen =
            [one.state(), one.nonce(), one.challenge(), verifier.reveal().to_owned(), one.secret.clone()];
        for (place, text) in seen.iter().enumerate() {
            assert_eq!(text.len(), 43);
            assert!(!seen[..place].contains(text));
        }
        assert!(one.is_nonce(&one.nonce()) && !one.is_nonce(&one.state()));
        assert!(!format!("{one:?}").contains(&one.secret));
    }
}
