//! Which entries are wanted: listings, patterns, and what a folder holds all together.

use futures_util::TryStreamExt as _;
use glob::{MatchOptions, Pattern};

use crate::capability::Capability;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FileInfo, FolderInfo, FolderSummary, List, ListOptions};
use crate::listing::Listing;
use crate::own_names;
use crate::path::StorePath;
use crate::store::Store;

const MATCH: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

fn pattern(text: &str) -> Result<Pattern> {
    Pattern::new(text).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("the pattern {text:?} cannot be read: {}", error.msg))
    })
}

impl Store {
    /// Lists the files of a folder. A missing folder is empty; errors of storage come from the stream.
    pub fn list_files(&self, path: &str, list: &List) -> Result<Listing<FileInfo>> {
        self.listing(path, list, true, false, |entry| match entry {
            Entry::File(file) => Some(file),
            Entry::Folder(_) => None,
        })
    }

    /// Lists the folders of a folder.
    pub fn list_folders(&self, path: &str, list: &List) -> Result<Listing<FolderInfo>> {
        self.listing(path, list, false, true, |entry| match entry {
            Entry::Folder(folder) => Some(folder),
            Entry::File(_) => None,
        })
    }

    /// Lists the files and folders of a folder.
    pub fn list(&self, path: &str, list: &List) -> Result<Listing<Entry>> {
        self.listing(path, list, true, true, Some)
    }

    /// Lists the files whose path matches a pattern, as a shell does: `*`, `?` and `[…]` stay within a segment, `**` is a
    /// whole segment and stands for any number of folders.
    ///
    /// Only what lies below the pattern's beginning without such characters is looked at, no deeper than it reaches.
    pub fn glob(&self, text: &str) -> Result<Listing<FileInfo>> {
        let whole = self.at(text, StorePath::parse(text))?;
        let wanted = self.at(text, pattern(&whole))?;
        let plain = whole.segments().take_while(|segment| !segment.contains(['*', '?', '['])).count();
        let all = whole.segments().count();
        // Where nothing is left open the last segment is a file's name, and its folder is looked at.
        let base: Vec<&str> = whole.segments().take(plain.min(all.saturating_sub(1))).collect();
        let is_deep = whole.segments().any(|segment| segment == "**");
        let max_depth = (!is_deep).then(|| all.saturating_sub(base.len() + 1));
        let list = List { max_depth, pattern: None };
        self.listing(&base.join("/"), &list, true, false, move |entry| match entry {
            Entry::File(file) if wanted.matches_with(&file.path, MATCH) => Some(file),
            _ => None,
        })
    }

    /// Tells how many files lie in a folder, and how large they are together. `NotFound` where none is.
    pub async fn folder_info(&self, path: &str, max_depth: Option<usize>) -> Result<FolderSummary> {
        let list = List { max_depth, pattern: None };
        let mut files = self.list_files(path, &list)?;
        let asked = self.at(path, StorePath::parse(path))?;
        let mut sum = FolderSummary { path: asked, files: 0, bytes: 0, last_modified: None };
        while let Some(file) = files.next_entry().await? {
            sum.files += 1;
            sum.bytes += file.size;
            sum.last_modified = sum.last_modified.max(file.last_modified);
        }
        if sum.files > 0 || self.is_folder(path).await? {
            return Ok(sum);
        }
        match self.is_file(path).await? {
            true => Err(self.refuse(path, ErrorKind::InvalidPath, "this is a file")),
            false => Err(self.refuse(path, ErrorKind::NotFound, "not found")),
        }
    }

    fn listing<T: Send + 'static>(
        &self,
        path: &str,
        list: &List,
        files: bool,
        folders: bool,
        mut pick: impl FnMut(Entry) -> Option<T> + Send + 'static,
    ) -> Result<Listing<T>> {
        let target = self.target(path, Capability::List)?;
        let wanted = list.pattern.as_deref().map(pattern).transpose();
        let wanted = self.at(path, wanted)?;
        let options = ListOptions { max_depth: list.max_depth, files, folders };
        let (asked, backend) = (path.to_owned(), self.name());
        let batches = self.backend.list(&target.full, options);
        let located = batches.map_err(move |error| error.located(&asked, backend));
        let prefix = self.prefix.clone();
        Ok(Listing::new(Box::pin(located), move |mut entry| {
            if own_names::is_own(entry.path()) {
                return None;
            }
            if wanted.as_ref().is_some_and(|wanted| !wanted.matches_with(entry.path().name(), MATCH)) {
                return None;
            }
            if !prefix.is_root() {
                let relative = entry.path().relative_to(&prefix)?;
                *entry.path_mut() = relative;
            }
            pick(entry)
        }))
    }
}
