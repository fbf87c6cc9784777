//! One file fetched in parts: several at once where it is large, each going on where it broke, hashed as it comes.
//!
//! All requests name the version that the first answer was of. When that is not the one that stands any more, what has
//! come is worth nothing and the whole begins anew, which is for the caller of this to do.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use http::{HeaderValue, Method, StatusCode};
use longshore_core::digest_tree::{Chaining, root};
use longshore_core::{Code, Digest};
use longshore_flow::fan_out;
use tokio::sync::mpsc;

use self::writer::Writer;
use super::control::Control;
use super::part::Part;
use super::plan::{PARTS_AT_ONCE, parts};
use super::progress::Report;
use super::slots::Slot;
use super::state::{Cells, Subject};
use super::threads::blocking;
use crate::client::{Client, Lane};
use crate::error::{Error, Result};
use crate::transport::answer::Answer;
use crate::transport::body::Body;

mod writer;

/// How many chunks may wait for the disk; each is at most as large as the connection's read buffer.
const WRITE_BEHIND: usize = 4;

/// What all parts of one download share.
pub(crate) struct Fetch<'a> {
    pub(crate) client: &'a Client,
    /// The content's route, with its query.
    pub(crate) route: &'a str,
    pub(crate) subject: &'a Subject,
    pub(crate) control: &'a Control,
    pub(crate) report: &'a Report,
    /// How many bytes were told to the report.
    pub(crate) moved: &'a AtomicU64,
}

/// Why a download could not be finished.
#[derive(Debug)]
pub(crate) enum Failed {
    /// What stands there is another version now.
    Changed,
    /// What came, or was there, does not have the digest of the whole.
    Wrong(Error),
    /// It failed for good.
    Ended(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Ended(error)
    }
}

/// What the threads that write know of the file.
struct Whole {
    part: Arc<Part>,
    subject: Subject,
    cells: Mutex<Cells>,
}

impl Fetch<'_> {
    /// Fetches the cells that are missing into `part` and returns the digest of the whole, which is that of the
    /// subject. With `first`, the whole content's answer and its room, all comes
    /// over that, and from where it breaks over others.
    ///
    /// When this returns, nothing of it writes any more.
    pub(crate) async fn run(
        &self,
        part: Arc<Part>,
        cells: Cells,
        first: Option<(Answer, Slot)>,
    ) -> Result<Digest, Failed> {
        let mut ranges = parts(cells.iter().map(Option::is_none), self.subject.cell);
        if first.is_some() {
            ranges.clear();
            ranges.push(0..self.subject.cell.count(self.subject.length));
        }
        let whole = Arc::new(Whole { part, subject: self.subject.clone(), cells: Mutex::new(cells) });
        // The first failure ends the others too; they are waited for, so that none writes afterwards.
        let ended = Control::new();
        let mut first = first;
        let mut fetching = std::pin::pin!(fan_out(ranges, PARTS_AT_ONCE, |range| {
            self.fetch(Arc::clone(&whole), range, first.take(), &ended)
        }));
        let mut failed = None;
        while let Some(fetched) = fetching.next().await {
            if let Err(error) = fetched {
                ended.cancel();
                failed.get_or_insert(error);
            }
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        let cells = std::mem::take(&mut *whole.cells());
        let found = cells.into_iter().collect::<Option<Vec<_>>>().and_then(root);
        match found {
            Some(found) if found == self.subject.digest => Ok(found),
            _ => {
                let message = "the content that came does not have the digest the server stated";
                Err(Failed::Wrong(Error::mismatch(Code::DigestMismatch, message)))
            }
        }
    }

    /// Fetches a run of cells, asking again from where it broke.
    async fn fetch(
        &self,
        whole: Arc<Whole>,
        cells: Range<u64>,
        mut first: Option<(Answer, Slot)>,
        ended: &Control,
    ) -> Result<(), Failed> {
        ended.pass().await?;
        let start = self.subject.cell.range(cells.start, self.subject.length).start;
        let end = self.subject.cell.range(cells.end - 1, self.subject.length).end;
        let (mut range, mut writer) = (start..end, Writer::new(whole, cells.start, start));
        let mut tries = self.client.tries();
        loop {
            let begun = range.start;
            let (received, back) = self.attempt(&mut range, first.take(), writer, ended).await?;
            let error = match received {
                Ok(()) => return Ok(()),
                Err(Failed::Ended(error)) => error,
                Err(failed) => return Err(failed),
            };
            // Patience is for a line on which nothing comes through; one that brings a cell now and then is slow.
            if range.start - begun >= self.subject.cell.bytes() {
                tries.moved();
            }
            let retried = ended.guard(self.control.guard(tries.again(error))).await?;
            self.report.retried(&retried, 0);
            writer = back;
        }
    }

    /// Receives what it can of a range over one answer, moves the range's start along, and gives the writer back; fails where
    /// that, or the caller's hand, ended it.
    ///
    /// A thread writes only while there is a slot: one that waited for more would keep the threads from those that could
    /// go on, once there are more parts than threads.
    async fn attempt(
        &self,
        range: &mut Range<u64>,
        first: Option<(Answer, Slot)>,
        writer: Writer,
        ended: &Control,
    ) -> Result<(Result<(), Failed>, Writer), Failed> {
        let guarded = async {
            self.control.pass().await?;
            match first {
                Some((answer, slot)) => Ok((Some(answer), slot)),
                None => Ok((None, self.client.slots().acquire().await)),
            }
        };
        let (answer, mut slot) = ended.guard(self.control.guard(guarded)).await?;
        let (sender, steps) = mpsc::channel(WRITE_BEHIND);
        let writing = blocking(move || Ok(writer.write(steps)));
        let receiving = async {
            // Its end lets the thread see that no more will come.
            let sender = sender;
            let receiving = async {
                Ok(match answer {
                    Some(answer) => self.read(range, answer, 0, &sender).await,
                    None => match self.ask(range.clone()).await {
                        Ok((answer, skip)) => {
                            slot.answered();
                            self.read(range, answer, skip, &sender).await
                        }
                        Err(failed) => Err(failed),
                    },
                })
            };
            ended.guard(self.control.guard(Box::pin(receiving))).await
        };
        let (received, written) = futures_util::join!(receiving, writing);
        match &received {
            Err(error) | Ok(Err(Failed::Ended(error))) => slot.ended(Some(error)),
            Ok(Ok(()) | Err(_)) => slot.ended(None),
        }
        let (writer, written) = written?;
        // A disk that failed says so here.
        written?;
        Ok((received?, writer))
    }

    /// Hands what comes of a range over an answer to the writing thread, after the bytes that lie before it.
    async fn read(
        &self,
        range: &mut Range<u64>,
        mut answer: Answer,
        mut skip: u64,
        sender: &mpsc::Sender<Bytes>,
    ) -> Result<(), Failed> {
        while range.start < range.end {
            self.control.pass().await?;
            let Some(chunk) = answer.chunk().await else {
                let message = "the answer ended before the bytes that it announced";
                return Err(Error::unreadable(message, answer.status().as_u16()).into());
            };
            let mut chunk = chunk?;
            let skipped = skip.min(chunk.len() as u64);
            skip -= skipped;
            let wanted = (range.end - range.start).min(chunk.len() as u64 - skipped);
            // Both are at most the chunk's own length.
            chunk = chunk.slice(skipped as usize..(skipped + wanted) as usize);
            if chunk.is_empty() {
                continue;
            }
            // The thread stops listening only when it has failed, and then says why itself.
            if sender.send(chunk).await.is_err() {
                return Ok(());
            }
            range.start += wanted;
            self.moved.fetch_add(wanted, Ordering::Relaxed);
            self.report.bytes(wanted);
        }
        // Polled to its end, the answer gives its connection back.
        let _end = answer.chunk().await;
        Ok(())
    }

    /// Asks for a range of the version that the download is of; with the answer comes how many bytes of it lie before
    /// the range.
    async fn ask(&self, range: Range<u64>) -> Result<(Answer, u64), Failed> {
        let mut request = self.client.request(Method::GET, self.route, Body::Empty)?;
        let header = |text: String| {
            HeaderValue::from_str(&text).map_err(|_| Error::invalid("the range makes no header"))
        };
        let headers = request.headers_mut();
        headers.insert(RANGE, header(format!("bytes={}-{}", range.start, range.end - 1))?);
        headers.insert(IF_RANGE, header(self.subject.tag.clone())?);
        let answer = self.client.send(request, None, Lane::Common).await?;
        let same = answer.header(ETAG.as_str()).is_none_or(|tag| tag == self.subject.tag);
        let wrong = |message: &str| Err(Failed::Ended(Error::unreadable(message, answer.status().as_u16())));
        match answer.status() {
            _ if !same => Err(Failed::Changed),
            StatusCode::PARTIAL_CONTENT => {
                let whole = self.subject.length;
                let stated = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
                if answer.header(CONTENT_RANGE.as_str()) != Some(&stated) {
                    return wrong("another range was answered than was asked for");
                }
                if answer.rest().is_some_and(|rest| rest != range.end - range.start) {
                    return wrong("the range that was answered has the wrong length");
                }
                Ok((answer, 0))
            }
            // A server that knows no ranges, or not for this; without a tag it may be of any version.
            StatusCode::OK if answer.header(ETAG.as_str()).is_some() => {
                if answer.rest().is_some_and(|rest| rest != self.subject.length) {
                    return wrong("the same version was answered with another length");
                }
                Ok((answer, range.start))
            }
            StatusCode::OK => Err(Failed::Changed),
            _ => wrong("a part was to be answered"),
        }
    }
}

impl Whole {
    fn cells(&self) -> std::sync::MutexGuard<'_, Cells> {
        // Each cell is set in one step, whoever panicked.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a cell's bytes come to.
    fn came(&self, cell: u64, value: Chaining) {
        if let Some(place) = self.cells().get_mut(usize::try_from(cell).unwrap_or(usize::MAX)) {
            *place = Some(value);
        }
    }
}
