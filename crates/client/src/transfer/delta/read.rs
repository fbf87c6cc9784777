//! The local file of a delta, read twice: to find what it shares with the old content, and to send the rest. All of it
//! blocks, on threads of its own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blake3::Hasher;
use longshore_core::chunks::Chunker;
use longshore_core::{Digest, delta};
use longshore_flow::Cancel;
use tokio::sync::mpsc;

use super::recipe::{Composer, Instruction, Known, Recipe};
use crate::error::{Error, Result};
use crate::transfer::plan::CHUNK;
use crate::transfer::reader::{finish, length_changed, open_file};
use crate::transport::body::Chunks;

/// How many bytes tell what is compressed.
const HEAD: usize = 12;

/// A file as it was when what it shares was found.
pub(super) struct Subject {
    pub(super) path: PathBuf,
    pub(super) length: u64,
    pub(super) digest: Digest,
    pub(super) recipe: Recipe,
}

/// Tells by its first bytes whether content is compressed as one stream: after the first change all of it is another.
fn is_compressed(head: &[u8]) -> bool {
    const BEGINS: &[&[u8]] = &[
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"\xfd7zXZ\0",
        b"BZh",
        b"7z\xbc\xaf\x27\x1c",
        b"\x04\x22\x4d\x18",
        b"\xff\xd8\xff",
        b"\x89PNG",
        b"GIF8",
        b"OggS",
        b"fLaC",
        b"\x1a\x45\xdf\xa3",
    ];
    let in_a_box = |at: usize, kind: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(kind));
    BEGINS.iter().any(|begin| head.starts_with(begin))
        || in_a_box(4, b"ftyp")
        || (head.starts_with(b"RIFF") && in_a_box(8, b"WEBP"))
}

/// Tells whether what stands in a file may share something with an old version of it.
pub(super) fn is_worth_a_look(path: &Path, lengths: std::ops::RangeInclusive<u64>) -> Option<u64> {
    // What is wrong with the file is told when it is sent whole.
    let (mut file, metadata) = open_file(path).ok()?;
    let mut head = [0; HEAD];
    file.read_exact(&mut head).ok()?;
    let length = metadata.len();
    (lengths.contains(&length) && !is_compressed(&head)).then_some(length)
}

/// Finds what a file shares with what is known; nothing where sending it whole is better.
pub(super) fn compare(path: PathBuf, known: Known, cancel: &Cancel) -> Option<Subject> {
    let (mut file, metadata) = open_file(&path).ok()?;
    let length = metadata.len();
    let (mut hasher, mut chunker, mut composer) = (Hasher::new(), Chunker::default(), Composer::new(known));
    let (mut bite, mut read) = (vec![0; CHUNK], 0_u64);
    loop {
        let count = file.read(&mut bite).ok()?;
        if count == 0 {
            break;
        }
        read += count as u64;
        hasher.update(&bite[..count]);
        chunker.update(&bite[..count], |chunk| composer.take(chunk));
        if cancel.is_cancelled() || read > length || !composer.may_pay(length) {
            return None;
        }
    }
    chunker.finish(|chunk| composer.take(chunk));
    let recipe = composer.finish();
    (read == length && recipe.pays(length)).then(|| Subject { path, length, digest: finish(&hasher), recipe })
}

/// Reads the instructions that make the content from a byte of it on, one piece ahead of who sends them.
pub(super) fn read_ahead(subject: Arc<Subject>, from: u64) -> Chunks {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = send(&subject, from, &sender) {
            // Nobody waits any more when this cannot be sent either.
            let _unwanted = sender.blocking_send(Err(error));
        }
    });
    Box::pin(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}

fn send(subject: &Subject, from: u64, sender: &mpsc::Sender<Result<bytes::Bytes>>) -> Result<()> {
    let (mut file, _) = open_file(&subject.path)?;
    let mut piece = Vec::new();
    for instruction in subject.recipe.instructions(from) {
        match instruction {
            Instruction::Copy(range) => piece.extend(delta::copy(range)),
            Instruction::Data(at, length) => {
                piece.extend(delta::data(length));
                read(&mut file, at, length, &mut piece, subject)?;
            }
        }
        if piece.len() >= CHUNK && sender.blocking_send(Ok(std::mem::take(&mut piece).into())).is_err() {
            return Ok(());
        }
    }
    if !piece.is_empty() {
        // Whoever does not wait any more needs no last piece.
        let _unwanted = sender.blocking_send(Ok(piece.into()));
    }
    Ok(())
}

/// Adds bytes of the file to a piece. Others of the same length are found by the digest, which the server verifies.
fn read(file: &mut File, at: u64, length: u32, piece: &mut Vec<u8>, subject: &Subject) -> Result<()> {
    let path = &subject.path;
    let cannot_read = |error| Error::local("cannot read", path, error);
    file.seek(SeekFrom::Start(at)).map_err(cannot_read)?;
    let read = file.take(length.into()).read_to_end(piece).map_err(cannot_read)?;
    if read < length as usize {
        return Err(length_changed(path, subject.length));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_compressed;

    #[test]
    fn one_stream_is_told_from_what_has_parts() {
        for head in [
            &b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0"[..],
            b"\0\0\0\x18ftypisom",
            b"RIFF\0\0\0\0WEBP",
            b"\xff\xd8\xff\xe0",
        ] {
            assert!(is_compressed(head), "{head:?}");
        }
        for head in [
            &b"PK\x03\x04\x14\0\x06\0\x08\0\0\0"[..],
            b"SQLite forma",
            b"RIFF\0\0\0\0WAVE",
            b"id,name,valu",
            b"%PDF-1.7\n%\xe2\xe3",
        ] {
            assert!(!is_compressed(head), "{head:?}");
        }
    }
}
