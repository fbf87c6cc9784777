//! Which of many uploads in parts may be completed where nothing may be replaced.
//!
//! Services other than AWS that keep the condition of one request by a lock may only look, and then replace, when an upload
//! in parts is completed: of several at once several win (SeaweedFS 4.48). So who completes one there first stores a small object
//! with the condition that holds, and deletes it when the upload is an object: nobody completes another to the same key
//! meanwhile. A short file that is created in just that moment is not kept away by it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode, header};

use super::request::Ask;
use super::service::{S3, taken};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Refused;
use crate::info::{FileInfo, WriteOptions};
use crate::object::answer::time;
use crate::object::error::refusal;
use crate::object::{Service as _, UploadId};
use crate::own_names::TEMPORARY;

/// A claim this old is of somebody who is gone.
const GONE_AFTER: Duration = Duration::from_mins(2);

/// How often a claim of others is looked at, and after which pause.
const LOOKS: u32 = 1_500;
const PAUSE: Duration = Duration::from_millis(100);

impl S3 {
    /// Completes an upload that may replace nothing, alone.
    pub(super) async fn complete_alone(
        &self,
        upload: &UploadId,
        parts: &[String],
    ) -> Result<Result<FileInfo, Refused>> {
        let claim = format!("{TEMPORARY}/claim-{}", blake3::hash(upload.key.as_bytes()).to_hex());
        self.claim(&claim, &upload.key).await?;
        let completed = self.complete_once(upload, parts, true).await;
        // One that stays holds up nobody who finds the file, and others not for long.
        self.delete(vec![claim]).await.ok();
        completed
    }

    async fn claim(&self, claim: &str, key: &str) -> Result<()> {
        for _ in 0..LOOKS {
            let content = vec![Bytes::from_static(b"claimed")];
            match self.put_once(claim, content, &WriteOptions::default(), true).await? {
                Ok(_) => return Ok(()),
                Err(refused)
                    if !matches!(refused.status, StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT) =>
                {
                    return Err(refusal(&refused));
                }
                Err(_) => {}
            }
            match self.head(key).await {
                Ok(_) => return Err(taken()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if self.is_of_somebody_gone(claim).await? {
                self.delete(vec![claim.to_owned()]).await?;
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "others are completing the same file"))
    }

    /// Returns whether a claim is old, by the service's own clock.
    async fn is_of_somebody_gone(&self, claim: &str) -> Result<bool> {
        let ask = Ask { method: Method::HEAD, key: claim, ..Ask::default() };
        let answer = match self.bucket.send(ask).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            answer => answer?,
        };
        let headers = answer.headers();
        let age = time(headers, header::DATE).zip(time(headers, header::LAST_MODIFIED));
        Ok(age.is_some_and(|(now, then)| now.duration_since(then).unwrap_or_default() > GONE_AFTER))
    }
}
