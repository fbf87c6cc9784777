//! What a new content shares with an old one, and how it is composed of that. Pure.

use std::ops::Range;

use longshore_core::chunks::{ALGORITHM, CHUNK_BYTES, Chunk, ChunkName, SHORTEST};
use longshore_core::delta::{COPY_BYTES, DATA_BYTES};

use crate::transfer::plan::CHUNK;

#[cfg(test)]
mod tests;

/// The most ranges that a content is composed of: an upload has at most 10,000 pieces, and a cut makes one more.
const MOST_STEPS: usize = 9_000;

/// The chunks of the old content, by what they are known by: 28 bytes for each.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// In the order of the content: their names, and where they begin.
    chunks: Vec<(ChunkName, u64)>,
    /// The numbers of the chunks, in the order of their names and then of the content.
    by_name: Vec<u32>,
    length: u64,
}

impl Known {
    fn push(&mut self, chunk: Chunk) {
        self.chunks.push((chunk.name, self.length));
        self.length += u64::from(chunk.length);
    }

    /// Makes it known where each name is, once all chunks are there.
    fn sorted(mut self) -> Self {
        self.chunks.shrink_to_fit();
        // A list of more chunks than this can number is longer than any that is asked for.
        let mut by_name: Vec<_> = (0..u32::try_from(self.chunks.len()).unwrap_or(u32::MAX)).collect();
        by_name.sort_unstable_by_key(|number| (self.name(*number), *number));
        Self { by_name, ..self }
    }

    fn name(&self, number: u32) -> Option<ChunkName> {
        self.chunks.get(number as usize).map(|(name, _)| *name)
    }

    fn range(&self, number: usize) -> Option<Range<u64>> {
        let (_, start) = self.chunks.get(number)?;
        let end = self.chunks.get(number + 1).map_or(self.length, |(_, start)| *start);
        Some(*start..end)
    }

    /// Returns the number of a chunk like this one: that which is `next`, or the first.
    fn find(&self, chunk: Chunk, next: usize) -> Option<usize> {
        let is_next = self.chunks.get(next).is_some_and(|(name, _)| *name == chunk.name);
        if is_next {
            return Some(next);
        }
        let first = self.by_name.partition_point(|number| self.name(*number) < Some(chunk.name));
        let number = *self.by_name.get(first)?;
        (self.name(number) == Some(chunk.name)).then_some(number as usize)
    }
}

/// A list of chunks, read as it comes.
#[derive(Debug, Default)]
pub(super) struct Listing {
    begun: Vec<u8>,
    has_rule: bool,
    /// Whether the last chunk that came is one that no other follows.
    is_over: bool,
    known: Known,
}

/// A list is not one that can be used: it is cut by another rule, or malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusable;

impl Listing {
    /// Takes the next bytes of the list of a content of `length` bytes.
    pub(super) fn push(&mut self, bytes: &[u8], length: u64) -> Result<(), Unusable> {
        self.begun.extend_from_slice(bytes);
        if !self.has_rule {
            let Some((rule, rest)) = self.begun.split_at_checked(ALGORITHM.len() + 1) else { return Ok(()) };
            if rule.strip_suffix(b"\n") != Some(ALGORITHM.as_bytes()) {
                return Err(Unusable);
            }
            self.begun = rest.to_vec();
            self.has_rule = true;
        }
        let (entries, rest) = self.begun.as_chunks::<CHUNK_BYTES>();
        for entry in entries {
            let chunk = Chunk::from_bytes(entry).ok_or(Unusable)?;
            let is_after_last = std::mem::replace(&mut self.is_over, (chunk.length as usize) < SHORTEST);
            self.known.push(chunk);
            // What is held of a content is bounded by its length only because its chunks are not as short as they like.
            if is_after_last || self.known.length > length {
                return Err(Unusable);
            }
        }
        self.begun = rest.to_vec();
        Ok(())
    }

    /// Returns what is known of a content of `length` bytes, all of whose list has come.
    pub(super) fn finish(self, length: u64) -> Result<Known, Unusable> {
        let is_whole = self.has_rule && self.begun.is_empty() && self.known.length == length;
        is_whole.then(|| self.known.sorted()).ok_or(Unusable)
    }
}

/// A step of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A range of the old content.
    Copy(Range<u64>),
    /// So many bytes of the new one.
    Data(u64),
}

/// What is said to the server in one instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    /// A range of the old content.
    Copy(Range<u64>),
    /// Bytes of the new one, which begin at this place of it.
    Data(u64, u32),
}

impl Instruction {
    /// Returns how many bytes go over the wire.
    fn bytes(&self) -> u64 {
        match self {
            Self::Copy(_) => COPY_BYTES as u64,
            Self::Data(_, length) => DATA_BYTES as u64 + u64::from(*length),
        }
    }
}

/// How a new content is composed of an old one.
#[derive(Debug, Default)]
pub(super) struct Recipe {
    steps: Vec<Step>,
    data: u64,
}

impl Recipe {
    /// Tells whether so much of `length` bytes is shared that sending the rest alone pays.
    pub(super) fn pays(&self, length: u64) -> bool {
        self.data <= length / 10 * 6 && self.steps.len() <= MOST_STEPS
    }

    fn copy(&mut self, range: Range<u64>) {
        match self.steps.last_mut() {
            Some(Step::Copy(last)) if last.end == range.start => last.end = range.end,
            _ => self.steps.push(Step::Copy(range)),
        }
    }

    fn data(&mut self, length: u64) {
        self.data += length;
        match self.steps.last_mut() {
            Some(Step::Data(last)) => *last += length,
            _ => self.steps.push(Step::Data(length)),
        }
    }

    /// Returns the instructions that make the content from this byte of it on.
    pub(super) fn instructions(&self, from: u64) -> impl Iterator<Item = Instruction> {
        let placed = self.steps.iter().scan(0, |end: &mut u64, step| {
            let at = *end;
            *end += match step {
                Step::Copy(range) => range.end - range.start,
                Step::Data(length) => *length,
            };
            Some((at..*end, step))
        });
        placed.filter(move |(place, _)| place.end > from).flat_map(move |(place, step)| {
            let skipped = from.saturating_sub(place.start);
            let copied = match step {
                Step::Copy(range) => Some(Instruction::Copy(range.start + skipped..range.end)),
                Step::Data(_) => None,
            };
            let rest = if copied.is_some() { place.end..place.end } else { place.start + skipped..place.end };
            let end = rest.end;
            let data = rest.step_by(CHUNK).map(move |at| {
                // A chunk's length fits.
                Instruction::Data(at, (end - at).min(CHUNK as u64) as u32)
            });
            copied.into_iter().chain(data)
        })
    }

    /// Returns how many bytes the instructions from this byte of the content on have.
    pub(super) fn bytes(&self, from: u64) -> u64 {
        self.instructions(from).map(|instruction| instruction.bytes()).sum()
    }
}

/// Writes a recipe as the chunks of the new content come.
#[derive(Debug)]
pub(super) struct Composer {
    known: Known,
    next: usize,
    recipe: Recipe,
}

impl Composer {
    pub(super) fn new(known: Known) -> Self {
        Self { known, next: 0, recipe: Recipe::default() }
    }

    /// Takes the next chunk.
    pub(super) fn take(&mut self, chunk: Chunk) {
        let length = u64::from(chunk.length);
        let found = self.known.find(chunk, self.next);
        let shared = found.and_then(|number| Some((number, self.known.range(number)?)));
        match shared.filter(|(_, range)| range.end - range.start == length) {
            Some((number, range)) => {
                self.next = number + 1;
                self.recipe.copy(range);
            }
            None => self.recipe.data(length),
        }
    }

    /// Tells whether what came so far leaves hope that the recipe of `length` bytes will pay.
    pub(super) fn may_pay(&self, length: u64) -> bool {
        self.recipe.pays(length)
    }

    pub(super) fn finish(self) -> Recipe {
        self.recipe
    }
}
