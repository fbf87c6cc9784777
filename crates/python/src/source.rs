//! Where an upload's content comes from, as Python says it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::Stream;
use longshore::Source;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyTuple;
use tokio::sync::mpsc;

use crate::feed::Feed;
use crate::runtime::runtime;

/// How much of a file is read at once.
const CHUNK: usize = 512 * 1024;

/// Takes a source: `("path", str)`, `("bytes", bytes)`, `("file", descriptor, position)` or `("feed", Feed)`.
pub(crate) fn source(said: &Bound<'_, PyTuple>) -> PyResult<Source> {
    let kind: String = said.get_item(0)?.extract()?;
    let value = said.get_item(1)?;
    match kind.as_str() {
        "path" => Ok(Source::Path(value.extract::<PathBuf>()?)),
        "bytes" => Ok(Source::Bytes(Bytes::from_owner(value.extract::<PyBackedBytes>()?))),
        "feed" => value.cast::<Feed>()?.get().source(),
        "file" => open_file(value.extract()?, said.get_item(2)?.extract()?),
        other => Err(PyValueError::new_err(format!("{other:?} is no source"))),
    }
}

/// Reads a file that Python has open, from a place to its end, without Python.
fn open_file(descriptor: i32, position: u64) -> PyResult<Source> {
    let path = opened_again(descriptor);
    if position == 0 {
        // Read again where a connection breaks, like any file: for as long as Python has it open.
        return Ok(Source::Path(path));
    }
    let (length, chunks) = file_chunks(descriptor, position)?;
    Ok(Source::stream(Some(length), chunks))
}

/// Reads a file that Python has open, from a place to its end as it is now: its length, and its chunks.
pub(crate) fn file_chunks(
    descriptor: i32,
    position: u64,
) -> PyResult<(u64, impl Stream<Item = io::Result<Bytes>> + Send + 'static)> {
    // Opened anew, it has a place of its own, and closing Python's meanwhile hurts nothing.
    let mut file = File::open(opened_again(descriptor))?;
    let length = file.metadata()?.len().saturating_sub(position);
    file.seek(SeekFrom::Start(position))?;
    let (sender, mut receiver) = mpsc::channel(1);
    runtime()?.spawn_blocking(move || {
        let mut rest = length;
        while rest > 0 {
            let size = usize::try_from(rest).map_or(CHUNK, |rest| rest.min(CHUNK));
            let mut chunk = Vec::with_capacity(size);
            let read = (&mut file).take(size as u64).read_to_end(&mut chunk);
            let is_over = !matches!(read, Ok(count) if count > 0);
            rest -= chunk.len() as u64;
            let sent = sender.blocking_send(read.map(|_| Bytes::from(chunk)));
            if is_over || sent.is_err() {
                break;
            }
        }
    });
    Ok((length, futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx))))
}

fn opened_again(descriptor: i32) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{descriptor}"))
}
