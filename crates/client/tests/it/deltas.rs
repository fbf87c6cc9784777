//! What is sent of a new version, to servers that cannot take a delta.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore::core::chunks;
use longshore::{Delta, ManyOptions, Node, Target, UploadOptions};
use tokio::time::Instant;

use crate::fake::{Fake, Reply, digest, json, node, problem, stored};

/// How long a server takes to list chunks.
const LISTING: Duration = Duration::from_millis(30);

const SIZE: usize = 5 * 1024 * 1024;

fn old() -> Node {
    let mut old = node("/stored", b"");
    old.size = SIZE as u64;
    old
}

/// Uploads a file where a large one stands, and returns what the server was asked.
async fn upload(listed: impl Fn() -> Reply + Send + Sync + 'static, options: &UploadOptions) -> Vec<String> {
    let fake = Fake::start(move |_, seen| match seen.method.as_str() {
        "GET" if seen.target.ends_with("/chunks") => listed(),
        "GET" => Reply::Answer(json(200, &old())),
        // Of uploads it knows those alone that come in one go.
        "POST" if seen.body.is_empty() => Reply::Answer(problem(404, "route_not_found", &[])),
        _ => stored(seen),
    })
    .await;
    let content: Vec<u8> = (0..SIZE).map(|place| (place % 251) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&content).unwrap();
    let target = Target::path("/stored").unwrap();
    let made = fake.client().files().upload(file.path(), target, options).await.unwrap();
    assert_eq!(made.digest, Some(digest(&content)));
    let asked = fake.asked();
    asked.iter().map(|asked| asked.split(['?', '/']).next_back().unwrap_or(asked).to_owned()).collect()
}

#[tokio::test]
async fn a_server_that_lists_nothing_gets_all_of_it() {
    let options = UploadOptions::default();
    let refused = || Reply::Answer(problem(404, "route_not_found", &[]));
    assert_eq!(upload(refused, &options).await, ["stored", "chunks", "uploads"]);
    let small = || Reply::Answer(problem(409, "not_chunked", &[]));
    assert_eq!(upload(small, &options).await, ["stored", "chunks", "uploads"]);
    // By another rule, of another length, and no list at all.
    let rule = chunks::ALGORITHM;
    for list in
        ["fastcdc-3000:1:2:3 blake3:16\n".to_owned(), format!("{rule}\n"), rule.to_owned(), String::new()]
    {
        let odd = move || Reply::Answer(http::Response::new(list.clone().into()));
        assert_eq!(upload(odd, &options).await, ["stored", "chunks", "uploads"]);
    }
    let always = UploadOptions { delta: Delta::Always, ..UploadOptions::default() };
    assert_eq!(upload(refused, &always).await, ["stored", "chunks", "uploads"]);
    let never = UploadOptions { delta: Delta::Never, ..UploadOptions::default() };
    assert_eq!(upload(refused, &never).await, ["uploads"]);
    let only_new = UploadOptions { if_none_match: true, ..UploadOptions::default() };
    assert_eq!(upload(refused, &only_new).await, ["uploads"]);
}

#[tokio::test]
async fn one_list_is_held_at_a_time() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&asked);
    let fake = Fake::start(move |_, seen| match seen.method.as_str() {
        "GET" if seen.target.ends_with("/chunks") => {
            times.lock().unwrap().push(Instant::now());
            Reply::Later(LISTING, http::Response::new(format!("{}\n", chunks::ALGORITHM).into()))
        }
        "GET" => Reply::Answer(json(200, &old())),
        _ => stored(seen),
    })
    .await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![7; SIZE]).unwrap();
    let items: Vec<_> = (0..4)
        .map(|place| (file.path().to_owned(), Target::path(&format!("/stored{place}")).unwrap()))
        .collect();
    let upload = UploadOptions { delta: Delta::Always, ..UploadOptions::default() };
    let options = ManyOptions { upload, ..ManyOptions::default() };
    let outcomes = fake.client().files().upload_many(items, options).collect_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    // Each is asked for only once the one before has come.
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= LISTING), "{asked:?}");
}
