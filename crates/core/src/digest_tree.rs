//! BLAKE3 of content whose cells are hashed apart, in any order, and merged at the end.
//!
//! BLAKE3 is a tree: content that is cut at multiples of a power of two gives one *chaining value* a cell, and the
//! digest of the whole follows from those alone. So what comes in parallel, or after a break, need not be read again
//! to be verified.
//!
//! Content of no more than one cell has no tree above it: its digest is [`CellHasher::whole`], never [`root`].

use std::fmt::{self, Debug, Display};
use std::ops::Range;
use std::str::FromStr;

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::digest::{Algorithm, Digest};

/// The smallest cell: a chunk of BLAKE3.
const SMALLEST: u64 = blake3::CHUNK_LEN as u64;

/// How large the cells are that content is cut into: a power of two, at least 1 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSize(u64);

impl CellSize {
    /// Makes a size of some bytes; nothing if they are no power of two or fewer than 1 KiB.
    #[must_use]
    pub const fn new(bytes: u64) -> Option<Self> {
        if bytes.is_power_of_two() && bytes >= SMALLEST { Some(Self(bytes)) } else { None }
    }

    /// A size of some MiB, rounded up to a power of two.
    #[must_use]
    pub const fn mebibytes(count: u32) -> Self {
        Self((count as u64).next_power_of_two() << 20)
    }

    /// Returns the size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Returns how many cells content of `length` bytes has; empty content has none.
    #[must_use]
    pub const fn count(self, length: u64) -> u64 {
        length.div_ceil(self.0)
    }

    /// Returns the bytes of the cell with this number, from 0, in content of `length` bytes; the last may be short,
    /// and what lies beyond the content is empty.
    #[must_use]
    pub fn range(self, cell: u64, length: u64) -> Range<u64> {
        let start = cell.saturating_mul(self.0).min(length);
        start..start.saturating_add(self.0).min(length)
    }
}

/// The chaining value of a cell; its text is 64 hexadecimal characters.
///
/// It is no digest: the same bytes at another place have another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chaining([u8; 32]);

impl Chaining {
    /// Makes a chaining value of bytes that were kept.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to keep.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Display for Chaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&blake3::Hash::from_bytes(self.0).to_hex(), f)
    }
}

impl Debug for Chaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// A text is no chaining value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainingError;

impl Display for ChainingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a chaining value is 64 hexadecimal characters")
    }
}

impl std::error::Error for ChainingError {}

impl FromStr for Chaining {
    type Err = ChainingError;

    fn from_str(text: &str) -> Result<Self, ChainingError> {
        blake3::Hash::from_hex(text).map(|hash| Self(hash.into())).map_err(|_| ChainingError)
    }
}

/// Hashes one cell, whose bytes come in order.
#[derive(Clone, Debug)]
pub struct CellHasher {
    hasher: blake3::Hasher,
    first: bool,
    room: u64,
    taken: u64,
}

impl CellHasher {
    /// Starts the cell with this number, from 0.
    #[must_use]
    pub fn new(size: CellSize, cell: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        // No content reaches where this saturates; an offset must still be a cell's.
        hasher.set_input_offset(cell.saturating_mul(size.bytes()) & !(size.bytes() - 1));
        Self { hasher, first: cell == 0, room: size.bytes(), taken: 0 }
    }

    /// Takes as many of the bytes as the cell has room for, and returns how many those were: the rest is the next
    /// cell's.
    pub fn update(&mut self, bytes: &[u8]) -> usize {
        let room = usize::try_from(self.room - self.taken).unwrap_or(usize::MAX);
        let taken = bytes.len().min(room);
        self.hasher.update(&bytes[..taken]);
        self.taken += taken as u64;
        taken
    }

    /// Returns how many bytes came so far.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Returns whether the cell has no room left.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.taken == self.room
    }

    /// Returns the cell's chaining value; nothing for an empty cell, which no tree has. A cell that is not full must
    /// be the content's last one.
    #[must_use]
    pub fn chaining(&self) -> Option<Chaining> {
        (self.taken > 0).then(|| Chaining(self.hasher.finalize_non_root()))
    }

    /// Returns the digest of content that is all in this cell; nothing for any but the first cell.
    #[must_use]
    pub fn whole(&self) -> Option<Digest> {
        self.first.then(|| Digest::new(Algorithm::Blake3, self.hasher.finalize().into()))
    }
}

/// Merges the chaining values of all of the content's cells, in their order, to its digest.
///
/// Nothing for fewer than two cells: they make no tree, see [`CellHasher::whole`].
#[must_use]
pub fn root(cells: impl IntoIterator<Item = Chaining>) -> Option<Digest> {
    // Subtrees of a power of two cells that wait for a right neighbour, the largest first. A cell is merged only when
    // the next one is there, so that the last merge is left for the root.
    let mut waiting: Vec<Chaining> = Vec::new();
    let mut cells = cells.into_iter();
    let mut last = cells.next()?;
    for (before, cell) in (1_u64..).zip(cells) {
        let mut subtree = last;
        for _ in 0..before.trailing_zeros() {
            let left = waiting.pop()?;
            subtree = Chaining(merge_subtrees_non_root(&left.0, &subtree.0, Mode::Hash));
        }
        waiting.push(subtree);
        last = cell;
    }
    while waiting.len() > 1 {
        let left = waiting.pop()?;
        last = Chaining(merge_subtrees_non_root(&left.0, &last.0, Mode::Hash));
    }
    let left = waiting.pop()?;
    Some(Digest::new(Algorithm::Blake3, merge_subtrees_root(&left.0, &last.0, Mode::Hash).into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Algorithm, CellHasher, CellSize, Chaining, Digest, root};

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
    }

    /// Hashes content cell by cell, from the last to the first, in bites of some size.
    fn by_cells(content: &[u8], size: CellSize, bite: usize) -> Digest {
        let length = content.len() as u64;
        if size.count(length) < 2 {
            let mut hasher = CellHasher::new(size, 0);
            assert_eq!(hasher.update(content), content.len());
            return hasher.whole().unwrap();
        }
        let mut cells: Vec<Chaining> = (0..size.count(length))
            .rev()
            .map(|cell| {
                let range = size.range(cell, length);
                let mut hasher = CellHasher::new(size, cell);
                let mut rest = &content[range.start as usize..];
                while !hasher.is_full() && !rest.is_empty() {
                    let taken = hasher.update(&rest[..bite.min(rest.len())]);
                    rest = &rest[taken..];
                }
                assert_eq!(hasher.taken(), range.end - range.start);
                hasher.chaining().unwrap()
            })
            .collect();
        cells.reverse();
        root(cells).unwrap()
    }

    fn whole(content: &[u8]) -> Digest {
        Digest::new(Algorithm::Blake3, blake3::hash(content).into())
    }

    proptest! {
        #[test]
        fn cells_hashed_apart_give_the_digest_of_the_whole(
            length in 0..200_000_usize, power in 10..18_u32, bite in 1..5_000_usize,
        ) {
            let content = content(length);
            let size = CellSize::new(1 << power).unwrap();
            prop_assert_eq!(by_cells(&content, size, bite), whole(&content));
        }
    }

    #[test]
    fn lengths_at_the_edges_of_cells_are_right() {
        let size = CellSize::new(1024).unwrap();
        for cells in 0..34_usize {
            for length in [cells * 1024, (cells * 1024).saturating_sub(1), cells * 1024 + 1] {
                let content = content(length);
                assert_eq!(by_cells(&content, size, 700), whole(&content), "{length} bytes");
            }
        }
    }

    #[test]
    fn a_cell_takes_no_more_than_its_own() {
        let size = CellSize::new(1024).unwrap();
        let mut hasher = CellHasher::new(size, 3);
        assert_eq!(hasher.chaining(), None);
        assert_eq!(hasher.update(&[7; 1000]), 1000);
        assert_eq!(hasher.update(&[7; 1000]), 24);
        assert_eq!(hasher.update(&[7; 1000]), 0);
        assert!(hasher.is_full());
        assert_eq!(hasher.whole(), None, "the digest of content is not in its fourth cell");
    }

    #[test]
    fn sizes_are_powers_of_two() {
        assert_eq!(CellSize::new(0), None);
        assert_eq!(CellSize::new(512), None);
        assert_eq!(CellSize::new(1025), None);
        assert_eq!(CellSize::mebibytes(3).bytes(), 4 << 20);
        let size = CellSize::mebibytes(1);
        assert_eq!((size.count(0), size.count(1), size.count((1 << 20) + 1)), (0, 1, 2));
        assert_eq!(size.range(1, (1 << 20) + 5), 1 << 20..(1 << 20) + 5);
        assert!(size.range(9, 5).is_empty());
        assert!(size.range(u64::MAX, u64::MAX).is_empty());
    }

    #[test]
    fn chaining_values_come_back_from_text() {
        let value = Chaining::new([0xa7; 32]);
        assert_eq!(value.to_string().parse::<Chaining>().unwrap(), value);
        for bad in ["", "zz", &"a".repeat(63), &"g".repeat(64)] {
            assert!(bad.parse::<Chaining>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_tree_is_made_of_less_than_two_cells() {
        assert_eq!(root([]), None);
        assert_eq!(root([Chaining::new([1; 32])]), None);
    }
}
