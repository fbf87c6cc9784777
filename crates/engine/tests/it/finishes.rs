//! The finish of an upload: one at a time, whoever asks, and none for an upload that is removed.

use std::time::Duration;

use longshore_core::wire::UploadState;
use longshore_core::{Code, UploadId};
use longshore_engine::{AppendOptions, Made, NewUpload, Premises, Result, Staged};
use longshore_store::Store;
use longshore_store::testing::chaos::{Chaos, Op};

use crate::block_on;
use crate::world::{World, noise, refused};

/// Begins an upload of which all has come but the end.
async fn begin(world: &World, content: &[u8], path: &str) -> UploadId {
    let made = Made::File(world.at(path), Box::default());
    let length = Some(content.len() as u64);
    let new = NewUpload { id: world.engine.upload_id(), made, length, metadata: String::new() };
    let id = world.engine.create_upload(&world.owner, new).await.unwrap().id;
    send(world, id, content, 0..700_000).await.unwrap();
    id
}

async fn send(world: &World, id: UploadId, content: &[u8], range: std::ops::Range<usize>) -> Result<Staged> {
    let options = AppendOptions { offset: range.start as u64, ..AppendOptions::default() };
    let mut appending = world.engine.append_upload(&world.owner, id, options).await?;
    appending.write(content[range].to_vec().into()).await?;
    appending.finish().await
}

#[test]
fn a_finish_is_begun_once_and_ends_with_its_upload() {
    block_on(async {
        let (store, chaos) = Chaos::wrap(Store::memory());
        let world = World::on_sqlite_with(store).await;
        let (engine, owner) = (&world.engine, &world.owner);
        let content = noise(1_500_000, 1);
        let id = begin(&world, &content, "/file").await;
        // The finish reads for so long that whoever waits for it is gone before.
        chaos.delay_next(Op::Read, Duration::from_hours(1));
        let mut last = Box::pin(send(&world, id, &content, 700_000..1_500_000));
        let stalled = async {
            while chaos.struck().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = &mut last => panic!("{done:?}"),
            () = stalled => {}
        }
        let mut resumed = Box::pin(engine.resume_upload(owner, id, Premises::default()));
        tokio::select! {
            biased;
            done = &mut resumed => panic!("{done:?}"),
            ended = last => refused(ended, Code::UploadTakenOver),
        }
        drop(resumed);
        let resumed = engine.resume_upload(owner, id, Premises::default());
        let (resumed, removed) = tokio::join!(resumed, engine.remove_upload(owner, id));
        removed.unwrap();
        let code = resumed.unwrap_err().code();
        assert!(matches!(code, Code::UploadTakenOver | Code::UploadNotFound), "{code}");
        assert_eq!(chaos.struck(), [Op::Read], "one finish has begun to read");
        refused(engine.resume_upload(owner, id, Premises::default()).await, Code::UploadNotFound);
        assert!(world.paths().await.is_empty());
        engine.close().await;
    });
}

#[test]
fn all_who_wait_for_a_finish_hear_of_one_version() {
    block_on(async {
        let world = World::on_sqlite().await;
        let content = noise(1_500_000, 2);
        let id = begin(&world, &content, "/file").await;
        let resume = || world.engine.resume_upload(&world.owner, id, Premises::default());
        let (last, first, second) =
            tokio::join!(send(&world, id, &content, 700_000..1_500_000), resume(), resume());
        // The newest of them wins; the others have heard so, or the same.
        let outcomes = [last, first, second];
        let done = match world.engine.staged_upload(&world.owner, id).await.unwrap() {
            staged if staged.state == UploadState::Finished => staged,
            staged => {
                let at = staged.offset as usize;
                send(&world, id, &content, at..1_500_000).await.unwrap()
            }
        };
        let version = done.written.unwrap().node.version_id;
        for outcome in outcomes {
            match outcome {
                Ok(staged) => {
                    let written = staged.written.map(|written| written.node.version_id);
                    assert!(written.is_none_or(|found| found == version));
                }
                Err(error) => {
                    assert!(matches!(error.code(), Code::UploadTakenOver | Code::OffsetMismatch), "{error}");
                }
            }
        }
        assert_eq!(world.event_types().await, ["workspace.created", "file.created"]);
        world.engine.close().await;
    });
}
