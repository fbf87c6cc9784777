use proptest::prelude::*;

use super::{CHUNK_BYTES, Chunk, Chunker, LONGEST, SHORTEST};

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut content = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut content);
    content
}

fn chunks(content: &[u8], bite: usize) -> Vec<Chunk> {
    let (mut chunker, mut found) = (Chunker::default(), Vec::new());
    for bytes in content.chunks(bite) {
        chunker.update(bytes, |chunk| found.push(chunk));
    }
    chunker.finish(|chunk| found.push(chunk));
    found
}

/// The rule is a part of the protocol: this must never change without another name for it.
#[test]
fn the_rule_is_as_it_was() {
    let lengths: Vec<u32> = chunks(&noise(300_000, 1), 1_000).iter().map(|chunk| chunk.length).collect();
    assert_eq!(
        lengths,
        [27_178, 7_652, 41_830, 6_744, 43_377, 24_969, 39_685, 22_285, 20_071, 40_534, 21_689, 3_986]
    );
    let mut digest = blake3::Hasher::new();
    for chunk in chunks(&noise(4_000_000, 2), 100_000) {
        digest.update(&chunk.to_bytes());
    }
    assert_eq!(
        digest.finalize().to_hex().as_str(),
        "859ce0513bed8665fd981eaa26711969ca82fd06b052255c763d98cf9428eab0"
    );
}

#[test]
fn no_content_has_no_chunk() {
    assert_eq!(chunks(b"", 1), []);
}

#[test]
fn what_never_says_so_is_cut_at_the_longest() {
    let found = chunks(&[0; 3 * LONGEST + 1], 1_000);
    let lengths: Vec<_> = found.iter().map(|chunk| chunk.length as usize).collect();
    assert_eq!(lengths, [LONGEST, LONGEST, LONGEST, 1]);
}

#[test]
fn a_length_that_no_chunk_has_is_refused() {
    for length in [0, LONGEST as u32 + 1, u32::MAX] {
        let mut bytes = [7; CHUNK_BYTES];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(Chunk::from_bytes(&bytes), None, "{length}");
    }
}

#[test]
fn a_change_is_seen_in_its_neighbourhood_alone() {
    let old = noise(2_000_000, 3);
    let mut new = old.clone();
    new.splice(700_000..700_000, *b"inserted");
    let known: std::collections::HashSet<_> = chunks(&old, 100_000).iter().map(|chunk| chunk.name).collect();
    let unknown: u64 = chunks(&new, 100_000)
        .iter()
        .filter(|chunk| !known.contains(&chunk.name))
        .map(|chunk| u64::from(chunk.length))
        .sum();
    assert!(0 < unknown && unknown <= 3 * LONGEST as u64, "{unknown}");
}

proptest! {
    #[test]
    fn the_chunks_are_the_content_however_it_comes(
        length in 0..400_000_usize, seed: u64, bites in prop::array::uniform2(1..200_000_usize),
    ) {
        let content = noise(length, seed);
        let found = chunks(&content, bites[0]);
        prop_assert_eq!(&found, &chunks(&content, bites[1]));
        let mut rest = &content[..];
        for chunk in &found {
            let bytes = rest.split_off(..chunk.length as usize).unwrap();
            prop_assert_eq!(*chunk, Chunk::of(bytes));
            prop_assert!(rest.is_empty() || (SHORTEST..=LONGEST).contains(&bytes.len()));
            prop_assert_eq!(Chunk::from_bytes(&chunk.to_bytes()), Some(*chunk));
        }
        prop_assert!(rest.is_empty());
    }
}
