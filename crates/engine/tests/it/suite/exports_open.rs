//! Exports that are open: how many there are, how long, for whom, and what is held for them.

use std::time::Duration;

use futures_util::TryStreamExt;
use longshore_core::Code;
use longshore_core::wire::{CreateNote, Role};
use longshore_engine::{Export, Premises, Result};

use crate::world::{World, collect, noise, refused};

const HELD: &str =
    "SELECT COUNT(*), (SELECT COUNT(*) FROM crossing_contents WHERE name LIKE 'ver%') FROM crossings";

async fn export(world: &World) -> Result<Export> {
    world.engine.export_workspace(&world.owner, world.id()).await
}

/// Waits until what was begun by dropping an export is done.
async fn until(world: &World, sql: &str, wanted: [i64; 2]) {
    let waiting = async {
        while world.numbers(sql).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
}

async fn purge(world: &World, path: &str) {
    let file = world.node_at(path).await.unwrap();
    world.engine.trash_node(&world.owner, file.id, Premises::default()).await.unwrap();
    world.engine.empty_trash(&world.owner, world.id(), Premises::default()).await.unwrap();
}

/// Whoever asks and hangs up, before a byte or after some: nothing is held, and nothing is put aside, from then on.
pub(super) async fn who_hangs_up_leaves_nothing(world: &World) {
    let file = world.put("/file", b"small").await;
    for number in 0..90 {
        let note =
            CreateNote { text: format!("{number} {}", "\u{1f980}".repeat(3_990)), ..CreateNote::default() };
        world.engine.create_note(&world.owner, file.id, note, Premises::default()).await.unwrap();
    }
    assert_eq!(world.blobs().await, 0);
    for reads in [false, true] {
        let export = export(world).await.unwrap();
        assert_eq!(world.blobs().await, 2, "notes and events are put aside");
        let mut bytes = export.into_bytes();
        if reads {
            bytes.try_next().await.unwrap().unwrap();
        }
        drop(bytes);
        until(world, HELD, [0, 0]).await;
        let gone = async {
            while world.blobs().await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    }
    drop(export(world).await.unwrap());
    until(world, HELD, [0, 0]).await;
}

pub(super) async fn so_many_exports_are_open_and_no_more(world: &World) {
    world.put("/file", b"small").await;
    let (one, two) = (export(world).await.unwrap(), export(world).await.unwrap());
    refused(export(world).await, Code::TooManyExports);
    // Another workspace has its own.
    let other = world.engine.create_workspace(&world.owner, crate::world::name("other"), None).await.unwrap();
    world.engine.export_workspace(&world.owner, other.id).await.unwrap();
    collect(one.into_bytes()).await.unwrap();
    let three = export(world).await.unwrap();
    refused(export(world).await, Code::TooManyExports);
    drop((two, three));
    until(world, HELD, [0, 0]).await;
    collect(export(world).await.unwrap().into_bytes()).await.unwrap();
}

/// An export that is read slowly is no place to keep what no quota counts.
pub(super) async fn what_came_later_is_not_held(world: &World) {
    world.put("/before", &noise(40_000, 1)).await;
    let export = export(world).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.put("/after", &noise(40_000, 2)).await;
    world.put("/small", b"small").await;
    for path in ["/after", "/small"] {
        purge(world, path).await;
    }
    assert_eq!(world.numbers(HELD).await, [1, 0]);
    purge(world, "/before").await;
    assert_eq!(world.numbers(HELD).await, [1, 1]);
    collect(export.into_bytes()).await.unwrap();
}

/// A key that is revoked, a member who is one no longer, and who is deactivated: the archive breaks off.
pub(super) async fn who_may_read_no_longer_reads_no_further(world: &World) {
    let engine = &world.engine;
    world.put("/file", &noise(2_000_000, 1)).await;
    for ends in ["nothing", "revoked", "deactivated"] {
        let who = match ends {
            "deactivated" => world.user(Role::Admin, None).await,
            _ => world.own_key(Role::Owner, Some(world.id())).await,
        };
        let begun = engine.export_workspace(&who, world.id()).await;
        let mut bytes = begun.unwrap().into_bytes();
        bytes.try_next().await.unwrap().unwrap();
        match ends {
            "revoked" => engine.revoke_key(&world.owner, who.key().unwrap(), None).await.unwrap(),
            "deactivated" => {
                engine.deactivate_principal(&world.owner, who.principal, None).await.unwrap();
            }
            _ => {}
        }
        world.clock.advance(Duration::from_mins(6));
        assert_eq!(collect(bytes).await.is_err(), ends != "nothing", "{ends}");
        until(world, HELD, [0, 0]).await;
    }
}

pub(super) async fn an_export_takes_a_day_at_most(world: &World) {
    world.put("/file", &noise(100_000, 1)).await;
    let bytes = export(world).await.unwrap().into_bytes();
    world.clock.advance(Duration::from_hours(25));
    refused(collect(bytes).await, Code::RequestTimeout);
    until(world, HELD, [0, 0]).await;
}
