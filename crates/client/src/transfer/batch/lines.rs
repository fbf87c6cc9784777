//! Lines of an answer, and what follows them, out of chunks that are cut anywhere. Pure.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

/// The longest line that is read: a node with all the metadata it may have, or a problem.
const MAX_LINE: usize = 256 * 1_024;

/// What an answer is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line without its end.
    Line(Bytes),
    /// Some of the content that follows a line.
    Content(Bytes),
    /// The end of that content.
    End,
}

/// Takes an answer apart. It holds a part of a line at most.
#[derive(Debug, Default)]
pub(super) struct Lines {
    chunk: Bytes,
    begun: BytesMut,
    /// How much of a content is still to come; nothing between contents.
    left: Option<u64>,
}

impl Lines {
    /// Adds the next chunk, once [`Self::next`] has given all there was.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// Says that so many bytes of content follow the line that was given last.
    pub(super) fn follow(&mut self, size: u64) {
        self.left = Some(size);
    }

    /// Tells whether nothing was begun that has not ended.
    pub(super) fn is_between(&self) -> bool {
        self.left.is_none() && self.begun.is_empty()
    }

    /// Returns the next piece; nothing where more must come first.
    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                self.left = None;
                return Ok(Some(Piece::End));
            }
            let taken = usize::try_from(*left).map_or(self.chunk.len(), |left| left.min(self.chunk.len()));
            *left -= taken as u64;
            let content = self.chunk.split_to(taken);
            return Ok((!content.is_empty()).then_some(Piece::Content(content)));
        }
        let end = self.chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(self.chunk.len());
        if self.begun.len() + taken > MAX_LINE {
            return Err(Error::unreadable("a line of the answer does not end", 200));
        }
        if end.is_some() && self.begun.is_empty() {
            let line = self.chunk.split_to(taken);
            self.chunk.advance(1);
            return Ok(Some(Piece::Line(line)));
        }
        self.begun.extend_from_slice(&self.chunk.split_to(taken));
        if end.is_none() {
            return Ok(None);
        }
        self.chunk.advance(1);
        Ok(Some(Piece::Line(self.begun.split().freeze())))
    }
}
