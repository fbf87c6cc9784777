//! Which of many uploads in parts may be completed where nothing may be replaced.
//!
//! Services other than AWS that keep the condition of one request by a lock may only look, and then replace, when an upload
//! in parts is completed: of several at once several win (SeaweedFS 4.48). So who completes one there first stores a small object
//! with the condition that holds, and deletes it when the upload is an object: nobody completes another to the same key
//! meanwhile. A claim is known by its content, for one may be taken for that of somebody who is gone. A short file that is created in just that moment is not kept away by it.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};

use super::probe::random;
use super::request::Ask;
use super::service::{S3, taken};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Refused;
use crate::info::{FileInfo, WriteOptions};
use crate::object::answer::{text, time, unquoted, whole};
use crate::object::error::refusal;
use crate::object::{Service as _, UploadId};
use crate::own_names::TEMPORARY;

/// A claim this old is of somebody who is gone.
const GONE_AFTER: Duration = Duration::from_mins(2);

/// How often a claim of others is looked at, and after which pause.
const LOOKS: u32 = 1_500;
const PAUSE: Duration = Duration::from_millis(100);

/// A claim, as it stands.
struct Found {
    /// The text that nobody else has written.
    content: Bytes,
    etag: Option<String>,
    is_old: bool,
}

impl S3 {
    /// Completes an upload that may replace nothing, alone.
    pub(super) async fn complete_alone(
        &self,
        upload: &UploadId,
        parts: &[String],
    ) -> Result<Result<FileInfo, Refused>> {
        let claim = format!("{TEMPORARY}/claim-{}", blake3::hash(upload.key.as_bytes()).to_hex());
        let mine = Bytes::from(format!("{:016x}{:016x}", random(), random()));
        self.claim(&claim, &upload.key, &mine).await?;
        let completed = self.complete_once(upload, parts, true).await;
        // One that stays holds up nobody who finds the file, and others not for long.
        self.give_back(&claim, &mine).await.ok();
        completed
    }

    /// Waits until a claim is ours, by what stands there and not by what was answered.
    async fn claim(&self, claim: &str, key: &str, mine: &Bytes) -> Result<()> {
        for _ in 0..LOOKS {
            let is_stored = self.store_claim(claim, mine).await?;
            let found = self.found(claim).await?;
            if found.as_ref().is_some_and(|found| found.content == mine) {
                return Ok(());
            }
            if is_stored {
                // Somebody took it for one of who is gone.
                continue;
            }
            match self.head(key).await {
                Ok(_) => return Err(taken()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            match found {
                Some(found) if found.is_old => self.take_away(claim, &found, mine).await?,
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "others are completing the same file"))
    }

    /// Stores a claim if none stands there.
    async fn store_claim(&self, claim: &str, mine: &Bytes) -> Result<bool> {
        match self.put_once(claim, vec![mine.clone()], &WriteOptions::default(), true).await? {
            Ok(_) => Ok(true),
            Err(refused)
                if matches!(refused.status, StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT) =>
            {
                Ok(false)
            }
            Err(refused) => Err(refusal(&refused)),
        }
    }

    /// Takes away the claim of somebody who is gone. Of several who do, one alone may: who claims that claim. The others would
    /// take away the claim that the first one makes then.
    async fn take_away(&self, claim: &str, old: &Found, mine: &Bytes) -> Result<()> {
        let right = format!("{claim}-{}", blake3::hash(&old.content).to_hex());
        if !self.store_claim(&right, mine).await? {
            if self.found(&right).await?.is_some_and(|found| found.is_old) {
                self.delete(vec![right]).await?;
            } else {
                tokio::time::sleep(PAUSE).await;
            }
            return Ok(());
        }
        // It may be long ago that it was looked at.
        let deleted = self.give_back(claim, &old.content).await;
        self.give_back(&right, mine).await.ok();
        deleted
    }

    /// Deletes a claim that still has this content.
    async fn give_back(&self, claim: &str, content: &Bytes) -> Result<()> {
        match self.found(claim).await? {
            Some(Found { content: found, etag: Some(etag), .. }) if found == *content => {
                self.delete_unchanged(claim, &etag).await
            }
            Some(Found { content: found, .. }) if found == *content => {
                self.delete(vec![claim.to_owned()]).await
            }
            _ => Ok(()),
        }
    }

    /// Looks at a claim. How old it is, the service's own clock says.
    async fn found(&self, claim: &str) -> Result<Option<Found>> {
        let answer = match self.bucket.send(Ask { key: claim, ..Ask::default() }).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            answer => answer?,
        };
        let (head, body) = answer.into_parts();
        let age = time(&head.headers, header::DATE).zip(time(&head.headers, header::LAST_MODIFIED));
        let is_old = age.is_some_and(|(now, then)| now.duration_since(then).unwrap_or_default() > GONE_AFTER);
        let etag = text(&head.headers, header::ETAG).map(unquoted);
        Ok(Some(Found { content: whole(body).await?, etag, is_old }))
    }
}
