//! Reading a file: its parts side by side, each straight into its place in a chunk.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::{join, try_join_all};
use futures_util::{Stream, StreamExt as _, stream};

use super::Shared;
use super::fault::{Answer, Fault};
use super::place::info_of;
use super::session::{Handle, Session};
use super::wire::{Attributes, Type, code, open};
use crate::error::{Error, ErrorKind, Result};
use crate::info::ReadOptions;
use crate::path::StorePath;
use crate::read::Read;

/// Opens a file that was just looked at.
///
/// The look comes first: to open a pipe would block the server, and a link would be followed.
pub(super) async fn open_file(
    shared: &Shared,
    session: &Arc<Session>,
    path: &StorePath,
) -> Result<(Handle, Attributes)> {
    let file = shared.place.look(session, path).await?.file()?;
    let opened = session.open(&shared.place.of(path), open::READ).await;
    let handle = opened.map_err(|fault| match fault.code() {
        // It was there and could be looked at: the server has too many files open, or its disk does not answer.
        Some(code::FAILURE) => Error::new(ErrorKind::Unavailable, "the server cannot open the file just now")
            .with_source(fault.error("opening")),
        _ => fault.error("opening"),
    })?;
    Ok((handle, file))
}

/// Opens a file and reads its first chunk.
pub(super) async fn read(shared: &Shared, path: &StorePath, options: &ReadOptions) -> Result<Read> {
    let session = shared.connection.session().await?;
    let (handle, mut file) = open_file(shared, &session, path).await?;
    let size = file.size.unwrap_or(0);
    let range = options.range.within(size);
    if range == (0..size) && size < session.server().read as u64 {
        // One byte more than there should be tells that it ends there: what was read is the file that was looked at, or one
        // of its size. Otherwise it was replaced, and what is open is looked at below.
        let most = size as usize + 1;
        let whole = match handle.read(0, BytesMut::with_capacity(most), most).await {
            Err(fault) if fault.code() == Some(code::EOF) => Ok(BytesMut::new()),
            whole => whole,
        };
        let whole = whole.map_err(|fault| fault.error("reading"))?.freeze();
        if whole.len() as u64 == size {
            let chunk = (!whole.is_empty()).then_some(Ok(whole));
            return Ok(Read::new(info_of(path.clone(), &file), range, stream::iter(chunk)));
        }
    }
    let handle = Arc::new(handle);
    let chunk = shared.connection.options.read_chunk;
    // What is open may be another file by now than the one looked at: only of this one the size holds.
    let mut first = next_chunk(&range, chunk);
    let asked = async { handle.begin_attributes().await?.attributes().await };
    let (opened, mut bytes) = join(asked, read_span(Arc::clone(&handle), first.clone())).await;
    let opened = opened.map_err(|fault| fault.error("looking"))?;
    let mut range = range;
    if opened.size.unwrap_or(0) != size {
        if opened.kind() != Type::File {
            return Err(super::fault::not_found());
        }
        range = options.range.within(opened.size.unwrap_or(0));
        first = next_chunk(&range, chunk);
        bytes = read_span(Arc::clone(&handle), first.clone()).await;
    }
    file = opened;
    let bytes = bytes?;
    let begin = (!bytes.is_empty()).then_some(Ok(bytes));
    let rest = chunks(handle, first.end..range.end, chunk, shared.connection.options.window);
    Ok(Read::new(info_of(path.clone(), &file), range, stream::iter(begin).chain(rest)))
}

fn next_chunk(range: &Range<u64>, chunk: usize) -> Range<u64> {
    range.start..range.end.min(range.start.saturating_add(chunk as u64))
}

/// Reads a range chunk by chunk, with up to `window` bytes under way.
pub(super) fn chunks(
    handle: Arc<Handle>,
    mut range: Range<u64>,
    chunk: usize,
    window: usize,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    let spans = std::iter::from_fn(move || {
        let span = next_chunk(&range, chunk);
        range.start = span.end;
        (!span.is_empty()).then_some(span)
    });
    stream::iter(spans)
        .map(move |span| read_span(Arc::clone(&handle), span))
        .buffered((window / chunk).max(1))
}

/// Reads a span as one chunk.
async fn read_span(handle: Arc<Handle>, span: Range<u64>) -> Result<Bytes> {
    let size = (span.end - span.start) as usize;
    let packet = handle.session().server().read;
    let mut rest = BytesMut::with_capacity(size);
    let mut parts = Vec::with_capacity(size.div_ceil(packet));
    let (mut offset, mut left) = (span.start, size);
    // The parts lie side by side in one piece of memory, so joining them again costs nothing.
    while left > packet {
        let after = rest.split_off(packet);
        parts.push(fill(&handle, offset, rest, packet));
        rest = after;
        offset += packet as u64;
        left -= packet;
    }
    parts.push(fill(&handle, offset, rest, left));
    let failed = |fault: Fault| match fault.code() {
        Some(code::EOF) => Error::new(ErrorKind::Internal, "the file became shorter while it was read"),
        _ => fault.error("reading"),
    };
    let mut whole = BytesMut::new();
    for part in try_join_all(parts).await.map_err(failed)? {
        whole.unsplit(part);
    }
    Ok(whole.freeze())
}

/// Reads exactly `size` bytes.
async fn fill(handle: &Handle, mut offset: u64, mut into: BytesMut, size: usize) -> Answer<BytesMut> {
    while into.len() < size {
        let before = into.len();
        into = handle.read(offset, into, size - before).await?;
        let got = into.len() - before;
        if got == 0 {
            return Err(Fault::Refused(super::wire::Status { code: code::EOF, text: String::new() }));
        }
        offset += got as u64;
    }
    Ok(into)
}
