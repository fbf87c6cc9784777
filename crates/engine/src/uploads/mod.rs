//! Staged uploads: content that comes in many requests, from any node, with breaks between.
//!
//! What comes is cut into pieces. Each is a blob of its own, durable before it is counted, so that the offset an upload
//! tells is always true; a version may then have its content in many pieces. The newest request for an upload wins: one
//! that came before keeps what it has and ends. Nobody sees the content before it is whole and is committed as any write
//! is. Tokens of locks are never kept.

mod append;
mod base;
mod cells;
mod finish;
mod join;
mod list;
mod merge;
mod plan;
mod running;
mod tail;

use std::time::Duration;

use longshore_core::wire::UploadState;
use longshore_core::{Code, Timestamp, UploadId, WorkspaceId};
use serde_json::json;

use crate::act::Premises;
use crate::actor::{Actor, Right};
use crate::audit::Entry;
use crate::db::uploads::{UploadKind, UploadRow};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::jobs::{Handled, JobContext, JobKind, Outcome};
use crate::narrowing::Need;
use crate::nodes::Target;
use crate::quota;
use crate::upload::{Input, UploadOptions, Written};

pub use append::{AppendOptions, Appending};
use plan::Plan;
pub(crate) use running::Appends;

/// The most pieces of one content: its list is read at once.
const PIECES: u64 = 10_000;

/// Where a part may begin at most: far past every file, and safe to add to.
const FARTHEST: u64 = 1 << 53;

/// How many uploads one transaction removes.
const PRUNED: u32 = 100;

/// Removes the uploads that were left alone.
pub(crate) static EXPIRED: JobKind = JobKind::new("uploads.prune");

/// An upload to be begun.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// Its id, of [`Engine::upload_id`].
    pub id: UploadId,
    /// What it is for.
    pub made: Made,
    /// How many bytes will come, where that is known.
    pub length: Option<u64>,
    /// What its maker says of it, told again as it is.
    pub metadata: String,
}

/// What an upload makes.
#[derive(Clone, Debug)]
pub enum Made {
    /// A file. The length of the options is that of [`NewUpload`].
    File(Target, Box<UploadOptions>),
    /// A part of a file, that begins at this byte of it and is to be in this workspace, where that is known.
    Part(Option<u64>, Option<WorkspaceId>),
}

/// A staged upload as it stands.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Its id.
    pub id: UploadId,
    /// How far it is.
    pub state: UploadState,
    /// How many bytes are durable.
    pub offset: u64,
    /// How many there will be, where that is known.
    pub length: Option<u64>,
    /// What its maker said of it.
    pub metadata: String,
    /// Whether it is a part of another.
    pub is_part: bool,
    /// The parts that it was made of.
    pub parts: Option<Vec<UploadId>>,
    /// When it is removed unless more comes.
    pub expires_at: Timestamp,
    /// What it became.
    pub written: Option<Written>,
}

impl Staged {
    fn of(row: UploadRow) -> Result<Self> {
        let parts = row.parts.map(|parts| parts.split(' ').map(str::parse).collect()).transpose();
        Ok(Self {
            id: row.id,
            state: row.state,
            offset: row.received,
            length: row.length,
            metadata: row.metadata,
            is_part: row.kind == UploadKind::Part,
            parts: parts.map_err(Error::corrupt)?,
            expires_at: row.expires_at,
            written: row
                .written
                .map(|text| serde_json::from_str(&text).map_err(Error::corrupt))
                .transpose()?,
        })
    }
}

/// What a request that goes on says of the upload.
#[derive(Clone, Copy, Debug)]
struct Next {
    /// How many bytes it has.
    offset: u64,
    /// How many there will be, where that is said.
    length: Option<u64>,
}

fn not_found(id: UploadId) -> Error {
    Error::new(Code::UploadNotFound, format!("no upload {id}"))
}

fn torn_down() -> Error {
    Error::new(Code::ShuttingDown, "the upload was broken off by the server's end")
}

fn taken_over() -> Error {
    Error::new(Code::UploadTakenOver, "a later request for the upload took over: ask for its offset")
}

/// Returns why an upload is not as a request has seen it any more.
async fn overtaken(tx: &mut Tx, id: UploadId) -> Result<Error> {
    let found = db::uploads::get(tx, id).await?;
    Ok(found.map_or_else(|| not_found(id), |_| taken_over()))
}

/// Tells whether the key that asks may know of its principal's upload: one that is narrowed knows those alone that were
/// begun with it, for what others have staged may come from what it does not reach. One that is narrowed to its workspace
/// alone knows what goes there; but a part goes wherever it is joined to.
fn is_in_reach(row: &UploadRow, actor: &Actor) -> Result<bool> {
    let is_narrowed = actor.narrowing().is_some() || (row.workspace.is_none() && actor.only().is_some());
    Ok(!is_narrowed || Plan::of(row)?.key == actor.key())
}

/// Lets an upload be seen by who made it alone, while they may write there and its time is not over.
fn seen(row: Option<UploadRow>, id: UploadId, actor: &Actor, now: Timestamp) -> Result<UploadRow> {
    let own = |row: &UploadRow| {
        row.principal == actor.principal && row.place().is_none_or(|workspace| actor.reaches(workspace))
    };
    let row = row.ok_or_else(|| not_found(id))?;
    if !own(&row) || !is_in_reach(&row, actor)? {
        return Err(not_found(id).refusing(row.place()));
    }
    match row.place() {
        Some(workspace) => actor.needs(workspace, Need::UPLOAD)?,
        None => actor.may(Right::Somewhere(Need::UPLOAD))?,
    }
    if row.expires_at <= now {
        return Err(Error::new(
            Code::UploadExpired,
            format!("the time of {id} was over at {}", row.expires_at),
        ));
    }
    Ok(row)
}

impl Engine {
    /// Returns the id of an upload that is to be begun.
    #[must_use]
    pub fn upload_id(&self) -> UploadId {
        UploadId::new(self.now())
    }

    /// Begins an upload, where its file could be written as the workspace is now.
    pub async fn create_upload(&self, actor: &Actor, new: NewUpload) -> Result<Staged> {
        self.create_upload_once(actor, new, None).await
    }

    /// Begins an upload, as [`Self::create_upload`] does; a repeat of the request gives the upload that was begun first, as
    /// it is by then.
    pub async fn create_upload_once(
        &self,
        actor: &Actor,
        new: NewUpload,
        idempotency: Option<Idempotency>,
    ) -> Result<Staged> {
        let premises = Premises { idempotency: idempotency.clone(), ..Premises::default() };
        if let Some(known) = self.answered(actor, &premises, Need::UPLOAD).await? {
            return self.staged_upload(actor, known).await;
        }
        let (mut place, mut end) = (None, new.length.unwrap_or(0));
        let (plan, kind, workspace) = match new.made {
            Made::File(target, options) => {
                let options = UploadOptions { length: new.length, ..*options };
                let input = Input { actor: actor.clone(), target, options };
                self.check_place(&input)?;
                self.check_ahead(&input, 0).await?;
                let workspace = self.workspace_of(&input).await?;
                (Plan::of_file(&input), UploadKind::Whole, Some(workspace))
            }
            Made::Part(at, meant) => {
                match meant {
                    Some(meant) => actor.needs(meant, Need::UPLOAD)?,
                    None => actor.may(Right::Somewhere(Need::UPLOAD))?,
                }
                place = meant;
                let at = at.unwrap_or(0);
                if at > FARTHEST {
                    return Err(Error::new(Code::InvalidHeader, "no part begins so far from a file's begin"));
                }
                // The file reaches so far at least.
                end = at + new.length.unwrap_or(0).min(FARTHEST);
                self.check_size(end)?;
                (Plan::of_part(at, actor.key()), UploadKind::Part, None)
            }
        };
        let is_whole_part = kind == UploadKind::Part && new.length == Some(0);
        let row = UploadRow {
            id: new.id,
            principal: actor.principal,
            workspace,
            kind,
            state: if is_whole_part { UploadState::Complete } else { UploadState::Receiving },
            received: 0,
            sent: 0,
            pieces: 0,
            length: new.length,
            turn: 0,
            plan: plan.to_json()?,
            metadata: new.metadata,
            parts: None,
            written: None,
            expires_at: Timestamp::from_micros(0),
            set_aside: new.length.unwrap_or(0),
            set_aside_in: workspace.or(place),
        };
        let (actor, clock, kept) = (actor.clone(), self.clock(), self.settings().upload_kept);
        let most = self.settings().open_uploads;
        let row = self.db().write(move |tx| {
            let (actor, mut row, clock) = (actor.clone(), row.clone(), clock.clone());
            let idempotency = idempotency.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                row.expires_at = now.plus(kept);
                let right = match row.place() {
                    Some(workspace) => Right::In(workspace, Need::UPLOAD),
                    None => Right::Somewhere(Need::UPLOAD),
                };
                let begin = async |tx: &mut Tx, actor: &Actor| {
                    list::ensure_room(tx, row.principal, now, most).await?;
                    if row.set_aside_in.is_none() {
                        row.set_aside_in = quota::place_of_part(tx, actor).await?;
                    }
                    match row.set_aside_in {
                        Some(place) => quota::set_aside(tx, place, row.set_aside, end).await?,
                        None => row.set_aside = 0,
                    }
                    db::uploads::insert(tx, &row).await?;
                    tx.note(Entry::done("upload.begun", actor, now).within(row.set_aside_in).about(row.id));
                    Ok(row.id)
                };
                let id = once(tx, idempotency, (&actor, right), clock.as_ref(), begin).await?;
                seen(db::uploads::get(tx, id).await?, id, &actor, now)
            })
        });
        Staged::of(row.await?)
    }

    /// Returns the workspace that content goes to.
    async fn workspace_of(&self, input: &Input) -> Result<WorkspaceId> {
        let node = match input.target {
            Target::Path { workspace, .. } => return Ok(workspace),
            Target::Child { parent: node, .. } | Target::Node(node) => node,
        };
        self.workspace_of_node(&input.actor, node).await
    }

    /// Tells how far an upload is, and disturbs nobody who adds to it.
    pub async fn staged_upload(&self, actor: &Actor, id: UploadId) -> Result<Staged> {
        Staged::of(self.seen_upload(actor, id).await?)
    }

    /// Takes an upload over, for who goes on with it: what an older request had is durable by then, or lost. One that
    /// is whole and was not written is written now.
    pub async fn resume_upload(&self, actor: &Actor, id: UploadId, premises: Premises) -> Result<Staged> {
        self.seen_upload(actor, id).await?;
        let hold = self.appends().take(id).await;
        let row = self.take_over(actor, id, None).await?;
        Staged::of(Box::pin(self.settle(actor, row, premises, Some(&hold))).await?)
    }

    /// Removes an upload, and ends what is under way for it. The file that it became stays.
    pub async fn remove_upload(&self, actor: &Actor, id: UploadId) -> Result<()> {
        self.seen_upload(actor, id).await?;
        let _hold = self.appends().take(id).await;
        self.appends().stop_finish(id).await;
        let (actor, clock) = (actor.clone(), self.clock());
        let removed = self.db().write(move |tx| {
            let (actor, clock) = (actor.clone(), clock.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                hold_place(tx, id).await?;
                let row = seen(db::uploads::take_over(tx, id).await?, id, &actor, now)?;
                quota::give_back(tx, row.set_aside_in, row.set_aside).await?;
                db::uploads::delete(tx, id).await?;
                tx.note(Entry::done("upload.removed", &actor, now).within(row.set_aside_in).about(id));
                db::pieces::delete(tx, id).await
            })
        });
        removed.await
    }

    async fn seen_upload(&self, actor: &Actor, id: UploadId) -> Result<UploadRow> {
        actor.may(Right::Somewhere(Need::UPLOAD))?;
        let (actor, clock) = (actor.clone(), self.clock());
        let row = self.db().read(move |tx| {
            let (actor, clock) = (actor.clone(), clock.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                seen(db::uploads::get(tx, id).await?, id, &actor, now)
            })
        });
        row.await
    }

    /// Takes an upload over from requests before, of whatever node, and keeps it as long as one that is begun now. Where
    /// its length was not known, a request that goes on at the right place says it.
    async fn take_over(&self, actor: &Actor, id: UploadId, next: Option<Next>) -> Result<UploadRow> {
        let (actor, clock, kept) = (actor.clone(), self.clock(), self.settings().upload_kept);
        let row = self.db().write(move |tx| {
            let (actor, clock) = (actor.clone(), clock.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                if next.is_some_and(|next| next.length.is_some()) {
                    hold_place(tx, id).await?;
                }
                let mut row = seen(db::uploads::take_over(tx, id).await?, id, &actor, now)?;
                db::uploads::keep(tx, &mut row, now.plus(kept)).await?;
                match next {
                    Some(Next { offset, length: Some(length) }) if offset == row.received => {
                        settle_length(tx, row, length).await
                    }
                    _ => Ok(row),
                }
            })
        });
        let row = row.await?;
        match next {
            Some(Next { offset, .. }) if offset != row.received => {
                let detail = format!("{id} has {} bytes, and these are for {offset}", row.received);
                Err(Error::new(Code::OffsetMismatch, detail))
            }
            _ => Ok(row),
        }
    }

    /// Removes the uploads whose time is over; returns how many.
    pub async fn prune_uploads(&self) -> Result<u64> {
        self.remove_by_steps(PRUNED, |tx, now| Box::pin(db::uploads::delete_expired(tx, now, PRUNED)), |_| {})
            .await
    }
}

/// Takes the workspace in which an upload has bytes set aside: before the upload, as the act does that writes its file.
async fn hold_place(tx: &mut Tx, id: UploadId) -> Result<()> {
    match db::uploads::get(tx, id).await?.and_then(|row| row.set_aside_in) {
        Some(place) => db::quotas::hold(tx, place).await,
        None => Ok(()),
    }
}

/// Has an upload have the length that a request says.
async fn settle_length(tx: &mut Tx, mut row: UploadRow, length: u64) -> Result<UploadRow> {
    match row.length {
        Some(known) if known == length => Ok(row),
        None if length >= row.received => {
            if let Some(place) = row.set_aside_in {
                quota::set_aside(tx, place, length.saturating_sub(row.set_aside), length).await?;
                row.set_aside = length;
            }
            db::uploads::set_length(tx, &mut row, length).await?;
            Ok(row)
        }
        Some(known) => {
            let detail = format!("{known} bytes were announced before, and now {length}");
            Err(Error::new(Code::LengthMismatch, detail))
        }
        None => {
            let detail = format!("{length} bytes are announced, and {} have come", row.received);
            Err(Error::new(Code::LengthMismatch, detail))
        }
    }
}

/// How often uploads are looked for that were left alone.
pub(crate) const INTERVAL: Duration = Duration::from_hours(1);

/// Prunes as a job.
pub(crate) async fn prune(context: JobContext) -> Handled {
    let removed = context.engine().prune_uploads().await?;
    Ok(Outcome::of(json!({ "removed": removed })))
}
