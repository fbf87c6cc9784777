//! Quotas: what a workspace keeps is counted exactly, and never passes what it may.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::Code;
use longshore_core::wire::{
    CopyNode, Quota, QuotaExceeded, QuotaLimit, RestoreNode, Role, UndoActs, UpdateQuota, UpdateSettings,
    UpdateWorkspace, Usage, Who,
};
use longshore_engine::{
    Actor, BatchWrite, EventQuery, Made, PageRequest, Premises, Result, Target, UploadOptions,
};

use super::uploads::{begin, file, make, send};
use crate::world::{World, name, noise, path, refused};

const ACTS: usize = 120;
const SEEDS: u64 = 3;

/// Sets the limits of the workspace.
pub(super) async fn limit(world: &World, quota: Quota) {
    let set = world.engine.set_quota(&world.owner, world.id(), quota.into(), Premises::default());
    assert_eq!(set.await.unwrap().quota, quota);
}

pub(super) const fn bytes(limit: u64) -> Quota {
    Quota { bytes: Some(limit), files: None, largest_file: None }
}

/// Returns what the workspace says it keeps, having compared it with the tables themselves.
pub(super) async fn usage(world: &World) -> Usage {
    let sql = format!(
        "SELECT w.bytes, w.files, w.staged_bytes,
            (SELECT CAST(COALESCE(SUM(v.size), 0) AS BIGINT) FROM versions v JOIN nodes n ON n.id = v.node_id
             WHERE n.workspace_id = w.id),
            (SELECT CAST(COUNT(*) AS BIGINT) FROM nodes n WHERE n.workspace_id = w.id AND n.kind = 'file'),
            (SELECT CAST(COALESCE(SUM(COALESCE(u.length, u.received)), 0) AS BIGINT) FROM uploads u
             WHERE u.set_aside_in = w.id AND u.state <> 'finished')
         FROM workspaces w WHERE w.id = '{}'",
        world.id()
    );
    let [bytes, files, staged, kept, counted, announced] = world.numbers(&sql).await;
    assert_eq!([bytes, files, staged], [kept, counted, announced], "what is said, and what there is");
    let usage = world.engine.workspace(&world.owner, world.id()).await.unwrap().usage;
    let told = [usage.bytes, usage.files, usage.staged_bytes].map(u64::cast_signed);
    assert_eq!(told, [bytes, files, staged]);
    usage
}

/// Checks that something was refused for the quota, with these numbers.
#[track_caller]
pub(super) fn exceeds<T: std::fmt::Debug>(result: Result<T>, expected: QuotaExceeded) {
    let error = result.expect_err("there is no room for it");
    assert_eq!(error.code(), Code::QuotaExceeded, "{error}");
    assert_eq!(error.facts().unwrap().quota, Some(expected), "{error}");
}

const fn over(of: QuotaLimit, limit: u64, used: u64, asked: u64) -> QuotaExceeded {
    QuotaExceeded { of, limit, used, asked }
}

struct Play<'w> {
    world: &'w World,
    dice: std::vec::IntoIter<u8>,
}

impl Play<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.dice.next().expect("dice for the whole play")) % sides
    }

    fn content(&mut self) -> Vec<u8> {
        // Some of it lies in the database, and some in the store.
        let size = [0, 1, 700, 5_000, 17_000, 40_000][self.roll(6)];
        noise(size, self.roll(200) as u64)
    }

    fn any_path(&mut self) -> String {
        let folder = ["", "/x", "/x/y"][self.roll(3)];
        format!("{folder}/{}", ["a", "b", "c"][self.roll(3)])
    }

    async fn any_node(&mut self) -> Result<longshore_core::NodeId> {
        let text = self.any_path();
        Ok(self.world.node_at(&text).await?.id)
    }

    /// One attempt of an act; many are refused, for their names or for the quota.
    async fn act(&mut self) -> Result<()> {
        let (world, engine, owner) = (self.world, &self.world.engine, &self.world.owner);
        let (none, page) = (Premises::default, PageRequest::default);
        match self.roll(16) {
            0..=3 => {
                let (text, content) = (self.any_path(), self.content());
                world.put_with(&text, &content, UploadOptions::default()).await.map(drop)
            }
            4 => {
                let batch = engine.begin_batch(owner, world.id(), Vec::new())?;
                let mut items = Vec::new();
                for _ in 0..=self.roll(4) {
                    let (at, content) = (path(&self.any_path()), self.content().into());
                    items.push(BatchWrite { path: at, content, options: UploadOptions::default() });
                }
                let outcomes = batch.commit(batch.prepare(items).await).await;
                outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
            }
            5 => {
                let (node, to) = (self.any_node().await?, ["d", "e"][self.roll(2)]);
                let wanted = CopyNode { parent_id: None, name: Some(name(to)) };
                engine.copy_node(owner, node, wanted, none()).await.map(drop)
            }
            6 => {
                // A folder with all that is below it.
                let node = world.node_at("/x").await?.id;
                let wanted = CopyNode { parent_id: None, name: Some(name(["f", "g", "h"][self.roll(3)])) };
                engine.copy_node(owner, node, wanted, none()).await.map(drop)
            }
            7..=8 => {
                let whole = ["/x", "/d", "/f", "/g"][self.roll(4)];
                let node =
                    if self.roll(2) == 0 { world.node_at(whole).await?.id } else { self.any_node().await? };
                engine.trash_node(owner, node, none()).await.map(drop)
            }
            9 => {
                let trash = engine.trash(owner, world.id(), page()).await?.items;
                let Some(newest) = trash.first() else { return Ok(()) };
                match self.roll(3) {
                    0 => {
                        engine.restore_node(owner, newest.id, RestoreNode::default(), none()).await.map(drop)
                    }
                    1 => engine.purge_node(owner, newest.id, none()).await.map(drop),
                    _ => engine.empty_trash(owner, world.id(), none()).await.map(drop),
                }
            }
            10 => {
                let node = self.any_node().await?;
                let versions = engine.list_versions(owner, node, page()).await?.items;
                let Some(oldest) = versions.last() else { return Ok(()) };
                match self.roll(2) {
                    0 => engine.restore_version(owner, node, oldest.id, none()).await.map(drop),
                    _ => engine.delete_version(owner, node, oldest.id, none()).await,
                }
            }
            11 => {
                let act = engine.workspace(owner, world.id()).await?.seq;
                let wanted = match self.roll(2) {
                    0 => UndoActs { act: Some(act), ..UndoActs::default() },
                    _ => UndoActs {
                        actor: Some(Who::Me),
                        since_seq: Some(act.saturating_sub(3)),
                        ..UndoActs::default()
                    },
                };
                engine.undo(owner, world.id(), wanted, none()).await.map(drop)
            }
            12..=13 => {
                let (text, content) = (self.any_path(), self.content());
                let length = (self.roll(2) == 0).then_some(content.len() as u64);
                let made = make(world, owner, file(world, &text, UploadOptions::default()), length).await?;
                match self.roll(4) {
                    0 => engine.remove_upload(owner, made.id).await,
                    1 if content.len() > 10 => send(world, made.id, 0, &content[..10]).await.map(drop),
                    _ => send(world, made.id, 0, &content).await.map(drop),
                }
            }
            14 => {
                world.clock.advance(Duration::from_hours(25));
                engine.prune_uploads().await.map(drop)
            }
            _ => {
                engine.retain_versions(world.id()).await?;
                engine.purge_trash(world.id(), &mut |_| Ok(())).await.map(drop)
            }
        }
    }
}

pub(super) async fn what_is_kept_is_what_the_tables_have(world: &World) {
    let settings =
        UpdateSettings { versions_kept: Some(Some(3)), trash_days: Some(Some(2)), ..Default::default() };
    let change = UpdateWorkspace { name: None, settings: Some(settings) };
    world.engine.update_workspace(&world.owner, world.id(), change, Premises::default()).await.unwrap();
    let quota = Quota { bytes: Some(200_000), files: Some(14), largest_file: Some(30_000) };
    let (mut done, mut full) = (0, 0);
    for seed in 0..SEEDS {
        println!("seed {seed}");
        limit(world, if seed == 0 { Quota::default() } else { quota }).await;
        let mut play = Play { world, dice: noise(4_000, seed + 10).into_iter() };
        for _ in 0..ACTS {
            match play.act().await {
                Ok(()) => done += 1,
                Err(error) if error.code() == Code::QuotaExceeded => full += 1,
                Err(error) => assert_ne!(error.code(), Code::Internal, "{error}"),
            }
            let now = usage(world).await;
            // The first play has no limit, and leaves nothing.
            assert!(seed == 0 || now.bytes + now.staged_bytes <= 200_000 && now.files <= 14, "{now:?}");
        }
        if seed == 0 {
            let all = world.engine.tree(
                &world.owner,
                world.root(),
                longshore_engine::Depth::Levels(1),
                PageRequest::default(),
            );
            for node in all.await.unwrap().items {
                world.engine.trash_node(&world.owner, node.id, Premises::default()).await.unwrap();
            }
            world.engine.empty_trash(&world.owner, world.id(), Premises::default()).await.unwrap();
            world.clock.advance(Duration::from_hours(25));
            world.engine.prune_uploads().await.unwrap();
            assert_eq!(usage(world).await, Usage::default(), "all is gone");
        }
    }
    assert!(done > 60 && full > 10, "the plays are too much alike: {done} done, {full} too much");
}

pub(super) async fn a_quota_is_looked_at_before_bytes_while_they_come_and_at_the_commit(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let quota = Quota { bytes: Some(1_000_000), files: Some(3), largest_file: Some(900_000) };
    limit(world, quota).await;
    world.put("/there", &noise(100_000, 1)).await;
    let announcing = |length| UploadOptions { length: Some(length), ..UploadOptions::default() };
    // Before: not a byte has come.
    let begun = engine.begin_upload(owner, world.at("/a"), announcing(950_000)).await;
    exceeds(begun, over(QuotaLimit::LargestFile, 900_000, 0, 950_000));
    world.put("/too", &noise(200_000, 2)).await;
    let begun = engine.begin_upload(owner, world.at("/a"), announcing(800_000)).await;
    exceeds(begun, over(QuotaLimit::Bytes, 1_000_000, 300_000, 800_000));
    // While they come: of a length that nobody has said.
    for (path, chunk, limit) in [
        ("/a", 300_000, over(QuotaLimit::Bytes, 1_000_000, 300_000, 900_000)),
        ("/b", 699_999, over(QuotaLimit::LargestFile, 900_000, 0, 1_399_998)),
    ] {
        let mut upload = engine.begin_upload(owner, world.at(path), UploadOptions::default()).await.unwrap();
        let bytes = Bytes::from(noise(chunk, 3));
        upload.write(bytes.clone()).await.unwrap();
        let mut stopped = upload.write(bytes.clone()).await;
        if stopped.is_ok() {
            stopped = upload.write(bytes).await;
        }
        exceeds(stopped, limit);
    }
    // At the commit: both were let in when there was room for one.
    let mut both = Vec::new();
    for path in ["/one", "/other"] {
        let mut upload = engine.begin_upload(owner, world.at(path), announcing(400_000)).await.unwrap();
        upload.write(noise(400_000, 4).into()).await.unwrap();
        both.push(upload);
    }
    let (other, one) = (both.pop().unwrap(), both.pop().unwrap());
    one.finish().await.unwrap();
    let blobs = world.blobs().await;
    exceeds(other.finish().await, over(QuotaLimit::Bytes, 1_000_000, 700_000, 400_000));
    assert_eq!(world.blobs().await, blobs, "what was refused is given back");
    // Files are counted too, and a new version of one is none.
    exceeds(
        world.put_with("/fourth", b"4", UploadOptions::default()).await,
        over(QuotaLimit::Files, 3, 3, 1),
    );
    world.put("/one", b"again").await;
    // To the byte.
    world.put("/one", &noise(1_000_000 - 700_000 - 5, 5)).await;
    assert_eq!(usage(world).await, Usage { bytes: 1_000_000, files: 3, staged_bytes: 0 });
    exceeds(
        world.put_with("/one", b"x", UploadOptions::default()).await,
        over(QuotaLimit::Bytes, 1_000_000, 1_000_000, 1),
    );
    world.put("/one", b"").await;
    assert_eq!(world.paths().await, ["/one", "/there", "/too"]);
}

pub(super) async fn a_lowered_quota_lets_nothing_in_and_everything_out(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/a", &noise(1_000, 1)).await;
    let other = world.put("/b", &noise(500, 2)).await;
    let upload = begin(world, "/c", 300).await;
    limit(world, Quota { bytes: Some(100), files: Some(1), largest_file: None }).await;
    refused(world.put_with("/a", b"more", UploadOptions::default()).await, Code::QuotaExceeded);
    refused(world.put_with("/d", b"", UploadOptions::default()).await, Code::QuotaExceeded);
    // What was let in under another quota is measured by this one, and its bytes are kept for who makes room.
    refused(send(world, upload, 0, &noise(300, 3)).await, Code::QuotaExceeded);
    assert_eq!(usage(world).await, Usage { bytes: 1_500, files: 2, staged_bytes: 300 });
    engine.create_folders(owner, world.id(), path("/folder"), Premises::default()).await.unwrap();
    for node in [file.id, other.id] {
        engine.trash_node(owner, node, Premises::default()).await.unwrap();
    }
    assert_eq!(usage(world).await.bytes, 1_500, "the trash counts");
    engine.restore_node(owner, other.id, RestoreNode::default(), Premises::default()).await.unwrap();
    engine.trash_node(owner, other.id, Premises::default()).await.unwrap();
    engine.empty_trash(owner, world.id(), Premises::default()).await.unwrap();
    assert_eq!(usage(world).await, Usage { bytes: 0, files: 0, staged_bytes: 300 });
    engine.remove_upload(owner, upload).await.unwrap();
    world.put("/a", &noise(100, 1)).await;
    assert_eq!(usage(world).await, Usage { bytes: 100, files: 1, staged_bytes: 0 });
}

pub(super) async fn copies_old_versions_and_undo_are_measured(world: &World) {
    let (engine, owner, none) = (&world.engine, &world.owner, Premises::default);
    let first = world.put("/x/a", &noise(400, 1)).await;
    world.put("/x/a", &noise(50, 2)).await;
    let seq = world.event_count().await;
    world.put("/x/b", &noise(50, 3)).await;
    limit(world, Quota { bytes: Some(700), files: Some(4), largest_file: Some(390) }).await;
    let folder = world.node_at("/x").await.unwrap().id;
    let copy = |text: &str| CopyNode { parent_id: None, name: Some(name(text)) };
    // Current versions alone are copied, and count in full though they share their bytes.
    engine.copy_node(owner, folder, copy("y"), none()).await.unwrap();
    assert_eq!(usage(world).await, Usage { bytes: 600, files: 4, staged_bytes: 0 });
    let events = world.event_count().await;
    exceeds(engine.copy_node(owner, folder, copy("z"), none()).await, over(QuotaLimit::Files, 4, 4, 2));
    exceeds(
        engine.restore_version(owner, first.id, first.version_id.unwrap(), none()).await,
        over(QuotaLimit::LargestFile, 390, 0, 400),
    );
    limit(world, bytes(700)).await;
    engine.copy_node(owner, folder, copy("z"), none()).await.unwrap();
    exceeds(
        engine.restore_version(owner, first.id, first.version_id.unwrap(), none()).await,
        over(QuotaLimit::Bytes, 700, 700, 400),
    );
    let back = UndoActs { act: Some(seq), ..UndoActs::default() };
    exceeds(engine.undo(owner, world.id(), back, none()).await, over(QuotaLimit::Bytes, 700, 700, 400));
    assert_eq!(world.event_count().await, events + 2, "a limit and a copy");
    assert_eq!(usage(world).await, Usage { bytes: 700, files: 6, staged_bytes: 0 });
    engine.delete_version(owner, first.id, first.version_id.unwrap(), none()).await.unwrap();
    assert_eq!(usage(world).await.bytes, 300);
}

pub(super) async fn each_item_of_a_batch_is_measured_by_itself(world: &World) {
    limit(world, Quota { bytes: Some(100_000), files: None, largest_file: Some(60_000) }).await;
    let batch = world.engine.begin_batch(&world.owner, world.id(), Vec::new()).unwrap();
    let item = |text: &str, size| BatchWrite {
        path: path(text),
        content: noise(size, 1).into(),
        options: UploadOptions::default(),
    };
    let items = vec![
        item("/a", 50_000),
        item("/b", 70_000),
        item("/new/c", 50_001),
        item("/d", 40_000),
        item("/e", 10_001),
        item("/f", 10_000),
    ];
    let outcomes = batch.commit(batch.prepare(items).await).await;
    let codes: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().map(longshore_engine::Error::code)).collect();
    let full = Some(Code::QuotaExceeded);
    assert_eq!(codes, [None, full, full, None, full, None]);
    assert_eq!(world.paths().await, ["/a", "/d", "/f"]);
    assert_eq!(usage(world).await, Usage { bytes: 100_000, files: 3, staged_bytes: 0 });
    // What the front door asks before it takes an item's bytes.
    let mut batch = world.engine.begin_batch(&world.owner, world.id(), Vec::new()).unwrap();
    batch.check_room(1).unwrap();
    batch.measure(&world.engine.workspace(&world.owner, world.id()).await.unwrap());
    exceeds(batch.check_room(1), over(QuotaLimit::Bytes, 100_000, 100_000, 1));
}

pub(super) async fn who_sets_a_quota_and_who_sees_it(world: &World) {
    let engine = &world.engine;
    let set = async |actor: &Actor, wanted: UpdateQuota| {
        engine.set_quota(actor, world.id(), wanted, Premises::default()).await
    };
    let ten = UpdateQuota { bytes: Some(Some(10)), ..UpdateQuota::default() };
    // Whoever administers a workspace does not set their own limit.
    let admin = world.user(Role::Admin, Some(world.id())).await;
    let narrow = world.own_key(Role::Owner, Some(world.id())).await;
    for actor in [&admin, &narrow] {
        refused(set(actor, ten).await, Code::Forbidden);
    }
    let wrong = UpdateQuota { files: Some(Some(UpdateQuota::MOST + 1)), ..UpdateQuota::default() };
    refused(set(&world.owner, wrong).await, Code::InvalidBody);
    let viewer = world.user(Role::Viewer, Some(world.id())).await;
    let server = world.user(Role::Admin, None).await;
    set(&server, ten).await.unwrap();
    let files = UpdateQuota { files: Some(Some(7)), ..UpdateQuota::default() };
    let seq = set(&server, files).await.unwrap().seq;
    assert_eq!(set(&server, files).await.unwrap().seq, seq, "nothing has changed");
    let seen = engine.workspace(&viewer, world.id()).await.unwrap();
    assert_eq!(seen.quota, Quota { bytes: Some(10), files: Some(7), largest_file: None });
    assert_eq!(engine.list_workspaces(&viewer, PageRequest::default()).await.unwrap().items, [seen]);
    let event = world.events(EventQuery::default()).await.pop().unwrap();
    assert_eq!(
        (event.r#type.as_str(), event.seq, event.actor),
        ("workspace.quota_changed", seq, server.principal)
    );
    assert_eq!(event.data["from"]["files"], serde_json::Value::Null);
    assert_eq!(event.data["quota"]["files"], 7);
    set(&server, Quota::default().into()).await.unwrap();
    assert_eq!(engine.workspace(&viewer, world.id()).await.unwrap().quota, Quota::default());
    // A file is named by its id, and the limit is that of its workspace all the same.
    let node = world.put("/a", b"1234567").await;
    limit(world, bytes(10)).await;
    let target = Target::Node(node.id);
    refused(world.put_as(&world.owner, target, b"1234", UploadOptions::default()).await, Code::QuotaExceeded);
    refused(
        make(world, &world.owner, Made::File(Target::Node(node.id), Box::default()), Some(4)).await,
        Code::QuotaExceeded,
    );
}
