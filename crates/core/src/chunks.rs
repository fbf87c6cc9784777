//! Content cut where its bytes say so: what two versions share is cut alike, wherever it has moved to.
//!
//! Both ends cut by the same rule, [`ALGORITHM`], which is a part of the protocol: chunks of about 16 KiB, each known by
//! the first 16 bytes of its BLAKE3. That names a chunk among those of one file; what is composed by it is verified as a
//! whole by its own digest.

use std::fmt::{self, Debug};

use fastcdc::v2020::{Normalization, cut, select_masks};

/// The rule that content is cut by, and what each chunk is known by: the first line of a list of chunks.
pub const ALGORITHM: &str = "fastcdc-2020:4096:16384:65536 blake3:16";

/// The media type of a list of chunks: a line with [`ALGORITHM`], then [`CHUNK_BYTES`] for each chunk.
pub const MEDIA_TYPE: &str = "application/vnd.longshore.chunks";

/// How many bytes a chunk has in a list: its length, least byte first, and what it is known by.
pub const CHUNK_BYTES: usize = 4 + NAME_BYTES;

/// The smallest content of which there is a list, in bytes.
pub const LEAST_CONTENT: u64 = 1024 * 1024;

/// How many bytes every chunk has at least, but the last of a content.
pub const SHORTEST: usize = 4 * 1024;
/// What the rule aims at; noise is cut into some 20 KiB.
const MEAN: usize = 16 * 1024;
const LONGEST: usize = 64 * 1024;
const NAME_BYTES: usize = 16;

/// What a chunk is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkName([u8; NAME_BYTES]);

impl Debug for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A chunk of some content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// How many bytes it has: at least one.
    pub length: u32,
    /// What it is known by.
    pub name: ChunkName,
}

impl Chunk {
    fn of(bytes: &[u8]) -> Self {
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(&blake3::hash(bytes).as_bytes()[..NAME_BYTES]);
        // No chunk is longer than the longest.
        Self { length: u32::try_from(bytes.len()).unwrap_or(u32::MAX), name: ChunkName(name) }
    }

    /// Writes a chunk as it stands in a list.
    #[must_use]
    pub fn to_bytes(self) -> [u8; CHUNK_BYTES] {
        let mut bytes = [0; CHUNK_BYTES];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..].copy_from_slice(&self.name.0);
        bytes
    }

    /// Reads a chunk of a list; nothing where it has a length that no chunk has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; CHUNK_BYTES]) -> Option<Self> {
        let (length, name) = bytes.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let fits = (1..=LONGEST).contains(&(length as usize));
        fits.then_some(Self { length, name: ChunkName(name.try_into().ok()?) })
    }
}

/// Cuts content that comes bit by bit. It holds no more than the longest chunk and what came last.
#[derive(Debug)]
pub struct Chunker {
    held: Vec<u8>,
    strict: u64,
    loose: u64,
}

impl Default for Chunker {
    fn default() -> Self {
        let (strict, loose) = select_masks(MEAN, Normalization::Level1);
        Self { held: Vec::new(), strict, loose }
    }
}

impl Chunker {
    /// Takes the next bytes, and gives the chunks that end in them.
    pub fn update(&mut self, bytes: &[u8], mut give: impl FnMut(Chunk)) {
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        // Where a chunk ends shows in the longest that it can be.
        while self.held.len() - at >= LONGEST {
            at += self.give(at, &mut give);
        }
        self.held.drain(..at);
    }

    /// Ends the content, and gives the chunks that are left.
    pub fn finish(self, mut give: impl FnMut(Chunk)) {
        let mut at = 0;
        while at < self.held.len() {
            at += self.give(at, &mut give);
        }
    }

    fn give(&self, at: usize, give: &mut impl FnMut(Chunk)) -> usize {
        let rest = &self.held[at..];
        let (strict, loose) = (self.strict, self.loose);
        let (_, length) = cut(rest, SHORTEST, MEAN, LONGEST, strict, loose, strict << 1, loose << 1);
        let length = length.clamp(1, rest.len());
        give(Chunk::of(&rest[..length]));
        length
    }
}

#[cfg(test)]
mod tests;
