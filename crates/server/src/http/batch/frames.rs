//! Taking a batch apart: lines and contents out of pieces that are cut anywhere. Pure.

use bytes::{Buf, Bytes, BytesMut};
use longshore_core::Code;
use longshore_core::wire::BATCH_LINE_BYTES;

use crate::problem::Failure;

#[cfg(test)]
mod tests;

/// What a batch is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// An item's header line, without its end. What follows it is to be said with [`Frames::follow`].
    Line(Bytes),
    /// An item's content.
    Content(Bytes),
    /// The end of a content that was not wanted.
    Skipped,
}

#[derive(Debug)]
enum Part {
    Line,
    Content { left: u64 },
    Unwanted { left: u64 },
}

/// The frames of a batch. It holds at most a line or a content, in a copy, so that no small item keeps a large piece.
#[derive(Debug)]
pub(super) struct Frames {
    /// What has come and is not looked at.
    piece: Bytes,
    part: Part,
    /// What has come of the part.
    begun: BytesMut,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { piece: Bytes::new(), part: Part::Line, begun: BytesMut::new() }
    }

    /// Adds the next piece of the body, once [`Self::next`] has given all there was.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.piece = piece;
    }

    /// Says how many bytes follow the line that was given last, and whether they are wanted.
    pub(super) fn follow(&mut self, size: u64, wanted: bool) {
        self.part = if wanted { Part::Content { left: size } } else { Part::Unwanted { left: size } };
    }

    /// Tells whether the last item has come whole.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.part, Part::Line) && self.begun.is_empty()
    }

    /// Returns the next frame; nothing where more must come first.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Failure> {
        match &mut self.part {
            Part::Line => {
                let end = self.piece.iter().position(|byte| *byte == b'\n');
                let taken = end.unwrap_or(self.piece.len());
                if self.begun.len() + taken >= BATCH_LINE_BYTES {
                    let detail = format!("an item's header line has at most {BATCH_LINE_BYTES} bytes");
                    return Err(Failure::new(Code::InvalidBody, detail));
                }
                self.begun.extend_from_slice(&self.piece.split_to(taken));
                if end.is_none() {
                    return Ok(None);
                }
                self.piece.advance(1);
                // No content until the caller says so, should it forget.
                self.part = Part::Unwanted { left: 0 };
                Ok(Some(Frame::Line(self.begun.split().freeze())))
            }
            Part::Content { left } => {
                let taken =
                    usize::try_from(*left).map_or(self.piece.len(), |left| left.min(self.piece.len()));
                *left -= taken as u64;
                let is_whole = *left == 0;
                let came = self.piece.split_to(taken);
                if is_whole && self.begun.is_empty() {
                    self.part = Part::Line;
                    return Ok(Some(Frame::Content(Bytes::copy_from_slice(&came))));
                }
                self.begun.extend_from_slice(&came);
                if !is_whole {
                    return Ok(None);
                }
                self.part = Part::Line;
                Ok(Some(Frame::Content(std::mem::take(&mut self.begun).freeze())))
            }
            Part::Unwanted { left } => {
                let taken =
                    usize::try_from(*left).map_or(self.piece.len(), |left| left.min(self.piece.len()));
                *left -= taken as u64;
                self.piece.advance(taken);
                if *left > 0 {
                    return Ok(None);
                }
                self.part = Part::Line;
                Ok(Some(Frame::Skipped))
            }
        }
    }
}
