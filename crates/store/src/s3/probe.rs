//! Finding out whether a service keeps the condition that nothing is replaced.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

use super::service::S3;
use crate::error::{ErrorKind, Result};
use crate::info::WriteOptions;
use crate::object::error::refusal;
use crate::object::{Service as _, UploadId};
use crate::own_names::TEMPORARY;

/// How long a denied probe is not tried again.
const DENIED_FOR: Duration = Duration::from_mins(10);

/// What a service makes of the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creating {
    /// It keeps it, in one request and in parts.
    Kept,
    /// It replaces all the same, at least in one of both ways.
    Ignored,
    /// It refuses requests that have one.
    Refused,
}

/// Keeps apart who do the same at the same time; no secret.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl S3 {
    /// Tries it out. What was stored for it is deleted, whatever came of it.
    async fn probe(&self) -> Result<Creating> {
        // Keeps those apart who try at the same time.
        let key = format!("{TEMPORARY}/probe-{:016x}", random());
        let found = self.probe_at(&key).await;
        let deleted = self.delete(vec![key]).await;
        let found = found?;
        deleted.map(|()| found)
    }

    async fn probe_at(&self, key: &str) -> Result<Creating> {
        let create = WriteOptions::default();
        for _ in 0..2 {
            match self.put_once(key, vec![Bytes::from_static(b"x")], &create, true).await? {
                Ok(_) => {}
                Err(refused) => {
                    return match refused.status {
                        StatusCode::PRECONDITION_FAILED => self.probe_parts(key).await,
                        StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST => Ok(Creating::Refused),
                        _ => Err(refusal(&refused)),
                    };
                }
            }
        }
        Ok(Creating::Ignored)
    }

    async fn probe_parts(&self, key: &str) -> Result<Creating> {
        let name = self.begin(key, &WriteOptions::default()).await?;
        let upload = UploadId { key: key.to_owned(), name };
        let completed = async {
            let part = self.put_part(&upload, 0, vec![Bytes::from_static(b"y")]).await?;
            self.complete_once(&upload, &[part], true).await
        }
        .await;
        let aborted = self.abort(&upload).await;
        match completed? {
            Ok(_) => Ok(Creating::Ignored),
            Err(refused) if refused.status == StatusCode::PRECONDITION_FAILED => {
                aborted.map(|()| Creating::Kept)
            }
            Err(refused) => Err(refusal(&refused)),
        }
    }

    /// Returns what the service makes of the condition, trying it out if nobody has. Many who ask at once wait for one.
    ///
    /// Who may not write at the place of the probe has no answer: then it is `Ignored` for a while, and not tried at each write.
    pub(super) async fn creating(&self) -> Result<Creating> {
        let found = self
            .creating
            .get_or_try_init(async || {
                if self.denied().is_some_and(|then| then.elapsed() < DENIED_FOR) {
                    return Err(None);
                }
                self.probe().await.map_err(Some)
            })
            .await;
        match found {
            Ok(found) => Ok(*found),
            Err(None) => Ok(Creating::Ignored),
            Err(Some(error)) if error.kind() == ErrorKind::PermissionDenied => {
                *self.denied() = Some(Instant::now());
                Ok(Creating::Ignored)
            }
            Err(Some(error)) => Err(error),
        }
    }

    fn denied(&self) -> MutexGuard<'_, Option<Instant>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
