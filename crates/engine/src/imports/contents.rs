//! The contents of an import: hashed while they come, durable before they are held, and held until a version names them.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use longshore_core::export::{CONTENTS, ContentLine, Section};
use longshore_core::{Algorithm, Digest};
use longshore_store::Writer;
use sha2::{Digest as _, Sha256};

use super::malformed;
use crate::blob::{Blob, BlobId};
use crate::db;
use crate::db::crossings::{CrossingId, Held};
use crate::engine::{Engine, store_failed};
use crate::error::{Error, Result};

/// How many contents are looked up, and held, at once.
const GROUP: u32 = 64;

/// How many versions are looked at at once for contents that are here already.
const LOOKED_AT: u32 = 2_000;

enum Body {
    /// It is here already: it is only verified.
    Known,
    Inline(BytesMut),
    Stored(BlobId, Box<Writer>),
}

/// A content that is coming.
pub(super) struct Incoming {
    line: ContentLine,
    hash: blake3::Hasher,
    sha256: Sha256,
    size: u64,
    body: Body,
}

/// All contents of an import.
pub(super) struct Contents {
    engine: Engine,
    import: CrossingId,
    /// How many lines of contents were looked up.
    looked_up: u64,
    /// Those that come next, and whether they are here already.
    next: VecDeque<(ContentLine, bool)>,
    /// What has come and is not yet held.
    ready: Vec<(Digest, Held)>,
}

/// Returns the name of a content's file.
pub(super) fn file_of(digest: &Digest) -> String {
    let text = digest.to_string();
    format!("{CONTENTS}{}", text.split_once(':').map_or("", |(_, hex)| hex))
}

impl Contents {
    pub(super) fn new(engine: &Engine, import: CrossingId) -> Self {
        let engine = engine.clone();
        Self { engine, import, looked_up: 0, next: VecDeque::new(), ready: Vec::new() }
    }

    /// Holds those of the contents that this server has already: they are not stored a second time.
    pub(super) async fn hold_known(&self) -> Result<()> {
        let (import, mut after) = (self.import, String::new());
        loop {
            let from = after.clone();
            let holding = self.engine.db().read(move |tx| {
                let from = from.clone();
                Box::pin(async move { db::crossings::known_contents(tx, import, &from, LOOKED_AT).await })
            });
            let (known, last) = holding.await?;
            self.hold(known).await?;
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    async fn hold(&self, held: Vec<(Digest, Held)>) -> Result<()> {
        if held.is_empty() {
            return Ok(());
        }
        let import = self.import;
        let holding = self.engine.db().write(move |tx| {
            let held = held.clone();
            Box::pin(async move {
                for (digest, held) in held {
                    let name = digest.to_string();
                    db::crossings::hold(tx, import, &name, &held).await?;
                    if let Some(sha256) = held.sha256 {
                        db::crossings::set_sha256(tx, import, &name, sha256).await?;
                    }
                }
                Ok(())
            })
        });
        holding.await
    }

    /// Returns the content that comes next; nothing after the last.
    pub(super) async fn next(&mut self) -> Result<Option<(ContentLine, bool)>> {
        if self.next.is_empty() {
            let (import, after) = (self.import, self.looked_up);
            let found = self.engine.db().read(move |tx| {
                Box::pin(async move {
                    let section = Section::Contents.file();
                    let mut found = Vec::new();
                    for (number, text) in db::crossings::lines(tx, import, section, after, GROUP).await? {
                        let line: ContentLine = serde_json::from_str(&text).map_err(Error::corrupt)?;
                        let held = db::crossings::held(tx, import, &line.digest.to_string()).await?;
                        // One that says another length than ours is none of ours.
                        let is_known = held.is_some_and(|held| held.size == line.size);
                        found.push((number, (line, is_known)));
                    }
                    Ok(found)
                })
            });
            for (number, line) in found.await? {
                self.looked_up = number;
                self.next.push_back(line);
            }
        }
        Ok(self.next.pop_front())
    }

    /// Begins a content whose file is there.
    pub(super) fn begin(&self, line: ContentLine, is_known: bool) -> Result<Incoming> {
        self.engine.check_size(line.size)?;
        let body = if is_known { Body::Known } else { Body::Inline(BytesMut::new()) };
        let (hash, sha256) = (blake3::Hasher::new(), Sha256::new());
        Ok(Incoming { line, hash, sha256, size: 0, body })
    }

    pub(super) async fn write(&self, incoming: &mut Incoming, bytes: Bytes) -> Result<()> {
        incoming.size += bytes.len() as u64;
        incoming.hash.update(&bytes);
        incoming.sha256.update(&bytes);
        match &mut incoming.body {
            Body::Known => Ok(()),
            Body::Stored(_, writer) => writer.write(bytes).await.map_err(store_failed),
            Body::Inline(content) if incoming.line.size <= self.engine.settings().inline_limit as u64 => {
                content.extend_from_slice(&bytes);
                Ok(())
            }
            Body::Inline(_) => {
                let id = BlobId::new(self.engine.now());
                let mut writer = self.engine.open_blob(id).await?;
                writer.write(bytes).await.map_err(store_failed)?;
                incoming.body = Body::Stored(id, Box::new(writer));
                Ok(())
            }
        }
    }

    /// Ends a content: verifies it and makes it durable.
    pub(super) async fn end(&mut self, incoming: Incoming) -> Result<()> {
        let Incoming { line, hash, sha256, size, body } = incoming;
        let digest = Digest::new(Algorithm::Blake3, *hash.finalize().as_bytes());
        if digest != line.digest || size != line.size {
            let detail = format!("its bytes have {digest}, which is not its name");
            return Err(malformed(&file_of(&line.digest), detail));
        }
        let sha256 = Some(Digest::new(Algorithm::Sha256, sha256.finalize().into()));
        let blob = match body {
            // It is held under its name, which stays: only its SHA-256 is new.
            Body::Known => Blob::Inline(Bytes::new()),
            Body::Inline(content) => Blob::Inline(content.freeze()),
            Body::Stored(id, writer) => {
                writer.finish().await.map_err(store_failed)?;
                Blob::Stored(id)
            }
        };
        self.ready.push((digest, Held { size, sha256, blob }));
        if self.ready.len() >= GROUP as usize { self.flush().await } else { Ok(()) }
    }

    /// Holds all that has come.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let ready = std::mem::take(&mut self.ready);
        self.hold(ready).await
    }
}
