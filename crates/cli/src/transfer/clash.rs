//! Names that are two in the workspace and one on this machine's disk.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::AsFd;

use longshore::{Name, Path};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::failure::{Exit, Failure};

/// Finds nodes of a listing whose local names are taken by others before them, where the disk does not tell upper case from
/// lower case. Names of the workspace are in one normal form, so that disks which change it make no two of them one.
///
/// It remembers the names in the folders that are open just now, and only on such a disk.
pub(crate) struct Clashes {
    folds: bool,
    /// The folders from the landing down to the one at hand, each with what it holds.
    open: Vec<Open>,
    /// A folder that was left out: what is below it is too.
    refused: Option<Path>,
}

struct Open {
    folder: Path,
    names: HashSet<String>,
}

impl Clashes {
    /// Asks the disk on which this folder is.
    pub(crate) fn on(folder: impl AsFd) -> Self {
        Self::new(folds_case(folder))
    }

    pub(crate) fn new(folds: bool) -> Self {
        Self { folds, open: Vec::new(), refused: None }
    }

    /// Takes note of the next node of a listing, or says that its name is taken.
    pub(crate) fn check(&mut self, path: &Path) -> Result<(), Failure> {
        if !self.folds {
            return Ok(());
        }
        if self.refused.as_ref().is_some_and(|refused| path.names().starts_with(refused.names())) {
            return Err(clash(path));
        }
        let Some((folder, name)) = path.split_last() else { return Ok(()) };
        while self.open.last().is_some_and(|open| !folder.names().starts_with(open.folder.names())) {
            self.open.pop();
        }
        if self.open.last().is_none_or(|open| open.folder != folder) {
            self.open.push(Open { folder, names: HashSet::new() });
        }
        let is_new = self.open.last_mut().is_none_or(|open| open.names.insert(folded(name)));
        if is_new {
            return Ok(());
        }
        self.refused = Some(path.clone());
        Err(clash(path))
    }
}

fn folded(name: &Name) -> String {
    // Upper case first: what is one only there, such as ß and SS, counts as one too.
    name.as_str().to_uppercase().to_lowercase()
}

fn clash(path: &Path) -> Failure {
    let message =
        format!("{path} has the local name of another file: this disk does not tell upper from lower case");
    Failure::new(Exit::Conflict, "local_name_clash", message)
        .hint("download it by itself, under another name")
}

/// Tells whether a folder takes two names that differ in case for one; a folder that cannot be asked is taken to tell them
/// apart, as nearly all do here.
fn folds_case(folder: impl AsFd) -> bool {
    let name = format!(".longshore-case-{:x}", std::process::id());
    let folder = folder.as_fd();
    let made = rustix::fs::openat(
        folder,
        &name,
        OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o600),
    );
    // One that is there is left of a run that was killed, and does as well.
    if !matches!(made, Ok(_) | Err(Errno::EXIST)) {
        return false;
    }
    let folds = rustix::fs::statat(folder, name.to_uppercase(), AtFlags::SYMLINK_NOFOLLOW).is_ok();
    // It is empty and says whose it is; who cannot remove it now can later.
    let _left_behind = rustix::fs::unlinkat(folder, OsStr::new(&name), AtFlags::empty());
    folds
}

#[cfg(test)]
mod tests {
    use longshore::Path;

    use super::Clashes;

    fn refused(folds: bool, paths: &[&str]) -> Vec<String> {
        let mut clashes = Clashes::new(folds);
        let mut check = |path: &&str| clashes.check(&Path::new(path).unwrap()).is_err();
        paths.iter().filter(|path| check(path)).map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn names_that_differ_in_case_alone_are_one() {
        let listed = ["/A", "/A/x", "/A/X", "/B", "/B/x", "/a", "/a/y", "/b.txt", "/É", "/é", "/z"];
        assert_eq!(refused(true, &listed), ["/A/X", "/a", "/a/y", "/é"]);
        assert_eq!(refused(false, &listed), Vec::<String>::new());
    }

    #[test]
    fn a_disk_is_asked_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let opened = std::fs::File::open(folder.path()).unwrap();
        let tells = std::fs::write(folder.path().join("a"), "").is_ok() && !folder.path().join("A").exists();
        assert_eq!(super::folds_case(&opened), !tells);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // What a run that was killed has left is no answer by itself, and does not stay.
        let left = format!(".longshore-case-{:x}", std::process::id());
        for as_if_folded in [false, true] {
            std::fs::write(folder.path().join(&left), "").unwrap();
            let other = folder.path().join(left.to_uppercase());
            if as_if_folded {
                std::fs::write(&other, "").unwrap();
            }
            assert_eq!(super::folds_case(&opened), !tells || as_if_folded);
            assert!(!folder.path().join(&left).exists());
        }
    }
}
