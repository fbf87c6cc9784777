//! Reading server-sent events: bytes as they come in, messages out. Pure.

use bytes::{Buf, BytesMut};

use crate::error::{Error, Result};

/// The longest message that is read: far more than any event has.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// One message: what stood before an empty line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// The place that it names, if it names one.
    pub(crate) id: Option<u64>,
    /// What it holds; nothing where it only tells the place.
    pub(crate) data: Option<String>,
}

/// Puts messages together, wherever the chunks are cut.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no end of a line.
    searched: usize,
    message: Message,
}

impl Reader {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Returns the next whole message that says something.
    pub(crate) fn next(&mut self) -> Result<Option<Message>> {
        while let Some(line) = self.line()? {
            if !line.is_empty() {
                self.field(&line)?;
                continue;
            }
            let message = std::mem::take(&mut self.message);
            if message != Message::default() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<String>> {
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return if self.searched > MAX_MESSAGE { Err(too_long()) } else { Ok(None) };
        };
        let line = self.buffer.split_to(self.searched + end);
        self.buffer.advance(1);
        self.searched = 0;
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let text = str::from_utf8(line).map_err(|_| unreadable("a line is not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    fn field(&mut self, line: &str) -> Result<()> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.message.id = Some(value.parse().map_err(|_| unreadable("an id is no number"))?),
            "data" => {
                let data = match self.message.data.take() {
                    None => value.to_owned(),
                    Some(before) => format!("{before}\n{value}"),
                };
                if data.len() > MAX_MESSAGE {
                    return Err(too_long());
                }
                self.message.data = Some(data);
            }
            // A comment keeps the connection alive; of what else there is, nothing is needed.
            _ => {}
        }
        Ok(())
    }
}

fn unreadable(why: &str) -> Error {
    Error::unreadable(format!("the stream of events cannot be read: {why}"), 200)
}

fn too_long() -> Error {
    unreadable("a message does not end")
}

#[cfg(test)]
mod tests {
    use super::{MAX_MESSAGE, Message, Reader};

    const TEXT: &str =
        "retry: 1000\nid: 3\n\n:\n\nid: 4\nevent: a.b\ndata: {\"é\"\ndata::}\r\n\r\ndata\n\nid: 9\n";

    fn read(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<Message> {
        let (mut reader, mut messages) = (Reader::default(), Vec::new());
        for piece in pieces {
            reader.push(&piece);
            while let Some(message) = reader.next().unwrap() {
                messages.push(message);
            }
        }
        messages
    }

    #[test]
    fn messages_come_whole_wherever_they_are_cut() {
        let expected = [
            Message { id: Some(3), data: None },
            Message { id: Some(4), data: Some("{\"é\"\n:}".to_owned()) },
            Message { id: None, data: Some(String::new()) },
        ];
        for size in 1..TEXT.len() {
            let pieces = TEXT.as_bytes().chunks(size).map(<[u8]>::to_vec);
            assert_eq!(read(pieces), expected, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for text in ["id: x\n\n", "data: \u{fffd}\n"] {
            let mut bytes = text.replace('\u{fffd}', "?").into_bytes();
            if text.contains('\u{fffd}') {
                bytes[6] = 0xff;
            }
            let mut reader = Reader::default();
            reader.push(&bytes);
            assert!(reader.next().is_err(), "{text:?}");
        }
        let mut reader = Reader::default();
        reader.push(b"data: ");
        assert_eq!(reader.next().unwrap(), None);
        reader.push(&vec![b'x'; MAX_MESSAGE]);
        assert!(reader.next().is_err(), "a line without an end");
    }
}
