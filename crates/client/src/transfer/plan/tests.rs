use longshore_core::wire::{Metadata, Node, NodeKind, OnConflict};
use longshore_core::{
    Algorithm, Digest, NodeId, PrincipalId, Timestamp, VersionId, WorkspaceId, WorkspacePath,
};
use proptest::prelude::*;

use super::{
    CHUNK, LARGE, PART, PARTS_AT_ONCE, cell_size, has_landed, next_chunk, parts, shares, shows_itself,
};

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

proptest! {
    #[test]
    fn parts_are_the_missing_cells_and_no_others(
        missing in proptest::collection::vec(any::<bool>(), 0..200), length in any::<u64>(),
    ) {
        let cell = cell_size(length);
        prop_assert!(cell.bytes() >= 1 << 20 && cell.count(length) <= 16 * 1024);
        let parts = parts(missing.iter().copied(), cell);
        let mut covered = vec![false; missing.len()];
        for part in parts {
            prop_assert!(!part.is_empty());
            prop_assert!((part.end - part.start) * cell.bytes() <= PART.max(cell.bytes()));
            for cell in part {
                prop_assert!(!std::mem::replace(&mut covered[cell as usize], true), "twice");
            }
        }
        prop_assert_eq!(covered, missing);
    }
}

#[test]
fn a_file_that_is_whole_missing_comes_in_parts_of_eight_mebibytes() {
    let cell = cell_size(33 << 20);
    assert_eq!(parts([true; 33], cell), [0..8, 8..16, 16..24, 24..32, 32..33]);
}

proptest! {
    #[test]
    fn shares_are_all_of_the_content_and_begin_with_cells(length in 1..(1_u64 << 45), at_once in 0..40_usize) {
        let cell = cell_size(length);
        let shares = shares(length, cell, at_once);
        prop_assert_eq!((shares[0].start, shares[shares.len() - 1].end), (0, length));
        prop_assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        prop_assert!(shares.iter().all(|share| !share.is_empty() && share.start % cell.bytes() == 0));
        prop_assert!(shares.len() <= at_once.clamp(1, PARTS_AT_ONCE));
        prop_assert!(length >= LARGE || shares.len() == 1);
    }
}

#[test]
fn a_large_file_has_as_many_shares_as_there_may_be() {
    assert_eq!(shares(LARGE, cell_size(LARGE), 32).len(), 4);
    assert_eq!(shares(LARGE + 5, cell_size(LARGE), 2).len(), 2);
    assert_eq!(shares(LARGE - 1, cell_size(LARGE), 32).len(), 1);
}
