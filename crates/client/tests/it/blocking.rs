//! The blocking face runs the same code.

use longshore::core::wire::Page;
use longshore::{Depth, ManyOptions, Path, Target, UploadOptions, blocking};

use crate::fake::{Fake, Reply, content, json, node, stored};

#[test]
fn every_kind_of_verb_waits() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start(|_, seen| match seen.method.as_str() {
        "PUT" => stored(seen),
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
