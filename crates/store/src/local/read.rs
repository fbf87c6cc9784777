//! Reading a file in chunks, the next one while the last is used.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use rustix::fs::{FileType, OFlags, Statx};
use rustix::io::Errno;
use tokio::task::JoinHandle;

use super::root::stat_open;
use super::{Shared, cached, described, errno, info_of, joined};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{FileInfo, ReadOptions};
use crate::path::StorePath;
use crate::read::Read;

/// Opens a regular file. A pipe or a device is not there; not to block keeps opening one from waiting.
pub(super) fn open(shared: &Shared, path: &StorePath) -> Result<(OwnedFd, Statx)> {
    let failed = |errno| errno::lookup_error(errno, "opening");
    let file = shared.root.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK).map_err(failed)?;
    let stat = stat_open(&file).map_err(failed)?;
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => Ok((file, stat)),
        FileType::Directory => Err(failed(Errno::ISDIR)),
        _ => Err(failed(Errno::NOENT)),
    }
}

/// Refuses a file that is not of the tag that was asked for.
pub(super) fn check_tag(options: &ReadOptions, info: &FileInfo) -> Result<()> {
    if options.if_match.is_some() && options.if_match != info.etag {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the file has changed"));
    }
    Ok(())
}

/// Opens a file and reads its first chunk, at once or in one turn on a blocking thread.
pub(super) async fn read(shared: &Arc<Shared>, path: &StorePath, options: &ReadOptions) -> Result<Read> {
    if let Some(read) = cached::read(shared, path, options) {
        // Others on this thread get their turn, though nothing was waited for.
        tokio::task::coop::consume_budget().await;
        return read;
    }
    let (path, options) = (path.clone(), options.clone());
    let opened = shared.start(move |shared| {
        let (file, stat) = open(shared, &path)?;
        let info = described(shared, &file, info_of(path, &stat));
        check_tag(&options, &info)?;
        let range = options.range.within(info.size);
        let mut left = range.clone();
        let first = read_chunk(shared, &file, &mut left)?;
        let chunks =
            Chunks { shared: Arc::clone(shared), file: Arc::new(file), left, ready: first, ahead: None };
        Ok(Read::new(info, range, chunks))
    });
    joined(opened.await)
}

/// Reads the next chunk of `left`, or nothing at its end.
fn read_chunk(shared: &Shared, file: &OwnedFd, left: &mut Range<u64>) -> Result<Option<Bytes>> {
    let most = shared.options.read_chunk as u64;
    let size = (left.end - left.start).min(most) as usize;
    if size == 0 {
        return Ok(None);
    }
    let mut buffer = Vec::with_capacity(size);
    while buffer.len() < size {
        let offset = left.start + buffer.len() as u64;
        // A vector may have more room than asked for; what lies past the range is cut off below.
        match shared.root.disk.read(file, &mut buffer, offset) {
            Ok(0) => {
                return Err(Error::new(ErrorKind::Internal, "the file became shorter while it was read"));
            }
            Ok(_) => {}
            Err(errno) => return Err(errno::error(errno, "reading")),
        }
    }
    buffer.truncate(size);
    left.start += size as u64;
    Ok(Some(Bytes::from(buffer)))
}

struct Chunks {
    shared: Arc<Shared>,
    file: Arc<OwnedFd>,
    /// What was not asked of the disk yet.
    left: Range<u64>,
    ready: Option<Bytes>,
    ahead: Option<JoinHandle<Result<Option<Bytes>>>>,
}

impl Chunks {
    fn read_ahead(&mut self) {
        let most = self.shared.options.read_chunk as u64;
        let mut next = self.left.start..self.left.end.min(self.left.start.saturating_add(most));
        if next.is_empty() {
            return;
        }
        self.left.start = next.end;
        let file = Arc::clone(&self.file);
        let job = move |shared: &Arc<Shared>| read_chunk(shared, &file, &mut next);
        self.ahead = Some(self.shared.start(job));
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.ready.is_none()
            && let Some(ahead) = &mut self.ahead
        {
            let ended = joined(ready!(Pin::new(ahead).poll(cx)));
            self.ahead = None;
            match ended {
                Ok(chunk) => self.ready = chunk,
                Err(error) => {
                    self.left.start = self.left.end;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        let chunk = self.ready.take();
        if chunk.is_some() {
            self.read_ahead();
        }
        Poll::Ready(chunk.map(Ok))
    }
}
