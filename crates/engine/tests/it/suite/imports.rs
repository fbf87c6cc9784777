//! Archives that nobody should have made, or that were cut: each is refused with what is wrong, and leaves nothing.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::Code;
use longshore_core::export::{END, ExportCounts, HEADER, LINE_BYTES, Section};
use longshore_core::wire::{CreateNote, Workspace};
use longshore_engine::{Database, Engine, PageRequest, Premises, Settings};
use serde_json::{Value, json};

use crate::tarball::{Tarball, export_of, import, options};
use crate::world::{World, noise, refused};

const GRACE: Duration = Duration::from_hours(25);

/// An archive that is as it should be: of a workspace of another server, so that its ids are free.
async fn good(world: &World) -> Tarball {
    let other = World::on_sqlite().await;
    other.put("/a/file", b"one").await;
    other.put("/a/file", &noise(40_000, 1)).await;
    let file = other.put("/b", b"two").await;
    let note = CreateNote { text: "a note".to_owned(), ..CreateNote::default() };
    other.engine.create_note(&other.owner, file.id, note, Premises::default()).await.unwrap();
    let archive = Tarball::read(&export_of(&other, other.id()).await);
    other.engine.close().await;
    // What the tests change is refused for what they change.
    let made = import(world, "good", &archive.clone().seal().bytes()).await.unwrap();
    assert_eq!(made.usage.files, 2);
    archive
}

async fn workspaces(world: &World) -> Vec<Workspace> {
    let page = PageRequest::new(Some(1_000), None);
    world.engine.list_workspaces(&world.owner, page).await.unwrap().items
}

/// Tells how many blobs, lines, contents and imports there are once the sweeper has been.
async fn left(world: &World) -> (usize, [i64; 4]) {
    world.engine.sweep().await.unwrap();
    world.clock.advance(GRACE);
    world.engine.sweep().await.unwrap();
    let sql = "SELECT COUNT(*), (SELECT COUNT(*) FROM crossing_contents), (SELECT COUNT(*) FROM crossings),
                      (SELECT COUNT(*) FROM principals) FROM crossing_lines";
    (world.blobs().await, world.numbers(sql).await)
}

type Change = fn(&mut Tarball);
type Lie = fn(&mut ExportCounts);

fn edit(archive: &mut Tarball, section: Section, place: usize, field: &str, value: Value) {
    archive.edit(section, |lines| lines[place][field] = value);
}

/// Changes what an undo of the first event that has such a thing would bring back.
fn edit_before(archive: &mut Tarball, field: &str, value: Value) {
    archive.edit(Section::Events, |lines| {
        let state = lines.iter_mut().find(|line| line["before"]["name"].is_string()).unwrap();
        state["before"][field] = value;
    });
}

/// The changes, each with a word of what is said of it. What they leave is made to look whole again.
const CHANGES: &[(&str, Change)] = &[
    ("which no line before it has", |archive| {
        archive.edit(Section::Nodes, |lines| lines.retain(|line| line["path"] != "/a"));
    }),
    ("first node", |archive| archive.edit(Section::Nodes, |lines| lines.swap(0, 1))),
    ("which no line before it has", |archive| {
        archive.edit(Section::Nodes, |lines| lines.reverse_after_root());
    }),
    ("is there twice", |archive| {
        archive.edit(Section::Nodes, |lines| lines.push(lines.last().unwrap().clone()));
    }),
    ("is there twice", |archive| {
        archive.edit(Section::Nodes, |lines| {
            let mut twin = lines.last().unwrap().clone();
            twin["id"] = json!("nd_06ccccccccccccccccccccccccc"[..29]);
            lines.push(twin);
        });
    }),
    ("`.` and `..` are not names", |archive| {
        edit(archive, Section::Nodes, 1, "path", json!("/.."));
    }),
    ("`.` and `..` are not names", |archive| {
        edit(archive, Section::Nodes, 1, "name", json!(".."));
    }),
    ("does not end with its name", |archive| edit(archive, Section::Nodes, 1, "name", json!("other"))),
    ("through its folder", |archive| {
        archive.edit(Section::Nodes, |lines| {
            let last = lines.iter_mut().find(|line| line["path"] == "/a/file").unwrap();
            last["path"] = json!("/b/file");
        });
    }),
    ("a folder has none", |archive| edit(archive, Section::Nodes, 0, "size", json!(7))),
    ("is no file", |archive| {
        let folder = archive.lines(Section::Nodes)[0]["id"].clone();
        edit(archive, Section::Versions, 0, "node_id", folder);
    }),
    ("a metadata key", |archive| edit(archive, Section::Nodes, 1, "metadata", json!({ "": "x" }))),
    ("unknown field", |archive| edit(archive, Section::Nodes, 1, "more", json!(1))),
    ("its number is there twice", |archive| {
        archive.edit(Section::Versions, |lines| {
            for line in lines {
                line["number"] = json!(1);
            }
        });
    }),
    ("the current version", |archive| {
        archive.edit(Section::Versions, |lines| {
            for line in lines {
                line["number"] = json!(line["number"].as_u64().unwrap() + 1);
            }
        });
    }),
    ("the current version", |archive| {
        archive.edit(Section::Nodes, |lines| {
            let file = lines.iter_mut().find(|line| line["kind"] == "file").unwrap();
            file["size"] = json!(5);
        });
    }),
    ("another length", |archive| {
        archive.edit(Section::Versions, |lines| {
            let line = lines.iter_mut().find(|line| line["number"] == 1).unwrap();
            line["size"] = json!(5);
        });
    }),
    ("another SHA-256", |archive| {
        edit(archive, Section::Versions, 0, "sha256", json!(format!("sha256:{}", "0".repeat(64))));
    }),
    ("is not among those", |archive| {
        let other = format!("blake3:{}", "0".repeat(64));
        archive.edit(Section::Versions, |lines| {
            let line = lines.iter_mut().find(|line| line["number"] == 1).unwrap();
            line["digest"] = json!(other);
        });
    }),
    ("whom metadata/principals.jsonl does not have", |archive| {
        archive.edit(Section::Principals, |lines| lines.clear());
    }),
    ("does not follow the one before", |archive| archive.edit(Section::Events, |lines| lines.swap(0, 1))),
    ("the log has no such place", |archive| edit(archive, Section::Events, 0, "seq", json!(1_000_000))),
    ("`before`", |archive| edit(archive, Section::Events, 0, "before", json!({ "parent_id": 1 }))),
    ("a name", |archive| edit_before(archive, "name", json!("a/b"))),
    ("a name", |archive| edit_before(archive, "name", json!(""))),
    ("`before`: a metadata key", |archive| edit_before(archive, "metadata", json!({ "": "x" }))),
    ("`before`: a label", |archive| edit_before(archive, "labels", json!([""]))),
    ("`before`: the root", |archive| edit_before(archive, "parent_id", Value::Null)),
    ("`before`: the root", |archive| {
        let root = archive.lines(Section::Nodes)[0]["id"].clone();
        archive.edit(Section::Events, |lines| {
            lines.iter_mut().find(|line| line["before"]["name"].is_string()).unwrap()["node_id"] = root;
        });
    }),
    ("`fence` is too large", |archive| edit(archive, Section::Nodes, 1, "fence", json!(1_u64 << 51))),
    ("`fence` is too large", |archive| edit(archive, Section::Events, 1, "fence", json!(1_u64 << 51))),
    ("`number` is too large", |archive| edit(archive, Section::Versions, 0, "number", json!(i64::MAX))),
    ("`data` is an object", |archive| edit(archive, Section::Events, 0, "data", json!([1]))),
    ("a note has 1 to", |archive| edit(archive, Section::Notes, 0, "text", json!(" "))),
    ("which is not its name", |archive| archive.0.iter_mut().rev().nth(1).unwrap().1[0] ^= 1),
    ("is due here", |archive| {
        let place = archive.0.len() - 2;
        archive.0.swap(place, place - 1);
    }),
    ("is due here", |archive| archive.0.iter_mut().rev().nth(1).unwrap().1.push(0)),
    ("is due here", |archive| archive.0.iter_mut().rev().nth(1).unwrap().0 = "../../etc/passwd".to_owned()),
    ("is due here", |archive| drop(archive.0.remove(archive.0.len() - 2))),
    ("is due here", |archive| archive.0.swap(2, 3)),
    ("nothing follows the end", |archive| archive.0.push(("more".to_owned(), Vec::new()))),
    ("has more than 4194304 bytes", |archive| {
        let long = json!("x".repeat(LINE_BYTES));
        edit(archive, Section::Events, 0, "data", json!({ "x": long }));
    }),
    ("has no end", |archive| {
        let nodes = archive.file_mut(Section::Nodes.file());
        nodes.truncate(nodes.len() - 1);
    }),
    ("it is not UTF-8", |archive| archive.file_mut(Section::Nodes.file())[5] = 0xff),
    ("reads \"longshore-export\" in version 1", |archive| {
        let header = String::from_utf8(archive.file(HEADER).to_vec()).unwrap();
        *archive.file_mut(HEADER) = header.replace("\"version\": 1", "\"version\": 2").into_bytes();
    }),
    ("its log ends before it begins", |archive| {
        let mut header = archive.header();
        header.workspace.first_seq = header.workspace.seq + 1;
        *archive.file_mut(HEADER) = serde_json::to_vec(&header).unwrap();
    }),
    ("is longer than any", |archive| {
        let mut header = archive.header();
        header.workspace.seq = 1 << 51;
        *archive.file_mut(HEADER) = serde_json::to_vec(&header).unwrap();
    }),
    ("a limit is a number", |archive| {
        let mut header = archive.header();
        header.workspace.quota.files = Some(u64::MAX);
        *archive.file_mut(HEADER) = serde_json::to_vec(&header).unwrap();
    }),
    ("versions_kept", |archive| {
        let mut header = archive.header();
        header.workspace.settings.versions_kept = Some(0);
        *archive.file_mut(HEADER) = serde_json::to_vec(&header).unwrap();
    }),
];

trait ReverseAfterRoot {
    fn reverse_after_root(&mut self);
}

impl ReverseAfterRoot for Vec<Value> {
    fn reverse_after_root(&mut self) {
        let below = self.iter().position(|line| line["path"] == "/a/file").unwrap();
        let line = self.remove(below);
        self.insert(1, line);
    }
}

pub(super) async fn no_archive_is_believed(world: &World) {
    let archive = good(world).await;
    let (before, kept) = (workspaces(world).await, left(world).await);
    let mut believed = Vec::new();
    for (number, (word, change)) in CHANGES.iter().enumerate() {
        let mut changed = archive.clone();
        change(&mut changed);
        // What is no archive of its kind any more says so before any number counts.
        let tells =
            changed.0.iter().any(|(name, _)| name == END) && changed.file(HEADER) == archive.file(HEADER);
        let is_sealed = tells && !word.contains("no end");
        let changed = if is_sealed { changed.seal() } else { changed };
        let outcome = import(world, "bad", &changed.bytes()).await;
        let is_told = outcome
            .as_ref()
            .is_err_and(|error| error.code() == Code::ExportMalformed && error.detail().contains(word));
        if !is_told {
            believed.push((number, word, outcome));
        }
    }
    assert!(believed.is_empty(), "{believed:#?}");
    // Counts that lie, in the header and at the end, and metadata that somebody has changed.
    let lies: [(&str, Lie); 3] = [
        ("more lines than were announced", |counts| counts.nodes -= 1),
        ("lines were announced", |counts| counts.events += 1),
        ("different numbers", |counts| counts.bytes += 1),
    ];
    for (word, lie) in lies {
        let mut changed = archive.clone();
        let mut header = archive.header();
        lie(&mut header.counts);
        *changed.file_mut(HEADER) = serde_json::to_vec(&header).unwrap();
        let error = import(world, "bad", &changed.bytes()).await.expect_err(word);
        assert!(error.code() == Code::ExportMalformed && error.detail().contains(word), "{word}: {error}");
    }
    let mut changed = archive.clone();
    edit(&mut changed, Section::Nodes, 1, "labels", json!(["forged"]));
    let error = import(world, "bad", &changed.bytes()).await.unwrap_err();
    assert!(error.detail().contains("end.json: the metadata has"), "{error}");
    assert_eq!(workspaces(world).await, before);
    assert_eq!(left(world).await, kept);
}

/// At whatever byte it is cut, and in whatever pieces it comes, half an archive makes nothing.
pub(super) async fn what_is_cut_makes_nothing(world: &World) {
    let bytes = good(world).await.bytes();
    let (before, kept) = (workspaces(world).await, left(world).await);
    let dice = noise(240, 7);
    let mut cuts: Vec<_> = dice
        .chunks(4)
        .map(|four| u32::from_le_bytes(four.try_into().unwrap()) as usize % bytes.len())
        .collect();
    cuts.extend([0, 1, 511, 512, bytes.len() - 1_024, bytes.len() - 513, bytes.len() - 1]);
    for cut in cuts {
        let piece = 1 + cut % 5_000;
        let mut coming = world.engine.begin_import(&world.owner, options("cut")).await.unwrap();
        for piece in bytes[..cut].chunks(piece) {
            coming.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        refused(coming.finish().await, Code::ExportMalformed);
    }
    assert_eq!(workspaces(world).await, before);
    assert_eq!(left(world).await, kept);
    // The same in pieces of all kinds, to its end.
    for (number, piece) in [1, 7, 511, 513, 100_000].into_iter().enumerate() {
        let mut coming =
            world.engine.begin_import(&world.owner, options(&format!("whole {number}"))).await.unwrap();
        for piece in bytes.chunks(piece) {
            coming.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        coming.finish().await.unwrap();
    }
}

/// While it comes nobody sees anything of it, and who leaves it alone leaves what the sweeper removes.
pub(super) async fn what_is_left_alone_goes(world: &World) {
    let archive = good(world).await;
    let other = World::on_sqlite().await;
    other.put("/large", &noise(300_000, 9)).await;
    let bytes = export_of(&other, other.id()).await;
    other.engine.close().await;
    let (before, kept) = (workspaces(world).await, left(world).await);
    let mut coming = world.engine.begin_import(&world.owner, options("left")).await.unwrap();
    coming.write(Bytes::copy_from_slice(&bytes[..bytes.len() - 1_500])).await.unwrap();
    assert_eq!(workspaces(world).await, before);
    assert!(world.blobs().await > kept.0, "the content is there");
    assert_eq!(world.numbers("SELECT COUNT(*) FROM crossing_contents").await, [1], "and held");
    let node = Tarball::read(&bytes).lines(Section::Nodes)[1]["id"].as_str().unwrap().parse().unwrap();
    refused(world.engine.node(&world.owner, node).await, Code::NodeNotFound);
    // It is held as long as somebody goes on with it, whatever sweeps.
    world.engine.sweep().await.unwrap();
    world.clock.advance(Duration::from_mins(59));
    world.engine.sweep().await.unwrap();
    assert!(world.blobs().await > kept.0);
    drop(coming);
    world.clock.advance(Duration::from_mins(2));
    assert_eq!(left(world).await, kept);
    // What was let go is not made a workspace of.
    let mut late = world.engine.begin_import(&world.owner, options("late")).await.unwrap();
    late.write(Bytes::from(archive.bytes())).await.unwrap();
    world.clock.advance(Duration::from_mins(61));
    world.engine.sweep().await.unwrap();
    refused(late.finish().await, Code::RequestTimeout);
    assert_eq!(left(world).await, kept);
    // What a process had under way when it was killed nobody waits for, where it alone had the database.
    let Some(file) = world.database_file() else { return };
    let mut killed = world.engine.begin_import(&world.owner, options("killed")).await.unwrap();
    killed.write(Bytes::copy_from_slice(&bytes[..bytes.len() - 1_500])).await.unwrap();
    drop(killed);
    let clock = std::sync::Arc::new(world.clock.clone());
    let database = Database::Sqlite(file);
    let again = Engine::open(Settings::default(), &database, world.store.clone(), clock).await.unwrap();
    // Who merely opens the database, beside the one who has it, ends nothing.
    assert_eq!(world.numbers("SELECT COUNT(*) FROM crossings").await, [1]);
    again.end_what_was_left().await;
    again.sweep().await.unwrap();
    let sql = "SELECT COUNT(*), (SELECT COUNT(*) FROM crossing_contents) FROM crossing_lines";
    assert_eq!(world.numbers(sql).await, [0, 0]);
    world.clock.advance(GRACE);
    again.sweep().await.unwrap();
    assert_eq!(world.blobs().await, kept.0);
    again.close().await;
}

/// Of many imports at once under one name one makes it, and under names of their own all do.
pub(super) async fn imports_meet(world: &World) {
    let bytes = good(world).await.bytes();
    let same = futures_util::future::join_all((0..6).map(|_| import(world, "same", &bytes))).await;
    assert_eq!(same.iter().filter(|made| made.is_ok()).count(), 1, "{same:?}");
    assert!(same.iter().flatten().all(|made| made.usage.files == 2));
    for refused in same.into_iter().filter_map(Result::err) {
        assert_eq!(refused.code(), Code::WorkspaceExists, "{refused}");
    }
    let own = (0..6).map(|number| {
        let bytes = &bytes;
        async move { import(world, &format!("own {number}"), bytes).await }
    });
    for made in futures_util::future::join_all(own).await {
        assert_eq!(made.unwrap().usage.files, 2);
    }
}
