use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert_eq, proptest};

use super::{BLOCK, END, LARGE, Part, Reader, TarError, block_of, framed, header, padding};

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        let before = bytes.len();
        bytes.extend(header(name, content.len() as u64, 7));
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len() + padding(content.len() as u64), 0);
        assert_eq!((bytes.len() - before) as u64, framed(content.len() as u64));
    }
    bytes.extend(END);
    bytes
}

type Files = Vec<(String, Vec<u8>)>;

/// Reads what comes in pieces of a length; tells also whether the end was seen.
fn read(bytes: &[u8], piece: usize) -> Result<(Files, bool), TarError> {
    let (mut reader, mut found) = (Reader::default(), Files::new());
    for mut input in bytes.chunks(piece) {
        while let Some(part) = reader.read(&mut input)? {
            match part {
                Part::Begin { name, .. } => found.push((name, Vec::new())),
                Part::Bytes(bytes) => found.last_mut().unwrap().1.extend_from_slice(bytes),
                Part::End | Part::Over => {}
            }
        }
    }
    Ok((found, reader.is_over()))
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_500), 0..5),
        piece in 1_usize..1_200,
    ) {
        let files: Vec<_> = contents.iter().map(|content| ("blobs/one", &content[..])).collect();
        let (found, is_over) = read(&archive(&files), piece).unwrap();
        prop_assert_eq!(found.len(), files.len());
        prop_assert_eq!(is_over, true);
        for ((_, content), (_, expected)) in found.iter().zip(files) {
            prop_assert_eq!(&content[..], expected);
        }
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..2_000), piece in 1_usize..600) {
        drop(read(&bytes, piece));
    }

    #[test]
    fn what_is_cut_is_never_over(at in (0_usize..4_000).prop_map(|at| at)) {
        let whole = archive(&[("a", &[1; 600]), ("b", b"")]);
        let at = at % whole.len();
        prop_assert_eq!(read(&whole[..at], 97).unwrap().1, false);
    }
}

/// Where a number has been changed, the header's checksum is made right again.
fn changed(change: impl Fn(&mut [u8; BLOCK])) -> Vec<u8> {
    let mut block = block_of("a", 0, 0, b'0');
    change(&mut block);
    let sum = super::checksum(&block);
    super::put(&mut block, super::CHECKSUM.start, &format!("{sum:06o}\u{0} "));
    [&block[..], &END].concat()
}

#[test]
fn only_regular_files_of_one_length_are_taken() {
    assert!(read(&changed(|_| {}), 512).is_ok());
    for kind in *b"1234567gLKSVx\0" {
        assert!(read(&changed(|block| block[super::KIND] = kind), 512).is_err(), "{kind}");
    }
    assert!(read(&changed(|block| block[157] = b'x'), 512).is_err(), "a link");
    assert!(read(&changed(|block| block[345] = b'x'), 512).is_err(), "a prefix");
    assert!(read(&changed(|block| block[124] = 0x80), 512).is_err(), "a binary length");
    assert!(read(&changed(|block| block[0] = 0xff), 512).is_err(), "a name");
    assert!(read(&changed(|block| block[265] = b'u'), 512).is_ok(), "who owned it does not matter");
    let mut damaged = archive(&[("a", b"1")]);
    damaged[1] ^= 1;
    assert!(read(&damaged, 512).is_err());
    let mut filled = archive(&[("a", b"1")]);
    filled[BLOCK + 1] = 1;
    assert!(read(&filled, 512).is_err());
    let mut longer = archive(&[("a", b"1")]);
    longer.push(1);
    assert!(read(&longer, 512).is_err());
}

#[test]
fn a_large_file_has_its_length_in_one_way() {
    let large = header("blobs/one", LARGE + 5, 0);
    assert_eq!(large.len(), 3 * BLOCK);
    assert_eq!(&large[BLOCK..BLOCK + 19], b"19 size=8589934597\n");
    let mut reader = Reader::default();
    let begin = reader.read(&mut &large[..]).unwrap();
    assert_eq!(begin, Some(Part::Begin { name: "blobs/one".to_owned(), size: LARGE + 5 }));
    // One that would have fitted, one beside another length, and one for nothing.
    let mut small = large.clone();
    small[BLOCK..BLOCK + 19].copy_from_slice(b"19 size=0589934597\n");
    assert!(read(&small, 512).is_err());
    let mut two = large.clone();
    two[2 * BLOCK..].copy_from_slice(&block_of("blobs/one", 5, 0, b'0'));
    assert!(read(&two, 512).is_err());
    let mut nothing = large[..2 * BLOCK].to_vec();
    nothing.extend(END);
    assert!(read(&nothing, 512).is_err());
}
