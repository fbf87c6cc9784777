//! A file in the making: a temporary file that becomes visible by one request, or goes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join;

use super::Shared;
use super::fault::{self, Answer, Fault};
use super::place::{Standing, info_of};
use super::probe::{HARDLINK, POSIX_RENAME, Ways};
use super::read::chunks;
use super::replace::replace;
use super::session::{Handle, Pending, Reply, Session};
use super::wire::{Attributes, Reader, code, open};
use crate::error::{Error, ErrorKind, Result};
use crate::info::FileInfo;
use crate::path::StorePath;

/// How many bytes the server copies at one request. It does nothing else meanwhile, for anybody of this session.
const COPY: u64 = 8 * 1024 * 1024;

/// A disk with less room than this is full.
const ROOM: u64 = 1024 * 1024;

/// The name of a temporary file. Dropped, it takes the file away, without waiting for it.
pub(super) struct Temporary {
    session: Arc<Session>,
    pub(super) path: String,
    pub(super) is_gone: bool,
}

impl Temporary {
    /// Makes a name that no other has, of this process or another.
    pub(super) fn new(shared: &Shared, session: &Arc<Session>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("{}/{:016x}-{number:x}", shared.place.temporary(), shared.mark);
        Self { session: Arc::clone(session), path, is_gone: false }
    }

    /// Makes the file, which must not stand, and the folder for it if need be.
    pub(super) async fn create(&self, shared: &Shared) -> Result<Handle> {
        let failed = |fault: Fault| fault.error("creating a temporary file");
        let flags = open::WRITE | open::CREATE | open::EXCLUSIVE;
        match self.session.open(&self.path, flags).await {
            Err(fault) if fault.is_missing() => {
                shared.place.make_folder(&self.session, crate::own_names::TEMPORARY).await?;
                self.session.open(&self.path, flags).await.map_err(failed)
            }
            opened => opened.map_err(failed),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_gone {
            self.session.forget(std::mem::take(&mut self.path));
        }
    }
}

/// An open temporary file. Dropped before its commit, it goes.
pub(super) struct Stage {
    shared: Arc<Shared>,
    ways: Ways,
    // Closed before the file is removed.
    handle: Handle,
    temporary: Temporary,
    size: u64,
    /// Requests that write, with the bytes of each, and all their bytes.
    under_way: VecDeque<(Pending, usize)>,
    bytes_under_way: usize,
}

impl Stage {
    /// Makes one, unless no file can be made at `to`.
    pub(super) async fn create(shared: &Arc<Shared>, to: &StorePath, overwrite: bool) -> Result<Self> {
        let session = shared.connection.session().await?;
        let ways = shared.ways(&session).await?;
        let look = shared.place.begin_look(&session, to).await?;
        let temporary = Temporary::new(shared, &session);
        let (standing, handle) = join(look.standing(), temporary.create(shared)).await;
        standing?.target(overwrite)?;
        Ok(Self {
            shared: Arc::clone(shared),
            ways,
            handle: handle?,
            temporary,
            size: 0,
            under_way: VecDeque::new(),
            bytes_under_way: 0,
        })
    }

    fn session(&self) -> &Arc<Session> {
        self.handle.session()
    }

    /// Appends bytes. Waits while too many are under way.
    pub(super) async fn append(&mut self, mut bytes: Bytes) -> Result<()> {
        let packet = self.session().server().write;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(packet));
            let size = piece.len();
            while !self.under_way.is_empty()
                && self.bytes_under_way + size > self.shared.connection.options.window
            {
                self.settle_one().await?;
            }
            let pending = self.handle.begin_write(self.size, piece).await;
            self.under_way.push_back((pending.map_err(|fault| fault.error("writing"))?, size));
            self.bytes_under_way += size;
            self.size += size as u64;
        }
        Ok(())
    }

    /// Waits for the oldest request. It stays in its place while waiting, so a dropped future loses nothing.
    async fn settle_one(&mut self) -> Result<()> {
        let Some((pending, size)) = self.under_way.front_mut() else { return Ok(()) };
        let (done, size) = (pending.done().await, *size);
        self.under_way.pop_front();
        self.bytes_under_way -= size;
        match done {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.explain(fault).await),
        }
    }

    /// Tells a full disk from other failures, for which the protocol has one word.
    async fn explain(&self, fault: Fault) -> Error {
        let has_room = match fault.code() {
            Some(code::FAILURE) if self.session().server().statvfs => {
                self.room().await.is_none_or(|room| room >= ROOM)
            }
            _ => true,
        };
        let error = fault.error("writing");
        if has_room {
            return error;
        }
        Error::new(ErrorKind::StorageFull, "the server's disk is full").with_source(error)
    }

    /// Returns how many bytes the server's disk has left for this user.
    async fn room(&self) -> Option<u64> {
        let name = "statvfs@openssh.com";
        let path = self.shared.place.temporary();
        let mut pending =
            self.session().extended(name, |request| request.text(path.as_bytes())).await.ok()?;
        let Ok(Reply::Other(told)) = pending.reply().await else { return None };
        let mut told = Reader(told);
        let (_, block, _, _) = (told.offset()?, told.offset()?, told.offset()?, told.offset()?);
        block.checked_mul(told.offset()?)
    }

    /// Copies an open file of `size` bytes into this one: on the server, if it can.
    pub(super) async fn copy_from(&mut self, source: Handle, size: u64) -> Result<()> {
        if self.session().server().copy_data && Arc::ptr_eq(source.session(), self.session()) {
            while self.size < size {
                let length = COPY.min(size - self.size);
                match self.copy_piece(&source, length).await {
                    Ok(()) => self.size += length,
                    Err(fault) if fault.is_broken() => return Err(fault.error("copying")),
                    // Whatever the server has against it, sending the bytes may do.
                    Err(_) => break,
                }
            }
        }
        let options = &self.shared.connection.options;
        let (chunk, window) = (options.read_chunk, options.window);
        let mut rest = std::pin::pin!(chunks(Arc::new(source), self.size..size, chunk, window));
        while let Some(bytes) = rest.next().await {
            self.append(bytes?).await?;
        }
        Ok(())
    }

    async fn copy_piece(&self, source: &Handle, length: u64) -> Answer<()> {
        let asked = self.session().extended("copy-data", |request| {
            request.text(source.id());
            request.offset(self.size);
            request.offset(length);
            request.text(self.handle.id());
            request.offset(self.size);
        });
        asked.await?.done().await
    }

    /// Makes the file visible at `to`. On any error nothing is, and the temporary file goes.
    pub(super) async fn commit(mut self, to: &StorePath, overwrite: bool) -> Result<FileInfo> {
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        let session = Arc::clone(self.session());
        let look = self.shared.place.begin_look(&session, to).await?;
        let (standing, file) = join(look.standing(), self.settled()).await;
        let has_folder = standing?.target(overwrite)?;
        let file = file?;
        if file.size.is_some_and(|size| size != self.size) {
            return Err(Error::new(ErrorKind::Internal, "the server has not kept all that was written"));
        }
        let Self { shared, ways, handle, mut temporary, size, .. } = self;
        handle.close().await.map_err(|fault| fault.error("closing the file"))?;
        let target = Target { shared: &shared, session: &session, ways, path: to, overwrite };
        target.show(&mut temporary, has_folder).await?;
        Ok(FileInfo { size, ..info_of(to.clone(), &file) })
    }

    /// Takes the file away, and waits until that is done.
    pub(super) async fn abort(self) -> Result<()> {
        let Self { handle, mut temporary, .. } = self;
        // Whatever closing meets, the file is to go.
        handle.close().await.ok();
        let removed = temporary.session.remove(&temporary.path).await;
        temporary.is_gone = removed.is_ok();
        match removed {
            // What a broken session leaves, the next one removes.
            Err(fault) if !fault.is_missing() && !fault.is_broken() => {
                Err(fault.error("removing a temporary file"))
            }
            _ => Ok(()),
        }
    }

    /// Makes the content as durable as the server can, and looks at the file.
    async fn settled(&self) -> Result<Attributes> {
        if self.session().server().fsync {
            let id = self.handle.id();
            let synced = async {
                self.session().extended("fsync@openssh.com", |request| request.text(id)).await?.done().await
            };
            synced.await.map_err(|fault| fault.error("making the content durable"))?;
        }
        let looked = async { self.handle.begin_attributes().await?.attributes().await };
        looked.await.map_err(|fault| fault.error("looking"))
    }
}

/// Why a file has not got its name.
struct Unnamed {
    error: Error,
    /// Whether the file that was to be replaced may be without its name as well.
    is_torn: bool,
}

impl From<Error> for Unnamed {
    fn from(error: Error) -> Self {
        Self { error, is_torn: false }
    }
}

/// Where a file is to become visible.
pub(super) struct Target<'a> {
    pub(super) shared: &'a Shared,
    pub(super) session: &'a Arc<Session>,
    pub(super) ways: Ways,
    pub(super) path: &'a StorePath,
    pub(super) overwrite: bool,
}

impl Target<'_> {
    /// Tells whether a file gets its name by a second link, which never replaces anything. Its first name is still there then.
    const fn is_linked(&self) -> bool {
        !self.overwrite && self.ways.links
    }

    /// Makes a temporary file visible.
    async fn show(&self, temporary: &mut Temporary, has_folder: bool) -> Result<()> {
        if let Err(Unnamed { error, is_torn }) = self.name(&temporary.path, has_folder).await {
            // It may be the only one that is left.
            temporary.is_gone = is_torn;
            return Err(match error.kind() {
                ErrorKind::NotFound => {
                    Error::new(ErrorKind::Unavailable, "the file was taken away while it was made")
                        .with_source(error)
                }
                _ => error,
            });
        }
        // By being dropped it goes, if it is still there.
        temporary.is_gone = !self.is_linked();
        Ok(())
    }

    /// Moves a file here.
    pub(super) async fn receive(&self, from: &str, has_folder: bool) -> Result<()> {
        self.name(from, has_folder).await.map_err(|unnamed| unnamed.error)?;
        if !self.is_linked() {
            return Ok(());
        }
        match self.session.remove(from).await {
            Ok(()) => Ok(()),
            Err(fault) if fault.is_broken() => Err(fault.error("moving")),
            Err(fault) => {
                // Another has moved it at the same time, or it may not be removed: then it stays where it was.
                self.session.remove(self.shared.place.of(self.path)).await.ok();
                Err(fault.error("moving"))
            }
        }
    }

    /// Gives a file its name, and finds out what was wrong if that fails. Missing folders are made.
    async fn name(&self, from: &str, has_folder: bool) -> Result<(), Unnamed> {
        let to = self.shared.place.of(self.path);
        let parent = self.path.parent();
        if !has_folder {
            self.shared.place.make_folder(self.session, &parent).await?;
        }
        let mut left = 3;
        loop {
            left -= 1;
            let named = if self.is_linked() {
                self.session.rename(Some(HARDLINK), from, &to).await
            } else if !self.overwrite {
                self.session.rename(None, from, &to).await
            } else if self.ways.replaces {
                self.session.rename(Some(POSIX_RENAME), from, &to).await
            } else {
                replace(self.shared, self.session, from, &to).await
            };
            let fault = match named {
                Ok(()) => return Ok(()),
                Err(fault) if fault.is_broken() => {
                    let is_torn = matches!(fault, Fault::Torn(_));
                    return Err(Unnamed { is_torn, error: fault.error("making the file visible") });
                }
                Err(fault) => fault,
            };
            let standing = self.shared.place.look(self.session, self.path).await?;
            let has_folder = standing.target(self.overwrite)?;
            match standing {
                // Somebody deleted the folder since it was seen.
                Standing::Nothing { .. } if !has_folder && left > 0 => {
                    self.shared.place.make_folder(self.session, &parent).await?;
                }
                Standing::Nothing { .. } if !has_folder => {
                    return Err(Error::new(ErrorKind::Unavailable, "the folder keeps disappearing").into());
                }
                _ if fault.is_missing() => return Err(fault::not_found().into()),
                _ => return Err(fault.error("making the file visible").into()),
            }
        }
    }
}
