//! A delta: how a content is composed of ranges of another, its base, and of bytes that came along.
//!
//! It is a stream of instructions, in the order of the content. `C` and two numbers of 8 bytes, a place in the base and a
//! length, copy a range of it; `D` and a length of 4 bytes are followed by that many bytes. Numbers have the least byte
//! first, and no length is zero.

use std::fmt::{self, Display};
use std::ops::Range;

/// The media type of a delta.
pub const MEDIA_TYPE: &str = "application/vnd.longshore.delta";

/// How many bytes an instruction to copy has.
pub const COPY_BYTES: usize = 17;

/// How many bytes stand before those that come along.
pub const DATA_BYTES: usize = 5;

/// Writes the instruction to copy a range of the base.
#[must_use]
pub fn copy(range: Range<u64>) -> [u8; COPY_BYTES] {
    let mut bytes = [b'C'; COPY_BYTES];
    bytes[1..9].copy_from_slice(&range.start.to_le_bytes());
    bytes[9..].copy_from_slice(&range.end.saturating_sub(range.start).to_le_bytes());
    bytes
}

/// Writes what stands before so many bytes that come along.
#[must_use]
pub fn data(length: u32) -> [u8; DATA_BYTES] {
    let mut bytes = [b'D'; DATA_BYTES];
    bytes[1..].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// What a delta says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A range of the base, which has at least one byte.
    Copy(Range<u64>),
    /// Bytes that came along: all of them, or those that came so far.
    Data(&'a [u8]),
}

/// An instruction is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It begins with another byte than `C` or `D`.
    Unknown(u8),
    /// It is about no byte.
    Empty,
    /// The range that it copies ends past every number.
    Endless,
}

impl Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(byte) => write!(f, "no instruction begins with {byte:#04x}"),
            Self::Empty => f.write_str("an instruction is about no byte"),
            Self::Endless => f.write_str("an instruction copies past every end"),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads a delta that comes bit by bit. It holds less than one instruction.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    begun: [u8; COPY_BYTES],
    held: usize,
    /// How many bytes are still to come along.
    data: u32,
}

impl Decoder {
    /// Takes the next step off the front of `bytes`; nothing where more must come first, and all of them are taken then.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Step<'a>>, Malformed> {
        if self.data == 0 {
            let Some((first, wanted)) = self.wanted(bytes)? else { return Ok(None) };
            let taken = (wanted - self.held).min(bytes.len());
            let (head, rest) = bytes.split_at(taken);
            self.begun[self.held..self.held + taken].copy_from_slice(head);
            self.held += taken;
            *bytes = rest;
            if self.held < wanted {
                return Ok(None);
            }
            self.held = 0;
            if first == b'C' {
                return self.copied().map(|range| Some(Step::Copy(range)));
            }
            let [_, a, b, c, d, ..] = self.begun;
            self.data = u32::from_le_bytes([a, b, c, d]);
            if self.data == 0 {
                return Err(Malformed::Empty);
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let taken = usize::try_from(self.data).map_or(bytes.len(), |data| data.min(bytes.len()));
        let (data, rest) = bytes.split_at(taken);
        *bytes = rest;
        // No more was taken than was to come.
        self.data -= u32::try_from(taken).unwrap_or(self.data);
        Ok(Some(Step::Data(data)))
    }

    /// Returns the first byte of the instruction that is next, and how long its head is.
    fn wanted(&self, bytes: &[u8]) -> Result<Option<(u8, usize)>, Malformed> {
        let first = if self.held > 0 { Some(self.begun[0]) } else { bytes.first().copied() };
        match first {
            None => Ok(None),
            Some(b'C') => Ok(Some((b'C', COPY_BYTES))),
            Some(b'D') => Ok(Some((b'D', DATA_BYTES))),
            Some(other) => Err(Malformed::Unknown(other)),
        }
    }

    fn copied(&self) -> Result<Range<u64>, Malformed> {
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&self.begun[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (start, length) = (number(1), number(9));
        if length == 0 {
            return Err(Malformed::Empty);
        }
        Ok(start..start.checked_add(length).ok_or(Malformed::Endless)?)
    }

    /// Tells whether nothing was begun that has not ended.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        self.held == 0 && self.data == 0
    }
}

#[cfg(test)]
mod tests;
