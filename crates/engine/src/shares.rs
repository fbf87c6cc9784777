//! Share links: a folder or a file for who has no key, to read or, as a drop box, to put new files in.
//!
//! A link is bound to its node's id, and to the key or the session that it was made with. Whoever visits it acts in the name of
//! its maker, as far as the link goes: what the maker may do is asked anew in each transaction, so that the link ends with
//! that right. Visitors see the node as the root of all there is ([`visit`]); that a link is none, and why it is one no
//! longer, is told alike.

mod drop_box;
mod open;
mod visit;

use std::time::Duration;

use longshore_core::wire::{
    CreateShare, HiddenText, LONGEST_SHARE, NewShare, NodeKind, Page, Role, Share, ShareMode, ShareState,
    UpdateShare,
};
use longshore_core::{Code, NodeId, ShareId, ShareToken, Timestamp, WorkspaceId};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::{Actor, Credential};
use crate::db::events::Change;
use crate::db::shares::KnownShare;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::nodes::{live_node, not_found as no_node};
use crate::passwords::ensure_long_enough;
use crate::words;

pub use drop_box::{DropOptions, Dropping};
pub(crate) use open::rights_now;
pub use visit::Visit;

/// The most share links of a workspace that are kept.
const MOST: u32 = 10_000;
/// The most of them that one principal made, so that nobody takes all.
const MOST_OF_MAKER: u32 = 1_000;
/// How long a share link is listed after it has ended.
const LISTED: Duration = Duration::from_hours(30 * 24);
/// The most characters of a note.
const NOTE: usize = 200;
/// The most downloads that can be stated.
const MOST_DOWNLOADS: u64 = 1_000_000_000;

/// The one answer to all who have a link that leads nowhere.
fn not_found() -> Error {
    Error::new(
        Code::ShareNotFound,
        "this link leads nowhere: it is none of ours, has ended, or what it led to is gone",
    )
}

fn no_share(id: ShareId) -> Error {
    Error::new(Code::ShareNotFound, format!("no share link {id}"))
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::new(Code::InvalidBody, detail)
}

/// What it takes to make a link, and to have it go on.
const fn need_of(mode: ShareMode) -> Need {
    match mode {
        ShareMode::Read => Need::SHARE,
        ShareMode::Drop => Need::SHARE_DROP,
    }
}

/// Refuses what no link is made of.
fn check(
    mode: ShareMode,
    note: Option<&str>,
    expires_in: Option<u64>,
    most_downloads: Option<u64>,
) -> Result<()> {
    words::check("note", note, NOTE)?;
    if expires_in.is_some_and(|seconds| seconds == 0 || seconds > LONGEST_SHARE) {
        return Err(invalid(format!("`expires_in` is 1 to {LONGEST_SHARE} seconds")));
    }
    if most_downloads.is_some_and(|most| most == 0 || most > MOST_DOWNLOADS) {
        return Err(invalid(format!("`most_downloads` is 1 to {MOST_DOWNLOADS}")));
    }
    if most_downloads.is_some() && mode == ShareMode::Drop {
        return Err(invalid("a drop box gives no downloads that could be counted"));
    }
    Ok(())
}

fn end_of(expires_in: Option<u64>, now: Timestamp) -> Option<Timestamp> {
    expires_in.map(|seconds| now.plus(Duration::from_secs(seconds)))
}

/// What is made of an order once its password is hashed.
#[derive(Clone, Debug)]
struct Hashed<T> {
    wanted: T,
    hash: Option<String>,
}

/// Refuses one link more where there are as many as may be and none of them has ended; else the oldest of those that have
/// gives up its place.
async fn ensure_room(act: &mut Act<'_>, now: Timestamp) -> Result<()> {
    let (workspace, maker) = (act.log.workspace(), act.actor().principal);
    db::shares::forget(act.tx, workspace, now.minus(LISTED)).await?;
    for (maker, most, whose) in [(Some(maker), MOST_OF_MAKER, "you have"), (None, MOST, "the workspace has")]
    {
        if db::shares::count(act.tx, workspace, maker, most).await? >= u64::from(most)
            && !db::shares::forget_oldest(act.tx, workspace, maker, now).await?
        {
            let detail = format!("{whose} as many share links as may be in one workspace: {most}");
            return Err(Error::new(Code::TooManyShares, detail));
        }
    }
    Ok(())
}

async fn create(act: &mut Act<'_>, node: NodeId, order: Hashed<CreateShare>) -> Result<NewShare> {
    let Hashed { wanted, hash } = order;
    let (workspace_id, now) = (act.log.workspace(), act.now());
    let (key_id, session) = match act.actor().credential {
        Credential::Key(key) => (Some(key), None),
        Credential::Session(session) => (None, Some(session)),
        Credential::Share(_) | Credential::Longshore => {
            return Err(Error::new(Code::KeyMissing, "a share link is made with a key"));
        }
    };
    let (row, place) = live_node(act.tx, act.log.actor(), node).await?;
    act.check_stated(Some(&row)).await?;
    act.use_locks(&place);
    if wanted.mode == ShareMode::Drop && row.kind != NodeKind::Folder {
        return Err(Error::new(Code::NotAFolder, format!("{} is a file, and no drop box", place.path)));
    }
    ensure_room(act, now).await?;
    let token = ShareToken::generate(now);
    let share = Share {
        id: token.id(),
        workspace_id,
        node_id: node,
        mode: wanted.mode,
        has_password: hash.is_some(),
        note: wanted.note,
        expires_at: end_of(wanted.expires_in, now),
        most_downloads: wanted.most_downloads,
        downloads: 0,
        created_by: act.actor().principal,
        key_id,
        created_at: now,
        revoked_at: None,
        state: ShareState::Open,
    };
    let known = KnownShare { share, token_hash: token.hash(), password_hash: hash, session };
    db::shares::insert(act.tx, &known).await?;
    let share = known.share;
    let change = Change::of("share.created", &row, &place.path).with("share_id", json!(share.id));
    let change = change.with("mode", json!(share.mode)).with("has_password", json!(share.has_password));
    let change = change.with("expires_at", json!(share.expires_at));
    act.record(change.with("most_downloads", json!(share.most_downloads))).await?;
    Ok(NewShare { share, token: HiddenText::new(token.reveal()) })
}

/// Tells whether somebody sees and changes the links of others in a workspace: its admins do.
fn sees_all(actor: &Actor, workspace: WorkspaceId) -> bool {
    actor.role_in(workspace) >= Some(Role::Admin) && actor.narrowing().folder.is_none()
}

/// Tells whether somebody sees a link: their own, and admins all.
async fn sees(tx: &mut Tx, actor: &Actor, share: &Share) -> Result<bool> {
    if sees_all(actor, share.workspace_id) {
        return Ok(true);
    }
    Ok(share.created_by == actor.principal && actor.narrowing().has_node(tx, share.node_id).await?)
}

/// Finds a link that somebody sees.
async fn seen(
    tx: &mut Tx,
    actor: &Actor,
    workspace: WorkspaceId,
    id: ShareId,
    now: Timestamp,
) -> Result<KnownShare> {
    actor.needs(workspace, Need::SHARE)?;
    let known = db::shares::known(tx, id, now).await?.filter(|known| known.share.workspace_id == workspace);
    let known = known.ok_or_else(|| no_share(id))?;
    if sees(tx, actor, &known.share).await? { Ok(known) } else { Err(no_share(id).refusing(workspace)) }
}

/// Finds a link that somebody may change, as it stands while nobody else changes it, and begins the event that says so.
async fn own(act: &mut Act<'_>, id: ShareId, kind: &'static str) -> Result<(KnownShare, Change)> {
    let (workspace, now) = (act.log.workspace(), act.now());
    seen(act.tx, act.log.actor(), workspace, id, now).await?;
    let known = db::shares::take(act.tx, id, now).await?.ok_or_else(|| no_share(id))?;
    let node = known.share.node_id;
    let row = db::nodes::get(act.tx, node).await?.ok_or_else(|| no_node(node))?;
    let place = db::nodes::place(act.tx, node).await?;
    act.use_locks(&place);
    let change = Change::of(kind, &row, &place.path).with("share_id", json!(id));
    let change = change.with("mode", json!(known.share.mode));
    Ok((known, change))
}

async fn change(act: &mut Act<'_>, id: ShareId, order: Hashed<UpdateShare>) -> Result<Share> {
    let Hashed { wanted, hash } = order;
    let (mut known, mut said) = own(act, id, "share.changed").await?;
    let (before, now) = (known.clone(), act.now());
    act.actor().needs(act.log.workspace(), need_of(known.share.mode))?;
    if known.share.revoked_at.is_some() {
        return Err(Error::new(Code::ShareRevoked, "the share link was revoked: make a new one"));
    }
    let downloads = wanted.most_downloads.flatten();
    check(known.share.mode, wanted.note.as_ref().and_then(Option::as_deref), None, downloads)?;
    let share = &mut known.share;
    if let Some(note) = wanted.note {
        share.note = note;
    }
    if let Some(expires_in) = wanted.expires_in {
        share.expires_at = end_of(expires_in, now);
        said = said.with("expires_at", json!(share.expires_at));
    }
    if let Some(most) = wanted.most_downloads {
        share.most_downloads = most;
        said = said.with("most_downloads", json!(most));
    }
    if wanted.password.is_some() {
        known.password_hash = hash;
        share.has_password = known.password_hash.is_some();
        said = said.with("has_password", json!(share.has_password));
        // Who was let in by the password of before shows the new one.
        db::shares::end_visits(act.tx, id).await?;
    }
    share.state = db::shares::state(share, now);
    if known.share != before.share || known.password_hash != before.password_hash {
        db::shares::update(act.tx, &known).await?;
        act.record(said).await?;
    }
    Ok(known.share)
}

async fn revoke(act: &mut Act<'_>, id: ShareId) -> Result<()> {
    let (mut known, said) = own(act, id, "share.revoked").await?;
    if known.share.revoked_at.is_some() {
        return Ok(());
    }
    known.share.revoked_at = Some(act.now());
    db::shares::update(act.tx, &known).await?;
    db::shares::end_visits(act.tx, id).await?;
    act.record(said).await?;
    Ok(())
}

impl Engine {
    /// Makes a link to a folder or a file for who has no key; its token is in the answer and nowhere else. It takes who may read
    /// and share; for a drop box, who may put files there too.
    pub async fn create_share(
        &self,
        actor: &Actor,
        node: NodeId,
        wanted: CreateShare,
        premises: Premises,
    ) -> Result<NewShare> {
        let need = need_of(wanted.mode);
        check(wanted.mode, wanted.note.as_deref(), wanted.expires_in, wanted.most_downloads)?;
        if let Some(answer) = self.answered(actor, &premises, need).await? {
            return Ok(answer);
        }
        // Nobody has passwords hashed who could make no link.
        actor.needs(self.workspace_of_node(actor, node).await?, need)?;
        let hash = self.hashed(wanted.password.as_ref()).await?;
        let ask = Ask { actor, need, scope: Scope::Node(node), premises };
        self.act(ask, Hashed { wanted, hash }, move |act, order| Box::pin(create(act, node, order))).await
    }

    async fn hashed(&self, password: Option<&HiddenText>) -> Result<Option<String>> {
        let Some(password) = password else { return Ok(None) };
        ensure_long_enough(password)?;
        self.passwords().hash(password.clone()).await.map(Some)
    }

    /// Lists the share links of a workspace, the oldest first: an admin's all, others' their own. Those that have ended are
    /// listed for at least 30 days after.
    pub async fn list_shares(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Share>> {
        actor.needs(workspace, Need::SHARE)?;
        let (limit, after, now, asks) = (page.limit(), self.after(&page)?, self.now(), actor.clone());
        let found = self.db().read(move |tx| {
            let (actor, after) = (asks.clone(), after.clone());
            Box::pin(async move {
                let maker = Some(actor.principal).filter(|_| !sees_all(&actor, workspace));
                let listed = db::shares::list(tx, workspace, maker, &after, limit, now).await?;
                let mut seen = Vec::with_capacity(listed.len());
                for share in listed {
                    seen.push((sees(tx, &actor, &share).await?, share));
                }
                Ok(seen)
            })
        });
        // The page goes on after what was looked at, seen or not.
        let Page { items, next_cursor } =
            self.page_by(&page, found.await?, |(_, share)| share.id.to_string())?;
        let items = items.into_iter().filter_map(|(is_seen, share)| is_seen.then_some(share)).collect();
        Ok(Page { items, next_cursor })
    }

    /// Returns a share link, to its maker and to admins.
    pub async fn share(&self, actor: &Actor, workspace: WorkspaceId, id: ShareId) -> Result<Share> {
        let (actor, now) = (actor.clone(), self.now());
        let found = self.db().read(move |tx| {
            let actor = actor.clone();
            Box::pin(async move { Ok(seen(tx, &actor, workspace, id, now).await?.share) })
        });
        found.await
    }

    /// Changes a share link; one that was revoked stays so. It takes what making it took.
    pub async fn update_share(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        id: ShareId,
        wanted: UpdateShare,
        premises: Premises,
    ) -> Result<Share> {
        check(
            ShareMode::Read,
            wanted.note.as_ref().and_then(Option::as_deref),
            wanted.expires_in.flatten(),
            None,
        )?;
        if let Some(answer) = self.answered(actor, &premises, Need::SHARE).await? {
            return Ok(answer);
        }
        self.share(actor, workspace, id).await?;
        let hash = self.hashed(wanted.password.as_ref().and_then(Option::as_ref)).await?;
        let ask = Ask { actor, need: Need::SHARE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, Hashed { wanted, hash }, move |act, order| Box::pin(change(act, id, order))).await
    }

    /// Revokes a share link, which ends its visits; one that was revoked before keeps its time.
    pub async fn revoke_share(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        id: ShareId,
        premises: Premises,
    ) -> Result<()> {
        let ask = Ask { actor, need: Need::SHARE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, (), move |act, ()| Box::pin(revoke(act, id))).await
    }
}
