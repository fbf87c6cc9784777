//! The one transaction that makes a workspace of what an import has put aside.
//!
//! On SQLite no other write goes on beside it, as beside any.

use std::collections::BTreeMap;
use std::vec;

use longshore_core::export::{
    ExportHeader, MemberLine, NodeLine, NoteLine, PrincipalLine, Section, VersionLine,
};
use longshore_core::wire::{Note, Quota, Role, Usage, Version, Workspace};
use longshore_core::{Clock, Code, PrincipalId, Timestamp, WorkspaceId, random};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::renaming::Renaming;
use super::{ImportOptions, RIGHT, malformed};
use crate::actor::Actor;
use crate::db::crossings::CrossingId;
use crate::db::events::{Change, Log};
use crate::db::nodes::NodeRow;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::exports::LEASE;
use crate::idempotency::once;
use crate::members::{self, ensure_room};
use crate::workspaces;

/// How many lines are read back at once: each may be as long as any.
const PAGE: u32 = 32;
/// How many of them are understood at once.
const TAKEN: usize = 8;

/// A whole import.
#[derive(Clone, Debug)]
pub(super) struct Settling {
    pub(super) actor: Actor,
    pub(super) crossing: CrossingId,
    pub(super) header: ExportHeader,
    pub(super) options: ImportOptions,
}

/// Reads the lines of a section back, page by page.
pub(super) struct Pages {
    crossing: CrossingId,
    section: Section,
    after: u64,
    page: vec::IntoIter<(u64, String)>,
}

impl Pages {
    /// Returns the next line.
    async fn next<T: DeserializeOwned>(&mut self, tx: &mut Tx) -> Result<Option<T>> {
        if self.page.as_slice().is_empty() {
            let section = self.section.file();
            self.page = db::crossings::lines(tx, self.crossing, section, self.after, PAGE).await?.into_iter();
        }
        let Some((number, text)) = self.page.next() else { return Ok(None) };
        self.after = number;
        serde_json::from_str(&text).map(Some).map_err(Error::corrupt)
    }

    /// Returns the next lines together; none after the last.
    pub(super) async fn page<T: DeserializeOwned>(&mut self, tx: &mut Tx) -> Result<Vec<T>> {
        let mut page = Vec::new();
        while page.len() < TAKEN
            && let Some(line) = self.next(tx).await?
        {
            page.push(line);
        }
        Ok(page)
    }
}

impl Settling {
    /// Makes the workspace.
    pub(super) async fn settle(self, engine: &Engine) -> Result<Workspace> {
        let made = self.clone().attempt(engine).await;
        // Another import of the same archive took the ids meanwhile: now that is seen, and they are new ones.
        match made {
            Err(error) if error.code() == Code::NameTaken => self.attempt(engine).await,
            made => made,
        }
    }

    async fn attempt(self, engine: &Engine) -> Result<Workspace> {
        let clock = engine.clock();
        let made = engine.db().write(move |tx| {
            let (clock, settling) = (clock.clone(), self.clone());
            Box::pin(async move {
                let (clock, actor) = (clock.as_ref(), settling.actor.clone());
                let idempotency = settling.options.idempotency.clone();
                once(tx, idempotency, (&actor, RIGHT), clock, async move |tx, actor| {
                    settling.make(tx, actor, clock).await
                })
                .await
            })
        });
        made.await
    }

    pub(super) fn pages(&self, section: Section) -> Pages {
        Pages { crossing: self.crossing, section, after: 0, page: Vec::new().into_iter() }
    }

    async fn make(self, tx: &mut Tx, actor: &Actor, clock: &dyn Clock) -> Result<Workspace> {
        let now = tx.now(clock).await?;
        if !db::crossings::renew(tx, self.crossing, now.plus(LEASE)).await? {
            let detail = "the import was left for so long that what had come was let go";
            return Err(Error::new(Code::RequestTimeout, detail));
        }
        ensure_room(tx, actor.principal).await?;
        let name = &self.options.name;
        if db::workspaces::by_name(tx, name.as_str()).await?.is_some() {
            return Err(workspaces::exists(name));
        }
        let (mut renaming, stand_ins) = self.names(tx, now).await?;
        let line = &self.header.workspace;
        let workspace = Workspace {
            id: WorkspaceId::new(now),
            name: name.to_string(),
            root_id: renaming.node(line.root_id),
            seq: line.seq,
            created_at: now,
            created_by: actor.principal,
            settings: line.settings.clone(),
            // Measured from now on: what comes along is let in.
            quota: Quota::default(),
            usage: Usage::default(),
        };
        let id = workspace.id;
        db::workspaces::insert(tx, &workspace).await?;
        db::imports::set_log(tx, &workspace, line).await?;
        let mut log = Log::open(tx, id, actor.clone(), clock).await?;
        self.nodes(tx, id, &renaming).await?;
        self.versions(tx, &mut log, &renaming).await?;
        self.notes(tx, id, &renaming).await?;
        if let Some(note) = db::imports::note_on_a_version_of_another(tx, id).await? {
            let why = format!("{note} is on a version that is another file's");
            return Err(malformed(Section::Notes.file(), why));
        }
        self.events(tx, id, &mut renaming).await?;
        if let Some(file) = db::imports::file_without_its_version(tx, id).await? {
            let why =
                format!("the current version of {file}, as its node says it, is not the newest there is");
            return Err(malformed(Section::Versions.file(), why));
        }
        let ids = if renaming.seed.is_some() { "new" } else { "kept" };
        let from = json!({
            "workspace_id": line.id, "name": line.name, "longshore": self.header.longshore,
            "taken_at": self.header.taken_at, "seq": line.seq,
        });
        let change = Change::of_workspace("workspace.imported")
            .with("from", from)
            .with("counts", json!(self.header.counts))
            .with("ids", json!(ids));
        log.append(tx, change).await?;
        // It is the importer who gives them their roles, now, whoever gave them elsewhere.
        let members = self.members(tx, actor.principal, &renaming).await?;
        for (member, role) in &members {
            log.append(tx, members::change("member.added", *member, *role)).await?;
        }
        log.close(tx).await?;
        if self.options.keep_quota {
            db::quotas::set(tx, id, line.quota).await?;
        }
        // Last, as all that changes access.
        for stand_in in &stand_ins {
            db::imports::insert_stand_in(tx, stand_in, now).await?;
        }
        db::members::insert(tx, (id, actor.principal), Role::Owner, actor.principal, now).await?;
        for (member, role) in members {
            db::members::insert(tx, (id, member), role, actor.principal, now).await?;
        }
        db::crossings::end(tx, self.crossing).await?;
        let made = db::workspaces::get(tx, id).await?;
        made.ok_or_else(|| db::imports::lost("its workspace"))
    }

    /// Finds which ids all have here, and who gets a stand-in.
    async fn names(&self, tx: &mut Tx, now: Timestamp) -> Result<(Renaming, Vec<PrincipalLine>)> {
        let mut renaming = Renaming::default();
        if db::crossings::has_known_ids(tx, self.crossing).await? {
            let mut seed = [0; 32];
            random::fill(&mut seed);
            renaming.seed = Some(seed);
        }
        let (mut stand_ins, mut pages) = (Vec::new(), self.pages(Section::Principals));
        while let Some(line) = pages.next::<PrincipalLine>(tx).await? {
            let there = db::access::principal(tx, line.id).await?;
            let is_same = there.as_ref().is_some_and(|there| {
                there.name == line.name && there.kind == line.kind && there.deactivated_at.is_none()
            });
            let mut stands = None;
            if self.options.match_members {
                stands = match is_same {
                    true => Some(line.id),
                    false => db::imports::only_of_name(tx, &line.name, line.kind).await?,
                };
            }
            let id = match (stands, there) {
                (Some(id), _) => id,
                (None, None) => line.id,
                (None, Some(_)) => PrincipalId::new(now),
            };
            if stands.is_none() {
                stand_ins.push(PrincipalLine { id, ..line.clone() });
            }
            renaming.principals.insert(line.id, id);
        }
        Ok((renaming, stand_ins))
    }

    async fn nodes(&self, tx: &mut Tx, workspace: WorkspaceId, renaming: &Renaming) -> Result<()> {
        let mut pages = self.pages(Section::Nodes);
        while let Some(line) = pages.next::<NodeLine>(tx).await? {
            let row = NodeRow {
                id: renaming.node(line.id),
                workspace,
                parent: line.parent_id.map(|id| renaming.node(id)),
                kind: line.kind,
                name: line.name,
                version: line.version_id.map(|id| renaming.version(id)),
                version_number: line.version_number,
                size: line.size,
                media_type: line.media_type,
                digest: line.digest,
                metadata: line.metadata,
                labels: line.labels,
                created_at: line.created_at,
                created_by: renaming.principal(line.created_by),
                updated_at: line.updated_at,
                updated_by: renaming.principal(line.updated_by),
                trashed_at: line.trashed_at,
                fence: line.fence,
                lock: None,
                found_by: 0,
            };
            db::nodes::insert(tx, &row).await?;
        }
        Ok(())
    }

    async fn versions(&self, tx: &mut Tx, log: &mut Log, renaming: &Renaming) -> Result<()> {
        let mut pages = self.pages(Section::Versions);
        while let Some(line) = pages.next::<VersionLine>(tx).await? {
            let wrong = |why: &str| malformed(Section::Versions.file(), format_args!("{}: {why}", line.id));
            let held = db::crossings::held(tx, self.crossing, &line.digest.to_string()).await?;
            let held = held.ok_or_else(|| {
                wrong(&format!("its content is not among those of {}", Section::Contents.file()))
            })?;
            if held.size != line.size {
                return Err(wrong("its content has another length"));
            }
            if line.sha256.is_some() && held.sha256 != line.sha256 {
                return Err(wrong("its content has another SHA-256"));
            }
            if let Some(blob) = held.blob.lies_in() {
                // A sweep may have come between content and version.
                db::orphans::forget(tx, blob).await?;
            }
            let version = Version {
                id: renaming.version(line.id),
                node_id: renaming.node(line.node_id),
                number: line.number,
                size: line.size,
                media_type: line.media_type.clone(),
                stated_media_type: line.stated_media_type.clone(),
                digest: line.digest,
                sha256: line.sha256,
                created_at: line.created_at,
                created_by: renaming.principal(line.created_by),
                fence: line.fence,
                label: line.label.clone(),
            };
            db::versions::insert(tx, log, &version, &held.blob).await?;
        }
        Ok(())
    }

    async fn notes(&self, tx: &mut Tx, workspace_id: WorkspaceId, renaming: &Renaming) -> Result<()> {
        let mut pages = self.pages(Section::Notes);
        while let Some(line) = pages.next::<NoteLine>(tx).await? {
            let note = Note {
                id: renaming.note(line.id),
                workspace_id,
                node_id: renaming.node(line.node_id),
                version_id: line.version_id.map(|id| renaming.version(id)),
                range: line.range,
                text: line.text,
                author: renaming.principal(line.author),
                created_at: line.created_at,
                edited_at: line.edited_at,
            };
            db::notes::insert(tx, &note).await?;
        }
        Ok(())
    }

    /// Finds, where that is wanted, those members who are somebody here, and their roles: who owned it is an admin.
    async fn members(
        &self,
        tx: &mut Tx,
        owner: PrincipalId,
        renaming: &Renaming,
    ) -> Result<Vec<(PrincipalId, Role)>> {
        if !self.options.match_members {
            return Ok(Vec::new());
        }
        // Two of the archive may be one here: the greater role is theirs.
        let mut roles = BTreeMap::<PrincipalId, Role>::new();
        let mut pages = self.pages(Section::Members);
        while let Some(line) = pages.next::<MemberLine>(tx).await? {
            let known = roles.entry(renaming.principal(line.principal_id)).or_insert(Role::Viewer);
            *known = line.role.min(Role::Admin).max(*known);
        }
        let mut members = Vec::new();
        for (id, role) in roles {
            let known = db::access::principal(tx, id).await?;
            // Who stands in for somebody is no member.
            let is_somebody = known.is_some_and(|known| known.deactivated_at.is_none());
            if id != owner && is_somebody {
                ensure_room(tx, id).await?;
                members.push((id, role));
            }
        }
        Ok(members)
    }
}
