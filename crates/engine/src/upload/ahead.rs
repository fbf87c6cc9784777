//! What a commit would refuse, found out before the content comes: only the commit decides, but a gigabyte should not come
//! for nothing. What it looks at it judges by the functions that the commit judges by.

use longshore_core::wire::OnConflict;
use longshore_core::{Code, WorkspaceId, WorkspacePath};

use super::commit::{ensure_free_to_write, ensure_parent, written_to};
use super::{Input, Written, live_file};
use crate::act::{name_event, permit_early};
use crate::db::nodes::NodeRow;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{earlier, mismatch};
use crate::narrowing::Need;
use crate::nodes::{Target, ensure_folder, ensure_reached, live_node};
use crate::quota::{Gauge, More};
use crate::workspaces;

/// What is there already of where content goes.
struct Ahead {
    /// What has the name.
    found: Option<NodeRow>,
    /// The folder that it is in, or would be made below; nothing for a file that is named itself.
    folder: Option<NodeRow>,
    /// Why nothing can be written there, whatever has the name.
    blocked: Result<()>,
}

/// What the bytes of a content are measured by while they come.
#[derive(Debug)]
pub(crate) enum Measure {
    /// By what was known before they came.
    Nothing,
    /// By the quota of the workspace that they go to.
    Quota(Gauge),
    /// By how many had come when its idempotency key was taken: a repeat, whose bytes are counted, has as many.
    First(u64),
}

impl Measure {
    /// Refuses a content that has become so large.
    pub(super) async fn check(&mut self, engine: &Engine, size: u64) -> Result<()> {
        match self {
            Self::Quota(gauge) => gauge.check(engine, size, 0).await,
            Self::First(most) if size > *most => Err(mismatch()),
            Self::Nothing | Self::First(_) => Ok(()),
        }
    }
}

impl Engine {
    /// Refuses what could not be committed as the workspace is now.
    ///
    /// So much of its bytes is `set_aside` already. Returns what the bytes are measured by while they come.
    pub(crate) async fn check_ahead(&self, input: &Input, set_aside: u64) -> Result<Measure> {
        let checked = self.look_ahead(input.clone(), set_aside).await;
        if matches!(&checked, Err(error) if error.code() == Code::LockLost) {
            let locks = input.options.premises.locks.clone();
            self.ensure_held(&input.actor, input.scope(), locks).await?;
            return Ok(Measure::Nothing);
        }
        checked
    }

    async fn look_ahead(&self, input: Input, set_aside: u64) -> Result<Measure> {
        let clock = self.read_clock();
        self.db()
            .read(move |tx| {
                let (input, clock) = (input.clone(), clock.clone());
                Box::pin(async move {
                    let premises = &input.options.premises;
                    let key = premises.idempotency.as_ref();
                    if let Some(first) = earlier::<Written>(tx, key, input.actor.principal).await? {
                        // A repeat is not measured by what it did itself the first time, nor by what became of that.
                        let size = first.node.size;
                        return match input.options.length {
                            Some(length) if length != size => Err(mismatch()),
                            _ => Ok(Measure::First(size)),
                        };
                    }
                    let Ahead { found, folder, blocked } = ahead(tx, &input).await?;
                    // A file that is named itself is written whatever is to become of names.
                    let on_conflict = match &folder {
                        Some(_) => input.options.on_conflict,
                        None => OnConflict::Version,
                    };
                    if let Some(row) = found.as_ref().or(folder.as_ref()) {
                        let need = written_to(found.is_some(), on_conflict);
                        input.actor.needs(row.workspace, need)?;
                    }
                    let held = match (&found, on_conflict) {
                        (Some(row), OnConflict::Version) => {
                            let rules = rules_of(tx, row.workspace).await?;
                            premises.preconditions.check_change(Some(row), &rules)
                        }
                        (found, _) => premises.preconditions.check(found.as_ref()),
                    };
                    name_event(tx, found.as_ref(), held).await?;
                    blocked?;
                    if let Some(row) = &found {
                        ensure_free_to_write(row, on_conflict, &input.actor)?;
                    }
                    let is_new = found.is_none() || on_conflict == OnConflict::Rename;
                    let written = match on_conflict {
                        OnConflict::Version | OnConflict::Error => found.or(folder),
                        OnConflict::Rename => folder,
                    };
                    let Some(row) = written else { return Ok(Measure::Nothing) };
                    permit_early(tx, &row, &premises.locks, clock).await?;
                    let tally = db::quotas::get(tx, row.workspace).await?;
                    let mut tally = tally.ok_or_else(|| workspaces::not_found(row.workspace))?;
                    tally.unstage(set_aside);
                    let announced = input.options.length.unwrap_or(0);
                    tally.ensure_room(More::version(announced, is_new))?;
                    Ok(Measure::Quota(Gauge::new(row.workspace, announced)))
                })
            })
            .await
    }
}

async fn rules_of(tx: &mut Tx, workspace: WorkspaceId) -> Result<longshore_core::wire::WorkspaceSettings> {
    let known = db::workspaces::get(tx, workspace).await?;
    known.map(|known| known.settings).ok_or_else(|| workspaces::not_found(workspace))
}

async fn ahead(tx: &mut Tx, input: &Input) -> Result<Ahead> {
    match &input.target {
        Target::Node(id) => {
            let (row, _) = live_file(tx, &input.actor, *id).await?;
            input.actor.needs(row.workspace, Need::UPLOAD)?;
            Ok(Ahead { found: Some(row), folder: None, blocked: Ok(()) })
        }
        Target::Child { parent, name } => {
            let (row, place) = live_node(tx, &input.actor, *parent).await?;
            input.actor.needs(row.workspace, Need::UPLOAD)?;
            ensure_parent(&row, &place)?;
            let found = db::nodes::child(tx, row.id, name.as_str()).await?;
            Ok(Ahead { found, folder: Some(row), blocked: Ok(()) })
        }
        Target::Path { workspace, path } => {
            let known = db::workspaces::get(tx, *workspace).await?;
            let root = known.ok_or_else(|| workspaces::not_found(*workspace))?.root_id;
            ensure_reached(tx, &input.actor, root, path).await?;
            let root = db::nodes::get(tx, root).await?;
            walk(tx, root.ok_or_else(|| Error::corrupt("a workspace without a root"))?, path).await
        }
    }
}

/// Follows a path as far as there are folders.
async fn walk(tx: &mut Tx, root: NodeRow, path: &WorkspacePath) -> Result<Ahead> {
    let (parents, name) =
        path.split_last().ok_or_else(|| Error::new(Code::NotAFile, "the root is a folder"))?;
    let mut folder = root;
    for part in parents.names() {
        let Some(row) = db::nodes::child(tx, folder.id, part.as_str()).await? else {
            return Ok(Ahead { found: None, folder: Some(folder), blocked: Ok(()) });
        };
        let blocked = ensure_folder(&row, &parents);
        if blocked.is_err() {
            return Ok(Ahead { found: None, folder: Some(folder), blocked });
        }
        folder = row;
    }
    let found = db::nodes::child(tx, folder.id, name.as_str()).await?;
    Ok(Ahead { found, folder: Some(folder), blocked: Ok(()) })
}
