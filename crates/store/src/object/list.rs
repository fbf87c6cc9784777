//! Listing: folders are what keys have in common.

use std::sync::Arc;

use futures_util::stream;

use super::again::again;
use super::parts::Shared;
use super::service::{ListAsk, Page, Service};
use crate::backend::BoxStream;
use crate::error::{ErrorKind, Result};
use crate::info::{Entry, FileInfo, FolderInfo, ListOptions};
use crate::path::StorePath;

/// Returns what all keys below a folder begin with.
pub(super) fn below(folder: &StorePath) -> String {
    if folder.is_root() { String::new() } else { format!("{folder}/") }
}

/// Asks for a page. A missing bucket has nothing in it.
pub(super) async fn page<S: Service>(service: &S, ask: &ListAsk) -> Result<Page> {
    match service.list(ask).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Page::default()),
        page => page,
    }
}

/// Returns whether any key lies below a folder, its marker included.
pub(super) async fn is_folder<S: Service>(service: &S, folder: &StorePath) -> Result<bool> {
    let mut ask = ListAsk { prefix: below(folder), most: Some(1), ..ListAsk::default() };
    loop {
        let page = page(service, &ask).await?;
        if !page.objects.is_empty() || !page.folders.is_empty() {
            return Ok(true);
        }
        // A page may be empty and yet not the last.
        match page.token {
            Some(token) => ask.token = Some(token),
            None => return Ok(false),
        }
    }
}

/// Returns the path that a key is, unless no path can name it (`a//b`).
fn path_of(key: &str) -> Option<StorePath> {
    StorePath::parse(key).ok().filter(|path| path.as_str() == key && !path.is_root())
}

struct Walk<S> {
    shared: Arc<Shared<S>>,
    options: ListOptions,
    /// What is still to be listed, with the depth below the folder that was asked for.
    asks: Vec<(usize, ListAsk)>,
    /// The key before, which lies in folders that were given already.
    before: String,
}

pub(super) fn list<S: Service>(
    shared: Arc<Shared<S>>,
    folder: &StorePath,
    options: ListOptions,
) -> BoxStream<'static, Result<Vec<Entry>>> {
    let prefix = below(folder);
    let ask =
        ListAsk { by_folder: options.max_depth.is_some(), prefix: prefix.clone(), ..ListAsk::default() };
    let walk = Walk { shared, options, asks: vec![(0, ask)], before: prefix };
    Box::pin(stream::unfold(Some(walk), |walk| async move {
        let mut walk = walk?;
        let (depth, ask) = walk.asks.pop()?;
        // One page of thousands that a busy service refused must not end a whole listing, which nobody else can go on with.
        match again(true, || page(&walk.shared.service, &ask)).await {
            Ok(page) => Some((Ok(walk.entries(depth, ask, page)), Some(walk))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

impl<S: Service> Walk<S> {
    fn entries(&mut self, depth: usize, ask: ListAsk, page: Page) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(page.objects.len() + page.folders.len());
        for folder in &page.folders {
            let Some(path) = folder.strip_suffix('/').and_then(path_of) else { continue };
            if self.options.max_depth.is_some_and(|most| depth < most) {
                let ask = ListAsk { prefix: folder.clone(), by_folder: true, ..ListAsk::default() };
                self.asks.push((depth + 1, ask));
            }
            if self.options.folders {
                entries.push(Entry::Folder(FolderInfo { path }));
            }
        }
        for (key, info) in page.objects {
            if !ask.by_folder && self.options.folders {
                self.folders_above(&key, &ask.prefix, &mut entries);
            }
            if self.options.files
                && let Some(path) = path_of(&key)
            {
                entries.push(Entry::File(FileInfo { path, ..info }));
            }
            self.before = key;
        }
        if page.token.is_some() {
            self.asks.push((depth, ListAsk { token: page.token, ..ask }));
        }
        entries
    }

    /// Gives the folders that a key lies in and the one before did not.
    fn folders_above(&self, key: &str, prefix: &str, entries: &mut Vec<Entry>) {
        let Some(rest) = key.strip_prefix(prefix) else { return };
        for (end, _) in rest.match_indices('/') {
            let folder = &key[..=prefix.len() + end];
            if !self.before.starts_with(folder)
                && let Some(path) = folder.strip_suffix('/').and_then(path_of)
            {
                entries.push(Entry::Folder(FolderInfo { path }));
            }
        }
    }
}
