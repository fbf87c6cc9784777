//! Notes on folders and files.

use http::Method;
use longshore_core::wire::{CreateNote, Note, UpdateNote};
use longshore_core::{NodeId, NoteId};

use super::listing::Listing;
use crate::client::Client;
use crate::error::Result;

/// The verbs on notes.
#[derive(Clone, Debug)]
pub struct Notes {
    client: Client,
}

impl Notes {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes a note on a node. Locks are not in its way: a note is no change of the node.
    pub async fn create(&self, node: NodeId, note: &CreateNote) -> Result<Note> {
        let call = self.client.write(Method::POST, format!("/v1/files/{node}/notes"))?;
        self.client.json(call.json(note)?).await
    }

    /// Lists a node's notes, oldest first.
    pub fn list(&self, node: NodeId) -> Listing<Note> {
        let path = async move { Ok(format!("/v1/files/{node}/notes")) };
        Listing::new(self.client.clone(), path)
    }

    /// Changes what a note says. Its author and admins may.
    pub async fn update(&self, note: NoteId, text: impl Into<String>) -> Result<Note> {
        let call = self.client.write(Method::PATCH, format!("/v1/notes/{note}"))?;
        self.client.json(call.json(&UpdateNote { text: text.into() })?).await
    }

    /// Removes a note. Its author and admins may.
    pub async fn delete(&self, note: NoteId) -> Result<()> {
        let path = format!("/v1/notes/{note}");
        self.client.done(self.client.write(Method::DELETE, path)?).await
    }
}
