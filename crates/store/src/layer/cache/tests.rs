use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::CacheOptions;
use super::kept::{Kept, Note};
use crate::info::{Entry, FileInfo, ListOptions, ReadOptions};
use crate::path::StorePath;

const CHILDREN: ListOptions = ListOptions { max_depth: Some(0), files: true, folders: true };

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

fn note(kept: &mut Kept, file: &str, now: Instant) -> Option<Note> {
    kept.info(&path(file), now).unwrap_err()
}

fn put(kept: &mut Kept, file: &str, size: usize, now: Instant) {
    if let Some(note) = note(kept, file, now) {
        let info = FileInfo::new(path(file), size as u64);
        kept.put_content(&path(file), info, Bytes::from(vec![0; size]), note, now);
    }
}

fn has(kept: &mut Kept, file: &str, now: Instant) -> bool {
    kept.content(&path(file), &ReadOptions::default(), now).is_ok()
}

#[test]
fn it_stays_within_its_bounds_and_drops_what_was_not_used_longest() {
    let now = Instant::now();
    let options = CacheOptions { max_bytes: 10_000, max_entries: 4, ..CacheOptions::default() };
    let mut kept = Kept::new(options);
    for number in 0..100 {
        put(&mut kept, &format!("small/{number}"), 10, now);
        assert!(has(&mut kept, "small/0", now), "it is used all the time");
        let (paths, bytes) = kept.size();
        assert!(paths <= 4 && bytes <= 10_000);
    }
    assert!(has(&mut kept, "small/99", now) && !has(&mut kept, "small/50", now));
    for number in 0..100 {
        put(&mut kept, &format!("large/{number}"), 4_000, now);
        assert!(kept.size().1 <= 10_000);
    }
    put(&mut kept, "too large", 10_000, now);
    assert!(has(&mut kept, "large/99", now) && !has(&mut kept, "too large", now));
    for number in 0..100 {
        kept.forget(&path(&format!("large/{number}")));
    }
    for number in 0..100 {
        kept.forget(&path(&format!("small/{number}")));
    }
    assert_eq!(kept.size(), (0, 0), "every byte is accounted for");
}

#[test]
fn what_began_before_a_change_ended_is_not_kept() {
    let now = Instant::now();
    let mut kept = Kept::new(CacheOptions::default());
    let (file, info) = (path("a/b"), FileInfo::new(path("a/b"), 1));
    for asked_at in 0..4 {
        let mut notes = vec![note(&mut kept, "a/b", now)];
        kept.begin(&file);
        notes.push(note(&mut kept, "a/b", now));
        kept.begin(&file);
        kept.end(&file, None);
        notes.push(note(&mut kept, "a/b", now));
        kept.end(&file, None);
        notes.push(note(&mut kept, "a/b", now));
        assert_eq!(notes.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false, true]);
        if let Some(note) = notes[asked_at] {
            kept.put_info(&file, &info, note, now);
        }
        assert_eq!(kept.info(&file, now).is_ok(), asked_at == 3);
    }
}

#[test]
fn a_change_forgets_the_listings_above_it_and_no_others() {
    let now = Instant::now();
    let mut kept = Kept::new(CacheOptions::default());
    let listed = |kept: &mut Kept, folder: &str| kept.listing(&path(folder), CHILDREN, now);
    let entries: [Entry; 1] = [Entry::File(FileInfo::new(path("x"), 1))];
    let folders = ["", "a", "a/b", "a/b/c", "a/x", "d"];
    for folder in folders {
        let note = listed(&mut kept, folder).unwrap_err().unwrap();
        kept.put_listing(&path(folder), CHILDREN, entries.clone().into(), note, now);
        assert!(listed(&mut kept, folder).is_ok());
    }
    let early = kept.listing(&path("a"), ListOptions { files: false, ..CHILDREN }, now).unwrap_err().unwrap();
    kept.begin(&path("a/b/file"));
    kept.end(&path("a/b/file"), None);
    let left: Vec<_> = folders.into_iter().filter(|folder| listed(&mut kept, folder).is_ok()).collect();
    assert_eq!(left, ["a/b/c", "a/x", "d"]);
    kept.put_listing(&path("a"), CHILDREN, entries.clone().into(), early, now);
    assert!(listed(&mut kept, "a").is_err(), "it was asked for before the change");
    kept.begin_below(&path("a"));
    assert!(listed(&mut kept, "d").is_ok() && listed(&mut kept, "other").unwrap_err().is_none());
    kept.end_below(&path("a"), None);
    let left: Vec<_> = folders.into_iter().filter(|folder| listed(&mut kept, folder).is_ok()).collect();
    assert_eq!(left, ["d"]);
    assert!(listed(&mut kept, "other").unwrap_err().is_some());
}

#[test]
fn what_was_given_up_is_doubted_for_a_while() {
    let now = Instant::now();
    let mut kept = Kept::new(CacheOptions { ttl: Duration::from_secs(60), ..CacheOptions::default() });
    kept.begin(&path("file"));
    kept.end(&path("file"), Some(now));
    put(&mut kept, "file", 1, now + Duration::from_secs(59));
    assert!(!has(&mut kept, "file", now + Duration::from_secs(59)));
    put(&mut kept, "file", 1, now + Duration::from_secs(60));
    assert!(has(&mut kept, "file", now + Duration::from_secs(119)));
    assert!(!has(&mut kept, "file", now + Duration::from_secs(120)), "no longer than its time");
}
