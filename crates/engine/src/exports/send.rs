//! The archive's bytes, one after the other.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use longshore_core::export::{CONTENTS, ContentLine, ExportCounts, ExportEnd, Section};
use longshore_core::tar::{self, framed, padding};
use longshore_core::{Algorithm, Code, Digest};
use serde::Serialize;

use super::open::Open;
use super::spool::Spooled;
use crate::db;
use crate::download::{ContentStream, Stored, read_piece, read_pieces};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How many contents are looked up at once.
const GROUP: usize = 64;

/// How many bytes of zeros there are to fill up with.
const ZEROS: [u8; tar::BLOCK] = [0; tar::BLOCK];

/// Returns a document of the archive.
pub(super) fn json(document: &impl Serialize) -> Result<Bytes> {
    let mut text = serde_json::to_vec_pretty(document).map_err(Error::corrupt)?;
    text.push(b'\n');
    Ok(text.into())
}

/// Takes a stream apart into the lines of contents.
struct ContentLines {
    bytes: ContentStream,
    rest: BytesMut,
}

impl ContentLines {
    async fn next(&mut self) -> Result<Option<ContentLine>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(end + 1);
                return serde_json::from_slice(&line[..end]).map(Some).map_err(Error::corrupt);
            }
            let Some(more) = self.bytes.try_next().await? else { return Ok(None) };
            self.rest.extend_from_slice(&more);
        }
    }

    async fn group(&mut self) -> Result<Vec<ContentLine>> {
        let mut group = Vec::with_capacity(GROUP);
        while group.len() < GROUP
            && let Some(line) = self.next().await?
        {
            group.push(line);
        }
        Ok(group)
    }
}

/// What is needed to send an archive.
#[derive(Clone)]
pub(super) struct Sending {
    pub(super) open: Arc<Open>,
    /// When it was taken.
    pub(super) seconds: u64,
    pub(super) counts: ExportCounts,
}

type Hash = Arc<Mutex<blake3::Hasher>>;

fn hash_of(hash: &Hash, bytes: &[u8]) {
    hash.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
}

impl Engine {
    /// Returns how many bytes the contents take in the archive.
    pub(super) async fn contents_length(&self, contents: &Spooled) -> Result<u64> {
        let mut lines = ContentLines { bytes: contents.read(self).await?, rest: BytesMut::new() };
        let mut length = 0_u64;
        while let Some(line) = lines.next().await? {
            length = length.saturating_add(framed(line.size));
        }
        Ok(length)
    }
}

impl Sending {
    /// Gives the bytes of the archive.
    pub(super) fn into_bytes(
        self,
        (name, header): (&'static str, Bytes),
        spools: [Spooled; Section::ALL.len()],
        end: &'static str,
    ) -> ContentStream {
        let hash = Hash::default();
        hash_of(&hash, &header);
        let seconds = self.seconds;
        let head = file(name, header, seconds);
        let contents = spools[Section::Contents as usize].clone();
        let metadata = Section::ALL.into_iter().zip(spools).map({
            let (open, hash) = (Arc::clone(&self.open), Arc::clone(&hash));
            move |(section, spooled)| {
                section_file(Arc::clone(&open), Arc::clone(&hash), (section, spooled), seconds)
            }
        });
        let sending = self.clone();
        let contents = stream::once(async move { sending.contents(contents).await }).try_flatten();
        let end = stream::once(async move {
            let digest = hash.lock().unwrap_or_else(PoisonError::into_inner).finalize();
            let metadata = Digest::new(Algorithm::Blake3, *digest.as_bytes());
            let document = json(&ExportEnd { counts: self.counts, metadata })?;
            // Before the last bytes: who has those asks for no more.
            self.open.end().await;
            let mut bytes = BytesMut::from(&file(end, document, seconds)[..]);
            bytes.extend_from_slice(&tar::END);
            Ok(bytes.freeze())
        });
        let metadata = stream::iter(metadata).flatten();
        stream::once(async move { Ok(head) }).chain(metadata).chain(contents).chain(end).boxed()
    }

    async fn contents(self, contents: Spooled) -> Result<ContentStream> {
        let bytes = contents.read(&self.open.engine).await?;
        let lines = ContentLines { bytes, rest: BytesMut::new() };
        let groups = stream::try_unfold((self, lines), async |(sending, mut lines)| {
            let group = lines.group().await?;
            if group.is_empty() {
                return Ok(None);
            }
            sending.open.keep().await?;
            let found = sending.find(group).await?;
            let files = found.into_iter().map({
                let sending = sending.clone();
                move |(line, stored)| content_file(sending.clone(), line, stored)
            });
            Ok::<_, Error>(Some((stream::iter(files).flatten(), (sending, lines))))
        });
        Ok(groups.try_flatten().boxed())
    }

    /// Looks up where contents are, in one reading.
    async fn find(&self, lines: Vec<ContentLine>) -> Result<Vec<(ContentLine, Stored)>> {
        let open = Arc::clone(&self.open);
        let found = self.open.engine.db().read(move |tx| {
            let (open, lines) = (Arc::clone(&open), lines.clone());
            Box::pin(async move {
                open.ensure_may_go_on(tx).await?;
                let mut found = Vec::with_capacity(lines.len());
                for line in lines {
                    let stored = db::exports::content(tx, open.crossing, line.version_id).await?;
                    found.push((line, stored.ok_or_else(|| gone(&line))?));
                }
                Ok(found)
            })
        });
        found.await
    }
}

fn gone(line: &ContentLine) -> Error {
    let detail = format!("the version {} was removed while its workspace was exported", line.version_id);
    Error::new(Code::VersionNotFound, detail)
}

/// Returns a small file with what stands before and behind it.
fn file(name: &str, content: Bytes, seconds: u64) -> Bytes {
    let size = content.len() as u64;
    let mut bytes = BytesMut::from(&tar::header(name, size, seconds)[..]);
    bytes.extend_from_slice(&content);
    bytes.extend_from_slice(&ZEROS[..padding(size)]);
    bytes.freeze()
}

fn around(name: &str, size: u64, seconds: u64) -> [Bytes; 2] {
    [tar::header(name, size, seconds).into(), Bytes::from_static(&ZEROS_OF_A_BLOCK[..padding(size)])]
}

static ZEROS_OF_A_BLOCK: [u8; tar::BLOCK] = ZEROS;

/// Gives one file of the metadata, and takes it into the digest of all of them.
fn section_file(
    open: Arc<Open>,
    hash: Hash,
    (section, spooled): (Section, Spooled),
    seconds: u64,
) -> ContentStream {
    let [head, tail] = around(section.file(), spooled.size(), seconds);
    let reading = Arc::clone(&open);
    let body = stream::once(async move {
        reading.ask().await?;
        spooled.read(&reading.engine).await
    });
    let body = body.try_flatten().and_then(move |bytes| {
        let (open, hash) = (Arc::clone(&open), Arc::clone(&hash));
        async move {
            open.keep().await?;
            hash_of(&hash, &bytes);
            Ok(bytes)
        }
    });
    framed_by(head, body.boxed(), tail)
}

fn framed_by(head: Bytes, body: ContentStream, tail: Bytes) -> ContentStream {
    let head = stream::once(async move { Ok(head) });
    let tail = stream::iter((!tail.is_empty()).then_some(Ok(tail)));
    head.chain(body).chain(tail).boxed()
}

/// Gives a content, verified while it is sent.
fn content_file(sending: Sending, line: ContentLine, stored: Stored) -> ContentStream {
    let digest = line.digest.to_string();
    let hex = digest.split_once(':').map_or("", |(_, hex)| hex);
    let [head, tail] = around(&format!("{CONTENTS}{hex}"), line.size, sending.seconds);
    let body = stream::once(async move {
        let store = sending.open.engine.store();
        let bytes = match stored {
            Stored::Inline(content) => stream::once(async move { Ok(content) }).boxed(),
            Stored::Blob(piece) => read_piece(store, piece, 0..line.size).await?,
            Stored::Pieces(_, pieces) => read_pieces(store.clone(), pieces, 0..line.size),
        };
        Ok::<_, Error>(verified(bytes, Arc::clone(&sending.open), line))
    });
    framed_by(head, body.try_flatten().boxed(), tail)
}

struct Verifying {
    bytes: ContentStream,
    hash: blake3::Hasher,
    size: u64,
    open: Arc<Open>,
    line: ContentLine,
}

fn verified(bytes: ContentStream, open: Arc<Open>, line: ContentLine) -> ContentStream {
    let verifying = Verifying { bytes, hash: blake3::Hasher::new(), size: 0, open, line };
    stream::try_unfold(verifying, async |mut verifying| {
        if let Some(piece) = verifying.bytes.try_next().await? {
            verifying.hash.update(&piece);
            verifying.size += piece.len() as u64;
            verifying.open.keep().await?;
            return Ok(Some((piece, verifying)));
        }
        let digest = Digest::new(Algorithm::Blake3, *verifying.hash.finalize().as_bytes());
        let line = &verifying.line;
        if verifying.size == line.size && digest == line.digest {
            return Ok(None);
        }
        Err(Error::corrupt(format_args!("the bytes of the version {} are not its own", line.version_id)))
    })
    .boxed()
}
