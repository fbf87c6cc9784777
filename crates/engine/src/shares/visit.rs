//! Visiting a folder or a file by a share link: lists, contents and archives, and how often they are counted.
//!
//! Each transaction looks at the link, its maker and the visit anew. To visitors the node is the root: paths begin in it, and
//! nothing is told of where it is, of who wrote it, or of what lies beside it.

use std::sync::Arc;

use longshore_core::wire::{HiddenText, Node, NodeKind, Page, ShareMode, ShareState, SharedNode};
use longshore_core::{
    Code, ErrorKind, Name, ShareGrant, ShareId, ShareToken, Timestamp, VisitId, WorkspacePath,
};

use super::not_found;
use super::open::{Found, find, name_of, parse};
use crate::actor::{Actor, Origin};
use crate::archive::Archive;
use crate::db::nodes::{NodeRow, Place};
use crate::db::{self, Tx};
use crate::download::{Content, content_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::{Depth, PageRequest, Stride, WalkCursor, pause, resume, walk};
use crate::nodes::follow;

/// What a visitor of a share link shows: the link, and the grant that opening it gave.
#[derive(Clone, Debug)]
pub struct Visit {
    token: ShareToken,
    grant: Option<ShareGrant>,
    origin: Option<Arc<Origin>>,
}

impl Visit {
    /// Takes what a visitor shows. Whether it lets them in is asked when they do something.
    ///
    /// `ShareNotFound` for what is no link at all.
    pub fn new(token: &HiddenText, grant: Option<&str>) -> Result<Self> {
        let grant = grant.and_then(|text| text.parse().ok());
        Ok(Self { token: parse(token)?, grant, origin: None })
    }

    /// Returns this visit in a request.
    #[must_use]
    pub fn in_request(self, origin: Arc<Origin>) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Returns what separates this visit's idempotency keys from all others, its maker's too.
    pub(super) fn id(&self) -> Result<VisitId> {
        self.grant.as_ref().map(ShareGrant::id).ok_or_else(not_opened)
    }
}

fn not_opened() -> Error {
    let detail = "open the link first, and send the grant in `Share-Grant`: it lasts an hour at most";
    Error::new(Code::ShareNotOpened, detail)
}

fn nothing_at(path: &WorkspacePath) -> Error {
    Error::new(Code::NodeNotFound, format!("nothing at {path}"))
}

/// Who was let in, as a transaction sees it.
pub(super) struct Entered {
    pub(super) actor: Actor,
    pub(super) share: longshore_core::wire::Share,
    visit: VisitId,
}

/// Lets a visitor in, to do what links of this mode are for.
pub(super) async fn enter(tx: &mut Tx, visit: &Visit, mode: ShareMode, now: Timestamp) -> Result<Entered> {
    let Found { known, actor } = find(tx, &visit.token, now).await?;
    let share = known.share;
    let grant = visit.grant.as_ref().ok_or_else(not_opened)?;
    let opened = db::shares::visit(tx, grant.id()).await?;
    let opened = opened.filter(|opened| {
        grant.has_hash(&opened.secret_hash) && opened.share == share.id && opened.expires_at > now
    });
    let id = opened.ok_or_else(not_opened)?.id;
    if share.mode != mode {
        let detail = match share.mode {
            ShareMode::Read => "this link is for reading alone",
            ShareMode::Drop => "this link is a drop box: what lies there is not shown",
        };
        return Err(Error::new(Code::ShareModeWrong, detail));
    }
    Ok(Entered { actor: actor.in_request(visit.origin.clone()), share, visit: id })
}

impl Entered {
    /// Finds what stands at a path below the node, with the place that visitors see.
    async fn at(&self, tx: &mut Tx, path: WorkspacePath) -> Result<(NodeRow, Place)> {
        let row = follow(tx, self.share.node_id, &path).await?.ok_or_else(|| nothing_at(&path))?;
        Ok((row, Place { path, ..Place::default() }))
    }

    /// Tells whether a content is to be counted, and refuses it where the link has given all it gives.
    async fn is_new(&self, tx: &mut Tx, content: &str) -> Result<bool> {
        if db::shares::has_begun(tx, self.visit, content).await? {
            return Ok(false);
        }
        if self.share.state == ShareState::UsedUp { Err(not_found()) } else { Ok(true) }
    }
}

/// A folder or a file without what is not for visitors.
fn shown(node: Node) -> SharedNode {
    SharedNode {
        name: node.name,
        path: node.path,
        kind: node.kind,
        size: node.size,
        media_type: node.media_type,
        digest: node.digest,
        updated_at: node.updated_at,
    }
}

/// What has gone since the link was looked at is told as if the link had.
pub(super) fn told(error: Error) -> Error {
    match error.code() {
        // What visitors named themselves, and what they have to know of the link.
        Code::NodeNotFound
        | Code::ShareNotFound
        | Code::ShareNotOpened
        | Code::ShareModeWrong
        | Code::SharePasswordWrong => error,
        Code::InTrash => not_found(),
        _ if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Unauthenticated) => {
            not_found()
        }
        _ => error,
    }
}

/// Counts the download of a content that a visit begins, once; refuses it where the link has given all it gives.
async fn count(tx: &mut Tx, visit: &Visit, content: &str, now: Timestamp) -> Result<()> {
    // Of those who come at once each sees what the one before has counted.
    db::shares::take(tx, visit.token.id(), now).await?;
    let entered = enter(tx, visit, ShareMode::Read, now).await?;
    if entered.is_new(tx, content).await? {
        let id: ShareId = entered.share.id;
        db::shares::begin_download(tx, id, entered.visit, content).await?;
    }
    Ok(())
}

impl Engine {
    async fn count_download(&self, visit: &Visit, content: String) -> Result<()> {
        let (visit, clock) = (visit.clone(), self.clock());
        let counted = self.db().write(move |tx| {
            let (visit, content, clock) = (visit.clone(), content.clone(), clock.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                count(tx, &visit, &content, now).await
            })
        });
        counted.await
    }

    /// Lists what is below a folder of a share link, depth first, by name in byte order.
    pub async fn visit_tree(
        &self,
        visit: &Visit,
        path: WorkspacePath,
        depth: Depth,
        page: PageRequest,
    ) -> Result<Page<SharedNode>> {
        let (limit, clock, now) = (page.limit(), self.read_clock(), self.now());
        let places: Option<WalkCursor> = self.place_of(&page)?;
        let visit = visit.clone();
        let listed = self.db().read(move |tx| {
            let (visit, path, places, mut clock) =
                (visit.clone(), path.clone(), places.clone(), clock.clone());
            Box::pin(async move {
                let entered = enter(tx, &visit, ShareMode::Read, now).await?;
                let (row, place) = entered.at(tx, path).await?;
                if row.kind != NodeKind::Folder {
                    return Err(Error::new(Code::NotAFolder, format!("{} is a file", place.path)));
                }
                let start = places.unwrap_or_else(|| (row.id, vec![String::new()]));
                let mut frames = resume(tx, row.id, place.path, start).await?;
                let stride = Stride { depth, limit, looks: limit };
                let items = walk(tx, &mut frames, stride, &mut clock, |_| true).await?;
                Ok((items.into_iter().map(shown).collect(), pause(row.id, frames)))
            })
        });
        let (items, next) = listed.await.map_err(told)?;
        self.page(items, next)
    }

    /// Opens the content of a file of a share link: the link's own where the path is the root. Where `counts`, it is a
    /// download, unless this visit has begun one of this very content before.
    pub async fn visit_content(&self, visit: &Visit, path: WorkspacePath, counts: bool) -> Result<Content> {
        let (clock, now, visiting) = (self.read_clock(), self.now(), visit.clone());
        let found = self.db().read(move |tx| {
            let (visit, path, clock) = (visiting.clone(), path.clone(), clock.clone());
            Box::pin(async move {
                let entered = enter(tx, &visit, ShareMode::Read, now).await?;
                let (row, place) = entered.at(tx, path).await?;
                let found = content_of(tx, row, place, None, clock).await?;
                let is_new = entered.is_new(tx, &found.1.id.to_string()).await?;
                Ok((found, is_new))
            })
        });
        let (found, is_new) = found.await.map_err(told)?;
        if counts && is_new {
            self.count_download(visit, found.1.id.to_string()).await.map_err(told)?;
        }
        Ok(Self::content(found, self.store()))
    }

    /// Makes a zip of a folder of a share link and all below it, or of a file. Where `counts`, it is one download, unless this
    /// visit has begun one of this very folder before.
    pub async fn visit_archive(&self, visit: &Visit, path: WorkspacePath, counts: bool) -> Result<Archive> {
        let (clock, now, visiting) = (self.read_clock(), self.now(), visit.clone());
        let found = self.db().read(move |tx| {
            let (visit, path, mut clock) = (visiting.clone(), path.clone(), clock.clone());
            Box::pin(async move {
                let entered = enter(tx, &visit, ShareMode::Read, now).await?;
                let (row, place) = entered.at(tx, path).await?;
                let is_new = entered.is_new(tx, &row.id.to_string()).await?;
                let name = name_of(tx, &row).await?;
                // The link's own node has a name in the archive, and stands in no folder there.
                let path = match place.path.is_root() && row.parent.is_some() {
                    true => {
                        WorkspacePath::root().join(Name::new(row.name.as_str()).map_err(Error::corrupt)?)?
                    }
                    false => place.path,
                };
                let node = clock.node(tx, row, Place { path, ..Place::default() }).await?;
                Ok((entered.actor, name, node, is_new))
            })
        });
        let (actor, name, node, is_new) = found.await.map_err(told)?;
        let id = node.id.to_string();
        let archive = self.archive_of(&actor, name, vec![node]).await.map_err(told)?;
        if counts && is_new {
            self.count_download(visit, id).await.map_err(told)?;
        }
        Ok(archive)
    }
}
