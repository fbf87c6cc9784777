//! `Upload-Checksum`: the digest of one request's bytes.

use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_core::Code;
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::DynDigest;

use super::protocol::malformed;
use crate::problem::Failure;

pub(super) const HEADER: HeaderName = HeaderName::from_static("upload-checksum");

/// SHA-1 and MD5 find a wire that fails, not somebody who means ill: tus asks for the one, its clients know the other.
pub(super) const ALGORITHMS: &str = "sha256,blake3,sha1,md5";

enum Hasher {
    Blake3(Box<blake3::Hasher>),
    Other(Box<dyn DynDigest + Send>),
}

/// The checksum that bytes must have, and that of those that came.
pub(super) struct Checksum {
    hasher: Hasher,
    wanted: Vec<u8>,
}

impl Checksum {
    /// Reads the header; nothing where it is not there.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let Some(value) = headers.get(HEADER) else { return Ok(None) };
        let wrong =
            || malformed("upload-checksum", &format!("is one of {ALGORITHMS} and a digest in base64"));
        let (name, digest) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
        let (hasher, size) = match name {
            "blake3" => (Hasher::Blake3(Box::default()), blake3::OUT_LEN),
            "sha256" => (Hasher::Other(Box::<Sha256>::default()), 32),
            "sha1" => (Hasher::Other(Box::<Sha1>::default()), 20),
            "md5" => (Hasher::Other(Box::<Md5>::default()), 16),
            _ => return Err(wrong()),
        };
        let wanted = STANDARD.decode(digest.trim()).ok().filter(|wanted| wanted.len() == size);
        Ok(Some(Self { hasher, wanted: wanted.ok_or_else(wrong)? }))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Hasher::Other(hasher) => hasher.update(bytes),
        }
    }

    /// Refuses bytes that are not those that were meant.
    pub(super) fn check(self) -> Result<(), Failure> {
        let found = match self.hasher {
            Hasher::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
            Hasher::Other(hasher) => hasher.finalize().into_vec(),
        };
        if found == self.wanted {
            return Ok(());
        }
        let detail =
            format!("the bytes have {}, not {}", STANDARD.encode(found), STANDARD.encode(self.wanted));
        Err(Failure::new(Code::ChecksumMismatch, detail))
    }
}
