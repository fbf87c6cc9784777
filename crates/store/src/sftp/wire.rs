//! Version 3 of the SFTP protocol, as bytes: what requests are made of and what answers say.
//!
//! Names and handles are bytes here. A folder may have names that are no text, and OpenSSH's handles are numbers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// The kinds of packets, by the numbers of the protocol.
pub(super) mod kind {
    pub(in crate::sftp) const INIT: u8 = 1;
    pub(in crate::sftp) const VERSION: u8 = 2;
    pub(in crate::sftp) const OPEN: u8 = 3;
    pub(in crate::sftp) const CLOSE: u8 = 4;
    pub(in crate::sftp) const READ: u8 = 5;
    pub(in crate::sftp) const WRITE: u8 = 6;
    pub(in crate::sftp) const LSTAT: u8 = 7;
    pub(in crate::sftp) const FSTAT: u8 = 8;
    pub(in crate::sftp) const OPENDIR: u8 = 11;
    pub(in crate::sftp) const READDIR: u8 = 12;
    pub(in crate::sftp) const REMOVE: u8 = 13;
    pub(in crate::sftp) const MKDIR: u8 = 14;
    pub(in crate::sftp) const RMDIR: u8 = 15;
    pub(in crate::sftp) const STAT: u8 = 17;
    pub(in crate::sftp) const RENAME: u8 = 18;
    pub(in crate::sftp) const STATUS: u8 = 101;
    pub(in crate::sftp) const HANDLE: u8 = 102;
    pub(in crate::sftp) const DATA: u8 = 103;
    pub(in crate::sftp) const NAME: u8 = 104;
    pub(in crate::sftp) const ATTRS: u8 = 105;
    pub(in crate::sftp) const EXTENDED: u8 = 200;
    pub(in crate::sftp) const EXTENDED_REPLY: u8 = 201;
}

/// How a file is opened.
pub(super) mod open {
    pub(in crate::sftp) const READ: u32 = 0x01;
    pub(in crate::sftp) const WRITE: u32 = 0x02;
    pub(in crate::sftp) const CREATE: u32 = 0x08;
    pub(in crate::sftp) const EXCLUSIVE: u32 = 0x20;
}

/// What an answer says of a request, by the numbers of the protocol. Those above 8 are of later versions, but some servers
/// answer with them all the same.
pub(super) mod code {
    pub(in crate::sftp) const OK: u32 = 0;
    pub(in crate::sftp) const EOF: u32 = 1;
    pub(in crate::sftp) const NO_SUCH_FILE: u32 = 2;
    pub(in crate::sftp) const PERMISSION_DENIED: u32 = 3;
    pub(in crate::sftp) const FAILURE: u32 = 4;
    pub(in crate::sftp) const BAD_MESSAGE: u32 = 5;
    pub(in crate::sftp) const NO_CONNECTION: u32 = 6;
    pub(in crate::sftp) const CONNECTION_LOST: u32 = 7;
    pub(in crate::sftp) const UNSUPPORTED: u32 = 8;
    pub(in crate::sftp) const NO_SUCH_PATH: u32 = 10;
    pub(in crate::sftp) const EXISTS: u32 = 11;
    pub(in crate::sftp) const WRITE_PROTECT: u32 = 12;
    pub(in crate::sftp) const NO_SPACE: u32 = 14;
    pub(in crate::sftp) const QUOTA: u32 = 15;
    pub(in crate::sftp) const NOT_EMPTY: u32 = 18;
    pub(in crate::sftp) const NOT_A_FOLDER: u32 = 19;
    pub(in crate::sftp) const INVALID_NAME: u32 = 20;
    pub(in crate::sftp) const IS_A_FOLDER: u32 = 24;
}

/// The least answer has a length, a kind and a number; one with data its length as well.
pub(super) const HEAD: usize = 9;
pub(super) const DATA_HEAD: usize = 13;

/// The longest answer that is taken. OpenSSH's longest is 256 KiB.
pub(super) const LONGEST: usize = 1024 * 1024;

/// Writes one request at the end of a buffer. Its length is known in the end.
pub(super) struct Request<'b> {
    buffer: &'b mut BytesMut,
    start: usize,
}

impl<'b> Request<'b> {
    pub(super) fn begin(buffer: &'b mut BytesMut, kind: u8, id: u32) -> Self {
        let start = buffer.len();
        buffer.put_u32(0);
        buffer.put_u8(kind);
        buffer.put_u32(id);
        Self { buffer, start }
    }

    pub(super) fn number(&mut self, number: u32) {
        self.buffer.put_u32(number);
    }

    pub(super) fn offset(&mut self, offset: u64) {
        self.buffer.put_u64(offset);
    }

    pub(super) fn text(&mut self, bytes: &[u8]) {
        self.buffer.put_u32(bytes.len() as u32);
        self.buffer.put_slice(bytes);
    }

    /// Ends the request, which `after` bytes of content follow that are sent as they are.
    pub(super) fn end(self, after: usize) {
        let length = (self.buffer.len() - self.start - 4 + after) as u32;
        self.buffer[self.start..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// What is known of a file or folder; a server may leave each of them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    permissions: Option<u32>,
    modified: Option<u32>,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    File,
    Folder,
    Link,
    /// A pipe, a device, or the server does not tell.
    Other,
}

impl Attributes {
    pub(super) fn kind(&self) -> Type {
        match self.permissions.map(|mode| mode & 0o170_000) {
            Some(0o100_000) => Type::File,
            Some(0o040_000) => Type::Folder,
            Some(0o120_000) => Type::Link,
            _ => Type::Other,
        }
    }

    pub(super) fn modified(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.modified?.into()))
    }
}

/// An entry of a folder.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) name: Bytes,
    pub(super) attributes: Attributes,
}

/// What a server says of a request it does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u32,
    pub(super) text: String,
}

/// Reads an answer's body from its front. Nothing where it ends too early.
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    pub(super) fn number(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    pub(super) fn offset(&mut self) -> Option<u64> {
        self.0.try_get_u64().ok()
    }

    pub(super) fn text(&mut self) -> Option<Bytes> {
        let length = self.number()? as usize;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    pub(super) fn status(&mut self) -> Option<Status> {
        let code = self.number()?;
        // Some servers leave the text out.
        let text = self.text().unwrap_or_default();
        Some(Status { code, text: String::from_utf8_lossy(&text).into_owned() })
    }

    pub(super) fn attributes(&mut self) -> Option<Attributes> {
        let mut attributes = Attributes::default();
        let flags = self.number()?;
        if flags & 0x1 != 0 {
            attributes.size = Some(self.offset()?);
        }
        if flags & 0x2 != 0 {
            self.offset()?;
        }
        if flags & 0x4 != 0 {
            attributes.permissions = Some(self.number()?);
        }
        if flags & 0x8 != 0 {
            self.number()?;
            attributes.modified = Some(self.number()?);
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.number()? {
                self.text()?;
                self.text()?;
            }
        }
        Some(attributes)
    }

    pub(super) fn names(&mut self) -> Option<Vec<Name>> {
        let count = self.number()?;
        let mut names = Vec::with_capacity(count.min(1_024) as usize);
        for _ in 0..count {
            let name = self.text()?;
            // The line of a listing for people.
            self.text()?;
            names.push(Name { name, attributes: self.attributes()? });
        }
        Some(names)
    }

    /// Reads the names and data of extensions, to the end.
    pub(super) fn pairs(&mut self) -> Option<Vec<(Bytes, Bytes)>> {
        let mut pairs = Vec::new();
        while !self.0.is_empty() {
            pairs.push((self.text()?, self.text()?));
        }
        Some(pairs)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, Bytes, BytesMut};

    use super::{Reader, Request, Type, kind};

    #[test]
    fn a_request_knows_its_length_with_what_follows() {
        let mut buffer = BytesMut::from(&b"before"[..]);
        let mut request = Request::begin(&mut buffer, kind::WRITE, 7);
        request.text(b"\0\x80");
        request.offset(1);
        request.number(3);
        request.end(3);
        assert_eq!(&buffer[6..], b"\0\0\0\x1a\x06\0\0\0\x07\0\0\0\x02\0\x80\0\0\0\0\0\0\0\x01\0\0\0\x03");
    }

    #[test]
    fn what_ends_too_early_is_nothing() {
        let mut whole = BytesMut::new();
        whole.put_u32(1);
        whole.put_u32(2);
        whole.put_slice(b"\xff.");
        whole.put_u32(0);
        whole.put_u32(0x8000_000f);
        whole.put_u64(5);
        whole.put_u64(0);
        whole.put_u32(0o100_644);
        whole.put_u64(0);
        whole.put_u32(1);
        whole.put_slice(b"\0\0\0\x01a\0\0\0\x01b");
        let whole = whole.freeze();
        let names = Reader(whole.clone()).names().unwrap();
        assert_eq!((&names[0].name[..], names[0].attributes.kind()), (&b"\xff."[..], Type::File));
        assert_eq!(names[0].attributes.size, Some(5));
        for end in 0..whole.len() {
            assert!(Reader(whole.slice(..end)).names().is_none(), "{end}");
        }
        assert!(Reader(Bytes::from_static(b"\xff\xff\xff\xff")).text().is_none());
        assert_eq!(Reader(Bytes::from_static(b"\0\0\0\x04")).status().unwrap().code, 4);
    }
}
