use std::fs::File;
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::{mpsc, oneshot};

use super::{Checkpoint, CheckpointError, Log, escape, unescape};
use crate::blocking::Blocking;

#[tokio::test]
async fn what_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    std::fs::write(&path, "").unwrap();
    let (sender, keys) = mpsc::channel(1);
    sender.send("key".to_owned()).await.unwrap();
    // A file that is open for reading alone stands for a disk that takes no more.
    let writing = Checkpoint::new(&path).group(1, Duration::ZERO);
    assert!(writing.write(Blocking::new(1), File::open(&path).unwrap(), keys).await.is_err());
    assert!(sender.send("key".to_owned()).await.is_err(), "nobody waits for what is not written");
}

#[tokio::test]
async fn a_writer_that_is_gone_is_an_error() {
    let (sender, keys) = mpsc::channel(1);
    let (ended, end) = oneshot::channel();
    let log = Log { keys: sender, end, path: "checkpoint".into() };
    drop((keys, ended));
    assert!(!log.note("key".to_owned()).await);
    assert!(matches!(log.close().await, Err(CheckpointError::Io { .. })));
}

proptest! {
    #[test]
    fn any_key_is_one_line_and_comes_back(key in any::<String>()) {
        let line = escape(&key);
        prop_assert!(!line.contains(['\n', '\r']));
        prop_assert_eq!(unescape(&line), Some(key));
    }

    #[test]
    fn no_line_panics(line in "[\\\\nrx]{0,12}") {
        if let Some(key) = unescape(&line) {
            prop_assert_eq!(escape(&key), line);
        }
    }
}
