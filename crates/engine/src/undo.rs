//! Undo: takes back one act, or one principal's acts since a time, as one new act.

mod plan;

use longshore_core::wire::{Facts, Role, UndoActs, UndoConflict, UndoObstacle, UndoStep, Undone, Who};
use longshore_core::{Code, WorkspaceId};
use serde_json::json;

use self::plan::{Goal, Plan, plan};
use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db::events::Change;
use crate::db::history::{self, Picked};
use crate::db::nodes::NodeRow;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::versions::bring_back_content;

/// How many conflicts an error names, and how many bytes of paths: who meets one must be able to read it.
const TOLD_CONFLICTS: usize = 100;
const TOLD_BYTES: usize = 16 * 1_024;

/// How much one undo looks at: on SQLite no other write goes on beside it.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    nodes: usize,
    events: u64,
}

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
        let most = Bounds { nodes: self.settings().copied_nodes, events: self.settings().undo_looks_at };
        if wanted.preview {
            return self.preview_undo(actor, workspace, wanted, most).await;
        }
        let ask = Ask { actor, need: Need::UNDO, scope: Scope::Workspace(workspace), premises };
        self.act(ask, wanted, move |act, wanted| Box::pin(run(act, wanted, most))).await
    }

    async fn preview_undo(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: UndoActs,
        most: Bounds,
    ) -> Result<Undone> {
        actor.needs(workspace, Need::READ)?;
        self.workspace(actor, workspace).await?;
        let actor = actor.clone();
        self.db()
            .read(move |tx| {
                let (actor, wanted) = (actor.clone(), wanted.clone());
                Box::pin(async move {
                    let picked = pick(tx, &actor, workspace, &wanted, most.events).await?;
                    let plan = plan(tx, picked, most.nodes).await?;
                    ensure_within(tx, &actor, picked, &plan).await?;
                    Ok(told(picked, plan).0)
                })
            })
            .await
    }
}

fn check(wanted: &UndoActs) -> Result<()> {
    let starts = usize::from(wanted.since.is_some()) + usize::from(wanted.since_seq.is_some());
    let detail = match (wanted.act, wanted.actor, starts) {
        (Some(_), None, 0) if wanted.until_seq.is_none() => return Ok(()),
        (None, Some(_), 1) => return Ok(()),
        (Some(_), _, _) => "`act` stands alone: one act is by one actor, at one time",
        (None, None, _) => "say what to undo: `act`, or `actor` with `since_seq` or `since`",
        (None, Some(_), 0) => "say since when: `since_seq` or `since`",
        (None, Some(_), _) => "`since_seq` and `since` exclude each other",
    };
    Err(Error::new(Code::InvalidBody, detail))
}

/// Finds the stretch of the log that is meant.
async fn pick(
    tx: &mut Tx,
    actor: &Actor,
    workspace: WorkspaceId,
    wanted: &UndoActs,
    most: u64,
) -> Result<Picked> {
    let picked = match wanted.act {
        Some(act) => {
            let picked = history::act(tx, workspace, act).await?;
            picked.ok_or_else(|| no_act(act))?
        }
        None => {
            actor.narrowing().allow(Need::KNOW_WHOLE)?;
            pick_since(tx, actor, workspace, wanted).await?
        }
    };
    let oldest = history::oldest(tx, workspace).await?.unwrap_or_default();
    // What happened before a time is not missed.
    let misses = match wanted.since {
        Some(time) => db::workspaces::forgotten_at(tx, workspace).await?.is_none_or(|at| at >= time),
        None => true,
    };
    if misses && picked.from < oldest {
        let detail = format!("the log begins with {oldest}: what happened before cannot be undone");
        return Err(Error::new(Code::ActNotFound, detail));
    }
    let events = picked.end().saturating_sub(picked.from.max(oldest));
    if events > most {
        let detail = format!(
            "these acts lie among {events} events, and one undo looks at {most}: undo act by act, or a later part first"
        );
        return Err(Error::new(Code::TooManyNodes, detail));
    }
    Ok(Picked { from: picked.from.max(oldest), ..picked })
}

fn no_act(act: u64) -> Error {
    Error::new(Code::ActNotFound, format!("the log has no act {act}"))
}

/// Refuses an act of which anything, before or after, lies outside of the folder that the key is narrowed to: that one it
/// does not know of.
async fn ensure_within(tx: &mut Tx, actor: &Actor, picked: Picked, plan: &Plan) -> Result<()> {
    let narrowing = actor.narrowing();
    if narrowing.folder.is_none() {
        return Ok(());
    }
    // Where a node that is gone was, only names tell.
    let mut is_within = plan.conflicts.iter().all(|conflict| conflict.reason != UndoObstacle::NodePurged);
    for goal in &plan.goals {
        let after = match goal.to.parent_id {
            Some(folder) => narrowing.has_node(tx, folder).await?,
            None => false,
        };
        is_within &= after && narrowing.has_place(&goal.place);
    }
    if is_within { Ok(()) } else { Err(no_act(picked.from).refusing(picked.workspace)) }
}

/// Finds the stretch of one principal's acts.
async fn pick_since(tx: &mut Tx, actor: &Actor, workspace: WorkspaceId, wanted: &UndoActs) -> Result<Picked> {
    let last = history::newest_place(tx, workspace).await?;
    let from = match (wanted.since_seq, wanted.since) {
        (Some(seq), _) => seq.saturating_add(1),
        (None, Some(time)) => history::since(tx, workspace, time, last).await?,
        (None, None) => 1,
    };
    let until = match wanted.until_seq {
        Some(seq) => history::after_acts(tx, workspace, seq).await?,
        None => u64::MAX,
    };
    let actor = match wanted.actor {
        Some(Who::Principal(id)) => id,
        _ => actor.principal,
    };
    Ok(Picked { workspace, actor, from, until, last })
}

/// Returns what a plan comes to, and what it is carried out by.
fn told(picked: Picked, plan: Plan) -> (Undone, Vec<Goal>) {
    let Plan { goals, conflicts, acts } = plan;
    let changes = goals.iter().filter(|goal| !goal.gone).map(Goal::change).collect();
    (Undone { acts, act: None, changes, conflicts, last_seq: picked.last }, goals)
}

async fn run(act: &mut Act<'_>, wanted: UndoActs, most: Bounds) -> Result<Undone> {
    let picked = pick(act.tx, act.log.actor(), act.log.workspace(), &wanted, most.events).await?;
    if picked.actor != act.actor().principal && act.actor().role_in(act.log.workspace()) < Some(Role::Admin) {
        return Err(Error::new(Code::Forbidden, "to undo what others did takes an admin"));
    }
    let plan = plan(act.tx, picked, most.nodes).await?;
    ensure_within(act.tx, act.log.actor(), picked, &plan).await?;
    for goal in plan.goals.iter().filter(|goal| !goal.gone) {
        // What goes to the trash may change besides, and would keep that when it is brought back.
        for step in goal.steps() {
            let need = if step == UndoStep::Trash { Need::DELETE } else { Need::WRITE };
            act.actor().needs(act.log.workspace(), need)?;
        }
    }
    if !plan.conflicts.is_empty() {
        return Err(refused(plan.conflicts));
    }
    let (undone, goals) = told(picked, plan);
    Ok(Undone { act: apply(act, &goals).await?, ..undone })
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
        changes.push(bring_back_content(act, &mut row, version, &goal.to_path).await?);
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
