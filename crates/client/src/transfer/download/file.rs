//! A download into a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blake3::Hasher;
use bytes::Bytes;
use longshore_core::Digest;
use tokio::sync::mpsc;

use super::{
    Download, DownloadOptions, Downloaded, Wanted, check, collect, has_ranges, open_once, route, same,
};
use crate::client::{Client, Tries};
use crate::error::{Error, Result};
use crate::transfer::control::Control;
use crate::transfer::destination::Destination;
use crate::transfer::part::Part;
use crate::transfer::plan::{LARGE, is_whole};
use crate::transfer::progress::Report;
use crate::transfer::ranged::{Failed, Fetch};
use crate::transfer::reader::{self, finish};
use crate::transfer::slots::Slot;
use crate::transfer::state::{Cells, Subject};
use crate::transfer::threads::blocking;

/// How many chunks may wait for the disk; each is at most as large as the connection's read buffer.
const WRITE_BEHIND: usize = 4;

/// How often a download begins anew because the content has become another version. Who writes a file more often than
/// it can be read would keep it from ever ending.
const CHANGES: u32 = 3;

/// One file on its way.
struct Landing<'a> {
    client: &'a Client,
    wanted: Wanted<'a>,
    destination: &'a Destination,
    options: &'a DownloadOptions,
    control: Control,
    report: &'a Report,
    /// Whether its start was reported.
    started: bool,
    /// How many bytes of the attempt that runs were reported.
    moved: AtomicU64,
    /// Whether what an earlier run has left was found wrong.
    distrusted: bool,
}

/// Downloads content into a file.
pub(crate) async fn to_file(
    client: &Client,
    wanted: Wanted<'_>,
    destination: &Destination,
    options: &DownloadOptions,
    report: Report,
) -> Result<Downloaded> {
    let control = options.control.clone().unwrap_or_default();
    let landing = Landing {
        client,
        wanted,
        destination,
        options,
        control,
        report: &report,
        started: false,
        moved: AtomicU64::new(0),
        distrusted: false,
    };
    let result = landing.run().await;
    report.ended(result, |done| done.bytes)
}

/// How an attempt failed.
enum Ended {
    /// It may do better another time.
    Once(Error),
    /// It was tried often enough, or cannot do better.
    Final(Error),
    /// The content is another version now.
    Changed,
    /// What an earlier run has left is wrong.
    Distrusted(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        if error.is_cancelled() { Self::Final(error) } else { Self::Once(error) }
    }
}

impl Landing<'_> {
    async fn run(mut self) -> Result<Downloaded> {
        let mut tries = self.client.tries();
        let mut changes = 0;
        loop {
            self.moved.store(0, Ordering::Relaxed);
            let ended = match self.attempt().await {
                Ok(done) => return Ok(done),
                Err(ended) => ended,
            };
            let retried = match ended {
                Ended::Final(error) => return Err(error),
                Ended::Once(error) => self.again(&mut tries, error).await?,
                Ended::Changed if changes == CHANGES => return Err(Error::changed()),
                Ended::Changed => {
                    changes += 1;
                    tries.at_once(Error::changed())
                }
                Ended::Distrusted(error) => {
                    self.distrusted = true;
                    tries.at_once(error)
                }
            };
            self.report.retried(&retried, self.moved.load(Ordering::Relaxed));
        }
    }

    async fn again(&self, tries: &mut Tries<'_>, error: Error) -> Result<crate::client::Retried> {
        self.control.guard(tries.again(error)).await
    }

    async fn attempt(&mut self) -> Result<Downloaded, Ended> {
        self.control.pass().await?;
        if self.options.skip_same
            && self.options.range.is_none()
            && let Some(same) =
                self.control.guard(same::find(self.client, self.wanted, self.destination)).await?
        {
            self.start(Some(same.bytes));
            self.report.reused(same.bytes);
            return Ok(same);
        }
        let slot = self.client.slots().acquire();
        let slot = self.control.guard(async { Ok(slot.await) }).await?;
        // Hashed where it is written: on a blocking thread, out of the way of the connections.
        let opening = open_once(self.client, self.wanted, self.options, false);
        let download = match self.control.guard(opening).await {
            Ok(download) => download,
            Err(error) => {
                slot.ended(Some(&error));
                return Err(error.into());
            }
        };
        self.start(download.length());
        let subject = if self.options.range.is_none() { download.subject() } else { None };
        match subject {
            Some(subject) if !is_whole(subject.length) => {
                Box::pin(self.in_parts(download, subject, slot)).await
            }
            _ => {
                let control = self.control.clone();
                let received = control.guard(Box::pin(self.in_one(download))).await;
                slot.ended(received.as_ref().err());
                Ok(received?)
            }
        }
    }

    fn start(&mut self, length: Option<u64>) {
        if !std::mem::replace(&mut self.started, true) {
            self.report.started(length);
        }
    }

    /// Receives content that is small, or of which too little is known.
    async fn in_one(&mut self, mut download: Download) -> Result<Downloaded> {
        let (target, replace) = (self.destination.clone(), self.options.replace);
        let version = download.version();
        let stated = download.digest();
        let (bytes, digest) = if download.length().is_some_and(is_whole) {
            let bytes = collect(&mut download, self.report, self.moved.get_mut()).await?;
            drop(download);
            blocking(move || write_whole(&target, replace, &bytes, stated)).await?
        } else {
            let flowing = Flowing { control: &self.control, report: self.report, moved: &self.moved };
            flowing.write_behind(download, target, replace).await?
        };
        Ok(Downloaded { bytes, digest, version, reused: 0, skipped: false })
    }

    /// Receives content part by part.
    async fn in_parts(&self, download: Download, subject: Subject, slot: Slot) -> Result<Downloaded, Ended> {
        let version = download.version();
        let large = subject.length >= LARGE && has_ranges(&download.answer);
        // The first answer to a large file says what it is, and its bytes come over several connections instead.
        let first = (!large).then_some((download.answer, slot));
        let route = route(self.client, self.wanted).await?;
        let (part, cells) = self.open_part(large, &subject).await.map_err(Ended::Final)?;
        let reused = (0..).zip(&cells).filter(|(_, cell)| cell.is_some());
        let lengths = reused.map(|(cell, _)| subject.cell.range(cell, subject.length));
        let reused: u64 = lengths.map(|range| range.end - range.start).sum();
        if reused > 0 {
            self.moved.fetch_add(reused, Ordering::Relaxed);
            self.report.reused(reused);
        }
        let fetch = Fetch {
            client: self.client,
            route: &route,
            subject: &subject,
            control: &self.control,
            report: self.report,
            moved: &self.moved,
        };
        let fetched = fetch.run(Arc::clone(&part), cells, first).await;
        let replace = self.options.replace;
        let ended = match fetched {
            Ok(digest) => {
                let bytes = subject.length;
                let kept = blocking(move || part.keep(replace)).await;
                return match kept {
                    Ok(()) => Ok(Downloaded { bytes, digest, version, reused, skipped: false }),
                    Err(error) => Err(Ended::Final(error)),
                };
            }
            Err(Failed::Ended(error)) => Ended::Final(error),
            Err(Failed::Changed) => {
                part.give_up();
                Ended::Changed
            }
            Err(Failed::Wrong(error)) => {
                part.give_up();
                if reused > 0 && !self.distrusted { Ended::Distrusted(error) } else { Ended::Final(error) }
            }
        };
        // What is removed, or closed, is so before the failure is told.
        blocking(move || {
            drop(part);
            Ok(())
        })
        .await?;
        Err(ended)
    }

    /// Opens the part of a file, with the cells that an earlier run has left in it.
    async fn open_part(&self, large: bool, subject: &Subject) -> Result<(Arc<Part>, Cells)> {
        let (target, subject, control) = (self.destination.clone(), subject.clone(), self.control.clone());
        let resume = large && self.options.resume;
        let (replace, distrusted) = (self.options.replace, self.distrusted);
        blocking(move || {
            if !replace {
                Part::ensure_free(&target)?;
            }
            let left = if resume {
                Part::resume(&target, &subject, || distrusted || control.is_cancelled())
            } else {
                None
            };
            let (part, cells) = match left {
                Some(left) => left,
                None => (Part::create(&target)?, subject.no_cells()),
            };
            part.set_length(subject.length)?;
            Ok((Arc::new(part), cells))
        })
        .await
    }
}

/// What a content on its way is held by, and told to.
pub(crate) struct Flowing<'a> {
    pub(crate) control: &'a Control,
    pub(crate) report: &'a Report,
    /// How many bytes of the attempt that runs were reported.
    pub(crate) moved: &'a AtomicU64,
}

impl Flowing<'_> {
    /// Writes what comes into a file, on a thread of its own.
    pub(crate) async fn write_behind(
        &self,
        download: Download,
        target: Destination,
        replace: bool,
    ) -> Result<(u64, Digest)> {
        let stated = download.digest();
        let (sender, receiver) = mpsc::channel(WRITE_BEHIND);
        let writing = blocking(move || write_chunks(&target, replace, stated, receiver));
        let (received, written) = futures_util::join!(self.receive(download, sender), writing);
        received?;
        written
    }

    /// Hands chunks to the writing thread. That `sender` goes at the end lets it see that no more will come.
    async fn receive(&self, mut download: Download, sender: mpsc::Sender<Step>) -> Result<()> {
        loop {
            self.control.pass().await?;
            let Some(chunk) = download.chunk().await? else {
                break;
            };
            let count = chunk.len() as u64;
            // The thread stops listening only when it has failed, and then says why itself.
            if sender.send(Step::Chunk(chunk)).await.is_err() {
                return Ok(());
            }
            self.moved.fetch_add(count, Ordering::Relaxed);
            self.report.bytes(count);
        }
        let _stopped = sender.send(Step::End).await;
        Ok(())
    }
}

fn write_whole(
    target: &Destination,
    replace: bool,
    bytes: &[u8],
    stated: Option<Digest>,
) -> Result<(u64, Digest)> {
    let digest = reader::digest(bytes);
    check(stated, digest)?;
    let mut part = Part::create(target)?;
    part.write(bytes)?;
    part.keep(replace)?;
    Ok((bytes.len() as u64, digest))
}

/// What the writing thread is told.
enum Step {
    Chunk(Bytes),
    /// All has come: without this the part is removed, so that a dropped download leaves nothing.
    End,
}

fn write_chunks(
    target: &Destination,
    replace: bool,
    stated: Option<Digest>,
    mut steps: mpsc::Receiver<Step>,
) -> Result<(u64, Digest)> {
    let mut part = Part::create(target)?;
    let mut hasher = Hasher::new();
    let mut bytes = 0;
    loop {
        match steps.blocking_recv() {
            Some(Step::Chunk(chunk)) => {
                hasher.update(&chunk);
                part.write(&chunk)?;
                bytes += chunk.len() as u64;
            }
            Some(Step::End) => break,
            None => {
                return Err(Error::lost("the download was given up"));
            }
        }
    }
    let digest = finish(&hasher);
    check(stated, digest)?;
    part.keep(replace)?;
    Ok((bytes, digest))
}
