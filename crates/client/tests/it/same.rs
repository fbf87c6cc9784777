//! Local files that are what would be downloaded.

use std::fs;

use longshore::DownloadOptions;

use crate::fake::{Fake, Served, digest, node_id};
use crate::parts::{MIB, names, pattern};

fn skipping() -> DownloadOptions {
    DownloadOptions { skip_same: true, replace: false, ..DownloadOptions::default() }
}

#[tokio::test]
async fn what_is_there_already_is_left_as_it_is() {
    for length in [0, 100, 3 * MIB] {
        let bytes = pattern(length);
        let served = Served::new(bytes.clone());
        let fake = Fake::start(move |_, seen| served.reply(seen)).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, &bytes).unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let done = fake.client().files().download_to(node_id(), &path, &skipping()).await.unwrap();
        assert!(done.skipped && done.version.is_some());
        assert_eq!((done.bytes, done.reused, done.digest), (length as u64, length as u64, digest(&bytes)));
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        assert_eq!(fake.asked().len(), 1);
        assert!(fake.asked()[0].starts_with("HEAD "), "{:?}", fake.asked());
    }
}

#[tokio::test]
async fn what_differs_is_fetched() {
    let bytes = pattern(2 * MIB);
    let served = Served::new(bytes.clone());
    let fake = Fake::start(move |_, seen| served.reply(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let mut other = bytes.to_vec();
    other[MIB] ^= 1;
    let replacing = DownloadOptions { replace: true, ..skipping() };
    for stands in [&other[..], &other[1..], b""] {
        fs::write(&path, stands).unwrap();
        let done = fake.client().files().download_to(node_id(), &path, &replacing).await.unwrap();
        assert!(!done.skipped);
        assert!(fs::read(&path).unwrap() == bytes);
    }
    fs::remove_file(&path).unwrap();
    let elsewhere = folder.path().join("g");
    fs::write(&elsewhere, &bytes).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let done = fake.client().files().download_to(node_id(), &path, &replacing).await.unwrap();
    assert!(!done.skipped, "a link is not the file");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(names(folder.path()).len(), 2);
}
