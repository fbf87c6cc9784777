use bytes::Bytes;
use longshore_core::wire::BATCH_LINE_BYTES;
use proptest::prelude::*;

use super::{Frame, Frames};

/// Takes a batch apart that comes in pieces of these sizes, the last of them again and again. A line that begins with
/// `-` says that its content is not wanted; the rest of it is the size.
fn take_apart(batch: &[u8], sizes: &[usize]) -> (Vec<Frame>, bool) {
    let (mut frames, mut found, mut rest) = (Frames::new(), Vec::new(), batch);
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(*sizes.last().unwrap()));
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
        rest = after;
        frames.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = frames.next().unwrap() {
            if let Frame::Line(line) = &frame {
                let text = str::from_utf8(line).unwrap();
                frames.follow(text.trim_start_matches('-').parse().unwrap(), !text.starts_with('-'));
            }
            found.push(frame);
        }
    }
    (found, frames.is_between())
}

proptest! {
    #[test]
    fn items_come_whole_wherever_they_are_cut(
        items in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()), 0..12),
        sizes in proptest::collection::vec(1_usize..50, 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut batch, mut expected) = (Vec::new(), Vec::new());
        for (content, wanted) in &items {
            let line = format!("{}{}", if *wanted { "" } else { "-" }, content.len());
            batch.extend_from_slice(line.as_bytes());
            batch.push(b'\n');
            batch.extend_from_slice(content);
            expected.push(Frame::Line(line.into()));
            expected.push(if *wanted { Frame::Content(content.clone().into()) } else { Frame::Skipped });
        }
        let (found, is_between) = take_apart(&batch, &sizes);
        prop_assert_eq!(&found, &expected);
        prop_assert!(is_between);
        // What is cut off is no frame, and nothing else comes in its place.
        let (found, _) = take_apart(&batch[..cut.index(batch.len() + 1)], &sizes);
        prop_assert!(expected.starts_with(&found));
    }
}

#[test]
fn a_line_has_an_end() {
    let longest = "1".repeat(BATCH_LINE_BYTES - 1);
    for (line, fits) in [(longest.clone(), true), (format!("{longest}1"), false)] {
        let mut frames = Frames::new();
        frames.push(format!("{line}\n").into());
        assert_eq!(frames.next().is_ok(), fits);
    }
    let mut frames = Frames::new();
    let came = (0..5).any(|_| {
        frames.push(vec![b' '; 5_000].into());
        frames.next().is_err()
    });
    assert!(came, "a line that goes on for ever is not collected");
}
