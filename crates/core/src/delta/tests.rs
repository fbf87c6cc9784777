use std::ops::Range;

use proptest::prelude::*;

use super::{Decoder, Malformed, Step, copy, data};

/// What a delta says, with data that came in several bites as one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Copy(Range<u64>),
    Data(Vec<u8>),
}

fn write(said: &[Said]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in said {
        match step {
            Said::Copy(range) => bytes.extend(copy(range.clone())),
            Said::Data(content) => {
                bytes.extend(data(content.len() as u32));
                bytes.extend(content);
            }
        }
    }
    bytes
}

/// Reads a delta that comes in bites, and tells whether it ended between two instructions.
fn read(bytes: &[u8], bite: usize) -> Result<(Vec<Said>, bool), Malformed> {
    let (mut decoder, mut said, mut joins) = (Decoder::default(), Vec::<Said>::new(), false);
    for mut bytes in bytes.chunks(bite) {
        while let Some(step) = decoder.next(&mut bytes)? {
            match (step, said.last_mut()) {
                (Step::Copy(range), _) => said.push(Said::Copy(range)),
                (Step::Data(more), Some(Said::Data(content))) if joins => content.extend(more),
                (Step::Data(content), _) => said.push(Said::Data(content.to_vec())),
            }
            joins = !decoder.is_between();
        }
        assert!(bytes.is_empty());
    }
    Ok((said, decoder.is_between()))
}

#[test]
fn what_is_malformed_is_told() {
    let none = |bytes: &[u8]| read(bytes, 3).unwrap_err();
    assert_eq!(none(b"X"), Malformed::Unknown(b'X'));
    assert_eq!(none(&data(0)), Malformed::Empty);
    assert_eq!(none(&copy(9..9)), Malformed::Empty);
    let mut endless = copy(0..u64::MAX);
    assert_eq!(read(&endless, 3).unwrap().0, [Said::Copy(0..u64::MAX)]);
    endless[1] = 1;
    assert_eq!(none(&endless), Malformed::Endless);
}

proptest! {
    #[test]
    fn a_delta_is_read_as_it_was_written(
        said in prop::collection::vec(
            prop_oneof![
                (0..u64::MAX / 2, 1..u64::MAX / 2).prop_map(|(start, length)| Said::Copy(start..start + length)),
                prop::collection::vec(any::<u8>(), 1..50).prop_map(Said::Data),
            ],
            0..20,
        ),
        bite in 1..60_usize,
        cut: prop::sample::Index,
    ) {
        let bytes = write(&said);
        prop_assert_eq!(read(&bytes, bite).unwrap(), (said.clone(), true));
        if !bytes.is_empty() {
            // Cut anywhere, it is between two instructions, or knows that it is not.
            let cut = cut.index(bytes.len());
            let ends: Vec<usize> = (0..=said.len()).map(|count| write(&said[..count]).len()).collect();
            prop_assert_eq!(read(&bytes[..cut], bite).unwrap().1, ends.contains(&cut));
        }
    }
}
