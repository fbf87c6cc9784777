//! A store on a server that speaks SFTP.
//!
//! `options` say how it is reached, `config` reads them from a URL; `connect` and `host_keys` make sure who is there;
//! `connection` keeps one `session` and its `link`, whose packets `wire` and `incoming` read and `server` judges. `place` finds
//! things below the root and tells links; `read` and `walk` give content and entries; `sink` and `stage` make files, in the
//! ways that `probe` found, `replace` where there is none; `upkeep` is what still has to be done when nobody waits for it.
//!
//! Version 3 of the protocol is what servers speak. It has one word for most failures, so that what was wrong is looked for
//! afterwards (`fault`). russh carries the bytes; the requests are ours, because names and handles are bytes and not text,
//! and because content is written as it comes and read into its place.

mod config;
mod connect;
mod connection;
mod fault;
mod host_keys;
mod incoming;
mod link;
mod options;
mod place;
mod probe;
mod read;
mod replace;
mod server;
mod session;
mod sink;
mod stage;
mod upkeep;
mod walk;
mod wire;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;

use futures_util::future::join;
use futures_util::stream;
use tokio::sync::OnceCell;

pub use self::options::{HostKeys, SftpOptions};

use self::connection::Connection;
use self::place::{Place, Standing};
use self::probe::Ways;
use self::session::Session;
use self::sink::SftpSink;
use self::stage::{Stage, Target};
use self::walk::Walk;
use self::wire::{Type, kind};
use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::CapabilitySet;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FileInfo, ListOptions, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::read::Read;
use crate::store::Store;

impl Store {
    /// Makes a store of a folder on a server that speaks SFTP. Nothing is done yet: the first use connects, or `ping`.
    ///
    /// All work of the store shares one session. Where that breaks, what was under way is `Unavailable`, and what comes next
    /// connects anew. `Unavailable` is also a server that says nothing for a while; a wrong login or a host key that is not
    /// the known one are `PermissionDenied`.
    ///
    /// What the server can do beyond the usual is found out once, before the first write or by the first `ping`, and added to
    /// [`capabilities`](Store::capabilities). A root that does not stand is like an empty one, and made by the first write;
    /// `ping` says that it is `NotFound`.
    pub fn sftp(options: SftpOptions) -> Result<Self> {
        Sftp::new(options).map(Self::new)
    }
}

/// What all work on one root shares.
#[derive(Debug)]
struct Shared {
    place: Place,
    connection: Connection,
    ways: OnceCell<Ways>,
    /// Tells this store's temporary files from those of every other.
    mark: u64,
}

impl Shared {
    /// Returns what the server can do, which is tried out at the first time.
    async fn ways(&self, session: &Arc<Session>) -> Result<Ways> {
        self.ways.get_or_try_init(|| probe::find(self, session)).await.copied()
    }
}

/// The backend on a server.
#[derive(Debug)]
pub(crate) struct Sftp(Arc<Shared>);

impl Sftp {
    const NAME: &str = "sftp";

    fn new(mut options: SftpOptions) -> Result<Self> {
        if options.host.is_empty() || options.root.contains('\0') {
            let message = "a server needs a name, and the root a path without NUL";
            return Err(Error::new(ErrorKind::InvalidInput, message).located(&options.root, Self::NAME));
        }
        // One packet at least: smaller chunks would only cost round trips.
        options.read_chunk = options.read_chunk.max(32 * 1024);
        Ok(Self(Arc::new(Shared {
            place: Place::new(&options.root),
            connection: Connection::new(options),
            ways: OnceCell::new(),
            mark: RandomState::new().build_hasher().finish(),
        })))
    }

    async fn look(&self, path: &StorePath) -> Result<Standing> {
        let session = self.0.connection.session().await?;
        self.0.place.look(&session, path).await
    }

    /// Looks at where a file is and where it is to be, in one flight. Tells what is wrong with the first before the second.
    async fn look_at_both(
        &self,
        session: &Arc<Session>,
        from: &StorePath,
        to: &StorePath,
        overwrite: bool,
    ) -> Result<bool> {
        let place = &self.0.place;
        let (source, target) = join(place.look(session, from), place.look(session, to)).await;
        source?.file()?;
        target?.target(overwrite)
    }

    async fn delete_now(&self, path: &StorePath) -> Result<()> {
        let session = self.0.connection.session().await?;
        match self.0.place.look(&session, path).await? {
            Standing::Link => return Err(fault::not_found()),
            standing => standing.file()?,
        };
        session.remove(self.0.place.of(path)).await.map_err(|fault| fault.error("deleting"))
    }

    async fn copy_now(&self, from: &StorePath, to: &StorePath, overwrite: bool) -> Result<FileInfo> {
        let session = self.0.connection.session().await?;
        self.look_at_both(&session, from, to, overwrite).await?;
        let (source, _) = read::open_file(&self.0, &session, from).await?;
        let file = async { source.begin_attributes().await?.attributes().await };
        let file = file.await.map_err(|fault| fault.error("looking"))?;
        let mut stage = Stage::create(&self.0, to, overwrite).await?;
        stage.copy_from(source, file.size.unwrap_or(0)).await?;
        stage.commit(to, overwrite).await
    }

    async fn move_now(&self, from: &StorePath, to: &StorePath, overwrite: bool) -> Result<()> {
        let session = self.0.connection.session().await?;
        let has_folder = self.look_at_both(&session, from, to, overwrite).await?;
        let ways = self.0.ways(&session).await?;
        let target = Target { shared: &self.0, session: &session, ways, path: to, overwrite };
        target.receive(&self.0.place.of(from), has_folder).await
    }

    async fn ping_now(&self) -> Result<()> {
        let session = self.0.connection.session().await?;
        let failed = |fault: fault::Fault| fault.error("looking at the root");
        let root = self.0.place.root();
        match session.ask_path(kind::STAT, root).await.map_err(failed)?.attributes().await {
            Ok(found) if found.kind() == Type::Folder => {}
            Ok(_) => return Err(Error::new(ErrorKind::InvalidPath, "the root of the store is no folder")),
            Err(fault) if fault.is_missing() => {
                let message = "the root of the store does not stand; the first write makes it";
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            Err(fault) => return Err(failed(fault)),
        }
        match self.0.ways(&session).await {
            // Who may only read needs no other ways, and does not get to know them.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            found => found.map(drop),
        }
    }
}

impl Backend for Sftp {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn capabilities(&self) -> CapabilitySet {
        self.0.ways.get().map_or(probe::USUAL, |ways| ways.capabilities())
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(read::read(&self.0, path, options))
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        let sink: Box<dyn WriteSink> =
            Box::new(SftpSink::new(Arc::clone(&self.0), path.clone(), options.clone()));
        Box::pin(std::future::ready(Ok(sink)))
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(async move { self.look(path).await?.entry(path) })
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        let begin = Walk::new(Arc::clone(&self.0), path.clone(), options);
        Box::pin(stream::try_unfold(begin, |mut walk| async move {
            Ok(walk.batch().await?.map(|entries| (entries, walk)))
        }))
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.delete_now(path))
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(walk::delete_folder(&self.0, path, recursive))
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(self.copy_now(from, to, overwrite))
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.move_now(from, to, overwrite))
    }

    fn native_path(&self, path: &StorePath) -> String {
        self.0.place.of(path)
    }

    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        self.0.place.path_of(native)
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ping_now())
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0.connection.upkeep.wait().await;
            Ok(())
        })
    }
}
