//! What is sent of a new version, to servers that cannot take a delta.

use std::io::Write;

use longshore::core::chunks;
use longshore::{Delta, Node, Target, UploadOptions};

use crate::fake::{Fake, Reply, digest, json, node, problem, stored};

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
        "PUT" => stored(seen),
        // Of uploads that end in parts it knows nothing.
        _ => Reply::Answer(problem(404, "route_not_found", &[])),
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
    assert_eq!(upload(refused, &options).await, ["stored", "chunks", "stored"]);
    let small = || Reply::Answer(problem(409, "not_chunked", &[]));
    assert_eq!(upload(small, &options).await, ["stored", "chunks", "stored"]);
    // By another rule, of another length, and no list at all.
    let rule = chunks::ALGORITHM;
    for list in
        ["fastcdc-3000:1:2:3 blake3:16\n".to_owned(), format!("{rule}\n"), rule.to_owned(), String::new()]
    {
        let odd = move || Reply::Answer(http::Response::new(list.clone().into()));
        assert_eq!(upload(odd, &options).await, ["stored", "chunks", "stored"]);
    }
    let always = UploadOptions { delta: Delta::Always, ..UploadOptions::default() };
    assert_eq!(upload(refused, &always).await, ["stored", "chunks", "stored"]);
    let never = UploadOptions { delta: Delta::Never, ..UploadOptions::default() };
    assert_eq!(upload(refused, &never).await, ["stored"]);
    let only_new = UploadOptions { if_none_match: true, ..UploadOptions::default() };
    assert_eq!(upload(refused, &only_new).await, ["stored"]);
}
