//! Taking acts back.

use http::Method;
use longshore_core::WorkspaceId;
use longshore_core::wire::{UndoActs, Undone};

use crate::client::{Call, Client};
use crate::error::Result;

impl Client {
    /// Undoes one act, or one principal's acts since a place in the log or a time, as one new act.
    ///
    /// What somebody else has changed since is named in the error (`undo_conflict`, see
    /// [`Error::facts`](crate::Error::facts)), and nothing is done. The answer's `act` can be undone in its turn.
    /// With `preview` nothing is changed, and the answer names the conflicts too; [`UndoActs::as_shown`] makes of a
    /// preview the order for just what it has shown.
    pub async fn undo(&self, workspace: Option<WorkspaceId>, acts: &UndoActs) -> Result<Undone> {
        let workspace = self.workspace(workspace).await?;
        let route = format!("/v1/workspaces/{workspace}/undo");
        // A preview touches nothing, so no lock covers it.
        let call = match acts.preview {
            true => Call::repeatable(Method::POST, route),
            false => self.write(Method::POST, route)?.locks(self.locks_in(workspace)),
        };
        self.json(call.json(acts)?).await
    }
}
