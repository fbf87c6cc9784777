//! Undo: what is to be taken back, and what that changes.

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, PrincipalId, VersionId};
use crate::path::WorkspacePath;
use crate::time::Timestamp;
use crate::wire::NodeKind;

/// Whose acts are meant: `me`, or a principal's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Who {
    /// The principal that asks.
    Me,
    /// This principal.
    Principal(PrincipalId),
}

impl TryFrom<String> for Who {
    type Error = crate::id::IdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "me" { Ok(Self::Me) } else { text.parse().map(Self::Principal) }
    }
}

impl From<Who> for String {
    fn from(who: Who) -> Self {
        match who {
            Who::Me => "me".to_owned(),
            Who::Principal(id) => id.to_string(),
        }
    }
}

/// Body of `POST /v1/workspaces/{ws}/undo`: one act by its number, or one principal's acts since a place in the log
/// or a time.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoActs {
    /// The act to undo: the `act` of its events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<u64>,
    /// Whose acts to undo: `me`, or a principal's id, which takes an admin. Goes with `since_seq` or `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub actor: Option<Who>,
    /// The `seq` after which that actor's acts are undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_seq: Option<u64>,
    /// The time from which on that actor's acts are undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The `seq` up to which that actor's acts are undone; such as the `last_seq` of a preview, so that what is
    /// undone is what was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_seq: Option<u64>,
    /// Says what would change, and changes nothing.
    #[serde(default)]
    pub preview: bool,
}

impl UndoActs {
    /// Returns the order for what its preview has shown, and for no act that came later.
    #[must_use]
    pub fn as_shown(&self, preview: &Undone) -> Self {
        let until_seq = match self.act {
            // One act never grows.
            Some(_) => None,
            None => self.until_seq.or(Some(preview.last_seq)),
        };
        Self { until_seq, preview: false, ..self.clone() }
    }
}

/// What an undo does to a node.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoStep {
    /// It goes to the trash, as it was not there before, or was there.
    Trash,
    /// It comes back from the trash.
    Restore,
    /// It goes back to the name or the folder that it had.
    Move,
    /// Its former content becomes a new version.
    Content,
    /// Its former metadata stands again.
    Metadata,
    /// Its former labels stand again.
    Labels,
}

/// A node that an undo changes.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoChange {
    /// The node.
    pub node_id: NodeId,
    /// Folder or file.
    pub kind: NodeKind,
    /// The `seq` of the event before which the node stands again.
    pub undoes: u64,
    /// What is done to it.
    pub steps: Vec<UndoStep>,
    /// Where it is before the undo.
    pub path: WorkspacePath,
    /// Where it is after the undo, in the trash or not.
    pub to_path: WorkspacePath,
    /// The version that is current before the undo, where the content changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_version: Option<VersionId>,
    /// The version whose content comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_version: Option<VersionId>,
}

/// Why a node stands in the way of an undo.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoObstacle {
    /// It was changed since by an act that is not undone.
    Changed,
    /// It has the name that another node would go back to.
    NameTaken,
    /// It is a folder in the trash, which others would go back into.
    InTrash,
    /// It is a folder that would end up inside itself.
    IntoItself,
    /// Its path, or one below it, would be too long.
    PathTooLong,
    /// It was purged.
    NodePurged,
    /// The version that it would go back to was purged.
    VersionPurged,
}

/// A node that stands in the way of an undo.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoConflict {
    /// The node.
    pub node_id: NodeId,
    /// Where it is.
    pub path: WorkspacePath,
    /// Why it stands in the way.
    pub reason: UndoObstacle,
    /// The event that put it in the way, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Who did that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<PrincipalId>,
}

/// Answer of `POST /v1/workspaces/{ws}/undo`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The acts that are undone, oldest first; at most the first 1,000 of them.
    pub acts: Vec<u64>,
    /// The new act, which can be undone in its turn; nothing for a preview, or where nothing had to change.
    pub act: Option<u64>,
    /// The nodes that change.
    pub changes: Vec<UndoChange>,
    /// What stands in the way: of a preview alone, as an undo with conflicts is refused with `undo_conflict`.
    pub conflicts: Vec<UndoConflict>,
    /// The `seq` of the newest event that was looked at: with it as `until_seq`, an undo takes back no later act.
    #[serde(default)]
    pub last_seq: u64,
}
