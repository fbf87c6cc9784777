//! Being let in by a share link: what its visitors may do, and the visit that a right password is exchanged for.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{
    HiddenText, LONGEST_VISIT, NodeKind, OpenShare, OpenedShare, Role, SeenShare, ShareMode, ShareState, Verb,
};
use longshore_core::{Code, ErrorKind, ShareGrant, ShareId, ShareToken, Timestamp};

use super::{need_of, not_found};
use crate::actor::{Actor, Credential, Memberships, Origin, Rights};
use crate::audit::Entry;
use crate::db::nodes::NodeRow;
use crate::db::shares::KnownShare;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Narrowing;

/// How long a visit lasts.
const VISIT: Duration = Duration::from_secs(LONGEST_VISIT);
/// The most visits of a link that are under way: the oldest ends for one more.
const MOST_VISITS: u32 = 1_000;

fn wrong(detail: &str) -> Error {
    Error::new(Code::SharePasswordWrong, detail)
}

/// What a visitor of each kind of link may do at most.
const fn cap(mode: ShareMode) -> (Role, Verb) {
    match mode {
        ShareMode::Read => (Role::Viewer, Verb::Read),
        ShareMode::Drop => (Role::Editor, Verb::Create),
    }
}

/// Asks what a link lets its visitors do, as the transaction sees it: no more than the link is for, below its node, and
/// nothing where its maker may no longer give that, or the node is in the trash or gone.
async fn rights(tx: &mut Tx, known: &KnownShare, now: Timestamp) -> Result<Arc<Rights>> {
    let share = &known.share;
    if matches!(share.state, ShareState::Revoked | ShareState::Expired) {
        return Err(not_found());
    }
    let workspace = share.workspace_id;
    let maker = match (share.key_id, known.session) {
        (Some(key), _) => {
            let rights = db::access::key_rights_in(tx, key, workspace, now).await;
            rights.map(|rights| Actor::new(share.created_by, Credential::Key(key), rights))
        }
        (None, Some(session)) => {
            let rights = db::sessions::rights_in(tx, session, workspace, now).await;
            rights.map(|rights| Actor::new(share.created_by, Credential::Session(session), rights))
        }
        (None, None) => Err(Error::corrupt("a share link that was made with nothing")),
    };
    let maker = maker.map_err(ended)?;
    maker.needs(workspace, need_of(share.mode)).map_err(ended)?;
    let place = db::nodes::place(tx, share.node_id).await?;
    if place.ids.is_empty() || place.trashed_at.is_some() || !maker.narrowing().has_place(&place) {
        return Err(not_found());
    }
    let (role, verb) = cap(share.mode);
    Ok(Arc::new(Rights {
        cap: role,
        only: Some(workspace),
        everywhere: None,
        memberships: Memberships::from([(workspace, role)]),
        narrowing: Narrowing {
            verbs: Some([verb].into()),
            folder: Some(share.node_id),
            ..Narrowing::default()
        },
    }))
}

/// What its maker has lost is told of a link as all else that ends it.
fn ended(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unauthenticated | ErrorKind::Denied | ErrorKind::NotFound => not_found(),
        _ => error,
    }
}

/// Returns what a link lets its visitors do as the transaction sees it; nothing where it leads nowhere.
pub(crate) async fn rights_now(tx: &mut Tx, id: ShareId, now: Timestamp) -> Result<Arc<Rights>> {
    let known = db::shares::known(tx, id, now).await?.ok_or_else(not_found)?;
    rights(tx, &known, now).await
}

/// What somebody who visits a link has found behind it, as a transaction sees it.
pub(super) struct Found {
    pub(super) known: KnownShare,
    pub(super) actor: Actor,
}

/// Finds what a token leads to, with who visits it; it may have given all its downloads.
pub(super) async fn find(tx: &mut Tx, token: &ShareToken, now: Timestamp) -> Result<Found> {
    let known =
        db::shares::known(tx, token.id(), now).await?.filter(|known| token.has_hash(&known.token_hash));
    let known = known.ok_or_else(not_found)?;
    let rights = rights(tx, &known, now).await?;
    let actor = Actor::new(known.share.created_by, Credential::Share(known.share.id), rights);
    Ok(Found { known, actor })
}

/// Finds what a token leads to, for who has not been let in yet.
async fn find_open(tx: &mut Tx, token: &ShareToken, now: Timestamp) -> Result<Found> {
    let found = find(tx, token, now).await?;
    if found.known.share.state == ShareState::Open { Ok(found) } else { Err(not_found()) }
}

pub(super) fn parse(token: &HiddenText) -> Result<ShareToken> {
    token.reveal().parse().map_err(|_| not_found())
}

/// Returns what visitors call a node: a root folder has the name of its workspace.
pub(super) async fn name_of(tx: &mut Tx, row: &NodeRow) -> Result<String> {
    if row.parent.is_some() {
        return Ok(row.name.clone());
    }
    let workspace = db::workspaces::get(tx, row.workspace).await?;
    workspace.map(|workspace| workspace.name).ok_or_else(not_found)
}

/// Begins a visit of a link that takes this password, or none.
async fn begin(
    tx: &mut Tx,
    token: &ShareToken,
    hash: Option<&str>,
    origin: Option<Arc<Origin>>,
    now: Timestamp,
) -> Result<OpenedShare> {
    // Who opens it at once follow each other, as those do who change it.
    db::shares::take(tx, token.id(), now).await?;
    let Found { known, actor } = find_open(tx, token, now).await?;
    if known.password_hash.as_deref() != hash {
        return Err(wrong("the link takes another password now"));
    }
    let share = known.share;
    let row = db::nodes::get(tx, share.node_id).await?.ok_or_else(not_found)?;
    db::shares::make_room(tx, share.id, now, MOST_VISITS).await?;
    let grant = ShareGrant::generate(now);
    let end = now.plus(VISIT);
    let expires_at = share.expires_at.map_or(end, |share| share.min(end));
    let visit = db::shares::Visit { id: grant.id(), share: share.id, secret_hash: grant.hash(), expires_at };
    db::shares::insert_visit(tx, &visit, now).await?;
    let opened = Entry::done("share.opened", &actor.in_request(origin), now);
    tx.note(opened.within(share.workspace_id).about(share.node_id));
    Ok(OpenedShare {
        grant: HiddenText::new(grant.reveal()),
        expires_at,
        mode: share.mode,
        name: name_of(tx, &row).await?,
        size: (row.kind == NodeKind::File && share.mode == ShareMode::Read).then_some(row.size),
        kind: row.kind,
    })
}

impl Engine {
    /// Tells who has a link what it is for, and whether it takes a password: nothing of what it leads to.
    ///
    /// `ShareNotFound` for all that leads nowhere, whatever the reason.
    pub async fn look_at_share(&self, token: &HiddenText) -> Result<SeenShare> {
        let share = self.open_share_of(token).await?.share;
        Ok(SeenShare { mode: share.mode, has_password: share.has_password })
    }

    async fn open_share_of(&self, token: &HiddenText) -> Result<KnownShare> {
        let (token, now) = (parse(token)?, self.now());
        let found = self.db().read(move |tx| {
            let token = token.clone();
            Box::pin(async move { find_open(tx, &token, now).await.map(|found| found.known) })
        });
        found.await
    }

    /// Lets in who has a link, and its password where it takes one: for an hour, or as long as the link lasts.
    pub async fn open_share(
        &self,
        token: &HiddenText,
        wanted: OpenShare,
        origin: Option<Arc<Origin>>,
    ) -> Result<OpenedShare> {
        let hash = self.open_share_of(token).await?.password_hash;
        if hash.is_some() {
            let password = wanted.password.ok_or_else(|| wrong("the link takes a password"))?;
            if !self.passwords().verify(password, hash.clone()).await? {
                return Err(wrong("the link takes another password"));
            }
        }
        let (token, clock) = (parse(token)?, self.clock());
        let opened = self.db().write(move |tx| {
            let (token, hash, clock, origin) = (token.clone(), hash.clone(), clock.clone(), origin.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                begin(tx, &token, hash.as_deref(), origin, now).await
            })
        });
        opened.await
    }
}
