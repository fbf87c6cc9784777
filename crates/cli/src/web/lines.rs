//! A text that is read line by line while it is worked on, in constant memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use futures_util::stream::{self, Stream};
use tokio::sync::mpsc;

use crate::failure::Failure;

/// How many items wait to be worked on.
const AHEAD: usize = 256;

/// Opens a file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Failure::local(format!("cannot read {}", path.display()), &error)),
    }
}

/// A line of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// One without its end, and whether it had one.
    Whole(Vec<u8>, bool),
    /// One that is too long; it was passed over, and what comes next is the line after it.
    TooLong,
}

impl Line {
    /// Returns what is in the line, or what is wrong with one that is longer than `most`.
    pub(crate) fn text(self, most: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Whole(text, _) => Ok(text),
            Self::TooLong => {
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line has more than {most} bytes")))
            }
        }
    }
}

/// Reads the next line, of which at most `most` bytes are held; nothing at the end.
pub(crate) fn next(reader: &mut impl BufRead, most: u64) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    // One more, which tells a line that is too long from one that just fits.
    if reader.take(most + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        return Ok(Some(Line::Whole(line, true)));
    }
    if line.len() as u64 <= most {
        return Ok(Some(Line::Whole(line, false)));
    }
    drop(line);
    reader.skip_until(b'\n')?;
    Ok(Some(Line::TooLong))
}

/// Turns an iterator that blocks into a stream: a thread reads ahead, a little.
pub(crate) fn beside<T: Send + 'static>(
    items: impl Iterator<Item = T> + Send + 'static,
) -> impl Stream<Item = T> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    // A thread of its own: one that waits for a terminal or a pipe must not keep the program from ending.
    std::thread::spawn(move || {
        for item in items {
            if sender.blocking_send(item).is_err() {
                break;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) })
}

/// Returns the URLs of a list: one a line, without blank lines and comments (`#`), each with its line's number.
pub(crate) fn listed(
    text: Box<dyn Read + Send>,
) -> impl Iterator<Item = (usize, io::Result<String>)> + Send + 'static {
    const LONGEST: u64 = 64 * 1_024;
    let mut reader = BufReader::new(text);
    let mut ended = false;
    (1..)
        .map_while(move |number| {
            if ended {
                return None;
            }
            let line = next(&mut reader, LONGEST).transpose()?;
            ended = line.is_err();
            let text = line.and_then(|line| line.text(LONGEST)).and_then(|line| {
                String::from_utf8(line)
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
            });
            Some((number, text.map(|text| text.trim().trim_start_matches('\u{FEFF}').to_owned())))
        })
        .filter(|(_, line)| !line.as_ref().is_ok_and(|line| line.is_empty() || line.starts_with('#')))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::{Line, listed, next};

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let mut text = Cursor::new(b"1234\r\n12345\n\n1234567890\nx".to_vec());
        let mut lines = std::iter::from_fn(|| next(&mut text, 5).unwrap());
        let whole = |text: &str, ended| Some(Line::Whole(text.as_bytes().to_vec(), ended));
        assert_eq!(lines.next(), whole("1234", true));
        // With its end it has one byte too many to be told from a longer one.
        assert_eq!(lines.next(), whole("12345", true));
        assert_eq!(lines.next(), whole("", true));
        assert_eq!(lines.next(), Some(Line::TooLong));
        assert_eq!(lines.next(), whole("x", false));
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn a_list_goes_on_behind_a_line_that_is_too_long() {
        let text = format!("http://a/\n{}\nhttp://b/\n", "x".repeat(70_000));
        let told: Vec<_> = listed(Box::new(Cursor::new(text.into_bytes()))).collect();
        assert_eq!((told.len(), told[1].1.is_err()), (3, true));
        assert_eq!((told[2].0, told[2].1.as_deref().ok()), (3, Some("http://b/")));
    }
}
