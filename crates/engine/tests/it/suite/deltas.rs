//! Deltas: a new version composed of ranges of an old one and of what came along.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::chunks::{ALGORITHM, CHUNK_BYTES, Chunk, Chunker, LEAST_CONTENT};
use longshore_core::wire::{Node, Role, UploadState};
use longshore_core::{Algorithm, Code, Digest, UploadId, VersionId, delta};
use longshore_engine::{Actor, Target};
use longshore_engine::{AppendOptions, Appending, Made, NewUpload, Premises, Result, Staged, UploadOptions};

use crate::world::{World, collect, name, noise, path, refused};

const GRACE: Duration = Duration::from_hours(25);

/// An instruction.
#[derive(Clone, Debug)]
enum Step {
    Copy(Range<u64>),
    Data(Vec<u8>),
}

use Step::{Copy, Data};

/// Writes the instructions for the content from an offset on.
fn write(steps: &[Step], from: u64) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    for step in steps {
        let length = match step {
            Copy(range) => range.end - range.start,
            Data(content) => content.len() as u64,
        };
        let skipped = from.saturating_sub(at).min(length);
        at += length;
        match step {
            _ if skipped == length => {}
            Copy(range) => bytes.extend(delta::copy(range.start + skipped..range.end)),
            Data(content) => {
                let content = &content[skipped as usize..];
                bytes.extend(delta::data(content.len() as u32));
                bytes.extend(content);
            }
        }
    }
    bytes
}

/// Returns what instructions make of a base.
fn compose(steps: &[Step], base: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    for step in steps {
        match step {
            Copy(range) => content.extend(&base[range.start as usize..range.end as usize]),
            Data(bytes) => content.extend(bytes),
        }
    }
    content
}

fn digest(content: &[u8]) -> Digest {
    Digest::new(Algorithm::Blake3, *blake3::hash(content).as_bytes())
}

async fn begin_at(world: &World, target: Target, length: u64, digests: Vec<Digest>) -> UploadId {
    let options = UploadOptions { digests, ..UploadOptions::default() };
    let (id, made) = (world.engine.upload_id(), Made::File(target, Box::new(options)));
    let new = NewUpload { id, made, length: Some(length), metadata: String::new() };
    world.engine.create_upload(&world.owner, new).await.unwrap().id
}

async fn begin(world: &World, node: &Node, content: &[u8]) -> UploadId {
    begin_at(world, Target::Node(node.id), content.len() as u64, vec![digest(content)]).await
}

async fn open_as(
    world: &World,
    actor: &Actor,
    id: UploadId,
    offset: u64,
    base: VersionId,
) -> Result<Appending> {
    let options = AppendOptions { offset, base: Some(base), ..AppendOptions::default() };
    world.engine.append_upload(actor, id, options).await
}

async fn open(world: &World, id: UploadId, offset: u64, base: &Node) -> Result<Appending> {
    open_as(world, &world.owner, id, offset, base.version_id.unwrap()).await
}

async fn send(world: &World, id: UploadId, offset: u64, base: &Node, delta: &[u8]) -> Result<Staged> {
    let mut appending = open(world, id, offset, base).await?;
    for bytes in delta.chunks(10_007) {
        appending.write(Bytes::copy_from_slice(bytes)).await?;
    }
    appending.finish().await
}

async fn offset(world: &World, id: UploadId) -> u64 {
    world.engine.resume_upload(&world.owner, id, Premises::default()).await.unwrap().offset
}

/// Makes a new version by a delta.
async fn update(world: &World, base: &Node, steps: &[Step], old: &[u8]) -> Node {
    let content = compose(steps, old);
    let id = begin(world, base, &content).await;
    let done = send(world, id, 0, base, &write(steps, 0)).await.unwrap();
    assert_eq!((done.state, done.offset), (UploadState::Finished, content.len() as u64));
    let node = done.written.unwrap().node;
    assert_eq!(node.digest, Some(digest(&content)));
    assert!(world.read(node.id).await.unwrap() == content);
    node
}

pub(super) async fn sweep(world: &World) -> u64 {
    world.engine.sweep().await.unwrap();
    world.clock.advance(GRACE);
    world.engine.sweep().await.unwrap().removed
}

pub(super) async fn only_what_changed_is_written(world: &World) {
    let old = noise(3_000_000, 1);
    let base = world.put("/file", &old).await;
    let steps = [
        Copy(0..1_000_000),
        Data(noise(50_000, 2)),
        Copy(1_000_000..2_000_000),
        Data(noise(7, 3)),
        Copy(2_000_100..3_000_000),
    ];
    let newer = update(world, &base, &steps, &old).await;
    assert_eq!((newer.id, world.blobs().await), (base.id, 2), "one for all that came along");
    // What is composed is the base of the next.
    let content = compose(&steps, &old);
    let size = content.len() as u64;
    let steps = [Copy(900_000..size), Copy(0..900_000)];
    update(world, &newer, &steps, &content).await;
    assert_eq!(world.blobs().await, 2);
    // The old version is as it was.
    let version = world.engine.open_content(&world.owner, base.id, base.version_id).await.unwrap();
    assert!(collect(version.read(0..3_000_000).await.unwrap()).await.unwrap() == old);
}

pub(super) async fn what_lies_in_the_database_is_copied_as_bytes(world: &World) {
    let base = world.put("/file", b"small").await;
    let content = update(world, &base, &[Copy(1..4), Data(b"-".to_vec()), Copy(0..5)], b"small").await;
    assert_eq!(world.read(content.id).await.unwrap(), b"mal-small");
    assert_eq!(world.blobs().await, 0, "so is the new one");
    let large = [Copy(0..5), Data(noise(600_000, 1))];
    update(world, &world.put("/file", b"small").await, &large, b"small").await;
}

pub(super) async fn cut_at_any_byte_it_goes_on(world: &World) {
    let old = noise(400_000, 4);
    let base = world.put("/file", &old).await;
    let steps = [
        Copy(0..150_000),
        Data(noise(20, 5)),
        Copy(100_000..300_000),
        Copy(300_000..300_001),
        Data(noise(300, 6)),
        Data(noise(3, 7)),
    ];
    let content = compose(&steps, &old);
    let whole = write(&steps, 0);
    let cuts: Vec<usize> = (0..24)
        .chain(40..48)
        .chain(57..62)
        .chain(75..82)
        .chain([200])
        .chain(whole.len() - 9..whole.len())
        .collect();
    for cut in cuts {
        let id = begin(world, &base, &content).await;
        let mut appending = open(world, id, 0, &base).await.unwrap();
        appending.write(Bytes::copy_from_slice(&whole[..cut])).await.unwrap();
        let kept = appending.break_off().await.unwrap().offset;
        assert_eq!(offset(world, id).await, kept, "{cut}");
        let done = send(world, id, kept, &base, &write(&steps, kept)).await.unwrap();
        let node = done.written.unwrap().node;
        assert!(world.read(node.id).await.unwrap() == content, "{cut}");
    }
    // It ends in order, and yet in the middle of an instruction: what was complete is kept.
    for (cut, kept) in [(1, 0), (16, 0), (17, 150_000), (21, 150_000), (30, 150_008)] {
        let id = begin(world, &base, &content).await;
        let broken = send(world, id, 0, &base, &whole[..cut]).await;
        if cut == 17 {
            assert_eq!(broken.unwrap().offset, kept);
        } else {
            refused(broken, Code::InvalidDelta);
        }
        assert_eq!(offset(world, id).await, kept, "{cut}");
    }
}

pub(super) async fn what_a_delta_must_not_say(world: &World) {
    let old = noise(200_000, 8);
    let base = world.put("/file", &old).await;
    let content = noise(1_000, 9);
    let mut endless = delta::copy(0..u64::MAX).to_vec();
    endless[1] = 2;
    let cases: Vec<(Vec<u8>, Code)> = vec![
        (delta::copy(0..200_001).to_vec(), Code::InvalidDelta),
        (delta::copy(200_000..200_001).to_vec(), Code::InvalidDelta),
        (delta::copy(u64::MAX - 1..u64::MAX).to_vec(), Code::InvalidDelta),
        (endless, Code::InvalidDelta),
        (delta::copy(5..5).to_vec(), Code::InvalidDelta),
        (delta::data(0).to_vec(), Code::InvalidDelta),
        (b"X".to_vec(), Code::InvalidDelta),
        (content.clone(), Code::InvalidDelta),
        (delta::copy(0..1_001).to_vec(), Code::LengthMismatch),
        (write(&[Data(noise(1_001, 1))], 0), Code::LengthMismatch),
        (delta::copy(0..1_000).to_vec(), Code::DigestMismatch),
    ];
    for (number, (delta, code)) in cases.into_iter().enumerate() {
        let id = begin(world, &base, &content).await;
        println!("case {number}");
        refused(send(world, id, 0, &base, &delta).await, code);
    }
    assert_eq!(world.node_at("/file").await.unwrap().version_id, base.version_id);
    // Without a digest nobody would notice that the base is not the one that was meant.
    let id = begin_at(world, Target::Node(base.id), 10, Vec::new()).await;
    refused(send(world, id, 0, &base, &delta::copy(0..10)).await, Code::InvalidHeader);
    let new = NewUpload {
        id: world.engine.upload_id(),
        made: Made::Part(None, None),
        length: Some(10),
        metadata: String::new(),
    };
    let part = world.engine.create_upload(&world.owner, new).await.unwrap().id;
    refused(send(world, part, 0, &base, &delta::copy(0..10)).await, Code::UploadNotAppendable);
}

pub(super) async fn a_base_is_one_that_may_be_read(world: &World) {
    let secret = noise(200_000, 10);
    let other = world.engine.create_workspace(&world.owner, name("other"), None).await.unwrap();
    let target = Target::Path { workspace: other.id, path: path("/secret") };
    let secret_node =
        world.put_as(&world.owner, target, &secret, UploadOptions::default()).await.unwrap().node;
    let own = world.put("/own", &noise(200_000, 11)).await;
    // Who reaches both may not bring one into the other by this, and who reaches one sees nothing of the other.
    let editor = world.user(Role::Editor, Some(world.id())).await;
    for actor in [&world.owner, &editor] {
        let options = UploadOptions { digests: vec![digest(&secret)], ..UploadOptions::default() };
        let (id, made) = (world.engine.upload_id(), Made::File(world.at("/stolen"), Box::new(options)));
        let new = NewUpload { id, made, length: Some(200_000), metadata: String::new() };
        let id = world.engine.create_upload(actor, new).await.unwrap().id;
        let opened = open_as(world, actor, id, 0, secret_node.version_id.unwrap()).await.unwrap_err();
        assert!(matches!(opened.code(), Code::VersionNotFound | Code::NodeNotFound), "{opened}");
        let unknown = VersionId::new(longshore_core::Timestamp::from_micros(0));
        refused(open_as(world, actor, id, 0, unknown).await, Code::VersionNotFound);
        open_as(world, actor, id, 0, own.version_id.unwrap()).await.unwrap();
    }
}

pub(super) async fn many_fragments_are_made_fewer(world: &World) {
    let old = noise(1_600_000, 12);
    let base = world.put("/file", &old).await;
    // Each of these goes on nowhere, and they are more than an upload's pieces may be, twice.
    let steps: Vec<_> = (0..10_600_u64).map(|number| Copy(number * 150..number * 150 + 140)).collect();
    update(world, &base, &steps, &old).await;
    assert_eq!(sweep(world).await, 2, "what pieces were made one in between");
    let base = world.put("/file", &old).await;
    let blobs = world.blobs().await;
    // Ranges that go on where the one before ended are one piece.
    let steps: Vec<_> = (0..10_001_u64).map(|number| Copy(number..number + 1)).collect();
    update(world, &base, &steps, &old).await;
    assert_eq!(world.blobs().await, blobs, "small contents lie in the database");
}

pub(super) async fn a_short_delta_makes_no_endless_content(world: &World) {
    let old = noise(20_000, 19);
    let base = world.put("/file", &old).await;
    let eight = vec![Copy(0..20_000); 8];
    update(world, &base, &eight, &old).await;
    let base = world.put("/file", &old).await;
    let mut steps = eight;
    steps.extend([Data(noise(10, 20)), Copy(0..70)]);
    update(world, &base, &steps, &old).await;
    let base = world.put("/file", &old).await;
    steps.push(Copy(0..1));
    let content = compose(&steps, &old);
    let id = begin(world, &base, &content).await;
    refused(send(world, id, 0, &base, &write(&steps, 0)).await, Code::BodyTooLarge);
    // Nor by going on with what was made before.
    let at = offset(world, id).await;
    assert_eq!(at, 160_080);
    refused(send(world, id, at, &base, &write(&steps, at)).await, Code::BodyTooLarge);
    let more = AppendOptions { offset: at, ..AppendOptions::default() };
    let mut plain = world.engine.append_upload(&world.owner, id, more).await.unwrap();
    plain.write(Bytes::copy_from_slice(&content[at as usize..])).await.unwrap();
    assert_eq!(plain.finish().await.unwrap().state, UploadState::Finished);
}

pub(super) async fn a_delta_with_a_digest_of_its_own_is_bounded(world: &World) {
    let old = noise(200_000, 21);
    let base = world.put("/file", &old).await;
    let steps: Vec<_> = (0..501_u64).map(|number| Copy(number * 2..number * 2 + 1)).collect();
    for (count, is_taken) in [(501, false), (500, true)] {
        let content = compose(&steps[..count], &old);
        let id = begin(world, &base, &content).await;
        let options = AppendOptions { base: base.version_id, is_whole: true, ..AppendOptions::default() };
        let mut appending = world.engine.append_upload(&world.owner, id, options).await.unwrap();
        let delta = write(&steps[..count], 0);
        // One that is refused may hear so before all is sent.
        let sent = appending.write(delta.into()).await;
        let done = match sent {
            Ok(()) => appending.finish().await,
            Err(error) => Err(error),
        };
        if is_taken {
            assert_eq!(done.unwrap().state, UploadState::Finished);
        } else {
            refused(done, Code::TooManyPieces);
            assert_eq!(offset(world, id).await, 0);
        }
    }
}

pub(super) async fn shared_ranges_live_as_long_as_any_version_names_them(world: &World) {
    let old = noise(3_000_000, 13);
    let base = world.put("/file", &old).await;
    let steps = [Copy(0..1_500_000), Data(noise(100_000, 14)), Copy(1_500_000..3_000_000)];
    let newer = update(world, &base, &steps, &old).await;
    world
        .engine
        .delete_version(&world.owner, base.id, base.version_id.unwrap(), Premises::default())
        .await
        .unwrap();
    assert_eq!(sweep(world).await, 0);
    assert!(
        world.read(newer.id).await.unwrap() == compose(&steps, &old),
        "the old version's bytes are there"
    );
    world.engine.trash_node(&world.owner, newer.id, Premises::default()).await.unwrap();
    world.engine.purge_node(&world.owner, newer.id, Premises::default()).await.unwrap();
    assert_eq!((sweep(world).await, world.blobs().await), (2, 0));
    // A base that goes while ranges of it are under way takes none of them along unseen.
    let base = world.put("/file", &old).await;
    let newer = world.put("/file", b"newer").await;
    let id = begin(world, &newer, &compose(&steps, &old)).await;
    let delta = write(&steps, 0);
    let mut appending = open(world, id, 0, &base).await.unwrap();
    appending.write(Bytes::copy_from_slice(&delta[..50])).await.unwrap();
    world
        .engine
        .delete_version(&world.owner, base.id, base.version_id.unwrap(), Premises::default())
        .await
        .unwrap();
    refused(appending.finish().await, Code::InvalidDelta);
    assert_eq!(offset(world, id).await, 0);
    refused(open(world, id, 0, &base).await, Code::VersionNotFound);
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

pub(super) async fn what_is_composed_at_random_is_what_was_meant(world: &World) {
    let mut dice = Dice(15);
    let mut content = noise(500_000, 16);
    let mut base = world.put("/file", &content).await;
    for round in 0..25 {
        let size = content.len() as u64;
        let steps: Vec<_> = (0..=dice.below(12))
            .map(|number| {
                if dice.below(3) == 0 {
                    Data(noise(1 + dice.below(90_000) as usize, round * 100 + number))
                } else {
                    let start = dice.below(size);
                    Copy(start..start + 1 + dice.below((size - start).min(200_000)))
                }
            })
            .collect();
        base = update(world, &base, &steps, &content).await;
        content = compose(&steps, &content);
    }
}

/// Makes a new version of what the list of the old one's chunks shows, as a client does.
pub(super) async fn a_list_of_chunks_shows_what_is_shared(world: &World) {
    let old = noise(5_000_000, 17);
    let base = world.put("/file", &old).await;
    let opened = world.engine.open_content(&world.owner, base.id, None).await.unwrap();
    let list = collect(world.engine.list_chunks(&opened).await.unwrap()).await.unwrap();
    let entries = list.strip_prefix(format!("{ALGORITHM}\n").as_bytes()).unwrap();
    let (entries, rest) = entries.as_chunks::<CHUNK_BYTES>();
    assert!(rest.is_empty());
    let (mut known, mut at) = (std::collections::HashMap::new(), 0);
    for entry in entries {
        let chunk = Chunk::from_bytes(entry).unwrap();
        known.insert(chunk.name, at..at + u64::from(chunk.length));
        at += u64::from(chunk.length);
    }
    assert_eq!(at, 5_000_000);
    let mut new = old.clone();
    new.splice(2_000_000..2_000_010, *b"another text");
    let (mut chunker, mut steps, mut begin) = (Chunker::default(), Vec::new(), 0_usize);
    let mut found = Vec::new();
    chunker.update(&new, |chunk| found.push(chunk));
    chunker.finish(|chunk| found.push(chunk));
    for chunk in found {
        let end = begin + chunk.length as usize;
        steps.push(known.get(&chunk.name).cloned().map_or_else(|| Data(new[begin..end].to_vec()), Copy));
        begin = end;
    }
    let sent: usize = steps.iter().map(|step| if let Data(bytes) = step { bytes.len() } else { 0 }).sum();
    assert!(0 < sent && sent < 150_000, "{sent}");
    update(world, &base, &steps, &old).await;
    // What is small is sent whole.
    let small = world.put("/small", &noise(LEAST_CONTENT as usize - 1, 18)).await;
    let opened = world.engine.open_content(&world.owner, small.id, None).await.unwrap();
    refused(world.engine.list_chunks(&opened).await.map(drop), Code::NotChunked);
}
