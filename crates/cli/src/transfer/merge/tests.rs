use std::fs;

use longshore::Path;
use tokio::sync::mpsc;

use super::{Entry, Kind, Left, Merge, Met, is_within, out_of_place, unreadable, walk};
use crate::transfer::tree::Tree;

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

fn walked(root: &std::path::Path) -> Vec<String> {
    let (sender, mut receiver) = mpsc::channel(100);
    walk(root, &path("/to"), &sender);
    drop(sender);
    let told = std::iter::from_fn(|| receiver.blocking_recv());
    told.map(|told| match told {
        Ok(entry) => {
            let kind = match entry.kind {
                Kind::File(size) => format!("file {size}"),
                Kind::Folder => "folder".to_owned(),
                Kind::Other => "other".to_owned(),
                Kind::Unreadable(failure) => failure.code,
            };
            format!("{}|{kind}", entry.path)
        }
        Err((_, failure)) => failure.code,
    })
    .collect()
}

#[test]
fn entries_come_in_the_order_of_the_workspace() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/b", "a!", "a.txt", "B", "é/x", "日本/y", "a/b c/d", ".x.0123456789abcdef.part"] {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "12").unwrap();
    }
    fs::create_dir(folder.path().join("a/empty")).unwrap();
    fs::create_dir(folder.path().join("bad\nname")).unwrap();
    fs::write(folder.path().join("bad\nname/x"), "").unwrap();
    std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
    let found = walked(folder.path());
    let told = found.iter().filter(|line| line.starts_with('/'));
    let paths: Vec<_> = told.map(|line| path(line.split_once('|').unwrap().0)).collect();
    assert_eq!(found[0], "/to/.x.0123456789abcdef.part|other", "it is a download's");
    assert!(
        found.contains(&"/to/a/b|file 2".to_owned()) && found.contains(&"/to/link|other".to_owned()),
        "{found:?}"
    );
    assert_eq!(found.iter().filter(|line| *line == "invalid_name").count(), 1, "{found:?}");
    assert!(paths.is_sorted(), "{paths:?}");
}

#[test]
fn what_cannot_be_read_is_told_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    assert_eq!(walked(&gone), ["/to|local_not_found"]);
    // Whatever it is that cannot be read: its folder is what nobody knows.
    let error = walkdir::WalkDir::new(folder.path().join("x")).into_iter().next().unwrap().unwrap_err();
    let told = unreadable(folder.path(), &path("/to/f"), error);
    assert_eq!(told.path, path("/to/f"));
    assert!(told.local.ends_with("x") && matches!(told.kind, Kind::Unreadable(_)), "{told:?}");
}

#[tokio::test]
async fn an_entry_out_of_order_is_the_last() {
    let (sender, entries) = mpsc::channel(10);
    for (name, kind) in [("/to/b", Kind::Folder), ("/to/b/y", Kind::File(1)), ("/to/b/x", Kind::File(1))] {
        let entry = Entry { path: path(name), local: name.into(), kind };
        sender.send(Ok(entry)).await.unwrap();
    }
    drop(sender);
    let mut merge = Merge::of(entries, path("/to"), Tree::of(Vec::new()));
    for _ in 0..2 {
        assert!(matches!(merge.next().await, Some(Met::Local(_))));
    }
    let Some(Met::Broken(failure)) = merge.next().await else { panic!("it went on") };
    assert_eq!((failure.code.as_str(), merge.next().await.is_none()), ("local_order", true));
}

#[test]
fn what_is_left_is_not_narrowed() {
    let mut left = Left::default();
    assert!(!left.holds(&path("/a")));
    left.leave(&path("/a/b"));
    left.leave(&path("/a/b/c"));
    assert!(left.holds(&path("/a/b/d")) && !left.holds(&path("/a/bc")));
    left.leave(&path("/a/e"));
    assert!(left.holds(&path("/a/e")) && !left.holds(&path("/a/b/d")));
}

#[test]
fn a_listing_that_is_out_of_place_is_not_followed() {
    let (folder, last) = (path("/f"), path("/f/b"));
    assert!(out_of_place(&path("/f/c"), &folder, Some(&last)).is_none());
    assert!(out_of_place(&path("/f/b/c"), &folder, Some(&last)).is_none());
    for wrong in ["/f/a", "/f/b", "/f", "/g/x", "/"] {
        assert!(out_of_place(&path(wrong), &folder, Some(&last)).is_some(), "{wrong}");
    }
}

#[test]
fn within_is_by_whole_names() {
    assert!(is_within(&path("/a/b"), Some(&path("/a"))) && is_within(&path("/a"), Some(&path("/a"))));
    assert!(!is_within(&path("/ab"), Some(&path("/a"))) && !is_within(&path("/a"), None));
}
