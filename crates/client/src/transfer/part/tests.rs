use std::fs;

use super::{Destination, Part};

/// Writes a part of `text` beside `name`.
fn part(folder: &tempfile::TempDir, name: &str, text: &str) -> Part {
    let mut part = Part::create(&Destination::from(folder.path().join(name))).unwrap();
    part.write(text.as_bytes()).unwrap();
    part
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn of_two_that_must_not_replace_one_lands() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (part(&folder, "f", "first"), part(&folder, "f", "second"));
    first.keep(false).unwrap();
    let error = second.keep(false).unwrap_err();
    assert!(error.is_local() && error.kind() == longshore_core::ErrorKind::Conflict, "{error}");
    assert_eq!(fs::read(folder.path().join("f")).unwrap(), b"first");
    assert_eq!(names(&folder), ["f"]);
    part(&folder, "f", "third").keep(true).unwrap();
    assert_eq!(fs::read(folder.path().join("f")).unwrap(), b"third");
}

#[test]
fn a_link_does_the_same_where_a_rename_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (part(&folder, "f", "first"), part(&folder, "f", "second"));
    first.link().unwrap();
    drop(first);
    assert_eq!(second.link().unwrap_err(), rustix::io::Errno::EXIST);
    drop(second);
    assert_eq!(fs::read(folder.path().join("f")).unwrap(), b"first");
    assert_eq!(names(&folder), ["f"]);
}
