//! Whole files: as text, and with a digest.

use bytes::Bytes;

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{ReadOptions, WriteOptions, WriteResult};
use crate::store::Store;
use crate::write::Content;

impl Store {
    /// Reads a whole file into memory, as UTF-8; `InvalidContent` where it is none.
    pub async fn read_text(&self, path: &str) -> Result<String> {
        let bytes = self.read_bytes(path).await?;
        let text = String::from_utf8(bytes.into());
        let failed =
            |error| Error::new(ErrorKind::InvalidContent, "the content is not UTF-8").with_source(error);
        self.at(path, text.map_err(failed))
    }

    /// Writes text as UTF-8.
    pub async fn write_text(
        &self,
        path: &str,
        text: impl Into<String>,
        options: WriteOptions,
    ) -> Result<WriteResult> {
        self.write(path, Bytes::from(text.into()), options).await
    }

    /// Writes a file and computes a digest of what is sent, on the way; the result always has it.
    pub async fn write_with_hash(
        &self,
        path: &str,
        content: impl Into<Content>,
        algorithm: Algorithm,
        options: WriteOptions,
    ) -> Result<WriteResult> {
        let mut hasher = Hasher::new(algorithm);
        let written = self.write_seen(path, content.into(), options, |chunk| hasher.update(chunk)).await?;
        Ok(WriteResult { digest: Some(hasher.finish()), ..written })
    }

    /// Reads a file and computes its digest.
    pub async fn checksum(&self, path: &str, algorithm: Algorithm) -> Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        let mut read = self.read(path, ReadOptions::default()).await?;
        while let Some(chunk) = read.next_chunk().await? {
            hasher.update(&chunk);
        }
        Ok(hasher.finish())
    }

    /// Reads a file and compares its digest; `InvalidContent` where it is another.
    pub async fn verify(&self, path: &str, digest: &Digest) -> Result<()> {
        let found = self.checksum(path, digest.algorithm()).await?;
        if found == *digest {
            return Ok(());
        }
        let message = format!("the content's digest is {found}, not {digest}");
        self.at(path, Err(Error::new(ErrorKind::InvalidContent, message)))
    }
}
