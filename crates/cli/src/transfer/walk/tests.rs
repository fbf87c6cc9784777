use std::fs;

use longshore::Path;

use super::{Step, Walk};

fn steps(make: impl FnOnce(&std::path::Path)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    let mut steps: Vec<_> = Walk::new(folder.path(), Path::new("/to").unwrap())
        .map(|step| match step {
            Step::File(_, path, _) => format!("file {path}"),
            Step::Folder(path) => format!("folder {path}"),
            Step::Skip => "skip".to_owned(),
            Step::Fail(path, failure) => {
                format!("fail {:?} {}", path.file_name().unwrap(), failure.code)
            }
        })
        .collect();
    steps.sort();
    steps
}

#[test]
fn only_folders_that_nothing_else_makes_are_told() {
    let found = steps(|folder| {
        fs::create_dir_all(folder.join("full/deep")).unwrap();
        fs::write(folder.join("full/deep/a"), "").unwrap();
        fs::create_dir_all(folder.join("full/empty")).unwrap();
        fs::create_dir_all(folder.join("bare/barer")).unwrap();
        fs::write(folder.join("b"), "").unwrap();
    });
    assert_eq!(
        found,
        ["file /to/b", "file /to/full/deep/a", "folder /to/bare/barer", "folder /to/full/empty"]
    );
}

#[test]
fn an_empty_source_is_made_itself() {
    assert_eq!(steps(|_| ()), ["folder /to"]);
}

#[test]
fn many_empty_folders_in_a_row_are_all_told() {
    let found = steps(|folder| {
        for name in ["a", "b", "c"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
    });
    assert_eq!(found, ["folder /to/a", "folder /to/b", "folder /to/c"]);
}

#[cfg(unix)]
#[test]
fn links_are_skipped_and_bad_names_fail() {
    use std::os::unix::ffi::OsStrExt;
    let found = steps(|folder| {
        std::os::unix::fs::symlink("/etc", folder.join("link")).unwrap();
        fs::write(folder.join("new\nline"), "").unwrap();
        fs::create_dir(folder.join("e\u{301}")).unwrap();
        fs::write(folder.join("e\u{301}/in"), "").unwrap();
        fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    });
    assert_eq!(
        found,
        [
            r#"fail "\xFF" invalid_name"#,
            r#"fail "e\u{301}" invalid_name"#,
            r#"fail "new\nline" invalid_name"#,
            // Nothing that could be sent lies in it, yet the folder is one.
            "folder /to",
            "skip",
        ]
    );
}
