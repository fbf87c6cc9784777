//! Undo: takes back one act, or one principal's acts since a time, as one new act.

mod plan;

use longshore_core::wire::{Facts, Role, UndoActs, UndoConflict, Undone, Who};
use longshore_core::{Code, WorkspaceId};
use serde_json::json;

use self::plan::{Goal, plan};
use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db::events::Change;
use crate::db::history::{self, Picked};
use crate::db::nodes::NodeRow;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::versions::set_content;
use crate::workspaces::not_found;

/// How many acts an answer names.
const TOLD_ACTS: u32 = 1_000;

/// How many conflicts an error names, and how many bytes of paths: who meets one must be able to read it.
const TOLD_CONFLICTS: usize = 100;
const TOLD_BYTES: usize = 16 * 1_024;

impl Engine {
    /// Takes acts back: each node that they changed is again what it was before, as one new act.
    ///
    /// Where anybody has changed such a node since, other than by these acts, nothing is undone. One's own acts
    /// take an editor, those of others an admin; a preview takes a viewer, and says nothing of locks.
    pub async fn undo(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: UndoActs,
        premises: Premises,
    ) -> Result<Undone> {
        check(&wanted)?;
        let most = self.settings().copied_nodes;
        if wanted.preview {
            return self.preview_undo(actor, workspace, wanted, most).await;
        }
        let ask = Ask { actor, role: Role::Editor, scope: Scope::Workspace(workspace), premises };
        self.act(ask, wanted, move |act, wanted| Box::pin(run(act, wanted, most))).await
    }

    async fn preview_undo(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: UndoActs,
        most: usize,
    ) -> Result<Undone> {
        self.workspace(actor, workspace).await?;
        let actor = actor.clone();
        self.db()
            .read(move |tx| {
                let (actor, wanted) = (actor.clone(), wanted.clone());
                Box::pin(async move {
                    let picked = pick(tx, &actor, workspace, &wanted).await?;
                    let plan = plan(tx, picked, most).await?;
                    let acts = history::acts(tx, picked, TOLD_ACTS).await?;
                    Ok(Undone { conflicts: plan.conflicts, ..told(acts, &plan.goals) })
                })
            })
            .await
    }
}

fn check(wanted: &UndoActs) -> Result<()> {
    let starts = usize::from(wanted.since.is_some()) + usize::from(wanted.since_seq.is_some());
    let detail = match (wanted.act, wanted.actor, starts) {
        (Some(_), None, 0) | (None, Some(_), 1) => return Ok(()),
        (Some(_), _, _) => "`act` stands alone: one act is by one actor, at one time",
        (None, None, _) => "say what to undo: `act`, or `actor` with `since_seq` or `since`",
        (None, Some(_), 0) => "say since when: `since_seq` or `since`",
        (None, Some(_), _) => "`since_seq` and `since` exclude each other",
    };
    Err(Error::new(Code::InvalidBody, detail))
}

/// Finds the stretch of the log that is meant.
async fn pick(tx: &mut Tx, actor: &Actor, workspace: WorkspaceId, wanted: &UndoActs) -> Result<Picked> {
    if let Some(act) = wanted.act {
        let picked = history::act(tx, workspace, act).await?;
        let picked =
            picked.ok_or_else(|| Error::new(Code::ActNotFound, format!("the log has no act {act}")))?;
        ensure_kept(tx, workspace, picked.from).await?;
        return Ok(picked);
    }
    let from = match (wanted.since_seq, wanted.since) {
        (Some(seq), _) => seq.saturating_add(1),
        (None, Some(time)) => {
            let known = db::workspaces::get(tx, workspace).await?.ok_or_else(|| not_found(workspace))?;
            history::since(tx, workspace, time, known.seq).await?
        }
        (None, None) => 1,
    };
    ensure_kept(tx, workspace, from).await?;
    let actor = match wanted.actor {
        Some(Who::Principal(id)) => id,
        _ => actor.principal,
    };
    Ok(Picked { workspace, actor, from, until: u64::MAX })
}

/// Refuses what begins before the log does: half of it would be undone, and nobody would know.
async fn ensure_kept(tx: &mut Tx, workspace: WorkspaceId, from: u64) -> Result<()> {
    let oldest = history::oldest(tx, workspace).await?;
    match oldest.filter(|oldest| from < *oldest) {
        None => Ok(()),
        Some(oldest) => {
            let detail = format!("the log begins with {oldest}: what happened before cannot be undone");
            Err(Error::new(Code::ActNotFound, detail))
        }
    }
}

fn told(acts: Vec<u64>, goals: &[Goal]) -> Undone {
    let changes = goals.iter().filter(|goal| !goal.gone).map(Goal::change).collect();
    Undone { acts, act: None, changes, conflicts: Vec::new() }
}

async fn run(act: &mut Act<'_>, wanted: UndoActs, most: usize) -> Result<Undone> {
    let picked = pick(act.tx, act.log.actor(), act.log.workspace(), &wanted).await?;
    if picked.actor != act.actor().principal && act.actor().role < Role::Admin {
        return Err(Error::new(Code::Forbidden, "to undo what others did takes an admin"));
    }
    let plan = plan(act.tx, picked, most).await?;
    if !plan.conflicts.is_empty() {
        return Err(refused(plan.conflicts));
    }
    let acts = history::acts(act.tx, picked, TOLD_ACTS).await?;
    let mut undone = told(acts, &plan.goals);
    undone.act = apply(act, &plan.goals).await?;
    Ok(undone)
}

fn refused(conflicts: Vec<UndoConflict>) -> Error {
    let detail = match conflicts.len() {
        1 => format!("{} stands in the way", conflicts[0].path),
        many => format!("{} and {} more stand in the way", conflicts[0].path, many - 1),
    };
    let mut bytes = 0;
    let told = conflicts.into_iter().take(TOLD_CONFLICTS).take_while(|conflict| {
        let before = bytes;
        bytes += conflict.path.byte_length();
        before < TOLD_BYTES
    });
    let facts = Facts { conflicts: told.collect(), ..Facts::default() };
    Error::new(Code::UndoConflict, detail).with_facts(facts)
}

/// Brings every node to its goal; returns the number of the act, unless nothing had to change.
async fn apply(act: &mut Act<'_>, goals: &[Goal]) -> Result<Option<u64>> {
    for goal in goals.iter().filter(|goal| !goal.gone) {
        act.permit_whole(&goal.row, &goal.place).await?;
        if let Some(folder) = goal.to.parent_id.filter(|_| goal.arrives()) {
            let folder = db::nodes::place(act.tx, folder).await?;
            act.permit(&folder)?;
        }
    }
    // Names may be swapped, and a folder may go into one that leaves it: first all give up their names. What is
    // in the trash takes none.
    for goal in goals.iter().filter(|goal| goal.moves() && goal.row.trashed_at.is_none()) {
        let aside = NodeRow { trashed_at: Some(act.now()), ..goal.row.clone() };
        db::nodes::update(act.tx, &aside).await?;
    }
    // A name is free once what was made since has gone to the trash.
    let (leaving, staying): (Vec<_>, Vec<_>) = goals.iter().partition(|goal| goal.goes_to_trash());
    let mut number = None;
    for goal in leaving.into_iter().chain(staying).filter(|goal| !goal.covered) {
        let seq = bring_back(act, goal).await?;
        number = number.or(seq);
    }
    Ok(number)
}

/// Brings one node to its goal, with an event for each kind of change; returns the place of the first.
async fn bring_back(act: &mut Act<'_>, goal: &Goal) -> Result<Option<u64>> {
    let mut row = goal.row.clone();
    let mut changes = Vec::new();
    if let Some(version) = goal.content() {
        let before = row.clone();
        set_content(act, &mut row, version).await?;
        let change = Change::of("version.restored", &row, &goal.to_path).after(&before);
        let change = change.with("restored_from", json!(version));
        changes.push(change.with("previous_version_id", json!(before.version)));
    }
    if goal.to.metadata != row.metadata {
        let before = row.clone();
        row.metadata.clone_from(&goal.to.metadata);
        let change = Change::of("node.metadata_changed", &row, &goal.to_path).after(&before);
        changes.push(change.with("metadata", json!(row.metadata)));
    }
    if goal.to.labels != row.labels {
        let before = row.clone();
        row.labels.clone_from(&goal.to.labels);
        let change = Change::of("node.labels_changed", &row, &goal.to_path).after(&before);
        changes.push(change.with("labels", json!(row.labels)));
    }
    if let Some(kind) = kind_of_move(goal) {
        let before = row.clone();
        row.parent = goal.to.parent_id;
        row.name.clone_from(&goal.to.name);
        row.trashed_at = match goal.to.trashed {
            true => row.trashed_at.or(Some(act.now())),
            false => None,
        };
        let change = Change::of(kind, &row, &goal.to_path).after(&before);
        changes.push(if goal.moves() { change.moved_from(&goal.place.path) } else { change });
    }
    row.touch(&act.log);
    db::nodes::update(act.tx, &row).await?;
    let mut first = None;
    for change in changes {
        let seq = act.record(change.with("undoes", json!(goal.first))).await?;
        first.get_or_insert(seq);
    }
    Ok(first)
}

fn kind_of_move(goal: &Goal) -> Option<&'static str> {
    if goal.goes_to_trash() {
        Some("node.trashed")
    } else if goal.row.trashed_at.is_some() && !goal.to.trashed {
        Some("node.restored")
    } else if goal.to.parent_id != goal.row.parent {
        Some("node.moved")
    } else if goal.to.name != goal.row.name {
        Some("node.renamed")
    } else {
        None
    }
}
