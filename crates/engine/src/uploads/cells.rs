//! The digest of content that came in pieces: each piece is hashed as it comes, in cells that have a fixed place in the
//! content, and only cells that a cut went through are read again.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use longshore_core::Digest;
use longshore_core::digest_tree::{CellHasher, CellSize, Chaining, root};

use crate::error::{Error, Result};

/// How large the cells are: a cut costs the reading of one, and each costs 32 bytes in the database.
pub(super) const CELL: CellSize = CellSize::mebibytes(1);

/// The bytes of a chaining value.
const VALUE: usize = 32;

/// Hashes a piece, whose bytes come in order, for one place in the content.
#[derive(Debug)]
pub(super) struct PieceHasher {
    size: CellSize,
    /// How many bytes are left of a cell that began before the piece.
    skipped: u64,
    next: u64,
    cell: Option<CellHasher>,
    values: BytesMut,
}

impl PieceHasher {
    /// Starts a piece that begins `at` this byte of the content.
    pub(super) fn new(size: CellSize, at: u64) -> Self {
        let next = at.div_ceil(size.bytes());
        let skipped = next.saturating_mul(size.bytes()) - at;
        Self { size, skipped, next, cell: None, values: BytesMut::new() }
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let skipped = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(bytes.len());
        self.skipped -= skipped as u64;
        let mut rest = &bytes[skipped..];
        while !rest.is_empty() {
            let cell = self.cell.get_or_insert_with(|| CellHasher::new(self.size, self.next));
            let taken = cell.update(rest);
            rest = &rest[taken..];
            if cell.is_full() {
                self.end_cell();
            }
        }
    }

    fn end_cell(&mut self) {
        if let Some(value) = self.cell.take().and_then(|cell| cell.chaining()) {
            self.values.extend_from_slice(value.as_bytes());
            self.next += 1;
        }
    }

    /// Returns the chaining values of all cells that begin in the piece. The last holds only if the content ends with
    /// the piece, or if the cell does.
    pub(super) fn finish(mut self) -> Bytes {
        self.end_cell();
        self.values.freeze()
    }
}

/// The cells of a content of known size, and what is known of them.
#[derive(Debug)]
pub(super) struct Cells {
    size: CellSize,
    length: u64,
    known: Vec<Option<Chaining>>,
    /// Of content that is all in one cell, which has no tree.
    whole: Option<Digest>,
}

impl Cells {
    pub(super) fn new(size: CellSize, length: u64) -> Self {
        let count = usize::try_from(size.count(length)).unwrap_or(usize::MAX);
        let whole = if length == 0 { CellHasher::new(size, 0).whole() } else { None };
        Self { size, length, known: vec![None; count], whole }
    }

    /// Takes what is known of a piece that lies in this range of the content, hashed for that place.
    pub(super) fn take(&mut self, range: Range<u64>, values: &[u8]) {
        if self.known.len() < 2 {
            return;
        }
        let first = range.start.div_ceil(self.size.bytes());
        for (number, value) in (first..).zip(values.chunks_exact(VALUE)) {
            let cell = self.size.range(number, self.length);
            let place = usize::try_from(number).ok().and_then(|number| self.known.get_mut(number));
            if let (Some(place), Ok(value)) = (place, <[u8; VALUE]>::try_from(value))
                && cell.end <= range.end
            {
                *place = Some(Chaining::new(value));
            }
        }
    }

    /// Returns the bytes of the next cells in a row that nothing is known of, from a cell on.
    pub(super) fn unknown(&self, from: u64) -> Option<Range<u64>> {
        let is_unknown = |number: &u64| {
            let place = usize::try_from(*number).ok().and_then(|number| self.known.get(number));
            matches!(place, Some(None)) && self.whole.is_none()
        };
        let count = self.known.len() as u64;
        let first = (from..count).find(is_unknown)?;
        let last = (first..count).take_while(is_unknown).last()?;
        Some(self.size.range(first, self.length).start..self.size.range(last, self.length).end)
    }

    /// Returns the hasher of the cell that begins at this byte, and the cell's number.
    pub(super) fn reader(&self, at: u64) -> (u64, CellHasher) {
        let number = at / self.size.bytes();
        (number, CellHasher::new(self.size, number))
    }

    /// Takes a cell that was read.
    pub(super) fn put(&mut self, number: u64, cell: &CellHasher) {
        if self.known.len() < 2 {
            self.whole = cell.whole();
        } else if let Some(place) = usize::try_from(number).ok().and_then(|number| self.known.get_mut(number))
        {
            *place = cell.chaining();
        }
    }

    /// Returns the digest of the whole; every cell must be known.
    pub(super) fn digest(self) -> Result<Digest> {
        let unknown = || Error::corrupt("a cell of an upload was not hashed");
        if let Some(whole) = self.whole {
            return Ok(whole);
        }
        let known = self.known.into_iter().collect::<Option<Vec<_>>>().ok_or_else(unknown)?;
        root(known).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use longshore_core::{Algorithm, Digest};
    use proptest::prelude::*;

    use super::{CellSize, Cells, PieceHasher};

    const SIZE: u64 = 1_024;

    /// Hashes content as it would come in pieces, and returns its digest and the cells that were read again.
    fn by_pieces(content: &[u8], cuts: &BTreeSet<usize>, bite: usize) -> (Digest, Vec<u64>) {
        let size = CellSize::new(SIZE).unwrap();
        let length = content.len() as u64;
        let mut cells = Cells::new(size, length);
        let mut ends: Vec<usize> = cuts.iter().copied().filter(|cut| *cut < content.len()).collect();
        ends.push(content.len());
        let mut at = 0;
        for end in ends {
            let mut hasher = PieceHasher::new(size, at as u64);
            for bytes in content[at..end].chunks(bite) {
                hasher.update(bytes);
            }
            cells.take(at as u64..end as u64, &hasher.finish());
            at = end;
        }
        let (mut read, mut from) = (Vec::new(), 0);
        while let Some(range) = cells.unknown(from) {
            let mut at = range.start;
            while at < range.end {
                let (number, mut cell) = cells.reader(at);
                at += cell.update(&content[at as usize..range.end as usize]) as u64;
                cells.put(number, &cell);
                read.push(number);
                from = number + 1;
            }
        }
        (cells.digest().unwrap(), read)
    }

    proptest! {
        #[test]
        fn only_what_a_cut_went_through_is_read_again(
            length in 0..40_000_usize,
            cuts in prop::collection::btree_set(1..40_000_usize, 0..12),
            at_edges in prop::collection::btree_set(1..40_usize, 0..6),
            bite in 1..3_000_usize,
        ) {
            let content: Vec<u8> = (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
            let edges = at_edges.iter().map(|edge| edge * SIZE as usize);
            let cuts: BTreeSet<usize> = cuts.into_iter().chain(edges).collect();
            let (digest, read) = by_pieces(&content, &cuts, bite);
            prop_assert_eq!(digest, Digest::new(Algorithm::Blake3, blake3::hash(&content).into()));
            let split: BTreeSet<u64> = cuts
                .iter()
                .map(|cut| *cut as u64)
                .filter(|cut| *cut < length as u64 && *cut % SIZE != 0)
                .map(|cut| cut / SIZE)
                .collect();
            let count = (length as u64).div_ceil(SIZE);
            // What has one cell has no tree, and is hashed once it is there.
            let due: Vec<u64> = if count == 1 { vec![0] } else { split.into_iter().collect() };
            prop_assert_eq!(read, due);
        }
    }
}
