//! The data folder: made so that it stays, for nobody else to read, and taken for one process alone.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::error::{Error, Result};

/// How long to wait for a data folder that is held: a server that was killed a moment ago holds it until the
/// system has ended its last thread.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes the data folder if need be, and takes it for this process alone, for as long as the file is open. Nothing
/// where another process has it.
pub(crate) async fn take(folder: &Path) -> Result<Option<File>> {
    let failed =
        |error| Error::caused(format_args!("cannot use the data folder {}", folder.display()), error);
    make(folder).map_err(failed)?;
    if is_open_to_others(folder).map_err(failed)? {
        let folder = folder.display();
        tracing::warn!(%folder, "other users of this machine can look into the data folder: `chmod 700` it");
    }
    let path = folder.join("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let lock = lock.map_err(failed)?;
    let patience = Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                sleep(Duration::from_millis(10)).await;
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

/// The error of who finds the data folder taken.
pub(crate) fn taken(folder: &Path) -> Error {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    Error::new(format!("another server uses the data folder {}", folder.display()))
}

/// Makes a folder and what is missing above it, for this user alone (mode 0700). One that is there stays as it is.
///
/// A loss of power does not take away what was made: the best flushed file is gone with its folder's name.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    make_with(folder, &|folder| File::open(folder)?.sync_all())
}

fn make_with(folder: &Path, flush: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_with(above, flush)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        // Another process may have made it just now, and may not have flushed it yet.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    flush(above)
}

fn is_open_to_others(folder: &Path) -> io::Result<bool> {
    Ok(fs::metadata(folder)?.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{is_open_to_others, make, make_with};

    #[test]
    fn the_name_of_each_folder_that_is_made_is_flushed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b/c");
        let flushed = RefCell::new(Vec::new());
        let flush = |folder: &Path| {
            flushed.borrow_mut().push(folder.to_owned());
            Ok(())
        };
        make_with(&folder, &flush).unwrap();
        // From above: the name of what is not there itself is worth nothing.
        let wanted = ["", "a", "a/b"].map(|name| place.path().join(name));
        assert_eq!(flushed.take(), wanted);
        make_with(&folder, &flush).unwrap();
        assert!(flushed.take().is_empty(), "all of it is there");
        let broken = |_: &Path| Err(io::Error::other("no"));
        assert!(make_with(&place.path().join("d"), &broken).is_err());
    }

    #[test]
    fn a_folder_is_made_for_its_user_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        make(&folder).unwrap();
        for made in [&folder, &place.path().join("a")] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(!is_open_to_others(&folder).unwrap());
        // One that was there is its owner's business.
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        make(&folder).unwrap();
        assert!(is_open_to_others(&folder).unwrap());
        fs::write(place.path().join("file"), "").unwrap();
        assert!(make(&place.path().join("file")).is_err());
    }
}
