//! The same for many files, so many at once, each with a result of its own; and from one store to another.

use std::sync::Arc;

use futures_util::{Stream, TryStreamExt as _};
use longshore_flow::fan_out;

use crate::capability::Capability;
use crate::error::Result;
use crate::info::{FileInfo, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::store::Store;
use crate::write::Content;

/// What became of one file of many. Those that failed stand beside those that did not.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The path as it was given; of two, the source.
    pub path: String,
    /// What came of it.
    pub result: Result<T>,
}

/// How far a transfer is: told after each piece that the target has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes the target has taken.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// Does `each` to every path, `at_once` at a time; what ends first is given first.
fn many<'s, T: 's, F>(
    paths: impl IntoIterator<Item = String> + 's,
    at_once: usize,
    each: impl Fn(String) -> F + 's,
) -> impl Stream<Item = Outcome<T>> + 's
where
    F: Future<Output = Result<T>> + 's,
{
    fan_out(paths, at_once, move |path| {
        let doing = each(path.clone());
        async move { Outcome { path, result: doing.await } }
    })
}

impl Store {
    /// Deletes many files, `at_once` at a time.
    pub fn delete_many<'s>(
        &'s self,
        paths: impl IntoIterator<Item = String> + 's,
        missing_ok: bool,
        at_once: usize,
    ) -> impl Stream<Item = Outcome<()>> + 's {
        many(paths, at_once, move |path| async move { self.delete(&path, missing_ok).await })
    }

    /// Tells of many paths whether anything stands there, `at_once` at a time.
    pub fn exists_many<'s>(
        &'s self,
        paths: impl IntoIterator<Item = String> + 's,
        at_once: usize,
    ) -> impl Stream<Item = Outcome<bool>> + 's {
        many(paths, at_once, move |path| async move { self.exists(&path).await })
    }

    /// Copies many files (from, to), `at_once` at a time.
    pub fn copy_many<'s>(
        &'s self,
        pairs: impl IntoIterator<Item = (String, String), IntoIter: 's> + 's,
        overwrite: bool,
        at_once: usize,
    ) -> impl Stream<Item = Outcome<FileInfo>> + 's {
        fan_out(pairs, at_once, move |(from, to)| async move {
            let result = self.copy_file(&from, &to, overwrite).await;
            Outcome { path: from, result }
        })
    }

    /// Copies a file into another store, or within this one, where the storage does it by itself if it can.
    ///
    /// Through here go two chunks at a time. Media type and metadata go along where both stores keep them, unless `options`
    /// states others.
    pub async fn transfer(
        &self,
        from: &str,
        target: &Self,
        to: &str,
        mut options: WriteOptions,
        mut progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<FileInfo> {
        let is_plain = options.media_type.is_none() && options.metadata.is_empty();
        if is_plain && Arc::ptr_eq(&self.backend, &target.backend) && self.supports(Capability::Copy) {
            let whole = Self::over(Arc::clone(&self.backend), StorePath::ROOT);
            let (source, place) = (self.file(from, Capability::Copy)?, target.file(to, Capability::Copy)?);
            let copied = whole.copy_file(&source.full, &place.full, options.overwrite).await;
            let copied = copied.map(|file| FileInfo { path: place.asked, ..file })?;
            progress(Progress { done: copied.size, total: copied.size });
            return Ok(copied);
        }
        let read = self.read(from, ReadOptions::default()).await?;
        let (total, mut done) = (read.info().size, 0);
        if options.metadata.is_empty() && target.supports(Capability::Metadata) {
            options.metadata.clone_from(&read.info().metadata);
        }
        if options.media_type.is_none() && target.supports(Capability::MediaType) {
            options.media_type.clone_from(&read.info().media_type);
        }
        let told = read.inspect_ok(move |chunk| {
            done += chunk.len() as u64;
            progress(Progress { done, total });
        });
        target.write(to, Content::stream(told), options).await?;
        target.file_info(to).await
    }
}
