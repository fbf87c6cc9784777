//! The main job over stores that need no server of their own; `tests/servers` has the others.

use crate::job::main_job;
use crate::run::{Server, longshore, run, write};

#[test]
fn over_memory() {
    main_job("memory:", &[], false);
}

#[test]
fn over_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    main_job(&format!("file://{}/blobs?durability=file", folder.path().display()), &[], true);
}

#[test]
fn a_store_that_cannot_be_is_told_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let command = longshore(&folder.path().join("config"));
    let data = data.to_str().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data, "--store", "sfpt://me:hunter2@host/x"];
    let ended = run(command, &serve);
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("there is no store sfpt:"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

/// A server whose store is asked directly while it serves: what the one writes the other sees.
#[test]
fn the_store_of_a_server_is_one_of_the_stores() {
    let server = Server::start();
    write(server.path("f"), vec![7; 100_000]);
    server.ok(&["up", "f", "/f"]);
    let blobs = server.path("data/store");
    let listed = server.json(&["store", "ls", "-r", "-l", blobs.to_str().unwrap()]);
    let blob = listed["items"].as_array().unwrap().iter().find(|item| item["size"] == 100_000).unwrap();
    let url = format!("file://{}/{}", blobs.display(), blob["path"].as_str().unwrap());
    assert_eq!(server.run(&["store", "cat", &url]).exits(0).stdout, vec![7; 100_000]);
}
