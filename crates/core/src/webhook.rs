//! Signed deliveries, as Standard Webhooks 1.0.0 has them: who sends them and who checks them share this.
//!
//! A delivery carries `webhook-id`, which is the same for every attempt and every redelivery of one event,
//! `webhook-timestamp`, the second of this attempt, and `webhook-signature`: `v1,` and the base64 of the
//! HMAC-SHA256 of `id.timestamp.body`. While a secret is rotated there are two signatures with a space between.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::{Clock, SystemClock};
use crate::random;
use crate::time::Timestamp;

#[cfg(test)]
mod tests;

/// The header with the delivery's id.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the second of the attempt, counted from 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
/// How many bytes a secret may have, by the standard.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;
/// How many bytes a secret made here has.
const SECRET_LENGTH: usize = 32;
/// An older or newer attempt than this may be somebody's replay.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// More signatures than a rotation ever needs are not looked at.
const MOST_SIGNATURES: usize = 16;

/// A text is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedSecret;

impl Display for MalformedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a webhook's secret is `{PREFIX}` and the base64 of 24 to 64 bytes")
    }
}

impl std::error::Error for MalformedSecret {}

/// The secret that a webhook's sender and receiver share. It prints nothing; [`Secret::reveal`] gives its text.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Makes a new secret of 32 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = vec![0; SECRET_LENGTH];
        random::fill(&mut bytes);
        Self(bytes)
    }

    /// Returns the secret's text, `whsec_…`: for the moment it is shown or stored.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!());
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromStr for Secret {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, MalformedSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(MalformedSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| MalformedSecret)?;
        if SECRET_LENGTHS.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(MalformedSecret) }
    }
}

/// Returns the signature of one attempt, `v1,…`.
#[must_use]
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mac = secret.mac(id, &timestamp.to_string(), body);
    format!("{VERSION}{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The three headers of a delivery, as they came.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

/// Why a delivery is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// The timestamp is no number of seconds.
    MalformedTimestamp,
    /// The attempt is older than the tolerance: a replay, or a clock that is wrong.
    TooOld,
    /// The attempt lies in the future: a clock is wrong.
    TooNew,
    /// None of the signatures was made with one of the secrets over this id, timestamp and body.
    NoMatch,
}

impl Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MalformedTimestamp => "the delivery's timestamp is no number of seconds",
            Self::TooOld => "the delivery's timestamp is too old",
            Self::TooNew => "the delivery's timestamp lies in the future",
            Self::NoMatch => "no signature of the delivery matches",
        })
    }
}

impl std::error::Error for VerifyError {}

/// Checks deliveries against one secret, or against the old and the new one while they are changed.
#[derive(Clone, Debug)]
pub struct Verifier {
    secrets: Vec<Secret>,
    tolerance: Duration,
}

impl Verifier {
    /// Makes a verifier that takes attempts at most five minutes old.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        Self { secrets: secrets.into_iter().collect(), tolerance: TOLERANCE }
    }

    /// Takes attempts that differ from this machine's clock by at most `tolerance`.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Checks a delivery that comes in now. `body` is its content byte for byte, before anything parsed it.
    ///
    /// # Errors
    /// When the delivery is not from the secret's holder, was changed, or is a replay.
    pub fn verify(&self, headers: &Headers<'_>, body: &[u8]) -> Result<(), VerifyError> {
        self.verify_at(headers, body, SystemClock.now())
    }

    /// Checks a delivery as of `now`.
    ///
    /// The comparison takes the same time whether the first or the last byte differs.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify_at(&self, headers: &Headers<'_>, body: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        let digits = headers.timestamp;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(VerifyError::MalformedTimestamp);
        }
        let seconds: i64 = digits.parse().map_err(|_| VerifyError::MalformedTimestamp)?;
        let sent = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
        if now.since(sent) > self.tolerance {
            return Err(VerifyError::TooOld);
        }
        if sent.since(now) > self.tolerance {
            return Err(VerifyError::TooNew);
        }
        for signature in headers.signature.split(' ').take(MOST_SIGNATURES) {
            let Some(encoded) = signature.strip_prefix(VERSION) else { continue };
            let Ok(signature) = STANDARD.decode(encoded) else { continue };
            for secret in &self.secrets {
                if secret.mac(headers.id, digits, body).verify_slice(&signature).is_ok() {
                    return Ok(());
                }
            }
        }
        Err(VerifyError::NoMatch)
    }
}
