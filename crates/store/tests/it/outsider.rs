//! A backend as somebody else would write one, on what is public alone: another store, with pauses in between, that may keep
//! less than it does.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use longshore_store::{
    Backend, BoxFuture, BoxStream, ByteRange, CacheOptions, Capability, CapabilitySet, Entry, ErrorKind,
    FileInfo, FolderInfo, List, ListOptions, Read, ReadOptions, Result, Store, StorePath, WriteOptions,
    WriteSink, Writer, blocking,
};
use tokio::task::yield_now;

crate::trials! {
    "outsider":
    its_backend_is_found_behind_what_stands_in_front,
    a_reader_without_tags_notices_another_size,
    a_cache_keeps_nothing_of_a_file_that_grows_in_place,
}

/// Each verb lets others go first, so that it can be given up at more than one point.
#[derive(Debug)]
pub(crate) struct Outsider {
    store: Store,
    lacks: Vec<Capability>,
}

/// A store over another one.
pub(crate) fn over(store: Store, lacks: &[Capability]) -> Store {
    Store::new(Outsider { store, lacks: lacks.to_vec() })
}

impl Outsider {
    /// Leaves out what this backend does not know.
    fn told(&self, info: &FileInfo) -> FileInfo {
        let etag = info.etag.clone().filter(|_| !self.lacks.contains(&Capability::ConditionalRead));
        FileInfo { etag, ..info.clone() }
    }
}

impl Backend for Outsider {
    fn name(&self) -> &'static str {
        "outsider"
    }

    fn capabilities(&self) -> CapabilitySet {
        self.lacks.iter().fold(self.store.capabilities(), |all, lack| all.without(*lack))
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(async move {
            yield_now().await;
            let read = self.store.read(path, options.clone()).await?;
            let (info, range) = (self.told(read.info()), read.range());
            let chunks = read.then(|chunk| async {
                yield_now().await;
                chunk
            });
            Ok(Read::new(info, range, chunks))
        })
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        Box::pin(async move {
            yield_now().await;
            let writer = self.store.open_write(path, options.clone()).await?;
            Ok(Box::new(Sink(writer)) as Box<dyn WriteSink>)
        })
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(async move {
            yield_now().await;
            match self.store.file_info(path).await {
                Ok(info) => Ok(Entry::File(self.told(&info))),
                Err(error) if error.kind() == ErrorKind::InvalidPath => {
                    Ok(Entry::Folder(FolderInfo { path: path.clone() }))
                }
                Err(error) => Err(error),
            }
        })
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        let list = List { max_depth: options.max_depth, pattern: None };
        let listing = match self.store.list(path, &list) {
            Ok(listing) => listing,
            Err(error) => return Box::pin(stream::once(future::ready(Err(error)))),
        };
        let wanted = listing.try_filter(move |entry| {
            future::ready(if matches!(entry, Entry::File(_)) { options.files } else { options.folders })
        });
        Box::pin(wanted.map_ok(|entry| vec![entry]))
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            yield_now().await;
            self.store.delete(path, false).await?;
            yield_now().await;
            Ok(())
        })
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.store.delete_folder(path, recursive, false))
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(async move {
            yield_now().await;
            let copied = self.store.copy_file(from, to, overwrite).await?;
            yield_now().await;
            Ok(self.told(&copied))
        })
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            yield_now().await;
            self.store.move_file(from, to, overwrite).await?;
            yield_now().await;
            Ok(())
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.store.ping())
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.store.close())
    }
}

struct Sink(Writer);

impl WriteSink for Sink {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            yield_now().await;
            self.0.write(chunk).await
        })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            yield_now().await;
            let made = self.0.finish().await?;
            yield_now().await;
            let known = FileInfo::new(made.path, made.size);
            Ok(FileInfo {
                last_modified: made.last_modified,
                etag: made.etag,
                metadata: made.metadata,
                ..known
            })
        })
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(self.0.abort())
    }
}

async fn its_backend_is_found_behind_what_stands_in_front() {
    let store = over(Store::memory(), &[]).with_cache(CacheOptions::default()).with_limit(3);
    assert_eq!(store.backend_as::<Outsider>().unwrap().store.name(), "memory");
    assert_eq!((store.name(), store.ping().await.is_ok()), ("outsider", true));
}

async fn a_reader_without_tags_notices_another_size() {
    let store = over(Store::memory(), &[Capability::ConditionalRead]);
    let store = Arc::new(blocking::Store::new(store).unwrap());
    tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        store.write("file", vec![1; 1_000_000], WriteOptions::default()).unwrap();
        let mut reader = store.open_read("file").unwrap();
        let mut start = [0; 10];
        reader.read_exact(&mut start).unwrap();
        store.write("file", vec![2; 999_999], WriteOptions::OVERWRITE).unwrap();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        let inner = error.into_inner().unwrap().downcast::<longshore_store::Error>().unwrap();
        assert_eq!(inner.kind(), ErrorKind::PreconditionFailed);
    })
    .await
    .unwrap();
}

/// Where a file is seen while it is written it changes from the first byte on, not only at its end.
async fn a_cache_keeps_nothing_of_a_file_that_grows_in_place() {
    let behind = Store::memory();
    let store = over(behind.clone(), &[Capability::AtomicWrite]).with_cache(CacheOptions::default());
    behind.write("file", "old", WriteOptions::default()).await.unwrap();
    assert_eq!(store.read_text("file").await.unwrap(), "old");
    let mut writer = store.open_write("file", WriteOptions::OVERWRITE).await.unwrap();
    for content in ["n", "ne", "new"] {
        // What such a storage does while the writer is at it.
        behind.write("file", content, WriteOptions::OVERWRITE).await.unwrap();
        assert_eq!(store.read_text("file").await.unwrap(), content);
        let part = store.read("file", ReadOptions::range(ByteRange::Last(1))).await.unwrap();
        assert_eq!(part.bytes().await.unwrap(), content.as_bytes()[content.len() - 1..]);
    }
    writer.write("new").await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(store.read_text("file").await.unwrap(), "new");
}
