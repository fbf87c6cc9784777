//! Links and archives: whole URLs, and files that are whole or not there.

use std::fs;
use std::time::Duration;

use http::Response;
use longshore::{Control, CreateLink, DownloadOptions, Link};

use crate::fake::{Fake, NOW, Reply, json, node_id, problem, version, workspace_id};

#[tokio::test]
async fn a_link_is_a_url_of_the_clients_server() {
    let made = Link { url: "/v1/links/lsl_secret/a.txt".to_owned(), expires_at: NOW, version_id: version() };
    let fake = Fake::start(move |_, _| Reply::Answer(json(201, &made))).await;
    let url = format!("http://{}/below/", fake.address());
    let client = fake.builder().url(&url).build().unwrap();
    let link = client.files().link(node_id(), &CreateLink::default()).await.unwrap();
    assert_eq!(link.url, format!("{url}v1/links/lsl_secret/a.txt"));
    assert!(!format!("{link:?}").contains("lsl_secret"));
    assert_eq!(fake.seen()[0].target, format!("/below/v1/files/{}/links", node_id()));
}

#[tokio::test]
async fn an_archive_lands_whole() {
    let fake = Fake::start(|_, _| Reply::Answer(Response::new("a zip".into()))).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.zip");
    let files = fake.client().files();
    let (ws, options) = (Some(workspace_id()), DownloadOptions::default());
    let done = files.archive_to(ws, vec!["/a".to_owned()], &path, &options).await.unwrap();
    assert_eq!((done.bytes, fs::read(&path).unwrap()), (5, b"a zip".to_vec()));
    let seen = &fake.seen()[0];
    assert_eq!(seen.target, format!("/v1/workspaces/{}/archive", workspace_id()));
    assert_eq!(&seen.body[..], br#"{"items":["/a"]}"#);
    let part = DownloadOptions { range: Some((0..1).into()), ..DownloadOptions::default() };
    files.archive_to(ws, vec!["/a".to_owned()], &path, &part).await.unwrap_err();
    let mut stream = files.archive(ws, vec!["/a".to_owned()]).await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "a zip");
    assert!(stream.chunk().await.unwrap().is_none());
}

#[tokio::test]
async fn an_archive_that_waits_to_be_asked_for_again_is_cancelled_at_once() {
    let fake = Fake::start(|_, _| Reply::Answer(problem(503, "overloaded", &[("retry-after", "50")]))).await;
    let folder = tempfile::tempdir().unwrap();
    let (path, files) = (folder.path().join("out.zip"), fake.client().files());
    let control = Control::new();
    let options = DownloadOptions { control: Some(control.clone()), ..DownloadOptions::default() };
    let landing = files.archive_to(Some(workspace_id()), vec!["/a".to_owned()], &path, &options);
    let cancelling = async {
        while fake.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Nothing shows when the answer has come. Cancelled before it has, it ends as well.
        tokio::time::sleep(Duration::from_millis(100)).await;
        control.cancel();
    };
    let ending = tokio::time::timeout(Duration::from_secs(20), landing);
    let (ended, ()) = tokio::join!(ending, cancelling);
    assert!(ended.expect("it waits").unwrap_err().is_cancelled());
}
