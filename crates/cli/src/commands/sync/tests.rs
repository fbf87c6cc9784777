//! What `--delete` removes where this machine's side is not known whole.

use std::io;

use futures_util::StreamExt;
use longshore::{Node, Path};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Change, Step, down, up};
use crate::failure::Failure;
use crate::transfer::clash::Clashes;
use crate::transfer::merge::{Entry, Kind, Merge};
use crate::transfer::same::Reader;
use crate::transfer::tree::Tree;

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

/// A node as a server lists it; a folder where its path ends as one.
fn node(listed: &str) -> Node {
    let (text, kind) = match listed.strip_suffix('/') {
        Some(folder) => (folder, "folder"),
        None => (listed, "file"),
    };
    let id = |prefix: &str| format!("{prefix}_00000000000000000000000001");
    let name = text.rsplit('/').next();
    let when = "2026-01-01T00:00:00Z";
    let node = json!({
        "id": id("nd"), "workspace_id": id("ws"), "parent_id": null, "kind": kind, "name": name, "path": text, "size": 1,
        "media_type": null, "version_id": null, "digest": null, "metadata": {}, "created_at": when,
        "created_by": id("usr"), "updated_at": when, "updated_by": id("usr"), "trashed_at": null,
    });
    serde_json::from_value(node).unwrap()
}

/// A folder of which something cannot be read: the walk tells of that first, and then of all that it could read.
fn half_read(nodes: &[&str]) -> Merge {
    let failure = || Failure::local("cannot read it", &io::ErrorKind::PermissionDenied.into());
    let (sender, entries) = mpsc::channel(10);
    for (name, kind) in [
        ("/f/d", Kind::Folder),
        ("/f/d", Kind::Unreadable(failure())),
        ("/f/d", Kind::Unreadable(failure())),
        ("/f/d/link", Kind::Other),
        ("/f/d/y", Kind::File(1)),
        ("/f/e", Kind::File(1)),
    ] {
        sender.try_send(Ok(Entry { path: path(name), local: name.into(), kind })).unwrap();
    }
    Merge::of(entries, path("/f"), Tree::of(nodes.iter().map(|listed| node(listed)).collect()))
}

fn told<J>(steps: Vec<Step<J>>) -> Vec<String> {
    let changes = steps.iter().filter_map(|step| match step {
        Step::Do(change, _) | Step::Made(change) => Some(change),
        Step::Done(_) => None,
    });
    changes.map(Change::text).filter(|text| text.starts_with('-')).collect()
}

#[tokio::test]
async fn a_folder_that_is_half_read_loses_nothing_in_the_workspace() {
    let merge = half_read(&["/f/d/", "/f/d/a", "/f/d/link", "/f/d/z", "/f/g"]);
    let planner = up::Planner::new(merge, None, path("/f"), true);
    let steps = planner.plans().then(|plan| up::checked(plan, Reader::new())).collect().await;
    assert_eq!(told(steps), ["- /f/g"]);
}

#[tokio::test]
async fn a_folder_that_is_half_read_loses_nothing_here() {
    for nodes in [&["/f/d/", "/f/d/link", "/f/z"][..], &[]] {
        let planner = down::Planner::new(half_read(nodes), None, Clashes::new(false), path("/f"), true);
        let steps = planner.plans().then(|plan| down::checked(plan, Reader::new())).collect().await;
        // A folder is told of before it is met that something in it cannot be read; it goes only if it is empty then.
        let gone: Vec<_> = told(steps).into_iter().filter(|text| text != "- /f/d/").collect();
        assert_eq!(gone, ["- /f/e"], "{nodes:?}");
    }
}
