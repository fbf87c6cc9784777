use bytes::Bytes;

use super::{Lines, MAX_LINE, Piece};

#[test]
fn contents_come_whole_wherever_they_are_cut() {
    let contents: [&[u8]; 4] = [b"hello", b"", b"\n\n{", &[0xff; 40]];
    let mut answer = Vec::new();
    for content in contents {
        answer.extend_from_slice(format!("{}\n", content.len()).as_bytes());
        answer.extend_from_slice(content);
    }
    for size in 1..=answer.len() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for chunk in answer.chunks(size) {
            lines.push(Bytes::copy_from_slice(chunk));
            while let Some(piece) = lines.next().unwrap() {
                match piece {
                    Piece::Line(line) => {
                        lines.follow(str::from_utf8(&line).unwrap().parse().unwrap());
                        found.push((Vec::new(), false));
                    }
                    Piece::Content(content) => found.last_mut().unwrap().0.extend_from_slice(&content),
                    Piece::End => found.last_mut().unwrap().1 = true,
                }
            }
        }
        assert!(lines.is_between());
        let expected: Vec<_> = contents.iter().map(|content| (content.to_vec(), true)).collect();
        assert_eq!(found, expected, "chunks of {size}");
    }
}

#[test]
fn a_line_has_an_end() {
    let mut lines = Lines::default();
    lines.push(vec![b'x'; MAX_LINE].into());
    assert_eq!(lines.next().unwrap(), None);
    assert!(!lines.is_between());
    lines.push(Bytes::from_static(b"x"));
    assert!(lines.next().is_err());
}
