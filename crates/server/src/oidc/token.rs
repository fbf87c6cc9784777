//! ID tokens: signed by a key of the provider, and about this very sign-in.
//!
//! Three algorithms are known, each with the kind of key that it takes, so that no token chooses what it is verified by:
//! there is no `none`, and no secret that two sides share. What is signed is read only once the signature is found good.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use longshore_core::Timestamp;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// How far clocks may differ, in seconds.
const LEEWAY: f64 = 60.0;
/// The most keys that one token is tried with.
const TRIED: usize = 4;

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    fn read(text: &str) -> Option<Self> {
        match text {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A key of a provider.
#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// The keys of a provider that sign tokens (RFC 7517). Those that are of no use here are passed over.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct StatedKeys {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct StatedKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn decoded(text: Option<String>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text?).ok().filter(|bytes| !bytes.is_empty())
}

/// Returns a number without the zeros before it.
fn number(text: Option<String>) -> Option<Vec<u8>> {
    let bytes = decoded(text)?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

impl StatedKey {
    fn usable(self) -> Option<Key> {
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (public, algorithm) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (Public::Rsa { n: number(self.n)?, e: number(self.e)? }, Algorithm::Rs256),
            ("EC", Some("P-256")) => {
                let (x, y) = (decoded(self.x)?, decoded(self.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                (Public::P256([&[4], &x[..], &y].concat()), Algorithm::Es256)
            }
            ("OKP", Some("Ed25519")) => (Public::Ed25519(decoded(self.x)?), Algorithm::EdDsa),
            _ => return None,
        };
        if self.alg.is_some_and(|stated| Algorithm::read(&stated) != Some(algorithm)) {
            return None;
        }
        Some(Key { id: self.kid, public })
    }
}

impl Keys {
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let stated: StatedKeys = serde_json::from_slice(json).ok()?;
        let keys = stated.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Some(Self(keys.filter_map(StatedKey::usable).collect()))
    }
}

impl Key {
    const fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa { .. } => Algorithm::Rs256,
            Public::P256(_) => Algorithm::Es256,
            Public::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Each kind of key is for its one algorithm.
    fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            Public::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok(),
        }
    }
}

/// A token (RFC 7515, compact) whose signature nobody has looked at yet.
pub(super) struct Signed<'t> {
    algorithm: Algorithm,
    key: Option<String>,
    signed: &'t [u8],
    payload: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood: none is.
    crit: Option<IgnoredAny>,
}

impl<'t> Signed<'t> {
    pub(super) fn read(token: &'t str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "the ID token is malformed";
        let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, payload) = signed.split_once('.').ok_or(MALFORMED)?;
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| MALFORMED)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| MALFORMED)?;
        if header.crit.is_some() {
            return Err("the ID token has an extension that is not known here");
        }
        let algorithm =
            Algorithm::read(&header.alg).ok_or("the ID token is signed by none of RS256, ES256 and EdDSA")?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| MALFORMED)?;
        Ok(Self { algorithm, key: header.kid, signed: signed.as_bytes(), payload, signature })
    }

    /// Tells whether one of these keys has signed it: of those for its algorithm that which it names, where it names one.
    pub(super) fn is_of(&self, keys: &Keys) -> bool {
        let fitting = keys.0.iter().filter(|key| key.algorithm() == self.algorithm);
        let named = fitting.filter(|key| self.key.is_none() || key.id == self.key);
        named.take(TRIED).any(|key| key.has_signed(self.signed, &self.signature))
    }

    /// Returns what it says. Whoever calls this knows who has signed it.
    pub(super) fn claims(&self) -> Result<Claims, &'static str> {
        const MALFORMED: &str = "what the ID token says is malformed";
        let payload = BASE64_URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| MALFORMED)?;
        serde_json::from_slice(&payload).map_err(|_| MALFORMED)
    }
}

/// For whom a token is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What an ID token says.
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    pub(super) nonce: Option<String>,
    pub(super) sub: String,
    pub(super) email: Option<String>,
    email_verified: Option<serde_json::Value>,
    pub(super) name: Option<String>,
    pub(super) preferred_username: Option<String>,
}

impl Claims {
    /// Refuses a token of another issuer, for another client, or of another time.
    pub(super) fn check(&self, issuer: &str, client: &str, now: Timestamp) -> Result<(), &'static str> {
        if self.iss != issuer {
            return Err("the ID token is of another issuer");
        }
        let (is_for_client, has_others) = match &self.aud {
            Audience::One(one) => (one == client, false),
            Audience::Many(many) => (many.iter().any(|one| one == client), many.len() > 1),
        };
        if !is_for_client {
            return Err("the ID token is for another client");
        }
        match &self.azp {
            Some(azp) if azp != client => return Err("the ID token was given to another client"),
            None if has_others => {
                return Err("the ID token is for several and says not to whom it was given");
            }
            _ => {}
        }
        let now = now.as_micros() as f64 / 1e6;
        if now >= self.exp + LEEWAY {
            return Err("the ID token's time is over");
        }
        if self.iat > now + LEEWAY || self.nbf.is_some_and(|begin| begin > now + LEEWAY) {
            return Err("the ID token is of the future: one of the clocks is wrong");
        }
        Ok(())
    }

    /// Returns the e-mail address where the provider says that it is the person's own.
    pub(super) fn verified_email(&self) -> Option<&str> {
        let is_verified = self.email_verified == Some(serde_json::Value::Bool(true));
        self.email.as_deref().filter(|_| is_verified)
    }

    /// Tells whether the person has a verified e-mail address in one of these domains.
    pub(super) fn is_of_domain(&self, domains: &[String]) -> bool {
        let address = self.verified_email().and_then(|email| email.rsplit_once('@'));
        let domain =
            address.filter(|(local, _)| !local.is_empty() && !local.contains('@')).map(|(_, domain)| domain);
        domain.is_some_and(|domain| domains.iter().any(|one| one.eq_ignore_ascii_case(domain)))
    }
}
