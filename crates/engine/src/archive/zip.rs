//! The zip format, as far as a stream of stored files needs it: local headers, data descriptors, the directory at the
//! end, and zip64 where numbers outgrow 32 or 16 bits (PKWARE APPNOTE 6.3.10; the extended timestamp is Info-ZIP's).
//!
//! It knows no files and does no I/O: it makes the bytes that stand between contents, and counts.

use bytes::Bytes;
use longshore_core::Timestamp;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;

/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
/// The checksum comes after the content.
const DESCRIBED_AFTER: u16 = 1 << 3;
/// Of a version that knows folders, and of one that knows zip64.
const NEEDS: (u16, u16) = (20, 45);
/// Made on Unix, whose file modes stand in the upper half of the attributes.
const MADE_ON_UNIX: u16 = 3 << 8;
const ZIP64_EXTRA: u16 = 1;
const TIME_EXTRA: u16 = 0x5455;
/// The first of January 1980: no earlier time can be told.
const EPOCH: u32 = (1 << 21) | (1 << 16);

/// What goes into an archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// Its path in the archive; that of a folder ends with `/`.
    pub(super) name: &'a str,
    pub(super) modified: Timestamp,
    /// How many bytes the content has.
    pub(super) size: u64,
    /// The content's CRC-32, where it is known beforehand.
    pub(super) crc: Option<u32>,
}

/// An entry whose content is being written.
#[derive(Debug)]
struct Begun {
    name: String,
    modified: Timestamp,
    size: u64,
    offset: u64,
}

/// Makes an archive in one pass. Per entry it remembers its line of the directory: about 60 bytes and the name.
#[derive(Debug, Default)]
pub(super) struct Writer {
    offset: u64,
    count: u64,
    directory: Vec<u8>,
    begun: Option<Begun>,
}

impl Writer {
    /// Returns how many entries have begun.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Returns how many bytes the directory has so far.
    pub(super) const fn directory_size(&self) -> usize {
        self.directory.len()
    }

    /// Returns what stands before the content, which is to follow: `size` bytes, and then what [`end`](Self::end) gives,
    /// unless the checksum was known.
    pub(super) fn begin(&mut self, entry: Entry<'_>) -> Vec<u8> {
        let Entry { name, modified, size, crc } = entry;
        let (large, after) = (size >= u64::from(u32::MAX), crc.is_none());
        let mut extra = time_extra(modified);
        if large {
            put_16(&mut extra, ZIP64_EXTRA);
            put_16(&mut extra, 16);
            // What comes after the content stands here as 0.
            put_64(&mut extra, if after { 0 } else { size });
            put_64(&mut extra, if after { 0 } else { size });
        }
        let told = match (large, after) {
            (true, _) => u32::MAX,
            (false, true) => 0,
            (false, false) => low(size),
        };
        let mut head = Vec::with_capacity(30 + name.len() + extra.len());
        put_32(&mut head, LOCAL);
        put_16(&mut head, if large { NEEDS.1 } else { NEEDS.0 });
        put_16(&mut head, flags(after));
        put_16(&mut head, 0);
        put_32(&mut head, dos_time(modified));
        put_32(&mut head, crc.unwrap_or(0));
        put_32(&mut head, told);
        put_32(&mut head, told);
        put_16(&mut head, short(name.len()));
        put_16(&mut head, short(extra.len()));
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(&extra);
        let begun = Begun { name: name.to_owned(), modified, size, offset: self.offset };
        self.offset += head.len() as u64 + size;
        self.count += 1;
        match crc {
            Some(crc) => self.record(&begun, crc, false),
            None => self.begun = Some(begun),
        }
        head
    }

    /// Returns what stands after a content whose checksum was not known beforehand.
    pub(super) fn end(&mut self, crc: u32) -> Vec<u8> {
        let Some(begun) = self.begun.take() else { return Vec::new() };
        let mut tail = Vec::with_capacity(24);
        put_32(&mut tail, DESCRIPTOR);
        put_32(&mut tail, crc);
        for _ in ["as it lies there", "as it is"] {
            match u32::try_from(begun.size) {
                Ok(size) if size < u32::MAX => put_32(&mut tail, size),
                _ => put_64(&mut tail, begun.size),
            }
        }
        self.offset += tail.len() as u64;
        self.record(&begun, crc, true);
        tail
    }

    fn record(&mut self, begun: &Begun, crc: u32, after: bool) {
        let Begun { name, modified, size, offset } = begun;
        let mut large = Vec::new();
        if *size >= u64::from(u32::MAX) {
            put_64(&mut large, *size);
            put_64(&mut large, *size);
        }
        if *offset >= u64::from(u32::MAX) {
            put_64(&mut large, *offset);
        }
        let mut extra = time_extra(*modified);
        if !large.is_empty() {
            put_16(&mut extra, ZIP64_EXTRA);
            put_16(&mut extra, short(large.len()));
            extra.extend_from_slice(&large);
        }
        let needs = if large.is_empty() { NEEDS.0 } else { NEEDS.1 };
        // A folder that all may enter, or a file that all may read; and the flag by which DOS knew folders.
        let attributes = if name.ends_with('/') { (0o40_755 << 16) | 0x10 } else { 0o100_644 << 16 };
        let line = &mut self.directory;
        put_32(line, CENTRAL);
        put_16(line, MADE_ON_UNIX | needs);
        put_16(line, needs);
        put_16(line, flags(after));
        put_16(line, 0);
        put_32(line, dos_time(*modified));
        put_32(line, crc);
        put_32(line, low(*size));
        put_32(line, low(*size));
        put_16(line, short(name.len()));
        put_16(line, short(extra.len()));
        // No comment, the only disk, bytes and not text.
        line.extend_from_slice(&[0; 6]);
        put_32(line, attributes);
        put_32(line, low(*offset));
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(&extra);
    }

    /// Returns the directory, and what stands behind it.
    pub(super) fn finish(self) -> [Bytes; 2] {
        let Self { offset, count, directory, .. } = self;
        let size = directory.len() as u64;
        let few = u16::try_from(count).unwrap_or(u16::MAX);
        let most = u64::from(u32::MAX);
        let mut end = Vec::with_capacity(98);
        if few == u16::MAX || size >= most || offset >= most {
            put_32(&mut end, END_64);
            put_64(&mut end, 44);
            put_16(&mut end, MADE_ON_UNIX | NEEDS.1);
            put_16(&mut end, NEEDS.1);
            put_64(&mut end, 0);
            put_64(&mut end, count);
            put_64(&mut end, count);
            put_64(&mut end, size);
            put_64(&mut end, offset);
            put_32(&mut end, LOCATOR_64);
            put_32(&mut end, 0);
            put_64(&mut end, offset + size);
            put_32(&mut end, 1);
        }
        put_32(&mut end, END);
        put_32(&mut end, 0);
        put_16(&mut end, few);
        put_16(&mut end, few);
        put_32(&mut end, low(size));
        put_32(&mut end, low(offset));
        put_16(&mut end, 0);
        [directory.into(), end.into()]
    }
}

/// Returns how many bytes the archive of these entries has.
pub(super) fn length<'a>(entries: impl Iterator<Item = Entry<'a>>) -> u64 {
    let mut writer = Writer::default();
    for entry in entries {
        writer.begin(entry);
        writer.end(0);
    }
    let before = writer.offset;
    before + writer.finish().iter().map(|part| part.len() as u64).sum::<u64>()
}

const fn flags(after: bool) -> u16 {
    if after { UTF8 | DESCRIBED_AFTER } else { UTF8 }
}

/// Returns a number as far as 32 bits hold it; the largest one says that it stands elsewhere.
fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Returns a length; none here comes near the largest, as a path has 4,096 bytes at most.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn put_16(to: &mut Vec<u8>, number: u16) {
    to.extend_from_slice(&number.to_le_bytes());
}

fn put_32(to: &mut Vec<u8>, number: u32) {
    to.extend_from_slice(&number.to_le_bytes());
}

fn put_64(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(&number.to_le_bytes());
}

/// Returns the time to the second, UTC; nothing for one that 32 bits do not hold.
fn time_extra(time: Timestamp) -> Vec<u8> {
    let mut extra = Vec::with_capacity(9 + 28);
    if let Ok(seconds) = i32::try_from(time.as_micros().div_euclid(1_000_000)) {
        put_16(&mut extra, TIME_EXTRA);
        put_16(&mut extra, 5);
        extra.push(1);
        extra.extend_from_slice(&seconds.to_le_bytes());
    }
    extra
}

/// Returns the time as DOS had it, by two seconds from 1980 to 2107: the date above, the time below. It is UTC here,
/// as no one place's time is right for all who read it.
fn dos_time(time: Timestamp) -> u32 {
    let Some([year, month, day, hour, minute, second]) = time.calendar() else { return EPOCH };
    match year {
        ..1_980 => EPOCH,
        2_108.. => (127 << 25) | (12 << 21) | (31 << 16) | (23 << 11) | (59 << 5) | 29,
        _ => {
            let date = ((year - 1_980) << 9) | (month << 5) | day;
            let time = (hour << 11) | (minute << 5) | (second / 2);
            (date << 16) | time
        }
    }
}

#[cfg(test)]
mod tests;
