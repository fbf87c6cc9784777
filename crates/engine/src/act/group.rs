//! Many acts in one transaction, each with an outcome of its own.

use std::collections::HashMap;
use std::sync::Arc;

use longshore_core::{Code, LockToken, WorkspaceId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Act, Acting, Preconditions};
use crate::actor::Actor;
use crate::db::events::Log;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::hooks;
use crate::idempotency::{self, Idempotency, Turn};
use crate::narrowing::Need;

/// Who asks for a group of acts, on which workspace, under which locks.
#[derive(Clone, Debug)]
pub(crate) struct GroupAsk {
    pub(crate) actor: Actor,
    pub(crate) workspace: WorkspaceId,
    pub(crate) locks: Vec<LockToken>,
}

/// One act of a group.
#[derive(Clone, Debug)]
pub(crate) struct Member<I> {
    pub(crate) preconditions: Preconditions,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) input: I,
}

/// What became of each act: its answer, and whether that is the one of an earlier request.
pub(crate) type Outcomes<T> = Vec<Result<(T, bool)>>;

impl Engine {
    /// Runs write verbs in order as one transaction. One that is refused hurts no other; a fault fails them all.
    ///
    /// All bring content to one workspace. Each is an act of its own in the log. The locks hold for all: a lost one
    /// refuses every act, but one that covers nothing of an act, or of any, does not, since who sends many files together
    /// names the locks of all of them.
    pub(crate) async fn act_group<I, T, F>(
        &self,
        ask: GroupAsk,
        members: Vec<Member<I>>,
        run: F,
    ) -> Result<Outcomes<T>>
    where
        I: Clone + Send + Sync + 'static,
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: for<'t, 'x> Fn(&'t mut Act<'x>, I) -> Acting<'t, T> + Copy + Send + Sync + 'static,
    {
        ask.actor.needs(ask.workspace, Need::UPLOAD)?;
        let (clock, shared) = (self.clock(), Arc::new((ask, members)));
        self.db()
            .write(move |tx| {
                let (clock, shared) = (clock.clone(), Arc::clone(&shared));
                Box::pin(async move {
                    let (ask, members) = &*shared;
                    let log = Log::open(tx, ask.workspace, ask.actor.clone(), clock.as_ref()).await?;
                    log.actor().needs(ask.workspace, Need::UPLOAD)?;
                    let mut act = Act {
                        tx,
                        log,
                        preconditions: Preconditions::default(),
                        held: Vec::new(),
                        covers: HashMap::new(),
                        folder: None,
                        is_provisional: false,
                    };
                    let held = match act.take_up(&ask.locks).await {
                        Err(fault) if !fault.is_refusal() => return Err(fault),
                        held => held,
                    };
                    // Each mostly has one event, and the first place is there.
                    let more = members.len().saturating_sub(1) as u64;
                    act.log.reserve(act.tx, more).await?;
                    let outcomes = run_members(&mut act, members, &held, run).await?;
                    let Act { tx, log, .. } = act;
                    hooks::announce(tx, &log).await?;
                    // A lock that was told as lost stays lost when the clock steps back: the time is committed.
                    log.close(tx).await?;
                    Ok(outcomes)
                })
            })
            .await
    }
}

/// Runs acts as one part of the transaction, or each as one where any is refused: a part for each costs as much as its
/// act, and few groups have a refusal. An error of this function is one of the whole transaction.
async fn run_members<I, T, F>(
    act: &mut Act<'_>,
    members: &[Member<I>],
    held: &Result<()>,
    run: F,
) -> Result<Outcomes<T>>
where
    I: Clone,
    T: Serialize + DeserializeOwned,
    F: for<'t, 'x> Fn(&'t mut Act<'x>, I) -> Acting<'t, T> + Copy,
{
    match run_part(act, members, held, run).await? {
        Ok(done) => return Ok(done.into_iter().map(Ok).collect()),
        Err(refused) if members.len() == 1 => return Ok(vec![Err(refused)]),
        Err(_) => {}
    }
    let mut outcomes = Vec::with_capacity(members.len());
    for member in members.chunks(1) {
        match run_part(act, member, held, run).await? {
            Ok(done) => outcomes.extend(done.into_iter().map(Ok)),
            Err(refused) => outcomes.push(Err(refused)),
        }
    }
    Ok(outcomes)
}

/// Runs acts as a part of the transaction, which the first that is refused takes back. An error of this function is one
/// of the whole transaction.
async fn run_part<I, T, F>(
    act: &mut Act<'_>,
    members: &[Member<I>],
    held: &Result<()>,
    run: F,
) -> Result<Result<Vec<(T, bool)>>>
where
    I: Clone,
    T: Serialize + DeserializeOwned,
    F: for<'t, 'x> Fn(&'t mut Act<'x>, I) -> Acting<'t, T> + Copy,
{
    let part = act.tx.begin_part().await?;
    let begun = act.log.begin_act();
    let mut done = Vec::with_capacity(members.len());
    for member in members {
        act.log.begin_act();
        match attempt(act, member, held, run).await {
            Ok(answer) => done.push(answer),
            Err(refused) if refused.is_refusal() => {
                let refused = refused.within(act.log.workspace());
                act.tx.take_back(part).await?;
                act.log.take_back(begun);
                // It may have been made by what was just taken back.
                act.folder = None;
                return Ok(Err(refused));
            }
            Err(fault) => return Err(fault),
        }
    }
    act.tx.end_part(part).await?;
    Ok(Ok(done))
}

async fn attempt<I, T, F>(
    act: &mut Act<'_>,
    member: &Member<I>,
    held: &Result<()>,
    run: F,
) -> Result<(T, bool)>
where
    I: Clone,
    T: Serialize + DeserializeOwned,
    F: for<'t, 'x> Fn(&'t mut Act<'x>, I) -> Acting<'t, T>,
{
    let open = match member.idempotency.clone() {
        None => None,
        Some(idempotency) => {
            let whose = (act.actor().principal, Some(act.log.workspace()));
            let (now, idempotency) = (act.now(), idempotency.within(act.actor()));
            match idempotency::begin(act.tx, idempotency, whose, now).await? {
                Turn::Open(open) => Some(open),
                Turn::Done(answer) => return Ok((answer, true)),
            }
        }
    };
    held.clone()?;
    act.preconditions = member.preconditions.clone();
    let answer = run(act, member.input.clone()).await?;
    if act.is_provisional {
        return Err(Error::new(Code::Internal, "an act of a group gave an answer that is not its last"));
    }
    if let Some(open) = open {
        open.keep(act.tx, &answer).await?;
    }
    Ok((answer, false))
}
