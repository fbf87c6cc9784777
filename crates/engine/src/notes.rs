//! Notes: short comments on nodes.
//!
//! A note is no change of its node: nobody's lock is in its way, it makes no version, and undo leaves it alone. It
//! stays with the node through the trash, where it is read but not written, and goes with it when that is purged.

use longshore_core::wire::{CreateNote, NoText, Note, Page, Role, TextRange, UpdateNote};
use longshore_core::{Code, NodeId, NoteId, VersionId};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db;
use crate::db::events::Change;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::nodes::{live_node, readable_node};
use crate::versions::characters;
use crate::versions::no_version;

/// The most characters of a note.
const TEXT: usize = 4_000;

fn invalid(detail: impl Into<String>) -> Error {
    Error::new(Code::InvalidNote, detail)
}

pub(crate) fn not_found(id: NoteId) -> Error {
    Error::new(Code::NoteNotFound, format!("no note {id}"))
}

pub(crate) fn check_text(text: &str) -> Result<()> {
    if text.trim().is_empty() || text.chars().count() > TEXT {
        return Err(invalid(format!("a note has 1 to {TEXT} characters, and not only blanks")));
    }
    // PostgreSQL's text has no NUL, so nobody's has.
    if text.contains('\0') {
        return Err(invalid("a note holds no NUL"));
    }
    Ok(())
}

impl Engine {
    /// Writes a note on a node, on one of its versions, or on a part of that one's text.
    pub async fn create_note(
        &self,
        actor: &Actor,
        node: NodeId,
        wanted: CreateNote,
        premises: Premises,
    ) -> Result<Note> {
        check_text(&wanted.text)?;
        if let Some(note) = self.answered(actor, &premises, Need::WRITE).await? {
            return Ok(note);
        }
        let version_id = match wanted.range {
            Some(range) => Some(self.check_range(actor, node, wanted.version_id, range).await?),
            None => wanted.version_id,
        };
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Node(node), premises };
        self.act(ask, CreateNote { version_id, ..wanted }, move |act, wanted| {
            Box::pin(write_note(act, node, wanted))
        })
        .await
    }

    /// Returns the version that a range is of, after a look at its text: it never changes, so it is looked at before
    /// the act and not in it.
    async fn check_range(
        &self,
        actor: &Actor,
        file: NodeId,
        version: Option<VersionId>,
        range: TextRange,
    ) -> Result<VersionId> {
        let content = self.open_content(actor, file, version).await?;
        let characters = characters(&content).await?.map_err(|why| match why {
            NoText::TooLarge => {
                invalid("the version is larger than 1 MiB: only of a smaller one can a range be named")
            }
            NoText::Binary => invalid("the version has no text, so no range of it can be named"),
        })?;
        if range.start >= range.end || range.end > characters {
            let detail =
                format!("the text has {characters} characters: a range begins before it ends, within them");
            return Err(invalid(detail));
        }
        Ok(content.version().id)
    }

    /// Lists a node's notes, oldest first; in the trash too.
    pub async fn list_notes(&self, actor: &Actor, node: NodeId, page: PageRequest) -> Result<Page<Note>> {
        let (limit, after, actor) = (page.limit(), self.after(&page)?, actor.clone());
        let items = self.db().read(move |tx| {
            let (actor, after) = (actor.clone(), after.clone());
            Box::pin(async move {
                readable_node(tx, &actor, node).await?;
                db::notes::list(tx, node, &after, limit).await
            })
        });
        self.page_by(&page, items.await?, |note| note.id.to_string())
    }

    /// Changes what a note says. Only its author and admins may.
    pub async fn update_note(
        &self,
        actor: &Actor,
        id: NoteId,
        wanted: UpdateNote,
        premises: Premises,
    ) -> Result<Note> {
        check_text(&wanted.text)?;
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Note(id), premises };
        self.act(ask, wanted.text, move |act, text| {
            Box::pin(async move {
                let (mut note, change) = own_note(act, id, "note.edited").await?;
                if note.text == text {
                    return Ok(note);
                }
                note.text = text;
                note.edited_at = Some(act.now());
                db::notes::update(act.tx, &note).await?;
                act.record(change.with("text", json!(note.text))).await?;
                Ok(note)
            })
        })
        .await
    }

    /// Removes a note. Only its author and admins may.
    pub async fn delete_note(&self, actor: &Actor, id: NoteId, premises: Premises) -> Result<()> {
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Note(id), premises };
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                let (_, change) = own_note(act, id, "note.deleted").await?;
                db::notes::delete(act.tx, id).await?;
                act.record(change).await?;
                Ok(())
            })
        })
        .await
    }
}

async fn write_note(act: &mut Act<'_>, node: NodeId, wanted: CreateNote) -> Result<Note> {
    let (row, place) = live_node(act.tx, act.log.actor(), node).await?;
    act.check_stated(Some(&row)).await?;
    act.use_locks(&place);
    if let Some(version) = wanted.version_id {
        db::versions::get(act.tx, node, version).await?.ok_or_else(|| no_version(version))?;
    }
    let note = Note {
        id: NoteId::new(act.now()),
        workspace_id: row.workspace,
        node_id: node,
        version_id: wanted.version_id,
        range: wanted.range,
        text: wanted.text,
        author: act.actor().principal,
        created_at: act.now(),
        edited_at: None,
    };
    db::notes::insert(act.tx, &note).await?;
    let change = Change::of("note.created", &row, &place.path).with("note", json!(note));
    act.record(change).await?;
    Ok(note)
}

/// Finds a note that the actor may change, and begins the event that says so.
async fn own_note(act: &mut Act<'_>, id: NoteId, kind: &'static str) -> Result<(Note, Change)> {
    let note = db::notes::get(act.tx, id).await?.ok_or_else(|| not_found(id))?;
    let (row, place) = live_node(act.tx, act.log.actor(), note.node_id).await?;
    act.check_stated(Some(&row)).await?;
    act.use_locks(&place);
    if note.author != act.actor().principal && act.actor().role_in(act.log.workspace()) < Some(Role::Admin) {
        return Err(Error::new(Code::Forbidden, "only its author and admins change a note"));
    }
    let change =
        Change::of(kind, &row, &place.path).with("note_id", json!(id)).with("author", json!(note.author));
    Ok((note, change))
}
