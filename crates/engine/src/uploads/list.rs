//! The uploads of one principal that are not finished: a page of them, and how many there may be.

use longshore_core::wire::{OpenUpload, Page};
use longshore_core::{Code, ErrorKind, PrincipalId, Timestamp, WorkspacePath};

use super::is_in_reach;
use super::plan::Plan;
use crate::actor::{Actor, Right};
use crate::db::uploads::{UploadKind, UploadRow};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::nodes::{Target, live_node};

/// Refuses one upload more where a principal has as many as it may have. Who begins many at the same moment may pass it by
/// as many.
pub(super) async fn ensure_room(
    tx: &mut Tx,
    principal: PrincipalId,
    now: Timestamp,
    most: u32,
) -> Result<()> {
    if db::uploads::count_open(tx, principal, now, most).await? < u64::from(most) {
        return Ok(());
    }
    let detail = format!("{most} uploads are not finished: finish or remove some, or wait until they expire");
    Err(Error::new(Code::TooManyUploads, detail))
}

/// Returns where the content of an upload goes as the workspace is now; nothing for a part, or where there is no such place.
async fn path(tx: &mut Tx, actor: &Actor, row: &UploadRow) -> Result<Option<WorkspacePath>> {
    let (node, name) = match Plan::of(row)?.target {
        None => return Ok(None),
        Some(Target::Path { path, .. }) => return Ok(Some(path)),
        Some(Target::Child { parent, name }) => (parent, Some(name)),
        Some(Target::Node(node)) => (node, None),
    };
    match live_node(tx, actor, node).await {
        Ok((_, place)) => Ok(match name {
            Some(name) => place.path.join(name).ok(),
            None => Some(place.path),
        }),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Engine {
    /// Lists the uploads that the actor's principal began and that are not finished, the oldest first: those of the
    /// workspaces that the actor reaches, and parts of none.
    pub async fn open_uploads(&self, actor: &Actor, page: PageRequest) -> Result<Page<OpenUpload>> {
        actor.may(Right::Somewhere(Need::UPLOAD))?;
        let (actor, clock, limit, after) = (actor.clone(), self.clock(), page.limit(), self.after(&page)?);
        let found = self.db().read(move |tx| {
            let (actor, clock, after) = (actor.clone(), clock.clone(), after.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let rows = db::uploads::open(tx, &actor, now, &after, limit).await?;
                let mut items = Vec::with_capacity(rows.len());
                for row in &rows {
                    if !is_in_reach(row, &actor)? {
                        continue;
                    }
                    items.push(OpenUpload {
                        id: row.id,
                        state: row.state,
                        workspace_id: row.workspace,
                        path: path(tx, &actor, row).await?,
                        is_part: row.kind == UploadKind::Part,
                        offset: row.received,
                        length: row.length,
                        expires_at: row.expires_at,
                    });
                }
                Ok((rows, items))
            })
        });
        let (rows, items) = found.await?;
        let Page { next_cursor, .. } = self.page_by(&page, rows, |row| row.id.to_string())?;
        Ok(Page { items, next_cursor })
    }
}
