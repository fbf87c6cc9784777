//! Parts that came beside each other, made into one upload: their pieces change hands, and no byte moves.

use std::collections::{HashMap, HashSet};

use longshore_core::wire::UploadState;
use longshore_core::{Code, Timestamp, UploadId};

use super::plan::Plan;
use super::{Made, NewUpload, PIECES, Staged, seen};
use crate::act::Premises;
use crate::actor::Actor;
use crate::db::uploads::{UploadKind, UploadRow};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::quota;
use crate::upload::{Input, UploadOptions};

/// The most parts of one upload.
const PARTS: usize = 1_000;

impl Engine {
    /// Makes an upload of parts that are whole, which are gone then, and writes its file. The same again gives the
    /// same upload, and tries anew what was refused.
    pub async fn join_uploads(&self, actor: &Actor, new: NewUpload, parts: &[UploadId]) -> Result<Staged> {
        let Made::File(target, options) = new.made else {
            return Err(Error::new(Code::InvalidHeader, "a part is not made of parts"));
        };
        let distinct: HashSet<_> = parts.iter().collect();
        if parts.is_empty() || parts.len() > PARTS || distinct.len() != parts.len() {
            let detail = format!("an upload is made of 1 to {PARTS} parts, each of them once");
            return Err(Error::new(Code::InvalidHeader, detail));
        }
        let input =
            Input { actor: actor.clone(), target, options: UploadOptions { length: None, ..*options } };
        self.check_place(&input)?;
        let workspace = self.workspace_of(&input).await?;
        let row = UploadRow {
            id: new.id,
            principal: actor.principal,
            workspace: Some(workspace),
            kind: UploadKind::Joined,
            state: UploadState::Receiving,
            received: 0,
            sent: 0,
            pieces: 0,
            length: None,
            turn: 0,
            plan: Plan::of_file(&input).to_json()?,
            metadata: new.metadata,
            parts: Some(parts.iter().map(UploadId::to_string).collect::<Vec<_>>().join(" ")),
            written: None,
            expires_at: Timestamp::from_micros(0),
            set_aside: 0,
            set_aside_in: Some(workspace),
        };
        let row = self.take_parts(actor, row, parts).await?;
        let Premises { preconditions, locks, .. } = input.options.premises;
        let premises = Premises { preconditions, locks, idempotency: None };
        Staged::of(Box::pin(self.settle(actor, row, premises, None)).await?)
    }

    async fn take_parts(&self, actor: &Actor, row: UploadRow, parts: &[UploadId]) -> Result<UploadRow> {
        let (actor, parts, clock) = (actor.clone(), parts.to_vec(), self.clock());
        let (kept, limit) = (self.settings().upload_kept, self.settings().largest_file);
        let joined = self.db().write(move |tx| {
            let (actor, mut row, parts, clock) = (actor.clone(), row.clone(), parts.clone(), clock.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                row.expires_at = now.plus(kept);
                // Before anything is taken or set aside: what is committed here is kept, whatever becomes of the file.
                if let Some(workspace) = row.workspace {
                    let joining = db::access::actor_in(tx, &actor, workspace, now).await?;
                    joining.needs(workspace, Need::UPLOAD)?;
                }
                let mut places = db::uploads::places_of_parts(tx, actor.principal).await?;
                places.extend(row.set_aside_in);
                places.sort_unstable();
                places.dedup();
                for place in places {
                    db::quotas::hold(tx, place).await?;
                }
                match join(tx, &actor, &mut row, &parts, now).await {
                    Ok(()) => {}
                    // The parts are gone: into this very upload, when the request comes again.
                    Err(error) if error.code() == Code::UploadNotFound => {
                        let text = row.parts.as_deref().unwrap_or_default();
                        let known = db::uploads::of_parts(tx, actor.principal, text).await?;
                        let id = known.ok_or(error)?.id;
                        let known = db::uploads::take_over(tx, id).await?;
                        return join_again(tx, seen(known, id, &actor, now)?, row).await;
                    }
                    Err(error) => return Err(error),
                }
                if limit.is_some_and(|limit| row.received > limit) {
                    let detail = format!("the parts have {} bytes in all", row.received);
                    return Err(Error::new(Code::BodyTooLarge, detail));
                }
                db::uploads::insert(tx, &row).await?;
                Ok(row)
            })
        });
        joined.await
    }
}

/// Goes on with an upload that parts were made into before. One that is not finished becomes what is asked now.
async fn join_again(tx: &mut Tx, mut known: UploadRow, row: UploadRow) -> Result<UploadRow> {
    db::uploads::keep(tx, &mut known, row.expires_at).await?;
    // A file that was given no name has its upload's id.
    let plan = row.plan.replace(&row.id.to_string(), &known.id.to_string());
    if Plan::of(&known)?.makes_what(&Plan::from_json(&plan)?) {
        return Ok(known);
    }
    if known.state == UploadState::Finished {
        let detail = format!("the parts are {} by now, which made another file of them", known.id);
        return Err(Error::new(Code::UploadJoined, detail));
    }
    let UploadRow { workspace, metadata, set_aside_in, .. } = row;
    if known.set_aside_in != set_aside_in {
        quota::give_back(tx, known.set_aside_in, known.set_aside).await?;
        known.set_aside = 0;
        if let Some(place) = set_aside_in {
            quota::set_aside(tx, place, known.received, known.received).await?;
            known.set_aside = known.received;
        }
    }
    let known = UploadRow { workspace, plan, metadata, set_aside_in, ..known };
    db::uploads::set_plan(tx, &known).await?;
    Ok(known)
}

async fn join(
    tx: &mut Tx,
    actor: &Actor,
    row: &mut UploadRow,
    parts: &[UploadId],
    now: Timestamp,
) -> Result<()> {
    let (mut own, mut others) = (0, HashMap::new());
    for id in parts {
        let part = seen(db::uploads::take_over(tx, *id).await?, *id, actor, now)?;
        if part.state != UploadState::Complete {
            let detail = format!("{id} is no part that is whole");
            return Err(Error::new(Code::UploadIncomplete, detail));
        }
        db::pieces::join(tx, *id, row.id, row.pieces).await?;
        db::uploads::delete(tx, *id).await?;
        match part.set_aside_in {
            place if place == row.set_aside_in => own += part.set_aside,
            Some(place) => *others.entry(place).or_insert(0) += part.set_aside,
            None => {}
        }
        row.received += part.received;
        row.pieces += part.pieces;
        if row.pieces > PIECES {
            let detail = format!("an upload has at most {PIECES} pieces: send more bytes in each request");
            return Err(Error::new(Code::TooManyPieces, detail));
        }
    }
    row.length = Some(row.received);
    row.set_aside = row.received;
    for (place, bytes) in others {
        quota::give_back(tx, Some(place), bytes).await?;
    }
    match row.set_aside_in {
        Some(place) if row.received > own => {
            quota::set_aside(tx, place, row.received - own, row.received).await
        }
        place => quota::give_back(tx, place, own - row.received).await,
    }
}
