//! Cutting what comes from a server into answers. Content of files goes straight to where it belongs.

use bytes::{Buf as _, Bytes, BytesMut};

use super::fault::Fault;
use super::link::{Link, Waiter};
use super::session::Reply;
use super::wire::{DATA_HEAD, HEAD, LONGEST, Reader, code, kind};

/// What came so far of answers that are not whole.
#[derive(Default)]
pub(super) struct Incoming {
    /// The begin of an answer.
    begun: BytesMut,
    /// Content that is coming in, and how many bytes of it are still to come.
    filling: Option<(Waiter, BytesMut, usize)>,
}

/// How much of an answer must be there before it can be taken.
enum Next {
    Bytes(usize),
    /// Content of so many bytes follows, for this request.
    Content(u32, usize),
}

impl Incoming {
    /// Takes the next bytes. Nothing if they break the protocol.
    pub(super) fn feed(&mut self, link: &Link, mut bytes: Bytes) -> Option<()> {
        while !bytes.is_empty() || self.filling.is_some() {
            if let Some((_, into, left)) = &mut self.filling {
                let now = bytes.len().min(*left);
                into.extend_from_slice(&bytes[..now]);
                bytes.advance(now);
                *left -= now;
                if *left > 0 {
                    return Some(());
                }
                if let Some((waiter, into, _)) = self.filling.take() {
                    waiter.answer(Ok(Reply::Data(into)));
                }
                continue;
            }
            let front: &[u8] = if self.begun.is_empty() { &bytes } else { &self.begun };
            match next(link, front)? {
                Next::Content(id, size) => {
                    // What was gathered of it is the head alone: see `Next::Bytes` below.
                    if self.begun.is_empty() {
                        bytes.advance(DATA_HEAD);
                    } else {
                        self.begun.advance(DATA_HEAD);
                    }
                    let waiter = link.take(id)?;
                    self.filling = Some(fill(waiter, size)?);
                }
                Next::Bytes(needed) if front.len() >= needed => {
                    let whole = if self.begun.is_empty() {
                        bytes.split_to(needed)
                    } else {
                        self.begun.split_to(needed).freeze()
                    };
                    answer(link, whole)?;
                }
                Next::Bytes(needed) => {
                    let missing = needed - self.begun.len();
                    let now = bytes.split_to(missing.min(bytes.len()));
                    self.begun.extend_from_slice(&now);
                    if self.begun.len() < needed {
                        return Some(());
                    }
                }
            }
        }
        Some(())
    }
}

/// Tells how much of the answer at the front is needed.
fn next(link: &Link, front: &[u8]) -> Option<Next> {
    let Some(mut head) = front.get(..HEAD) else { return Some(Next::Bytes(HEAD)) };
    let (length, what, id) = (head.get_u32() as usize, head.get_u8(), head.get_u32());
    if !(HEAD - 4..=LONGEST).contains(&length) {
        return None;
    }
    if what != kind::DATA || !link.takes_content(id) {
        return Some(Next::Bytes(length + 4));
    }
    let Some(mut size) = front.get(HEAD..DATA_HEAD) else { return Some(Next::Bytes(DATA_HEAD)) };
    let size = size.get_u32() as usize;
    (size + DATA_HEAD - 4 == length).then_some(Next::Content(id, size))
}

/// Makes a request ready to take its content, which is no more than it asked for.
fn fill(mut waiter: Waiter, size: usize) -> Option<(Waiter, BytesMut, usize)> {
    let (into, most) = waiter.into.take()?;
    (size <= most).then_some((waiter, into, size))
}

/// Gives a whole answer to who asked.
fn answer(link: &Link, whole: Bytes) -> Option<()> {
    let mut reader = Reader(whole.slice(4..));
    let what = reader.0.get_u8();
    let waiter = link.take(reader.number()?)?;
    let reply = match what {
        kind::STATUS => match reader.status()? {
            status if status.code == code::OK => Ok(Reply::Done),
            status => Err(Fault::Refused(status)),
        },
        kind::HANDLE => {
            waiter.answer_handle(reader.text()?);
            return Some(());
        }
        kind::NAME => Ok(Reply::Names(reader.names()?)),
        kind::ATTRS => Ok(Reply::Attributes(reader.attributes()?)),
        kind::EXTENDED_REPLY | kind::VERSION => Ok(Reply::Other(reader.0)),
        _ => return None,
    };
    waiter.answer(reply);
    Some(())
}
