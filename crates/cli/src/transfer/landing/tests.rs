use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use longshore::{Destination, Path};

use super::{Landing, Spot, local_name};
use crate::failure::Failure;

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

/// Writes a file where it is to go.
fn write(spot: Spot, text: &str) {
    let Destination::In { folder, name } = spot.to else { panic!("{spot:?} is not in the folder") };
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE;
    let file = rustix::fs::openat(&folder, name, flags, 0o666.into()).unwrap();
    rustix::io::write(file, text.as_bytes()).unwrap();
}

#[test]
fn folders_are_made_and_files_are_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let landing = Landing::new(&folder.path().join("new")).unwrap();
    write(landing.file(path("/a/b/c.txt").names()).unwrap(), "mine");
    assert_eq!(fs::read(folder.path().join("new/a/b/c.txt")).unwrap(), b"mine");
    for (names, what) in [("/a/b/c.txt", "c.txt exists"), ("/a/b", "b is a folder")] {
        let failure = landing.file(path(names).names()).and_then(|spot| spot.free(false)).unwrap_err();
        assert_eq!(failure.code, "local_exists");
        assert!(failure.message.ends_with(what), "{failure}");
    }
    let failure = landing.folder(path("/a/b/c.txt").names()).unwrap_err();
    assert_eq!(failure.code, "local_exists");
    assert!(failure.message.ends_with("new/a/b/c.txt is a file, not a folder"), "{failure}");
    let spot = landing.file(path("/a/b/c.txt").names()).unwrap();
    assert_eq!(spot.size(), Some(4));
    write(spot.free(true).unwrap(), "ours");
}

#[test]
fn what_is_removed_is_inside_and_no_link() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x"), "").unwrap();
    let landing = Landing::new(folder.path()).unwrap();
    for name in ["/a/b/c", "/a/d"] {
        write(landing.file(path(name).names()).unwrap(), "");
    }
    symlink(outside.path(), folder.path().join("link")).unwrap();
    symlink(outside.path(), folder.path().join("a/link")).unwrap();
    assert!(landing.remove_file(path("/link/x").names()).is_err());
    assert!(landing.remove_file(path("/link").names()).is_err());
    assert_eq!(landing.remove_folder(path("/a").names()).unwrap_err().code, "local_not_empty");
    assert!(landing.remove_all(path("/a").names()).is_err());
    fs::remove_file(folder.path().join("a/link")).unwrap();
    for kept in ["a/b/.c.0123456789abcdef.part", "a/b/no\nname"] {
        fs::write(folder.path().join(kept), "").unwrap();
        let failure = landing.remove_all(path("/a").names()).unwrap_err();
        assert!(failure.message.contains("a stays: ") && failure.code == "local_not_empty", "{failure}");
        fs::remove_file(folder.path().join(kept)).unwrap();
    }
    symlink(outside.path(), folder.path().join("a/link")).unwrap();
    assert!(folder.path().join("a/b/c").exists() && folder.path().join("a/d").exists(), "it looks first");
    assert!(folder.path().join("a/link").is_symlink() && outside.path().join("x").exists());
    fs::remove_file(folder.path().join("a/link")).unwrap();
    landing.remove_all(path("/a").names()).unwrap();
    assert!(!folder.path().join("a").exists());
    landing.remove_file(path("/a2").names()).unwrap();
    assert!(landing.remove_folder(&[]).is_err());
}

#[test]
fn a_link_is_never_followed_out() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("in")).unwrap();
    symlink(outside.path(), folder.path().join("link")).unwrap();
    let landing = Landing::new(folder.path()).unwrap();
    let failure = landing.file(path("/link/x").names()).unwrap_err();
    assert!(failure.message.ends_with("link is a symbolic link, not a folder"), "{failure}");
    assert!(landing.folder(path("/link").names()).is_err());
    assert!(landing.folder(path("/link/in").names()).is_err());
    // A link where a file goes is replaced itself, so the path is given out.
    assert!(landing.file(path("/link").names()).is_ok());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_becomes_a_link_is_not_entered_again() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let landing = Landing::new(folder.path()).unwrap();
    let names = path("/sub/deep/x");
    let spot = landing.file(names.names()).unwrap();
    fs::rename(folder.path().join("sub"), folder.path().join("aside")).unwrap();
    fs::create_dir(outside.path().join("deep")).unwrap();
    symlink(outside.path(), folder.path().join("sub")).unwrap();
    write(spot, "x");
    assert_eq!(fs::read(folder.path().join("aside/deep/x")).unwrap(), b"x");
    assert_eq!(landing.file(names.names()).unwrap_err().code, "local_exists");
    assert_eq!(fs::read_dir(outside.path().join("deep")).unwrap().count(), 0);
}

#[test]
fn without_openat2_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    symlink("/", folder.path().join("link")).unwrap();
    let landing = Landing::new(folder.path()).unwrap();
    let by_steps = |text: &str| -> Result<_, Failure> {
        let path = path(text);
        let names = path.names().iter().map(local_name).collect::<Result<Vec<_>, _>>()?;
        landing.enter_by_steps(&names, true)
    };
    for _ in 0..2 {
        by_steps("/a/b").unwrap();
    }
    assert!(folder.path().join("a/b").is_dir());
    assert!(by_steps("/link/tmp").unwrap_err().message.ends_with("link is a symbolic link, not a folder"));
}

#[test]
fn files_of_one_folder_hold_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let landing = Landing::new(folder.path()).unwrap();
    let held = |text: &str| match landing.file(path(text).names()).unwrap().to {
        Destination::In { folder, .. } => folder,
        Destination::Path(path) => panic!("{path:?}"),
    };
    let first = held("/a/1");
    let deeper = held("/a/b/1");
    let again = held("/a/2");
    assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &deeper));
    // What has its place now is another folder, and gets what comes now.
    fs::rename(folder.path().join("a"), folder.path().join("aside")).unwrap();
    assert!(!Arc::ptr_eq(&first, &held("/a/3")));
    assert!(folder.path().join("a").is_dir());
}
