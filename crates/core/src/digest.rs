//! Digests of content, as text (`blake3:<hex>`) and as the `Content-Digest` field of RFC 9530.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A hash algorithm whose digests Longshore speaks. Each gives 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// BLAKE3, the digest every version has.
    Blake3,
    /// SHA-256, kept where a caller sent it.
    Sha256,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }

    /// The key in `Content-Digest`. BLAKE3 is not in RFC 9530's registry; we use its common name.
    const fn field_key(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha-256",
        }
    }
}

/// A text is no digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestError;

impl Display for DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest is `blake3:` or `sha256:` and 64 hexadecimal characters")
    }
}

impl std::error::Error for DigestError {}

/// The digest of some bytes: an algorithm and its 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

impl Digest {
    /// Makes a digest of an algorithm's output.
    #[must_use]
    pub const fn new(algorithm: Algorithm, bytes: [u8; 32]) -> Self {
        Self { algorithm, bytes }
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns this digest as a member of a `Content-Digest` field: `blake3=:<base64>:`.
    #[must_use]
    pub fn to_content_digest(&self) -> String {
        format!("{}=:{}:", self.algorithm.field_key(), STANDARD.encode(self.bytes))
    }

    /// Reads a `Content-Digest` field (RFC 9530).
    ///
    /// Members of algorithms Longshore does not speak are left out, as the RFC asks; a member of a known
    /// algorithm that does not decode is an error.
    pub fn parse_content_digest(field: &str) -> Result<Vec<Self>, DigestError> {
        let mut digests = Vec::new();
        for member in field.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            let (key, value) = member.split_once('=').ok_or(DigestError)?;
            let algorithm = match key.trim() {
                "blake3" => Algorithm::Blake3,
                "sha-256" => Algorithm::Sha256,
                _ => continue,
            };
            let encoded =
                value.trim().strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).ok_or(DigestError)?;
            let bytes = STANDARD.decode(encoded).map_err(|_| DigestError)?;
            digests.push(Self { algorithm, bytes: bytes.try_into().map_err(|_| DigestError)? });
        }
        Ok(digests)
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.algorithm.name())?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or(DigestError)?;
        let algorithm = match name {
            "blake3" => Algorithm::Blake3,
            "sha256" => Algorithm::Sha256,
            _ => return Err(DigestError),
        };
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).map_err(|_| DigestError)?;
        }
        Ok(Self { algorithm, bytes })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Digest};

    #[test]
    fn both_text_forms_come_back() {
        let digest = Digest::new(Algorithm::Sha256, [0xab; 32]);
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        let field = format!("md5=:AAAA:, {}", digest.to_content_digest());
        assert_eq!(Digest::parse_content_digest(&field).unwrap(), vec![digest]);
    }

    #[test]
    fn broken_digests_are_refused() {
        for bad in [
            "",
            "blake3",
            "blake3:",
            "md5:00",
            "blake3:zz",
            "sha256:+0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?}");
        }
        for bad in ["sha-256=abc", "sha-256=:abc:", "sha-256=:AAAA:", "nonsense"] {
            assert!(Digest::parse_content_digest(bad).is_err(), "{bad:?}");
        }
    }
}
