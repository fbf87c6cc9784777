use longshore_core::digest_tree::{CellSize, Chaining};
use longshore_core::{Algorithm, Digest};
use proptest::prelude::*;

use super::{Subject, line};

fn subject(length: u64) -> Subject {
    Subject {
        tag: "\"ver 1\"".to_owned(),
        length,
        digest: Digest::new(Algorithm::Blake3, [3; 32]),
        cell: CellSize::mebibytes(1),
    }
}

fn value(number: u64) -> Chaining {
    Chaining::new([number as u8; 32])
}

proptest! {
    #[test]
    fn a_state_cut_anywhere_tells_of_the_cells_whose_lines_are_whole(
        order in proptest::collection::vec(0..40_u64, 0..60), cut in 0.0..1.0_f64,
    ) {
        let subject = subject(40 << 20);
        let mut text = subject.line();
        let mut ends = vec![text.len()];
        for cell in &order {
            text.push_str(&line(*cell, value(*cell)));
            ends.push(text.len());
        }
        let first = ends[0];
        let cut = first + ((text.len() - first) as f64 * cut) as usize;
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let (cells, sound) = subject.read(&text.as_bytes()[..cut]).unwrap();
        prop_assert_eq!(sound, ends[whole]);
        for (number, cell) in (0..).zip(cells) {
            let stands = order[..whole].contains(&number).then(|| value(number));
            prop_assert_eq!(cell, stands);
        }
        prop_assert!(text.len() as u64 <= subject.most());
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let subject = subject(5 << 20);
        prop_assert_eq!(subject.read(&bytes), None);
        let mut state = subject.line().into_bytes();
        state.extend_from_slice(&bytes);
        let (cells, sound) = subject.read(&state).unwrap();
        prop_assert!(cells.len() == 5 && sound <= state.len());
    }
}

#[test]
fn a_state_of_other_content_is_none() {
    let own = subject(5 << 20);
    let state = own.line() + &line(0, value(0));
    assert!(own.read(state.as_bytes()).is_some());
    for other in [
        subject((5 << 20) + 1),
        Subject { tag: "\"ver 2\"".to_owned(), ..own.clone() },
        Subject { digest: Digest::new(Algorithm::Blake3, [4; 32]), ..own.clone() },
        Subject { cell: CellSize::mebibytes(2), ..own.clone() },
    ] {
        assert_eq!(other.read(state.as_bytes()), None);
    }
}

#[test]
fn a_cell_the_content_does_not_have_ends_what_is_sound() {
    let own = subject(2 << 20);
    let good = own.line() + &line(1, value(1));
    let state = good.clone() + &line(2, value(2)) + &line(0, value(0));
    let (cells, sound) = own.read(state.as_bytes()).unwrap();
    assert_eq!((cells, sound), (vec![None, Some(value(1))], good.len()));
}
