//! `Upload-Checksum` and `Content-Digest`: the digests of one request's bytes.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_core::{Algorithm, Code, Digest};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use sha2::digest::{DynDigest, FixedOutput, Update};

use super::protocol::malformed;
use crate::http::incoming::digests;
use crate::problem::Failure;

const HEADER: HeaderName = HeaderName::from_static("upload-checksum");

/// SHA-1 and MD5 find a wire that fails, not somebody who means ill: tus asks for the one, its clients know the other.
pub(super) const ALGORITHMS: &str = "sha256,blake3,sha1,md5";

enum Hasher {
    Blake3(Box<blake3::Hasher>),
    Other(Box<dyn DynDigest + Send>),
}

/// What bytes must be, by `Upload-Checksum` and `Content-Digest`, and what those are that came.
pub(super) struct Checksum {
    /// The hasher of `Upload-Checksum`, and what it is to find.
    checksum: Option<(Hasher, Vec<u8>)>,
    digests: Vec<Digest>,
    blake3: Option<Box<blake3::Hasher>>,
    sha256: Option<Sha256>,
}

impl Checksum {
    /// Reads the headers; nothing where neither says anything.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let checksum = headers.get(HEADER).map(read).transpose()?;
        let digests = digests(headers)?;
        if checksum.is_none() && digests.is_empty() {
            return Ok(None);
        }
        let wants = |wanted| digests.iter().any(|digest| digest.algorithm() == wanted);
        let blake3 = wants(Algorithm::Blake3).then(Box::default);
        let sha256 = wants(Algorithm::Sha256).then(Sha256::default);
        Ok(Some(Self { checksum, digests, blake3, sha256 }))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.checksum {
            Some((Hasher::Blake3(hasher), _)) => {
                hasher.update(bytes);
            }
            Some((Hasher::Other(hasher), _)) => hasher.update(bytes),
            None => {}
        }
        if let Some(hasher) = &mut self.blake3 {
            hasher.update(bytes);
        }
        if let Some(hasher) = &mut self.sha256 {
            Update::update(hasher, bytes);
        }
    }

    /// Refuses bytes that are not those that were meant.
    pub(super) fn check(self) -> Result<(), Failure> {
        let Self { checksum, digests, blake3, sha256 } = self;
        if let Some((hasher, wanted)) = checksum {
            let found = match hasher {
                Hasher::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
                Hasher::Other(hasher) => hasher.finalize().into_vec(),
            };
            if found != wanted {
                let detail =
                    format!("the bytes have {}, not {}", STANDARD.encode(found), STANDARD.encode(wanted));
                return Err(Failure::new(Code::ChecksumMismatch, detail));
            }
        }
        let blake3 = blake3.map(|hasher| Digest::new(Algorithm::Blake3, *hasher.finalize().as_bytes()));
        let sha256 = sha256.map(|hasher| Digest::new(Algorithm::Sha256, hasher.finalize_fixed().into()));
        for wanted in digests {
            let found = if wanted.algorithm() == Algorithm::Sha256 { sha256 } else { blake3 };
            if let Some(found) = found.filter(|found| *found != wanted) {
                let detail = format!("the bytes of this request have {found}, not {wanted}");
                return Err(Failure::new(Code::DigestMismatch, detail));
            }
        }
        Ok(())
    }
}

/// Reads `Upload-Checksum`: the hasher of its algorithm, and the digest.
fn read(value: &HeaderValue) -> Result<(Hasher, Vec<u8>), Failure> {
    let wrong = || malformed("upload-checksum", &format!("is one of {ALGORITHMS} and a digest in base64"));
    let (name, digest) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
    let (hasher, size) = match name {
        "blake3" => (Hasher::Blake3(Box::default()), blake3::OUT_LEN),
        "sha256" => (Hasher::Other(Box::<Sha256>::default()), 32),
        "sha1" => (Hasher::Other(Box::<Sha1>::default()), 20),
        "md5" => (Hasher::Other(Box::<Md5>::default()), 16),
        _ => return Err(wrong()),
    };
    let wanted = STANDARD.decode(digest.trim()).ok().filter(|wanted| wanted.len() == size);
    Ok((hasher, wanted.ok_or_else(wrong)?))
}
