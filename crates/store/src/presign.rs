//! URLs at which the storage itself gives a file.

use std::time::Duration;

use crate::error::Result;
use crate::path::StorePath;
use crate::secret::Secret;
use crate::store::Store;

/// What a URL is to give.
#[derive(Clone, Debug, Default)]
pub struct PresignOptions {
    /// For how long it holds, to the second. A reading that has begun goes on.
    pub expires_in: Duration,
    /// The media type that the answer states.
    pub media_type: Option<String>,
    /// The `Content-Disposition` that the answer states.
    pub disposition: Option<String>,
}

impl PresignOptions {
    /// Returns what S3 and who speaks like it take for the headers of an answer.
    pub(crate) fn query(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let said = [
            ("response-content-type", &self.media_type),
            ("response-content-disposition", &self.disposition),
        ];
        said.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }
}

impl Store {
    /// Returns a URL at which whoever has it can read the file (`GET`, with ranges) from the storage itself, without asking
    /// whether the file is there. Nothing where this storage gives none: S3 does with keys, Azure with the account's key, Google's own
    /// service with a service account's.
    ///
    /// The URL begins with the address by which this process reaches the storage.
    pub async fn presign_read(&self, path: &str, options: &PresignOptions) -> Result<Option<Secret>> {
        let asked = self.at(path, StorePath::parse(path))?;
        let full = self.at(path, self.full(&asked))?;
        let signed = self.backend.presign_read(&full, options).await;
        self.at(path, signed)
    }
}
