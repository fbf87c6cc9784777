//! `longshore undo`: takes back what was done.

use clap::{ArgGroup, Args};
use longshore::{Code, Timestamp, UndoActs, UndoChange, UndoConflict, UndoObstacle, UndoStep, Undone, Who};
use longshore_core::{Clock, SystemClock};

use crate::consent::Consent;
use crate::failure::{Exit, Failure};
use crate::moment::ago;
use crate::output::Output;
use crate::session::Session;

/// How many conflicts an error tells.
const TOLD: usize = 10;

/// Undo one act, or all that you or somebody else did since a time, as one new act
///
/// Replaced content, moves, renames, metadata, copies, new files and trips to the trash are taken back. Nothing is
/// undone where somebody else has changed a file or folder since; they are named. An undo can be undone. With
/// --json: {"acts", "act", "changes", "conflicts", "last_seq"}.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub(crate) struct Undo {
    /// The act's number, as its events tell it
    #[arg(long, value_name = "NUMBER", group = "what")]
    act: Option<u64>,
    /// What you did
    #[arg(long, group = "what", requires = "start")]
    mine: bool,
    /// What this person or agent did; for an admin
    #[arg(long, value_name = "ID", group = "what", requires = "start")]
    actor: Option<String>,
    /// From when on: 30m, 2h, 7d, or a time such as 2026-11-20T09:00:00Z
    #[arg(long, value_name = "WHEN", group = "start", conflicts_with = "act")]
    since: Option<String>,
    /// After which event, by its `seq`
    #[arg(long, value_name = "SEQ", group = "start", conflicts_with = "act")]
    after: Option<u64>,
    /// Up to and with which event, such as the `last_seq` that --preview --json tells: nothing done later is undone
    #[arg(long, value_name = "SEQ", conflicts_with = "act")]
    until: Option<u64>,
    /// Only show what would change, and what stands in the way
    #[arg(long, conflicts_with = "yes")]
    preview: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Undo {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let workspace = Some(session.workspace().await?.id);
        let mut wanted = self.wanted(SystemClock.now())?;
        if self.preview {
            let preview = UndoActs { preview: true, ..wanted };
            let told = session.client.undo(workspace, &preview).await?;
            show(&told, output)?;
            return Ok(if told.conflicts.is_empty() { Exit::Ok } else { Exit::Conflict });
        }
        if !self.consent.yes {
            let preview = UndoActs { preview: true, ..wanted.clone() };
            let told = session.client.undo(workspace, &preview).await?;
            if !told.conflicts.is_empty() {
                return Err(in_the_way(&told.conflicts).into());
            }
            let changes: String = told.changes.iter().map(|change| format!("{}\n", line(change))).collect();
            let question = format!("undo these {} changes?", told.changes.len());
            if !self.consent.is_given_to(&changes, &question, output)? {
                return Ok(Exit::Ok);
            }
            // What is done while somebody reads and thinks was not agreed to.
            wanted = preview.as_shown(&told);
        }
        let undone = session.client.undo(workspace, &wanted).await;
        let undone = undone.map_err(|error| match error.facts().conflicts.as_slice() {
            [] => Failure::from(&error),
            conflicts => {
                Failure { request_id: error.request_id().map(str::to_owned), ..in_the_way(conflicts) }
            }
        })?;
        show(&undone, output)?;
        match undone.act {
            Some(act) => output.note(&format!("note: `longshore undo --act {act}` takes this back")),
            None => output.note("note: all is as it was already"),
        }
        Ok(Exit::Ok)
    }

    fn wanted(&self, now: Timestamp) -> Result<UndoActs, Failure> {
        let actor = match &self.actor {
            None => self.mine.then_some(Who::Me),
            Some(id) => Some(Who::Principal(id.parse().map_err(|error| {
                let failure = Failure::of_code(Code::InvalidId, format!("{id:?} is nobody's id: {error}"));
                failure.hint("`longshore keys list --json` and the events show them")
            })?)),
        };
        Ok(UndoActs {
            act: self.act,
            actor,
            since: self.since.as_deref().map(|text| ago(text, now)).transpose()?,
            since_seq: self.after,
            until_seq: self.until,
            preview: false,
        })
    }
}

fn show(told: &Undone, output: Output) -> std::io::Result<()> {
    output.object(told, |told| {
        let changes = told.changes.iter().map(line);
        let conflicts = told.conflicts.iter().map(|conflict| format!("! {}", reason(conflict)));
        changes.chain(conflicts).collect::<Vec<_>>().join("\n")
    })
}

fn line(change: &UndoChange) -> String {
    let steps = change.steps.iter().map(|step| match step {
        UndoStep::Trash => "trash",
        UndoStep::Restore => "restore",
        UndoStep::Move => "move",
        UndoStep::Content => "content",
        UndoStep::Metadata => "metadata",
        UndoStep::Labels => "labels",
    });
    let steps = steps.collect::<Vec<_>>().join(", ");
    if change.path == change.to_path {
        format!("{steps}: {}", change.path)
    } else {
        format!("{steps}: {} to {}", change.path, change.to_path)
    }
}

fn reason(conflict: &UndoConflict) -> String {
    let why = match conflict.reason {
        UndoObstacle::Changed => "was changed since",
        UndoObstacle::NameTaken => "has the name that is to come back",
        UndoObstacle::InTrash => "is in the trash",
        UndoObstacle::IntoItself => "would end up inside itself",
        UndoObstacle::PathTooLong => "would have too long a path",
        UndoObstacle::NodePurged => "was purged",
        UndoObstacle::VersionPurged => "has lost the version that is to come back",
    };
    match (conflict.actor, conflict.seq) {
        (Some(actor), Some(seq)) => format!("{} {why} (by {actor}, event {seq})", conflict.path),
        _ => format!("{} {why}", conflict.path),
    }
}

fn in_the_way(conflicts: &[UndoConflict]) -> Failure {
    let mut told: Vec<_> = conflicts.iter().take(TOLD).map(reason).collect();
    if conflicts.len() > TOLD {
        told.push(format!("and {} more", conflicts.len() - TOLD));
    }
    let message = format!("nothing was undone: {}", told.join("; "));
    Failure::of_code(Code::UndoConflict, message)
        .hint("--preview shows all of it; undo other acts one by one")
}
