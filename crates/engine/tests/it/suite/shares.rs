//! Share links: bound to a node and to their maker's right, exact in what they count, silent about all that lies beside.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use longshore_core::wire::{CreateKey, CreateShare, HiddenText, OpenShare, RestoreNode, Role, UpdateNode};
use longshore_core::{Code, NodeId};
use longshore_engine::{
    Actor, Depth, DropOptions, EventQuery, Idempotency, PageRequest, Premises, Result, Visit,
};

use super::cursors::says;
use super::narrowed_keys::to_folder;
use super::quotas::{bytes, limit, usage};
use super::sessions::{person, signed_in};
use super::visitors::{
    drop_in, get, leads_nowhere, opened, paths, share, to_drop, to_read, visit, visited, zip,
};
use crate::world::{World, collect, name, noise, path, refused};

fn none() -> Premises {
    Premises::default()
}

async fn key(world: &World, wanted: CreateKey) -> Actor {
    let made = world.engine.create_key(&world.owner, wanted, None).await.unwrap();
    world.engine.authenticate(&made.secret).await.unwrap()
}

fn move_to(parent: NodeId) -> UpdateNode {
    UpdateNode { parent_id: Some(parent), ..UpdateNode::default() }
}

fn call(name: &str) -> UpdateNode {
    UpdateNode { name: Some(crate::world::name(name)), ..UpdateNode::default() }
}

pub(super) async fn row_04_a_share_ends_with_its_makers_right(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/a/file", b"content").await;
    let folder = file.parent_id.unwrap();
    let outside = world.put("/b/other", b"other").await.parent_id.unwrap();

    // Their membership, and what they are a member as: what comes back, comes back.
    let id = person(world, "ada", Some(Role::Editor)).await;
    let ada = signed_in(world, "ada").await;
    let (read, reading) = visited(world, &ada, folder, to_read()).await;
    let (drop, dropping) = visited(world, &ada, folder, to_drop()).await;
    assert_eq!(get(world, &reading, "/file").await.unwrap(), b"content");
    drop_in(world, &dropping, "first", b"1").await.unwrap();
    engine.set_member(owner, world.id(), id, Role::Viewer, none()).await.unwrap();
    assert_eq!(get(world, &reading, "/file").await.unwrap(), b"content");
    leads_nowhere(world, &drop, &dropping).await;
    engine.remove_member(owner, world.id(), id, none()).await.unwrap();
    leads_nowhere(world, &read, &reading).await;
    engine.set_member(owner, world.id(), id, Role::Admin, none()).await.unwrap();
    get(world, &reading, "/file").await.unwrap();
    drop_in(world, &dropping, "second", b"2").await.unwrap();
    // More than the link is for it never gives, whatever its maker may.
    refused(drop_in(world, &reading, "third", b"3").await, Code::ShareModeWrong);
    refused(get(world, &dropping, "/file").await, Code::ShareModeWrong);
    engine.deactivate_principal(owner, id, None).await.unwrap();
    leads_nowhere(world, &read, &reading).await;
    leads_nowhere(world, &drop, &dropping).await;
    engine.reactivate_principal(owner, id, None).await.unwrap();
    // The session that it was made in.
    person(world, "eve", Some(Role::Viewer)).await;
    let eve = signed_in(world, "eve").await;
    let (read, reading) = visited(world, &eve, folder, to_read()).await;
    engine.sign_out(&eve).await.unwrap();
    leads_nowhere(world, &read, &reading).await;

    // The key that it was made with: revoked, or over.
    let revoked = world.user(Role::Editor, Some(world.id())).await;
    let (read, reading) = visited(world, &revoked, file.id, to_read()).await;
    get(world, &reading, "/").await.unwrap();
    engine.revoke_key(owner, revoked.key().unwrap(), None).await.unwrap();
    leads_nowhere(world, &read, &reading).await;
    let end = engine.now().plus(Duration::from_mins(10));
    let short = CreateKey { expires_at: Some(end), ..CreateKey::new("short", Role::Viewer) };
    let short = key(world, short).await;
    let (read, reading) = visited(world, &short, file.id, to_read()).await;
    world.clock.advance(Duration::from_mins(10));
    leads_nowhere(world, &read, &reading).await;

    // Where the key reaches: the node moved out, and in again.
    let narrow = to_folder(world, "/a").await;
    let (read, reading) = visited(world, &narrow, file.id, to_read()).await;
    engine.update_node(owner, file.id, move_to(outside), none()).await.unwrap();
    leads_nowhere(world, &read, &reading).await;
    engine.update_node(owner, file.id, move_to(folder), none()).await.unwrap();
    assert_eq!(get(world, &reading, "/").await.unwrap(), b"content");
}

pub(super) async fn an_upload_under_way_ends_with_its_share(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let folder = world.put("/box/file", b"x").await.parent_id.unwrap();
    let maker = world.user(Role::Editor, Some(world.id())).await;
    let large = Bytes::from(noise(17 * 1_024 * 1_024, 1));
    for end in 0..3 {
        let (made, visiting) = visited(world, &maker, folder, to_drop()).await;
        let begin = async || engine.begin_drop(&visiting, name("new"), DropOptions::default()).await.unwrap();
        let (mut small, mut growing) = (begin().await, begin().await);
        small.write(Bytes::from_static(b"content")).await.unwrap();
        growing.write(large.slice(..100_000)).await.unwrap();
        match end {
            0 => engine.revoke_share(owner, world.id(), made.share.id, none()).await.unwrap(),
            1 => drop(engine.trash_node(owner, folder, none()).await.unwrap()),
            _ => engine.revoke_key(owner, maker.key().unwrap(), None).await.unwrap(),
        }
        refused(small.finish().await, Code::ShareNotFound);
        // What is long is not let come to its end.
        refused(growing.write(large.clone()).await, Code::ShareNotFound);
        drop(growing);
        if end == 1 {
            let back = engine.restore_node(owner, folder, RestoreNode::default(), none());
            back.await.unwrap();
        }
        assert_eq!(world.paths().await, ["/box", "/box/file"]);
        assert_eq!(world.blobs().await, 0, "end {end}");
    }
}

pub(super) async fn row_05_a_share_is_bound_to_its_node(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/a/b/file", b"inner").await;
    let a = world.node_at("/a").await.unwrap().id;
    let beside = world.put("/ab/file", b"beside").await.parent_id.unwrap();
    let (inner, inner_visit) = visited(world, owner, file.id, to_read()).await;
    let (outer, outer_visit) = visited(world, owner, a, to_read()).await;
    let (_, beside_visit) = visited(world, owner, beside, to_read()).await;
    // Wherever it goes and whatever it is called.
    engine.update_node(owner, file.id, call("renamed"), none()).await.unwrap();
    engine.update_node(owner, file.id, move_to(beside), none()).await.unwrap();
    assert_eq!(get(world, &inner_visit, "/").await.unwrap(), b"inner");
    assert_eq!(opened(world, &inner).await.unwrap().name, "renamed");
    assert_eq!(paths(world, &outer_visit, "/").await.unwrap(), ["/b"]);
    engine.update_node(owner, file.id, move_to(a), none()).await.unwrap();
    // The trash above it, and back.
    engine.trash_node(owner, a, none()).await.unwrap();
    leads_nowhere(world, &outer, &outer_visit).await;
    leads_nowhere(world, &inner, &inner_visit).await;
    engine.restore_node(owner, a, RestoreNode::default(), none()).await.unwrap();
    assert_eq!(get(world, &inner_visit, "/").await.unwrap(), b"inner");
    // What goes for good takes its own links with it and no other, however its path began.
    engine.trash_node(owner, a, none()).await.unwrap();
    engine.purge_node(owner, a, none()).await.unwrap();
    leads_nowhere(world, &outer, &outer_visit).await;
    leads_nowhere(world, &inner, &inner_visit).await;
    assert_eq!(get(world, &beside_visit, "/file").await.unwrap(), b"beside");
    let counts = "SELECT (SELECT COUNT(*) FROM shares), (SELECT COUNT(*) FROM share_visits)";
    assert_eq!(world.numbers(counts).await, [1, 1]);
    refused(engine.share(owner, world.id(), inner.share.id).await, Code::ShareNotFound);
}

pub(super) async fn row_06_what_its_maker_does_not_reach_stays_away(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let deep = world.put("/a/b/file", b"deep").await;
    world.put("/a/secret", b"secret").await;
    let gone = world.put("/a/gone/file", b"gone").await;
    let (a, b) = (world.node_at("/a").await.unwrap().id, deep.parent_id.unwrap());
    // Who reaches a folder gives no more than that, of whatever is above or beside it.
    let narrow = to_folder(world, "/a/b").await;
    for outside in [world.root(), a, gone.id] {
        refused(share(world, &narrow, outside, to_read()).await, Code::NodeNotFound);
        refused(share(world, &narrow, outside, to_drop()).await, Code::NodeNotFound);
    }
    let (_, visiting) = visited(world, &narrow, b, to_read()).await;
    assert_eq!(paths(world, &visiting, "/").await.unwrap(), ["/file"]);
    for elsewhere in ["/secret", "/a", "/a/secret", "/a/b/file", "/b/file", "/b"] {
        refused(get(world, &visiting, elsewhere).await, Code::NodeNotFound);
        refused(paths(world, &visiting, elsewhere).await, Code::NodeNotFound);
        refused(zip(world, &visiting, elsewhere).await, Code::NodeNotFound);
    }
    // Below a shared folder what is away is away: paths are not put together and looked up elsewhere.
    let (_, visiting) = visited(world, owner, a, to_read()).await;
    get(world, &visiting, "/gone/file").await.unwrap();
    engine.trash_node(owner, gone.parent_id.unwrap(), none()).await.unwrap();
    let other = engine.create_workspace(owner, name("other"), None).await.unwrap();
    for (at, moved) in [("/gone/file", None), ("/gone", None), ("/b/file", Some(deep.id))] {
        if let Some(id) = moved {
            engine.update_node(owner, id, move_to(world.root()), none()).await.unwrap();
        }
        refused(get(world, &visiting, at).await, Code::NodeNotFound);
        refused(zip(world, &visiting, at).await, Code::NodeNotFound);
    }
    assert_eq!(paths(world, &visiting, "/").await.unwrap(), ["/b", "/secret"]);
    assert!(!String::from_utf8_lossy(&zip(world, &visiting, "/").await.unwrap()).contains("gone"));
    // A walk that began in another folder goes on nowhere here.
    let page = engine.visit_tree(&visiting, path("/"), Depth::All, PageRequest::new(Some(1), None)).await;
    let cursor = page.unwrap().next_cursor;
    let (_, elsewhere) = visited(world, owner, other.root_id, to_read()).await;
    let page = PageRequest::new(None, cursor);
    refused(engine.visit_tree(&elsewhere, path("/"), Depth::All, page).await, Code::InvalidCursor);
}

pub(super) async fn row_08_a_share_of_a_file_shows_nothing_beside_it(world: &World) {
    let file = world.put("/a/file", b"content").await;
    world.put("/a/sibling", b"sibling").await;
    let (_, visiting) = visited(world, &world.owner, file.id, to_read()).await;
    assert_eq!(get(world, &visiting, "/").await.unwrap(), b"content");
    for guess in ["/file", "/sibling", "/a/sibling", "/a", "/a/file", "/file/sibling"] {
        refused(get(world, &visiting, guess).await, Code::NodeNotFound);
        refused(zip(world, &visiting, guess).await, Code::NodeNotFound);
        refused(paths(world, &visiting, guess).await, Code::NodeNotFound);
    }
    refused(paths(world, &visiting, "/").await, Code::NotAFolder);
    let zip = String::from_utf8_lossy(&zip(world, &visiting, "/").await.unwrap()).into_owned();
    assert!(
        zip.contains("file") && zip.contains("content") && !zip.contains("sibling") && !zip.contains("a/")
    );
}

pub(super) async fn a_folder_is_seen_from_itself_on(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/hidden/above/shared/sub/file", b"content").await;
    world.put("/hidden/above/beside", b"beside").await;
    let shared = world.node_at("/hidden/above/shared").await.unwrap().id;
    let made = share(world, owner, shared, to_read()).await.unwrap();
    let seen = opened(world, &made).await.unwrap();
    let visiting = visit(&made.token, &seen);
    let page = PageRequest::new(Some(1), None);
    let first = engine.visit_tree(&visiting, path("/"), Depth::All, page).await.unwrap();
    let page = PageRequest::new(Some(1), first.next_cursor.clone());
    let second = engine.visit_tree(&visiting, path("/"), Depth::All, page).await.unwrap();
    let below = engine.visit_tree(&visiting, path("/sub"), Depth::Levels(1), PageRequest::default());
    let below = below.await.unwrap();
    assert_eq!(first.items[0].path.to_string(), "/sub");
    assert_eq!((second.items[0].path.to_string(), &below.items), ("/sub/file".to_owned(), &second.items));
    let content = engine.visit_content(&visiting, path("/sub/file"), true).await.unwrap();
    assert_eq!(content.node().path.to_string(), "/sub/file");
    let nowhere = engine.visit_content(&visiting, path("/sub/none"), true).await.unwrap_err();
    let archive = engine.visit_archive(&visiting, path("/"), true).await.unwrap();
    let told = format!(
        "{} {nowhere} {}",
        serde_json::to_string(&(&seen, &first.items, &below.items, says(&first))).unwrap(),
        archive.name()
    );
    let zip = collect(archive.into_bytes()).await.unwrap();
    let zip = String::from_utf8_lossy(&zip);
    assert!(zip.contains("shared/sub/file"), "{zip}");
    let ids = [file.id.to_string(), shared.to_string(), world.id().to_string(), owner.principal.to_string()];
    for hidden in
        ["hidden", "above", "beside", "default", "owner"].into_iter().chain(ids.iter().map(String::as_str))
    {
        assert!(!told.contains(hidden) && !zip.contains(hidden), "{hidden}: {told}");
    }
    // A root is called as its workspace is, and has no name in what is below it.
    let made = share(world, owner, world.root(), to_read()).await.unwrap();
    let seen = opened(world, &made).await.unwrap();
    assert_eq!(seen.name, "default");
    assert_eq!(paths(world, &visit(&made.token, &seen), "/hidden/above/shared").await.unwrap().len(), 2);
}

pub(super) async fn row_09_a_new_file_of_the_same_name_is_not_the_shared_one(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    for purged in [false, true] {
        let file = world.put("/a/file", b"shared").await;
        let folder = file.parent_id.unwrap();
        let (made, visiting) = visited(world, owner, file.id, to_read()).await;
        let (outer, outer_visit) = visited(world, owner, folder, to_read()).await;
        get(world, &visiting, "/").await.unwrap();
        engine.trash_node(owner, folder, none()).await.unwrap();
        if purged {
            engine.purge_node(owner, folder, none()).await.unwrap();
        }
        world.put("/a/file", b"another").await;
        leads_nowhere(world, &made, &visiting).await;
        leads_nowhere(world, &outer, &outer_visit).await;
        engine.trash_node(owner, world.node_at("/a").await.unwrap().id, none()).await.unwrap();
    }
}

pub(super) async fn row_19_an_archive_asks_what_a_file_asks(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/a/file", b"content").await;
    let folder = file.parent_id.unwrap();
    let password = || Some(HiddenText::new("correct horse"));
    let wanted = CreateShare { password: password(), most_downloads: Some(1), ..to_read() };
    let made = share(world, owner, folder, wanted).await.unwrap();
    let (_, other) = visited(world, owner, folder, to_read()).await;
    let (_, dropping) = visited(world, owner, folder, to_drop()).await;
    let forged = longshore_core::ShareGrant::generate(engine.now());
    for grant in [None, Some("lsg_nothing"), Some(forged.reveal()), Some(made.token.reveal())] {
        let stranger = Visit::new(&made.token, grant).unwrap();
        for counts in [true, false] {
            refused(engine.visit_archive(&stranger, path("/"), counts).await, Code::ShareNotOpened);
            refused(engine.visit_content(&stranger, path("/file"), counts).await, Code::ShareNotOpened);
        }
        refused(paths(world, &stranger, "/").await, Code::ShareNotOpened);
    }
    refused(zip(world, &dropping, "/").await, Code::ShareModeWrong);
    // A grant lets in by its own link alone.
    let wanted = OpenShare { password: password() };
    let seen = engine.open_share(&made.token, wanted.clone(), None).await.unwrap();
    let second = engine.open_share(&made.token, wanted, None).await.unwrap();
    let (_, elsewhere) = (&other, share(world, owner, folder, to_read()).await.unwrap());
    refused(zip(world, &visit(&elsewhere.token, &seen), "/").await, Code::ShareNotOpened);
    // An archive is a download as a file is.
    let (visiting, late) = (visit(&made.token, &seen), visit(&made.token, &second));
    assert!(String::from_utf8_lossy(&zip(world, &visiting, "/").await.unwrap()).contains("content"));
    refused(get(world, &visiting, "/file").await, Code::ShareNotFound);
    refused(zip(world, &late, "/").await, Code::ShareNotFound);
    zip(world, &visiting, "/").await.unwrap();
    // One that is sent page by page ends with its link.
    for number in 0..400 {
        world.put(&format!("/large/file{number:03}"), b"x").await;
    }
    let large = world.node_at("/large").await.unwrap().id;
    let (made, visiting) = visited(world, owner, large, to_read()).await;
    let broken = engine.visit_archive(&visiting, path("/"), true).await.unwrap();
    engine.revoke_share(owner, world.id(), made.share.id, none()).await.unwrap();
    refused(collect(broken.into_bytes()).await, Code::ShareNotFound);
}

pub(super) async fn fifty_downloads_at_once_are_counted_exactly(world: &World) {
    let file = world.put("/file", b"content").await;
    let wanted = CreateShare { most_downloads: Some(20), ..to_read() };
    let made = share(world, &world.owner, file.id, wanted).await.unwrap();
    let visits = join_all((0..50).map(|_| opened(world, &made))).await;
    let visits: Vec<_> = visits.into_iter().map(|opened| visit(&made.token, &opened.unwrap())).collect();
    let done = join_all(visits.iter().map(|visit| get(world, visit, "/"))).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 20);
    for refusal in done.into_iter().filter_map(Result::err) {
        assert_eq!(refusal.code(), Code::ShareNotFound, "{refusal}");
    }
    let share = world.engine.share(&world.owner, world.id(), made.share.id).await.unwrap();
    assert_eq!(share.downloads, 20);
    // The same visit many times at once is one download.
    let (made, visiting) = visited(world, &world.owner, file.id, to_read()).await;
    join_all((0..50).map(async |_| get(world, &visiting, "/").await.unwrap())).await;
    let share = world.engine.share(&world.owner, world.id(), made.share.id).await.unwrap();
    assert_eq!(share.downloads, 1);
}

pub(super) async fn a_visit_counts_a_content_once(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let folder = world.put("/a/one", b"one").await.parent_id.unwrap();
    world.put("/a/two", b"two").await;
    let wanted = CreateShare { most_downloads: Some(5), ..to_read() };
    let (made, visiting) = visited(world, owner, folder, wanted).await;
    let counted = async || engine.share(owner, world.id(), made.share.id).await.unwrap().downloads;
    // Looking is none.
    for _ in 0..3 {
        engine.visit_content(&visiting, path("/one"), false).await.unwrap();
        engine.visit_archive(&visiting, path("/"), false).await.unwrap();
        paths(world, &visiting, "/").await.unwrap();
    }
    assert_eq!(counted().await, 0);
    let mut expected = 0;
    for at in ["/one", "/two"] {
        expected += 1;
        for _ in 0..3 {
            get(world, &visiting, at).await.unwrap();
        }
        assert_eq!(counted().await, expected);
    }
    zip(world, &visiting, "/").await.unwrap();
    zip(world, &visiting, "/").await.unwrap();
    assert_eq!(counted().await, 3);
    // Another version is another content, and another visit counts anew.
    world.put("/a/one", b"newer").await;
    get(world, &visiting, "/one").await.unwrap();
    let second = visit(&made.token, &opened(world, &made).await.unwrap());
    get(world, &second, "/one").await.unwrap();
    assert_eq!(counted().await, 5);
    // What was begun goes on; nothing else does, and nobody new comes in.
    get(world, &visiting, "/one").await.unwrap();
    refused(get(world, &second, "/two").await, Code::ShareNotFound);
    refused(engine.visit_content(&second, path("/two"), false).await, Code::ShareNotFound);
    refused(opened(world, &made).await, Code::ShareNotFound);
    assert_eq!(counted().await, 5);
}

pub(super) async fn a_drop_box_takes_new_files_and_shows_none(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/box/taken.txt", b"there").await;
    world.put("/box/folder/inner", b"inner").await;
    let (made, visiting) = visited(world, owner, file.parent_id.unwrap(), to_drop()).await;
    let mut told = Vec::new();
    for called in ["new.txt", "taken.txt", "folder", "taken.txt"] {
        told.push(drop_in(world, &visiting, called, b"dropped").await.unwrap());
    }
    // What is told of a name that was taken is what is told of one that was free.
    let told: Vec<_> = told.iter().map(|one| (one.size, one.digest)).collect();
    assert_eq!(told, vec![told[0]; 4]);
    let all = ["/box", "/box/folder", "/box/folder/inner", "/box/folder (2)", "/box/new.txt"];
    let all = all.into_iter().chain(["/box/taken (2).txt", "/box/taken (3).txt", "/box/taken.txt"]);
    let (mut found, mut all) = (world.paths().await, all.collect::<Vec<_>>());
    found.sort();
    all.sort_unstable();
    assert_eq!(found, all);
    assert_eq!(world.read(file.id).await.unwrap(), b"there");
    for at in ["/", "/taken.txt", "/new.txt", "/none"] {
        refused(paths(world, &visiting, at).await, Code::ShareModeWrong);
        refused(get(world, &visiting, at).await, Code::ShareModeWrong);
        refused(engine.visit_content(&visiting, path(at), false).await, Code::ShareModeWrong);
        refused(zip(world, &visiting, at).await, Code::ShareModeWrong);
    }
    assert_eq!(opened(world, &made).await.unwrap().size, None);
    // The log says by which link a file came, in whose name.
    let events = world.events(EventQuery::default()).await;
    let dropped: Vec<_> =
        events.iter().filter(|event| event.data["share_id"] == made.share.id.to_string()).collect();
    assert_eq!(dropped.iter().filter(|event| event.r#type == "file.created").count(), 4);
    assert!(dropped.iter().all(|event| event.actor == owner.principal));
    // The same request again is one file; its maker's keys are others.
    let once = async |text: &str| {
        let idempotency = Some(Idempotency::new(text).unwrap());
        let options = DropOptions { idempotency, ..DropOptions::default() };
        let mut dropping = engine.begin_drop(&visiting, name("again"), options).await.unwrap();
        dropping.write(Bytes::from_static(b"x")).await.unwrap();
        dropping.finish().await.unwrap()
    };
    let premises = Premises { idempotency: Some(Idempotency::new("one").unwrap()), ..none() };
    engine.create_folders(owner, world.id(), path("/by/its/maker"), premises).await.unwrap();
    let first = once("one").await;
    assert_eq!(once("one").await, first);
    once("two").await;
    let again = world.paths().await.into_iter().filter(|path| path.contains("again")).collect::<Vec<_>>();
    assert_eq!(again, ["/box/again", "/box/again (2)"]);
    // A file is no drop box, and a lock there says nothing of whose it is.
    refused(share(world, owner, file.id, to_drop()).await, Code::NotAFolder);
    let lock = engine.lock_node(owner, file.parent_id.unwrap(), Default::default(), none()).await.unwrap().0;
    let error = drop_in(world, &visiting, "late", b"x").await.unwrap_err();
    assert_eq!((error.code(), error.facts()), (Code::Locked, None));
    assert!(!error.detail().contains(&lock.lock.id.to_string()), "{error}");
}

pub(super) async fn a_drop_box_is_measured_by_the_quota(world: &World) {
    let folder = world.put("/box/there", &noise(60, 1)).await.parent_id.unwrap();
    let (_, visiting) = visited(world, &world.owner, folder, to_drop()).await;
    limit(world, bytes(100)).await;
    drop_in(world, &visiting, "fits", &noise(40, 2)).await.unwrap();
    let before = usage(world).await;
    assert_eq!((before.bytes, before.files), (100, 2));
    // At the begin, where the length is announced; at the commit, where it is not.
    let refusals = [
        drop_in(world, &visiting, "over", b"x").await.map(drop),
        world
            .engine
            .begin_drop(
                &visiting,
                name("over"),
                DropOptions { length: Some(1 << 20), ..DropOptions::default() },
            )
            .await
            .map(drop),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(
            (error.code(), error.facts()),
            (Code::QuotaExceeded, None),
            "how much there is, is not told"
        );
        assert!(!error.detail().contains("100"), "{error}");
    }
    assert_eq!(usage(world).await, before);
}
