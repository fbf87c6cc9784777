//! Exports: a whole workspace as one archive, made while it is sent. `docs/export.md` describes it.
//!
//! The metadata is that of one moment, read in one transaction and put aside; so its length is known before the first byte.
//! From before that moment on the export holds the contents of the workspace: what a purge removes meanwhile is kept for it
//! ([`db::crossings`]), as long as somebody reads who may: an export ends when its stream is dropped, and few are open at once.
//! Each content is verified by its BLAKE3 while it is sent. What cannot be sent breaks the archive off, which then has no end: it
//! is never shorter than it should be without being broken. So does a right that ends: each section and each group of contents
//! asks for it anew.

mod open;
mod send;
mod snapshot;
mod spool;

use std::sync::Arc;
use std::time::Duration;

use longshore_core::export::{END, ExportEnd, ExportHeader, FORMAT, HEADER, Section, VERSION};
use longshore_core::tar::{self, framed};
use longshore_core::wire::Role;
use longshore_core::{Algorithm, Code, Digest, Timestamp, WorkspaceId};
use tokio::sync::mpsc;

use self::open::{Open, ensure_room};
use self::snapshot::{PIECES, Pipe, Taken, take};
use self::spool::{Spool, Spooled};
use crate::actor::{Actor, Right};
use crate::audit::Entry;
use crate::db;
use crate::db::crossings::CrossingId;
use crate::download::ContentStream;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;

/// For how long what an export or an import holds is kept after somebody has gone on with it.
pub(crate) const LEASE: Duration = Duration::from_hours(1);

/// An archive of a workspace that is about to be sent.
pub struct Export {
    name: String,
    length: u64,
    bytes: ContentStream,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, length, bytes: _ } = self;
        f.debug_struct("Export").field("name", name).field("length", length).finish_non_exhaustive()
    }
}

impl Export {
    /// Returns what the archive is called, with `.tar` at its end.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many bytes it has.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Gives its bytes.
    #[must_use]
    pub fn into_bytes(self) -> ContentStream {
        self.bytes
    }
}

/// Refuses who neither owns the workspace nor administers the server, and a key that is narrowed.
fn ensure_may_export(actor: &Actor, workspace: WorkspaceId) -> Result<()> {
    actor.needs(workspace, Need::EXPORT)?;
    if actor.role_in(workspace) == Some(Role::Owner) {
        return Ok(());
    }
    actor.may(Right::Everywhere(Need::MANAGE)).map_err(|_| {
        Error::new(Code::Forbidden, "this takes the owner of the workspace, or an admin of the server")
    })
}

/// What was put aside.
struct Spools {
    of: [Spooled; Section::ALL.len()],
}

fn over() -> Error {
    Error::new(Code::RequestTimeout, "an export was left, or took, for so long that what it holds was let go")
}

impl Engine {
    /// Refuses who may not export a workspace, and does nothing.
    pub async fn ensure_may_export(&self, actor: &Actor, workspace: WorkspaceId) -> Result<()> {
        ensure_may_export(actor, workspace)?;
        self.workspace(actor, workspace).await.map(drop)
    }

    /// Begins an export: the moment that it shows is now.
    pub async fn export_workspace(&self, actor: &Actor, workspace: WorkspaceId) -> Result<Export> {
        ensure_may_export(actor, workspace)?;
        // Each has a connection of the database while it reads, and four are all that a SQLite has.
        let _turn = self.exports().acquire().await.map_err(|_| over())?;
        let open = Open::new(self, actor, workspace);
        if let Err(error) = self.begin_export(actor, open.crossing, workspace).await {
            if error.is_refusal() {
                open.forget();
            }
            return Err(error);
        }
        let begun = self.put_aside(&open, workspace).await;
        match begun {
            Ok((taken, spools)) => self.archive_of_workspace(open, taken, spools).await,
            Err(error) => {
                open.end().await;
                Err(error)
            }
        }
    }

    /// Has the workspace's contents held from now on: whoever writes to the workspace after this sees it.
    async fn begin_export(&self, actor: &Actor, crossing: CrossingId, workspace: WorkspaceId) -> Result<()> {
        let (clock, actor) = (self.clock(), actor.clone());
        let begun = self.db().write(move |tx| {
            let (clock, actor) = (clock.clone(), actor.clone());
            Box::pin(async move {
                db::quotas::hold(tx, workspace).await?;
                let now = tx.now(clock.as_ref()).await?;
                ensure_may_export(&db::access::actor_in(tx, &actor, workspace, now).await?, workspace)?;
                ensure_room(db::crossings::count(tx, workspace, now).await?)?;
                // No other read takes all that there is.
                tx.note(Entry::done("workspace.exported", &actor, now).within(workspace).about(workspace));
                db::crossings::insert(tx, crossing, Some(workspace), now.plus(LEASE)).await
            })
        });
        begun.await
    }

    /// Ends an export or an import. Where that fails it ends by itself.
    pub(crate) async fn end_crossing(&self, crossing: CrossingId) {
        let ended = self.db().write(move |tx| Box::pin(db::crossings::end(tx, crossing))).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "what an export or an import holds stays until its time is over");
        }
    }

    /// Has what is held kept for longer.
    pub(crate) async fn keep_crossing(&self, crossing: CrossingId) -> Result<()> {
        let clock = self.clock();
        let kept = self.db().write(move |tx| {
            let clock = clock.clone();
            Box::pin(async move {
                let until = tx.now(clock.as_ref()).await?.plus(LEASE);
                db::crossings::renew(tx, crossing, until).await
            })
        });
        if kept.await? { Ok(()) } else { Err(over()) }
    }

    /// Reads the metadata of one moment and puts it aside.
    async fn put_aside(&self, open: &Open, workspace: WorkspaceId) -> Result<(Taken, Spools)> {
        let (sender, mut lines) = mpsc::channel(PIECES);
        let pipe = Pipe { sender, blocks: !self.db().is_shared() };
        let reading = self.db().read(move |tx| {
            let pipe = pipe.clone();
            Box::pin(async move { take(tx, workspace, pipe).await })
        });
        let putting = async {
            let mut spools = Section::ALL.map(|_| Spool::new(self));
            while let Some((section, lines)) = lines.recv().await {
                spools[section as usize].write(lines).await?;
            }
            // Nothing is read any more once this is left by an error.
            drop(lines);
            Ok::<_, Error>(spools)
        };
        let (taken, spools) = tokio::join!(reading, putting);
        // Where the store failed, that is what is wrong, and not that nobody took the lines.
        let (spools, taken) = (spools?, taken?);
        let mut of = Vec::with_capacity(spools.len());
        for spool in spools {
            let spooled = spool.finish().await?;
            open.add(spooled.blob());
            of.push(spooled);
        }
        let of: [Spooled; Section::ALL.len()] = of.try_into().map_err(|_| over())?;
        self.hold_spools(open.crossing, &of, taken.newest).await?;
        Ok((taken, Spools { of }))
    }

    /// Has what was put aside held, and of the versions none any more that came after those it tells of.
    async fn hold_spools(&self, crossing: CrossingId, spools: &[Spooled], newest: Timestamp) -> Result<()> {
        let held: Vec<_> = spools.iter().filter_map(Spooled::held).collect();
        let holding = self.db().write(move |tx| {
            let held = held.clone();
            Box::pin(async move {
                for (number, held) in held.iter().enumerate() {
                    db::crossings::hold(tx, crossing, &format!("spool {number}"), held).await?;
                }
                db::crossings::set_taken(tx, crossing, newest).await
            })
        });
        holding.await
    }

    async fn archive_of_workspace(&self, open: Open, taken: Taken, spools: Spools) -> Result<Export> {
        let Taken { workspace, counts, newest: _ } = taken;
        let (name, taken_at) = (format!("{}.tar", workspace.name), self.now());
        let header = ExportHeader {
            format: FORMAT.to_owned(),
            version: VERSION,
            longshore: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at,
            workspace,
            counts,
        };
        let header = send::json(&header)?;
        // Its length does not depend on the digest.
        let digest = Digest::new(Algorithm::Blake3, [0; 32]);
        let end = send::json(&ExportEnd { counts, metadata: digest })?;
        let mut length = framed(header.len() as u64) + framed(end.len() as u64) + tar::END.len() as u64;
        length += spools.of.iter().map(|spool| framed(spool.size())).sum::<u64>();
        length += self.contents_length(&spools.of[Section::Contents as usize]).await?;
        let seconds = u64::try_from(taken_at.as_micros() / 1_000_000).unwrap_or(0);
        let sending = send::Sending { open: Arc::new(open), seconds, counts };
        let bytes = sending.into_bytes((HEADER, header), spools.of, END);
        Ok(Export { name, length, bytes })
    }
}
