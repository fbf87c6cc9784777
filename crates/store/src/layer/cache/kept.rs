//! What is kept, and what must not be. No I/O and no clock: the time is told.
//!
//! The rule that keeps it right: who reads takes a [`Note`] before it asks the storage, and what it read is kept only if the
//! note still holds. A change voids the notes of what it touches when it begins and when it ends, and none is given in
//! between; so whatever is kept was read wholly between two changes.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt::{self, Debug};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use bytes::Bytes;
use hashlink::LruCache;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{CacheOptions, Miss, cut};
use crate::info::{ByteRange, Entry, FileInfo, ListOptions, ReadOptions};
use crate::path::StorePath;
use crate::read::Read;

/// How many places the notes of all paths share. Paths that share one only lose a chance to be kept.
const PLACES: usize = 1_024;

/// What a path, what is known of a file or an entry of a listing take besides what varies: about, and not too little.
const OVERHEAD: u64 = 256;

/// Says up to when what was read may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note(u64);

/// The changes of all paths that share a place.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// How many changes began and ended.
    mark: u64,
    /// How many are under way.
    changing: usize,
    /// Until when a change that was given up may yet come to pass.
    doubted_until: Option<Instant>,
}

impl Place {
    const fn begin(&mut self) {
        self.mark += 1;
        self.changing += 1;
    }

    fn end(&mut self, doubted_until: Option<Instant>) {
        self.mark += 1;
        self.changing -= 1;
        self.doubted_until = self.doubted_until.max(doubted_until);
    }

    fn is_calm(&self, now: Instant) -> bool {
        self.changing == 0 && self.doubted_until.is_none_or(|until| until <= now)
    }
}

/// All that is kept of one path.
#[derive(Default)]
struct Item {
    info: Option<(FileInfo, Instant)>,
    content: Option<(FileInfo, Bytes, Instant)>,
    /// How large the file was when it was last heard of: whether to fetch it as a whole.
    size: Option<u64>,
    listings: Vec<(ListOptions, Arc<[Entry]>, Instant)>,
}

impl Item {
    /// Returns how many bytes it takes, about.
    fn weight(&self, path: &StorePath) -> u64 {
        let content = self.content.as_ref().map_or(0, |(_, content, _)| content.len() as u64 + OVERHEAD);
        let listings: u64 = self.listings.iter().map(|(_, entries, _)| weight(entries)).sum();
        content + listings + path.len() as u64 + 2 * OVERHEAD
    }
}

fn weight(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.path().len() as u64 + OVERHEAD).sum()
}

pub(super) struct Kept {
    options: CacheOptions,
    items: LruCache<StorePath, Item>,
    bytes: u64,
    /// Notes of what is read of files, by path.
    files: Box<[Place]>,
    /// Notes of listings, by folder.
    folders: Box<[Place]>,
    /// Notes of everything.
    all: Place,
    hash: RandomState,
    /// What is being fetched, for others to wait for.
    fetching: HashMap<StorePath, watch::Receiver<()>>,
}

impl Kept {
    pub(super) fn new(options: CacheOptions) -> Self {
        Self {
            options,
            items: LruCache::new_unbounded(),
            bytes: 0,
            files: vec![Place::default(); PLACES].into(),
            folders: vec![Place::default(); PLACES].into(),
            all: Place::default(),
            hash: RandomState::new(),
            fetching: HashMap::new(),
        }
    }

    fn place(&self, path: &str) -> usize {
        // The remainder always fits.
        (self.hash.hash_one(path) % PLACES as u64) as usize
    }

    /// Gives a note, unless what is read now must not be kept.
    fn note(&self, place: &Place, now: Instant) -> Option<Note> {
        (self.all.is_calm(now) && place.is_calm(now)).then_some(Note(self.all.mark + place.mark))
    }

    fn file_note(&self, path: &StorePath, now: Instant) -> Option<Note> {
        self.note(&self.files[self.place(path)], now)
    }

    fn folder_note(&self, path: &StorePath, now: Instant) -> Option<Note> {
        self.note(&self.folders[self.place(path)], now)
    }

    /// Begins a change of a file: it is forgotten, and so are the listings it may stand in.
    pub(super) fn begin(&mut self, path: &StorePath) {
        let place = self.place(path);
        self.files[place].begin();
        self.forget(path);
        self.above(path, Place::begin);
    }

    /// Ends a change of a file; `doubted` is now if it may yet come to pass.
    pub(super) fn end(&mut self, path: &StorePath, doubted: Option<Instant>) {
        let until = doubted.map(|now| now + self.options.ttl);
        let place = self.place(path);
        self.files[place].end(until);
        self.above(path, |place| place.end(until));
    }

    /// Begins a change of a folder and all that is below.
    pub(super) fn begin_below(&mut self, path: &StorePath) {
        self.all.begin();
        let bytes = &mut self.bytes;
        self.items.retain(|kept, item| {
            let stays = kept.relative_to(path).is_none();
            if !stays {
                *bytes -= item.weight(kept);
            }
            stays
        });
        self.above(path, Place::begin);
    }

    /// Ends a change of a folder and all that is below.
    pub(super) fn end_below(&mut self, path: &StorePath, doubted: Option<Instant>) {
        let until = doubted.map(|now| now + self.options.ttl);
        self.all.end(until);
        self.above(path, |place| place.end(until));
    }

    /// Forgets the listings of every folder above a path, and does `each` to their notes.
    fn above(&mut self, path: &StorePath, each: impl Fn(&mut Place)) {
        let mut folder = path.clone();
        while !folder.is_root() {
            folder = folder.parent();
            let place = self.place(&folder);
            each(&mut self.folders[place]);
            let held = self.items.peek(&folder).is_some_and(|item| !item.listings.is_empty());
            if held {
                self.update(&folder, |item| item.listings.clear());
            }
        }
    }

    /// Forgets a path.
    pub(super) fn forget(&mut self, path: &StorePath) {
        if let Some(item) = self.items.remove(path) {
            self.bytes -= item.weight(path);
        }
    }

    /// Forgets a path whose tag is no longer what is kept of it.
    pub(super) fn forget_tag(&mut self, path: &StorePath, tag: &str) {
        let is_kept = self.items.peek(path).is_some_and(|item| {
            let info = item.info.as_ref().map(|(info, _)| info);
            let content = item.content.as_ref().map(|(info, ..)| info);
            [info, content].into_iter().flatten().any(|info| info.etag.as_deref() == Some(tag))
        });
        if is_kept {
            self.forget(path);
        }
    }

    /// Looks for content, or says what to do without.
    pub(super) fn content(
        &mut self,
        path: &StorePath,
        options: &ReadOptions,
        now: Instant,
    ) -> Result<Read, Miss> {
        let mut size = None;
        if let Some(item) = self.items.get(path) {
            if let Some((info, content, until)) = &item.content
                && *until > now
                && (options.if_match.is_none() || options.if_match == info.etag)
            {
                return Ok(cut(info.clone(), content, options.range));
            }
            size = item.size;
        }
        let Some(note) = self.file_note(path, now) else { return Err(Miss::Pass(None)) };
        let is_small = match size {
            Some(size) => size <= self.options.max_file,
            None => options.range == ByteRange::All,
        };
        if !is_small || self.options.max_file == 0 {
            return Err(Miss::Pass(Some(note)));
        }
        if let Some(led) = self.fetching.get(path) {
            return Err(Miss::Follow(led.clone()));
        }
        let (leader, led) = watch::channel(());
        self.fetching.insert(path.clone(), led);
        Err(Miss::Lead(note, leader))
    }

    /// Ends the fetching of content.
    pub(super) fn fetched(&mut self, path: &StorePath) {
        self.fetching.remove(path);
    }

    /// Looks for what is known of a file, or gives a note for who asks the storage.
    pub(super) fn info(&mut self, path: &StorePath, now: Instant) -> Result<FileInfo, Option<Note>> {
        if let Some(item) = self.items.get(path)
            && let Some((info, until)) = &item.info
            && *until > now
        {
            return Ok(info.clone());
        }
        Err(self.file_note(path, now))
    }

    /// Looks for a listing, or gives a note for who asks the storage.
    pub(super) fn listing(
        &mut self,
        path: &StorePath,
        options: ListOptions,
        now: Instant,
    ) -> Result<Arc<[Entry]>, Option<Note>> {
        let item = self.items.get(path);
        let found =
            item.and_then(|item| item.listings.iter().find(|(of, _, until)| *of == options && *until > now));
        match found {
            Some((_, entries, _)) => Ok(Arc::clone(entries)),
            None => Err(self.folder_note(path, now)),
        }
    }

    /// Keeps content.
    pub(super) fn put_content(
        &mut self,
        path: &StorePath,
        info: FileInfo,
        content: Bytes,
        note: Note,
        now: Instant,
    ) {
        let is_too_much = content.len() as u64 + 3 * OVERHEAD > self.options.max_bytes;
        if is_too_much || self.file_note(path, now) != Some(note) {
            return;
        }
        let until = now + self.options.ttl;
        self.update(path, |item| {
            if item.info.as_ref().is_some_and(|(known, _)| differ(known, &info)) {
                item.info = None;
            }
            item.size = Some(info.size);
            item.content = Some((info, content, until));
        });
    }

    /// Keeps what is known of a file.
    pub(super) fn put_info(&mut self, path: &StorePath, info: &FileInfo, note: Note, now: Instant) {
        if self.file_note(path, now) != Some(note) {
            return;
        }
        let until = now + self.options.ttl;
        self.update(path, |item| {
            if item.content.as_ref().is_some_and(|(known, ..)| differ(known, info)) {
                item.content = None;
            }
            item.size = Some(info.size);
            item.info = Some((info.clone(), until));
        });
    }

    /// Keeps how large a file is.
    pub(super) fn put_size(&mut self, path: &StorePath, size: u64, note: Note, now: Instant) {
        if self.file_note(path, now) == Some(note) {
            self.update(path, |item| item.size = Some(size));
        }
    }

    /// Keeps a listing.
    pub(super) fn put_listing(
        &mut self,
        path: &StorePath,
        options: ListOptions,
        entries: Arc<[Entry]>,
        note: Note,
        now: Instant,
    ) {
        if weight(&entries) > self.options.max_bytes || self.folder_note(path, now) != Some(note) {
            return;
        }
        let until = now + self.options.ttl;
        self.update(path, |item| {
            item.listings.retain(|(of, _, until)| *of != options && *until > now);
            item.listings.push((options, entries, until));
        });
    }

    /// Changes what is kept of a path, and makes room for it.
    fn update(&mut self, path: &StorePath, change: impl FnOnce(&mut Item)) {
        let old = self.items.remove(path);
        self.bytes -= old.as_ref().map_or(0, |item| item.weight(path));
        let mut item = old.unwrap_or_default();
        change(&mut item);
        self.bytes += item.weight(path);
        self.items.insert(path.clone(), item);
        while self.bytes > self.options.max_bytes || self.items.len() > self.options.max_entries {
            let Some((path, item)) = self.items.remove_lru() else { break };
            self.bytes -= item.weight(&path);
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, u64) {
        (self.items.len(), self.bytes)
    }
}

/// Tells whether two are known to be of different contents.
fn differ(one: &FileInfo, other: &FileInfo) -> bool {
    one.etag != other.etag || one.size != other.size
}

impl Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("paths", &self.items.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
