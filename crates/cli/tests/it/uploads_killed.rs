//! A real server, killed between the requests of an upload and in the middle of one, and in the middle of a batch.

use std::time::{Duration, Instant};

use bytes::Bytes;
use longshore::{Client, ErrorKind, ManyOptions, Path, RetryPolicy};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::wire::{Answer, Fate, Request};

const MIB: usize = 1024 * 1024;

/// Where the bytes of one request are cut into what is durable by itself.
const PIECE: usize = 64 * MIB;

/// Text of which no two stretches are alike.
fn text(length: usize, seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text += &format!("{:016x}", dice.next());
    }
    text.truncate(length);
    text
}

fn tus<'a>(method: &'a str, url: &str) -> Request<'a> {
    Request::new(method, url.to_owned()).header("Tus-Resumable", "1.0.0")
}

/// Begins an upload of `/file`, and returns its URL.
fn begin(cluster: &Cluster, length: usize) -> String {
    let request = tus("POST", "/v1/uploads")
        .header("Upload-Length", length.to_string())
        .header("Upload-Metadata", "path L2ZpbGU=");
    let answer = cluster.ask(&request);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

fn patch<'a>(url: &str, offset: usize) -> Request<'a> {
    tus("PATCH", url)
        .header("Upload-Offset", offset.to_string())
        .header("Content-Type", "application/offset+octet-stream")
}

/// Asks how far the upload is, and takes it over from nobody.
fn progress(cluster: &Cluster, url: &str) -> Value {
    let answer = cluster.ask(&tus("GET", url));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn offset(cluster: &Cluster, url: &str) -> usize {
    progress(cluster, url)["offset"].as_u64().unwrap() as usize
}

fn told(answer: &Answer) -> usize {
    assert_eq!(answer.status, 204, "{answer:?}");
    answer.header("upload-offset").unwrap().parse().unwrap()
}

/// Looks that the upload became one file, and one version of it, with this content.
fn is_whole(cluster: &Cluster, url: &str, content: &str) {
    let staged = progress(cluster, url);
    assert_eq!(staged["state"], "finished", "{staged}");
    let file = format!("/v1/files/{}", staged["node"]["id"].as_str().unwrap());
    let found = cluster.ask(&Request::new("GET", format!("{file}/content")));
    assert!(found.body == content.as_bytes(), "{} bytes", found.body.len());
    let versions = cluster.ask(&Request::new("GET", format!("{file}/versions"))).json();
    assert_eq!(versions["items"].as_array().unwrap().len(), 1);
}

#[test]
fn an_offset_that_was_told_outlives_a_kill_and_the_upload_ends_whole() {
    let cluster = Cluster::on_sqlite();
    let content = text(4 * MIB, 1);
    let url = begin(&cluster, content.len());
    let (mut dice, mut at, mut round) = (Dice::new(2), 0, 0);
    while at < content.len() {
        let end = (at + 100_000 + dice.below(600_000)).min(content.len());
        let sent = &content[at..end];
        let durable = match round % 3 {
            // Nothing of the request is over: some of its bytes are on their way.
            0 => {
                let mut connection = cluster.connect(0);
                connection.send_head(&cluster.key, &patch(&url, at), sent.len()).unwrap();
                connection.send(&sent[..dice.below(sent.len())]).unwrap();
                cluster.kill_and_restart(0);
                at
            }
            // All was sent, and nobody heard the answer.
            1 => {
                let request = Request { body: sent.to_owned(), ..patch(&url, at) };
                let lost = cluster.connect(0).ask(&cluster.key, &request, Fate::IsCutOff);
                assert!(lost.is_none());
                cluster.kill_and_restart(0);
                at
            }
            // The answer came, and then the server died.
            _ => {
                let request = Request { body: sent.to_owned(), ..patch(&url, at) };
                let durable = told(&cluster.ask(&request));
                assert_eq!(durable, end);
                cluster.kill_and_restart(0);
                durable
            }
        };
        let found = offset(&cluster, &url);
        assert!((durable..=end).contains(&found), "round {round}: {found} of {durable} to {end}");
        (at, round) = (found, round + 1);
    }
    is_whole(&cluster, &url, &content);
}

#[test]
fn a_kill_in_the_middle_of_one_request_costs_no_more_than_its_last_piece() {
    let cluster = Cluster::on_sqlite();
    let content = text(PIECE + 3 * MIB, 3);
    let url = begin(&cluster, content.len());
    let mut connection = cluster.connect(0);
    connection.send_head(&cluster.key, &patch(&url, 0), content.len()).unwrap();
    connection.send(&content[..PIECE + MIB]).unwrap();
    // It is told while the request goes on.
    let begun = Instant::now();
    while offset(&cluster, &url) < PIECE {
        assert!(begun.elapsed() < Duration::from_secs(60), "the first piece is never counted");
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster.kill_and_restart(0);
    assert_eq!(offset(&cluster, &url), PIECE);
    let rest = Request { body: content[PIECE..].to_owned(), ..patch(&url, PIECE) };
    assert_eq!(told(&cluster.ask(&rest)), content.len());
    is_whole(&cluster, &url, &content);
}

fn client(cluster: &Cluster, attempts: u32) -> Client {
    let address = cluster.any(&mut Dice::new(0));
    let retry = RetryPolicy { max_attempts: attempts, ..RetryPolicy::default() };
    let builder = Client::builder().url(format!("http://{address}")).api_key(&cluster.key);
    builder.retry(retry).build().unwrap()
}

#[test]
fn of_a_batch_that_a_kill_cuts_each_file_is_whole_or_not_there_and_what_was_answered_is() {
    const FILES: usize = 600;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (round, heard) in [1, 60, 250].into_iter().enumerate() {
        let cluster = Cluster::on_sqlite();
        let mut dice = Dice::new(round as u64);
        let contents: Vec<_> =
            (0..FILES).map(|number| Bytes::from(text(dice.below(40_000), number as u64))).collect();
        let path = |place: usize| Path::new(&format!("/group/{place}")).unwrap();
        let items: Vec<_> =
            contents.iter().enumerate().map(|(place, bytes)| (bytes.clone(), path(place))).collect();
        // Nothing is sent again.
        let options = ManyOptions { concurrency: Some(2), ..ManyOptions::default() };
        let mut outcomes = client(&cluster, 1).files().upload_many(items, options);
        let mut answered = vec![false; FILES];
        let mut count = 0;
        runtime.block_on(async {
            while let Some(outcome) = outcomes.next().await {
                let Ok(node) = outcome.result else { continue };
                assert_eq!(node.size, contents[outcome.index].len() as u64);
                answered[outcome.index] = true;
                count += 1;
                if count == heard {
                    cluster.kill_and_restart(0);
                }
            }
        });
        assert!(count >= heard, "the server was killed");
        let mut there = 0;
        runtime.block_on(async {
            let client = client(&cluster, 5);
            for (place, bytes) in contents.iter().enumerate() {
                match client.files().by_path(path(place)).await {
                    Ok(node) => {
                        let found = client.files().download(node.id).await.unwrap();
                        assert!(found == bytes, "round {round}: {place} is torn");
                        there += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                        assert!(!answered[place], "round {round}: {place} was answered, and is lost");
                    }
                }
            }
        });
        assert!(there >= count);
    }
}
