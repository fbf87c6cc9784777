//! One session with a server, which many tasks use at once: each request has a number, and its answer finds who asked.
//!
//! Two tasks work for it, one for each direction. Requests of many tasks leave together, content as it is. Whoever drops a
//! future while its request is under way leaves nothing behind: a handle that nobody takes is closed.

use std::fmt::{self, Debug};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::fault::{Answer, Fault};
use super::link::{Asker, Link};
use super::server::Server;
use super::upkeep::{Running, Upkeep};
use super::wire::{Attributes, Name, Request, Status, code, kind};

/// What a server answered.
#[derive(Debug)]
pub(super) enum Reply {
    Done,
    Handle(Handle),
    Data(BytesMut),
    Names(Vec<Name>),
    Attributes(Attributes),
    /// The answer to an extension, or to the very first packet.
    Other(Bytes),
}

/// A session. It ends when nobody holds it, nor a handle of it, any more.
pub(super) struct Session {
    link: Arc<Link>,
    server: OnceLock<Server>,
}

/// An answer that is under way.
#[must_use]
pub(super) struct Pending(oneshot::Receiver<Answer<Reply>>);

impl Pending {
    /// Waits for it. Whoever drops the future may wait again.
    pub(super) async fn reply(&mut self) -> Answer<Reply> {
        (&mut self.0).await.unwrap_or(Err(Fault::Broken("the connection to the server broke")))
    }

    pub(super) async fn done(&mut self) -> Answer<()> {
        match self.reply().await? {
            Reply::Done => Ok(()),
            _ => Err(Fault::NONSENSE),
        }
    }

    pub(super) async fn attributes(&mut self) -> Answer<Attributes> {
        match self.reply().await? {
            Reply::Attributes(attributes) => Ok(attributes),
            _ => Err(Fault::NONSENSE),
        }
    }

    pub(super) async fn handle(&mut self) -> Answer<Handle> {
        match self.reply().await? {
            Reply::Handle(handle) => Ok(handle),
            _ => Err(Fault::NONSENSE),
        }
    }
}

impl Session {
    pub(super) fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(Self { link, server: OnceLock::new() })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.link.ended().is_none()
    }

    /// Returns what the server said of itself.
    pub(super) fn server(&self) -> &Server {
        self.server.get_or_init(Server::default)
    }

    /// Agrees on the version, and learns what the server can do.
    pub(super) async fn greet(self: &Arc<Self>) -> Answer<()> {
        let Reply::Other(version) = self.ask(kind::INIT, |_| ()).await?.reply().await? else {
            return Err(Fault::NONSENSE);
        };
        let mut server = Server::of(version).ok_or(Fault::NONSENSE)?;
        if server.has_limits {
            match self.extended("limits@openssh.com", |_| ()).await?.reply().await {
                Ok(Reply::Other(limits)) => server.limit(limits).ok_or(Fault::NONSENSE)?,
                Ok(_) => return Err(Fault::NONSENSE),
                // It names what it does not have; then the usual limits hold.
                Err(Fault::Refused(_)) => {}
                Err(broken) => return Err(broken),
            }
        }
        self.server.set(server).ok();
        Ok(())
    }

    fn put(
        &self,
        place: Option<OwnedSemaphorePermit>,
        opens: Option<(Arc<Self>, Running)>,
        what: u8,
        into: Option<(BytesMut, usize)>,
        content: Option<Bytes>,
        fill: impl FnOnce(&mut Request<'_>),
    ) -> Pending {
        let (answer, pending) = oneshot::channel();
        self.link.put(Asker::Task { answer, _place: place, opens }, what, into, content, fill);
        Pending(pending)
    }

    /// Sends a request, as soon as there is room for one.
    pub(super) async fn ask(&self, what: u8, fill: impl FnOnce(&mut Request<'_>) + Send) -> Answer<Pending> {
        Ok(self.put(Some(self.link.place().await?), None, what, None, None, fill))
    }

    /// Sends a request that names one path.
    pub(super) async fn ask_path(&self, what: u8, path: impl AsRef<[u8]> + Send + Sync) -> Answer<Pending> {
        self.ask(what, |request| request.text(path.as_ref())).await
    }

    /// Sends a request of an extension.
    pub(super) async fn extended(
        &self,
        name: &str,
        fill: impl FnOnce(&mut Request<'_>) + Send,
    ) -> Answer<Pending> {
        let fill = |request: &mut Request<'_>| {
            request.text(name.as_bytes());
            fill(request);
        };
        self.ask(kind::EXTENDED, fill).await
    }

    pub(super) async fn lstat(&self, path: &str) -> Answer<Attributes> {
        self.ask_path(kind::LSTAT, path).await?.attributes().await
    }

    pub(super) async fn remove(&self, path: impl AsRef<[u8]> + Send + Sync) -> Answer<()> {
        self.ask_path(kind::REMOVE, path).await?.done().await
    }

    pub(super) async fn make_folder(&self, path: &str) -> Answer<()> {
        let fill = |request: &mut Request<'_>| {
            request.text(path.as_bytes());
            request.number(0);
        };
        self.ask(kind::MKDIR, fill).await?.done().await
    }

    /// Renames with one of the requests that do so: the plain one, or an extension.
    pub(super) async fn rename(&self, extension: Option<&str>, from: &str, to: &str) -> Answer<()> {
        let fill = |request: &mut Request<'_>| {
            request.text(from.as_bytes());
            request.text(to.as_bytes());
        };
        let mut pending = match extension {
            Some(name) => self.extended(name, fill).await?,
            None => self.ask(kind::RENAME, fill).await?,
        };
        pending.done().await
    }

    /// Begins to open a file, with the flags of [`open`](super::wire::open).
    pub(super) async fn begin_open(self: &Arc<Self>, path: &str, flags: u32) -> Answer<Pending> {
        let place = self.link.place().await?;
        let opens = (Arc::clone(self), Upkeep::start(&self.link.upkeep));
        Ok(self.put(Some(place), Some(opens), kind::OPEN, None, None, |request| {
            request.text(path.as_bytes());
            request.number(flags);
            request.number(0);
        }))
    }

    pub(super) async fn open(self: &Arc<Self>, path: &str, flags: u32) -> Answer<Handle> {
        self.begin_open(path, flags).await?.handle().await
    }

    pub(super) async fn open_folder(
        self: &Arc<Self>,
        path: impl AsRef<[u8]> + Send + Sync,
    ) -> Answer<Handle> {
        let place = self.link.place().await?;
        let opens = (Arc::clone(self), Upkeep::start(&self.link.upkeep));
        let mut pending = self.put(Some(place), Some(opens), kind::OPENDIR, None, None, |request| {
            request.text(path.as_ref());
        });
        pending.handle().await
    }

    /// Removes a temporary file, without waiting for it; `close` does.
    pub(super) fn forget(&self, temporary: String) {
        let running = Upkeep::start(&self.link.upkeep);
        let path = temporary.clone();
        let asker = Asker::Nobody { running, temporary: Some(temporary) };
        self.link.put(asker, kind::REMOVE, None, None, |request| request.text(path.as_bytes()));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What waits to go out still does.
        self.link.end("the session has ended");
    }
}

impl Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("server", &self.server.get()).finish_non_exhaustive()
    }
}

/// An open file or folder. Dropped, it is closed, without waiting for it.
pub(super) struct Handle {
    session: Arc<Session>,
    /// Empty once it is closed.
    id: Bytes,
}

impl Handle {
    pub(super) const fn new(session: Arc<Session>, id: Bytes) -> Self {
        Self { session, id }
    }

    pub(super) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Returns what the server calls it.
    pub(super) fn id(&self) -> &[u8] {
        &self.id
    }

    pub(super) async fn begin_attributes(&self) -> Answer<Pending> {
        self.session.ask(kind::FSTAT, |request| request.text(&self.id)).await
    }

    /// Reads up to `most` bytes to the end of `into`, which has room for them. Fewer come where the file ends, none is the
    /// fault [`code::EOF`].
    pub(super) async fn read(&self, offset: u64, into: BytesMut, most: usize) -> Answer<BytesMut> {
        let place = self.session.link.place().await?;
        let into = Some((into, most));
        let mut pending = self.session.put(Some(place), None, kind::READ, into, None, |request| {
            request.text(&self.id);
            request.offset(offset);
            request.number(most as u32);
        });
        match pending.reply().await? {
            Reply::Data(bytes) => Ok(bytes),
            _ => Err(Fault::NONSENSE),
        }
    }

    /// Begins to write content, of no more bytes than the server takes at a time.
    pub(super) async fn begin_write(&self, offset: u64, content: Bytes) -> Answer<Pending> {
        let place = self.session.link.place().await?;
        let size = content.len() as u32;
        Ok(self.session.put(Some(place), None, kind::WRITE, None, Some(content), |request| {
            request.text(&self.id);
            request.offset(offset);
            request.number(size);
        }))
    }

    /// Returns the next entries of an open folder, or nothing at its end.
    pub(super) async fn names(&self) -> Answer<Option<Vec<Name>>> {
        match self.session.ask(kind::READDIR, |request| request.text(&self.id)).await?.reply().await {
            Ok(Reply::Names(names)) => Ok(Some(names)),
            Ok(_) => Err(Fault::NONSENSE),
            Err(Fault::Refused(Status { code: code::EOF, .. })) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Closes it, and waits until that is done. It is closed even if nobody waits on.
    pub(super) async fn close(mut self) -> Answer<()> {
        let id = std::mem::take(&mut self.id);
        // Needs no place: it makes room.
        let mut pending = self.session.put(None, None, kind::CLOSE, None, None, |request| request.text(&id));
        pending.done().await
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.id.is_empty() {
            return;
        }
        let link = &self.session.link;
        let asker = Asker::Nobody { running: Upkeep::start(&link.upkeep), temporary: None };
        link.put(asker, kind::CLOSE, None, None, |request| request.text(&self.id));
    }
}

impl Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id).finish()
    }
}
