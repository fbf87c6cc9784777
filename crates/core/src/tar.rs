//! The framing of an archive of files one after the other: POSIX ustar, with a `size` record of pax where a file has 8 GiB
//! or more.
//!
//! The reader takes what the writer makes and refuses all else: regular files with short plain names, each length written in
//! one way. What two readers could see differently is an error here.

use std::fmt::{self, Display};

/// What all of it is a multiple of.
pub const BLOCK: usize = 512;

/// What stands at the end.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// From this length on a file's length does not fit into its own header.
const LARGE: u64 = 1 << 33;

/// The longest name.
const NAME_BYTES: usize = 100;

/// The most bytes of a pax record that says a length: `29 size=18446744073709551615\n` has 30.
const PAX_BYTES: u64 = 64;

/// How many zeros may follow the end: writers fill up a record of 10 KiB.
const TRAILING: u64 = 64 * 1_024;

const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..265;
const PREFIX: std::ops::Range<usize> = 345..500;

fn put(block: &mut [u8], at: usize, text: &str) {
    block[at..at + text.len()].copy_from_slice(text.as_bytes());
}

fn checksum(block: &[u8]) -> u64 {
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = block[CHECKSUM].iter().map(|byte| u64::from(*byte)).sum();
    // Its own place counts as blanks.
    sum - own + 8 * u64::from(b' ')
}

fn block_of(name: &str, size: u64, seconds: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block, 0, name);
    put(&mut block, 100, "0000644");
    put(&mut block, 108, "0000000");
    put(&mut block, 116, "0000000");
    put(&mut block, SIZE.start, &format!("{size:011o}"));
    put(&mut block, 136, &format!("{:011o}", seconds.min(LARGE - 1)));
    block[KIND] = kind;
    put(&mut block, MAGIC.start, "ustar\u{0}00");
    let sum = checksum(&block);
    put(&mut block, CHECKSUM.start, &format!("{sum:06o}\u{0} "));
    block
}

/// Returns a pax record, which begins with its own length.
fn record(size: u64) -> String {
    let rest = format!(" size={size}\n");
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length += 1;
    }
    format!("{length}{rest}")
}

/// Returns what stands before a file's bytes. A name has at most 100 bytes, of ASCII.
#[must_use]
pub fn header(name: &str, size: u64, seconds: u64) -> Vec<u8> {
    let name = &name[..name.len().min(NAME_BYTES)];
    if size < LARGE {
        return block_of(name, size, seconds, b'0').to_vec();
    }
    let record = record(size);
    let mut bytes = block_of("pax", record.len() as u64, seconds, b'x').to_vec();
    bytes.extend_from_slice(record.as_bytes());
    bytes.resize(2 * BLOCK, 0);
    // Who does not know pax sees an empty file, and not the begin of another.
    bytes.extend_from_slice(&block_of(name, 0, seconds, b'0'));
    bytes
}

/// Returns how many zeros stand behind so many bytes.
#[must_use]
pub const fn padding(size: u64) -> usize {
    ((BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64) as usize
}

/// Returns how many bytes a file takes with what stands before and behind it.
#[must_use]
pub const fn framed(size: u64) -> u64 {
    let before = if size < LARGE { BLOCK } else { 3 * BLOCK } as u64;
    before.saturating_add(size).saturating_add(padding(size) as u64)
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A file begins.
    Begin {
        /// Its name.
        name: String,
        /// How many bytes it has.
        size: u64,
    },
    /// Bytes of the file.
    Bytes(&'a [u8]),
    /// The file has ended.
    End,
    /// All has ended: nothing but zeros follows.
    Over,
}

/// Why bytes are not such an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TarError(&'static str);

impl Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TarError {}

#[derive(Clone, Debug)]
enum State {
    /// So many bytes of a header are there.
    Header(usize),
    /// The record of a pax header.
    Pax {
        left: u64,
        record: Vec<u8>,
        padding: u64,
    },
    Content {
        left: u64,
        padding: u64,
    },
    Padding(u64),
    /// So many zeros have followed.
    Over(u64),
}

/// Takes an archive apart, as its bytes come.
#[derive(Clone, Debug)]
pub struct Reader {
    state: State,
    block: [u8; BLOCK],
    /// What a pax header says of the file after it.
    size: Option<u64>,
    /// The first of the two blocks of zeros at the end was there.
    is_ending: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self { state: State::Header(0), block: [0; BLOCK], size: None, is_ending: false }
    }
}

/// Takes so many bytes, or as many as there are.
fn take<'a>(input: &mut &'a [u8], most: u64) -> &'a [u8] {
    let (taken, rest) = input.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(input.len()));
    *input = rest;
    taken
}

fn text(field: &[u8]) -> Result<&str, TarError> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(end);
    let is_plain = text.iter().all(|byte| byte.is_ascii_graphic()) && rest.iter().all(|byte| *byte == 0);
    str::from_utf8(text).ok().filter(|_| is_plain).ok_or(TarError("a name is not plain ASCII"))
}

fn octal(field: &[u8]) -> Result<u64, TarError> {
    let digits = field.iter().take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    let (digits, rest) = field.split_at(digits);
    let is_number = !digits.is_empty() && rest.iter().all(|byte| matches!(byte, 0 | b' '));
    let number = digits.iter().fold(0, |number, digit| number * 8 + u64::from(digit - b'0'));
    if is_number { Ok(number) } else { Err(TarError("a number in a header is malformed")) }
}

impl Reader {
    /// Takes from the begin of `input` what comes next; nothing where all of it was taken and more is needed.
    pub fn read<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, TarError> {
        loop {
            // A file without bytes ends without any.
            if let State::Content { left: 0, padding } = self.state {
                self.state = State::Padding(padding);
                return Ok(Some(Part::End));
            }
            if input.is_empty() {
                return Ok(None);
            }
            match &mut self.state {
                State::Header(filled) => {
                    let more = take(input, (BLOCK - *filled) as u64);
                    self.block[*filled..*filled + more.len()].copy_from_slice(more);
                    *filled += more.len();
                    if *filled == BLOCK {
                        let part = self.begin()?;
                        if part.is_some() {
                            return Ok(part);
                        }
                    }
                }
                State::Pax { left, record, padding } => {
                    let more = take(input, *left);
                    record.extend_from_slice(more);
                    *left -= more.len() as u64;
                    if *left == 0 {
                        self.size = Some(read_record(record)?);
                        self.state = State::Padding(*padding);
                    }
                }
                State::Content { left, .. } => {
                    let bytes = take(input, *left);
                    *left -= bytes.len() as u64;
                    return Ok(Some(Part::Bytes(bytes)));
                }
                State::Padding(0) => self.state = State::Header(0),
                State::Padding(left) => {
                    let more = take(input, *left);
                    *left -= more.len() as u64;
                    if more.iter().any(|byte| *byte != 0) {
                        return Err(TarError("something stands where a file is filled up with zeros"));
                    }
                }
                State::Over(zeros) => {
                    let more = std::mem::take(input);
                    *zeros += more.len() as u64;
                    if *zeros > TRAILING || more.iter().any(|byte| *byte != 0) {
                        return Err(TarError("something follows the end"));
                    }
                }
            }
        }
    }

    /// Tells whether the end was seen.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// Reads the header that is there whole.
    fn begin(&mut self) -> Result<Option<Part<'static>>, TarError> {
        let block = &self.block;
        if block.iter().all(|byte| *byte == 0) {
            if self.size.is_some() {
                return Err(TarError("a length belongs to no file"));
            }
            if self.is_ending {
                self.state = State::Over(0);
                return Ok(Some(Part::Over));
            }
            (self.is_ending, self.state) = (true, State::Header(0));
            return Ok(None);
        }
        if self.is_ending {
            return Err(TarError("something follows the end"));
        }
        if &block[MAGIC] != b"ustar\x0000" || octal(&block[CHECKSUM])? != checksum(block) {
            return Err(TarError("a header is none of ustar, or is damaged"));
        }
        if block[LINK].iter().chain(&block[PREFIX]).any(|byte| *byte != 0) {
            return Err(TarError("an entry is a link, or has a longer name than any that is expected"));
        }
        let (size, name) = (octal(&block[SIZE])?, text(&block[..NAME_BYTES])?.to_owned());
        match (block[KIND], self.size.take()) {
            (b'x', None) if (1..=PAX_BYTES).contains(&size) => {
                let (record, padding) = (Vec::new(), padding(size) as u64);
                self.state = State::Pax { left: size, record, padding };
                Ok(None)
            }
            (b'0', stated) => {
                let size = match stated {
                    Some(stated) if size == 0 => stated,
                    None => size,
                    Some(_) => return Err(TarError("a file has two lengths")),
                };
                self.state = State::Content { left: size, padding: padding(size) as u64 };
                Ok(Some(Part::Begin { name, size }))
            }
            _ => Err(TarError("an entry is no regular file")),
        }
    }
}

/// Reads the one record that a pax header may have.
fn read_record(found: &[u8]) -> Result<u64, TarError> {
    let size = str::from_utf8(found).ok().and_then(|text| {
        let (_, size) = text.strip_suffix('\n')?.split_once(" size=")?;
        size.parse::<u64>().ok()
    });
    // A length that would fit into the header, or that is written in another way, is another reader's other length.
    size.filter(|size| (LARGE..=1 << 62).contains(size) && record(*size).as_bytes() == found)
        .ok_or(TarError("a pax header says something else than the length of a large file"))
}

#[cfg(test)]
mod tests;
