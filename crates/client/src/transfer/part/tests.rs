use std::fs;

use longshore_core::digest_tree::{CellHasher, CellSize, Chaining};
use longshore_core::{Algorithm, Digest};

use super::{Destination, Part};
use crate::transfer::state::{Cells, Subject};

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
    drop(second);
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

const CELL: usize = 1024;

/// Content of four cells, the last one short.
fn content() -> Vec<u8> {
    (0..3 * CELL + 100).map(|at| (at % 251) as u8).collect()
}

fn subject(tag: &str) -> Subject {
    Subject {
        tag: tag.to_owned(),
        length: content().len() as u64,
        digest: Digest::new(Algorithm::Blake3, blake3::hash(&content()).into()),
        cell: CellSize::new(CELL as u64).unwrap(),
    }
}

fn chaining(cell: usize) -> Chaining {
    let mut hasher = CellHasher::new(subject("").cell, cell as u64);
    hasher.update(&content()[cell * CELL..]);
    hasher.chaining().unwrap()
}

fn resume(folder: &tempfile::TempDir, tag: &str) -> Option<(Part, Cells)> {
    let found = Part::resume(&Destination::from(folder.path().join("f")), &subject(tag), || false)?;
    found.0.set_length(content().len() as u64).unwrap();
    Some(found)
}

/// Leaves a part in which some cells have come.
fn leave(folder: &tempfile::TempDir, cells: &[usize]) {
    let (part, _) = resume(folder, "v1").unwrap();
    for cell in cells {
        let end = content().len().min((cell + 1) * CELL);
        part.write_at(&content()[cell * CELL..end], (cell * CELL) as u64).unwrap();
        part.note(*cell as u64, chaining(*cell)).unwrap();
    }
}

fn present(cells: &Cells) -> Vec<usize> {
    cells.iter().enumerate().filter(|(_, cell)| cell.is_some()).map(|(number, _)| number).collect()
}

/// Returns the path of what was left, by its ending.
fn left(folder: &tempfile::TempDir, ending: &str) -> std::path::PathBuf {
    let name = names(folder).into_iter().find(|name| name.ends_with(ending)).unwrap();
    folder.path().join(name)
}

#[test]
fn what_was_left_is_found_again_and_goes_once_all_is_there() {
    let folder = tempfile::tempdir().unwrap();
    leave(&folder, &[3, 1]);
    assert_eq!(names(&folder).len(), 2);
    let (part, cells) = resume(&folder, "v1").unwrap();
    assert_eq!(present(&cells), [1, 3]);
    assert_eq!(cells[1], Some(chaining(1)));
    part.keep(true).unwrap();
    drop(part);
    assert_eq!(names(&folder), ["f"]);
}

#[test]
fn nothing_stays_of_what_is_of_no_use() {
    let folder = tempfile::tempdir().unwrap();
    leave(&folder, &[]);
    assert!(names(&folder).is_empty());
    leave(&folder, &[0]);
    resume(&folder, "v1").unwrap().0.give_up();
    assert!(names(&folder).is_empty());
}

#[test]
fn a_state_alone_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    leave(&folder, &[0, 1, 2, 3]);
    let mut bytes = fs::read(left(&folder, ".part")).unwrap();
    bytes[CELL] ^= 1;
    bytes.truncate(3 * CELL + 50);
    fs::write(left(&folder, ".part"), bytes).unwrap();
    let (part, cells) = resume(&folder, "v1").unwrap();
    assert_eq!(present(&cells), [0, 2]);
    drop(part);
    fs::remove_file(left(&folder, ".part")).unwrap();
    assert_eq!(present(&resume(&folder, "v1").unwrap().1), [0; 0]);
    assert!(names(&folder).is_empty());
}

#[test]
fn what_was_left_of_another_version_is_of_no_use() {
    let folder = tempfile::tempdir().unwrap();
    leave(&folder, &[0, 1]);
    let (part, cells) = resume(&folder, "v2").unwrap();
    assert_eq!(present(&cells), [0; 0]);
    part.note(2, chaining(2)).unwrap();
    drop(part);
    assert_eq!(present(&resume(&folder, "v1").unwrap().1), [0; 0]);
}

#[test]
fn a_part_is_one_downloads_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = resume(&folder, "v1").unwrap();
    assert!(resume(&folder, "v1").is_none());
    assert!(resume(&folder, "v2").is_none(), "not even to throw it away");
    first.keep(true).unwrap();
    drop(first);
    assert!(resume(&folder, "v1").is_some());
}

#[test]
fn what_others_put_at_its_name_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    leave(&folder, &[0]);
    let (part, state) = (left(&folder, ".part"), left(&folder, ".state"));
    let outside = folder.path().join("outside");
    for name in [&part, &state] {
        let kept = fs::read(name).unwrap();
        fs::remove_file(name).unwrap();
        fs::write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, name).unwrap();
        assert!(resume(&folder, "v1").is_none());
        fs::remove_file(name).unwrap();
        fs::hard_link(&outside, name).unwrap();
        assert!(resume(&folder, "v1").is_none());
        fs::remove_file(name).unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"mine");
        fs::write(name, kept).unwrap();
    }
    assert_eq!(present(&resume(&folder, "v1").unwrap().1), [0]);
}

#[test]
fn what_somebody_else_has_put_at_its_name_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for resumed in [false, true] {
        for keeps in [false, true] {
            let own = if resumed { resume(&folder, "a").unwrap().0 } else { part(&folder, "f", "own") };
            let paths: Vec<_> = names(&folder).iter().map(|name| folder.path().join(name)).collect();
            assert_eq!(paths.len(), 1 + usize::from(resumed));
            for path in &paths {
                fs::remove_file(path).unwrap();
                fs::write(path, "another's").unwrap();
            }
            if keeps {
                let error = own.keep(true).unwrap_err();
                assert!(error.is_local() && error.to_string().contains("replaced"), "{error}");
            }
            drop(own);
            assert!(paths.iter().all(|path| fs::read(path).unwrap() == b"another's"));
            paths.iter().for_each(|path| fs::remove_file(path).unwrap());
            assert!(names(&folder).is_empty());
        }
    }
}

#[test]
fn a_name_that_parts_have_is_no_target() {
    let folder = tempfile::tempdir().unwrap();
    let (left, _) = resume(&folder, "a").unwrap();
    for name in names(&folder) {
        let destination = Destination::from(folder.path().join(&name));
        let error = Part::create(&destination).err().unwrap();
        assert!(error.is_local() && error.to_string().contains(&name), "{error}");
        assert!(Part::resume(&destination, &subject("a"), || false).is_none());
    }
    drop(left);
    for name in
        [".f.part", ".f.0123456789abcdeF.part", "f.0123456789abcdef.part", ".f.0123456789abcdef.parts"]
    {
        part(&folder, name, "").keep(true).unwrap();
    }
    assert_eq!(names(&folder).len(), 4);
}
