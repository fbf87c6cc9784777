//! Digests of content, computed on the way.

use std::fmt::{self, Display};
use std::str::FromStr;

use sha2::Digest as _;

use crate::error::{Error, ErrorKind};

/// A way to compute a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// BLAKE3, 32 bytes.
    Blake3,
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256,
    /// SHA-512 (FIPS 180-4), 64 bytes.
    Sha512,
    /// MD5 (RFC 1321), 16 bytes. Against accidents alone, for services that speak it.
    Md5,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &[Self] = &[Self::Blake3, Self::Sha256, Self::Sha512, Self::Md5];

    /// Returns the name: `blake3`, `sha256`, `sha512`, `md5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Md5 => "md5",
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Blake3 | Self::Sha256 => 32,
            Self::Sha512 => 64,
            Self::Md5 => 16,
        }
    }
}

/// A digest of content; as text the algorithm's name, a colon and lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// Returns how it was computed.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the value in lower-case hex.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse =
            || Error::new(ErrorKind::InvalidInput, "a digest is `sha256:` and hex, or of another algorithm");
        let (name, hex) = text.split_once(':').ok_or_else(refuse)?;
        let algorithm = Algorithm::ALL.iter().copied().find(|algorithm| algorithm.name() == name);
        let algorithm = algorithm.ok_or_else(refuse)?;
        if hex.len() != algorithm.length() * 2 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        Ok(Self { algorithm, hex: hex.to_ascii_lowercase() })
    }
}

/// A digest in the making.
pub(crate) enum Hasher {
    Blake3(Box<blake3::Hasher>),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Md5(md5::Md5),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Blake3 => Self::Blake3(Box::default()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
            Algorithm::Md5 => Self::Md5(md5::Md5::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => drop(hasher.update(bytes)),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        let (algorithm, hex) = match self {
            Self::Blake3(hasher) => (Algorithm::Blake3, hasher.finalize().to_hex().to_string()),
            Self::Sha256(hasher) => (Algorithm::Sha256, hex(&hasher.finalize())),
            Self::Sha512(hasher) => (Algorithm::Sha512, hex(&hasher.finalize())),
            Self::Md5(hasher) => (Algorithm::Md5, hex(&hasher.finalize())),
        };
        Digest { algorithm, hex }
    }
}

const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// Returns bytes in hex. What is made for every request or entry does without the formatter, which costs several times as much.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    text
}

/// Appends a number in hex, without zeros before it.
pub(crate) fn push_hex(text: &mut String, number: u64) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    text.extend((0..digits).rev().map(|place| DIGITS[(number >> (4 * place) & 15) as usize]));
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Digest, Hasher, push_hex};

    #[test]
    fn numbers_in_hex_are_as_the_formatter_has_them() {
        for number in [0, 1, 15, 16, 0xabc, 0x1234_5678_9abc_def0, u64::MAX, (-5_i64).cast_unsigned()] {
            let mut text = String::new();
            push_hex(&mut text, number);
            assert_eq!(text, format!("{number:x}"));
        }
    }

    #[test]
    fn digests_of_abc_are_those_of_the_specifications() {
        let known = [
            "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "md5:900150983cd24fb0d6963f7d28e17f72",
        ];
        for (algorithm, known) in Algorithm::ALL.iter().zip(known) {
            let mut hasher = Hasher::new(*algorithm);
            hasher.update(b"a");
            hasher.update(b"bc");
            let digest = hasher.finish();
            assert_eq!(digest.to_string(), known);
            assert_eq!(
                known
                    .to_uppercase()
                    .replacen(&algorithm.name().to_uppercase(), algorithm.name(), 1)
                    .parse::<Digest>()
                    .unwrap(),
                digest
            );
        }
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in
            ["", "sha256", "sha256:", "sha1:00", "md5:zz0150983cd24fb0d6963f7d28e17f72", "md5:90015098"]
        {
            text.parse::<Digest>().unwrap_err();
        }
    }
}
