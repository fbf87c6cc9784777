use longshore_core::wire::{Metadata, Node, NodeKind, OnConflict};
use longshore_core::{
    Algorithm, Digest, NodeId, PrincipalId, Timestamp, VersionId, WorkspaceId, WorkspacePath,
};
use proptest::prelude::*;

use super::{CHUNK, has_landed, next_chunk, shows_itself};

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
fn a_write_landed_when_its_content_stands_there() {
    let (mine, other) = (digest(1), digest(2));
    let (old, new) = (VersionId::new(NOW), VersionId::new(NOW));
    for (replaced, found, expected) in [
        (None, node(mine, new), true),
        (None, node(other, new), false),
        (Some(old), node(mine, new), true),
        (Some(old), node(mine, old), false),
        (Some(old), node(other, new), false),
    ] {
        assert_eq!(has_landed(replaced, mine, &found), expected, "{replaced:?} {found:?}");
    }
}

#[test]
fn a_write_that_must_create_or_takes_any_name_does_not_show_itself() {
    assert!(shows_itself(OnConflict::Version, false));
    assert!(!shows_itself(OnConflict::Error, false) && !shows_itself(OnConflict::Rename, false));
    for on_conflict in [OnConflict::Version, OnConflict::Error, OnConflict::Rename] {
        assert!(!shows_itself(on_conflict, true));
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
