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

/// Reads the next line without its end, at most `most` bytes of it; nothing at the end.
pub(crate) fn next(reader: &mut impl BufRead, most: u64) -> io::Result<Option<Vec<u8>>> {
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
    } else if line.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line has more than {most} bytes")));
    }
    Ok(Some(line))
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
    let mut reader = BufReader::new(text);
    let mut ended = false;
    (1..)
        .map_while(move |number| {
            if ended {
                return None;
            }
            let line = next(&mut reader, 64 * 1_024).transpose()?;
            ended = line.is_err();
            let text = line.and_then(|line| {
                String::from_utf8(line)
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
            });
            Some((number, text.map(|text| text.trim().trim_start_matches('\u{FEFF}').to_owned())))
        })
        .filter(|(_, line)| !line.as_ref().is_ok_and(|line| line.is_empty() || line.starts_with('#')))
}
