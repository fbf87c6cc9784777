//! Uploads in parts, and whether the service keeps their condition and that of others.
//!
//! The service takes parts one after the other, and the last one with the length of all.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::request::{Ask, Place, json};
use super::service::{Gcs, Object, UNSAID, random, resource};
use crate::error::Result;
use crate::http::Refused;
use crate::info::{FileInfo, WriteOptions};
use crate::object::error::{refusal, unexpected};
use crate::object::request::value;
use crate::object::{Service as _, UploadId};
use crate::own_names::TEMPORARY;

/// An upload: the service takes parts one after the other, and the last with the length of all, so one is held back.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// How many bytes the service has.
    sent: u64,
    /// Parts it has not, with the one held back at the end.
    held: VecDeque<Vec<Bytes>>,
    /// How many parts there were so far: one that is given again is known by its number.
    parts: usize,
}

impl Pending {
    /// Takes a part, unless it is here already.
    pub(super) fn give(&mut self, number: usize, content: Vec<Bytes>) {
        if number == self.parts {
            self.held.push_back(content);
            self.parts += 1;
        }
    }

    /// Returns where the oldest part goes, and its content, unless no more than `most` are held.
    pub(super) fn oldest(&self, most: usize) -> Option<(u64, Vec<Bytes>)> {
        self.held.front().filter(|_| self.held.len() > most).map(|part| (self.sent, part.clone()))
    }

    /// Notes that the service has the oldest part.
    pub(super) fn advance(&mut self) {
        self.sent += self.held.pop_front().iter().flatten().map(|chunk| chunk.len() as u64).sum::<u64>();
    }
}

impl Gcs {
    /// Changes what is known of an upload.
    pub(super) fn pending<T>(&self, session: &str, change: impl FnOnce(&mut Pending) -> T) -> Result<T> {
        let mut uploads = self.uploads();
        uploads.get_mut(session).map(change).ok_or_else(|| unexpected("an upload that was not begun"))
    }

    /// Sends a part of an upload, the last one where `size` of all is known.
    pub(super) async fn send_part(
        &self,
        session: &str,
        start: u64,
        content: Vec<Bytes>,
        size: Option<u64>,
    ) -> Result<Result<Option<FileInfo>, Refused>> {
        let length: u64 = content.iter().map(|chunk| chunk.len() as u64).sum();
        let whole = size.map_or_else(|| "*".to_owned(), |size| size.to_string());
        let range = match length {
            0 => format!("bytes */{whole}"),
            _ => format!("bytes {start}-{}/{whole}", start + length - 1),
        };
        let headers = [(header::CONTENT_RANGE, value(&range)?)].into_iter().collect();
        let ask = Ask { headers, content, ..Ask::default() };
        match self.bucket.send_or_refused(Method::PUT, &Place::Session(session), ask).await? {
            Ok(answer) if size.is_some() => Ok(Ok(Some(json::<Object>(answer).await?.info()))),
            Ok(_) => Err(unexpected("an upload that ended before its last part")),
            // So the service says that it waits for more.
            Err(refused) if refused.status == StatusCode::PERMANENT_REDIRECT && size.is_none() => {
                Ok(Ok(None))
            }
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Begins an upload and returns the address of its session.
    pub(super) async fn begin_once(
        &self,
        key: &str,
        options: &WriteOptions,
        create: bool,
    ) -> Result<Result<String, Refused>> {
        let mut query = vec![("uploadType", "resumable"), ("name", key)];
        query.extend(create.then_some(("ifGenerationMatch", "0")));
        let media_type = options.media_type.as_deref().unwrap_or(UNSAID);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8")),
            (HeaderName::from_static("x-upload-content-type"), value(media_type)?),
        ];
        let content = vec![resource(key, options).into()];
        let ask = Ask { query: &query, headers: headers.into_iter().collect(), content };
        Ok(match self.bucket.send_or_refused(Method::POST, &Place::Uploads, ask).await? {
            Ok(answer) => {
                let session = answer.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
                let session = session.ok_or_else(|| unexpected("an upload without an address"))?.to_owned();
                self.uploads().insert(session.clone(), Pending::default());
                Ok(session)
            }
            Err(refused) => Err(refused),
        })
    }

    /// Ends an upload, on the conditions it was begun with.
    pub(super) async fn complete_once(&self, session: &str) -> Result<Result<FileInfo, Refused>> {
        // All others went before it.
        let (start, part) = self.pending(session, |pending| pending.oldest(0))?.unwrap_or_default();
        let size = start + part.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        match self.send_part(session, start, part, Some(size)).await? {
            Ok(Some(info)) => {
                self.uploads().remove(session);
                Ok(Ok(info))
            }
            Ok(None) => Err(unexpected("an upload that did not end with its last part")),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// Tries out whether the service keeps the condition that nothing is replaced, in both ways. What was stored is deleted.
    pub(super) async fn probe(&self) -> Result<bool> {
        // Spreads those who try at the same time; nothing is decided by it.
        let key = format!("{TEMPORARY}/probe-{:016x}", random());
        let kept = self.probe_at(&key).await;
        let deleted = self.delete(vec![key]).await;
        let kept = kept?;
        deleted.map(|()| kept)
    }

    async fn probe_at(&self, key: &str) -> Result<bool> {
        let options = WriteOptions::default();
        let content = || vec![Bytes::from_static(b"x")];
        if let Err(refused) = self.put_once(key, content(), &options, true).await? {
            return Err(refusal(&refused));
        }
        if !is_kept(&self.put_once(key, content(), &options, true).await?)? {
            return Ok(false);
        }
        let session = match self.begin_once(key, &options, true).await? {
            Ok(session) => session,
            Err(refused) => return is_kept(&Err::<(), _>(refused)),
        };
        let upload = UploadId { key: key.to_owned(), name: session };
        let completed = async {
            self.put_part(&upload, 0, content()).await?;
            self.complete_once(&upload.name).await
        };
        let kept = completed.await.and_then(|completed| is_kept(&completed));
        let aborted = self.abort(&upload).await;
        let kept = kept?;
        aborted.map(|()| kept)
    }
}

/// Tells what an answer to a condition that does not hold means.
fn is_kept<T>(answer: &Result<T, Refused>) -> Result<bool> {
    match answer {
        Ok(_) => Ok(false),
        Err(refused) if refused.status == StatusCode::PRECONDITION_FAILED => Ok(true),
        Err(refused) => Err(refusal(refused)),
    }
}
