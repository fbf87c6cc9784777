//! What a server says of itself: its extensions and limits.

use bytes::Bytes;

use super::wire::Reader;

/// What every server takes in one packet.
const USUAL: usize = 32 * 1024;

/// The most that OpenSSH takes in one packet; more gains nothing.
const MOST: usize = 255 * 1024;

/// A server's extensions, by name and version as OpenSSH's protocol file has them, and its limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) posix_rename: bool,
    pub(super) hardlink: bool,
    pub(super) fsync: bool,
    pub(super) copy_data: bool,
    pub(super) statvfs: bool,
    pub(super) has_limits: bool,
    /// How many bytes one request reads at most.
    pub(super) read: usize,
    /// How many bytes one request writes at most.
    pub(super) write: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            posix_rename: false,
            hardlink: false,
            fsync: false,
            copy_data: false,
            statvfs: false,
            has_limits: false,
            read: USUAL,
            write: USUAL,
        }
    }
}

impl Server {
    /// Reads the extensions of its first packet.
    pub(super) fn of(version: Bytes) -> Option<Self> {
        let mut server = Self::default();
        for (name, data) in Reader(version).pairs()? {
            let is = |version: &[u8]| data == version;
            match &name[..] {
                b"posix-rename@openssh.com" => server.posix_rename = is(b"1"),
                b"hardlink@openssh.com" => server.hardlink = is(b"1"),
                b"fsync@openssh.com" => server.fsync = is(b"1"),
                b"limits@openssh.com" => server.has_limits = is(b"1"),
                b"statvfs@openssh.com" => server.statvfs = is(b"2"),
                b"copy-data" => server.copy_data = is(b"1"),
                _ => {}
            }
        }
        Some(server)
    }

    /// Reads its limits: of a packet, a read, a write, open handles. 0 is none.
    pub(super) fn limit(&mut self, limits: Bytes) -> Option<()> {
        let mut reader = Reader(limits);
        reader.offset()?;
        let within = |limit: u64| match usize::try_from(limit).unwrap_or(MOST) {
            0 => USUAL,
            limit => limit.min(MOST),
        };
        self.read = within(reader.offset()?);
        self.write = within(reader.offset()?);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, Bytes, BytesMut};

    use super::Server;

    #[test]
    fn an_extension_of_another_version_is_none() {
        let mut version = BytesMut::new();
        for text in ["hardlink@openssh.com", "2", "fsync@openssh.com", "1", "unknown", ""] {
            version.put_u32(text.len() as u32);
            version.put_slice(text.as_bytes());
        }
        let mut server = Server::of(version.freeze()).unwrap();
        assert_eq!((server.hardlink, server.fsync, server.read), (false, true, 32_768));
        let limits: Vec<u8> = [0, 1_000_000, 0, 7_u64].iter().flat_map(|limit| limit.to_be_bytes()).collect();
        server.limit(Bytes::from(limits)).unwrap();
        assert_eq!((server.read, server.write), (261_120, 32_768));
        assert!(server.limit(Bytes::from_static(b"short")).is_none());
        assert!(Server::of(Bytes::from_static(b"\0\0\0\x09short")).is_none());
    }
}
