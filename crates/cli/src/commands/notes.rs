//! `longshore notes`: short comments on files and folders.

use clap::Subcommand;
use longshore::{Code, CreateNote, Note, NoteId, TextRange};

use super::versions;
use crate::failure::{Exit, Failure};
use crate::ids;
use crate::output::{Output, time};
use crate::session::{Session, about};
use crate::text::indented;

/// Write, list, change and remove notes on files and folders
#[derive(Subcommand)]
pub(crate) enum Notes {
    /// Write a note; with --json the note
    #[command(disable_version_flag = true)]
    Add {
        /// The file or folder, by path or id
        path: String,
        /// What it says
        text: String,
        /// The part of the text that it is about, in characters, such as 10..25
        #[arg(long, value_name = "START..END")]
        range: Option<String>,
        /// The version that it is about, by its number or id [default: with --range the current one, else none]
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
    },
    /// List the notes on a file or folder, oldest first; with --json: {"items": [note, …]}
    List {
        /// The file or folder, by path or id
        path: String,
    },
    /// Change what a note says; with --json the note
    Edit {
        /// The note's id
        id: String,
        /// What it says from now on
        text: String,
    },
    /// Remove notes; with --json: {"items": [id, …]}
    Rm {
        /// The notes' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

fn id(text: &str) -> Result<NoteId, Failure> {
    text.parse().map_err(|error| Failure::of_code(Code::InvalidId, format!("{text:?} is no note: {error}")))
}

fn range(text: &str) -> Result<TextRange, Failure> {
    let ends = text.split_once("..").and_then(|(start, end)| Some((start.parse().ok()?, end.parse().ok()?)));
    let (start, end) = ends.ok_or_else(|| Failure::invalid(format!("{text:?} is not START..END")))?;
    Ok(TextRange { start, end })
}

impl Notes {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let notes = session.client.notes();
        match self {
            Self::Add { path, text, range: part, version } => {
                let node = session.node(path).await?;
                let version_id = match version {
                    Some(version) => Some(versions::find(session, &node, version).await?),
                    None => None,
                };
                let range = part.as_deref().map(range).transpose()?;
                let note = CreateNote { text: text.clone(), version_id, range };
                let note = notes.create(node.id, &note).await.map_err(|error| about(path, &error))?;
                output.object(&note, line)?;
            }
            Self::List { path } => {
                let node = session.node(path).await?;
                let mut notes = notes.list(node.id);
                let mut list = output.list()?;
                while let Some(note) = notes.next().await {
                    list.item(&note?, line)?;
                }
                list.end()?;
            }
            Self::Edit { id: text_id, text } => {
                let note = notes.update(id(text_id)?, text.as_str()).await?;
                output.object(&note, line)?;
            }
            Self::Rm { ids } => {
                let delete = async |id| notes.delete(id).await;
                ids::each(ids::all(ids, id)?, "is gone", output, delete).await?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn line(note: &Note) -> String {
    let range = note.range.map(|range| format!(" {}..{}", range.start, range.end)).unwrap_or_default();
    let version = note.version_id.map(|id| format!(" on {id}")).unwrap_or_default();
    format!(
        "{}  {}  {}{version}{range}: {}",
        note.id,
        time(note.created_at),
        note.author,
        indented(&note.text)
    )
}
