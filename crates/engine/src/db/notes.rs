//! Rows of notes.

use longshore_core::wire::{Note, TextRange};
use longshore_core::{NodeId, NoteId};

use super::{Row, Tx};
use crate::error::Result;

fn read(row: &Row) -> Result<Note> {
    Ok(Note {
        id: row.parse(0)?,
        workspace_id: row.parse(1)?,
        node_id: row.parse(2)?,
        version_id: row.opt_parse(3)?,
        range: row.opt_count(4)?.zip(row.opt_count(5)?).map(|(start, end)| TextRange { start, end }),
        text: row.text(6)?.to_owned(),
        author: row.parse(7)?,
        created_at: row.time(8)?,
        edited_at: row.opt_time(9)?,
    })
}

macro_rules! select_notes {
    ($rest:literal) => {
        concat!(
            "SELECT o.id, n.workspace_id, o.node_id, o.version_id, o.range_start, o.range_end, o.text, o.author,
                    o.created_at, o.edited_at FROM notes o JOIN nodes n ON n.id = o.node_id ",
            $rest
        )
    };
}

pub(crate) async fn insert(tx: &mut Tx, note: &Note) -> Result<()> {
    tx.execute(
        "INSERT INTO notes (id, node_id, version_id, range_start, range_end, text, author, created_at, edited_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            note.id.into(),
            note.node_id.into(),
            note.version_id.into(),
            note.range.map(|range| range.start).into(),
            note.range.map(|range| range.end).into(),
            note.text.as_str().into(),
            note.author.into(),
            note.created_at.into(),
            note.edited_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Writes what can change about a note.
pub(crate) async fn update(tx: &mut Tx, note: &Note) -> Result<()> {
    tx.execute(
        "UPDATE notes SET text = $1, edited_at = $2 WHERE id = $3",
        &[note.text.as_str().into(), note.edited_at.into(), note.id.into()],
    )
    .await?;
    Ok(())
}

pub(crate) async fn delete(tx: &mut Tx, id: NoteId) -> Result<()> {
    tx.execute("DELETE FROM notes WHERE id = $1", &[id.into()]).await?;
    Ok(())
}

pub(crate) async fn get(tx: &mut Tx, id: NoteId) -> Result<Option<Note>> {
    let row = tx.query_opt(select_notes!("WHERE o.id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Lists a node's notes by id, which is by age, from after one on.
pub(crate) async fn list(tx: &mut Tx, node: NodeId, after: &str, limit: u32) -> Result<Vec<Note>> {
    let rows = tx
        .query(
            select_notes!("WHERE o.node_id = $1 AND o.id > $2 ORDER BY o.id LIMIT $3"),
            &[node.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}
