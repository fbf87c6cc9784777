//! The blocking face runs the same code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path as File;

use longshore::core::wire::Page;
use longshore::{Depth, ManyOptions, Path, Target, UploadOptions, blocking};

use crate::fake::{Fake, Reply, content, json, node, stored};

#[test]
fn every_kind_of_verb_waits() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start(|_, seen| match seen.method.as_str() {
        "PUT" => stored(seen),
        _ if seen.target.ends_with("/batch") => stored(seen),
        _ if seen.target.contains("/tree") => Reply::Answer(json(
            200,
            &Page { items: vec![node("/a", b""), node("/b", b"")], next_cursor: None },
        )),
        _ => Reply::Answer(content("abc")),
    }));
    let client = blocking::Client::new(fake.builder()).unwrap();
    let files = client.files();
    let options = UploadOptions::default();
    let node = files.upload(b"abc".to_vec(), Target::path("/a").unwrap(), &options).unwrap();
    assert_eq!(files.download(node.id).unwrap(), "abc");
    assert_eq!(files.list(Path::root(), Depth::All).count(), 2);
    let mut stream = files.stream(&node, &Default::default()).unwrap();
    assert_eq!(stream.get_ref().length(), Some(3));
    assert_eq!(stream.next().unwrap().unwrap(), "abc");
    assert!(stream.next().is_none());
    let items = (0..10).map(|place| (vec![place], Path::new(&format!("/{place}")).unwrap()));
    let outcomes = files.upload_many(items, ManyOptions::default());
    assert_eq!(outcomes.filter(|outcome| outcome.result.is_ok()).count(), 10);
}

/// Returns the names of the public verbs that a source file, or all of a folder, has. The blocking face writes most of
/// them in a macro.
fn verbs(path: &str) -> BTreeSet<String> {
    let path = File::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path);
    let files: Vec<_> = match path.is_dir() {
        true => fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect(),
        false => vec![path],
    };
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect::<Vec<_>>();
    let lines = texts.iter().flat_map(|text| text.lines().map(str::trim));
    let starts = ["pub async fn ", "pub fn ", "wait ", "iterate "];
    let named = lines.filter_map(|line| starts.iter().find_map(|start| line.strip_prefix(start)));
    named.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned).collect()
}

#[test]
fn every_verb_has_a_blocking_twin() {
    // Streams are iterators there, and settings are the same ones.
    let without = ["next", "collect_all", "builder", "upload_many_from", "download_many_from"];
    let blocking = &verbs("blocking.rs") | &verbs("blocking");
    for path in ["api", "client.rs", "lock/guard.rs"] {
        let verbs = verbs(path);
        assert!(verbs.len() >= 5, "{path}: {verbs:?}");
        let missing: Vec<_> =
            verbs.difference(&blocking).filter(|verb| !without.contains(&verb.as_str())).collect();
        assert!(missing.is_empty(), "{path}: {missing:?}");
    }
}
