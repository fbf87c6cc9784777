use longshore_core::wire::{Metadata, Node, NodeKind, OnConflict};
use longshore_core::{
    Algorithm, Digest, NodeId, PrincipalId, Timestamp, VersionId, WorkspaceId, WorkspacePath,
};
use proptest::prelude::*;

use super::{CHUNK, Settled, Write, next_chunk, settle};

const NOW: Timestamp = Timestamp::from_micros(1_763_613_468_000_000);

fn digest(byte: u8) -> Digest {
    Digest::new(Algorithm::Blake3, [byte; 32])
}

fn node(digest: Digest, version: VersionId) -> Node {
    let user = PrincipalId::new(NOW);
    Node {
        id: NodeId::new(NOW),
        workspace_id: WorkspaceId::new(NOW),
        parent_id: None,
        kind: NodeKind::File,
        name: "a".to_owned(),
        path: WorkspacePath::new("/a").unwrap(),
        size: 1,
        media_type: None,
        version_id: Some(version),
        digest: Some(digest),
        metadata: Metadata::new(),
        labels: longshore_core::wire::Labels::new(),
        created_at: NOW,
        created_by: user,
        updated_at: NOW,
        updated_by: user,
        trashed_at: None,
        fence: 0,
        lock: None,
    }
}

#[test]
fn each_ambiguous_write_is_settled_as_documented() {
    let (mine, other) = (digest(1), digest(2));
    let (old, new) = (VersionId::new(NOW), VersionId::new(NOW));
    let landed = node(mine, new);
    let foreign = node(other, new);
    let same_as_before = node(mine, old);
    for (write, found, expected) in [
        (Write::Replace(None), None, Settled::Repeat),
        (Write::Replace(None), Some(&landed), Settled::Landed),
        (Write::Replace(None), Some(&foreign), Settled::Repeat),
        (Write::Replace(Some(old)), Some(&landed), Settled::Landed),
        (Write::Replace(Some(old)), Some(&same_as_before), Settled::Repeat),
        (Write::Replace(Some(old)), Some(&foreign), Settled::Repeat),
        (Write::Create, None, Settled::Repeat),
        (Write::Create, Some(&foreign), Settled::Repeat),
        (Write::Create, Some(&landed), Settled::Unknown),
        (Write::Rename, None, Settled::Unknown),
        (Write::Rename, Some(&landed), Settled::Unknown),
    ] {
        assert_eq!(settle(write, mine, found), expected, "{write:?}");
    }
}

#[test]
fn if_none_match_makes_any_write_a_creating_one() {
    for on_conflict in [OnConflict::Version, OnConflict::Error, OnConflict::Rename] {
        assert_eq!(Write::new(on_conflict, true, None), Write::Create);
    }
}

proptest! {
    #[test]
    fn chunks_cover_the_content_exactly(length in 0_u64..40_000_000) {
        let mut rest = length;
        let mut count = 0;
        while rest > 0 {
            let chunk = next_chunk(rest);
            prop_assert!(chunk > 0 && chunk <= CHUNK);
            rest -= chunk as u64;
            count += 1;
        }
        prop_assert_eq!(count, length.div_ceil(CHUNK as u64));
    }
}
