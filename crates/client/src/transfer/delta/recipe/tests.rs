use longshore_core::chunks::{ALGORITHM, CHUNK_BYTES, Chunk, Chunker};
use proptest::prelude::*;

use super::{Composer, Instruction, Known, Listing, Recipe, Unusable};

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut content = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut content);
    content
}

fn chunks(content: &[u8]) -> Vec<Chunk> {
    let (mut chunker, mut found) = (Chunker::default(), Vec::new());
    chunker.update(content, |chunk| found.push(chunk));
    chunker.finish(|chunk| found.push(chunk));
    found
}

fn list(content: &[u8]) -> Vec<u8> {
    let entries = chunks(content).into_iter().flat_map(Chunk::to_bytes);
    ALGORITHM.bytes().chain([b'\n']).chain(entries).collect()
}

fn read(list: &[u8], length: u64, bite: usize) -> Result<Known, Unusable> {
    let mut listing = Listing::default();
    for bytes in list.chunks(bite) {
        listing.push(bytes, length)?;
    }
    listing.finish(length)
}

fn compose(old: &[u8], new: &[u8]) -> Recipe {
    let mut composer = Composer::new(read(&list(old), old.len() as u64, 1_000).unwrap());
    for chunk in chunks(new) {
        composer.take(chunk);
    }
    composer.finish()
}

fn carry_out(recipe: &Recipe, from: u64, old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut made = new[..from as usize].to_vec();
    for instruction in recipe.instructions(from) {
        match instruction {
            Instruction::Copy(range) => made.extend(&old[range.start as usize..range.end as usize]),
            Instruction::Data(at, length) => made.extend(&new[at as usize..][..length as usize]),
        }
    }
    made
}

#[test]
fn only_a_whole_list_by_our_rule_is_used() {
    let content = noise(300_000, 1);
    let good = list(&content);
    assert!(read(&good, 300_000, 7).is_ok());
    assert!(read(&good, 300_001, 7).is_err(), "of another length");
    assert!(read(&good, 299_999, 7).is_err());
    assert!(read(&good[..good.len() - 1], 300_000, 7).is_err(), "cut");
    assert!(read(&good[..good.len() - CHUNK_BYTES], 300_000, 7).is_err());
    assert!(read(&good[..5], 0, 7).is_err());
    let short = |lengths: &[u32]| {
        let entries =
            lengths.iter().flat_map(|length| Chunk { length: *length, ..chunks(&content)[0] }.to_bytes());
        let list: Vec<_> = ALGORITHM.bytes().chain([b'\n']).chain(entries).collect();
        read(&list, lengths.iter().map(|length| u64::from(*length)).sum(), 1_000)
    };
    assert!(short(&[4_096, 9_000, 1]).is_ok(), "the last may be short");
    assert!(short(&[4_096, 4_095, 4_096]).is_err());
    let mut other = good;
    other[8] ^= 1;
    assert!(read(&other, 300_000, 7).is_err(), "another rule");
}

#[test]
fn what_repeats_is_copied_as_it_stood() {
    let content = vec![0; 3_000_000];
    let recipe = compose(&content, &content);
    assert_eq!(recipe.instructions(0).collect::<Vec<_>>(), [Instruction::Copy(0..3_000_000)]);
}

#[test]
fn of_chunks_that_are_alike_the_next_is_taken_or_else_the_first() {
    // One that stands twice, each time before another.
    let (twice, one, two) = (noise(65_536, 4), noise(65_536, 5), noise(65_536, 6));
    let named = |bytes: &[u8]| {
        let name = chunks(bytes)[0].name;
        Chunk { length: 65_536, name }
    };
    let old = [named(&twice), named(&one), named(&twice), named(&two)];
    let entries = old.iter().flat_map(|chunk| chunk.to_bytes());
    let list: Vec<_> = ALGORITHM.bytes().chain([b'\n']).chain(entries).collect();
    let compose = |new: &[Chunk]| {
        let mut composer = Composer::new(read(&list, 4 * 65_536, 1_000).unwrap());
        new.iter().for_each(|chunk| composer.take(*chunk));
        composer.finish().instructions(0).collect::<Vec<_>>()
    };
    assert_eq!(compose(&old[1..]), [Instruction::Copy(65_536..4 * 65_536)]);
    assert_eq!(compose(&old[2..3]), [Instruction::Copy(0..65_536)]);
    let other = named(&noise(65_536, 7));
    assert_eq!(compose(&[other]), [Instruction::Data(0, 65_536)]);
}

#[test]
fn what_shares_too_little_does_not_pay() {
    let (old, other) = (noise(2_000_000, 2), noise(2_000_000, 3));
    assert!(compose(&old, &old).pays(2_000_000));
    assert!(!compose(&old, &other).pays(2_000_000));
    let mut half = old.clone();
    half[..900_000].copy_from_slice(&other[..900_000]);
    assert!(compose(&old, &half).pays(2_000_000));
    half[..1_300_000].copy_from_slice(&other[..1_300_000]);
    assert!(!compose(&old, &half).pays(2_000_000));
}

proptest! {
    #[test]
    fn a_recipe_makes_the_new_content_from_any_byte_on(
        length in 0..600_000_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..90_000_usize, 0..700_000_usize), 0..6),
        from: prop::sample::Index,
        seed: u64,
    ) {
        let old = noise(length, seed);
        let mut new = old.clone();
        for (number, (at, removed, added)) in (1..).zip(edits) {
            let at = at.index(new.len() + 1);
            let end = (at + removed).min(new.len());
            new.splice(at..end, noise(added, seed.wrapping_add(number)));
        }
        let recipe = compose(&old, &new);
        let from = from.index(new.len() + 1) as u64;
        prop_assert!(carry_out(&recipe, 0, &old, &new) == new);
        prop_assert!(carry_out(&recipe, from, &old, &new) == new);
        let sent: u64 = recipe.instructions(from).map(|instruction| match instruction {
            Instruction::Copy(_) => 17,
            Instruction::Data(_, length) => 5 + u64::from(length),
        }).sum();
        prop_assert_eq!(recipe.bytes(from), sent);
    }
}
