//! Which workspace an act writes to, and who may.

use longshore_core::{Code, LockId, NodeId, NoteId, WorkspaceId};

use crate::actor::Actor;
use crate::db::{self, Tx};
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::visible_node;
use crate::{nodes, notes, workspaces};

/// Which workspace an act writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    Workspace(WorkspaceId),
    /// The workspace of a node, which never changes.
    Node(NodeId),
    /// The workspace of a lock's node.
    Lock(LockId),
    /// The workspace of the node that a note is on.
    Note(NoteId),
}

impl Scope {
    pub(super) async fn workspace(self, tx: &mut Tx, actor: &Actor) -> Result<WorkspaceId> {
        match self {
            Self::Workspace(id) => actor.needs(id, Need::KNOW).map(|()| id),
            Self::Node(id) => Ok(visible_node(tx, actor, id).await?.workspace),
            Self::Lock(id) => {
                let grant = db::locks::get(tx, id).await?.ok_or_else(|| no_lock(id))?;
                let workspace = grant.workspace;
                let is_reached =
                    actor.reaches(workspace) && actor.narrowing().has_node(tx, grant.node).await?;
                is_reached.then_some(workspace).ok_or_else(|| no_lock(id).refusing(workspace))
            }
            Self::Note(id) => {
                let note = db::notes::get(tx, id).await?.ok_or_else(|| notes::not_found(id))?;
                let workspace = note.workspace_id;
                let is_reached =
                    actor.reaches(workspace) && actor.narrowing().has_node(tx, note.node_id).await?;
                is_reached.then_some(workspace).ok_or_else(|| notes::not_found(id).refusing(workspace))
            }
        }
    }
}

impl Scope {
    /// Refuses who lacks what the act needs in the workspace; who has no role there learns that what is named is not there.
    pub(super) fn ensure_may(self, actor: &Actor, workspace: WorkspaceId, need: Need) -> Result<()> {
        if actor.reaches(workspace) {
            return actor.needs(workspace, need);
        }
        let gone = match self {
            Self::Workspace(id) => workspaces::not_found(id),
            Self::Node(id) => nodes::not_found(id),
            Self::Lock(id) => no_lock(id),
            Self::Note(id) => notes::not_found(id),
        };
        Err(gone.refusing(workspace))
    }
}

pub(crate) fn no_lock(id: LockId) -> Error {
    Error::new(Code::LockNotFound, format!("no lock {id}"))
}
