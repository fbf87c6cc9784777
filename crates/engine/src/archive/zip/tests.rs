//! What the writer makes is read back here by a small reader of the directory, and by Python's.

use std::process::Command;

use bytes::Bytes;
use longshore_core::Timestamp;
use proptest::prelude::*;

use super::{Entry, Writer, length};

const TIME: Timestamp = Timestamp::from_micros(1_763_613_468_000_000);

fn entry(name: &str, size: u64, crc: Option<u32>) -> Entry<'_> {
    Entry { name, modified: TIME, size, crc }
}

/// What the directory says of an entry.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    name: String,
    crc: u32,
    size: u64,
    offset: u64,
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Reads the directory and the records behind it; `start` is where the directory stands in the archive.
fn read([directory, end]: &[Bytes; 2], start: u64) -> Vec<Line> {
    let plain = end.len() - 22;
    assert_eq!(number(end, plain, 4), 0x0605_4b50);
    let (mut count, mut size, mut offset) =
        (number(end, plain + 10, 2), number(end, plain + 12, 4), number(end, plain + 16, 4));
    if plain > 0 {
        assert_eq!((number(end, 0, 4), number(end, 56, 4)), (0x0606_4b50, 0x0706_4b50));
        assert_eq!(number(end, 64, 8), start + directory.len() as u64, "where the record of zip64 is");
        (count, size, offset) = (number(end, 32, 8), number(end, 40, 8), number(end, 48, 8));
    }
    assert_eq!((size, offset), (directory.len() as u64, start));
    let mut lines = Vec::new();
    let mut at = 0;
    while at < directory.len() {
        assert_eq!(number(directory, at, 4), 0x0201_4b50);
        let (name, extra) = (number(directory, at + 28, 2) as usize, number(directory, at + 30, 2) as usize);
        let (mut size, mut offset) = (number(directory, at + 24, 4), number(directory, at + 42, 4));
        let mut field = at + 46 + name;
        let end = field + extra;
        while field < end {
            if number(directory, field, 2) == 1 {
                let mut value = field + 4;
                if size == u64::from(u32::MAX) {
                    size = number(directory, value, 8);
                    value += 16;
                }
                if offset == u64::from(u32::MAX) {
                    offset = number(directory, value, 8);
                }
            }
            field += 4 + number(directory, field + 2, 2) as usize;
        }
        let text = directory[at + 46..at + 46 + name].to_vec();
        let crc = number(directory, at + 16, 4) as u32;
        lines.push(Line { name: String::from_utf8(text).unwrap(), crc, size, offset });
        at = end;
    }
    assert_eq!(count, lines.len() as u64);
    lines
}

/// Writes entries whose contents are only counted, and returns what the directory says and where it stands.
fn counted(entries: &[(String, u64, bool)]) -> (Vec<Line>, Vec<Line>) {
    let mut writer = Writer::default();
    let (mut offset, mut expected) = (0, Vec::new());
    for (name, size, known) in entries {
        let crc = size.wrapping_mul(7) as u32;
        let at = offset;
        let head = writer.begin(entry(name, *size, known.then_some(crc)));
        assert_eq!(number(&head, 0, 4), 0x0403_4b50);
        let tail = writer.end(crc);
        assert_eq!(tail.is_empty(), *known);
        if *size >= u64::from(u32::MAX) && !known {
            assert_eq!((number(&tail, 8, 8), number(&tail, 16, 8)), (*size, *size));
        }
        offset += head.len() as u64 + size + tail.len() as u64;
        expected.push(Line { name: name.clone(), crc, size: *size, offset: at });
    }
    let end = writer.finish();
    let all = offset + end.iter().map(|part| part.len() as u64).sum::<u64>();
    let entries = entries.iter().map(|(name, size, known)| entry(name, *size, known.then_some(0)));
    assert_eq!(length(entries), all);
    (read(&end, offset), expected)
}

#[test]
fn sizes_and_places_past_four_gibibytes_are_told() {
    let most = u64::from(u32::MAX);
    let entries = [
        ("just below", most - 1, false),
        ("at the limit", most, false),
        ("known", most + 1, true),
        ("large", 10 * most, false),
        ("small, far away", 3, false),
        ("folder, far away/", 0, true),
    ];
    let entries: Vec<_> = entries.map(|(name, size, known)| (name.to_owned(), size, known)).into();
    let (found, expected) = counted(&entries);
    assert_eq!(found, expected);
}

#[test]
fn more_entries_than_sixteen_bits_hold_are_told() {
    for count in [65_534, 65_535, 65_536, 70_000] {
        let entries: Vec<_> =
            (0..count).map(|place| (format!("{place}"), place % 3, place % 2 == 0)).collect();
        let (found, expected) = counted(&entries);
        assert!(found == expected, "{count}");
    }
}

proptest! {
    #[test]
    fn the_directory_says_what_was_written(
        entries in proptest::collection::vec(("[a-zé/]{1,20}", 0_u64..6_000_000_000, any::<bool>()), 0..20),
    ) {
        let (found, expected) = counted(&entries);
        prop_assert_eq!(found, expected);
    }
}

/// Times that DOS does not know, and those it does, by twos.
#[test]
fn times_are_told_as_far_as_they_can_be() {
    let at = |text: &str| super::dos_time(text.parse().unwrap());
    assert_eq!(at("2025-11-20T04:37:48Z"), (45 << 25) | (11 << 21) | (20 << 16) | (4 << 11) | (37 << 5) | 24);
    assert_eq!(at("1970-01-01T00:00:00Z"), (1 << 21) | (1 << 16));
    assert_eq!(at("2107-12-31T23:59:59Z"), at("2500-01-01T00:00:00Z"));
    assert_eq!(super::dos_time(Timestamp::from_micros(i64::MAX)), (1 << 21) | (1 << 16));
    assert!(super::time_extra(Timestamp::from_micros(i64::MAX)).is_empty());
}

const READER: &str = r"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    for info in archive.infolist():
        content = archive.read(info)
        print(info.filename, info.file_size, '%04d-%02d-%02d %02d:%02d:%02d' % info.date_time,
              oct(info.external_attr >> 16), content[:5].decode())
";

#[test]
fn others_read_it() {
    let mut writer = Writer::default();
    let mut archive = Vec::new();
    let content = b"hello, harbour";
    for (name, content, known) in [
        ("folder/", &b""[..], true),
        ("folder/смета 第一.txt", content, false),
        ("b \"q\".txt", content, true),
        ("empty", b"", false),
    ] {
        let crc = crc32fast::hash(content);
        archive.extend(writer.begin(entry(name, content.len() as u64, known.then_some(crc))));
        archive.extend_from_slice(content);
        archive.extend(writer.end(crc));
    }
    archive.extend(writer.finish().concat());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.zip");
    std::fs::write(&path, archive).unwrap();
    let read = Command::new("python3").args(["-X", "utf8", "-c", READER]).arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(
        told,
        "folder/ 0 2025-11-20 04:37:48 0o40755 \n\
         folder/смета 第一.txt 14 2025-11-20 04:37:48 0o100644 hello\n\
         b \"q\".txt 14 2025-11-20 04:37:48 0o100644 hello\n\
         empty 0 2025-11-20 04:37:48 0o100644 \n"
    );
}
