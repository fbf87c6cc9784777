//! The local file of a delta, read twice: to find what it shares with the old content, and to send the rest. All of it
//! blocks, on threads of its own.

use std::io::Read;
use std::path::Path;

use blake3::Hasher;
use longshore_core::chunks::Chunker;
use longshore_core::{Digest, VersionId, delta};
use longshore_flow::Cancel;

use super::recipe::{Composer, Instruction, Known, Recipe};
use crate::error::Result;
use crate::transfer::content::Content;
use crate::transfer::plan::{CHUNK, next_chunk};
use crate::transfer::reader::{finish, open_file};
use crate::transfer::single::Cargo;
use crate::transfer::threads::Reading;

/// How many bytes tell what is compressed.
const HEAD: usize = 12;

/// A file that was compared with what is known, as it was then.
pub(super) struct Compared {
    content: Content,
    digest: Digest,
    recipe: Recipe,
    /// Of what it was compared with.
    base: VersionId,
}

impl Cargo for Compared {
    fn length(&self) -> u64 {
        self.content.length()
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn base(&self) -> Option<VersionId> {
        Some(self.base)
    }

    fn bytes(&self, from: u64) -> u64 {
        self.recipe.bytes(from)
    }

    fn read(&self, from: u64, reading: &Reading) -> Result<()> {
        let mut piece = Vec::new();
        let mut instructions = self.recipe.instructions(from).peekable();
        while let Some(instruction) = instructions.next() {
            match instruction {
                Instruction::Copy(range) => piece.extend(delta::copy(range)),
                Instruction::Data(at, length) => {
                    piece.extend(delta::data(length));
                    let begun = piece.len();
                    piece.resize(begun + length as usize, 0);
                    self.content.read_into(at, &mut piece[begun..])?;
                }
            }
            let is_last = instructions.peek().is_none();
            // Looked for before the last piece leaves: after it, the server has all it was told of. What is copied is not
            // read again, and would be as it was before.
            if is_last {
                self.content.ensure_unchanged()?;
            }
            if (is_last || piece.len() >= CHUNK) && !reading.give(std::mem::take(&mut piece).into()) {
                break;
            }
        }
        Ok(())
    }
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

/// Finds what a file shares with what is known of a version; nothing where sending it whole is better, or tells better what
/// is wrong.
pub(super) fn compare(path: &Path, base: VersionId, known: Known, cancel: &Cancel) -> Option<Compared> {
    let content = Content::open(path).ok()?;
    let length = content.length();
    let (mut hasher, mut chunker, mut composer) = (Hasher::new(), Chunker::default(), Composer::new(known));
    let mut bite = vec![0; CHUNK];
    while hasher.count() < length {
        let size = next_chunk(length - hasher.count());
        content.read_into(hasher.count(), &mut bite[..size]).ok()?;
        hasher.update(&bite[..size]);
        chunker.update(&bite[..size], |chunk| composer.take(chunk));
        if cancel.is_cancelled() || !composer.may_pay(length) {
            return None;
        }
    }
    chunker.finish(|chunk| composer.take(chunk));
    let recipe = composer.finish();
    // Of one that was written to meanwhile some bytes are old and some new, and the digest is of both.
    let pays = recipe.pays(length) && content.ensure_unchanged().is_ok();
    pays.then(|| Compared { content, digest: finish(&hasher), recipe, base })
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
